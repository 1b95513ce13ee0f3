//! What the model sees of a cell: its outputs as a reader would see them, in few tokens.
//!
//! Pure. The rules are those the embedded model was trained on: joined rows instead of HTML tables, described figures
//! instead of pixels, the failing line instead of a page of frames, no terminal colours, head and tail of what is
//! long, and no tag that the data could forge.

mod table;
mod terminal;
mod traceback;

use serde_json::{Map, Value};

use crate::dialect::disarm;
use crate::executor::{Execution, Output, Status};
use crate::llm::Profile;

pub use table::{HtmlCell, HtmlTable, tables};
pub use terminal::plain;

/// Longest observation in characters, for a large model.
pub const FULL_LIMIT: usize = 10_000;

/// Longest observation in characters, for a small one.
pub const COMPACT_LIMIT: usize = 1_200;

/// Said of what ran in a Python that is gone.
const LOST: &str =
    "(Python was started anew since, and this was not run again: what it made does not exist)";

/// Describes what `code` did when it was run as one cell.
///
/// The result is never empty, holds no terminal codes and none of our tags.
pub fn observe(code: &str, execution: &Execution, profile: Profile) -> String {
    let mut parts = texts(code, execution, profile);
    parts.extend(ending(execution).map(str::to_owned));
    if execution.lost {
        parts.push(LOST.to_owned());
    }
    let text = parts.join("\n");
    if text.is_empty() {
        return String::from("(no output)");
    }
    shorten(&disarm(&text), limit(profile))
}

/// The beginning of what [`observe`] will say of `code`, as far as its outputs so far tell: whole lines, since the last
/// one may go on or be written anew.
///
/// Nothing is promised: a cell can take back what it has shown.
pub fn observe_so_far(code: &str, outputs: &[Output], profile: Profile) -> String {
    let execution = Execution {
        execution_count: None,
        status: Status::Ok,
        outputs: outputs.to_vec(),
        figures: Vec::new(),
        seconds: 0.0,
        lost: false,
    };
    let text = disarm(&texts(code, &execution, profile).join("\n"));
    let limit = limit(profile);
    let head = match text.char_indices().nth(limit) {
        Some(_) => text.chars().take(n_head(limit)).collect(),
        None => text,
    };
    head.rsplit_once('\n').map_or_else(String::new, |(lines, _)| lines.to_owned())
}

/// Whether the cell did not do what was asked. What it printed before does not make it a success.
pub fn failed(execution: &Execution) -> bool {
    execution.status != Status::Ok
}

/// Cuts `text` in the middle if it is longer than `limit` characters, and says how many are left out.
pub fn shorten(text: &str, limit: usize) -> String {
    let total = text.chars().count();
    if total <= limit {
        return text.to_owned();
    }
    let n_head = n_head(limit);
    let head: String = text.chars().take(n_head).collect();
    let tail: String = text.chars().skip(total - (limit - n_head)).collect();
    format!("{head}\n… [{} characters left out] …\n{tail}", total - limit)
}

/// How much of what is kept of a long text is from its beginning.
fn n_head(limit: usize) -> usize {
    limit * 2 / 3
}

fn limit(profile: Profile) -> usize {
    match profile {
        Profile::Full => FULL_LIMIT,
        Profile::Compact => COMPACT_LIMIT,
    }
}

fn texts(code: &str, execution: &Execution, profile: Profile) -> Vec<String> {
    let mut figures = Some(&execution.figures);
    let mut parts: Vec<String> = Vec::new();
    for output in &execution.outputs {
        let text = match output {
            Output::Stream { text, .. } => plain(text),
            Output::DisplayData { data, .. } | Output::ExecuteResult { data, .. } => {
                let described = !execution.figures.is_empty();
                if data.contains_key("image/png") && described {
                    // The first picture of a cell stands for all: the executor tells them together.
                    figures.take().map(|lines| lines.join("\n")).unwrap_or_default()
                } else {
                    bundle(data, described)
                }
            }
            // The `KeyboardInterrupt` is ours, not the cell's; the ending tells it in words.
            Output::Error { .. } if execution.status != Status::Error => continue,
            Output::Error { ename, evalue, traceback } => {
                let count = execution.execution_count;
                traceback::render(code, count, ename, evalue, traceback, profile)
            }
        };
        parts.push(text.trim_end_matches('\n').to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Plain words for an end that no output tells.
fn ending(execution: &Execution) -> Option<&'static str> {
    match execution.status {
        Status::Ok | Status::Error => None,
        Status::TimedOut => {
            Some("(stopped: the cell took longer than allowed; do it in less time)")
        }
        Status::Interrupted => Some("(stopped by the analyst)"),
        Status::Died => Some(
            "(the Python process died and was started afresh: all variables and imports are lost, load the data again)",
        ),
    }
}

/// The text of anything displayed that is not described otherwise.
fn bundle(data: &Map<String, Value>, figures_are_described: bool) -> String {
    if let Some(rows) = text_of(data, "text/html").as_deref().and_then(table::rows) {
        return plain(&rows);
    }
    let Some(text) = text_of(data, "text/plain") else { return without_plain_text(data) };
    if figures_are_described && (text.starts_with("<Figure") || text.starts_with("<Axes")) {
        return String::new();
    }
    narrow(&plain(&text))
}

fn without_plain_text(data: &Map<String, Value>) -> String {
    let readable = ["text/markdown", "text/latex"].iter().find_map(|mime| text_of(data, mime));
    let html = || text_of(data, "text/html").map(|html| table::text(&html));
    let named = || data.keys().next().map(|mime| format!("[output: {mime}]"));
    plain(&readable.or_else(html).or_else(named).unwrap_or_default())
}

/// A MIME value as text; nbformat allows a list of lines.
fn text_of(data: &Map<String, Value>, mime: &str) -> Option<String> {
    match data.get(mime)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(lines) => lines.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Runs of three or more spaces between two words become two: pandas pads its columns.
fn narrow(text: &str) -> String {
    let mut narrowed = String::with_capacity(text.len());
    let mut spaces = 0;
    for character in text.chars() {
        if character == ' ' {
            spaces += 1;
            continue;
        }
        let inside = character != '\n' && !narrowed.is_empty() && !narrowed.ends_with('\n');
        let kept = if inside && spaces > 2 { 2 } else { spaces };
        narrowed.extend(std::iter::repeat_n(' ', kept));
        narrowed.push(character);
        spaces = 0;
    }
    narrowed.extend(std::iter::repeat_n(' ', spaces));
    narrowed
}

#[cfg(test)]
mod tests;
