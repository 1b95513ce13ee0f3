//! The clean notebook: what anybody runs under `python3`, without Datarus. Pure.

use serde_json::{Value, json};

use super::Audience;
use super::tree::plain;
use super::turns::{Turn, role, source, turns};
use crate::cells::{folded, has_tag, turn_below};
use crate::markdown::sanitized;
use crate::notebook::Notebook;

/// A notebook whose code cells replay: questions are headings, thoughts are left out for a reader, and steps that
/// failed too; nothing of ours is left in its metadata but where links lead.
pub fn clean(notebook: &Notebook, audience: Audience) -> Notebook {
    let mut made = Notebook::default();
    let kernelspec = json!({"name": "python3", "display_name": "Python 3", "language": "python"});
    made.metadata.insert("kernelspec".into(), kernelspec);
    let turns = turns(&notebook.cells);
    let (mut at, mut turns) = (0, turns.iter());
    while let Some(cell) = notebook.cells.get(at) {
        if role(cell) == "prompt" {
            made.cells
                .extend(turns.next().map(|turn| turn_cells(turn, audience)).unwrap_or_default());
            at = turn_below(&notebook.cells, at).end;
        } else {
            made.cells.extend(own_cell(cell));
            at += 1;
        }
    }
    made
}

/// A cell of the user's. One that speaks to our kernel alone is left out.
fn own_cell(cell: &Value) -> Option<Value> {
    let mut cell = cell.clone();
    if cell["cell_type"] == "code" {
        let text = source(&cell);
        if text.trim_start().starts_with("%datarus") {
            return None;
        }
        let python = text.strip_prefix("%%py").filter(|rest| rest.starts_with('\n'));
        if let Some(python) = python.map(|rest| rest.trim_start().to_owned()) {
            cell["source"] = json!(python);
        }
    }
    forget(&mut cell);
    Some(cell)
}

fn turn_cells(turn: &Turn<'_>, audience: Audience) -> Vec<Value> {
    let id = turn.prompt["id"].as_str().unwrap_or_default();
    let question = match turn.question.as_str() {
        "" => plain(&turn.title()),
        question => sanitized(question).replace('\n', " "),
    };
    let mut cells = vec![markdown(id, &format!("## {question}"))];
    for step in &turn.steps {
        let id = step.cell["id"].as_str().unwrap_or_default();
        let is_reviewed = audience == Audience::Reviewer;
        for (part, said) in [("u", &step.understanding), ("t", &step.thought)] {
            if is_reviewed && !said.trim().is_empty() {
                cells.push(markdown(&format!("{id}{part}"), &sanitized(said)));
            }
        }
        if step.worked() {
            let mut cell = step.cell.clone();
            forget(&mut cell);
            cells.push(cell);
        } else if is_reviewed {
            let title = format!("A step that failed: {}", step.title());
            cells.push(markdown(id, &folded(&title, &fenced(source(step.cell)))));
        }
    }
    if let Some(answer) = turn.answer {
        let mut cell = answer.clone();
        forget(&mut cell);
        cells.push(cell);
    }
    cells
}

/// Code as a block that it cannot end.
fn fenced(code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}python\n{code}\n{fence}")
}

fn markdown(id: &str, source: &str) -> Value {
    json!({"cell_type": "markdown", "id": id, "metadata": {}, "source": source})
}

/// Takes away what is ours, and what folds a cell.
fn forget(cell: &mut Value) {
    let ours = |tag: &Value| tag.as_str().is_some_and(|tag| tag.starts_with("datarus-"));
    let keeps_skip = has_tag(cell, "skip-execution");
    let Some(metadata) = cell.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.shift_remove("datarus");
    let tags = metadata.get_mut("tags").and_then(Value::as_array_mut);
    let left = tags.map(|tags| {
        tags.retain(|tag| !ours(tag));
        tags.len()
    });
    if left == Some(0) {
        metadata.shift_remove("tags");
    }
    if !keeps_skip {
        metadata.shift_remove("jupyter");
    }
}
