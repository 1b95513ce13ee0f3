//! Pure: what the outputs of a prompt cell say about a turn, and the notebook cells made of it.
//!
//! Without a page, the kernel shows a turn inside the prompt cell's outputs (MIME type [`STEP_MIME`]). In a file
//! each step becomes a real cell, so that the notebook reads and replays like any other. Reading is
//! [`TurnRecord::read`], writing [`turn_cells`]; [`turn_below`] finds the cells of a turn that a file already has.
//! A page is given the same cells while the turn runs.

pub(crate) mod asked;
pub(crate) mod kept;
pub mod link;
pub(crate) mod reading;
pub mod record;
pub(crate) mod same;

use std::ops::Range;

use datarus_agent::agent::{Mode, Outcome};
use datarus_agent::plan::Stage;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub use crate::display::STEP_MIME;
use crate::markdown::sanitized;
pub use asked::AskedRecord;
pub(crate) use record::Naming;
pub use record::{End, StepRecord, TurnRecord};

/// Version of `metadata.datarus`.
const VERSION: u64 = 1;

/// In the place of an answer, before the reason why there is none.
const NO_ANSWER: &str = "**No answer.** ";

/// In the place of an answer, where the user stopped the turn.
const STOPPED: &str = "**Stopped** before an answer.";

/// The cells of one finished turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnCells {
    /// The prompt cell, with its metadata and without the outputs that became cells.
    pub prompt: Value,
    /// Thoughts, steps and answer, to stand right below.
    pub below: Vec<Value>,
}

/// Makes the cells of a turn out of the cell that asked and what was recorded of it.
pub fn turn_cells(prompt: &Value, record: &TurnRecord) -> TurnCells {
    let mut below = step_cells(record);
    if let Some(Outcome::Answered { understanding, thought, .. }) = record.outcome() {
        let mode = record.end.as_ref().map(|end| end.mode).unwrap_or_default();
        let (naming, number) = (record.naming(), record.next_step());
        below.extend(understanding_cell(naming, number, understanding));
        below.extend(last_thought_cell(naming, number, thought, mode));
    }
    below.push(answer_cell(record));
    TurnCells { prompt: prompt_cell(prompt, record), below }
}

/// The cells of the steps, and of what was asked between them, alone.
pub(crate) fn step_cells(record: &TurnRecord) -> Vec<Value> {
    let mut cells = Vec::new();
    let mut asked = record.asked.iter().peekable();
    for step in &record.steps {
        while let Some(asked) = asked.next_if(|known| known.asked.step <= step.number) {
            cells.push(asked::asked_cell(&record.turn, asked));
        }
        let naming = Naming { turn: &record.turn, pass: step.pass };
        cells.extend(understanding_cell(naming, step.number, &step.understanding));
        cells.extend(thought_cell(naming, step.number, &step.thought));
        // A turn that was stopped before the code began leaves a thought alone.
        if !step.code.is_empty() || step.status != "unknown" {
            cells.push(code_cell(naming, step));
        }
        cells.extend(kept_cell(record, step));
    }
    cells.extend(asked.map(|asked| asked::asked_cell(&record.turn, asked)));
    cells
}

/// Lower-case hex SHA-256 of a cell's source; ends of lines and blanks at the end do not count.
pub fn source_sha(source: &str) -> String {
    let source = source.replace("\r\n", "\n");
    hex(&Sha256::digest(source.trim_end().as_bytes()))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}

/// The cells of the turn that belongs to the prompt at `at`: those that follow it and carry its turn's name.
pub fn turn_below(cells: &[Value], at: usize) -> Range<usize> {
    let start = at + 1;
    let turn = cells.get(at).and_then(|cell| datarus(cell, "turn")).and_then(Value::as_str);
    let Some(turn) = turn else { return start..start };
    // A cell without a role is the user's: half of a question that was split, or one that is typed anew.
    let made = |cell: &Value| {
        datarus(cell, "role").and_then(Value::as_str).is_some_and(|role| role != "prompt")
    };
    let belongs =
        |cell: &&Value| datarus(cell, "turn").and_then(Value::as_str) == Some(turn) && made(cell);
    start..start + cells.iter().skip(start).take_while(belongs).count()
}

/// Whether the prompt at `at` has been answered just as it stands, and its answer is still below it.
pub fn answer_stands(cells: &[Value], at: usize) -> bool {
    let Some(cell) = cells.get(at) else { return false };
    let asked = datarus(cell, "prompt_sha").and_then(Value::as_str);
    let now = cell["source"].as_str().map(source_sha);
    asked.is_some()
        && asked == now.as_deref()
        && datarus(cell, "status").and_then(Value::as_str) == Some("done")
        && cells.get(turn_below(cells, at)).into_iter().flatten().any(is_answer)
}

/// A field of `metadata.datarus`.
pub fn datarus<'a>(cell: &'a Value, field: &str) -> Option<&'a Value> {
    cell.get("metadata")?.get("datarus")?.get(field)
}

