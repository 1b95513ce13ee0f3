//! The Datarus dialect: `<step>` and `<stop_analysis>`, as Datarus-R1 was trained on.

use super::tagged::{Effect, Frame, Place, Rules, Seen, Terminal};
use super::tags::{Name, Names};
use super::{Glue, Said};
use crate::agent::Mode;
use crate::transcript::Role;

pub(super) const GLUE: Glue =
    Glue { role: Role::Assistant, before: "\n<observation>\n", after: "\n</observation>\n</step>" };

const NAMES: Names = &[
    ("step", Name::Step),
    ("thought", Name::Thought),
    ("action", Name::Action),
    ("action_input", Name::ActionInput),
    ("observation", Name::Observation),
    ("stop_analysis", Name::StopAnalysis),
    ("answer", Name::Answer),
    ("think", Name::Think),
];

pub(super) const ENVIRONMENT: &str =
    "only the environment writes <observation>; end a step with </action_input> and wait";
const NOTHING_RUNS: &str =
    "nothing is run in this mode; write <think>…</think> and then <answer>…</answer>";

/// A step as the model writes it.
pub(super) fn step<'t>(said: Said<'t>, code: &'t str) -> Vec<(&'static str, &'t str)> {
    vec![
        ("<step>\n<thought>", said.thought),
        ("</thought>\n<action>python_executor</action>\n<action_input>\n", code),
        ("\n</action_input>", ""),
    ]
}

/// The end of an episode as the model writes it.
pub(super) fn answer<'t>(
    mode: Mode,
    said: Said<'t>,
    answer: &'t str,
) -> Vec<(&'static str, &'t str)> {
    let tags = match mode {
        Mode::Agentic => {
            ["<stop_analysis>\n<thought>", "</thought>\n<answer>", "</answer>\n</stop_analysis>"]
        }
        Mode::Reflection => ["<think>", "</think>\n<answer>", "</answer>"],
    };
    tags.into_iter().zip([said.thought, answer, ""]).collect()
}

/// The rules of its tags.
#[derive(Debug)]
pub(super) struct Datarus;

impl Rules for Datarus {
    fn names(&self) -> Names {
        NAMES
    }

    /// Both closing tags end a completion, and so does the end of the code: a model that goes on would write the
    /// observation itself. One that begins to is stopped there.
    fn stop(&self, mode: Mode) -> &'static [&'static str] {
        match mode {
            Mode::Agentic => &["</action_input>", "</step>", "</stop_analysis>", "<observation>"],
            Mode::Reflection => &["</answer>"],
        }
    }

    fn effect(&self, mode: Mode, place: Place, seen: Seen<'_>, frame: &mut Frame) -> Effect {
        let is_prose = !matches!(place, Place::Code | Place::Done);
        if is_prose && seen.tag.name == Name::Observation {
            return Effect::Reject(ENVIRONMENT);
        }
        match place {
            Place::Thought => in_thought(mode, seen, frame),
            Place::Action => in_action(mode, seen, frame),
            Place::Code => in_code(seen),
            Place::Answer => in_answer(seen, frame),
            Place::Done => when_done(seen, frame),
            Place::Outside | Place::Understanding | Place::Question => outside(mode, seen, frame),
        }
    }

    fn lack(&self, mode: Mode, place: Place, frame: Frame) -> &'static str {
        match (mode, place) {
            (Mode::Reflection, _) => "there is no <answer>…</answer>",
            (_, Place::Answer) => "the <answer> is empty",
            (_, Place::Done) if frame.ended_by != Some(Name::ActionInput) => {
                "the <answer> is empty"
            }
            (_, Place::Done | Place::Code) => "the <action_input> is empty",
            _ if frame.terminal != Terminal::Absent => "<stop_analysis> needs <answer>…</answer>",
            _ if frame.any_tag => "the step has no <action_input>…</action_input>",
            _ => "it is neither a <step> nor a <stop_analysis>",
        }
    }

    fn after_code(&self, ended_by: Option<Name>, last: Option<char>) -> &'static str {
        match (ended_by, last) {
            (Some(Name::ActionInput), _) => "",
            (_, Some('\n')) => "</action_input>",
            _ => "\n</action_input>",
        }
    }

    fn after_answer(&self, frame: Frame) -> &'static str {
        match (frame.ended_by, frame.terminal) {
            (Some(Name::Answer), Terminal::Open) => "\n</stop_analysis>",
            (Some(Name::Answer), _) | (_, Terminal::Closed) => "",
            (_, Terminal::Open) => "</answer>\n</stop_analysis>",
            (_, Terminal::Absent) => "</answer>",
        }
    }
}

