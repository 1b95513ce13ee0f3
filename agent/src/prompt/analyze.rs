//! The words that DeepAnalyze was trained on.

use std::collections::BTreeSet;

use serde_json::json;

use super::{FULL_COLUMNS, FULL_FILES, Reply, asked, columns, data_notes, seen_variables};
use crate::agent::{FileInfo, Task};
use crate::executor::Namespace;

/// The question and the files, of which `# Data` tells names and sizes alone, as in training. What the files hold, and
/// the `DataFrames` where the notebook keeps its state, belong to the instruction.
pub(super) fn question(namespace: Namespace, task: &Task, told: &BTreeSet<String>) -> String {
    let mut parts = vec![format!("# Instruction\n{}", asked(task))];
    let variables = seen_variables(namespace, task);
    let variables =
        variables.map(|frame| format!("\n- {}: {}", frame.name, columns(frame, FULL_COLUMNS)));
    let variables: String = variables.collect();
    if !variables.is_empty() {
        parts.push(format!("DataFrames that exist:{variables}"));
    }
    let data = data_notes(task, told);
    if !data.is_empty() {
        parts.push(data);
    }
    let mut files: Vec<&FileInfo> = task.files.iter().collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    for (at, file) in files.into_iter().take(FULL_FILES).enumerate() {
        let heading = if at == 0 { "# Data\n" } else { "" };
        parts.push(format!("{heading}File {}:\n{}", at + 1, described(file)));
    }
    parts.join("\n\n")
}

/// Whether nothing is said after a step: the model goes on with its message, and sees in it how the step ended.
pub(super) fn goes_on(reply: Reply<'_>) -> bool {
    match reply {
        Reply::Continue { steps_left } => steps_left > 1,
        Reply::Failed => true,
        Reply::Repeated
        | Reply::Changed { .. }
        | Reply::Asked { .. }
        | Reply::Ungrounded { .. }
        | Reply::Malformed { .. } => false,
    }
}

/// A file as one line of JSON.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn described(file: &FileInfo) -> String {
    let size = format!("{:.1}KB", file.bytes as f64 / 1024.0);
    format!("{{\"name\": {}, \"size\": {}}}", json!(file.name), json!(size))
}
