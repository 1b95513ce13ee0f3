//! The words that we say to a model. The full ones are templates in `prompts/`; the compact ones are those that the
//! embedded model was trained on, and those of `analyze` those that DeepAnalyze was, to the letter.

mod analyze;

use std::collections::BTreeSet;

use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use crate::agent::{FileInfo, Limits, Mode, Task};
use crate::dialect::{Dialect, disarm};
use crate::executor::{Namespace, Variable};
use crate::llm::Profile;
use crate::observation::plain;

/// Files that a compact prompt names.
const COMPACT_FILES: usize = 8;

/// `DataFrames` that a compact prompt names.
const COMPACT_VARIABLES: usize = 4;

/// Columns of one `DataFrame` that a compact prompt names.
const COMPACT_COLUMNS: usize = 24;

/// Files that a full prompt names.
const FULL_FILES: usize = 100;

/// Columns of one `DataFrame` that a full prompt names.
const FULL_COLUMNS: usize = 200;

/// How a model is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) profile: Profile,
    pub(crate) dialect: Dialect,
    /// Whether it goes on with a message of its own that the chat ends with.
    pub(crate) continues: bool,
    pub(crate) namespace: Namespace,
}

/// Why the model is spoken to again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// The step worked.
    Continue {
        /// Steps that may still be made.
        steps_left: usize,
    },
    /// The step failed.
    Failed,
    /// The step did again what the one before did.
    Repeated,
    /// The analyst has changed the step.
    Changed {
        /// What the model had written.
        before: &'a str,
    },
    /// The analyst was asked.
    Asked {
        /// What they said; `None` where nobody could be asked.
        answer: Option<&'a str>,
    },
    /// The answer states numbers that no step printed.
    Ungrounded {
        /// As written.
        numbers: &'a str,
    },
    /// The completion could not be used.
    Malformed {
        /// What was wrong with it.
        problem: &'a str,
    },
}

/// The standing instructions; a compact model has learnt them.
pub(crate) fn system(style: Style, mode: Mode, limits: &Limits) -> Option<String> {
    if style.profile == Profile::Compact {
        return None;
    }
    let template = match (style.dialect, mode) {
        (Dialect::Datarus, Mode::Agentic) => include_str!("prompts/agentic.md"),
        (Dialect::DeepAnalyze, Mode::Agentic) => include_str!("prompts/deepanalyze.md"),
        (Dialect::Markdown, Mode::Agentic) => include_str!("prompts/markdown.md"),
        (_, Mode::Reflection) => include_str!("prompts/reflection.md"),
    };
    let (max_steps, cell_timeout) = (limits.max_steps, limits.cell_timeout.as_secs());
    let keeps_state = style.namespace == Namespace::Kept;
    let form = match style.dialect {
        Dialect::Datarus => {
            "<think>your reasoning</think>\n<answer>the answer, in Markdown</answer>"
        }
        Dialect::DeepAnalyze => {
            "<Analyze>your reasoning</Analyze>\n<Answer>the answer, in Markdown</Answer>"
        }
        Dialect::Markdown => "your reasoning\n\n## Answer\n\nthe answer, in Markdown",
    };
    Some(render(template, context! { max_steps, cell_timeout, keeps_state, form }))
}

/// The question with the files and `DataFrames` that are there, and what the files hold beyond what was `told` before.
pub(crate) fn question(style: Style, task: &Task, told: &BTreeSet<String>) -> String {
    let text = match (style.profile, style.dialect) {
        (Profile::Compact, _) => compact_question(task),
        (Profile::Full, Dialect::DeepAnalyze) => analyze::question(style.namespace, task, told),
        (Profile::Full, Dialect::Datarus | Dialect::Markdown) => {
            full_question(style.namespace, task, told)
        }
    };
    disarm(&plain(&text))
}

/// What is said after a step or a completion, if anything.
pub(crate) fn reply(style: Style, reply: Reply<'_>) -> Option<String> {
    match (style.profile, style.dialect) {
        (Profile::Compact, _) => compact_reply(reply).map(str::to_owned),
        (Profile::Full, Dialect::DeepAnalyze) if analyze::goes_on(reply) => None,
        (Profile::Full, dialect) => Some(full_reply(dialect, reply)),
    }
}

/// A cell that the analyst ran, for the full profile.
pub(crate) fn cell(code: &str, observation: &str) -> String {
    let template = include_str!("prompts/cell.md");
    render(template, context! { code => disarm(&plain(code)), observation })
}

fn compact_question(task: &Task) -> String {
    let mut lines = vec![task.prompt.trim().to_owned()];
    if task.mode == Mode::Reflection {
        lines.push(String::from("Think only."));
        return lines.join("\n");
    }
    if !task.files.is_empty() {
        lines.push(format!("Files: {}", compact_files(task).join(", ")));
    }
    if !task.variables.is_empty() {
        let variables = task.variables.iter().take(COMPACT_VARIABLES);
        let frames: Vec<String> = variables.map(compact_variable).collect();
        lines.push(format!("Variables: {}", frames.join("; ")));
    }
    lines.join("\n")
}

