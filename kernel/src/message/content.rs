//! Contents of the messages that we make.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// What the kernel does, in `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionState {
    /// A request is being handled.
    Busy,
    /// Nothing is being handled.
    Idle,
    /// Once, when the kernel begins.
    Starting,
}

/// Where text went, in `stream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Of `display_data` and `update_display_data`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Display {
    /// MIME type to its data.
    pub data: Map<String, Value>,
    /// About the data.
    pub metadata: Map<String, Value>,
    transient: Map<String, Value>,
}

impl Display {
    /// Shown once, with nothing to update it by.
    pub fn new(data: Map<String, Value>) -> Display {
        Display { data, metadata: Map::new(), transient: Map::new() }
    }

    /// Shown under an id, by which it can be updated.
    pub fn with_id(data: Map<String, Value>, display_id: &str) -> Display {
        let transient = Map::from_iter([("display_id".to_owned(), json!(display_id))]);
        Display { transient, ..Display::new(data) }
    }
}

/// Of `error`, and part of a reply with status `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorContent {
    /// The error's name, such as `KeyboardInterrupt`.
    pub ename: String,
    /// One sentence and a hint.
    pub evalue: String,
    /// Lines for the reader; terminal colours are allowed.
    pub traceback: Vec<String>,
}

impl ErrorContent {
    /// An error whose traceback is its name and sentence.
    pub fn new(ename: &str, evalue: &str) -> ErrorContent {
        let traceback = vec![format!("{ename}: {evalue}")];
        ErrorContent { ename: ename.into(), evalue: evalue.into(), traceback }
    }
}

/// A reply with status `error`.
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    status: &'static str,
    #[serde(flatten)]
    error: &'a ErrorContent,
}

impl Failed<'_> {
    pub(super) fn new(error: &ErrorContent) -> Failed<'_> {
        Failed { status: "error", error }
    }
}

/// Of `execute_reply`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum ExecuteReply {
    /// The cell ran.
    Ok {
        /// Its number.
        execution_count: u64,
        /// Results of the request's expressions, by name.
        user_expressions: Map<String, Value>,
        /// Deprecated, yet read by clients.
        payload: Vec<Value>,
    },
    /// The cell failed or was interrupted.
    Error {
        /// Its number.
        execution_count: u64,
        /// What went wrong.
        #[serde(flatten)]
        error: ErrorContent,
    },
    /// The cell did not run, because one before it failed.
    Aborted,
}

impl ExecuteReply {
    /// Status `ok`, with the cell that comes next, if one does.
    ///
    /// # Source
    /// <https://jupyter-client.readthedocs.io/en/stable/messaging.html#payloads-deprecated>: deprecated without
    /// replacement, and what front ends still do for `%load` and `%recall`.
    pub(crate) fn ok_with_next(execution_count: u64, next: Option<String>) -> Self {
        let payload = next
            .map(|text| json!({"source": "set_next_input", "text": text, "replace": false}))
            .into_iter()
            .collect();
        ExecuteReply::Ok { execution_count, user_expressions: Map::new(), payload }
    }

    /// Status `ok` without expressions and payload.
    pub fn ok(execution_count: u64) -> ExecuteReply {
        let (user_expressions, payload) = (Map::new(), Vec::new());
        ExecuteReply::Ok { execution_count, user_expressions, payload }
    }

    /// The status as it stands in the reply.
    pub fn status(&self) -> &'static str {
        match self {
            ExecuteReply::Ok { .. } => "ok",
            ExecuteReply::Error { .. } => "error",
            ExecuteReply::Aborted => "aborted",
        }
    }
}

/// Of `kernel_info_reply`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelInfo {
    status: &'static str,
    protocol_version: &'static str,
    /// The name of the kernel.
    pub implementation: String,
    /// Its version.
    pub implementation_version: String,
    /// The companion's language: name, version, mimetype, file extension, lexer, mode.
    pub language_info: Value,
    /// Shown by consoles.
    pub banner: String,
    /// Links for the help menu: `[{"text", "url"}]`.
    pub help_links: Vec<Value>,
    /// Whether the debugger works.
    pub debugger: bool,
    /// Optional features (JEP 92), such as `kernel subshells`.
    pub supported_features: Vec<String>,
    /// What holds the companion: no field of Jupyter's, for those who know us.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub sandbox: Value,
}

impl KernelInfo {
    /// The kernel `implementation`, to be completed.
    pub fn new(implementation: &str, version: &str, language_info: Value) -> KernelInfo {
        KernelInfo {
            status: "ok",
            protocol_version: super::PROTOCOL_VERSION,
            implementation: implementation.into(),
            implementation_version: version.into(),
            language_info,
            banner: String::new(),
            help_links: Vec::new(),
            debugger: false,
            supported_features: Vec::new(),
            sandbox: Value::Null,
        }
    }
}
