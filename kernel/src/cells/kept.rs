//! What ran of a failed step before it failed, where later steps need it.
//!
//! A failed step is skipped when the notebook replays. If it set variables that a later step uses, that later step
//! would fail; so the statements that ran become a cell of their own. Python tells which they are.

use serde_json::{Value, json};

use super::{StepRecord, TurnRecord};

const SCRIPT: &str = include_str!("kept.py");

/// Code that prints what [`fill_in`] takes; none when no step of the turn needs a look.
pub(crate) fn question(record: &TurnRecord) -> Option<String> {
    let last_that_worked = record.steps.iter().rposition(StepRecord::worked)?;
    let mut before = record.steps.iter().take(last_that_worked);
    if !before.any(|step| failing_line(step).is_some()) {
        return None;
    }
    let steps: Vec<Value> = record
        .steps
        .iter()
        .map(|step| json!({"code": step.code, "line": failing_line(step), "worked": step.worked()}))
        .collect();
    // Through a string of its own: JSON has names for values that Python has not.
    let steps = json!(json!(steps).to_string());
    Some(format!("exec({}, {{\"STEPS\": __import__(\"json\").loads({steps})}})", json!(SCRIPT)))
}

/// Fills in [`StepRecord::kept`] from what was printed.
pub(crate) fn fill_in(record: &mut TurnRecord, printed: &Value) {
    for (step, kept) in record.steps.iter_mut().zip(printed.as_array().into_iter().flatten()) {
        step.kept = kept.as_str().map(str::to_owned);
    }
}

/// The line of the step's code at which it failed, from its traceback: `Cell In[8], line 3`.
fn failing_line(step: &StepRecord) -> Option<u64> {
    if !matches!(&*step.status, "error" | "interrupted" | "timed_out") {
        return None;
    }
    let mark = format!("Cell In[{}], line ", step.execution_count?);
    let texts = step.outputs.iter().filter_map(|output| output["text"].as_str());
    let rest = texts.filter_map(|text| text.split_once(&mark)).map(|(_, rest)| rest).next_back()?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
