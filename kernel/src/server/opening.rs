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
use crate::page::{CellState, ToPage};

/// How long the page may take to say what stands in the notebook.
const STATE: Duration = Duration::from_secs(1);

/// Said under an unchanged question.
const KEPT: &str = "*The answer below is kept: the question is unchanged. To ask again, begin the cell with \
                    `%%ask --again`.*";

/// A turn that waits for the page to say what stands in the notebook.
#[derive(Debug)]
pub(super) struct Opening {
    numbered: Numbered,
    /// When it goes on without.
    pub(super) until: Instant,
}

impl Server {
    /// Begins a turn in the page that asked, if it is one that shows cells; else the turn begins at once.
    pub(super) fn open_turn(&mut self, numbered: Numbered) {
        let Some(prompt) = &mut self.prompt else { return };
        let page = self.pages.of_session(&prompt.request.header.session);
        let (Some(page), Some(cell_id)) = (page, prompt.request.cell().cell_id) else {
            return self.start_agent(numbered, self.history.pasts());
        };
        let turn = prompt.view.turn().to_owned();
        let opening = Opening { numbered, until: Instant::now() + STATE };
        prompt.live = Some(Box::new(Live::new(page, &cell_id, prompt, opening)));
        self.tell_page(vec![ToPage::Begin { turn, prompt: cell_id, remove: Vec::new() }]);
    }

    /// Takes what stands in the notebook.
    pub(super) fn on_state(&mut self, comm: &str, turn: &str, cells: &[CellState]) {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| prompt.view.turn() == turn) else {
            return;
        };
        let Some(live) = prompt.live.as_mut().filter(|live| live.comm == comm) else { return };
        // It lives.
        live.rival = None;
        let Some(Opening { numbered, .. }) = live.opening.take() else { return };
        let id = live.turn.prompt().to_owned();
        let history = self.history.above(cells, &id);
        let notebook = as_notebook(cells, prompt.as_cell());
        let at = cells.iter().position(|cell| cell.id == id).unwrap_or(cells.len());
        if answer_stands(&notebook, at) && !prompt.prompt.flags.again {
            return self.keep_answer();
        }
        let below = notebook.get(turn_below(&notebook, at)).unwrap_or_default();
        let ids = below.iter().filter_map(|cell| cell["id"].as_str());
        let remove: Vec<_> = ids.map(str::to_owned).collect();
        if !remove.is_empty() {
            // What the earlier turn of this question left; a Run All has sent it along.
            for cell in self.schedule.withdraw(&remove) {
                self.abort(&cell.request);
            }
            self.tell_page(vec![ToPage::Begin { turn: turn.to_owned(), prompt: id, remove }]);
        }
        self.start_agent(numbered, history);
    }

    /// Goes on without knowing what stands in the notebook.
    pub(super) fn on_opening_deadline(&mut self, now: Instant) {
        let live = self.prompt.as_mut().and_then(|prompt| prompt.live.as_mut());
        let late = live.and_then(|live| live.opening.take_if(|opening| opening.until <= now));
        if let Some(Opening { numbered, .. }) = late {
            tracing::info!("a page did not say what stands in its notebook");
            self.start_agent(numbered, self.history.pasts());
        }
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

/// The page's cells as those of a notebook, as far as turns are concerned; `prompt` is the cell that asks.
fn as_notebook(cells: &[CellState], prompt: Value) -> Vec<Value> {
    let as_cell = |cell: &CellState| {
        if prompt["id"] == cell.id {
            return prompt.clone();
        }
        let facts = json!({"role": cell.role, "turn": cell.turn, "step": cell.step});
        json!({"id": cell.id, "cell_type": cell.cell_type, "metadata": {"datarus": facts}})
    };
    cells.iter().map(as_cell).collect()
}
