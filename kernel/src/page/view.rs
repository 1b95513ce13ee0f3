//! A turn as a page shows it: real cells that grow. Pure: what the agent says in, messages for the page out.
//!
//! It remembers what the page has, so that each cell is told only what is new. Cells are those of [`crate::cells`]:
//! a turn that was seen live is the same notebook as one that was made without a screen.

use datarus_agent::agent::{AgentEvent, Mode, Part, Step};
use serde_json::{Map, Value, json};

use super::ToPage;
use crate::cells::{
    self, End, StepRecord, TurnRecord, code_cell, last_thought_cell, open_code_cell, step_id,
    thought_cell, turn_cells,
};

/// A turn in a page.
#[derive(Debug)]
pub(crate) struct LiveTurn {
    turn: String,
    /// The prompt's cell.
    prompt: String,
    mode: Mode,
    steps: Vec<LiveStep>,
    answer: String,
    /// The cells that the page has, from top to bottom.
    shown: Vec<ShownCell>,
}

#[derive(Debug)]
struct LiveStep {
    number: usize,
    thought: String,
    code: String,
    /// Whether the user wrote the code anew.
    edited: bool,
    stage: Stage,
}

#[derive(Debug, PartialEq)]
enum Stage {
    Thinking,
    /// It was a thought before the answer.
    LastThought,
    Writing,
    Ready,
    Done(Box<StepRecord>),
}

/// What the page was told of a cell.
#[derive(Debug)]
struct ShownCell {
    id: String,
    source: String,
    metadata: Map<String, Value>,
    rendered: bool,
}

impl LiveTurn {
    /// A turn of which the page has nothing yet, below the cell `prompt`.
    pub(crate) fn new(turn: &str, prompt: &str, mode: Mode) -> LiveTurn {
        LiveTurn {
            turn: turn.to_owned(),
            prompt: prompt.to_owned(),
            mode,
            steps: Vec::new(),
            answer: String::new(),
            shown: Vec::new(),
        }
    }

