//! What a form follows, and the places that it fills again.

use super::output::Output;
use super::pattern::{name_len, numbers};

/// Place of the first name of the text that the form follows, again; then of the second, and so on.
const SAME_NAME: char = '\u{e010}';
/// Place of the first number of that text, again; then of the second, and so on.
const SAME_NUMBER: char = '\u{e020}';
/// Place of the first name of the thought before an answer, again; then of the second, and so on.
const SAME_THOUGHT: char = '\u{e030}';
/// How many places of one kind there are.
const MAX_SAME: u32 = 16;
/// Places of the rows of the output's column that the code names first, or second.
const COLUMNS: [char; 2] = ['\u{e100}', '\u{e140}'];
const MAX_ROWS: u32 = 64;
/// Places of the output's cells from the first one on, and from the last one back.
const CELL: char = '\u{e200}';
const LAST: char = '\u{e300}';
const MAX_CELLS: u32 = 256;
/// Places of lists in quotes: all header cells of the output, the first six or eight, and all its cells.
const HEADER: char = '\u{e003}';
const HEADER_6: char = '\u{e004}';
const HEADER_8: char = '\u{e005}';
const ALL: char = '\u{e006}';

/// What must hold of the number that the place after it was read as: that it is zero, that it is below 0.05 or not, that
/// it is negative or not. So the words of a verdict follow from what was printed.
const ZERO: char = '\u{e00c}';
const SMALL: char = '\u{e00d}';
const LARGE: char = '\u{e00e}';
const FALLING: char = '\u{e00f}';
const RISING: char = '\u{e00a}';

/// A p value below this is called significant, as is usual.
const SIGNIFICANT: f64 = 0.05;

/// Whether a number is what a mark before its place asks for; nothing for other marks.
fn condition(mark: char) -> Option<fn(f64) -> bool> {
    match mark {
        ZERO => Some(|number| number == 0.0),
        SMALL => Some(|number| number < SIGNIFICANT),
        LARGE => Some(|number| number >= SIGNIFICANT),
        FALLING => Some(|number| number < 0.0),
        RISING => Some(|number| number >= 0.0),
        _ => None,
    }
}

/// What stands before a string that is an option or a title, not a name.
const OPTIONS: [&str; 4] = ["sep=", "aggfunc=", "to_period(", "title="];

/// Names and numbers of a text, which may stand again in what follows it.
#[derive(Default)]
pub(super) struct Parts<'t> {
    pub(super) names: Vec<&'t str>,
    pub(super) numbers: Vec<String>,
}

impl<'t> Parts<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let (mut names, mut outside) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('"') {
            outside.push_str(before);
            outside.push('"');
            let len = name_len(after).unwrap_or(after.len());
            let (name, closed) = after.split_at(len);
            // An option such as a separator is part of its form.
            if !OPTIONS.iter().any(|option| before.ends_with(option)) {
                names.push(name);
            }
            rest = closed.strip_prefix('"').unwrap_or_default();
        }
        outside.push_str(rest);
        Self { names, numbers: numbers(&outside).collect() }
    }
}

/// What a form follows: code (or for code, the thought), what it printed, and the last thought.
pub(super) struct Before<'t> {
    pub(super) code: Parts<'t>,
    pub(super) output: Output<'t>,
    pub(super) thought: Parts<'t>,
}

impl<'t> Before<'t> {
    pub(super) fn step(code: &'t str, output: &'t str) -> Self {
        Self { code: Parts::of(code), output: Output::of(output), thought: Parts::default() }
    }

    /// The form with all put in that stands before; none where it is not there or not the number that it should be, or
    /// where a list that ends without `…` leaves rows of a table out.
    pub(super) fn put(&self, form: &str) -> Option<String> {
        let rows = form.chars().filter(|c| index(*c, COLUMNS[0], MAX_ROWS).is_some()).count();
        if rows > 1 && rows != self.output.n_rows() && !form.contains('…') {
            return None;
        }
        let mut made = String::with_capacity(form.len());
        let mut asked = None;
        for c in form.chars() {
            if let Some(condition) = condition(c) {
                asked = Some(condition);
                continue;
            }
            let filled = self.filled(c);
            if let Some(holds) = asked.take() {
                let Filled::With(Some(number)) = filled else { return None };
                number.parse().ok().filter(|number| holds(*number))?;
            }
            match filled {
                Filled::Text => made.push(c),
                Filled::With(text) => made.push_str(text?),
                Filled::List(list) => made.push_str(&list?),
            }
        }
        Some(made)
    }

    /// Whether a form that lists cells of the output by pairs of a name and a value, and that ends without `…`, leaves
    /// out some that follow. Zeros are left out where counts are sorted.
    pub(super) fn leaves_out(&self, form: &str) -> bool {
        let marks: Vec<char> = form.chars().collect();
        let cell = |c: char| index(c, CELL, MAX_CELLS);
        let pair = |marks: &[char]| match *marks {
            ['"', name, '"', ' ', value] => cell(name).and(cell(value)),
            _ => None,
        };
        let listed: Vec<usize> = marks.windows(5).filter_map(pair).collect();
        let next = listed.last().and_then(|last| self.output.cell(last + 2));
        listed.len() > 1 && !form.contains('…') && next.is_some_and(|value| value != "0")
    }

