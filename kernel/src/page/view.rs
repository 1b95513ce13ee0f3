//! A turn as a page shows it: real cells that grow. Pure: what the agent says in, messages for the page out.
//!
//! It remembers what the page has, so that each cell is told only what is new. Cells are those of [`crate::cells`]:
//! a turn that was seen live is the same notebook as one that was made without a screen.

mod asked;
mod kept;

use datarus_agent::agent::{AgentEvent, Draft, Mode, Part, Step};
use serde_json::{Map, Value, json};

use super::ToPage;
use crate::cells::{
    self, End, Naming, StepRecord, TurnRecord, code_cell, last_thought_cell, open_code_cell,
    thought_cell, turn_cells, understanding_cell,
};
use crate::markdown::sanitized;

use asked::LiveAsked;
pub(crate) use kept::Kept;

/// A turn in a page.
#[derive(Debug)]
pub(crate) struct LiveTurn {
    turn: String,
    /// How often it has gone on from one of its steps.
    pass: u32,
    /// The prompt's cell.
    prompt: String,
    /// The cell below which the first new one stands.
    base: String,
    mode: Mode,
    steps: Vec<LiveStep>,
    asked: Vec<LiveAsked>,
    answer: String,
    /// Cells that the page may have and that are none of the turn.
    withdrawn: Vec<String>,
    /// The cells that the page has, from top to bottom.
    shown: Vec<ShownCell>,
}

#[derive(Debug)]
struct LiveStep {
    number: usize,
    pass: u32,
    origin: Origin,
    understanding: String,
    thought: String,
    code: String,
    /// Whether the user wrote the code anew.
    edited: bool,
    stage: Stage,
}

