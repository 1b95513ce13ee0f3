//! Pairs of a step and what was better in its place.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Move, Played, meta, said};
use crate::executor::Status;
use crate::trajectory::{Done, Trajectory, Worth};

/// The least share of words that a mistake and its correction have in common.
const ALIKE: f64 = 0.5;

/// A pair for each step that the analyst corrected, and for each mistake that a later step puts right.
pub(super) fn rows(trajectory: &Trajectory, played: &Played) -> Vec<Value> {
    let moves: Vec<(&Done, &Move)> = trajectory.steps.iter().zip(&played.moves).collect();
    let mut rows = Vec::new();
    let mut pair = |prompt: &[Value], chosen: &str, rejected: &str| {
        if chosen != rejected {
            rows.push(row(trajectory, prompt, chosen, rejected));
        }
    };
    for (at, (done, one)) in moves.iter().enumerate() {
        let code = |text: &str| one.written.replacen(&done.step.code, text, 1);
        if let Some(superseded) = &done.superseded {
            pair(&one.prompt, &one.written, &code(superseded));
        }
        let is_wrong = done.worth == Worth::Mistake || done.step.execution.status == Status::Error;
        let later = moves.get(at + 1..).unwrap_or_default();
        if let Some((_, right)) = correction(done, later).filter(|_| is_wrong) {
            pair(&one.prompt, &right.written, &one.written);
        }
    }
    if let (Some(superseded), Some(end)) = (&trajectory.superseded_answer, played.moves.last()) {
        let answer = trajectory.answer().unwrap_or_default();
        let rejected = end.written.replacen(answer, superseded, 1);
        pair(&end.prompt, &end.written, &rejected);
    }
    rows
}

/// Where a right trajectory and a wrong one of the same task part.
pub(super) fn between(trajectory: &Trajectory, right: &Played, wrong: &Played) -> Option<Value> {
    let mut both = right.moves.iter().zip(&wrong.moves);
    let (better, worse) = both.find(|(better, worse)| better.written != worse.written)?;
    let is_one_chat = better.prompt == worse.prompt;
    is_one_chat.then(|| row(trajectory, &better.prompt, &better.written, &worse.written))
}

fn row(trajectory: &Trajectory, prompt: &[Value], chosen: &str, rejected: &str) -> Value {
    json!({
        "prompt": prompt,
        "chosen": [said("assistant", chosen)],
        "rejected": [said("assistant", rejected)],
        "task_id": trajectory.task.id,
        "meta": meta(trajectory),
    })
}

/// The later step that works and is most like the wrong one.
fn correction<'a>(wrong: &Done, later: &[(&'a Done, &'a Move)]) -> Option<(&'a Done, &'a Move)> {
    let right = later.iter().filter(|(done, _)| {
        done.worth == Worth::Example && done.step.execution.status == Status::Ok
    });
    let likeness = |done: &Done| likeness(&wrong.step.code, &done.step.code);
    let best = right.max_by(|(a, _), (b, _)| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best.0) >= ALIKE).then_some(*best)
}

/// The share of words that two pieces of code have in common, of those that either has.
fn likeness(a: &str, b: &str) -> f64 {
    let words = |code: &str| -> HashSet<String> {
        let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (a, b) = (words(a), words(b));
    let float = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    float(a.intersection(&b).count()) / float(a.union(&b).count().max(1))
}