/// The names of a few files, sorted; where there are many, those that the question names come first.
fn compact_files(task: &Task) -> Vec<&str> {
    let mut names: Vec<&str> = task.files.iter().map(|file| file.name.as_str()).collect();
    names.sort_by_key(|name| (!task.prompt.contains(name), *name));
    names.truncate(COMPACT_FILES);
    names.sort_unstable();
    names
}

fn compact_variable(variable: &Variable) -> String {
    format!("{} ({})", variable.name, columns(variable, COMPACT_COLUMNS))
}

/// The first columns, and a sign that there are more.
fn columns(variable: &Variable, limit: usize) -> String {
    let mut columns: Vec<&str> = variable.columns.iter().take(limit).map(String::as_str).collect();
    if variable.columns.len() > limit {
        columns.push("…");
    }
    columns.join(", ")
}

fn compact_reply(reply: Reply<'_>) -> Option<&'static str> {
    match reply {
        Reply::Continue { .. } => Some("Continue."),
        Reply::Failed | Reply::Repeated => Some("That failed. Say why and try another way."),
        Reply::Malformed { .. } => Some("Use the step format."),
        // It takes the step as it stands for its own; its answers hold what it copies from outputs.
        Reply::Changed { .. } | Reply::Asked { .. } | Reply::Ungrounded { .. } => None,
    }
}

/// What a template sees of a file or `DataFrame`.
#[derive(Serialize)]
struct FileLine<'a> {
    name: &'a str,
    size: String,
}

#[derive(Serialize)]
struct VariableLine<'a> {
    name: &'a str,
    columns: String,
}

fn full_question(namespace: Namespace, task: &Task, told: &BTreeSet<String>) -> String {
    let mut files: Vec<&FileInfo> = task.files.iter().collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let files: Vec<FileLine<'_>> = files.into_iter().take(FULL_FILES).map(FileLine::from).collect();
    let variables = seen_variables(namespace, task).map(VariableLine::from);
    let variables: Vec<VariableLine<'_>> = variables.collect();
    let n_files_left_out = task.files.len() - files.len();
    let question = asked(task);
    let template = include_str!("prompts/question.md");
    let data = data_notes(task, told);
    render(template, context! { question, files, n_files_left_out, data, variables })
}

/// What is new, and what the files hold beyond what was `told` before; nothing where there is nothing to tell.
fn data_notes(task: &Task, told: &BTreeSet<String>) -> String {
    let profiles = task.data.profiles.iter().filter(|profile| !told.contains(*profile));
    let profiles: String = profiles.flat_map(|profile| ["\n- ", profile]).collect();
    let heading = if profiles.is_empty() { "" } else { "What the data hold:" };
    let parts = [task.data.changes.clone(), format!("{heading}{profiles}")];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// The words, and what a ready prompt adds to them.
fn asked(task: &Task) -> String {
    let words = task.prompt.trim();
    if task.brief.is_empty() { words.to_owned() } else { format!("{words}\n\n{}", task.brief) }
}

/// The `DataFrames` that a step finds.
fn seen_variables(namespace: Namespace, task: &Task) -> impl Iterator<Item = &Variable> {
    let keeps = namespace == Namespace::Kept;
    task.variables.iter().filter(move |_| keeps)
}

impl<'a> From<&'a FileInfo> for FileLine<'a> {
    fn from(file: &'a FileInfo) -> Self {
        Self { name: &file.name, size: size(file.bytes) }
    }
}

impl<'a> From<&'a Variable> for VariableLine<'a> {
    fn from(variable: &'a Variable) -> Self {
        Self { name: &variable.name, columns: columns(variable, FULL_COLUMNS) }
    }
}

/// A file size for people.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn full_reply(dialect: Dialect, reply: Reply<'_>) -> String {
    let end = dialect.end();
    match reply {
        Reply::Continue { steps_left } => {
            render(include_str!("prompts/continue.md"), context! { steps_left, end })
        }
        Reply::Failed => render(include_str!("prompts/failed.md"), context! {}),
        Reply::Repeated => render(include_str!("prompts/repeated.md"), context! { end }),
        Reply::Changed { before } => {
            let before = disarm(&plain(before));
            render(include_str!("prompts/changed.md"), context! { before })
        }
        Reply::Asked { answer: Some(answer) } => disarm(&plain(answer)),
        Reply::Asked { answer: None } => render(include_str!("prompts/unasked.md"), context! {}),
        Reply::Ungrounded { numbers } => {
            render(include_str!("prompts/ungrounded.md"), context! { numbers })
        }
        Reply::Malformed { problem } => {
            render(include_str!("prompts/malformed.md"), context! { problem })
        }
    }
}

/// Renders one of our own templates; a variable that is not given is an error, not an empty string.
fn render(template: &str, context: minijinja::Value) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let rendered = environment.render_str(template, context);
    rendered.expect("the templates are part of the crate, and tests render each").trim().to_owned()
}

#[cfg(test)]
mod tests;
