//! The `ReAct` loop: think, write code, look at what it did, go on or answer.

mod repetition;
mod turn;

use std::ops::ControlFlow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::executor::{Execution, Executor, Namespace, Survey, Variable};
use crate::fitting::{fitting, is_open};
use crate::llm::{Interrupt, Model, ModelError, Profile, Sampling, Usage};
use crate::mention;
use crate::plan::Stage;
use crate::spelling;

use self::turn::OpenTurn;

/// How one turn is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Steps of code until an answer.
    #[default]
    Agentic,
    /// Thought and answer; nothing runs.
    Reflection,
}

/// A question and what is known when it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The analyst's words.
    pub prompt: String,
    /// What a ready prompt asks for besides the words; may be empty. A small model is not told it.
    pub brief: String,
    /// How it is to be done.
    pub mode: Mode,
    /// Which part of a research run it is, if it is one. Of the notebook above, the model then sees questions and answers
    /// alone, so that a long run stays within its context.
    pub stage: Option<Stage>,
    /// Standing instructions of the analyst's own, beside ours; may be empty.
    pub instructions: String,
    /// Files beside the notebook.
    pub files: Vec<FileInfo>,
    /// `DataFrames` in the namespace.
    pub variables: Vec<Variable>,
    /// What the data hold, where that is known already; else a large model's turn begins with a
    /// [survey](Executor::survey).
    pub data: DataNotes,
    /// The notebook so far, oldest first.
    pub history: Vec<Past>,
    /// What was done of this very turn before: it goes on from there.
    pub begun: Option<Begun>,
}

/// The part of a turn that stands already.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// Its finished steps, in the order in which they stand.
    pub done: Vec<Step>,
    /// What the model asked meanwhile.
    pub asked: Vec<Asked>,
    /// The step after them, if it has to be run before the model goes on.
    pub next: Option<Draft>,
    /// The code that the model had written for the last of all these steps, if the analyst has changed it.
    pub before: Option<String>,
}

/// A step that has not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// From 1 within the turn.
    pub number: usize,
    /// What the data and the outputs before it mean.
    pub understanding: String,
    /// Why.
    pub thought: String,
    /// What is to run.
    pub code: String,
}

/// A question that the model put to the analyst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// From 1 within the turn.
    pub number: usize,
    /// The number of the step that it comes before, or that a step after it would have.
    pub step: usize,
    /// What the data and the outputs before it mean.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub understanding: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub thought: String,
    /// What was asked, Markdown.
    pub question: String,
    /// What the analyst said; none, if nobody has.
    pub answer: Option<String>,
}

/// A file that the analyst may mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Path relative to the working folder.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// What a large model is told of files besides their names and sizes. All of it is foreign text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataNotes {
    /// Which files are new or changed since the last question; may be empty.
    pub changes: String,
    /// What each source holds, and the keys between them, one text each. One that a question above was told already is
    /// not told again.
    pub profiles: Vec<String>,
}

impl DataNotes {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.profiles.is_empty()
    }
}

/// Something that stands in the notebook above the prompt.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a notebook has few entries, of which most are turns"
)]
pub enum Past {
    /// A turn of the agent.
    Turn(Turn),
    /// A Python cell that the analyst ran.
    Cell {
        /// Its source.
        code: String,
        /// What it did.
        execution: Execution,
    },
}

impl Past {
    /// The turn, if it is one.
    pub fn turn(&self) -> Option<&Turn> {
        if let Self::Turn(turn) = self { Some(turn) } else { None }
    }
}

/// One finished step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1 within the turn.
    pub number: usize,
    /// What the data and the outputs before it mean; empty in dialects that do not tell it apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub understanding: String,
    /// Why.
    pub thought: String,
    /// What was run.
    pub code: String,
    /// What it did.
    pub execution: Execution,
}

/// One finished turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The analyst's words.
    pub prompt: String,
    /// How it was done.
    pub mode: Mode,
    /// Its steps.
    pub steps: Vec<Step>,
    /// What the model asked the analyst, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost.
    pub usage: Usage,
    /// What the model was told of besides the words. A large one is told the same when it sees the turn again, so that
    /// what it has read stays valid.
    #[serde(default)]
    pub given: Given,
    /// Numbers of the answer, as written, that no step of the turn printed, but the notebook above.
    #[serde(default)]
    pub seen_above: Vec<String>,
}

/// What a model is told of besides a question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// Files beside the notebook.
    pub files: Vec<FileInfo>,
    /// `DataFrames` that existed.
    pub variables: Vec<Variable>,
    /// What a ready prompt asked for.
    #[serde(default)]
    pub brief: String,
    /// What the files held.
    #[serde(default, skip_serializing_if = "DataNotes::is_empty")]
    pub data: DataNotes,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// With an answer.
    Answered {
        /// What the outputs mean; empty in dialects that do not tell it apart.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        understanding: String,
        /// The model's last thought.
        thought: String,
        /// The answer, Markdown.
        answer: String,
    },
    /// The user stopped it.
    Interrupted,
    /// Without an answer, at one of the limits; the text names it and says what can be done.
    GaveUp {
        /// For the user.
        reason: String,
    },
}

