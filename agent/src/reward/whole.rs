//! The parts of the content: the steps, the answer, and how the work was conducted. Each formula is ours unless it
//! names its source.

use std::collections::HashSet;

use super::checker::{Expected, is_one_of_several, number, refuses};
use super::flow::{Flow, Use};
use super::structure::{float, is_well_formed, ratio};
use super::{Fault, Judgement, Settings};
use crate::agent::Mode;
use crate::dialect::Form;
use crate::executor::Status;
use crate::trajectory::Trajectory;

/// Numbers that an answer may hold before it is one among many: so many, or three for each value that is wanted.
const FEW_NUMBERS: usize = 6;

/// From so many words on a thought must not repeat itself.
const MANY_WORDS: usize = 12;

/// The least share of words of a thought that differ.
const DIFFERENT: f64 = 0.4;

/// Turns from which on more are worth nothing, in `DeepAnalyze`'s reward for reports.
const TURNS: f64 = 10.0;

/// What makes the content worthless.
pub(super) fn faults(form: Option<&Form>, flow: &Flow<'_>) -> Vec<Fault> {
    let found = [
        (form.is_some_and(|form| form.forged > 0), Fault::ForgedObservation),
        (form.is_some_and(|form| form.terminals > 1), Fault::ManyEnds),
        (flow.reads_foreign_files, Fault::ForeignFile),
    ];
    found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, fault)| fault).collect()
}

/// `x_k = ran · ½(used + needed)`, with a reward model the mean of that and its score.
pub(super) fn step_scores(flow: &Flow<'_>, judgement: Option<&Judgement>) -> Vec<f64> {
    let sound = flow.steps.iter().map(|step| match step.use_made {
        Use::Used if step.ran => 0.5,
        Use::Needed if step.ran => 1.0,
        _ => 0.0,
    });
    let Some(judgement) = judgement else { return sound.collect() };
    let judged = judgement.steps.iter().copied().chain(std::iter::repeat(0.0));
    sound.zip(judged).map(|(sound, judged)| f64::midpoint(sound, judged)).collect()
}

/// `c`: 1 if the answer is right by the checker and its values were seen. Of a report it is a reward model's score, and
/// without a checker what that thinks of the whole.
pub(super) fn correct(
    trajectory: &Trajectory,
    flow: &Flow<'_>,
    judgement: Option<&Judgement>,
) -> Option<f64> {
    let answer = trajectory.answer().unwrap_or_default();
    let Some(checker) = &trajectory.task.checker else {
        return judgement.map(|judgement| judgement.whole);
    };
    let Some(right) = checker.right(answer, &flow.figures()) else {
        return judgement.map(|judgement| judgement.report);
    };
    let is_reflection = trajectory.task.mode == Mode::Reflection;
    let seen = match checker.kind {
        _ if is_reflection => true,
        Expected::Unrelated => true,
        Expected::Refusal => flow.has_looked() || !flow.has_data,
        Expected::Figure | Expected::Report => flow.has_looked(),
        Expected::Number | Expected::Text => {
            let values = checker.values.iter().filter(|value| number(value).is_some());
            values.clone().all(|value| flow.has_seen(value))
                && (flow.has_looked() || !flow.has_data)
        }
    };
    Some(if right && seen { 1.0 } else { 0.0 })
}

/// `f = min(1, max(6, 3·values)/numbers) · min(1, 2·words/names)`, halved where a wanted value is one of several (`North or
/// South`): an answer does not name everything, neither numbers nor, where a word is wanted, the others of its column.
/// Reports may.
pub(super) fn focus(trajectory: &Trajectory, flow: &Flow<'_>) -> f64 {
    let checker = trajectory.task.checker.as_ref();
    let Some(checker) = checker.filter(|checker| checker.kind != Expected::Report) else {
        return 1.0;
    };
    let allowed = FEW_NUMBERS.max(3 * checker.values.len());
    let answer = trajectory.answer().unwrap_or_default();
    let is_hedged = matches!(checker.kind, Expected::Number | Expected::Text)
        && checker.values.iter().any(|value| is_one_of_several(answer, value));
    let numbers =
        ratio(allowed, flow.claims.len().max(allowed)) * if is_hedged { 0.5 } else { 1.0 };
    let values = checker.values.iter().map(String::as_str);
    let words: Vec<&str> = values.filter(|value| number(value).is_none()).collect();
    if checker.kind != Expected::Text || words.is_empty() {
        return numbers;
    }
    // A name with a number of its own is a line of a table that was asked for.
    let named = flow.named(&words, &trajectory.task.prompt, answer);
    let named = named.saturating_sub(flow.claims.len());
    numbers * ratio(2 * words.len(), named.max(2 * words.len()))
}