    /// The prompt's cell.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Takes what the agent says.
    pub(crate) fn on_event(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Text { step, part, delta } => self.on_text(*step, *part, delta),
            AgentEvent::StepReady { step, thought, code } => {
                let step = self.step(*step);
                step.thought.clone_from(thought);
                step.code.clone_from(code);
                step.stage = Stage::Ready;
            }
            AgentEvent::StepDone(done) => self.on_done(done),
            AgentEvent::Notice(_) => {}
        }
    }

    fn on_text(&mut self, number: usize, part: Part, delta: &str) {
        let step = self.step(number);
        match (part, &step.stage) {
            (Part::Thought, Stage::Writing) => {
                // What was written before could not be used, and is written anew.
                delta.clone_into(&mut step.thought);
                step.code.clear();
                step.stage = Stage::Thinking;
            }
            (Part::Thought, _) => step.thought.push_str(delta),
            (Part::Code, _) => {
                step.code.push_str(delta);
                step.stage = Stage::Writing;
            }
            (Part::Answer, stage) => {
                if *stage == Stage::Thinking {
                    step.stage = Stage::LastThought;
                }
                self.answer.push_str(delta);
            }
        }
    }

    fn on_done(&mut self, done: &Step) {
        let record = StepRecord::of(done);
        let step = self.step(done.number);
        step.code.clone_from(&record.code);
        step.stage = Stage::Done(Box::new(record));
    }

    /// Notes that the user wrote another code for a step, in the page or for it.
    pub(crate) fn edit(&mut self, number: usize, code: &str) {
        let id = step_id(&self.turn, number);
        if let Some(shown) = self.shown.iter_mut().find(|shown| shown.id == id) {
            code.trim_end().clone_into(&mut shown.source);
        }
        let step = self.step(number);
        code.trim_end().clone_into(&mut step.code);
        step.edited = true;
    }

    /// Puts into the agent's record of a step what the user made of it.
    pub(crate) fn correct(&self, done: &mut Step) {
        let of_step = |step: &&LiveStep| step.number == done.number && step.edited;
        if let Some(step) = self.steps.iter().find(of_step) {
            done.code.clone_from(&step.code);
        }
    }

    /// What the page has to be told now.
    pub(crate) fn flush(&mut self) -> Vec<ToPage> {
        let mut told = Vec::new();
        for step in &self.steps {
            step.tell(&self.turn, &self.prompt, self.mode, &mut self.shown, &mut told);
        }
        let answer = self.answer.trim_start();
        if !answer.is_empty() {
            let mut cell = cells::answer_cell(&self.record(None));
            cell["source"] = json!(answer);
            write(&mut self.shown, &self.prompt, &cell, &mut told);
        }
        told
    }

    /// The turn so far; of a step that did not run no more is known than what was written of it.
    pub(crate) fn record(&self, end: Option<End>) -> TurnRecord {
        let steps = self.steps.iter().filter_map(LiveStep::record).collect();
        TurnRecord { turn: self.turn.clone(), steps, end, loose: Vec::new() }
    }

    /// What the page has to be told at the end, when its cells are to be those of `record`. `prompt` is the cell that
    /// asked.
    pub(crate) fn end(&mut self, prompt: &Value, record: &TurnRecord) -> Vec<ToPage> {
        let cells = turn_cells(prompt, record);
        if record.end.is_none() && self.shown.is_empty() {
            // The prompt's own error says all that there is to say.
            return vec![prompt_patch(&cells.prompt)];
        }
        let mut told = Vec::new();
        let mut above = self.prompt.clone();
        for cell in &cells.below {
            let id = text(cell, "id");
            if cell["cell_type"] == "code" && !self.shown.iter().any(|shown| shown.id == id) {
                told.push(upsert(cell, &above));
            } else {
                write(&mut self.shown, &above, cell, &mut told);
                render(&mut self.shown, cell, &mut told);
                patch(&mut self.shown, cell, &mut told);
            }
            above = id;
        }
        told.push(prompt_patch(&cells.prompt));
        told
    }

    /// All that the page has, for one that has none of it.
    pub(crate) fn upserts(&self) -> Vec<ToPage> {
        let done = cells::step_cells(&self.record(None));
        let as_cell = |shown: &ShownCell| {
            let mut cell = done.iter().find(|cell| cell["id"] == shown.id).cloned();
            let cell = cell.get_or_insert_with(|| json!({"cell_type": "markdown", "id": shown.id}));
            cell["source"] = json!(shown.source);
            cell["metadata"] = json!(shown.metadata);
            cell.take()
        };
        upserts(&self.prompt, &self.shown.iter().map(as_cell).collect::<Vec<_>>())
    }

    /// The cell of a step, as it is put into a page that did not run it.
    pub(crate) fn upsert_step(&self, number: usize) -> Option<ToPage> {
        let id = step_id(&self.turn, number);
        let cells = cells::step_cells(&self.record(None));
        let at = cells.iter().position(|cell| cell["id"] == id)?;
        let above = at.checked_sub(1).and_then(|at| cells.get(at));
        Some(upsert(cells.get(at)?, &above.map_or(self.prompt.clone(), |cell| text(cell, "id"))))
    }

    fn step(&mut self, number: usize) -> &mut LiveStep {
        let at = self.steps.iter().position(|step| step.number == number).unwrap_or_else(|| {
            let (thought, code) = (String::new(), String::new());
            let (edited, stage) = (false, Stage::Thinking);
            self.steps.push(LiveStep { number, thought, code, edited, stage });
            self.steps.len() - 1
        });
        self.steps.get_mut(at).expect("found or pushed")
    }
}

impl LiveStep {
    fn tell(
        &self,
        turn: &str,
        prompt: &str,
        mode: Mode,
        shown: &mut Vec<ShownCell>,
        told: &mut Vec<ToPage>,
    ) {
        let thought = match self.stage {
            Stage::LastThought => last_thought_cell(turn, self.number, &self.thought, mode),
            _ => thought_cell(turn, self.number, &self.thought),
        };
        if let Some(mut thought) = thought {
            let growing = self.stage == Stage::Thinking;
            if growing {
                thought["source"] = json!(self.thought.trim_start());
            }
            write(shown, prompt, &thought, told);
            if !growing {
                render(shown, &thought, told);
            }
        }
        let mut code = match &self.stage {
            Stage::Thinking | Stage::LastThought => return,
            Stage::Writing | Stage::Ready => open_code_cell(turn, self.number),
            Stage::Done(record) => code_cell(turn, record),
        };
        code["source"] = json!(self.code.trim_end());
        if !self.code.is_empty() {
            write(shown, prompt, &code, told);
            patch(shown, &code, told);
        }
    }

