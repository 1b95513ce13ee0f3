//! Rewards: what a trajectory is worth, reckoned from its tags and from what ran. Pure; `docs/rewards.md` has each
//! formula with its source.
//!
//! `R = λ·s + (1 − λ)·h`: the structure `s` ([`structure()`]) and the content `h`, whose weights a cosine curriculum
//! shifts ([`Settings::lambda`]). The content is that of the steps and of the whole, times how it was conducted.

mod checker;
mod flow;
mod judge;
mod source;
mod structure;
mod whole;

use serde::Serialize;

use crate::agent::Mode;
use crate::trajectory::Trajectory;

pub use checker::{Checker, Expected, refuses};
pub use judge::{Judge, JudgeError, Judgement, RewardModel};
pub use structure::{form, is_well_formed, structure};

use flow::Flow;
use whole::{
    brevity, coherent, correct, deepanalyze, economy, faults, focus, grounded, mean, step_scores,
};

/// The weights of the rewards.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// β: the share of the steps in the content, the rest is the whole's.
    pub beta: f64,
    /// γ: the share of being grounded in the whole, the rest is being right.
    pub gamma: f64,
    /// `λ_min` and `λ_max`: the share of structure at the end and at the beginning of training.
    pub lambda: (f64, f64),
    /// Steps that an answer need not stand on before the others are worth less: looks, mistakes and their corrections.
    pub free_steps: usize,
    /// Characters of thoughts and answer for each message before they are worth less.
    pub free_characters: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { beta: 0.4, gamma: 0.2, lambda: (0.1, 0.9), free_steps: 4, free_characters: 1_000 }
    }
}

impl Settings {
    /// `λ(t) = λ_min + ½(λ_max − λ_min)(1 + cos(π t/T))`; `progress` is t/T. Ours.
    pub fn lambda(&self, progress: f64) -> f64 {
        let (min, max) = self.lambda;
        min + 0.5 * (max - min) * (1.0 + (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos())
    }
}

/// What makes the content of a trajectory worthless, whatever it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It wrote what only the environment writes.
    ForgedObservation,
    /// It ended more than once.
    ManyEnds,
    /// It read a file that it was neither given nor made itself.
    ForeignFile,
}

/// The scores of a trajectory, from 0 to 1 but for `deepanalyze`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// The trajectory's.
    pub id: String,
    /// `R`: what it is worth.
    pub reward: f64,
    /// `s`: its form; none where nobody wrote tags.
    pub structure: Option<f64>,
    /// `h`: its content.
    pub content: f64,
    /// `x`: the soundness of each step.
    pub steps: Vec<f64>,
    /// `c`: whether the answer is right and was seen; none where no program can say.
    pub correct: Option<f64>,
    /// `g`: the share of the answer's numbers that were seen in what the data showed.
    pub grounded: f64,
    /// `k`: whether thoughts and answer are about something.
    pub coherent: f64,
    /// `e`: whether it took few steps that the answer does not stand on.
    pub economy: f64,
    /// `b`: whether it used few words.
    pub brevity: f64,
    /// `f`: whether the answer names few numbers.
    pub focus: f64,
    /// What makes its content worthless.
    pub faults: Vec<Fault>,
    /// The hybrid reward of `DeepAnalyze`, from −1 to 1; none for a report that no model has judged.
    pub deepanalyze: Option<f64>,
}

/// Scores a trajectory at a point of the training, `progress` from 0 to 1.
pub fn score(
    trajectory: &Trajectory,
    settings: &Settings,
    progress: f64,
    judgement: Option<&Judgement>,
) -> Scores {
    let written = (!trajectory.written.is_empty())
        .then(|| form(trajectory.dialect, trajectory.task.mode, &trajectory.written));
    let flow = Flow::of(trajectory);
    let faults = faults(written.as_ref(), &flow);
    let steps = step_scores(&flow, judgement);
    let correct = correct(trajectory, &flow, judgement);
    let grounded = grounded(trajectory, &flow);
    let economy = economy(&flow, settings);
    let brevity = brevity(trajectory, &flow, settings);
    let coherent = coherent(trajectory, &flow, correct);
    let focus = focus(trajectory, &flow);
    let mut whole =
        correct.map_or(grounded, |c| (1.0 - settings.gamma) * c + settings.gamma * grounded);
    if let Some(judgement) = judgement {
        whole = f64::midpoint(whole, judgement.whole);
    }
    let beta = if trajectory.task.mode == Mode::Reflection { 0.0 } else { settings.beta };
    let sound = mean(&steps).unwrap_or(if flow.needs_a_look(trajectory) { 0.0 } else { 1.0 });
    let conduct = if faults.is_empty() { economy * brevity * coherent * focus } else { 0.0 };
    let content = conduct * (beta * sound + (1.0 - beta) * whole);
    let structure = written.as_ref().map(structure::structure);
    let lambda = settings.lambda(progress);
    Scores {
        id: trajectory.id.clone(),
        reward: structure.map_or(content, |s| lambda * s + (1.0 - lambda) * content),
        deepanalyze: deepanalyze(trajectory, written.as_ref(), correct, sound, judgement),
        structure,
        content,
        steps,
        correct,
        grounded,
        coherent,
        economy,
        brevity,
        focus,
        faults,
    }
}

#[cfg(test)]
mod tests;
