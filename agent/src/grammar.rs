//! What a model may write next: the form of a step as a [`Constraint`] on decoding.
//!
//! Tags that follow from what stands there are forced and cost no decode step. A small model is limited further: to
//! [`Forms`] that it was taught, and between quotes to [`Names`] that have been seen.

mod analyze;

use std::borrow::Cow;

use crate::agent::Mode;
use crate::dialect::Dialect;
use crate::forms::{Done, Following, Forms, Kind};
use crate::llm::{Candidate, Constraint, Next};
use crate::names::Names;
use crate::quoted;

const STEP: &str = "<step>";
const TERMINAL: &str = "<stop_analysis>";
const THOUGHT: &str = "\n<thought>";
const THOUGHT_END: &str = "</thought>";
const ACTION: &str = "\n<action>python_executor</action>\n<action_input>\n";
const ANSWER: &str = "\n<answer>";
const ANSWER_END: &str = "</answer>";
const TERMINAL_END: &str = "\n</stop_analysis>";
const ACTION_TAIL: &str = "<action_input>\n";
const CODE_END: &str = "</action_input>";
const CODE_TAIL: &str = "\n</action_input>";
const THINK: &str = "<think>";
const THINK_END: &str = "</think>";

/// For one more step where a table was only read so far and the question mentions columns of it.
const GOES_ON: f32 = 4.0;

/// Against one where it is only about things that are not there, and where they may be in another file.
const STAYS: f32 = 9.0;
const MAY_STAY: f32 = 6.0;

/// For saying that a column is not there, where the question is only about things that are not; against it, where it
/// mentions columns that are.
const LACKING: f32 = 8.0;

/// The form of one message. Markdown has none that could be held: any text is a message in it.
#[derive(Debug)]
pub struct Grammar<'a> {
    dialect: Dialect,
    mode: Mode,
    /// The text of earlier completions that this one continues.
    before: &'a str,
    known: Option<Known<'a>>,
}

/// What limits a model that was taught forms.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What has been seen.
    pub names: &'a Names,
    /// What it was taught to write.
    pub forms: &'a Forms,
    /// Of the last step of the turn; empty before the first.
    pub code: &'a str,
}

impl<'a> Grammar<'a> {
    /// For a message that so far holds `before`. With `known`, it keeps to known forms and names.
    pub fn new(dialect: Dialect, mode: Mode, before: &'a str, known: Option<Known<'a>>) -> Self {
        Self { dialect, mode, before, known }
    }

    fn after(&self, message: &str) -> Next {
        match (self.dialect, self.mode) {
            (Dialect::Datarus, Mode::Agentic) => self.agentic(message),
            (Dialect::Datarus, Mode::Reflection) => reflection(message),
            (Dialect::DeepAnalyze, Mode::Agentic) => analyze::agentic(message),
            (Dialect::DeepAnalyze, Mode::Reflection) => analyze::reflection(message),
            (Dialect::Markdown, _) => Next::Free,
        }
    }

    fn agentic(&self, message: &str) -> Next {
        if let Some(rest) = message.strip_prefix(STEP) {
            return self.step(rest);
        }
        if let Some(rest) = message.strip_prefix(TERMINAL) {
            return self.terminal(rest);
        }
        let open = [STEP, TERMINAL].iter().filter_map(|tag| tag.strip_prefix(message));
        let bonus = self.known.map_or(0.0, |known| known.goes_on());
        let choice = |rest: &str| {
            let is_step = STEP.ends_with(rest);
            Candidate { text: rest.to_owned(), bonus: if is_step { bonus } else { 0.0 } }
        };
        among(open.map(choice).collect(), Next::Free)
    }

    fn step(&self, rest: &str) -> Next {
        let thought = inside(rest, THOUGHT);
        let Some(after) = after_tag(rest, THOUGHT_END) else {
            let next = self.known.map(|known| known.thought(thought));
            return forced_or(rest, THOUGHT, next.unwrap_or(Next::Until(THOUGHT_END)));
        };
        let Some((_, code)) = after.split_once(ACTION_TAIL) else {
            return forced(after, ACTION);
        };
        let thought = thought.split(THOUGHT_END).next().unwrap_or_default();
        let next = self.known.map(|known| known.code(thought, code));
        next.unwrap_or(Next::Until(CODE_END))
    }

    fn terminal(&self, rest: &str) -> Next {
        let thought = inside(rest, THOUGHT);
        let Some(after) = after_tag(rest, THOUGHT_END) else {
            let next = self.known.map(|known| known.last_thought(thought));
            return forced_or(rest, THOUGHT, next.unwrap_or(Next::Until(THOUGHT_END)));
        };
        if let Some(end) = after_tag(after, ANSWER_END) {
            return forced(end, TERMINAL_END);
        }
        let thought = thought.split(THOUGHT_END).next().unwrap_or_default();
        let answer = inside(after, ANSWER);
        let next = self.known.map(|known| known.answer(thought, answer));
        forced_or(after, ANSWER, next.unwrap_or(Next::Until(ANSWER_END)))
    }
}