/// Bounds of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps of code.
    pub max_steps: usize,
    /// Failed steps in a row.
    pub max_errors: usize,
    /// Time for one cell.
    pub cell_timeout: Duration,
    /// Tokens of one completion.
    pub max_new_tokens: usize,
    /// Tokens written in one turn.
    pub max_turn_tokens: usize,
    /// Sections of a plan.
    #[serde(default)]
    pub max_sections: usize,
}

/// Which text is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What the data and the outputs so far mean.
    Understanding,
    /// Why the next step.
    Thought,
    /// The next cell.
    Code,
    /// The answer.
    Answer,
}

/// What happens while a turn runs.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentEvent {
    /// The model wrote.
    Text {
        /// The step it belongs to, from 1; the answer has the number after the last step.
        step: usize,
        /// Where it belongs.
        part: Part,
        /// The new text.
        delta: String,
    },
    /// A step's thought and code are complete, and it is about to run.
    StepReady(Draft),
    /// A step has run.
    StepDone(Step),
    /// The model asks the analyst, and waits.
    Asking(Asked),
    /// The analyst has answered, or nobody could be asked.
    Asked(Asked),
    /// The answer that was written is taken back: what comes next is in its place.
    Withdrawn,
    /// Something the user should know (output shortened, completion repaired, …).
    Notice(String),
}

/// Why a turn could not be done at all.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No code can be run.
    #[error(transparent)]
    Executor(#[from] crate::executor::ExecutorError),
}

/// The loop.
pub struct Agent<'a> {
    /// Who writes.
    pub model: &'a mut dyn Model,
    /// Who runs.
    pub executor: &'a mut dyn Executor,
    /// How the model writes; `None` leaves that to the model.
    pub dialect: Option<Dialect>,
    /// What a step finds when it begins.
    pub namespace: Namespace,
    /// Whether a model that has learnt to hear it is told which numbers of its answer nothing printed, and may answer
    /// anew.
    pub second_look: bool,
    /// Bounds.
    pub limits: Limits,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Seed of the choice.
    pub seed: u64,
    /// Set from outside to stop.
    pub interrupt: Interrupt,
}

impl Agent<'_> {
    /// Runs one turn to its end. Blocks; calls `on_event` on this thread as things happen.
    ///
    /// # Errors
    /// When the model or the code runner is not available. Limits and interrupts are values of [`Outcome`].
    pub fn run(
        &mut self,
        task: &Task,
        on_event: &mut dyn FnMut(AgentEvent),
    ) -> Result<Turn, AgentError> {
        let spelled = self.spelled(task);
        let surveyed = self.surveyed(spelled.as_ref().unwrap_or(task));
        let read = surveyed.as_ref().or(spelled.as_ref()).unwrap_or(task);
        if read.prompt != task.prompt {
            on_event(AgentEvent::Notice(format!("Read as: {}", read.prompt)));
        }
        let mut turn = OpenTurn::new(self, read, on_event)?;
        let mut flow = turn.resume()?;
        let outcome = loop {
            if let ControlFlow::Break(outcome) = flow {
                break outcome;
            }
            flow = turn.step().or_else(|error| turn.rescue(error))?;
        };
        Ok(Turn { prompt: task.prompt.clone(), ..turn.end(outcome) })
    }

    /// The task without the slips of the keys that a small model cannot read past, in what was asked before, too; what is
    /// recorded is what was typed.
    fn spelled(&self, task: &Task) -> Option<Task> {
        let info = self.model.info();
        if info.profile == Profile::Full {
            return None;
        }
        let files = task.files.iter().map(|file| &file.name);
        let columns =
            task.variables.iter().flat_map(|held| held.columns.iter().chain([&held.name]));
        let names = files.chain(columns).flat_map(|name| mention::words(name)).collect();
        let set_right = |typed: &str| {
            let read = spelling::set_right(typed, &info.words, &names);
            (read != typed).then_some(read)
        };
        let prompt = set_right(&task.prompt);
        let before: Vec<Option<String>> = task
            .history
            .iter()
            .map(|past| past.turn().and_then(|turn| set_right(&turn.prompt)))
            .collect();
        if prompt.is_none() && before.iter().all(Option::is_none) {
            return None;
        }
        let mut task = task.clone();
        task.prompt = prompt.unwrap_or(task.prompt);
        for (past, read) in task.history.iter_mut().zip(before) {
            if let (Past::Turn(turn), Some(read)) = (past, read) {
                turn.prompt = read;
            }
        }
        Some(task)
    }

    /// The task with what the data hold. A small model was not trained to hear it, and is told only of the files that the
    /// question fits; a turn that goes on was told already; and where nothing is to run, no file is read either.
    fn surveyed(&mut self, task: &Task) -> Option<Task> {
        let is_large = self.model.info().profile == Profile::Full;
        let begins = task.begun.is_none() && task.mode == Mode::Agentic;
        if !begins || !(is_large || is_open(task)) {
            return None;
        }
        let Survey { files, notes, held } = self.executor.survey()?;
        Some(if is_large {
            Task { files, data: notes, ..task.clone() }
        } else {
            Task { files: fitting(task, &held, &self.model.info().words), ..task.clone() }
        })
    }
}
