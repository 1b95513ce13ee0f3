//! The inspector: says what is wrong with a trajectory, by what it claims against what ran. Pure.
//!
//! The rewards grade; the inspector decides what is fit to be learnt from. It looks at four things: whether the record
//! agrees with itself, whether the work was done as the task's checklist demands, whether it left in namespace and
//! folder what it may, and whether the answer is right and stands on what was seen.

use crate::agent::Mode;
use crate::dialect::Action;
use crate::executor::{Output, Status};
use crate::llm::FinishReason;
use crate::reward::{Fault, Scores, Settings, form, is_well_formed, score};
use crate::trajectory::{Change, Checklist, Trajectory, Worth};

/// What is wrong with a trajectory, one sentence each; nothing if it is fit to be learnt from.
pub fn inspect(trajectory: &Trajectory) -> Vec<String> {
    let mut found = Vec::new();
    let mut problem = |is_wrong: bool, text: String| {
        if is_wrong {
            found.push(text);
        }
    };
    for (is_wrong, text) in record(trajectory) {
        problem(is_wrong, text);
    }
    for (is_wrong, text) in work(trajectory) {
        problem(is_wrong, text);
    }
    for (is_wrong, text) in traces(trajectory) {
        problem(is_wrong, text);
    }
    for (is_wrong, text) in worth(trajectory, &score(trajectory, &Settings::default(), 1.0, None)) {
        problem(is_wrong, text);
    }
    found
}

type Checks = Vec<(bool, String)>;

/// Whether what is written down agrees with itself.
fn record(trajectory: &Trajectory) -> Checks {
    let steps = &trajectory.steps;
    let mut checks = vec![
        (trajectory.task.prompt.trim().is_empty(), String::from("there is no question")),
        (
            !steps.iter().enumerate().all(|(at, done)| done.step.number == at + 1),
            String::from("the steps are not numbered one after the other"),
        ),
        (
            disagrees(trajectory),
            String::from("what the model wrote is not what was run and answered"),
        ),
    ];
    let counts: Vec<u64> =
        steps.iter().filter_map(|done| done.step.execution.execution_count).collect();
    checks.push((
        !counts.is_sorted_by(|a, b| a < b),
        String::from("the cells did not run one after the other"),
    ));
    for done in steps {
        let (number, execution) = (done.step.number, &done.step.execution);
        let raised = execution.outputs.iter().any(|output| matches!(output, Output::Error { .. }));
        checks.push((
            raised != (execution.status == Status::Error),
            format!("step {number} says that it failed and shows no error, or the other way round"),
        ));
        checks.push((done.step.code.trim().is_empty(), format!("step {number} has no code")));
        checks.push((done.step.thought.trim().is_empty(), format!("step {number} has no thought")));
    }
    checks
}

/// Whether the messages, read by the dialect's reader, are other than what is recorded.
fn disagrees(trajectory: &Trajectory) -> bool {
    if trajectory.written.is_empty() {
        return false;
    }
    let (dialect, mode) = (trajectory.dialect, trajectory.task.mode);
    let mut steps = trajectory.steps.iter().map(|done| &done.step);
    let mut answered = false;
    for message in &trajectory.written {
        match dialect.parse(mode, message, FinishReason::Stop).action {
            Action::Run { thought, code, .. } => {
                let same = steps.next().is_some_and(|step| {
                    step.code.trim() == code.trim() && step.thought.trim() == thought.trim()
                });
                if !same || answered {
                    return true;
                }
            }
            Action::Answer { thought, answer, .. } => {
                let same = trajectory.last_thought().trim() == thought
                    && trajectory.answer().map(str::trim) == Some(&*answer);
                if answered || !same {
                    return true;
                }
                answered = true;
            }
            Action::Ask { .. } | Action::Incomplete | Action::Malformed { .. } => {}
        }
    }
    steps.next().is_some() || answered != trajectory.answer().is_some()
}

