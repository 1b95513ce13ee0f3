//! Which cells of a notebook run again, and which show what is not checked. Pure.

use serde_json::{Value, json};

use super::NotRun;
use crate::cells::{STEP_MIME, datarus, has_tag};
use crate::notebook::Notebook;
use crate::route::{Role, Route, route};

/// What is done with a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// It is Python, and runs.
    Code,
    /// It does not run, and shows nothing that code put out.
    Silent,
    /// It does not run, and shows what code has put out, or somebody has written there; with why.
    Unchecked(&'static str),
}

/// Judges a cell as the kernel does. A question and what sets Python's reach do not run: what the kernel says in them is
/// no output of code.
pub(super) fn part_of(cell: &Value) -> Part {
    let source = cell["source"].as_str().unwrap_or_default();
    let outputs = || cell["outputs"].as_array().into_iter().flatten();
    let unchecked = |shows: bool, why| if shows { Part::Unchecked(why) } else { Part::Silent };
    let role = datarus(cell, "role").and_then(Value::as_str);
    if cell["cell_type"] != "code" || role == Some("prompt") || has_tag(cell, "datarus-failed") {
        return Part::Silent;
    }
    let is_turn = |output: &Value| output["data"].get(STEP_MIME).is_some();
    match route(source, role.and_then(Role::named)) {
        // The kernel knew whether the names existed: a turn says that they did not.
        Route::PromptUnlessDefined { .. } if outputs().any(is_turn) => Part::Silent,
        Route::Prompt(_) | Route::Setting(_) => {
            let is_said = |output: &Value| {
                matches!(output["output_type"].as_str(), Some("stream" | "error"))
                    || is_turn(output)
            };
            unchecked(!outputs().all(is_said), "is a question or a setting")
        }
        _ if source.trim().is_empty() => unchecked(outputs().next().is_some(), "has no code"),
        _ if has_tag(cell, "skip-execution") => {
            unchecked(outputs().next().is_some(), "is tagged skip-execution")
        }
        Route::Python | Route::PythonAs(_) | Route::PromptUnlessDefined { .. } => Part::Code,
    }
}

/// The notebook in which only code is to be run, and is known to be code.
pub(super) fn only_code(notebook: &Notebook, parts: &[Part]) -> Notebook {
    let mut notebook = notebook.clone();
    for (cell, part) in notebook.cells.iter_mut().zip(parts) {
        if *part != Part::Code {
            cell["cell_type"] = json!("raw");
            continue;
        }
        let facts = &mut cell["metadata"]["datarus"];
        if !facts.is_object() {
            *facts = json!({});
        }
        facts["role"] = json!("code");
    }
    notebook
}

pub(super) fn not_run(cells: &[Value], parts: &[Part]) -> Vec<NotRun> {
    let each = |(cell, part): (&Value, &Part)| match part {
        Part::Unchecked(why) => Some(NotRun {
            id: cell["id"].as_str().unwrap_or_default().to_owned(),
            execution_count: cell["execution_count"].as_u64(),
            why,
        }),
        _ => None,
    };
    cells.iter().zip(parts).filter_map(each).collect()
}
