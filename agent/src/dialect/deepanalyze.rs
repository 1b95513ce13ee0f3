//! The DeepAnalyze dialect: `<Analyze>`, `<Understand>`, `<Code>`, `<Execute>` and `<Answer>` in one assistant message.
//!
//! Of the tags only those around prose and around code are the model's: `<Execute>` is the environment's. A message
//! that runs into it has written its code to the end, so that runs; what was invented as its result is dropped.

use super::tagged::{Effect, Frame, Place, Rules, Seen};
use super::tags::{Name, Names};
use super::{Glue, Said};
use crate::agent::Mode;
use crate::transcript::Role;

/// Within the model's message, whose tokens then stand as they are from step to step.
pub(super) const GLUE: Glue =
    Glue { role: Role::Assistant, before: "\n<Execute>\n", after: "\n</Execute>\n" };

/// For servers that do not go on with a message of the model's.
pub(super) const GLUE_APART: Glue =
    Glue { role: Role::User, before: "# Execute Result\n", after: "" };

/// `<Ask>` and `<Finish>` are of the variant for general models.
const NAMES: Names = &[
    ("analyze", Name::Analyze),
    ("understand", Name::Understand),
    ("code", Name::Code),
    ("execute", Name::Execute),
    ("answer", Name::Answer),
    ("finish", Name::Answer),
    ("ask", Name::Ask),
    ("think", Name::Think),
];

const ENVIRONMENT: &str =
    "only the environment writes <Execute>; end the code with </Code> and wait";
const NOTHING_RUNS: &str =
    "nothing is run in this mode; write <Analyze>…</Analyze> and then <Answer>…</Answer>";

/// A step as the model writes it.
pub(super) fn step<'t>(said: Said<'t>, code: &'t str) -> Vec<(&'static str, &'t str)> {
    around(said, [("<Code>\n```python\n", code), ("\n```\n</Code>", "")])
}

/// A question to the analyst as the model writes it.
pub(super) fn ask<'t>(said: Said<'t>, question: &'t str) -> Vec<(&'static str, &'t str)> {
    around(said, [("<Ask>", question), ("</Ask>", "")])
}

/// The end of an episode as the model writes it.
pub(super) fn answer<'t>(said: Said<'t>, answer: &'t str) -> Vec<(&'static str, &'t str)> {
    around(said, [("<Answer>", answer), ("</Answer>", "")])
}

/// What was said, each part in its tags, and what follows.
fn around<'t>(said: Said<'t>, then: [(&'static str, &'t str); 2]) -> Vec<(&'static str, &'t str)> {
    let said = [
        ("<Understand>", said.understanding, "</Understand>\n"),
        ("<Analyze>", said.thought, "</Analyze>\n"),
    ];
    let said = said.into_iter().filter(|(_, text, _)| !text.is_empty());
    said.flat_map(|(open, text, close)| [(open, text), (close, "")]).chain(then).collect()
}

/// The rules of its tags.
#[derive(Debug)]
pub(super) struct DeepAnalyze;

impl Rules for DeepAnalyze {
    fn names(&self) -> Names {
        NAMES
    }

