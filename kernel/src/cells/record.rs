//! Reads the outputs of a prompt cell.

use datarus_agent::agent::{DataNotes, Mode, Outcome, Step};
use datarus_agent::executor::Output;
use datarus_agent::llm::Usage;
use datarus_agent::plan::Stage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::link::Source;
use super::{AskedRecord, STEP_MIME};
use crate::display::without_escapes;

/// By what the cells of a turn are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Naming<'a> {
    /// The turn.
    pub(crate) turn: &'a str,
    /// How often it had gone on from one of its steps when the cell was made. The cells that were dropped then may
    /// come back by an undo: no new one bears the id of one of them.
    pub(crate) pass: u32,
}

impl<'a> Naming<'a> {
    /// The id of a step's code cell.
    pub(crate) fn step(self, number: usize) -> String {
        self.id(&format!("{number}c"))
    }

    /// The id of a cell; `part` is the step's number with `u` for the understanding, `t` for the thought, `c` for the code, `k` for what was kept
    /// of it, the number of a question to the user with `q`, or `a` for the answer.
    pub(crate) fn id(self, part: &str) -> String {
        match self.pass {
            0 => format!("{}-{part}", self.turn),
            pass => format!("{}-{part}_{}", self.turn, u64::from(pass) + 1),
        }
    }

    /// That of the cell `id` of a turn.
    pub(crate) fn of(turn: &'a str, id: &str) -> Naming<'a> {
        let part = id.strip_prefix(turn).and_then(|rest| rest.strip_prefix('-'));
        let count = part.and_then(|part| part.split_once('_')?.1.parse::<u32>().ok());
        Naming { turn, pass: count.map_or(0, |count| count.saturating_sub(1)) }
    }
}

/// What was recorded of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRecord {
    /// Its name, `t_` and hexadecimal digits; also the beginning of its cells' ids.
    pub turn: String,
    /// How often it has gone on from one of its steps.
    pub pass: u32,
    /// Its steps in order.
    pub steps: Vec<StepRecord>,
    /// What the model asked the user, in order, where that has a cell of its own.
    pub asked: Vec<AskedRecord>,
    /// How it ended; `None` when it was cut off.
    pub end: Option<End>,
    /// Outputs that belong to no step, such as a warning of the kernel before the first one.
    pub loose: Vec<Value>,
}

/// One step as the kernel showed it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 1 within the turn.
    pub number: usize,
    /// How often the turn had gone on from one of its steps when this one was made.
    #[serde(default)]
    pub pass: u32,
    /// What the data and the outputs before it mean.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub understanding: String,
    /// Why.
    pub thought: String,
    /// What was run.
    pub code: String,
    /// Its `[n]`.
    pub execution_count: Option<u64>,
    /// `ok`, `error`, `timed_out`, `interrupted`, `died`; `unknown` when the record stops before its end.
    pub status: String,
    /// Wall time.
    pub seconds: Option<f64>,
    /// Its outputs as a cell of its own would hold them.
    pub outputs: Vec<Value>,
    /// Of a failed step: the statements that ran before it failed, where later steps need them.
    pub kept: Option<String>,
}

/// How a turn ended, what it cost and who wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// With an answer or without.
    pub outcome: Outcome,
    /// Tokens and seconds.
    pub usage: Usage,
    /// What the user should know of how the turn went: an output shortened, a completion repaired.
    #[serde(default)]
    pub notices: Vec<String>,
    /// `name`, `sha256`, `dialect`, `profile`, `served_at`.
    #[serde(default)]
    pub model: Value,
    /// Seed of the choice of tokens.
    #[serde(default)]
    pub seed: Value,
    /// How tokens were chosen.
    #[serde(default)]
    pub sampling: Value,
    /// The question.
    #[serde(default)]
    pub prompt: String,
    /// How the turn was done.
    #[serde(default)]
    pub mode: Mode,
    /// Numbers of the answer that the notebook above had printed.
    #[serde(default)]
    pub seen_above: Vec<String>,
    /// Where these stand: a source for each, whose text is the number.
    #[serde(default)]
    pub above: Vec<Source>,
    /// What the model was told of the data.
    #[serde(default)]
    pub data: DataNotes,
    /// Which part of a research run it is.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// What each step found when it began: `kept` or `fresh`.
    #[serde(default)]
    pub namespace: Value,
    /// What held the code: `bubblewrap`, `landlock`, `seatbelt` or `none`.
    #[serde(default)]
    pub sandbox: Value,
}

impl StepRecord {
    /// A step that the agent reports. An exception becomes text: `papermill` would fail the notebook for an `error`
    /// in a cell that it skips.
    pub(crate) fn of(step: &Step) -> Self {
        let execution = &step.execution;
        let status = json!(execution.status);
        Self {
            number: step.number,
            pass: 0,
            understanding: step.understanding.trim().to_owned(),
            thought: step.thought.trim().to_owned(),
            code: step.code.trim_end().to_owned(),
            execution_count: execution.execution_count,
            status: status.as_str().unwrap_or("unknown").to_owned(),
            seconds: Some(execution.seconds),
            outputs: joined(execution.outputs.iter().map(as_text_if_error)),
            kept: None,
        }
    }

