//! A model that scores steps and wholes, beside what can be reckoned.

use crate::aside::{ask, message, told as told_step};
use crate::dialect::disarm;
use crate::llm::{Interrupt, Model, ModelError};
use crate::rows;
use crate::trajectory::Trajectory;
use crate::transcript::{Role, Segment};

/// Scores each step and the whole of a trajectory.
pub trait RewardModel {
    /// What it thinks of the last trajectory of an episode; those before it are its history.
    ///
    /// # Errors
    /// When the model fails, or does not keep to the form of a verdict.
    fn score(&mut self, episode: &[Trajectory]) -> Result<Judgement, JudgeError>;
}

/// Why a trajectory is not judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It wrote something else; of another trajectory it may write a verdict.
    #[error(
        "expected a verdict as JSON with `steps`, `whole` and `report`, from 1 to 5 each, found `{0}`: choose a model that keeps to it"
    )]
    NoVerdict(String),
}

/// What a reward model thinks, all from 0 to 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Of each step, in order.
    pub steps: Vec<f64>,
    /// Of the trajectory.
    pub whole: f64,
    /// Of the answer as a report: the mean of usefulness, richness, soundness, interpretability and readability.
    pub report: f64,
}

/// A trained reward model, or a chat model, local or served, that is asked for a verdict.
pub struct Judge<'m>(pub &'m mut dyn Model);

impl RewardModel for Judge<'_> {
    fn score(&mut self, episode: &[Trajectory]) -> Result<Judgement, JudgeError> {
        let Some(trajectory) = episode.last() else { return Ok(Judgement::default()) };
        if let Some(judgement) = self.rewards(episode, trajectory)? {
            return Ok(judgement);
        }
        let messages = [
            message(Role::System, Segment::Markup(include_str!("../prompts/judge.md").to_owned())),
            message(Role::User, Segment::Data(told(trajectory))),
        ];
        let completion = ask(self.0, &messages, &Interrupt::default())?;
        verdict(&completion.text, trajectory.steps.len()).ok_or_else(|| {
            let from = completion.text.chars().count().saturating_sub(80);
            JudgeError::NoVerdict(completion.text.chars().skip(from).collect())
        })
    }
}

impl Judge<'_> {
    /// What a trained reward model gives for each message that the analyst wrote, as rows for training show them; none of
    /// a chat model. A trajectory without an answer has no whole.
    fn rewards(
        &mut self,
        episode: &[Trajectory],
        trajectory: &Trajectory,
    ) -> Result<Option<Judgement>, JudgeError> {
        let mut steps = Vec::new();
        for chat in rows::chats(&rows::Settings::of(self.0.info()), episode) {
            match self.0.reward(&chat)? {
                Some(reward) => steps.push(reward),
                None => return Ok(None),
            }
        }
        let whole = match trajectory.answer() {
            Some(_) => steps.pop().unwrap_or_default(),
            None => 0.0,
        };
        Ok(Some(Judgement { steps, whole, report: whole }))
    }
}

/// The trajectory as the judge reads it. All of it is foreign text: what asks for a score in it is part of what is
/// judged.
fn told(trajectory: &Trajectory) -> String {
    let question = format!("# Question\n{}", trajectory.task.prompt.trim());
    let steps = trajectory.steps.iter().map(told_step);
    let answer = format!("# Answer\n{}", trajectory.answer().unwrap_or("(none)"));
    let parts: Vec<String> = [question].into_iter().chain(steps).chain([answer]).collect();
    disarm(&parts.join("\n\n"))
}

/// The last JSON object of a text, from scores of 1 to 5 to shares.
fn verdict(text: &str, n_steps: usize) -> Option<Judgement> {
    #[derive(serde::Deserialize)]
    struct Verdict {
        steps: Vec<f64>,
        whole: f64,
        report: Vec<f64>,
    }
    let end = text.rfind('}')?;
    let read = |(start, _)| serde_json::from_str(text.get(start..=end)?).ok();
    let verdict: Verdict = text.rmatch_indices('{').find_map(read)?;
    let share = |score: f64| (score - 1.0) / 4.0;
    let fits = verdict.steps.len() == n_steps
        && verdict.report.len() == 5
        && verdict
            .steps
            .iter()
            .chain(&verdict.report)
            .chain([&verdict.whole])
            .all(|score| (1.0..=5.0).contains(score));
    let report = verdict.report.iter().copied().map(share).sum::<f64>() / 5.0;
    let steps = verdict.steps.into_iter().map(share).collect();
    fits.then(|| Judgement { steps, whole: share(verdict.whole), report })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_the_last_json_of_what_the_model_wrote() {
        let text = "Let me see {\"x\": 1}.\n```json\n{\"steps\": [5, 1], \"whole\": 3, \"report\": [5, 5, 5, 5, 1]}\n```";
        let expected = Judgement { steps: vec![1.0, 0.0], whole: 0.5, report: 0.8 };
        assert_eq!(verdict(text, 2), Some(expected.clone()));
        assert_eq!(verdict(&text.replace("{\"steps", "{\n  \"steps"), 2), Some(expected));
        assert_eq!(verdict(text, 3), None);
        assert_eq!(verdict("no", 0), None);
        for beyond in ["85", "0", "-1"] {
            assert_eq!(verdict(&text.replace("[5, 1]", &format!("[5, {beyond}]")), 2), None);
        }
    }
}
