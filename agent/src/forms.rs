//! The forms that a small model was taught: sentences and code with places for names, numbers and a variable.
//!
//! A model of a few million parameters knows which form a question asks for long before it writes every token of it
//! without a slip. So its file lists the forms, and decoding keeps to them: the model chooses among forms and among
//! what may fill their places, and everything between costs it nothing.

use std::collections::{BTreeMap, BTreeSet};

mod output;

use output::Output;

/// Place of a name or value; it stands between double quotes.
const NAME: char = '\u{e000}';
/// The same of a numeric column, of a column that is none, and of a column of dates.
const MEASURE: char = '\u{e007}';
const GROUP: char = '\u{e008}';
const DATE: char = '\u{e009}';
/// Place of a number.
const NUMBER: char = '\u{e001}';
/// Place of the variable that holds the table.
const VARIABLE: char = '\u{e002}';
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
/// Between the parts of a form.
const SEPARATOR: char = '\u{1f}';

/// What stands before a string that is an option, not a name.
const OPTIONS: [&str; 3] = ["sep=", "aggfunc=", "to_period("];

/// Forms by what they follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forms {
    steps: Vec<StepForm>,
    ends: Vec<EndForm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StepForm {
    thought: String,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct EndForm {
    /// Of the last step; empty where none was made.
    after: String,
    thought: String,
    answer: String,
}

/// What may fill the places of a form, but for names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fill {
    pub(crate) numbers: BTreeSet<String>,
    pub(crate) variables: BTreeSet<String>,
}

/// What a question holds that the places of a thought should take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Columns that it mentions.
    pub(crate) columns: usize,
    /// Whether some words of it may be a value.
    pub(crate) value: bool,
    /// Whether a value that was printed stands in it.
    pub(crate) known_value: bool,
    /// Whether a number stands in it.
    pub(crate) number: bool,
}

/// For each column that the question mentions and the thought would not, or the other way round.
const COLUMN_OFF: f32 = -2.0;
/// For a value or a number that the question does not give, or a known value that the thought would not take up.
const VALUE_OFF: f32 = -6.0;
const VALUE_LOST: f32 = -3.0;

impl Demand {
    /// How well the places of a thought's form fit, 0 at best.
    fn fit(self, form: &str) -> f32 {
        let n_names = form.chars().filter(|c| kind_of(*c).is_some()).count();
        let n_values = form.match_indices("== ").count();
        let columns = n_names.saturating_sub(form.match_indices("== \"").count());
        #[expect(clippy::cast_precision_loss, reason = "a form has few places")]
        let mut fit = COLUMN_OFF * columns.abs_diff(self.columns) as f32;
        if form.contains(NUMBER) && !self.number {
            fit += VALUE_OFF;
        }
        if form.contains("== \"") && !self.value {
            fit += VALUE_OFF;
        }
        if n_values == 0 && self.known_value {
            fit += VALUE_LOST;
        }
        fit
    }
}

/// What a name may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything.
    Any,
    /// A numeric column.
    Measure,
    /// A column that can group, or a value.
    Group,
    /// A column of dates.
    Date,
}

/// What may follow a text that keeps to some form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Following {
    /// No form begins like this.
    Unknown,
    /// A name is open.
    Name(Kind),
    /// One of these texts, each with what is added to its likelihood.
    Among(BTreeMap<String, f32>),
}

impl Forms {
    /// Reads the forms of a model's file: thought and code of a step, or what a turn's end follows, its thought and
    /// its answer, with U+001F between the parts.
    pub fn new(texts: &[String]) -> Self {
        let mut forms = Self::default();
        for text in texts {
            let parts: Vec<&str> = text.split(SEPARATOR).collect();
            if let [thought, code] = parts[..] {
                forms.steps.push(StepForm { thought: thought.to_owned(), code: code.to_owned() });
            } else if let [after, thought, answer] = parts[..] {
                let [after, thought, answer] = [after, thought, answer].map(str::to_owned);
                forms.ends.push(EndForm { after, thought, answer });
            }
        }
        forms
    }

