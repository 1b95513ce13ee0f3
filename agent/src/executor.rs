//! The seam to whoever runs code: the companion kernel in the product, a double in tests.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::{DataNotes, FileInfo};
use crate::llm::Interrupt;

/// What is done while a cell runs, on the thread that waits for it: called with its outputs so far when it begins and
/// again when there are more. Returns soon after the interrupt is set, which says that the cell has ended.
pub type Meanwhile<'a> = dyn FnMut(&[Output], &Interrupt) + 'a;

/// Runs one cell and waits for its end.
pub trait Executor {
    /// Runs `code` as one cell and returns what it did.
    ///
    /// Blocks until the cell has ended, at most about `timeout`: a cell that takes longer is interrupted, and the
    /// code runner started afresh if that does not help; either way nothing of it runs on. Until then this thread may
    /// do something else `meanwhile`.
    ///
    /// # Errors
    /// Only when no result can be had at all (the code runner cannot be started). An exception in the cell, a
    /// time-out, an interrupt and a death of the code runner are values of [`Status`].
    fn execute(
        &mut self,
        code: &str,
        timeout: Duration,
        meanwhile: &mut Meanwhile<'_>,
    ) -> Result<Execution, ExecutorError>;

    /// The `DataFrames` that exist in the namespace now.
    fn variables(&mut self) -> Vec<Variable>;

    /// Says what the data beside the notebook hold; `None` where that is not known, or nobody may look.
    ///
    /// Blocks while files are read, within bounds. What is wrong with a file is part of what is said.
    fn survey(&mut self) -> Option<Survey> {
        None
    }

    /// Puts a question to the analyst and waits for the answer; `None` where nobody can be asked.
    fn ask(&mut self, question: &str) -> Option<String> {
        let _ = question;
        None
    }
}

/// What the data hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// All files, also of kinds that a small model has not learnt to read.
    pub files: Vec<FileInfo>,
    /// What a large model is told of them.
    pub notes: DataNotes,
    /// By the names of files: columns, and values of those that have few.
    pub held: BTreeMap<String, Vec<String>>,
}

/// What a step finds when it begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    /// What was made before it, as in any notebook.
    #[default]
    Kept,
    /// Nothing: it loads and imports what it needs.
    Fresh,
}

/// Why no cell can be run.
#[derive(Debug, thiserror::Error)]
#[error("the code runner is not available: {reason}")]
pub struct ExecutorError {
    /// One sentence for the user.
    pub reason: String,
}

/// What one cell did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The `[n]` of the cell.
    pub execution_count: Option<u64>,
    /// How it ended.
    pub status: Status,
    /// Its outputs in order, adjacent streams of one name joined.
    pub outputs: Vec<Output>,
    /// One line per axes of the figures it drew, as `[figure: bar, x=region, …]`.
    pub figures: Vec<String>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Whether the code runner was started anew since, so that what the cell made is gone.
    #[serde(default)]
    pub lost: bool,
}

/// How a cell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// To its last line.
    Ok,
    /// With an exception, which is the last [`Output::Error`].
    Error,
    /// It ran into its time limit and was stopped.
    TimedOut,
    /// The user stopped it.
    Interrupted,
    /// The code runner died under it; all variables are lost.
    Died,
}

/// One output of a cell; the fields are those of nbformat 4.5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "output_type", rename_all = "snake_case")]
pub enum Output {
    /// Printed text.
    Stream {
        /// `stdout` or `stderr`.
        name: String,
        /// The text.
        text: String,
    },
    /// Something displayed.
    DisplayData {
        /// MIME type → value.
        data: Map<String, Value>,
        /// As published.
        metadata: Map<String, Value>,
    },
    /// The value of the last expression.
    ExecuteResult {
        /// The cell's `[n]`.
        execution_count: Option<u64>,
        /// MIME type → value.
        data: Map<String, Value>,
        /// As published.
        metadata: Map<String, Value>,
    },
    /// An exception.
    Error {
        /// Its class.
        ename: String,
        /// Its message.
        evalue: String,
        /// The traceback's lines as published, terminal colours included.
        traceback: Vec<String>,
    },
}

/// A `DataFrame` in the namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<String>,
}
