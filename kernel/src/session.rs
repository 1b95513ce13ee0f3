//! What this kernel has run, in order: what a question may refer to.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use datarus_agent::agent::{Given, Mode, Outcome, Past, Turn};
use datarus_agent::executor::{Execution, Status};
use datarus_agent::llm::Usage;
use datarus_agent::observation::failed;
use serde_json::json;

use crate::cells::link::{Source, as_printed, numbers_of};
use crate::cells::reading::Told;
use crate::cells::record::printed;
use crate::cells::source_sha;
use crate::outputs::Outputs;

mod above;
mod standing;

pub(crate) use standing::Standing;

/// How many cells and turns are remembered.
const MAX_ENTRIES: usize = 64;

/// How much of a cell's outputs is remembered, in bytes as published.
const MAX_OUTPUT: usize = 256 << 10;

/// The cells and turns of this kernel, oldest first. A cell that is run again replaces what it did before.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: VecDeque<Entry>,
    /// The beginnings of the hashes of all sources that have run, also of those that are forgotten.
    ran: HashSet<u64>,
}

#[derive(Debug)]
struct Entry {
    cell_id: Option<String>,
    what: What,
}

#[derive(Debug)]
enum What {
    Turn(Box<PastTurn>),
    Cell(Cell),
}

/// A turn that is over.
#[derive(Debug)]
pub(crate) struct PastTurn {
    /// If it stands in cells of its own in a page.
    pub(crate) name: Option<String>,
    /// The cells of its steps, as a notebook names them.
    pub(crate) cells: Vec<String>,
    /// What was done.
    pub(crate) turn: Turn,
}

/// A Python cell. Its outputs are kept as published and read only when a question comes.
#[derive(Debug)]
struct Cell {
    msg_id: String,
    code: String,
    published: Vec<(String, Bytes)>,
    kept: usize,
    status: Status,
    execution_count: Option<u64>,
}

impl History {
    /// Notes that a Python cell begins.
    pub(crate) fn begin_cell(&mut self, msg_id: &str, cell_id: Option<String>, code: &str) {
        let cell = Cell {
            msg_id: msg_id.to_owned(),
            code: code.to_owned(),
            published: Vec::new(),
            kept: 0,
            status: Status::Ok,
            execution_count: None,
        };
        self.note_ran(code);
        self.add(cell_id, What::Cell(cell));
    }

    /// Notes that this source has run.
    pub(crate) fn note_ran(&mut self, source: &str) {
        self.ran.extend(key(&source_sha(source)));
    }

    /// Notes something published for a Python cell.
    pub(crate) fn output(&mut self, msg_id: &str, msg_type: &str, content: &Bytes) {
        let Some(cell) = self.cell(msg_id) else { return };
        if cell.kept + content.len() <= MAX_OUTPUT {
            cell.kept += content.len();
            // A copy: what was received may be a small part of a large buffer.
            cell.published.push((msg_type.to_owned(), Bytes::copy_from_slice(content)));
        }
    }

    /// Notes the reply of a Python cell.
    pub(crate) fn end_cell(&mut self, msg_id: &str, status: &str, count: Option<u64>) {
        let Some(cell) = self.cell(msg_id) else { return };
        cell.execution_count = count;
        cell.status = if status == "ok" { Status::Ok } else { Status::Error };
    }

    /// The source of a Python cell.
    pub(crate) fn code_of(&self, msg_id: &str) -> Option<&str> {
        Some(&self.find(msg_id)?.code)
    }

    /// The `[n]` of a Python cell that has begun.
    pub(crate) fn number_of(&self, msg_id: &str) -> Option<u64> {
        let input =
            self.find(msg_id)?.published.iter().find(|(msg_type, _)| msg_type == "execute_input");
        let content: serde_json::Value = serde_json::from_slice(&input?.1).ok()?;
        content.get("execution_count")?.as_u64()
    }

    /// Notes a turn of the agent.
    pub(crate) fn add_turn(&mut self, cell_id: Option<String>, turn: PastTurn) {
        self.add(cell_id, What::Turn(Box::new(turn)));
    }