/// Whether the work was done as it must: the form, the checklist, mistakes put right.
fn work(trajectory: &Trajectory) -> Checks {
    let (steps, list) = (&trajectory.steps, &trajectory.task.checklist);
    let failed = steps.iter().filter(|done| done.step.execution.status != Status::Ok).count();
    let form = form(trajectory.dialect, trajectory.task.mode, &trajectory.written);
    let malformed = !trajectory.written.is_empty() && !is_well_formed(&form);
    let last_failed = steps.last().is_some_and(|done| done.step.execution.status != Status::Ok);
    let last_is_mistake = steps.last().is_some_and(|done| done.worth == Worth::Mistake);
    let opens = |file: &String| {
        steps.iter().any(|done| done.evidence.as_ref().is_some_and(|e| e.opens.contains(file)))
    };
    let unread = list.reads.iter().filter(|file| !opens(file));
    let mut checks = vec![
        (malformed, String::from("a message does not keep to the form of the dialect")),
        (
            last_failed || last_is_mistake,
            String::from("a mistake was not put right before the answer"),
        ),
        (
            list.max_steps.is_some_and(|most| steps.len() > most),
            format!("it took {} steps", steps.len()),
        ),
        (list.max_failed.is_some_and(|most| failed > most), format!("{failed} steps failed")),
        (
            trajectory.task.mode == Mode::Reflection && !steps.is_empty(),
            String::from("code was run where only thought was asked for"),
        ),
    ];
    checks.extend(unread.map(|file| (true, format!("`{file}` was not read"))));
    checks
}

/// Whether it left in namespace and folder what it may.
fn traces(trajectory: &Trajectory) -> Checks {
    let Checklist { changes, leaves, .. } = &trajectory.task.checklist;
    let evidence: Vec<_> =
        trajectory.steps.iter().filter_map(|done| done.evidence.as_ref()).collect();
    let mut checks = Vec::new();
    for (file, change) in evidence.iter().flat_map(|evidence| &evidence.changes) {
        let what = match change {
            Change::Made => "made",
            Change::Changed => "changed",
            Change::Deleted => "deleted",
        };
        checks.push((!changes.contains(file), format!("`{file}` was {what}")));
    }
    for file in changes {
        let is_there = evidence.iter().any(|evidence| {
            evidence.changes.get(file).is_some_and(|change| *change != Change::Deleted)
        });
        checks.push((!is_there, format!("`{file}` was not written")));
    }
    for name in leaves {
        let set = evidence.iter().any(|evidence| evidence.writes.contains_key(name))
            || trajectory.given.variables.iter().any(|variable| variable.name == *name);
        checks.push((!set, format!("`{name}` was not set")));
    }
    checks
}

/// Whether the answer is right and stands on what was seen, and no step is there for nothing.
fn worth(trajectory: &Trajectory, scores: &Scores) -> Checks {
    // After a failure a look that nothing comes of is part of the way back.
    let after_failure =
        trajectory.steps.iter().map(|done| done.step.execution.status != Status::Ok);
    let after_failure = [false].into_iter().chain(after_failure);
    let steps = trajectory.steps.iter().zip(&scores.steps).zip(after_failure);
    let unsound = steps.filter(|((done, sound), after_failure)| {
        done.worth == Worth::Example
            && done.step.execution.status == Status::Ok
            && **sound == 0.0
            && !after_failure
    });
    let n_unsound = unsound.count();
    let mut checks = vec![
        (trajectory.answer().is_none(), String::from("there is no answer")),
        (
            scores.correct.is_some_and(|correct| correct < 1.0),
            String::from("the answer is not right, or was not seen"),
        ),
        (scores.grounded < 1.0, String::from("a number of the answer was not seen")),
        (scores.coherent < 1.0, String::from("a thought or the answer is about nothing")),
        (scores.economy < 1.0, String::from("most steps are there for nothing")),
        (scores.focus < 1.0, String::from("the answer names many numbers")),
        (scores.brevity < 1.0, String::from("it is too long")),
        (n_unsound > 1, format!("{n_unsound} steps were not used by anything")),
    ];
    checks.extend(scores.faults.iter().map(|fault| {
        let text = match fault {
            Fault::ForgedObservation => "it wrote what only the environment writes",
            Fault::ManyEnds => "it ended more than once",
            Fault::ForeignFile => "it read a file that it was neither given nor made",
        };
        (true, text.to_owned())
    }));
    checks
}

#[cfg(test)]
mod tests;