/// Where a step comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The model makes it.
    Model,
    /// It stands in the page and is run again: its thought is left alone.
    Again,
    /// It stands in the page, and is left alone.
    Page,
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
            pass: 0,
            prompt: prompt.to_owned(),
            base: prompt.to_owned(),
            mode,
            steps: Vec::new(),
            asked: Vec::new(),
            answer: String::new(),
            withdrawn: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// The id of a step's cell.
    pub(crate) fn cell_of(&self, number: usize) -> String {
        let known = self.steps.iter().find(|step| step.number == number);
        let pass = known.map_or(self.pass, |step| step.pass);
        Naming { turn: &self.turn, pass }.step(number)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.turn
    }

    /// The prompt's cell.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Takes what the agent says.
    pub(crate) fn on_event(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Text { step, part, delta } => self.on_text(*step, *part, delta),
            AgentEvent::StepReady(Draft { number, understanding, thought, code }) => {
                let step = self.step(*number);
                step.understanding.clone_from(understanding);
                step.thought.clone_from(thought);
                step.code.clone_from(code);
                step.stage = Stage::Ready;
            }
            AgentEvent::StepDone(done) => self.on_done(done),
            AgentEvent::Asking(asked) => self.on_asking(asked),
            AgentEvent::Asked(asked) => self.on_asked(asked),
            AgentEvent::Withdrawn => self.withdraw(),
            AgentEvent::Notice(_) => {}
        }
    }

    fn on_text(&mut self, number: usize, part: Part, delta: &str) {
        let step = self.step(number);
        match (part, &step.stage) {
            (Part::Understanding | Part::Thought, Stage::Writing) => {
                // What was written before could not be used, and is written anew.
                step.understanding.clear();
                step.thought.clear();
                step.code.clear();
                step.stage = Stage::Thinking;
                self.on_text(number, part, delta);
            }
            (Part::Understanding, _) => step.understanding.push_str(delta),
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

    /// The answer is taken back, and the thought before it: both are written anew.
    fn withdraw(&mut self) {
        self.answer.clear();
        for step in self.steps.iter_mut().filter(|step| step.stage == Stage::LastThought) {
            step.understanding.clear();
            step.thought.clear();
            step.stage = Stage::Thinking;
        }
    }

    fn on_done(&mut self, done: &Step) {
        let step = self.step(done.number);
        let record = StepRecord { pass: step.pass, ..StepRecord::of(done) };
        step.code.clone_from(&record.code);
        step.stage = Stage::Done(Box::new(record));
    }

    /// Notes that the user wrote another code for a step, in the page or for it.
    pub(crate) fn edit(&mut self, number: usize, code: &str) {
        let id = self.cell_of(number);
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
        self.tell_withdrawn(&mut told);
        let (turn, prompt, shown) = (&self.turn, &self.prompt, &mut self.shown);
        let mut asked = self.asked.iter().peekable();
        for step in self.steps.iter().filter(|step| step.origin != Origin::Page) {
            while let Some(asked) = asked.next_if(|asked| asked.record.asked.step <= step.number) {
                asked.tell(turn, prompt, shown, &mut told);
            }
            step.tell(turn, prompt, self.mode, shown, &mut told);
        }
        asked.for_each(|asked| asked.tell(turn, prompt, shown, &mut told));
        let answer = self.answer.trim_start();
        if !answer.is_empty() || self.shown.iter().any(ShownCell::is_answer) {
            let mut cell = cells::answer_cell(&self.record(None));
            cell["source"] = json!(sanitized(answer));
            write(&mut self.shown, Place::Below(&self.prompt), &cell, &mut told);
        }
        told
    }

    /// The turn so far; of a step that did not run no more is known than what was written of it.
    pub(crate) fn record(&self, end: Option<End>) -> TurnRecord {
        let steps = self.steps.iter().filter_map(LiveStep::record).collect();
        let asked = self.asked.iter().map(|asked| asked.record.clone()).collect();
        TurnRecord { pass: self.pass, steps, asked, end, ..TurnRecord::new(&self.turn) }
    }

    /// What was recorded of a step that is done.
    pub(crate) fn done(&self, number: usize) -> Option<&StepRecord> {
        self.steps.iter().find_map(|step| match &step.stage {
            Stage::Done(record) if step.number == number => Some(record.as_ref()),
            _ => None,
        })
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
        let mut above = self.base.clone();
        let below: Vec<_> = cells.below.iter().filter(|cell| !self.stands(cell)).collect();
        for cell in below {
            let id = text(cell, "id");
            if cell["cell_type"] == "code" && !self.shown.iter().any(|shown| shown.id == id) {
                told.push(upsert(cell, &above));
            } else {
                write(&mut self.shown, Place::Below(&above), cell, &mut told);
                render(&mut self.shown, cell, &mut told);
                patch(&mut self.shown, cell, &mut told);
            }
            above = id;
        }
        told.extend(self.surplus(&cells.below));
        told.push(prompt_patch(&cells.prompt));
        told
    }

    /// Takes away what was written by the way: a thought that was the answer, or the beginning of a step that was none.
    fn surplus(&mut self, below: &[Value]) -> Option<ToPage> {
        let kept = |id: &str| id == self.base || below.iter().any(|cell| cell["id"] == *id);
        let ids = self.shown.iter().map(|cell| cell.id.clone()).filter(|id| !kept(id));
        let ids: Vec<String> = ids.collect();
        self.shown.retain(|cell| !ids.contains(&cell.id));
        (!ids.is_empty()).then_some(ToPage::Remove { ids })
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
        let id = self.cell_of(number);
        let cells = cells::step_cells(&self.record(None));
        let at = cells.iter().position(|cell| cell["id"] == id)?;
        let above = at.checked_sub(1).and_then(|at| cells.get(at));
        Some(upsert(cells.get(at)?, &above.map_or(self.prompt.clone(), |cell| text(cell, "id"))))
    }

    fn step(&mut self, number: usize) -> &mut LiveStep {
        let at = self.steps.iter().position(|step| step.number == number).unwrap_or_else(|| {
            self.steps.push(LiveStep {
                number,
                pass: self.pass,
                origin: Origin::Model,
                understanding: String::new(),
                thought: String::new(),
                code: String::new(),
                edited: false,
                stage: Stage::Thinking,
            });
            self.steps.len() - 1
        });
        self.steps.get_mut(at).expect("found or pushed")
    }
}

impl ShownCell {
    fn is_answer(&self) -> bool {
        self.metadata.get("datarus").is_some_and(|facts| facts["role"] == "answer")
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
        let naming = Naming { turn, pass: self.pass };
        let thought = match self.stage {
            _ if self.origin == Origin::Again => None,
            Stage::LastThought => last_thought_cell(naming, self.number, &self.thought, mode),
            _ => thought_cell(naming, self.number, &self.thought),
        };
        let understanding = understanding_cell(naming, self.number, &self.understanding);
        let understanding = understanding.filter(|_| self.origin != Origin::Again);
        let above = naming.id(&format!("{}t", self.number));
        let places = [Place::Above(&above, prompt), Place::Below(prompt)];
        let texts = [&self.understanding, &self.thought];
        let said = [understanding, thought].into_iter().zip(places).zip(texts);
        for ((cell, place), text) in said {
            let Some(mut cell) = cell else { continue };
            let growing = self.stage == Stage::Thinking;
            if growing {
                cell["source"] = json!(sanitized(text.trim_start()));
            }
            write(shown, place, &cell, told);
            if !growing {
                render(shown, &cell, told);
            }
        }
        let mut code = match &self.stage {
            Stage::Thinking | Stage::LastThought => return,
            Stage::Writing | Stage::Ready => open_code_cell(naming, self.number),
            Stage::Done(record) => code_cell(naming, record),
        };
        code["source"] = json!(self.code.trim_end());
        if !self.code.is_empty() {
            write(shown, Place::Below(prompt), &code, told);
            patch(shown, &code, told);
        }
    }

    fn record(&self) -> Option<StepRecord> {
        match &self.stage {
            Stage::Done(record) => Some(record.as_ref().clone()),
            Stage::LastThought => None,
            Stage::Thinking | Stage::Writing | Stage::Ready => Some(StepRecord {
                number: self.number,
                pass: self.pass,
                understanding: self.understanding.trim().to_owned(),
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

/// Where a new cell is put.
#[derive(Debug, Clone, Copy)]
enum Place<'p> {
    /// Below all that are there; where there is none, below this one.
    Below(&'p str),
    /// Above this one, if it is there; else as [`Place::Below`] the other.
    Above(&'p str, &'p str),
}

/// Makes the source of a cell in the page that of `cell`; a cell that is not there is put in its `place`.
/// An answer stays the last: what is written again stands above it.
fn write(shown: &mut Vec<ShownCell>, place: Place<'_>, cell: &Value, told: &mut Vec<ToPage>) {
    let (id, source) = (text(cell, "id"), text(cell, "source"));
    let at = shown.iter().position(|shown| shown.id == id).unwrap_or_else(|| {
        let (below, first) = match place {
            Place::Below(first) => (None, first),
            Place::Above(below, first) => (shown.iter().position(|cell| cell.id == below), first),
        };
        let last = shown.iter().rposition(|shown| !shown.is_answer());
        let at = below.unwrap_or(last.map_or(0, |last| last + 1));
        let above = at.checked_sub(1).and_then(|at| shown.get(at));
        let after = above.map_or(first, |above| &above.id).to_owned();
        let metadata = metadata(cell);
        told.push(ToPage::Insert {
            id: id.clone(),
            after,
            cell_type: text(cell, "cell_type"),
            source: String::new(),
            metadata: metadata.clone(),
        });
        let (source, rendered) = (String::new(), false);
        shown.insert(at, ShownCell { id: id.clone(), source, metadata, rendered });
        at
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
    let gone = known.metadata.keys().filter(|field| !changed.contains_key(*field));
    let gone: Vec<String> = gone.cloned().collect();
    changed.retain(|field, value| known.metadata.get(field) != Some(value));
    changed.extend(gone.into_iter().map(|field| (field, Value::Null)));
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
