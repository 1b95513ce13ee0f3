//! The beginning of a turn in a page: what stands in its notebook decides what the model sees, and whether it is
//! asked at all.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Server;
use super::live::Live;
use super::turn::Numbered;
use crate::cells::{answer_stands, turn_below};
use crate::display::Shown;
use crate::message::content::Display;
use crate::page::{CellState, CellText, ToPage};
use crate::prompt::Failure;
use crate::session::Standing;

/// How long the page may take to say what stands in the notebook, and again what cells hold.
const STATE: Duration = Duration::from_secs(1);

/// Said under an unchanged question.
const KEPT: &str = "*The answer below is kept: the question is unchanged. To ask again, begin the cell with \
                    `%%ask --again`.*";

/// Said when a turn cannot go on.
const NOT_THERE: &str = "the step to go on from is not known: go on from another one, or ask again";

/// A turn that waits for the page to say what stands in the notebook.
#[derive(Debug)]
pub(super) struct Opening {
    numbered: Numbered,
    /// The cells, once it was asked what some of them hold.
    cells: Option<Vec<CellState>>,
    /// When it goes on without.
    pub(super) until: Instant,
}

impl Server {
    /// Begins a turn in the page that asked, if it is one that shows cells; else the turn begins at once.
    pub(super) fn open_turn(&mut self, numbered: Numbered) {
        let Some(prompt) = &mut self.prompt else { return };
        let page = self.pages.of_session(&prompt.request.header.session);
        let (Some(page), Some(cell_id)) = (page, prompt.request.cell().cell_id) else {
            let history = self.history.told(&prompt.request.cell().above());
            return self.start_agent(numbered, history, None);
        };
        let turn = prompt.view.turn().to_owned();
        let opening = Opening { numbered, cells: None, until: Instant::now() + STATE };
        prompt.live = Some(Box::new(Live::new(page, &cell_id, prompt, opening)));
        self.tell_page(vec![ToPage::Begin { turn, prompt: cell_id, remove: Vec::new() }]);
    }

    /// Takes what stands in the notebook.
    pub(super) fn on_state(&mut self, comm: &str, turn: &str, cells: Vec<CellState>) {
        let Some(live) = self.live_in(comm, turn) else { return };
        let opening = live.opening.take_if(|opening| opening.cells.is_none());
        let Some(Opening { numbered, .. }) = opening else { return };
        let Some(prompt) = &self.prompt else { return };
        let at = self.place(&cells).unwrap_or(cells.len());
        if prompt.go_on.is_none() && !prompt.prompt.flags.again {
            let notebook = as_notebook(&cells, &prompt.as_cell());
            if answer_stands(&notebook, at) {
                return self.keep_answer();
            }
        }
        let from =
            prompt.go_on.as_ref().and_then(|go_on| cells.iter().position(|cell| cell.id == *go_on));
        let seen = cells.get(..from.map_or(at, |from| from + 1)).unwrap_or_default();
        let mut ids = self.history.unknown(seen);
        ids.extend(self.cells_of_research(seen));
        if ids.is_empty() {
            return self.begin_turn(numbered, Standing { cells, texts: Vec::new() });
        }
        let until = Instant::now() + STATE;
        if let Some(live) = self.live_in(comm, turn) {
            live.opening = Some(Opening { numbered, cells: Some(cells), until });
        }
        self.tell_page(vec![ToPage::Read { turn: turn.to_owned(), ids }]);
    }

    /// Takes what cells hold that were asked for.
    pub(super) fn on_texts(&mut self, comm: &str, turn: &str, texts: Vec<CellText>) {
        let Some(live) = self.live_in(comm, turn) else { return };
        let opening = live.opening.take_if(|opening| opening.cells.is_some());
        if let Some(Opening { numbered, cells: Some(cells), .. }) = opening {
            self.begin_turn(numbered, Standing { cells, texts });
        }
    }