/// Whether the cell asks: a prompt, or the heading that stands for one in a clean notebook. To a page that heading is
/// text like any other.
pub fn asks(cell: &Value) -> bool {
    matches!(datarus(cell, "role").and_then(Value::as_str), Some("prompt" | "question"))
}

/// Whether the cell carries the tag.
pub fn has_tag(cell: &Value, tag: &str) -> bool {
    let tags = cell.get("metadata").and_then(|metadata| metadata.get("tags"));
    tags.and_then(Value::as_array).is_some_and(|tags| tags.iter().any(|found| found == tag))
}

fn is_answer(cell: &Value) -> bool {
    datarus(cell, "role").and_then(Value::as_str) == Some("answer")
}

fn prompt_cell(prompt: &Value, record: &TurnRecord) -> Value {
    let source = prompt["source"].as_str().unwrap_or_default();
    let mut metadata = prompt["metadata"].as_object().cloned().unwrap_or_default();
    add_tags(&mut metadata, &["datarus-prompt", "skip-execution"]);
    let mut facts = json!({
        "v": VERSION,
        "role": "prompt",
        "turn": record.turn,
        "prompt_sha": source_sha(source),
        "status": record.status(),
    });
    if let Some(files) = datarus(prompt, "files") {
        facts["files"] = files.clone();
    }
    if let Some(end) = &record.end {
        facts["mode"] = json!(end.mode);
        if let Some(stage) = end.stage {
            facts["stage"] = json!(stage);
        }
        facts["model"] = end.model["name"].clone();
        facts["model_sha256"] = end.model["sha256"].clone();
        if !end.model["served_at"].is_null() {
            facts["model_served_at"] = end.model["served_at"].clone();
        }
        facts["dialect"] = end.model["dialect"].clone();
        facts["profile"] = end.model["profile"].clone();
        facts["seed"] = end.seed.clone();
        facts["sampling"] = end.sampling.clone();
        facts["tokens"] = json!([end.usage.prompt_tokens, end.usage.completion_tokens]);
        if end.namespace == "fresh" {
            facts["namespace"] = end.namespace.clone();
        }
        if !end.sandbox.is_null() {
            facts["sandbox"] = end.sandbox.clone();
        }
        if !end.data.is_empty() {
            facts["data"] = json!(end.data);
        }
        if !end.notices.is_empty() {
            facts["notices"] = json!(end.notices);
        }
    }
    metadata.insert("datarus".into(), facts);
    let mut cell = prompt.clone();
    cell["metadata"] = Value::Object(metadata);
    cell["outputs"] = Value::Array(record.loose.clone());
    cell
}

fn add_tags(metadata: &mut Map<String, Value>, tags: &[&str]) {
    let mut all = metadata.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    for tag in tags {
        if !all.iter().any(|found| found == tag) {
            all.push(json!(tag));
        }
    }
    metadata.insert("tags".into(), Value::Array(all));
}

/// What the data and the outputs above mean, for the reader: it is not folded. None if nothing was said.
pub(crate) fn understanding_cell(
    naming: Naming<'_>,
    number: usize,
    understanding: &str,
) -> Option<Value> {
    if understanding.trim().is_empty() {
        return None;
    }
    let facts = json!({"v": VERSION, "role": "understanding", "turn": naming.turn, "step": number});
    let id = naming.id(&format!("{number}u"));
    Some(markdown_cell(&id, &sanitized(understanding.trim()), "datarus-understanding", facts))
}

/// The folded thought that led to a step; none if nothing was said.
pub(crate) fn thought_cell(naming: Naming<'_>, number: usize, thought: &str) -> Option<Value> {
    let title = format!("Step {number} · {}", title_of(thought));
    folded_cell(naming, number, &title, thought)
}

/// The thought that led to the answer; in reflection mode it is all the work there is.
pub(crate) fn last_thought_cell(
    naming: Naming<'_>,
    number: usize,
    thought: &str,
    mode: Mode,
) -> Option<Value> {
    let title = if mode == Mode::Reflection { "Thought".into() } else { title_of(thought) };
    folded_cell(naming, number, &title, thought)
}

fn folded_cell(naming: Naming<'_>, number: usize, title: &str, thought: &str) -> Option<Value> {
    if thought.trim().is_empty() {
        return None;
    }
    let facts = json!({"v": VERSION, "role": "thought", "turn": naming.turn, "step": number});
    let id = naming.id(&format!("{number}t"));
    Some(markdown_cell(&id, &folded(title, thought), "datarus-thought", facts))
}

/// The code of a step that has run; one of which no end is known counts as failed.
pub(crate) fn code_cell(naming: Naming<'_>, step: &StepRecord) -> Value {
    let mut cell = open_code_cell(naming, step.number);
    let facts = &mut cell["metadata"]["datarus"];
    facts["src_sha"] = json!(source_sha(&step.code));
    facts["status"] = json!(step.status);
    if let Some(seconds) = step.seconds {
        facts["seconds"] = json!(seconds);
    }
    if !step.worked() {
        cell["metadata"]["tags"] = json!(["datarus-code", "datarus-failed", "skip-execution"]);
        cell["metadata"]["jupyter"] = json!({"source_hidden": true, "outputs_hidden": true});
    }
    cell["source"] = json!(step.code);
    cell["execution_count"] = json!(step.execution_count);
    cell["outputs"] = json!(step.outputs);
    cell
}

