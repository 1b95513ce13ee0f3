//! Questions of the model's to the user, each a cell of its turn.

use datarus_agent::agent::Asked;

use super::{LiveTurn, Place, ShownCell, Stage, ToPage, render, write};
use crate::cells::asked::{asked_cell, open_asked_cell};
use crate::cells::{AskedRecord, Naming};

/// A question in a page.
#[derive(Debug)]
pub(super) struct LiveAsked {
    pub(super) record: AskedRecord,
    /// For the user.
    waits: bool,
    /// Whether it stood in the page before the turn went on, and is left alone.
    pub(super) stands: bool,
}

impl LiveAsked {
    /// One of which the page has the cell `id` already.
    pub(super) fn standing(turn: &str, id: &str, asked: Asked) -> LiveAsked {
        let record = AskedRecord { pass: Naming::of(turn, id).pass, asked };
        LiveAsked { record, waits: false, stands: true }
    }

    /// Tells the page of it; the first cell of a turn stands below `prompt`.
    pub(super) fn tell(
        &self,
        turn: &str,
        prompt: &str,
        shown: &mut Vec<ShownCell>,
        told: &mut Vec<ToPage>,
    ) {
        if self.stands {
            return;
        }
        let make = if self.waits { open_asked_cell } else { asked_cell };
        let cell = make(turn, &self.record);
        write(shown, Place::Below(prompt), &cell, told);
        render(shown, &cell, told);
    }
}

impl LiveTurn {
    /// What was written as the beginning of a step led to a question, and stands in its cell.
    pub(super) fn on_asking(&mut self, asked: &Asked) {
        let naming = Naming { turn: &self.turn, pass: self.pass };
        let written = ["u", "t"].map(|part| naming.id(&format!("{}{part}", asked.step)));
        let step = self.step(asked.step);
        step.understanding.clear();
        step.thought.clear();
        step.stage = Stage::Thinking;
        self.withdrawn.extend(written);
        let record = AskedRecord { pass: self.pass, asked: asked.clone() };
        self.asked.push(LiveAsked { record, waits: true, stands: false });
    }

    /// What the user said.
    pub(super) fn on_asked(&mut self, asked: &Asked) {
        if let Some(known) = self.asked.last_mut() {
            known.record.asked.answer.clone_from(&asked.answer);
            known.waits = false;
        }
    }

    /// The newest question.
    pub(crate) fn newest_asked(&self) -> Option<&AskedRecord> {
        self.asked.last().map(|asked| &asked.record)
    }

    /// Takes away what turned out to be no beginning of a step.
    pub(super) fn tell_withdrawn(&mut self, told: &mut Vec<ToPage>) {
        let withdrawn = std::mem::take(&mut self.withdrawn);
        let ids: Vec<String> = self.shown.iter().map(|cell| cell.id.clone()).collect();
        let ids: Vec<_> = ids.into_iter().filter(|id| withdrawn.contains(id)).collect();
        self.shown.retain(|cell| !ids.contains(&cell.id));
        if !ids.is_empty() {
            told.push(ToPage::Remove { ids });
        }
    }
}