impl<'a> Known<'a> {
    /// What speaks for one more step when tables are known, or against it: whether the question mentions columns of
    /// them, or only things that are not there. A question that goes on from an output may speak of what was not printed.
    fn goes_on(&self) -> f32 {
        let was_read = self.code.contains(".read_");
        let is_first = self.code.is_empty() && self.names.newest().is_empty();
        match self.names.demand() {
            Some(demand) if was_read && demand.columns > 0 => GOES_ON,
            Some(demand) if demand.is_elsewhere() => match self.names.has_unread() {
                false if was_read || is_first => -STAYS,
                true if was_read => -MAY_STAY,
                _ => 0.0,
            },
            _ => 0.0,
        }
    }

    fn done(&self) -> Done<'a> {
        let output = if self.code.is_empty() { "" } else { self.names.newest() };
        Done { code: self.code, output, has_data: self.names.has_data() }
    }

    fn thought(&self, written: &str) -> Next {
        let names = self.names;
        let fits = |kind: Kind, name: &str| names.may_be(name, kind);
        let (fill, mut demand) = (names.fill(), names.demand());
        if let Some(demand) = &mut demand {
            demand.tables.listed = self.code.contains(".value_counts()");
        }
        let following = self.forms.thought(written, THOUGHT_END, &fill, demand, fits);
        next(following, THOUGHT_END, |kinds| quoted::in_thought(names, kinds, written))
    }

    fn code(&self, thought: &str, written: &str) -> Next {
        let following = self.forms.code(thought, written, CODE_TAIL, &self.names.fill());
        next(following, CODE_END, |_| quoted::in_code(self.names, thought, written))
    }

    fn last_thought(&self, written: &str) -> Next {
        let lacking = match self.names.demand() {
            Some(demand) if demand.is_elsewhere() => LACKING,
            Some(demand) if demand.columns > 0 => -LACKING,
            _ => 0.0,
        };
        let following = self.forms.last_thought(self.done(), written, THOUGHT_END, lacking);
        next(following, THOUGHT_END, |_| quoted::in_answer(self.names, "", written))
    }

    fn answer(&self, thought: &str, written: &str) -> Next {
        let fill = self.names.fill_answer();
        let following = self.forms.answer(self.done(), thought, written, ANSWER_END, &fill);
        next(following, ANSWER_END, |_| quoted::in_answer(self.names, thought, written))
    }
}

/// What may follow by the forms, between quotes one of `names`; any text up to `end` where no form fits.
fn next(
    following: Following,
    end: &'static str,
    names: impl Fn(&[Kind]) -> Vec<Candidate>,
) -> Next {
    match following {
        Following::Among(texts) => {
            let candidate = |(text, bonus)| Candidate { text, bonus };
            Next::Among(texts.into_iter().map(candidate).collect())
        }
        Following::Name(kinds) => among(names(&kinds), Next::Until(end)),
        Following::Unknown => among(names(&[Kind::Any]), Next::Until(end)),
    }
}

impl Constraint for Grammar<'_> {
    fn next(&mut self, generated: &str) -> Next {
        let message = match self.before {
            "" => Cow::Borrowed(generated),
            before => Cow::Owned(format!("{before}{generated}")),
        };
        self.after(&message)
    }
}

fn reflection(message: &str) -> Next {
    match after_tag(message, THINK_END) {
        Some(after) => forced_or(after, ANSWER, Next::Until(ANSWER_END)),
        None => forced_or(message, THINK, Next::Until(THINK_END)),
    }
}

/// What follows the first `tag` that does not stand in back-ticks.
fn after_tag<'t>(text: &'t str, tag: &str) -> Option<&'t str> {
    text.match_indices(tag).find_map(|(start, _)| {
        let (before, from) = text.split_at(start);
        let line = before.rsplit('\n').next().unwrap_or(before);
        let quoted = line.matches('`').count() % 2 == 1;
        if quoted { None } else { from.strip_prefix(tag) }
    })
}

/// What is left to write of `expected` after `written`; blanks at the start may differ, since a token of a large
/// vocabulary can hold the end of a tag and a newline.
fn forced(written: &str, expected: &str) -> Next {
    forced_or(written, expected, Next::Free)
}

/// As [`forced`], and `then` once all of `expected` stands there.
fn forced_or(written: &str, expected: &str, then: Next) -> Next {
    if written.is_empty() {
        return Next::Forced(expected.to_owned());
    }
    match expected.trim_start().strip_prefix(written.trim_start()) {
        Some(rest) if !rest.is_empty() => Next::Forced(rest.to_owned()),
        _ => then,
    }
}

/// What stands after the tag that `rest` begins with, as far as it is written.
fn inside<'t>(rest: &'t str, tag: &str) -> &'t str {
    rest.trim_start().strip_prefix(tag.trim_start()).unwrap_or_default()
}