    /// Begins, or goes on with, a turn whose notebook is known.
    fn begin_turn(&mut self, numbered: Numbered, notebook: Standing) {
        let Some(prompt) = &self.prompt else { return };
        let turn = prompt.view.turn().to_owned();
        let Some(at) = self.place(&notebook.cells) else {
            let history = self.history.above(&notebook, "");
            return self.start_agent(numbered, history, None);
        };
        if let Err(failure) = self.name_section(&notebook, at) {
            return self.fail_turn(&failure);
        }
        let below = notebook.cells.get(at + 1..).unwrap_or_default();
        if let Some(prompt) = &mut self.prompt {
            prompt.is_last = !below.iter().any(|cell| cell.role.as_deref() == Some("prompt"));
        }
        let Some(prompt) = &self.prompt else { return };
        let id = notebook.cells.get(at).map(|cell| cell.id.clone()).unwrap_or_default();
        let history = self.history.above(&notebook, &id);
        let (kept, remove) = match &prompt.go_on {
            None => {
                let cells = as_notebook(&notebook.cells, &prompt.as_cell());
                let below = cells.get(turn_below(&cells, at)).unwrap_or_default();
                (
                    None,
                    below.iter().filter_map(|cell| Some(cell["id"].as_str()?.to_owned())).collect(),
                )
            }
            Some(from) => match self.history.kept(&notebook, &turn, from) {
                None => return self.fail_opening(),
                kept => (kept, made_after(&notebook.cells, &turn, from)),
            },
        };
        if !remove.is_empty() {
            // What the earlier turn of this question left; a Run All has sent it along.
            for cell in self.schedule.withdraw(&remove) {
                self.abort(&cell.request);
            }
            if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
                live.removed.clone_from(&remove);
            }
            self.tell_page(vec![ToPage::Begin { turn, prompt: id, remove }]);
        }
        self.start_agent(numbered, history, kept);
    }

    /// The place of the prompt that runs.
    fn place(&self, cells: &[CellState]) -> Option<usize> {
        let live = self.prompt.as_ref()?.live.as_ref()?;
        cells.iter().position(|cell| cell.id == live.turn.prompt())
    }

    /// The turn that runs, if it is this one and this page shows it.
    pub(super) fn live_in(&mut self, comm: &str, turn: &str) -> Option<&mut Live> {
        let prompt = self.prompt.as_mut().filter(|prompt| prompt.view.turn() == turn)?;
        prompt.live.as_deref_mut().filter(|live| live.comm == comm)
    }

    /// Goes on without knowing what stands in the notebook.
    pub(super) fn on_opening_deadline(&mut self, now: Instant) {
        let Some(prompt) = &mut self.prompt else { return };
        let goes_on = prompt.go_on.is_some();
        let opening = prompt
            .live
            .as_mut()
            .and_then(|live| live.opening.take_if(|opening| opening.until <= now));
        let Some(Opening { numbered, cells, .. }) = opening else { return };
        tracing::info!("a page did not say what stands in its notebook");
        match cells {
            Some(cells) => self.begin_turn(numbered, Standing { cells, texts: Vec::new() }),
            None if goes_on => self.fail_opening(),
            None => self.start_agent(numbered, self.history.pasts(), None),
        }
    }

    fn fail_opening(&mut self) {
        self.fail_turn(&Failure { name: "UnknownStep", reason: NOT_THERE.into() });
    }

    /// Ends a turn at once: its answer stands.
    fn keep_answer(&mut self) {
        if let Some(live) = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut()) {
            live.status = "done";
        }
        let data = Map::from_iter([("text/markdown".to_owned(), json!(KEPT))]);
        self.show(Shown::New(Display::new(data)));
        self.close_turn(None);
    }
}

/// The cells that a turn made and that stand below its step in the cell `from`.
fn made_after(cells: &[CellState], turn: &str, from: &str) -> Vec<String> {
    let later = cells.iter().skip_while(|cell| cell.id != from).skip(1);
    let made = |cell: &&CellState| {
        cell.turn.as_deref() == Some(turn) && cell.role.as_deref() != Some("prompt")
    };
    later.filter(made).map(|cell| cell.id.clone()).collect()
}

/// The page's cells as those of a notebook, as far as turns are concerned; `prompt` is the cell that asks.
fn as_notebook(cells: &[CellState], prompt: &Value) -> Vec<Value> {
    let as_cell = |cell: &CellState| {
        if prompt["id"] == cell.id {
            return prompt.clone();
        }
        let facts = json!({"role": cell.role, "turn": cell.turn, "step": cell.step});
        json!({"id": cell.id, "cell_type": cell.cell_type, "metadata": {"datarus": facts}})
    };
    cells.iter().map(as_cell).collect()
}