fn outside(mode: Mode, seen: Seen<'_>, frame: &mut Frame) -> Effect {
    match (mode, seen.tag.name, seen.tag.closes) {
        (Mode::Reflection, Name::Step | Name::ActionInput, false) => Effect::Reject(NOTHING_RUNS),
        (Mode::Reflection, Name::Think, false) | (_, Name::Thought, false) => {
            Effect::Go(Place::Thought)
        }
        (Mode::Reflection, Name::Think, true) => {
            frame.thinking_done = true;
            Effect::Pass
        }
        (_, Name::Action, false) => Effect::Go(Place::Action),
        (_, Name::ActionInput, false) => Effect::Go(Place::Code),
        (_, Name::Answer, false) => Effect::Go(Place::Answer),
        (_, Name::StopAnalysis, closes) => {
            frame.terminal = if closes { Terminal::Closed } else { Terminal::Open };
            Effect::Go(Place::Outside)
        }
        _ => Effect::Go(Place::Outside),
    }
}

fn in_thought(mode: Mode, seen: Seen<'_>, frame: &mut Frame) -> Effect {
    match (mode, seen.tag.name, seen.tag.closes) {
        (Mode::Reflection, Name::Think, true) => {
            frame.thinking_done = true;
            Effect::Go(Place::Outside)
        }
        (Mode::Reflection, Name::Answer, false) => Effect::Go(Place::Answer),
        (Mode::Agentic, Name::Thought | Name::Step, true)
        | (Mode::Reflection, Name::Thought, true) => Effect::Go(Place::Outside),
        (Mode::Agentic, Name::Action | Name::ActionInput | Name::Answer, false)
        | (Mode::Agentic, Name::StopAnalysis, _) => outside(mode, seen, frame),
        (_, Name::Think, _) => Effect::Pass,
        _ => Effect::Text,
    }
}

fn in_action(mode: Mode, seen: Seen<'_>, frame: &mut Frame) -> Effect {
    match (seen.tag.name, seen.tag.closes) {
        (Name::Action, true) => Effect::Go(Place::Outside),
        (Name::Action, false) => Effect::Pass,
        _ => outside(mode, seen, frame),
    }
}

/// Only an end counts in code, and not in a string, where it is data.
fn in_code(seen: Seen<'_>) -> Effect {
    let Seen { tag, quoted, alone, .. } = seen;
    match (tag.name, tag.closes) {
        (Name::ActionInput, true) if !quoted || alone => Effect::End,
        (Name::Step, true) if !quoted && alone => Effect::End,
        (Name::Observation, _) if !quoted && alone => Effect::Reject(ENVIRONMENT),
        _ => Effect::Text,
    }
}

fn in_answer(seen: Seen<'_>, frame: &mut Frame) -> Effect {
    match (seen.tag.name, seen.tag.closes) {
        (Name::Answer, true) => Effect::End,
        (Name::StopAnalysis, true) => {
            frame.terminal = Terminal::Closed;
            Effect::End
        }
        _ => Effect::Text,
    }
}

fn when_done(seen: Seen<'_>, frame: &mut Frame) -> Effect {
    let open = frame.ended_by == Some(Name::Answer) && frame.terminal == Terminal::Open;
    if open && seen.tag.name == Name::StopAnalysis {
        frame.terminal = Terminal::Closed;
        return Effect::End;
    }
    Effect::Pass
}
