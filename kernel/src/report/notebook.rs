//! The clean notebook: what anybody runs under `python3`, without Datarus. Pure.

use serde_json::{Map, Value, json};

use super::Audience;
use super::tree::plain;
use super::turns::{Turn, source, turns};
use crate::cells::{asks, folded, has_tag, turn_below};
use crate::markdown::sanitized;
use crate::notebook::Notebook;

/// What of the notebook's metadata and of a cell's is kept: `datarus verify` looks up data, versions and numbers of
/// answers by it. To other kernels it says nothing.
const OF_NOTEBOOK: [&str; 2] = ["datasets", "env"];
const OF_CELL: [&str; 5] = ["role", "turn", "stage", "status", "numbers_not_found"];

/// A notebook whose code cells replay: questions are headings, thoughts are left out for a reader, and steps that
/// failed too.
pub fn clean(notebook: &Notebook, audience: Audience) -> Notebook {
    let mut made = Notebook::default();
    let kernelspec = json!({"name": "python3", "display_name": "Python 3", "language": "python"});
    made.metadata.insert("kernelspec".into(), kernelspec);
    let facts = kept(notebook.metadata.get("datarus"), &OF_NOTEBOOK);
    made.metadata.extend(facts.map(|facts| ("datarus".to_owned(), facts)));
    let turns = turns(&notebook.cells);
    let (mut at, mut turns) = (0, turns.iter());
    while let Some(cell) = notebook.cells.get(at) {
        if asks(cell) {
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
    let question = match turn.question.as_str() {
        _ if turn.stage.is_some() => plain(&turn.title()),
        "" => plain(&turn.title()),
        question => sanitized(question).replace('\n', " "),
    };
    let heading = markdown(turn.prompt, "", "question", &format!("## {question}"));
    let mut cells = vec![heading];
    for step in &turn.steps {
        let is_reviewed = audience == Audience::Reviewer;
        let said = [("u", "understanding", &step.understanding), ("t", "thought", &step.thought)];
        for (part, role, said) in said {
            if is_reviewed && !said.trim().is_empty() {
                cells.push(markdown(step.cell, part, role, &sanitized(said)));
            }
        }
        if step.worked() {
            let mut cell = step.cell.clone();
            forget(&mut cell);
            cells.push(cell);
        } else if is_reviewed {
            let title = format!("A step that failed: {}", step.title());
            let text = folded(&title, &fenced(source(step.cell)));
            cells.push(markdown(step.cell, "", "failed", &text));
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

/// A text in the place of a cell, or of a part of it.
fn markdown(cell: &Value, part: &str, role: &str, source: &str) -> Value {
    let id = cell["id"].as_str().unwrap_or_default();
    let mut facts = kept(cell["metadata"].get("datarus"), &OF_CELL).unwrap_or_else(|| json!({}));
    facts["role"] = json!(role);
    json!({"cell_type": "markdown", "id": format!("{id}{part}"), "metadata": {"datarus": facts}, "source": source})
}

/// The fields of what is ours that stay; none if there are none.
fn kept(facts: Option<&Value>, fields: &[&str]) -> Option<Value> {
    let field = |name: &&str| Some(((*name).to_owned(), facts?.get(*name)?.clone()));
    let kept: Map<_, _> = fields.iter().filter_map(field).collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// Takes away what is ours, but for what is checked by it, and what folds a cell.
fn forget(cell: &mut Value) {
    let ours = |tag: &Value| tag.as_str().is_some_and(|tag| tag.starts_with("datarus-"));
    let keeps_skip = has_tag(cell, "skip-execution");
    let Some(metadata) = cell.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let facts = kept(metadata.get("datarus"), &OF_CELL);
    metadata.shift_remove("datarus");
    metadata.extend(facts.map(|facts| ("datarus".to_owned(), facts)));
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