    fn filled(&self, c: char) -> Filled<'_> {
        let number = |at: usize| self.code.numbers.get(at).map(String::as_str);
        let below =
            |column: usize, row: usize| self.output.below(self.code.names.get(column)?, row);
        match c {
            HEADER => Filled::List(self.output.header(usize::MAX)),
            HEADER_6 => Filled::List(self.output.header(6)),
            HEADER_8 => Filled::List(self.output.header(8)),
            ALL => Filled::List(self.output.all()),
            _ => index(c, SAME_NAME, MAX_SAME)
                .map(|at| self.code.names.get(at).copied())
                .or_else(|| index(c, SAME_NUMBER, MAX_SAME).map(number))
                .or_else(|| {
                    index(c, SAME_THOUGHT, MAX_SAME).map(|at| self.thought.names.get(at).copied())
                })
                .or_else(|| index(c, COLUMNS[0], MAX_ROWS).map(|row| below(0, row)))
                .or_else(|| index(c, COLUMNS[1], MAX_ROWS).map(|row| below(1, row)))
                .or_else(|| index(c, CELL, MAX_CELLS).map(|at| self.output.cell(at)))
                .or_else(|| index(c, LAST, MAX_CELLS).map(|at| self.output.last(at)))
                .map_or(Filled::Text, Filled::With),
        }
    }
}

/// What stands for a character of a form.
enum Filled<'t> {
    /// Itself, also where it is a free place.
    Text,
    /// What stood before, if it did.
    With(Option<&'t str>),
    /// A list, if it was printed.
    List(Option<String>),
}

/// Which of `count` marks from `first` on a character is, from 0.
fn index(c: char, first: char, count: u32) -> Option<usize> {
    let at = u32::from(c).checked_sub(u32::from(first)).filter(|at| *at < count)?;
    usize::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_before_stands_again() {
        let thought = Before { code: Parts::of("3 of \"a\" by \"b\""), ..Before::step("", "") };
        let form = "\u{e002}[\"\u{e011}\"].f(\u{e020}, \"\u{e010}\")";
        assert_eq!(thought.put(form).as_deref(), Some("\u{e002}[\"b\"].f(3, \"a\")"));
        assert_eq!(thought.put("\u{e021}"), None);
        assert_eq!(Parts::of("read(\"x\", sep=\"\\t\")").names, ["x"]);
    }

    #[test]
    fn an_answer_reads_its_places_off_the_output() {
        let table = Before::step("df.nlargest(2, \"n\")", "city|n\nRome|9\nOslo|7");
        assert_eq!(table.put("\u{e100} and \u{e101}").as_deref(), Some("9 and 7"));
        assert_eq!(table.put("\u{e003}.").as_deref(), Some("\"city\", \"n\"."));
        let longer = Before::step("df.nlargest(3, \"n\")", "city|n\nRome|9\nOslo|7\nBern|5");
        assert_eq!(longer.put("\u{e100} and \u{e101}"), None);
        let series = Before::step("", "city\nRome  9\nOslo  7\nName: n, dtype: int64");
        assert_eq!(series.put("\u{e201} \u{e202}, \u{e301}").as_deref(), Some("Rome 9, Oslo"));
    }

    #[test]
    fn a_list_without_dots_leaves_out_zeros_alone() {
        let two = "Missing: \"\u{e200}\" \u{e201}, \"\u{e202}\" \u{e203}.";
        let leaves_out = |form: &str, output| Before::step("", output).leaves_out(form);
        assert!(leaves_out(two, "mass  9\ncity  7\nyear  2"));
        assert!(!leaves_out(&two.replace('.', ", …."), "mass  9\ncity  7\nyear  2"));
        assert!(!leaves_out(two, "mass  9\ncity  7\nyear  0\nname  0"));
        assert!(!leaves_out(two, "mass  9\ncity  7"));
        assert!(!leaves_out("\"\u{e200}\" has \u{e201}.", "mass  9\ncity  7"));
    }

    #[test]
    fn a_verdict_follows_from_what_was_printed() {
        let told = |form: &str, output| Before::step("", output).put(form);
        let (rises, falls) = (
            "rising: \u{e00a}\u{e200} (\u{e00d}\u{e201})",
            "falling: \u{e00f}\u{e200} (\u{e00d}\u{e201})",
        );
        let unclear = "unclear (\u{e00e}\u{e201})";
        for (output, expected) in [
            ("1.6 0.0", [true, false, false]),
            ("-2.5 0.04", [false, true, false]),
            ("1.6 0.05", [false, false, true]),
        ] {
            assert_eq!(
                [rises, falls, unclear].map(|form| told(form, output).is_some()),
                expected,
                "{output}"
            );
        }
        assert_eq!(told(rises, "nan nan"), None);
    }

    #[test]
    fn a_zero_is_told_only_where_one_was_printed() {
        let form = "All counts are \u{e00c}\u{e201}.";
        let told = |output| Before::step("", output).put(form);
        assert_eq!(told("city  0\nmass  0").as_deref(), Some("All counts are 0."));
        assert_eq!(told("mass  12\ncity  0"), None);
        assert_eq!(told("nothing"), None);
        assert_eq!(Before::step("", "x  0").put("All are \u{e00c}\u{e001}."), None);
    }
}