/// One of some texts, or `free`: a choice among nothing would leave the model without a word.
fn among(texts: Vec<Candidate>, free: Next) -> Next {
    if texts.is_empty() { free } else { Next::Among(texts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::FileInfo;
    use crate::executor::Variable;

    #[track_caller]
    fn check(mode: Mode, message: &str, expected: Next) {
        let mut names = Names::default();
        names.learn_observation("region|revenue\nNorth|120.5");
        // However the message is cut into completions, what may follow is the same.
        for split in (0..=message.len()).filter(|&at| message.is_char_boundary(at)) {
            let (before, generated) = message.split_at(split);
            let known = Known { names: &names, forms: &Forms::default(), code: "" };
            let next = Grammar::new(Dialect::Datarus, mode, before, Some(known)).next(generated);
            assert_eq!(next, expected, "{before:?} + {generated:?}");
        }
    }

    fn forced(text: &str) -> Next {
        Next::Forced(text.to_owned())
    }

    fn among(texts: &[&str]) -> Next {
        Next::Among(texts.iter().map(|text| Candidate::from(*text)).collect())
    }

    #[test]
    fn tags_of_a_step_cost_no_choice() {
        let check = |message, expected| check(Mode::Agentic, message, expected);
        check("", among(&["<step>", "<stop_analysis>"]));
        check("<st", among(&["ep>", "op_analysis>"]));
        check("<step>", forced("\n<thought>"));
        check("<step>\n<thought>Look", Next::Until("</thought>"));
        check("<step>\n<thought>Look `</thought>", Next::Until("</thought>"));
        check("<step>\n<thought>Look</thought>", forced(ACTION));
        check("<step>\n<thought>Look</thought>\n\n", forced(ACTION.trim_start()));
        check("<step>\n<thought>Look</thought>\n<action>\n", Next::Free);
        check("<stop_analysis>", forced("\n<thought>"));
        check("<stop_analysis>\n<thought>x</thought>", forced("\n<answer>"));
        check("<stop_analysis>\n<thought>x</thought>\n<answer>North", Next::Until("</answer>"));
        check(
            "<stop_analysis>\n<thought>x</thought>\n<answer>North</answer>",
            forced(TERMINAL_END),
        );
    }

    #[test]
    fn reflection_thinks_and_then_answers() {
        let check = |message, expected| check(Mode::Reflection, message, expected);
        check("", forced("<think>"));
        check("<think>well", Next::Until("</think>"));
        check("<think>well</think>", forced("\n<answer>"));
        check("<think>well</think>\n<answer>so", Next::Until("</answer>"));
    }

    #[test]
    fn of_what_is_not_there_it_is_said_that_it_is_not_unless_another_file_may_hold_it() {
        let table = || vec![Variable { name: "df".into(), columns: vec!["price".into()] }];
        let common = ["mean", "of", "how", "many", "the"].map(String::from);
        let read = "df = pd.read_csv(\"a.csv\")";
        for (question, files, code, expected) in [
            ("mean of fiber", &[][..], "", -STAYS),
            ("mean of fiber", &["a.csv"], read, -STAYS),
            ("mean of fiber", &["a.csv", "b.csv"], read, -MAY_STAY),
            ("mean of fiber", &["a.csv", "b.csv"], "", 0.0),
            ("mean of fiber", &["a.csv"], "df.head()", 0.0),
            ("mean of price", &["a.csv"], read, GOES_ON),
            ("how many patients", &["a.csv"], read, 0.0),
            ("mean of the dataframe df", &[], "", 0.0),
        ] {
            let file = |name: &&str| FileInfo { name: (*name).to_owned(), bytes: 1 };
            let mut names = Names::default();
            names.learn_files(&files.iter().map(file).collect::<Vec<_>>());
            names.learn_variables(&table());
            names.learn_task(question, &common);
            let known = Known { names: &names, forms: &Forms::default(), code };
            assert!((known.goes_on() - expected).abs() < 0.1, "{question} {files:?} {code}");
        }
    }

    #[test]
    fn strings_in_code_hold_known_names_alone() {
        let step = |code: &str| format!("<step>\n<thought>x</thought>{ACTION}{code}");
        let check = |code: &str, expected| check(Mode::Agentic, &step(code), expected);
        check("df[", Next::Until("</action_input>"));
        check("df[\"", among(&["region\"", "revenue\""]));
        check("df[\"re", among(&["gion\"", "venue\""]));
        check("df[\"region\"", Next::Until("</action_input>"));
        check("# a \"", Next::Until("</action_input>"));
        check("x = '\"", Next::Until("</action_input>"));
        check("x = \"\"\"", Next::Until("</action_input>"));
        check("df[\"zz", Next::Until("</action_input>"));
    }

    #[test]
    fn names_in_thoughts_and_answers_are_known_ones() {
        let check = |message: &str, expected| check(Mode::Agentic, message, expected);
        let thought = "<step>\n<thought>mean of \"re";
        check(thought, among(&["gion\"", "venue\""]));
        check(&format!("{thought}venue\" by"), Next::Until("</thought>"));
        let answer = "<stop_analysis>\n<thought>x</thought>\n<answer>\"N";
        let printed = Candidate { text: String::from("orth\""), bonus: 3.0 };
        check(answer, Next::Among(vec![printed]));
        check(&format!("{answer}orth\""), Next::Until("</answer>"));
    }
}
