//! Reads thoughts and answers back from the sources of their cells, as a user may have edited them. Pure.

use datarus_agent::agent::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::link::unlinked;
use super::{NO_ANSWER, STOPPED, datarus, is_answer, turn_below};
use crate::markdown::restored;
use crate::route::{Prompt, Role, Route, route};

/// The thought in the source of its cell: without the fold and its title.
pub(crate) fn thought_in(source: &str) -> String {
    let folded =
        source.trim().strip_prefix("<details>").and_then(|text| text.split_once("</summary>"));
    let text = folded.map_or(source, |(_, text)| text.trim_end().trim_end_matches("</details>"));
    restored(text.trim())
}

/// The understanding in the source of its cell.
pub(crate) fn understanding_in(source: &str) -> String {
    restored(source.trim())
}

/// What the source of an answer's cell says of the end of its turn; `understanding` and `thought` led to it.
pub(crate) fn outcome_in(source: &str, understanding: String, thought: String) -> Outcome {
    let source = source.trim();
    if source == STOPPED {
        return Outcome::Interrupted;
    }
    match source.strip_prefix(NO_ANSWER.trim_end()) {
        Some(reason) => Outcome::GaveUp { reason: reason.trim().to_owned() },
        None => Outcome::Answered { understanding, thought, answer: restored(&unlinked(source)) },
    }
}

/// A question of a notebook with its answer as it stands, as a client without a page tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The cell that asked.
    pub(crate) id: String,
    /// The question.
    pub(crate) question: String,
    /// Its answer, as somebody may have edited it.
    pub(crate) answer: String,
}

/// The questions of a notebook that have an answer.
pub(crate) fn told(cells: &[Value]) -> Vec<Told> {
    let text = |cell: &Value, field: &str| cell[field].as_str().unwrap_or_default().to_owned();
    let told = |(at, cell): (usize, &Value)| {
        let Route::Prompt(Prompt { text: question, .. }) =
            route(cell["source"].as_str()?, Some(Role::Prompt))
        else {
            return None;
        };
        let mut below = cells.get(turn_below(cells, at))?.iter();
        let answer = text(below.find(|cell| is_answer(cell))?, "source");
        match outcome_in(&answer, String::new(), String::new()) {
            Outcome::Answered { answer, .. } => {
                Some(Told { id: text(cell, "id"), question, answer })
            }
            Outcome::Interrupted | Outcome::GaveUp { .. } => None,
        }
    };
    let prompts = cells.iter().enumerate();
    prompts
        .filter(|(_, cell)| datarus(cell, "role").is_some_and(|role| role == "prompt"))
        .filter_map(told)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    #[test]
    fn a_thought_is_read_as_it_was_written() {
        let naming = Naming { turn: "t_1", pass: 0 };
        for thought in ["Look.", "Close a </details> here.\n\nAnd go on.", "<details> ![of](it)"] {
            let cell = thought_cell(naming, 1, thought).unwrap();
            assert_eq!(thought_in(cell["source"].as_str().unwrap()), thought);
        }
        assert_eq!(thought_in("  Mine alone.\n"), "Mine alone.");
        for understanding in ["Three regions.", "- a\n- ![b](c)"] {
            let cell = understanding_cell(naming, 1, understanding).unwrap();
            assert_eq!(understanding_in(cell["source"].as_str().unwrap()), understanding);
        }
    }

    #[test]
    fn the_end_of_a_turn_is_read_as_it_was_written() {
        let step =
            StepRecord { number: 1, outputs: vec![json!({"text": "40"})], ..StepRecord::default() };
        let step = StepRecord { status: "ok".into(), ..step };
        for outcome in [
            Outcome::Answered {
                understanding: "Few rows.".into(),
                thought: "Found.".into(),
                answer: "It is 40, see [this](a.csv) and ![that](b.png).".into(),
            },
            Outcome::GaveUp { reason: "no answer after 8 steps".into() },
            Outcome::Interrupted,
        ] {
            let end = json!({"outcome": outcome, "usage": datarus_agent::llm::Usage::default()});
            let end = serde_json::from_value(end).unwrap();
            let steps = vec![step.clone()];
            let record = TurnRecord { end: Some(end), steps, ..TurnRecord::new("t_1") };
            let cell = answer_cell(&record);
            let source = cell["source"].as_str().unwrap();
            assert_eq!(outcome_in(source, "Few rows.".into(), "Found.".into()), outcome);
        }
    }
}