    /// What may follow the thought of a step so far; `end` closes it. With a demand, forms that fit it come first.
    pub(crate) fn thought(
        &self,
        written: &str,
        end: &str,
        fill: &Fill,
        demand: Option<Demand>,
    ) -> Following {
        let fit = |form: &str| demand.map_or(0.0, |demand| demand.fit(form));
        let thoughts = self.steps.iter().map(|form| (form.thought.as_str(), fit(&form.thought)));
        following(thoughts, written, end, fill)
    }

    /// What may follow the code so far of a step with this thought.
    pub(crate) fn code(&self, thought: &str, written: &str, end: &str, fill: &Fill) -> Following {
        let fits = |form: &&StepForm| is_of(&form.thought, thought) && reads(&form.code, thought);
        let before = Before { code: Parts::of(thought), ..Before::step(("", "")) };
        let put = |form: &StepForm| before.put(&form.code);
        let codes: Vec<String> = self.steps.iter().filter(fits).filter_map(put).collect();
        following(alike(&codes), written, end, fill)
    }

    /// What may follow the last thought so far, after a step with this code and output.
    pub(crate) fn last_thought(&self, after: (&str, &str), written: &str, end: &str) -> Following {
        let before = Before::step(after);
        let put = |form: &EndForm| before.put(&form.thought);
        let thoughts: Vec<String> = self.ends_after(after.0).filter_map(put).collect();
        following(alike(&thoughts), written, end, &Fill::default())
    }

    /// What may follow the answer so far.
    pub(crate) fn answer(
        &self,
        after: (&str, &str),
        thought: &str,
        written: &str,
        end: &str,
        fill: &Fill,
    ) -> Following {
        let before = Before { thought: Parts::of(thought), ..Before::step(after) };
        let fits = |form: &&EndForm| before.put(&form.thought).is_some_and(|f| is_of(&f, thought));
        let put = |form: &EndForm| before.put(&form.answer);
        let answers: Vec<String> = self.ends_after(after.0).filter(fits).filter_map(put).collect();
        following(alike(&answers), written, end, fill)
    }

    fn ends_after<'s>(&'s self, code: &'s str) -> impl Iterator<Item = &'s EndForm> {
        let is_known = self.ends.iter().any(|form| is_of(&form.after, code));
        self.ends.iter().filter(move |form| !is_known || is_of(&form.after, code))
    }
}

/// Names and numbers of a text, which may stand again in what follows it.
#[derive(Default)]
struct Parts<'t> {
    names: Vec<&'t str>,
    numbers: Vec<String>,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Self {
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
struct Before<'t> {
    code: Parts<'t>,
    output: Output<'t>,
    thought: Parts<'t>,
}

impl<'t> Before<'t> {
    fn step((code, output): (&'t str, &'t str)) -> Self {
        Self { code: Parts::of(code), output: Output::of(output), thought: Parts::default() }
    }

