//! A turn that goes on: its cells up to a step stand in the page already.

use datarus_agent::agent::Begun;
use serde_json::Value;

use super::{LiveAsked, LiveStep, LiveTurn, Origin, ShownCell, Stage};
use crate::cells::{Naming, StepRecord, code_cell};

/// What stands in a page of a turn that is to go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// Its steps.
    pub(crate) begun: Begun,
    /// The cells of those that are done.
    pub(crate) cells: Vec<String>,
    /// The cells of what was asked meanwhile.
    pub(crate) asked: Vec<String>,
    /// The cell of the last one: what comes next stands below it.
    pub(crate) from: String,
    /// Whether the one that is to be run again had failed.
    pub(crate) failed: bool,
    /// How often the turn has then gone on.
    pub(crate) pass: u32,
}

impl LiveTurn {
    /// Takes up a turn of which this stands in the page.
    pub(crate) fn go_on(&mut self, kept: &Kept) {
        self.pass = kept.pass;
        let turn = self.turn.clone();
        for (step, id) in kept.begun.done.iter().zip(&kept.cells) {
            let Naming { pass, .. } = Naming::of(&turn, id);
            let record = StepRecord { pass, ..StepRecord::of(step) };
            let known = self.step(step.number);
            (known.pass, known.origin) = (pass, Origin::Page);
            known.code.clone_from(&record.code);
            known.stage = Stage::Done(Box::new(record));
        }
        let asked = kept.begun.asked.iter().zip(&kept.asked);
        self.asked =
            asked.map(|(asked, id)| LiveAsked::standing(&turn, id, asked.clone())).collect();
        let naming = Naming::of(&turn, &kept.from);
        let mut metadata = Value::Null;
        if let Some(next) = &kept.begun.next {
            let step = self.step(next.number);
            (step.pass, step.origin, step.stage) = (naming.pass, Origin::Again, Stage::Ready);
            step.understanding.clone_from(&next.understanding);
            step.thought.clone_from(&next.thought);
            next.code.trim_end().clone_into(&mut step.code);
            let status = if kept.failed { "error" } else { "ok" }.to_owned();
            let before = StepRecord { number: next.number, status, ..StepRecord::default() };
            metadata = code_cell(naming, &before)["metadata"].take();
        }
        let source = self.steps.last().map(|step| step.code.clone()).unwrap_or_default();
        let metadata = metadata.as_object().cloned().unwrap_or_default();
        let id = kept.from.clone();
        self.shown = vec![ShownCell { id, source, metadata, rendered: true }];
        self.base.clone_from(&kept.from);
    }

    /// Whether a cell stood in the page before the turn went on, and is left alone.
    pub(super) fn stands(&self, cell: &Value) -> bool {
        let facts = &cell["metadata"]["datarus"];
        if facts["role"] == "asked" {
            let mut standing = self.asked.iter().filter(|asked| asked.stands);
            return standing.any(|asked| cell["id"] == asked.record.id(&self.turn));
        }
        let of_cell = |step: &&LiveStep| facts["step"].as_u64() == Some(step.number as u64);
        match self.steps.iter().find(of_cell).map(|step| step.origin) {
            Some(Origin::Page) => true,
            Some(Origin::Again) => facts["role"] == "thought" || facts["role"] == "understanding",
            Some(Origin::Model) | None => false,
        }
    }
}
