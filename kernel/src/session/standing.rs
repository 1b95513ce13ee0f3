//! The notebook as a page has told it: the cells as they stand, and the texts of those that were asked for. Pure.

use datarus_agent::agent::{Asked, Outcome};
use datarus_agent::executor::{Execution, Output, Status};

use crate::cells::asked::{asked_in, number_of};
use crate::cells::reading::{outcome_in, thought_in, understanding_in};
use crate::page::{CellState, CellText};
use crate::route::{Role, Route, route};

/// What stands in a notebook.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// All cells, in order.
    pub(crate) cells: Vec<CellState>,
    /// What some of them hold.
    pub(crate) texts: Vec<CellText>,
}

impl Standing {
    /// What the page said of a cell that was asked for.
    pub(super) fn text(&self, id: &str) -> Option<&CellText> {
        self.texts.iter().find(|text| text.id == id)
    }

    /// The source of a cell, where the page has told it: it was edited by hand, or asked for.
    pub(crate) fn source<'a>(&'a self, cell: &'a CellState) -> Option<&'a str> {
        cell.source.as_deref().or_else(|| Some(&*self.text(&cell.id)?.source))
    }

    /// The cells that a turn made, in the order of the notebook.
    pub(super) fn made_by<'a>(&'a self, turn: &'a str) -> impl Iterator<Item = &'a CellState> {
        self.cells
            .iter()
            .filter(move |cell| cell.turn.as_deref() == Some(turn) && !is(cell, "prompt"))
    }

    /// The question in the cell `id`, if the page has told it.
    pub(super) fn question(&self, id: &str) -> Option<String> {
        let source = &self.text(id)?.source;
        match route(source, Some(Role::Prompt)) {
            Route::Prompt(prompt) => Some(prompt.text),
            _ => None,
        }
    }

    /// What the model asked the user in a cell, as it stands.
    pub(super) fn asked(&self, cell: &CellState) -> Option<Asked> {
        let turn = cell.turn.as_deref().filter(|_| is(cell, "asked"))?;
        asked_in(self.source(cell)?, number_of(turn, &cell.id)?, cell.step?)
    }

    /// The thought before a step as it stands; `known` is what the model wrote.
    pub(super) fn thought(&self, turn: &str, step: usize, known: Option<&str>) -> String {
        let cell = self.made_by(turn).find(|cell| is(cell, "thought") && cell.step == Some(step));
        self.thought_of(cell, known)
    }

    /// What was said before a step of what the data mean, as [`Standing::thought`].
    pub(super) fn understanding(&self, turn: &str, step: usize, known: Option<&str>) -> String {
        let of_step = |cell: &&CellState| is(cell, "understanding") && cell.step == Some(step);
        self.understanding_of(self.made_by(turn).find(of_step), known)
    }

    fn understanding_of(&self, cell: Option<&CellState>, known: Option<&str>) -> String {
        let Some(cell) = cell else { return String::new() };
        self.source(cell).map_or_else(|| known.unwrap_or_default().to_owned(), understanding_in)
    }

    fn thought_of(&self, cell: Option<&CellState>, known: Option<&str>) -> String {
        // Where its cell is gone, the user has taken it out.
        let Some(cell) = cell else { return String::new() };
        self.source(cell).map_or_else(|| known.unwrap_or_default().to_owned(), thought_in)
    }

    /// How a turn ended, as it stands; `known` is how it ended.
    pub(super) fn outcome(&self, turn: &str, known: Option<&Outcome>) -> Outcome {
        let (said, answered) = match known {
            Some(Outcome::Answered { understanding, thought, .. }) => {
                (Some((&**understanding, &**thought)), true)
            }
            Some(Outcome::Interrupted | Outcome::GaveUp { .. }) => (None, false),
            None => (None, true),
        };
        let is_step = |step: Option<usize>| {
            self.made_by(turn).any(|cell| is(cell, "code") && cell.step == step)
        };
        let last = |role: &str| {
            self.made_by(turn).filter(|cell| is(cell, role) && !is_step(cell.step)).last()
        };
        let understanding = self.understanding_of(last("understanding"), said.map(|said| said.0));
        let thought = self.thought_of(last("thought"), said.map(|said| said.1));
        let answer = self.made_by(turn).filter(|cell| is(cell, "answer")).last();
        match (answer.map(|cell| self.source(cell)), known) {
            (Some(Some(source)), _) => outcome_in(source, understanding, thought),
            (Some(None), Some(Outcome::Answered { answer, .. })) => {
                Outcome::Answered { understanding, thought, answer: answer.clone() }
            }
            (Some(None) | None, Some(known)) if !answered => known.clone(),
            (Some(None), _) => Outcome::GaveUp { reason: "its answer is not known".into() },
            (None, _) => Outcome::GaveUp { reason: "the user deleted the answer".into() },
        }
    }
}

/// Whether a cell has this role.
pub(super) fn is(cell: &CellState, role: &str) -> bool {
    cell.role.as_deref() == Some(role)
}

/// Whether a cell holds what was kept of a failed step: that is in the step, too.
pub(super) fn is_kept(cell: &CellState) -> bool {
    let part = cell.turn.as_deref().and_then(|turn| cell.id.strip_prefix(turn));
    let (Some(part), Some(step)) = (part, cell.step) else { return false };
    part.strip_prefix(&format!("-{step}k")).is_some()
}

/// What a cell did, by what it shows.
pub(super) fn execution(text: &CellText, lost: bool) -> Execution {
    let shown = Output::Stream { name: "stdout".into(), text: text.output.clone() };
    Execution {
        execution_count: text.execution_count,
        status: if text.failed { Status::Error } else { Status::Ok },
        outputs: Some(shown).into_iter().filter(|_| !text.output.is_empty()).collect(),
        figures: Vec::new(),
        seconds: 0.0,
        lost,
    }
}
