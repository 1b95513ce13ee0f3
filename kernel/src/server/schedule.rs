//! In which order cells run. Pure: it holds requests, the caller sends them.
//!
//! First in, first out. Python cells are handed to the companion as they come, which has a queue of its own; a
//! prompt, or a cell that sets what Python may reach, waits until all before it have ended, and what comes after it
//! waits for its end.

use std::collections::VecDeque;

use super::request::Request;
use crate::route::{Prompt, Setting};

/// A cell that is to be run.
#[derive(Debug)]
pub(super) struct Cell {
    /// The `execute_request`.
    pub(super) request: Request,
    /// Who runs it.
    pub(super) kind: CellKind,
}

/// Who runs a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellKind {
    /// The companion.
    Python,
    /// The agent.
    Prompt(Prompt),
    /// The companion if it knows any of the names, else the agent.
    PromptUnlessDefined(Vec<String>, Prompt),
    /// The event loop: it sets what Python may reach.
    Setting(Result<Setting, String>),
}

/// A cell that the companion runs or has in its own queue.
#[derive(Debug)]
pub(super) struct Running {
    /// Id of its request.
    pub(super) msg_id: String,
    /// Header of its request, raw.
    pub(super) header: bytes::Bytes,
    replied: bool,
    idle: bool,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    waiting: VecDeque<Cell>,
    running: Vec<Running>,
    /// One that runs alone does: no other may start.
    alone_runs: bool,
}

impl Schedule {
    /// Takes a new cell.
    pub(super) fn push(&mut self, cell: Cell) {
        self.waiting.push_back(cell);
    }

    /// The cell that may start now; it counts as running from here on.
    pub(super) fn next(&mut self) -> Option<Cell> {
        let front = self.waiting.front()?;
        let free = match front.kind {
            CellKind::Python => !self.alone_runs,
            CellKind::Prompt(_) | CellKind::PromptUnlessDefined(..) | CellKind::Setting(_) => {
                !self.alone_runs && self.running.is_empty()
            }
        };
        let cell = if free { self.waiting.pop_front()? } else { return None };
        match cell.kind {
            CellKind::Python => self.started(&cell.request),
            CellKind::Prompt(_) | CellKind::PromptUnlessDefined(..) | CellKind::Setting(_) => {
                self.alone_runs = true;
            }
        }
        Some(cell)
    }

    /// Notes that the companion was sent a cell.
    pub(super) fn started(&mut self, request: &Request) {
        let (msg_id, header) = (request.header.msg_id.clone(), request.frames.header.clone());
        self.running.push(Running { msg_id, header, replied: false, idle: false });
    }

    /// Notes the companion's reply. A cell has ended with its reply and its idle status: a prompt that began
    /// between the two would have its busy status overtaken.
    pub(super) fn replied(&mut self, msg_id: &str) {
        self.note(msg_id, |cell| cell.replied = true);
    }

    /// Notes the companion's idle status.
    pub(super) fn idle(&mut self, msg_id: &str) {
        self.note(msg_id, |cell| cell.idle = true);
    }

    fn note(&mut self, msg_id: &str, note: impl FnOnce(&mut Running)) {
        if let Some(cell) = self.running.iter_mut().find(|cell| cell.msg_id == msg_id) {
            note(cell);
            self.running.retain(|cell| !(cell.replied && cell.idle));
        }
    }

    /// Notes the end of the prompt, or of what else runs alone.
    pub(super) fn alone_ended(&mut self) {
        self.alone_runs = false;
    }

    /// Forgets what ran on a companion that is gone.
    pub(super) fn companion_gone(&mut self) {
        self.running.clear();
    }

    /// Takes out all that waits, after a cell failed that asked for it (`stop_on_error`).
    pub(super) fn abort(&mut self) -> Vec<Cell> {
        self.waiting.drain(..).collect()
    }

    /// Takes out what waits and is one of these cells of the notebook.
    pub(super) fn withdraw(&mut self, cell_ids: &[String]) -> Vec<Cell> {
        let is_one =
            |cell: &Cell| cell.request.cell().cell_id.is_some_and(|id| cell_ids.contains(&id));
        let (gone, waiting): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(is_one);
        self.waiting = waiting.into();
        gone
    }

    /// The newest cell that the companion has not replied to.
    pub(super) fn last_without_reply(&self) -> Option<&Running> {
        self.running.iter().rev().find(|cell| !cell.replied)
    }

    /// The oldest cell that the companion has not replied to: an interrupt is for this one.
    pub(super) fn first_without_reply(&self) -> Option<&Running> {
        self.running.iter().find(|cell| !cell.replied)
    }

    /// The cell that runs on the companion now.
    pub(super) fn first_running(&self) -> Option<&Running> {
        self.running.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(id: &str) -> Cell {
        Cell { request: Request::for_test(id), kind: CellKind::Prompt(Prompt::default()) }
    }

    fn python(id: &str) -> Cell {
        Cell { request: Request::for_test(id), kind: CellKind::Python }
    }

    fn startable(schedule: &mut Schedule) -> Vec<String> {
        std::iter::from_fn(|| schedule.next()).map(|cell| cell.request.header.msg_id).collect()
    }

    fn end(schedule: &mut Schedule, msg_id: &str) {
        schedule.replied(msg_id);
        schedule.idle(msg_id);
    }

    #[test]
    fn python_cells_are_handed_on_at_once() {
        let mut schedule = Schedule::default();
        schedule.push(python("1"));
        schedule.push(python("2"));
        assert_eq!(startable(&mut schedule), ["1", "2"]);
    }

    #[test]
    fn a_prompt_waits_for_reply_and_idle_of_all_before_it() {
        let mut schedule = Schedule::default();
        for cell in [python("1"), python("2"), prompt("3"), python("4")] {
            schedule.push(cell);
        }
        assert_eq!(startable(&mut schedule), ["1", "2"]);
        end(&mut schedule, "1");
        schedule.replied("2");
        assert!(startable(&mut schedule).is_empty());
        schedule.idle("2");
        assert_eq!(startable(&mut schedule), ["3"]);
    }

    #[test]
    fn cells_after_a_prompt_wait_for_its_end() {
        let mut schedule = Schedule::default();
        for cell in [prompt("1"), python("2"), prompt("3")] {
            schedule.push(cell);
        }
        assert_eq!(startable(&mut schedule), ["1"]);
        schedule.alone_ended();
        assert_eq!(startable(&mut schedule), ["2"]);
        end(&mut schedule, "2");
        assert_eq!(startable(&mut schedule), ["3"]);
    }

    #[test]
    fn what_waits_behind_a_failed_cell_is_given_back() {
        let mut schedule = Schedule::default();
        for cell in [python("1"), prompt("2"), python("3")] {
            schedule.push(cell);
        }
        assert_eq!(startable(&mut schedule), ["1"]);
        let aborted = schedule.abort();
        assert_eq!(aborted.len(), 2);
        end(&mut schedule, "1");
        assert!(startable(&mut schedule).is_empty());
    }
}
