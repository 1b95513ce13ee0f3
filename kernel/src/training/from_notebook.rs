//! Notebook → trajectories, as it stands: what a user has edited is a correction, and stands. Pure.
//!
//! A notebook holds of each cell that the agent made the hash of its source. A source with another hash was edited;
//! what it was is known if an earlier version of the notebook is at hand, such as the one that Jupyter keeps as a
//! checkpoint.

use datarus_agent::agent::{FileInfo, Given, Mode, Outcome, Step};
use datarus_agent::dialect::Dialect;
use datarus_agent::executor::{Execution, Output, Status};
use datarus_agent::trajectory::{Done, Task, Trajectory, VERSION, Worth};
use serde::Deserialize as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::room::lean;
use crate::cells::reading::{outcome_in, thought_in, understanding_in};
use crate::cells::{datarus, has_tag, hex, source_sha};
use crate::notebook::Notebook;
use crate::route::{Role, Route, route};

/// The turns of a notebook, in order; of one episode, since they share a namespace. `earlier` are other versions of it.
pub fn trajectories(notebook: &Notebook, earlier: &[Notebook]) -> Vec<Trajectory> {
    let hash = hex(&Sha256::digest(notebook.to_json().as_bytes()));
    let episode = format!("nb-{}", hash.get(..12).unwrap_or(&hash));
    let is_prompt = |cell: &Value| datarus(cell, "role") == Some(&json!("prompt"));
    let starts = notebook.cells.iter().enumerate().filter(|(_, cell)| is_prompt(cell));
    let mut made = Vec::new();
    for (at, prompt) in starts {
        let below = notebook.cells.iter().skip(at + 1).take_while(|cell| !is_prompt(cell));
        let Some(name) = text(datarus(prompt, "turn")) else { continue };
        let turn =
            Turn { prompt, cells: below.filter(|cell| belongs(cell, name)).collect(), earlier };
        made.extend(turn.trajectory(&episode, made.len(), given(notebook)));
    }
    made
}

/// Whether a cell was made of the turn `name`.
fn belongs(cell: &Value, name: &str) -> bool {
    text(datarus(cell, "turn")) == Some(name)
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str)
}

/// The data files that the notebook was made from.
fn given(notebook: &Notebook) -> Given {
    let datasets = notebook.metadata.get("datarus").and_then(|facts| facts["datasets"].as_array());
    let names = datasets.into_iter().flatten().filter_map(|dataset| dataset["path"].as_str());
    let files = names.map(|name| FileInfo { name: name.to_owned(), bytes: 0 }).collect();
    Given { files, ..Given::default() }
}

/// A question and the cells that were made of it.
struct Turn<'a> {
    prompt: &'a Value,
    cells: Vec<&'a Value>,
    earlier: &'a [Notebook],
}

impl Turn<'_> {
    /// None if nothing of it stands.
    fn trajectory(&self, episode: &str, at: usize, given: Given) -> Option<Trajectory> {
        let source = self.prompt["source"].as_str().unwrap_or_default();
        let Route::Prompt(question) = route(source, Some(Role::Prompt)) else { return None };
        let steps: Vec<Done> = self.cells.iter().filter_map(|cell| self.step(cell)).collect();
        let answer = self.cells.iter().rev().find(|cell| is(cell, "answer"))?;
        let last = steps.iter().map(|done| done.step.number).max().unwrap_or(0) + 1;
        let outcome =
            outcome_in(answer["source"].as_str()?, self.understanding(last), self.thought(last));
        let superseded_answer = self.before(answer).map(|source| {
            match outcome_in(&source, String::new(), String::new()) {
                Outcome::Answered { answer, .. } => answer,
                Outcome::Interrupted | Outcome::GaveUp { .. } => String::new(),
            }
        });
        let by_hand = self.cells.iter().any(|cell| was_edited(cell));
        let dialect = text(datarus(self.prompt, "dialect")).and_then(Dialect::named);
        let model = text(datarus(self.prompt, "model")).unwrap_or("unknown");
        Some(Trajectory {
            v: VERSION,
            id: format!("{episode}-{at}"),
            episode: episode.to_owned(),
            turn: at,
            task: Task {
                id: format!("{episode}-{at}"),
                prompt: question.text,
                mode: if question.flags.think { Mode::Reflection } else { Mode::Agentic },
                family: String::from("notebook"),
                ..Task::default()
            },
            dialect: dialect.unwrap_or(Dialect::Datarus),
            given,
            steps,
            outcome,
            superseded_answer: superseded_answer.filter(|answer| !answer.is_empty()),
            written: Vec::new(),
            calls: Vec::new(),
            by: if by_hand { format!("{model}, corrected by hand") } else { model.to_owned() },
        })
    }

    fn step(&self, cell: &Value) -> Option<Done> {
        if !is(cell, "code") || has_tag(cell, "datarus-kept") || cell["cell_type"] != "code" {
            return None;
        }
        let number = usize::try_from(datarus(cell, "step")?.as_u64()?).ok()?;
        let code = cell["source"].as_str()?.trim_end().to_owned();
        let execution = execution(cell);
        let worth = if execution.status == Status::Ok { Worth::Example } else { Worth::Mistake };
        let (understanding, thought) = (self.understanding(number), self.thought(number));
        let step = Step { number, understanding, thought, code, execution };
        (!step.code.is_empty()).then(|| Done {
            step,
            evidence: None,
            worth,
            superseded: self.before(cell),
        })
    }

    fn thought(&self, number: usize) -> String {
        self.source("thought", number).map(thought_in).unwrap_or_default()
    }

    fn understanding(&self, number: usize) -> String {
        self.source("understanding", number).map(understanding_in).unwrap_or_default()
    }

    /// The source of the cell with this role before a step.
    fn source(&self, role: &str, number: usize) -> Option<&str> {
        let step = u64::try_from(number).ok();
        let mut cells = self.cells.iter().filter(|cell| is(cell, role));
        let cell = cells.find(|cell| datarus(cell, "step").and_then(Value::as_u64) == step)?;
        cell["source"].as_str()
    }

    /// What stood in an edited cell when the agent had made it, if an earlier notebook has it.
    fn before(&self, cell: &Value) -> Option<String> {
        if !was_edited(cell) {
            return None;
        }
        let made = text(datarus(cell, "src_sha"))?;
        let cells = self.earlier.iter().flat_map(|notebook| &notebook.cells);
        let same = cells.filter(|known| known["id"] == cell["id"]);
        let mut sources = same.filter_map(|known| known["source"].as_str());
        sources.find(|source| source_sha(source) == made).map(|source| source.trim_end().to_owned())
    }
}

