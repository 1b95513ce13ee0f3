//! A question that the model put to the user in mid-turn, as a cell, and read back from one. Pure.

use datarus_agent::agent::Asked;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::reading::thought_in;
use super::{Naming, VERSION, folded, markdown_cell, title_of};
use crate::markdown::{restored, sanitized};

/// Above the question.
const ASKS: &str = "**Datarus asks**";

/// Before what the user said.
const ANSWERED: &str = "**Answered:** ";

/// In its place, where the user said nothing.
const UNANSWERED: &str = "*Not answered.*";

/// A question as the kernel showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRecord {
    /// How often the turn had gone on from one of its steps when it was put.
    #[serde(default)]
    pub pass: u32,
    /// The question.
    #[serde(flatten)]
    pub asked: Asked,
}

impl AskedRecord {
    /// The id of its cell.
    pub(crate) fn id(&self, turn: &str) -> String {
        Naming { turn, pass: self.pass }.id(&format!("{}q", self.asked.number))
    }
}

/// The number of the question in the cell `id` of a turn.
pub(crate) fn number_of(turn: &str, id: &str) -> Option<usize> {
    let part = id.strip_prefix(turn)?.strip_prefix('-')?;
    let (number, _pass) = part.split_once('q')?;
    number.parse().ok()
}

/// The cell of a question that has been answered, or will not be.
pub(crate) fn asked_cell(turn: &str, record: &AskedRecord) -> Value {
    let said = record.asked.answer.as_deref().map(|answer| sanitized(answer.trim()));
    let answer = said.map_or(UNANSWERED.to_owned(), |said| format!("{ANSWERED}{said}"));
    with_text(turn, record, &format!("{}\n\n{answer}", question_text(&record.asked)))
}

/// The cell of a question that waits for its answer.
pub(crate) fn open_asked_cell(turn: &str, record: &AskedRecord) -> Value {
    with_text(turn, record, &question_text(&record.asked))
}

fn with_text(turn: &str, record: &AskedRecord, text: &str) -> Value {
    let facts = json!({"v": VERSION, "role": "asked", "turn": turn, "step": record.asked.step});
    markdown_cell(&record.id(turn), text, "datarus-asked", facts)
}

/// What led to the question, the thought folded, and the question.
fn question_text(asked: &Asked) -> String {
    let Asked { understanding, thought, question, .. } = asked;
    let understanding = sanitized(understanding.trim());
    let thought = match thought.trim() {
        "" => String::new(),
        thought => folded(&title_of(thought), thought),
    };
    let question = format!("{ASKS}\n\n{}", sanitized(question.trim()));
    let parts = [understanding, thought, question].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n\n")
}

/// The question in the source of its cell, as a user may have edited it; none, if there is none any more.
pub(crate) fn asked_in(source: &str, number: usize, step: usize) -> Option<Asked> {
    let (said, asked) = source.split_once(ASKS)?;
    let (understanding, thought) = match said.find("<details>") {
        Some(at) => said.split_at(at),
        None => (said, ""),
    };
    let (question, answer) = match asked.rsplit_once(&format!("\n{ANSWERED}")) {
        Some((question, answer)) => (question, Some(restored(answer.trim()))),
        None => (asked.trim_end().trim_end_matches(UNANSWERED), None),
    };
    Some(Asked {
        number,
        step,
        understanding: restored(understanding.trim()),
        thought: thought_in(thought),
        question: restored(question.trim()),
        answer: answer.filter(|answer| !answer.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_it_was_written() {
        let full = Asked {
            number: 2,
            step: 3,
            understanding: "Two years.".into(),
            thought: "Which one is meant? Ask </details>.".into(),
            question: "Which year?\n\n1. 2023\n2. 2024".into(),
            answer: Some("2024 ![x](y) *really*".into()),
        };
        let bare = Asked { understanding: String::new(), thought: String::new(), ..full.clone() };
        for asked in [full.clone(), Asked { answer: None, ..full }, bare] {
            let record = AskedRecord { pass: 1, asked: asked.clone() };
            let cell = asked_cell("t_1", &record);
            assert_eq!((&cell["id"], number_of("t_1", "t_1-2q_2")), (&json!("t_1-2q_2"), Some(2)));
            assert_eq!(asked_in(cell["source"].as_str().unwrap(), 2, 3), Some(asked.clone()));
            let open = open_asked_cell("t_1", &record);
            let unanswered = Asked { answer: None, ..asked };
            assert_eq!(asked_in(open["source"].as_str().unwrap(), 2, 3), Some(unanswered));
        }
        assert_eq!(asked_in("The user wrote something else.", 1, 1), None);
    }
}