    /// The form with all put in that stands before; none where it is not there.
    fn put(&self, form: &str) -> Option<String> {
        let mut made = String::with_capacity(form.len());
        for c in form.chars() {
            match self.filled(c) {
                Filled::Text => made.push(c),
                Filled::With(text) => made.push_str(text?),
                Filled::List(list) => made.push_str(&list?),
            }
        }
        Some(made)
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

/// Whether code that reads a file fits the file that `thought` names: a reader knows its own endings.
fn reads(code: &str, thought: &str) -> bool {
    let Some(file) = Parts::of(thought).names.first().copied() else { return true };
    let ending = file.rsplit('.').next().unwrap_or_default().to_lowercase();
    let wanted = match ending.as_str() {
        "parquet" => "read_parquet(",
        "xlsx" | "xls" => "read_excel(",
        "tsv" => "sep=\"\\t\"",
        "csv" | "txt" => "read_csv(",
        _ => return true,
    };
    !code.contains(".read_") || code.contains(wanted)
}

/// Whether a text is a whole instance of a form.
fn is_of(form: &str, text: &str) -> bool {
    matches!(rest(form, text), Some(Rest::Text { text: "", then: None }))
}

fn alike(forms: &[String]) -> impl Iterator<Item = (&str, f32)> {
    forms.iter().map(|form| (form.as_str(), 0.0))
}

/// `forms` with what is added to their likelihood.
fn following<'f>(
    forms: impl Iterator<Item = (&'f str, f32)>,
    written: &str,
    end: &str,
    fill: &Fill,
) -> Following {
    let (mut texts, mut names) = (BTreeMap::new(), Vec::new());
    let mut add = |text: String, fit: f32| {
        let best = texts.entry(text).or_insert(fit);
        *best = best.max(fit);
    };
    let closed = |text: &str, then: Option<char>| match then {
        Some(_) => text.to_owned(),
        None => format!("{text}{end}"),
    };
    for (form, fit) in forms {
        match rest(form, written) {
            None => {}
            Some(Rest::Name(kind)) => names.push(kind),
            Some(Rest::Text { text, then }) => {
                add(closed(text, then), fit);
            }
            Some(Rest::Fill { place, variable, after }) => {
                let (text, then, _) = segment(after);
                let one = variable.map(|variable| BTreeSet::from([variable.to_owned()]));
                let known = if place == NUMBER { Some(&fill.numbers) } else { one.as_ref() };
                let known = known.unwrap_or(&fill.variables);
                for filled in known {
                    add(closed(&format!("{filled}{text}"), then), fit);
                }
            }
        }
    }
    match names.split_first() {
        Some((first, rest)) if rest.iter().all(|kind| kind == first) => Following::Name(*first),
        Some(_) => Following::Name(Kind::Any),
        None if texts.is_empty() => Following::Unknown,
        None => Following::Among(texts),
    }
}

/// What a form still asks for.
#[derive(Debug, PartialEq, Eq)]
enum Rest<'f, 'w> {
    /// The rest of the name that is open.
    Name(Kind),
    /// This text, then a place, or nothing more.
    Text { text: &'f str, then: Option<char> },
    /// A number or a variable, the same as before if there was one; then the rest of the form.
    Fill { place: char, variable: Option<&'w str>, after: &'f str },
}

/// What `form` asks for after `written`; `None` if that is no beginning of it.
fn rest<'f, 'w>(form: &'f str, written: &'w str) -> Option<Rest<'f, 'w>> {
    let (mut form, mut written) = (form, written);
    let mut variable = None;
    loop {
        let (text, place, after) = segment(form);
        if let Some(text) = text.strip_prefix(written).filter(|text| !text.is_empty()) {
            return Some(Rest::Text { text, then: place });
        }
        written = written.strip_prefix(text)?;
        let Some(place) = place else {
            return written.is_empty().then_some(Rest::Text { text: "", then: None });
        };
        if let Some(kind) = kind_of(place) {
            let Some(len) = name_len(written) else { return Some(Rest::Name(kind)) };
            written = written.get(len..)?;
        } else if written.is_empty() {
            return Some(Rest::Fill { place, variable, after });
        } else {
            let len = if place == NUMBER { number_len(written) } else { word_len(written) };
            let (filled, rest) = written.split_at_checked(len.filter(|&len| len > 0)?)?;
            if place == VARIABLE && *variable.get_or_insert(filled) != filled {
                return None;
            }
            written = rest;
        }
        form = after;
    }
}

/// What the name at a place may name; `None` for other places.
fn kind_of(place: char) -> Option<Kind> {
    match place {
        NAME => Some(Kind::Any),
        MEASURE => Some(Kind::Measure),
        GROUP => Some(Kind::Group),
        DATE => Some(Kind::Date),
        _ => None,
    }
}

/// The text up to the next place, that place, and what follows it.
fn segment(form: &str) -> (&str, Option<char>, &str) {
    let at = form.find([NAME, MEASURE, GROUP, DATE, NUMBER, VARIABLE]).unwrap_or(form.len());
    let (text, rest) = form.split_at(at);
    let mut rest = rest.chars();
    (text, rest.next(), rest.as_str())
}

/// Length of the name that ends before the next quote.
fn name_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

fn word_len(text: &str) -> Option<usize> {
    Some(text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// The numbers of a text as they stand there; what follows a letter or a digit is none and has no sign.
pub(crate) fn numbers(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    let mut before = ' ';
    std::iter::from_fn(move || {
        while let Some(first) = rest.chars().next() {
            let begins = !before.is_alphanumeric() && !matches!(before, '_' | '.');
            let len = number_len(rest).filter(|_| begins);
            let (piece, after) = rest.split_at(len.unwrap_or(first.len_utf8()));
            before = piece.chars().next_back().unwrap_or(first);
            rest = after;
            if len.is_some() {
                return Some(piece.to_owned());
            }
        }
        None
    })
}

/// Length of the number that `text` begins with: a sign, digits, a fraction, an exponent.
fn number_len(text: &str) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len()
    };
    let sign = usize::from(text.starts_with('-'));
    let whole = digits(sign);
    let mut len = sign + whole;
    if whole == 0 {
        return None;
    }
    let fraction = digits(len + 1);
    if text.get(len..)?.starts_with('.') && fraction > 0 {
        len += 1 + fraction;
    }
    if let Some(exponent) = text.get(len..)?.strip_prefix('e') {
        let sign = usize::from(exponent.starts_with(['-', '+']));
        let n_digits = digits(len + 1 + sign);
        len += if n_digits > 0 { 1 + sign + n_digits } else { 0 };
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Forms {
        let step = |thought: &str, code: &str| format!("{thought}\u{1f}{code}");
        Forms::new(
            &[
                step("mean of \"N\".", "print(V[\"N\"].mean())"),
                step("mean of \"N\" by \"N\".", "V.groupby(\"N\")[\"N\"].mean()"),
                step("# largest \"N\".", "V.nlargest(#, \"N\")"),
                step("Number of rows.", "print(len(V))"),
                String::from("print(len(V))\u{1f}Printed.\u{1f}There are # rows."),
                String::from("V.nlargest(#, \"N\")\u{1f}Listed.\u{1f}The # largest: #."),
            ]
            .map(|text| {
                text.replace("\"N\"", "\"\u{e000}\"")
                    .replace('#', "\u{e001}")
                    .replace("V.", "\u{e002}.")
                    .replace("V[", "\u{e002}[")
                    .replace("V)", "\u{e002})")
            }),
        )
    }

    fn fill() -> Fill {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Fill { numbers: set(&["3", "120.5"]), variables: set(&["df", "sales"]) }
    }

    fn among(texts: &[&str]) -> Following {
        Following::Among(texts.iter().map(|text| ((*text).to_owned(), 0.0)).collect())
    }

    #[test]
    fn a_thought_is_one_of_the_forms() {
        let check = |written: &str, expected: Following| {
            assert_eq!(forms().thought(written, "</t>", &fill(), None), expected, "{written}");
        };
        check(
            "",
            among(&["mean of \"", "Number of rows.</t>", "3 largest \"", "120.5 largest \""]),
        );
        check("mean of \"", Following::Name(Kind::Any));
        check("mean of \"body", Following::Name(Kind::Any));
        check("mean of \"body mass\"", among(&[".</t>", " by \""]));
        check("mean of \"body mass\" by \"sex\".", among(&["</t>"]));
        check("3 largest", among(&[" \""]));
        check("median", Following::Unknown);
    }

    #[test]
    fn code_follows_its_thought_with_one_variable_throughout() {
        let check = |thought: &str, written: &str, expected: Following| {
            assert_eq!(forms().code(thought, written, "</c>", &fill()), expected, "{written}");
        };
        check("mean of \"a\".", "", among(&["print("]));
        check("mean of \"a\".", "print(", among(&["df[\"", "sales[\""]));
        check("mean of \"a\".", "print(df[\"a\"", among(&["].mean())</c>"]));
        check("mean of \"a\" by \"b\".", "", among(&["df.groupby(\"", "sales.groupby(\""]));
        check("3 largest \"a\".", "df.nlargest(", among(&["3, \"", "120.5, \""]));
        check("mean of \"a", "", Following::Unknown);
    }

    #[test]
    fn the_answer_follows_the_last_step() {
        let forms = forms();
        let thought = |code| forms.last_thought((code, ""), "", "</t>");
        assert_eq!(thought("print(len(sales))"), among(&["Printed.</t>"]));
        assert_eq!(thought("something else"), among(&["Printed.</t>", "Listed.</t>"]));
        let answer =
            |written| forms.answer(("print(len(df))", "7"), "Printed.", written, "</a>", &fill());
        assert_eq!(answer("There are "), among(&["3 rows.</a>", "120.5 rows.</a>"]));
        assert_eq!(answer("There are 3"), among(&[" rows.</a>"]));
    }

    #[test]
    fn a_thought_takes_up_what_the_question_holds() {
        let demand = Demand { columns: 2, value: false, known_value: false, number: false };
        let fit = |form: &str| demand.fit(&form.replace('N', "\u{e000}").replace('#', "\u{e001}"));
        assert_eq!(fit("mean of \"N\" by \"N\"."), 0.0);
        assert_eq!(fit("mean of \"N\"."), COLUMN_OFF);
        assert_eq!(fit("\"N\" by \"N\" where \"N\" == \"N\""), COLUMN_OFF + VALUE_OFF);
        assert_eq!(fit("\"N\" and \"N\" > #"), VALUE_OFF);
        let known = Demand { value: true, known_value: true, ..demand };
        assert_eq!(known.fit("rows"), 2.0 * COLUMN_OFF + VALUE_LOST);
    }

    #[test]
    fn a_reader_fits_its_file() {
        let fits = |code: &str| reads(code, "Load \"a.parquet\" and look.");
        assert_eq!(
            ["pd.read_csv(\"", "pd.read_parquet(\"", "df.head()"].map(fits),
            [false, true, true]
        );
    }

    #[test]
    fn what_stood_before_stands_again() {
        let thought = Before { code: Parts::of("3 of \"a\" by \"b\""), ..Before::step(("", "")) };
        let form = "\u{e002}[\"\u{e011}\"].f(\u{e020}, \"\u{e010}\")";
        assert_eq!(thought.put(form).as_deref(), Some("\u{e002}[\"b\"].f(3, \"a\")"));
        assert_eq!(thought.put("\u{e021}"), None);
        assert_eq!(Parts::of("read(\"x\", sep=\"\\t\")").names, ["x"]);
    }

    #[test]
    fn an_answer_reads_its_places_off_the_output() {
        let table = Before::step(("df.nlargest(2, \"n\")", "city|n\nRome|9\nOslo|7"));
        assert_eq!(table.put("\u{e100} and \u{e101}").as_deref(), Some("9 and 7"));
        assert_eq!(table.put("\u{e003}.").as_deref(), Some("\"city\", \"n\"."));
        let series = Before::step(("", "city\nRome  9\nOslo  7\nName: n, dtype: int64"));
        assert_eq!(series.put("\u{e201} \u{e202}, \u{e301}").as_deref(), Some("Rome 9, Oslo"));
    }

    #[test]
    fn a_number_ends_where_it_ends() {
        let lengths = ["12", "-1.5e-07 x", "3.", "1e", "x", "-"].map(number_len);
        assert_eq!(lengths, [Some(2), Some(8), Some(1), Some(1), None, None]);
    }
}
