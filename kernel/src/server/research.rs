//! A research run in a page: each of its questions is a cell of its own, and the next one is asked when one is answered.
//!
//! The page is told to insert the next cell and to run it, as if the user had. Which section it is follows from the plan as
//! it stands when that cell begins, so an edit of the plan counts until then.

use datarus_agent::agent::Outcome;
use datarus_agent::plan::Stage;
use serde_json::{Map, Value, json};

use super::Server;
use crate::cells::Naming;
use crate::notebook::new_cell_id;
use crate::page::{CellState, ToPage};
use crate::prompt::Failure;
use crate::research::{self, Next};
use crate::route::{Role, Route, route};
use crate::session::Standing;

/// The cell that asks for whatever comes next.
const NEXT: &str = "%%ask --section";

/// Said where nothing comes next.
const NOTHING: &str = "no section of the plan is left, and the report stands: add one to the plan";

/// Said where there is no plan to go by.
const NO_PLAN: &str = "the notebook has no plan above: expected a cell that begins with `%%ask --research`, and below it \
                       a plan whose sections begin with headings such as `## 1. Delays`";

impl Server {
    /// The cells that say which section comes next, if the prompt that runs names none.
    pub(super) fn cells_of_research(&self, cells: &[CellState]) -> Vec<String> {
        if !self.asks_for_next() {
            return Vec::new();
        }
        let tells = |cell: &&CellState| matches!(cell.role.as_deref(), Some("prompt" | "answer"));
        cells.iter().filter(tells).map(|cell| cell.id.clone()).collect()
    }

    fn asks_for_next(&self) -> bool {
        let prompt = self.prompt.as_ref().map(|prompt| &prompt.prompt);
        prompt.is_some_and(|prompt| {
            prompt.flags.stage == Some(Stage::Section)
                && prompt.text == research::question(Stage::Section)
        })
    }

    /// Puts the question that comes next into the prompt that runs, if it names none, and into its cell.
    ///
    /// # Errors
    /// When nothing comes next.
    pub(super) fn name_section(&mut self, notebook: &Standing, at: usize) -> Result<(), Failure> {
        if !self.asks_for_next() {
            return Ok(());
        }
        let cells = as_cells(notebook, at);
        let source = match research::next(&cells, self.config.limits.max_sections) {
            next @ (Next::Section { .. } | Next::Report) => next.source().unwrap_or_default(),
            Next::Nothing => return Err(refused(NOTHING)),
            Next::Plan | Next::NoPlan => return Err(refused(NO_PLAN)),
        };
        let (Some(prompt), Route::Prompt(named)) =
            (&mut self.prompt, route(&source, Some(Role::Prompt)))
        else {
            return Ok(());
        };
        prompt.prompt = named;
        prompt.source = Some(source.clone());
        let id = prompt.request.cell().cell_id.unwrap_or_default();
        self.tell_page(vec![ToPage::Replace { id, source }]);
        Ok(())
    }

    /// Has the page ask the next question, if the prompt that ends so is the last of a run that goes on.
    pub(super) fn ask_next(&mut self, outcome: &Outcome) {
        let Some(prompt) = &self.prompt else { return };
        let goes_on = match (prompt.prompt.flags.stage, outcome) {
            (Some(Stage::Plan | Stage::Section), Outcome::Answered { .. })
            | (Some(Stage::Section), Outcome::GaveUp { .. }) => prompt.is_last,
            _ => false,
        };
        if prompt.live.is_none() {
            return self.offer_next(outcome);
        }
        let Some(live) = prompt.live.as_ref().filter(|_| goes_on && !prompt.is_undone()) else {
            return;
        };
        let record = live.turn.record(None);
        let after = Naming { turn: &record.turn, pass: record.pass }.id("a");
        let (id, cell_type, source) = (new_cell_id(), String::from("code"), NEXT.to_owned());
        let metadata = Map::from_iter([("datarus".to_owned(), json!({"role": "prompt"}))]);
        self.tell_page(vec![
            ToPage::Insert { id: id.clone(), after, cell_type, source, metadata },
            ToPage::Execute { id },
        ]);
    }
}

/// A research run in a front end without a page, as far as this kernel has seen it: its questions and answers, as cells.
#[derive(Debug, Default)]
pub(super) struct Study(Vec<Value>);

impl Study {
    /// Takes a question of the run with what came of it; a new plan begins anew.
    fn add(&mut self, stage: Stage, source: &str, outcome: &Outcome) {
        if stage == Stage::Plan {
            self.0.clear();
        }
        let turn = format!("t_{}", self.0.len());
        let (text, status) = match outcome {
            Outcome::Answered { answer, .. } => (answer.as_str(), "done"),
            Outcome::GaveUp { .. } => ("", "gave_up"),
            Outcome::Interrupted => return,
        };
        let cell = |role: &str, source: &str| {
            let facts = json!({"role": role, "turn": turn, "status": status});
            json!({"source": source, "metadata": {"datarus": facts}})
        };
        self.0.extend([cell("prompt", source), cell("answer", text)]);
    }
}

impl Server {
    /// Has the reply name the cell that comes next, which front ends put below: no page is there to insert and run it.
    fn offer_next(&mut self, outcome: &Outcome) {
        let Some(prompt) = &mut self.prompt else { return };
        let (Some(stage), Some(asked)) = (prompt.prompt.flags.stage, prompt.request.execute())
        else {
            return;
        };
        self.study.add(stage, &asked.code, outcome);
        let next = research::next(&self.study.0, self.config.limits.max_sections);
        prompt.next = next.source();
    }
}

fn refused(reason: &str) -> Failure {
    Failure { name: "NoSection", reason: reason.to_owned() }
}

/// The cells above the prompt at `at`, as far as they tell which section comes next.
fn as_cells(notebook: &Standing, at: usize) -> Vec<Value> {
    let cell = |cell: &CellState| {
        let source = notebook.source(cell).unwrap_or_default();
        // Of an answer that is none the text says so, and it has no sections.
        let facts = json!({"role": cell.role, "turn": cell.turn, "status": "done"});
        json!({"cell_type": cell.cell_type, "source": source, "metadata": {"datarus": facts}})
    };
    notebook.cells.iter().take(at).map(cell).collect()
}
