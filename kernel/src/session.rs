//! What this kernel has run, in order: what a question may refer to.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use datarus_agent::agent::{Given, Past, Turn};
use datarus_agent::executor::{Execution, Status};

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
struct PastTurn {
    /// If it stands in cells of its own.
    name: Option<String>,
    turn: Turn,
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

    /// Notes a turn of the agent; `name`, if its steps stand in cells of their own.
    pub(crate) fn add_turn(&mut self, cell_id: Option<String>, name: Option<String>, turn: Turn) {
        self.add(cell_id, What::Turn(Box::new(PastTurn { name, turn })));
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

impl What {
    fn as_past(&self) -> Past {
        match self {
            What::Turn(past) => Past::Turn(past.turn.clone()),
            What::Cell(cell) => Past::Cell { code: cell.code.clone(), execution: cell.execution() },
        }
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