    /// Whether the step ran to its last line.
    pub fn worked(&self) -> bool {
        self.status == "ok"
    }

    /// All that the step printed or displayed as text.
    pub fn printed(&self) -> String {
        printed(self.outputs.iter())
    }
}

/// All that is printed or displayed as text in the outputs of a cell.
pub(crate) fn printed<'a>(outputs: impl Iterator<Item = &'a Value>) -> String {
    let text = |output: &Value| {
        let text = output["text"].as_str().or_else(|| output["data"]["text/plain"].as_str());
        text.map(|text| format!("{text}\n"))
    };
    outputs.filter_map(text).collect()
}

impl TurnRecord {
    /// A turn of which nothing is recorded.
    pub fn new(turn: &str) -> Self {
        let (turn, steps, asked) = (turn.to_owned(), Vec::new(), Vec::new());
        Self { turn, pass: 0, steps, asked, end: None, loose: Vec::new() }
    }

    /// By what its new cells are named.
    pub(crate) fn naming(&self) -> Naming<'_> {
        Naming { turn: &self.turn, pass: self.pass }
    }

    /// Reads the outputs of a prompt cell; `None` when they show no turn.
    pub fn read(outputs: &[Value]) -> Option<Self> {
        let turn = outputs.iter().find_map(|output| shown(output)?.get("turn")?.as_str())?;
        let mut record = Self::new(turn);
        for output in outputs {
            match shown(output) {
                Some(json) if json["part"] == "end" => record.end = End::deserialize(json).ok(),
                // What is being written: the answer, or the thought before it.
                Some(json) if json.get("part").is_some() => {}
                Some(json) => record.steps.extend(step_of(json)),
                None => record.take(output),
            }
        }
        Some(record)
    }

    /// `done`, `gave_up`, `interrupted`, or `failed` when it was cut off.
    pub(crate) fn status(&self) -> &'static str {
        match self.outcome() {
            Some(Outcome::Answered { .. }) => "done",
            Some(Outcome::Interrupted) => "interrupted",
            Some(Outcome::GaveUp { .. }) => "gave_up",
            None => "failed",
        }
    }

    /// The number of the step after the last one: the thought before an answer bears it.
    pub(crate) fn next_step(&self) -> usize {
        self.steps.iter().map(|step| step.number).max().unwrap_or(0) + 1
    }

    /// How it ended, if that is known.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.end.as_ref().map(|end| &end.outcome)
    }

    /// An output that is no display of ours belongs to the last step shown before it. An error is never a
    /// step's, which is shown as text, but the turn's own.
    fn take(&mut self, output: &Value) {
        match self.steps.last_mut() {
            Some(step) if output["output_type"] != "error" => {
                step.outputs.push(as_own_output(output, step.execution_count));
            }
            _ => self.loose.push(output.clone()),
        }
    }
}

fn shown(output: &Value) -> Option<&Value> {
    output.get("data")?.get(STEP_MIME)
}

fn step_of(json: &Value) -> Option<StepRecord> {
    let text = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
    Some(StepRecord {
        number: usize::try_from(json["step"].as_u64()?).ok()?,
        pass: 0,
        understanding: text("understanding"),
        thought: text("thought"),
        code: text("code"),
        execution_count: json["execution_count"].as_u64(),
        status: json["status"].as_str().unwrap_or("unknown").to_owned(),
        seconds: json["seconds"].as_f64(),
        outputs: Vec::new(),
        kept: None,
    })
}

/// Undoes what the kernel did to show a step's output inside another cell.
fn as_own_output(output: &Value, execution_count: Option<u64>) -> Value {
    let mut output = output.clone();
    let marks = output.get_mut("metadata").and_then(Value::as_object_mut).and_then(take_marks);
    let was_result = marks.is_some_and(|marks| marks["output_type"] == "execute_result");
    if was_result && output["output_type"] == "display_data" {
        output["output_type"] = json!("execute_result");
        output["execution_count"] = json!(execution_count);
    }
    output
}

fn take_marks(metadata: &mut Map<String, Value>) -> Option<Value> {
    metadata.shift_remove("datarus")
}

fn as_text_if_error(output: &Output) -> Value {
    match output {
        Output::Error { traceback, .. } => {
            let text = without_escapes(&traceback.join("\n")) + "\n";
            json!({"output_type": "stream", "name": "stderr", "text": text})
        }
        output => json!(output),
    }
}

/// Adjacent texts of one stream as one, as clients keep them.
fn joined(outputs: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for output in outputs {
        match all.last_mut() {
            Some(last) if last["name"].is_string() && last["name"] == output["name"] => {
                let text = |of: &Value| of["text"].as_str().unwrap_or_default().to_owned();
                last["text"] = json!(text(last) + &text(&output));
            }
            _ => all.push(output),
        }
    }
    all
}
