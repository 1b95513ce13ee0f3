//! The end of a turn: an answer whose numbers were printed, or a second look at one whose were not; a plan that is one.

use std::ops::ControlFlow::{self, Break, Continue};

use super::{OpenTurn, gave_up};
use crate::agent::{AgentError, AgentEvent, Mode, Outcome, Past};
use crate::executor::{Execution, Output};
use crate::grounding::missing;
use crate::llm::Profile;
use crate::observation::failed;
use crate::plan::{self, NO_PLAN, Stage};
use crate::prompt::Reply;

/// Numbers that a model is told of at once.
const MOST_TOLD: usize = 20;

impl OpenTurn<'_, '_, '_> {
    /// Ends the turn with an answer. If it states numbers that no step printed, a large model is told so, once, and
    /// may make steps and answer anew; a small one has not learnt to hear that.
    pub(super) fn conclude(&mut self, outcome: Outcome) -> ControlFlow<Outcome> {
        if self.task.stage == Some(Stage::Plan) {
            return self.conclude_plan(outcome);
        }
        let may_correct = self.agent.second_look
            && self.style.profile == Profile::Full
            && self.task.mode == Mode::Agentic
            && self.withdrawn.is_none()
            && self.n_made < self.agent.limits.max_steps;
        let numbers = match &outcome {
            Outcome::Answered { answer, .. } if may_correct => self.not_printed(answer),
            _ => Vec::new(),
        };
        if numbers.is_empty() {
            return Break(outcome);
        }
        let said = if numbers.len() == 1 { "a number" } else { "numbers" };
        (self.on_event)(AgentEvent::Withdrawn);
        (self.on_event)(AgentEvent::Notice(format!(
            "The first answer stated {said} that no step had printed ({}). The model was told so.",
            numbers.join(", ")
        )));
        self.chat.reply(Reply::Ungrounded { numbers: &numbers.join(", ") });
        self.withdrawn = Some(outcome);
        Continue(())
    }

    /// Ends the turn with a plan; an answer that is none is told so, once. The numbers of a plan claim nothing.
    fn conclude_plan(&mut self, outcome: Outcome) -> ControlFlow<Outcome> {
        let Outcome::Answered { answer, .. } = &outcome else { return Break(outcome) };
        let (found, most) = (plan::sections(answer).len(), self.agent.limits.max_sections);
        if found == 0 && self.told_no_plan {
            return gave_up(
                "the model wrote no plan, although it was told what one looks like; ask in other words, or use a larger model",
            );
        }
        if found == 0 {
            self.told_no_plan = true;
            (self.on_event)(AgentEvent::Withdrawn);
            (self.on_event)(AgentEvent::Notice(String::from(
                "The first answer was no plan. The model was told so.",
            )));
            self.chat.reply(Reply::Malformed { problem: NO_PLAN });
            return Continue(());
        }
        if found > most {
            (self.on_event)(AgentEvent::Notice(format!(
                "The plan has {found} sections; the first {most} are worked on (`--max-sections` sets how many)."
            )));
        }
        Break(outcome)
    }

    /// How the turn ended: an answer that was not made better stands.
    pub(super) fn standing(&mut self, outcome: Outcome) -> Outcome {
        match (outcome, self.withdrawn.take()) {
            (Outcome::GaveUp { .. } | Outcome::Interrupted, Some(first)) => first,
            (outcome, _) => outcome,
        }
    }

    /// What becomes of a turn whose second look broke off: the first answer stands.
    ///
    /// # Errors
    /// The error itself, when there was no answer yet.
    pub(in crate::agent) fn rescue(
        &mut self,
        error: AgentError,
    ) -> Result<ControlFlow<Outcome>, AgentError> {
        let Some(first) = self.withdrawn.take() else { return Err(error) };
        (self.on_event)(AgentEvent::Notice(format!(
            "The second look broke off ({error}). The first answer stands."
        )));
        Ok(Break(first))
    }

    /// Numbers of an answer that nothing printed and nobody named: neither this turn nor the notebook above.
    fn not_printed(&self, answer: &str) -> Vec<String> {
        let mut known = self.known_of_turn();
        known.add(self.known_above());
        let mut numbers = known.missing(answer);
        numbers.dedup();
        numbers.truncate(MOST_TOLD);
        numbers
    }

    /// Numbers of an answer that this turn did not print, but the notebook above.
    pub(super) fn seen_above(&self, outcome: &Outcome) -> Vec<String> {
        let Outcome::Answered { answer, .. } = outcome else { return Vec::new() };
        let mut known = self.known_of_turn();
        let mut numbers = known.missing(answer);
        if !numbers.is_empty() {
            known.add(self.known_above());
            let nowhere = known.missing(answer);
            numbers.retain(|number| !nowhere.contains(number));
        }
        numbers
    }

    /// The newest step first: the last cell that shows a number is the one to look at.
    fn known_of_turn(&self) -> Known {
        let worked = self.steps.iter().rev().filter(|step| !failed(&step.execution));
        let mut known = Known { outputs: Vec::new(), given: vec![self.task.prompt.clone()] };
        known.given.extend(self.asked.iter().filter_map(|asked| asked.answer.clone()));
        for step in worked {
            known.outputs.push(printed(&step.execution.outputs));
            known.given.push(step.code.clone());
        }
        known
    }

    fn known_above(&self) -> Known {
        let given = vec![self.task.brief.clone(), self.task.instructions.clone()];
        let mut known = Known { outputs: Vec::new(), given };
        let mut note = |code: &String, execution: &Execution| {
            known.outputs.push(printed(&execution.outputs));
            known.given.push(code.clone());
        };
        for past in self.task.history.iter().rev() {
            match past {
                Past::Cell { code, execution } => note(code, execution),
                Past::Turn(turn) => {
                    turn.steps.iter().rev().for_each(|step| note(&step.code, &step.execution));
                }
            }
        }
        known
    }
}

/// Texts in which numbers of an answer may stand.
struct Known {
    /// What cells printed.
    outputs: Vec<String>,
    /// What was said: questions, what the analyst was asked and said, code, instructions.
    given: Vec<String>,
}

impl Known {
    fn add(&mut self, other: Self) {
        self.outputs.extend(other.outputs);
        self.given.extend(other.given);
    }

    /// Numbers of an answer that are in none of them, as written.
    fn missing(&self, answer: &str) -> Vec<String> {
        let outputs: Vec<_> = self.outputs.iter().map(String::as_str).collect();
        let given: Vec<_> = self.given.iter().map(String::as_str).collect();
        missing(answer, &outputs, &given)
    }
}

/// All that a cell printed or displayed as text.
fn printed(outputs: &[Output]) -> String {
    let text = |output: &Output| match output {
        Output::Stream { text, .. } => Some(text.clone()),
        Output::DisplayData { data, .. } | Output::ExecuteResult { data, .. } => {
            data.get("text/plain")?.as_str().map(str::to_owned)
        }
        Output::Error { .. } => None,
    };
    outputs.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}