fn is(cell: &Value, role: &str) -> bool {
    text(datarus(cell, "role")) == Some(role)
}

fn was_edited(cell: &Value) -> bool {
    let made = text(datarus(cell, "src_sha"));
    made.is_some_and(|made| cell["source"].as_str().map(source_sha).as_deref() != Some(made))
}

/// What a cell did, by its outputs and, unless it was edited, by what was noted.
fn execution(cell: &Value) -> Execution {
    let outputs = cell["outputs"].as_array().into_iter().flatten();
    let mut outputs: Vec<Output> =
        outputs.filter_map(|output| Output::deserialize(output).ok()).map(lean).collect();
    let noted = datarus(cell, "status").filter(|_| !was_edited(cell));
    let raised = outputs.iter().any(is_traceback);
    let seen = if raised { Status::Error } else { Status::Ok };
    let status = noted.and_then(|status| Status::deserialize(status).ok()).unwrap_or(seen);
    if status == Status::Error {
        outputs = outputs.into_iter().map(as_error).collect();
    }
    Execution {
        execution_count: cell["execution_count"].as_u64(),
        status,
        outputs,
        figures: Vec::new(),
        seconds: 0.0,
        lost: false,
    }
}

/// What begins a traceback that was kept as text.
const BEGINS: [&str; 3] = ["-----------", "Traceback (most recent call last)", "  Cell In["];

fn is_traceback(output: &Output) -> bool {
    match output {
        Output::Error { .. } => true,
        Output::Stream { name, text } => {
            name == "stderr"
                && BEGINS.iter().any(|begins| text.lines().any(|line| line.starts_with(begins)))
        }
        Output::DisplayData { .. } | Output::ExecuteResult { .. } => false,
    }
}