    fn record(&self) -> Option<StepRecord> {
        match &self.stage {
            Stage::Done(record) => Some(record.as_ref().clone()),
            Stage::LastThought => None,
            Stage::Thinking | Stage::Writing | Stage::Ready => Some(StepRecord {
                number: self.number,
                thought: self.thought.trim().to_owned(),
                code: self.code.trim_end().to_owned(),
                execution_count: None,
                status: "unknown".to_owned(),
                seconds: None,
                outputs: Vec::new(),
                kept: None,
            }),
        }
    }
}

/// Puts finished cells below the cell `above`.
pub(crate) fn upserts(above: &str, cells: &[Value]) -> Vec<ToPage> {
    let ids = cells.iter().map(|cell| text(cell, "id"));
    let above = std::iter::once(above.to_owned()).chain(ids);
    cells.iter().zip(above).map(|(cell, above)| upsert(cell, &above)).collect()
}

/// What becomes of the prompt's metadata.
pub(crate) fn prompt_patch(prompt: &Value) -> ToPage {
    let mut metadata = metadata(prompt);
    // The rest is the user's.
    metadata.retain(|field, _| matches!(field.as_str(), "tags" | "datarus"));
    ToPage::Patch { id: text(prompt, "id"), metadata }
}

fn upsert(cell: &Value, above: &str) -> ToPage {
    ToPage::Upsert {
        id: text(cell, "id"),
        after: above.to_owned(),
        cell_type: text(cell, "cell_type"),
        source: text(cell, "source"),
        metadata: metadata(cell),
        outputs: cell["outputs"].as_array().cloned().unwrap_or_default(),
        execution_count: cell["execution_count"].as_u64(),
    }
}

/// Makes the source of a cell in the page that of `cell`; a cell that is not there is put below all that are.
fn write(shown: &mut Vec<ShownCell>, prompt: &str, cell: &Value, told: &mut Vec<ToPage>) {
    let (id, source) = (text(cell, "id"), text(cell, "source"));
    let at = shown.iter().position(|shown| shown.id == id).unwrap_or_else(|| {
        let after = shown.last().map_or(prompt, |last| &last.id).to_owned();
        let metadata = metadata(cell);
        told.push(ToPage::Insert {
            id: id.clone(),
            after,
            cell_type: text(cell, "cell_type"),
            source: String::new(),
            metadata: metadata.clone(),
        });
        let (source, rendered) = (String::new(), false);
        shown.push(ShownCell { id: id.clone(), source, metadata, rendered });
        shown.len() - 1
    });
    let Some(known) = shown.get_mut(at).filter(|known| known.source != source) else { return };
    told.push(match source.strip_prefix(&known.source) {
        Some(new) => ToPage::Append { id, text: new.to_owned() },
        None => ToPage::Replace { id, source: source.clone() },
    });
    known.source = source;
    known.rendered = false;
}

fn render(shown: &mut [ShownCell], cell: &Value, told: &mut Vec<ToPage>) {
    let known = shown.iter_mut().find(|shown| cell["id"] == shown.id && !shown.rendered);
    if let Some(known) = known.filter(|_| cell["cell_type"] == "markdown") {
        known.rendered = true;
        told.push(ToPage::Render { id: known.id.clone() });
    }
}

/// Tells the fields of the metadata that have changed.
fn patch(shown: &mut [ShownCell], cell: &Value, told: &mut Vec<ToPage>) {
    let Some(known) = shown.iter_mut().find(|shown| cell["id"] == shown.id) else { return };
    let mut changed = metadata(cell);
    changed.retain(|field, value| known.metadata.get(field) != Some(value));
    if !changed.is_empty() {
        known.metadata = metadata(cell);
        told.push(ToPage::Patch { id: known.id.clone(), metadata: changed });
    }
}

fn text(cell: &Value, field: &str) -> String {
    cell[field].as_str().unwrap_or_default().to_owned()
}

fn metadata(cell: &Value) -> Map<String, Value> {
    cell["metadata"].as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
