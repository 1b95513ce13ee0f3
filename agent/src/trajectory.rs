//! What was done for one task, and what ran: what rewards judge and what models are trained on. Pure.
//!
//! A *task* is a question, its data, and how an answer to it is checked. A *trajectory* is one task and what was done
//! for it: steps with the evidence of what ran, and how it ended; one line of JSON each. An *episode* is one or more
//! trajectories one after the other in the same namespace: a chat, a notebook. `docs/rewards.md` lists the fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::{Given, Mode, Outcome, Step, Turn};
use crate::dialect::Dialect;
use crate::llm::{Trace, Usage};
use crate::reward::Checker;

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// A task and what was done for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// [`VERSION`].
    pub v: u32,
    /// Its name, which no other one of the file bears.
    pub id: String,
    /// The episode that it belongs to.
    pub episode: String,
    /// Its place in the episode, from 0.
    #[serde(default)]
    pub turn: usize,
    /// What was to be done.
    pub task: Task,
    /// How the messages are written.
    #[serde(default = "datarus")]
    pub dialect: Dialect,
    /// What the model was told of besides the question.
    #[serde(default)]
    pub given: Given,
    /// What was done, in order.
    pub steps: Vec<Done>,
    /// How it ended.
    pub outcome: Outcome,
    /// The answer that the model had given, before the analyst corrected it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_answer: Option<String>,
    /// The model's own words, message by message and malformed ones too; empty where nobody wrote tags, as in a
    /// notebook.
    #[serde(default)]
    pub written: Vec<String>,
    /// The same as tokens, with what the model could have chosen, where that was asked for (`--tokens`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Trace>,
    /// Who did it: a program, a model, an analyst.
    #[serde(default)]
    pub by: String,
}

fn datarus() -> Dialect {
    Dialect::Datarus
}

/// A question, and how its answer is checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub id: String,
    /// In the analyst's words.
    pub prompt: String,
    /// How it is to be done.
    #[serde(default)]
    pub mode: Mode,
    /// What kind of question it is, such as `group`.
    #[serde(default)]
    pub family: String,
    /// How hard it is, from 1.
    #[serde(default)]
    pub level: u32,
    /// The seed that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What a right answer is; without it nothing can be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checker: Option<Checker>,
    /// What must hold of how it is done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checklist: Checklist,
}

/// Constraints on how a task is done, which the inspector holds a trajectory to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checklist {
    /// Steps that it may take at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Steps that may fail at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed: Option<usize>,
    /// Files that it must read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Files that it may make or change; all others must stay as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Names that must exist in the namespace afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<String>,
}

/// Whether there is nothing to write down.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// What was thought, run and put out.
    #[serde(flatten)]
    pub step: Step,
    /// What it did besides; unknown where nobody watched, as in a notebook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Whether a model is to learn it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub worth: Worth,
    /// What the model had written in its place, before the analyst corrected it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<String>,
}

/// Whether a step is an example to follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worth {
    /// It is.
    #[default]
    Example,
    /// It is a mistake, made on purpose or not: only what follows it is to be learnt.
    Mistake,
}

/// What a cell was seen to do with names and files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Names that existed before it and that it read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Names that it set or changed; of each the names that existed before and the files that it was made from.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub writes: BTreeMap<String, Vec<String>>,
    /// Names that existed before and files that what it showed was made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shows: Vec<String>,
    /// Files that it read, by their path from the working folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<String>,
    /// Files that it made, changed or deleted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, Change>,
    /// Whether it changed a module or a class: what runs later may be another thing than its name says.
    #[serde(skip_serializing_if = "is_default")]
    pub patched: bool,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there before.
    Made,
    /// It holds something else.
    Changed,
    /// It is not there any more.
    Deleted,
}

/// Why a line is no trajectory.
#[derive(Debug, thiserror::Error)]
pub enum TrajectoryError {
    /// The text is not the JSON of one.
    #[error("expected a trajectory as one line of JSON (docs/rewards.md), found {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by a later program.
    #[error(
        "expected a trajectory of version {VERSION}, found version {found}: use a newer datarus"
    )]
    Version {
        /// Its version.
        found: u32,
    },
}

impl Trajectory {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is not the JSON of a trajectory, or of a later version.
    pub fn parse(line: &str) -> Result<Self, TrajectoryError> {
        let trajectory: Self = serde_json::from_str(line)?;
        if trajectory.v > VERSION {
            return Err(TrajectoryError::Version { found: trajectory.v });
        }
        Ok(trajectory)
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("a value with string keys is written to memory")
    }

    /// The turn, as a later question of its episode sees it.
    pub fn as_turn(&self) -> Turn {
        Turn {
            prompt: self.task.prompt.clone(),
            mode: self.task.mode,
            steps: self.steps.iter().map(|done| done.step.clone()).collect(),
            outcome: self.outcome.clone(),
            usage: Usage::default(),
            given: self.given.clone(),
            seen_above: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answered { answer, .. } => Some(answer),
            Outcome::Interrupted | Outcome::GaveUp { .. } => None,
        }
    }

    /// The thought before the answer; empty without one.
    pub fn last_thought(&self) -> &str {
        match &self.outcome {
            Outcome::Answered { thought, .. } => thought,
            Outcome::Interrupted | Outcome::GaveUp { .. } => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"v":1,"id":"a","episode":"e","turn":0,"task":{"id":"t","prompt":"mean?","mode":"agentic","family":"aggregate","level":1,"checker":{"kind":"number","values":["2"]}},"dialect":"datarus","given":{"files":[{"name":"a.csv","bytes":9}],"variables":[],"brief":""},"steps":[{"number":1,"thought":"Load.","code":"print(2)","execution":{"execution_count":1,"status":"ok","outputs":[{"output_type":"stream","name":"stdout","text":"2\n"}],"figures":[],"seconds":0.0,"lost":false},"evidence":{"reads":["df"],"writes":{"x":["a.csv"]},"changes":{"b.csv":"made"}},"worth":"mistake"}],"outcome":{"kind":"answered","thought":"Found.","answer":"It is 2."},"written":[],"by":"program"}"#;

    #[test]
    fn a_line_is_read_and_written_as_it_was() {
        let trajectory = Trajectory::parse(LINE).unwrap();
        assert_eq!(trajectory.line(), LINE);
        assert_eq!((trajectory.answer(), trajectory.last_thought()), (Some("It is 2."), "Found."));
    }

    #[test]
    fn what_is_no_trajectory_is_refused_with_what_was_expected() {
        let check = |line: &str, beginning: &str| {
            let said = Trajectory::parse(line).unwrap_err().to_string();
            assert!(said.starts_with(beginning), "{said}");
        };
        check("", "expected a trajectory as one line of JSON (docs/rewards.md), found EOF");
        check("[]", "expected a trajectory as one line of JSON (docs/rewards.md), found invalid");
        let newer = LINE.replacen("\"v\":1", "\"v\":9", 1);
        check(&newer, "expected a trajectory of version 1, found version 9");
    }
}