/// The exception that the text of a failed step tells: in a notebook it is text, since tools would fail for an error.
fn as_error(output: Output) -> Output {
    let Output::Stream { text, .. } = &output else { return output };
    if !is_traceback(&output) {
        return output;
    }
    let last = text.trim_end().lines().next_back().unwrap_or_default();
    let (ename, evalue) = last.split_once(": ").unwrap_or((last, ""));
    Output::Error {
        ename: ename.to_owned(),
        evalue: evalue.to_owned(),
        traceback: text.trim_end().lines().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(id: &str, kind: &str, role: &str, source: &str, made: &str, more: Value) -> Value {
        let mut cell = json!({
            "cell_type": kind, "id": id, "source": source, "metadata": {"datarus": {
                "v": 1, "role": role, "turn": "t_1", "src_sha": source_sha(made),
            }},
        });
        if let Some(step) = more.get("step") {
            cell["metadata"]["datarus"]["step"] = step.clone();
        }
        if kind == "code" {
            cell["outputs"] = more.get("outputs").cloned().unwrap_or(json!([]));
            cell["execution_count"] = json!(3);
            cell["metadata"]["datarus"]["status"] =
                more.get("status").cloned().unwrap_or(json!("ok"));
        }
        cell
    }

    fn notebook(code: &str, answer: &str) -> Notebook {
        let printed = json!([{"output_type": "stream", "name": "stdout", "text": "220.5\n"}]);
        let failed = json!([{"output_type": "stream", "name": "stderr", "text":
            "--------\n-----------\nKeyError    Traceback\nCell In[2], line 1\nKeyError: 'x'\n"}]);
        let mut notebook = Notebook::default();
        notebook.metadata.insert("datarus".into(), json!({"datasets": [{"path": "a.csv"}]}));
        notebook.cells = vec![
            json!({"cell_type": "code", "id": "p", "source": "> Total?", "outputs": [], "execution_count": 1,
                "metadata": {"datarus": {"role": "prompt", "turn": "t_1", "model": "mini", "dialect": "datarus"}}}),
            cell("1t", "markdown", "thought", "Sum it.", "Sum it.", json!({"step": 1})),
            cell(
                "1c",
                "code",
                "code",
                "df.x.sum()",
                "df.x.sum()",
                json!({"step": 1, "outputs": failed, "status": "error"}),
            ),
            cell("2c", "code", "code", code, "df.z.sum()", json!({"step": 2, "outputs": printed})),
            cell("3t", "markdown", "thought", "Printed.", "Printed.", json!({"step": 3})),
            cell(
                "a",
                "markdown",
                "answer",
                answer,
                "It is [220.5](#cell-id=2c \"cell 3\").",
                json!({}),
            ),
        ];
        notebook
    }

    const ANSWER: &str = "It is [220.5](#cell-id=2c \"cell 3\").";

    #[test]
    fn a_notebook_is_an_episode_as_it_stands() {
        let made = trajectories(&notebook("df.z.sum()", ANSWER), &[]);
        let [one] = &made[..] else { panic!("expected one turn, found {}", made.len()) };
        assert_eq!(
            (&*one.task.prompt, one.answer(), one.last_thought()),
            ("Total?", Some("It is 220.5."), "Printed.")
        );
        assert_eq!((&*one.by, one.given.files.len(), one.episode.len()), ("mini", 1, 15));
        let [wrong, right] = &one.steps[..] else { panic!("expected two steps") };
        assert_eq!(
            (wrong.worth, wrong.step.execution.status, &*wrong.step.thought),
            (Worth::Mistake, Status::Error, "Sum it.")
        );
        assert!(
            matches!(&wrong.step.execution.outputs[..], [Output::Error { ename, evalue, .. }] if ename == "KeyError" && evalue == "'x'")
        );
        assert_eq!((right.worth, &right.superseded), (Worth::Example, &None));
    }

    #[test]
    fn what_was_edited_stands_and_what_it_was_is_kept_if_it_is_known() {
        let (before, after) =
            (notebook("df.z.sum()", ANSWER), notebook("df.y.sum()", "It is 220.5 euros."));
        let made = trajectories(&after, &[]);
        assert_eq!(
            (&*made[0].steps[1].step.code, &made[0].steps[1].superseded),
            ("df.y.sum()", &None)
        );
        let made = trajectories(&after, std::slice::from_ref(&before));
        assert_eq!(made[0].steps[1].superseded.as_deref(), Some("df.z.sum()"));
        assert_eq!(
            (made[0].answer(), made[0].superseded_answer.as_deref()),
            (Some("It is 220.5 euros."), Some("It is 220.5."))
        );
        assert_eq!(made[0].by, "mini, corrected by hand");
        // Another text than the one that was made is no proof of anything.
        let forged = notebook("df.w.sum()", "Something else.");
        assert_eq!(trajectories(&after, &[forged])[0].steps[1].superseded, None);
    }

    #[test]
    fn no_picture_and_no_frame_of_a_library_is_taken() {
        let mut notebook = notebook("df.z.sum()", ANSWER);
        notebook.cells[3]["outputs"] = json!([
            {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": "<Figure>"}, "metadata": {}},
            {"output_type": "error", "ename": "KeyError", "evalue": "'x'",
                "traceback": ["File /opt/lib/pandas/core.py:7", "Cell In[2], line 1"]},
        ]);
        let line = trajectories(&notebook, &[])[0].line();
        assert!(!line.contains("iVBOR") && !line.contains("/opt/lib"), "{line}");
        assert!(line.contains("Cell In[2], line 1"), "{line}");
    }

    #[test]
    fn a_cell_that_the_user_deleted_is_not_there_and_a_turn_without_an_answer_is_none() {
        let mut notebook = notebook("df.z.sum()", ANSWER);
        notebook.cells.remove(2);
        assert_eq!(trajectories(&notebook, &[])[0].steps.len(), 1);
        notebook.cells.pop();
        assert_eq!(trajectories(&notebook, &[]), []);
    }
}