/// `g`: the share of the answer's numbers that were seen; those of the question are not counted. An answer without
/// numbers is grounded if anything of the data was looked at.
pub(super) fn grounded(trajectory: &Trajectory, flow: &Flow<'_>) -> f64 {
    let Some(answer) = trajectory.answer() else { return 0.0 };
    if trajectory.task.mode == Mode::Reflection {
        return 1.0;
    }
    let own: Vec<_> = flow.claims.iter().filter(|claim| !claim.is_restated).collect();
    if own.is_empty() {
        let checker = trajectory.task.checker.as_ref();
        let is_unrelated = checker.is_some_and(|checker| checker.kind == Expected::Unrelated);
        let nothing_to_see = is_unrelated || (!flow.has_data && refuses(answer));
        return if flow.has_looked() || nothing_to_see { 1.0 } else { 0.0 };
    }
    ratio(own.iter().filter(|claim| claim.seen_by.is_some()).count(), own.len())
}

/// `e = min(1, (needed + free)/steps)`.
pub(super) fn economy(flow: &Flow<'_>, settings: &Settings) -> f64 {
    let allowed =
        flow.steps.iter().filter(|step| step.use_made == Use::Needed).count() + settings.free_steps;
    ratio(allowed, flow.steps.len().max(allowed))
}

/// `b = min(1, free·messages/characters)`, where steps beyond those allowed bring no room of their own.
pub(super) fn brevity(trajectory: &Trajectory, flow: &Flow<'_>, settings: &Settings) -> f64 {
    let allowed =
        flow.steps.iter().filter(|step| step.use_made == Use::Needed).count() + settings.free_steps;
    let room = settings.free_characters * (flow.steps.len().min(allowed) + 1);
    let is_report = trajectory.task.checker.as_ref().is_some_and(|c| c.kind == Expected::Report);
    let answer = trajectory.answer().filter(|_| !is_report).unwrap_or_default();
    let thoughts = trajectory.steps.iter().map(|done| &*done.step.thought);
    let texts = thoughts.chain([trajectory.last_thought(), answer]);
    let written: usize = texts.map(|text| text.chars().count()).sum();
    ratio(room, written.max(room))
}

/// `k`: the share of thoughts that say something, halved where the answer is neither about the question nor about what
/// was seen, nor right.
pub(super) fn coherent(trajectory: &Trajectory, flow: &Flow<'_>, correct: Option<f64>) -> f64 {
    let thoughts = trajectory.steps.iter().map(|done| &*done.step.thought);
    let thoughts: Vec<&str> = thoughts.chain([trajectory.last_thought()]).collect();
    let sane = thoughts.iter().filter(|thought| says_something(thought)).count();
    let is_right = correct.is_some_and(|correct| correct > 0.0);
    let about =
        is_right || trajectory.answer().is_some_and(|answer| is_about(trajectory, flow, answer));
    ratio(sane, thoughts.len()) * if about { 1.0 } else { 0.5 }
}

fn says_something(thought: &str) -> bool {
    let words: Vec<String> = thought.split_whitespace().map(str::to_lowercase).collect();
    let different: HashSet<&String> = words.iter().collect();
    let varied = words.len() < MANY_WORDS || ratio(different.len(), words.len()) >= DIFFERENT;
    !words.is_empty() && varied
}

fn is_about(trajectory: &Trajectory, flow: &Flow<'_>, answer: &str) -> bool {
    let is_seen = flow.claims.iter().any(|claim| claim.seen_by.is_some());
    let question = trajectory.task.prompt.to_lowercase();
    let answer = answer.to_lowercase();
    let words =
        answer.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    let mut words = words.filter(|word| !matches!(*word, "the" | "and" | "for" | "are" | "not"));
    is_seen || words.any(|word| question.contains(word) || flow.last_shows(word))
}

/// The hybrid rewards of `DeepAnalyze`: −1 where the form is wrong, `½(correct + interaction)` for questions,
/// `⅓(report + min(turns/10, 1) + share of code that ran)` for reports. The interaction score, there a model's, is here
/// the mean of the steps; a report's score is a reward model's.
///
/// # Source
/// `DeepAnalyze`, <https://arxiv.org/abs/2510.16872>.
pub(super) fn deepanalyze(
    trajectory: &Trajectory,
    form: Option<&Form>,
    correct: Option<f64>,
    interaction: f64,
    judgement: Option<&Judgement>,
) -> Option<f64> {
    if !form.is_none_or(is_well_formed) {
        return Some(-1.0);
    }
    let is_report =
        trajectory.task.checker.as_ref().is_some_and(|checker| checker.kind == Expected::Report);
    if !is_report {
        return Some(f64::midpoint(correct.unwrap_or_default(), interaction));
    }
    let ran =
        trajectory.steps.iter().filter(|done| done.step.execution.status == Status::Ok).count();
    let turns = (float(trajectory.steps.len()) / TURNS).min(1.0);
    Some((judgement?.report + turns + ratio(ran, trajectory.steps.len())) / 3.0)
}

/// The mean; none of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / float(values.len()))
}