/// The cell of a step that is being written.
pub(crate) fn open_code_cell(naming: Naming<'_>, number: usize) -> Value {
    json!({
        "cell_type": "code",
        "id": naming.step(number),
        "metadata": {
            "tags": ["datarus-code"],
            "datarus": {"v": VERSION, "role": "code", "turn": naming.turn, "step": number},
        },
        "source": "",
        "execution_count": null,
        "outputs": [],
    })
}

/// What ran of a failed step and is needed later, so that the notebook replays.
fn kept_cell(record: &TurnRecord, step: &StepRecord) -> Option<Value> {
    let number = step.number;
    let kept = step.kept.as_ref()?;
    let source =
        format!("# What ran of step {number} before it failed: later steps use it.\n{kept}");
    let (_traceback, printed) = step.outputs.split_last()?;
    Some(json!({
        "cell_type": "code",
        "id": Naming { turn: &record.turn, pass: step.pass }.id(&format!("{number}k")),
        "metadata": {"tags": ["datarus-code", "datarus-kept"], "datarus": {
            "v": VERSION,
            "role": "code",
            "turn": record.turn,
            "step": number,
            "src_sha": source_sha(&source),
        }},
        "source": source,
        "execution_count": step.execution_count,
        "outputs": printed,
    }))
}

/// The answer, or why there is none.
pub(crate) fn answer_cell(record: &TurnRecord) -> Value {
    let stage = record.end.as_ref().and_then(|end| end.stage);
    let (text, missing) = match record.outcome() {
        // What a plan says is yet to be found out: its numbers claim nothing.
        Some(Outcome::Answered { answer, .. }) if stage == Some(Stage::Plan) => {
            (sanitized(answer), Vec::new())
        }
        Some(Outcome::Answered { answer, .. }) => {
            let linked = link::link_numbers(&sanitized(answer), &sources(record), &given(record));
            (linked.text, linked.missing)
        }
        Some(Outcome::GaveUp { reason }) => (format!("{NO_ANSWER}{reason}"), Vec::new()),
        Some(Outcome::Interrupted) => (STOPPED.to_owned(), Vec::new()),
        None => (format!("{NO_ANSWER}The turn ended early."), Vec::new()),
    };
    let mut facts = json!({"v": VERSION, "role": "answer", "turn": record.turn});
    if !missing.is_empty() {
        facts["numbers_not_found"] = json!(missing);
    }
    markdown_cell(&record.naming().id("a"), &text, "datarus-answer", facts)
}

/// What each step printed, newest first: the last cell that shows a number is the one to look at. What the notebook above
/// printed comes after it.
fn sources(record: &TurnRecord) -> Vec<link::Source> {
    let above = record.end.iter().flat_map(|end| end.above.clone());
    let worked = record.steps.iter().rev().filter(|step| step.worked());
    worked
        .map(|step| link::Source {
            cell_id: Naming { turn: &record.turn, pass: step.pass }.step(step.number),
            execution_count: step.execution_count,
            text: step.printed(),
        })
        .chain(above)
        .collect()
}

/// What names numbers beside outputs: the question, what the user said since, the notebook above, and the code of
/// steps that worked.
fn given(record: &TurnRecord) -> Vec<&str> {
    let ends = record.end.iter();
    let said = ends.flat_map(|end| std::iter::once(&end.prompt).chain(&end.seen_above));
    let worked = record.steps.iter().filter(|step| step.worked());
    let answers = record.asked.iter().filter_map(|known| known.asked.answer.as_ref());
    said.chain(answers).chain(worked.map(|step| &step.code)).map(String::as_str).collect()
}

fn markdown_cell(id: &str, source: &str, tag: &str, mut facts: Value) -> Value {
    facts["src_sha"] = json!(source_sha(source));
    json!({
        "cell_type": "markdown",
        "id": id,
        "metadata": {"tags": [tag], "datarus": facts},
        "source": source,
    })
}

/// A folded passage. The text cannot close the fold.
pub(crate) fn folded(title: &str, text: &str) -> String {
    let text = sanitized(text.trim());
    format!("<details><summary>{}</summary>\n\n{text}\n\n</details>", escaped(title))
}

/// The first sentence or line, at most 72 characters.
pub(crate) fn title_of(text: &str) -> String {
    // A lone carriage return is a new line to pages.
    let line = text.trim().split(['\n', '\r']).next().unwrap_or_default().trim();
    let sentence = line.split_once(". ").map_or(line, |(first, _)| first);
    let mut title: String = sentence.chars().take(72).collect();
    if title.len() < sentence.len() {
        title.push('…');
    }
    title.trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