    fn stop(&self, mode: Mode) -> &'static [&'static str] {
        match mode {
            Mode::Agentic => &["</Code>", "</Answer>", "<Execute>", "</Ask>"],
            Mode::Reflection => &["</Answer>"],
        }
    }

    fn effect(&self, mode: Mode, place: Place, seen: Seen<'_>, frame: &mut Frame) -> Effect {
        let is_prose = !matches!(place, Place::Code | Place::Done);
        if is_prose && seen.tag.name == Name::Execute {
            return Effect::Reject(ENVIRONMENT);
        }
        match place {
            Place::Outside | Place::Action => outside(mode, seen),
            Place::Thought | Place::Understanding => in_prose(mode, seen, frame),
            Place::Code => in_code(seen),
            Place::Question => in_question(seen),
            Place::Answer => in_answer(seen),
            Place::Done => Effect::Pass,
        }
    }

    fn lack(&self, mode: Mode, place: Place, frame: Frame) -> &'static str {
        match (mode, place) {
            (Mode::Reflection, _) => "there is no <Answer>…</Answer>",
            (_, Place::Answer) => "the <Answer> is empty",
            (_, Place::Done) if frame.ended_by == Some(Name::Answer) => "the <Answer> is empty",
            (_, Place::Question) => "the <Ask> is empty",
            (_, Place::Done) if frame.ended_by == Some(Name::Ask) => "the <Ask> is empty",
            (_, Place::Done | Place::Code) => "the <Code> is empty",
            _ if frame.any_tag => "there is neither <Code>…</Code> nor <Answer>…</Answer>",
            _ => "it has none of the tags <Analyze>, <Understand>, <Code> and <Answer>",
        }
    }

    fn after_code(&self, ended_by: Option<Name>, last: Option<char>) -> &'static str {
        match (ended_by, last) {
            (Some(Name::Code), _) => "",
            (_, Some('\n')) => "</Code>",
            _ => "\n</Code>",
        }
    }

    fn after_answer(&self, frame: Frame) -> &'static str {
        if frame.ended_by == Some(Name::Answer) { "" } else { "</Answer>" }
    }
}

fn outside(mode: Mode, seen: Seen<'_>) -> Effect {
    match (mode, seen.tag.name, seen.tag.closes) {
        (Mode::Reflection, Name::Code, false) => Effect::Reject(NOTHING_RUNS),
        (_, Name::Analyze, false) | (Mode::Reflection, Name::Think, false) => {
            Effect::Go(Place::Thought)
        }
        (_, Name::Understand, false) => Effect::Go(Place::Understanding),
        (_, Name::Code, false) => Effect::Go(Place::Code),
        (_, Name::Answer, false) => Effect::Go(Place::Answer),
        (Mode::Agentic, Name::Ask, false) => Effect::Go(Place::Question),
        _ => Effect::Pass,
    }
}

/// The end of another part ends this one, too, and so does the beginning of the next. `<code>` is an element of HTML.
fn in_prose(mode: Mode, seen: Seen<'_>, frame: &mut Frame) -> Effect {
    match (seen.tag.name, seen.tag.closes) {
        (Name::Think, true) if mode == Mode::Reflection => {
            frame.thinking_done = true;
            Effect::Go(Place::Outside)
        }
        (Name::Analyze | Name::Understand, true) => {
            frame.thinking_done = true;
            Effect::Go(Place::Outside)
        }
        (Name::Code, false) if seen.text == "<Code>" => outside(mode, seen),
        (Name::Analyze | Name::Understand | Name::Answer | Name::Ask, false) => outside(mode, seen),
        (Name::Think, _) => Effect::Pass,
        _ => Effect::Text,
    }
}

/// Only an end counts in code, and not in a string, where it is data.
fn in_code(seen: Seen<'_>) -> Effect {
    let Seen { tag, text, quoted, alone } = seen;
    match (tag.name, tag.closes) {
        (Name::Code, true) if !quoted || (alone && text == "</Code>") => Effect::End,
        (Name::Code | Name::Think, _) => Effect::Text,
        _ if !quoted && alone => Effect::EndBefore,
        _ => Effect::Text,
    }
}

fn in_question(seen: Seen<'_>) -> Effect {
    match (seen.tag.name, seen.tag.closes) {
        (Name::Ask, true) => Effect::End,
        (Name::Analyze | Name::Understand | Name::Answer | Name::Code, _) => Effect::EndBefore,
        _ => Effect::Text,
    }
}

fn in_answer(seen: Seen<'_>) -> Effect {
    match (seen.tag.name, seen.tag.closes) {
        (Name::Answer, true) => Effect::End,
        _ => Effect::Text,
    }
}
