//! What a model may write next: the form of a step as a [`Constraint`] on decoding.
//!
//! Tags that follow from what stands there are forced and cost no decode step. With [`Names`], strings in code and
//! what stands between double quotes in thoughts and answers are limited to names that have been seen, and numbers
//! in an answer to numbers that were printed.

use std::borrow::Cow;

use crate::agent::Mode;
use crate::llm::{Candidate, Constraint, Next};
use crate::names::Names;
use crate::numbers::Digits;
use crate::quoted;

const STEP: &str = "<step>";
const TERMINAL: &str = "<stop_analysis>";
const THOUGHT: &str = "\n<thought>";
const THOUGHT_END: &str = "</thought>";
const ACTION: &str = "\n<action>python_executor</action>\n<action_input>\n";
const ANSWER: &str = "\n<answer>";
const ANSWER_END: &str = "</answer>";
const TERMINAL_END: &str = "\n</stop_analysis>";
const CODE_END: &str = "</action_input>";
const THINK: &str = "<think>";
const THINK_END: &str = "</think>";

/// The form of one message in the Datarus dialect.
#[derive(Debug)]
pub struct Grammar<'a> {
    mode: Mode,
    /// The text of earlier completions that this one continues.
    before: &'a str,
    names: Option<&'a Names>,
}

impl<'a> Grammar<'a> {
    /// For a message that so far holds `before`. With `names`, what is quoted is limited to them.
    pub fn new(mode: Mode, before: &'a str, names: Option<&'a Names>) -> Self {
        Self { mode, before, names }
    }

    fn after(&self, message: &str) -> Next {
        match self.mode {
            Mode::Agentic => self.agentic(message),
            Mode::Reflection => reflection(message),
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
        among(open.map(Candidate::from).collect(), Next::Free)
    }

    fn step(&self, rest: &str) -> Next {
        let thought = inside(rest, THOUGHT);
        let Some(after) = after_tag(rest, THOUGHT_END) else {
            let known = self.known(|names| quoted::in_thought(names, thought));
            return forced_or(rest, THOUGHT, among(known, Next::until(THOUGHT_END)));
        };
        let Some((_, code)) = after.split_once("<action_input>") else {
            return forced(after, ACTION);
        };
        let thought = thought.split(THOUGHT_END).next().unwrap_or_default();
        let known = self.known(|names| quoted::in_code(names, thought, code));
        among(known, Next::until(CODE_END))
    }

    fn terminal(&self, rest: &str) -> Next {
        let thought = inside(rest, THOUGHT);
        let Some(after) = after_tag(rest, THOUGHT_END) else {
            let known = self.known(|names| quoted::in_answer(names, "", thought));
            return forced_or(rest, THOUGHT, among(known, Next::until(THOUGHT_END)));
        };
        if let Some(end) = after_tag(after, ANSWER_END) {
            return forced(end, TERMINAL_END);
        }
        let thought = thought.split(THOUGHT_END).next().unwrap_or_default();
        let answer = inside(after, ANSWER);
        let known = self.known(|names| quoted::in_answer(names, thought, answer));
        forced_or(after, ANSWER, among(known, self.told(answer)))
    }

    /// What may follow an answer so far outside of quotes.
    fn told(&self, answer: &str) -> Next {
        let digits = self.names.map(|names| names.digits(answer));
        match digits {
            Some(Digits::Among(endings)) => {
                Next::Among(endings.into_iter().map(Candidate::from).collect())
            }
            Some(Digits::Without(without)) => Next::Until { tag: ANSWER_END, without },
            None => Next::until(ANSWER_END),
        }
    }

    fn known(&self, of: impl Fn(&Names) -> Vec<Candidate>) -> Vec<Candidate> {
        self.names.map(of).unwrap_or_default()
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
        Some(after) => forced_or(after, ANSWER, Next::until(ANSWER_END)),
        None => forced_or(message, THINK, Next::until(THINK_END)),
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

    #[track_caller]
    fn check(mode: Mode, message: &str, expected: Next) {
        let mut names = Names::default();
        names.learn_observation("region|revenue\nNorth|120.5");
        // However the message is cut into completions, what may follow is the same.
        for split in (0..=message.len()).filter(|&at| message.is_char_boundary(at)) {
            let (before, generated) = message.split_at(split);
            let next = Grammar::new(mode, before, Some(&names)).next(generated);
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
        check("<step>\n<thought>Look", Next::until("</thought>"));
        check("<step>\n<thought>Look `</thought>", Next::until("</thought>"));
        check("<step>\n<thought>Look</thought>", forced(ACTION));
        check("<step>\n<thought>Look</thought>\n\n", forced(ACTION.trim_start()));
        check("<step>\n<thought>Look</thought>\n<action>\n", Next::Free);
        check("<stop_analysis>", forced("\n<thought>"));
        check("<stop_analysis>\n<thought>x</thought>", forced("\n<answer>"));
        check("<stop_analysis>\n<thought>x</thought>\n<answer>North", Next::until("</answer>"));
        check(
            "<stop_analysis>\n<thought>x</thought>\n<answer>North</answer>",
            forced(TERMINAL_END),
        );
    }

    #[test]
    fn reflection_thinks_and_then_answers() {
        let check = |message, expected| check(Mode::Reflection, message, expected);
        check("", forced("<think>"));
        check("<think>well", Next::until("</think>"));
        check("<think>well</think>", forced("\n<answer>"));
        check("<think>well</think>\n<answer>so", Next::until("</answer>"));
    }

    #[test]
    fn strings_in_code_hold_known_names_alone() {
        let step = |code: &str| format!("<step>\n<thought>x</thought>{ACTION}{code}");
        let check = |code: &str, expected| check(Mode::Agentic, &step(code), expected);
        check("df[", Next::until("</action_input>"));
        check("df[\"", among(&["region\"", "revenue\""]));
        check("df[\"re", among(&["gion\"", "venue\""]));
        check("df[\"region\"", Next::until("</action_input>"));
        check("# a \"", Next::until("</action_input>"));
        check("x = '\"", Next::until("</action_input>"));
        check("x = \"\"\"", Next::until("</action_input>"));
        check("df[\"zz", Next::until("</action_input>"));
    }

    #[test]
    fn names_in_thoughts_and_answers_are_known_ones() {
        let check = |message: &str, expected| check(Mode::Agentic, message, expected);
        let thought = "<step>\n<thought>mean of \"re";
        check(thought, among(&["gion\"", "venue\""]));
        check(&format!("{thought}venue\" by"), Next::until("</thought>"));
        let answer = "<stop_analysis>\n<thought>x</thought>\n<answer>\"N";
        let printed = Candidate { text: String::from("orth\""), bonus: 3.0 };
        check(answer, Next::Among(vec![printed]));
        let free = Next::Until { tag: "</answer>", without: String::from("023456789") };
        check(&format!("{answer}orth\""), free);
    }

    #[test]
    fn numbers_in_an_answer_are_printed_ones() {
        let answer = |text| format!("<stop_analysis>\n<thought>x</thought>\n<answer>{text}");
        let check = |text, expected| check(Mode::Agentic, &answer(text), expected);
        check("It is 1", among(&["20.5"]));
        check("It is -120", among(&[".5"]));
        let without = |digits: &str| Next::Until { tag: "</answer>", without: digits.to_owned() };
        check("It is ", without("023456789"));
        check("It is 120.5", without("0123456789"));
        check("It is R", without(""));
    }
}