    /// Where the numbers of a turn's answer stand that the notebook above had printed: where an answer above says so, else
    /// in the newest cell, if the number has digits enough to be no accident among so many.
    pub(crate) fn printed(&self, turn: &Turn) -> Vec<Source> {
        let Outcome::Answered { answer, .. } = &turn.outcome else { return Vec::new() };
        if turn.seen_above.is_empty() {
            return Vec::new();
        }
        let newest = || self.entries.iter().rev();
        let stated: Vec<_> = newest().flat_map(|entry| entry.what.stated()).collect();
        let above: Vec<_> =
            newest().flat_map(|entry| entry.what.sources(entry.cell_id.as_deref())).collect();
        let shown = numbers_of(answer, &above);
        let place = |number: &String| {
            let number = as_printed(number);
            let is_it = |source: &&Source| source.text == number;
            let shown = || shown.iter().find(is_it).filter(|_| n_digits(&number) >= TELLING);
            stated.iter().find(is_it).or_else(shown).cloned()
        };
        turn.seen_above.iter().filter_map(place).collect()
    }

    /// What a turn was told of besides its question.
    pub(crate) fn given(&self, turn: &str) -> Option<Given> {
        Some(self.named(turn)?.turn.given.clone())
    }

    /// Forgets a turn, and what the user ran of its cells.
    pub(crate) fn forget_turn(&mut self, turn: &str) {
        let cells = format!("{turn}-");
        self.entries.retain(|entry| match &entry.what {
            What::Turn(past) => past.name.as_deref() != Some(turn),
            What::Cell(_) => entry.cell_id.as_ref().is_none_or(|id| !id.starts_with(&cells)),
        });
    }

    /// All that was run, oldest first.
    pub(crate) fn pasts(&self) -> Vec<Past> {
        self.entries.iter().map(|entry| entry.what.as_past()).collect()
    }

    /// All that was run, and what a client told of the notebook above: its answers as they stand, and questions that this
    /// kernel was not asked, which come first.
    pub(crate) fn told(&self, above: &[Told]) -> Vec<Past> {
        let answered = |told: &Told| Outcome::Answered {
            understanding: String::new(),
            thought: String::new(),
            answer: told.answer.clone(),
        };
        let was_asked = |told: &&Told| {
            self.entries.iter().any(|entry| entry.cell_id.as_deref() == Some(&told.id))
        };
        let other = |told: &Told| {
            Past::Turn(Turn {
                prompt: told.question.clone(),
                mode: Mode::Agentic,
                steps: Vec::new(),
                asked: Vec::new(),
                outcome: answered(told),
                usage: Usage::default(),
                given: Given::default(),
                seen_above: Vec::new(),
            })
        };
        let mut pasts: Vec<_> = above.iter().filter(|told| !was_asked(told)).map(other).collect();
        pasts.extend(self.entries.iter().map(|entry| {
            let mut past = entry.what.as_past();
            let told = above.iter().find(|told| entry.cell_id.as_deref() == Some(&told.id));
            if let (Past::Turn(turn), Some(told)) = (&mut past, told) {
                turn.outcome = answered(told);
            }
            past
        }));
        pasts
    }

    fn add(&mut self, cell_id: Option<String>, what: What) {
        if cell_id.is_some() {
            self.entries.retain(|entry| entry.cell_id != cell_id);
        }
        self.entries.push_back(Entry { cell_id, what });
        if self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    fn named(&self, name: &str) -> Option<&PastTurn> {
        self.entries.iter().find_map(|entry| match &entry.what {
            What::Turn(past) if past.name.as_deref() == Some(name) => Some(&**past),
            What::Turn(_) | What::Cell(_) => None,
        })
    }

    fn find(&self, msg_id: &str) -> Option<&Cell> {
        self.entries.iter().rev().find_map(|entry| match &entry.what {
            What::Cell(cell) if cell.msg_id == msg_id => Some(cell),
            What::Cell(_) | What::Turn(_) => None,
        })
    }

    fn cell(&mut self, msg_id: &str) -> Option<&mut Cell> {
        // From the end: it is one of the newest.
        self.entries.iter_mut().rev().find_map(|entry| match &mut entry.what {
            What::Cell(cell) if cell.msg_id == msg_id => Some(cell),
            What::Cell(_) | What::Turn(_) => None,
        })
    }
}

/// The beginning of a hash in hexadecimal digits.
fn key(hash: &str) -> Option<u64> {
    u64::from_str_radix(hash.get(..16)?, 16).ok()
}

/// Digits, without zeros in front, of a number that two cells do not print by accident.
const TELLING: usize = 3;

fn n_digits(number: &str) -> usize {
    let digits = number.chars().filter(char::is_ascii_digit);
    digits.skip_while(|digit| *digit == '0').count()
}

impl What {
    /// The numbers that a turn's answer took from its steps.
    fn stated(&self) -> Vec<Source> {
        match self {
            What::Turn(past) => match &past.turn.outcome {
                Outcome::Answered { answer, .. } => numbers_of(answer, &self.sources(None)),
                Outcome::Interrupted | Outcome::GaveUp { .. } => Vec::new(),
            },
            What::Cell(_) => Vec::new(),
        }
    }

    /// The cells that put something out, newest first.
    fn sources(&self, cell_id: Option<&str>) -> Vec<Source> {
        match self {
            What::Turn(past) => {
                let steps = past.turn.steps.iter().zip(&past.cells).rev();
                let worked = steps.filter(|(step, _)| !failed(&step.execution));
                worked.map(|(step, id)| source(id, &step.execution)).collect()
            }
            What::Cell(cell) => cell_id.iter().map(|id| source(id, &cell.execution())).collect(),
        }
    }

    fn as_past(&self) -> Past {
        match self {
            What::Turn(past) => Past::Turn(past.turn.clone()),
            What::Cell(cell) => Past::Cell { code: cell.code.clone(), execution: cell.execution() },
        }
    }
}

fn source(cell_id: &str, execution: &Execution) -> Source {
    let outputs: Vec<_> = execution.outputs.iter().map(|output| json!(output)).collect();
    Source {
        cell_id: cell_id.to_owned(),
        execution_count: execution.execution_count,
        text: printed(outputs.iter()),
    }
}

impl Cell {
    fn execution(&self) -> Execution {
        let mut outputs = Outputs::default();
        for (msg_type, content) in &self.published {
            // A byte that is no text must not cost the whole output.
            if let Ok(content) = serde_json::from_str(&String::from_utf8_lossy(content)) {
                outputs.push(msg_type, content);
            }
        }
        Execution {
            execution_count: self.execution_count,
            status: self.status,
            outputs: outputs.finish(),
            figures: Vec::new(),
            seconds: 0.0,
            lost: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(history: &History) -> Vec<String> {
        let code = |past| match past {
            Past::Cell { code, .. } => code,
            Past::Turn(turn) => turn.prompt,
        };
        history.pasts().into_iter().map(code).collect()
    }

    #[test]
    fn a_cell_that_is_run_again_replaces_what_it_did() {
        let mut history = History::default();
        history.begin_cell("1", Some("a".into()), "old");
        history.begin_cell("2", Some("b".into()), "other");
        history.begin_cell("3", None, "console");
        history.begin_cell("4", Some("a".into()), "new");
        assert_eq!(codes(&history), ["other", "console", "new"]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut history = History::default();
        (0..100).for_each(|n| history.begin_cell(&n.to_string(), None, &n.to_string()));
        assert_eq!(codes(&history).len(), MAX_ENTRIES);
        assert_eq!(codes(&history).last().unwrap(), "99");
    }

    #[test]
    fn outputs_are_bounded_and_read_when_asked() {
        let mut history = History::default();
        history.begin_cell("1", None, "print(1)");
        let printed = Bytes::from_static(br#"{"name": "stdout", "text": "1\n"}"#);
        history.output("1", "stream", &printed);
        history.output("1", "stream", &Bytes::from(vec![b' '; MAX_OUTPUT]));
        history.output("unknown", "stream", &printed);
        history.end_cell("1", "ok", Some(3));
        let [Past::Cell { execution, .. }] = &history.pasts()[..] else { panic!("one cell") };
        assert_eq!((execution.execution_count, execution.outputs.len()), (Some(3), 1));
    }
}
