//! The end of a turn: an answer whose numbers were printed, or a second look at one whose were not.

use std::ops::ControlFlow::{self, Break, Continue};

use super::OpenTurn;
use crate::agent::{AgentEvent, Mode, Outcome, Past};
use crate::executor::Output;
use crate::grounding::missing;
use crate::llm::Profile;
use crate::observation::failed;
use crate::prompt::Reply;

/// Numbers that a model is told of at once.
const MOST_TOLD: usize = 20;

impl OpenTurn<'_, '_, '_> {
    /// Ends the turn with an answer. If it states numbers that no step printed, a large model is told so, once, and
    /// may make steps and answer anew; a small one has not learnt to hear that.
    pub(super) fn conclude(&mut self, outcome: Outcome) -> ControlFlow<Outcome> {
        let may_correct = self.style.profile == Profile::Full
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

    /// How the turn ended: an answer that was not made better stands.
    pub(super) fn standing(&mut self, outcome: Outcome) -> Outcome {
        match (outcome, self.withdrawn.take()) {
            (Outcome::GaveUp { .. } | Outcome::Interrupted, Some(first)) => first,
            (outcome, _) => outcome,
        }
    }

    /// Numbers of an answer that neither a step printed nor the question, the code or the notebook above names.
    fn not_printed(&self, answer: &str) -> Vec<String> {
        let worked = self.steps.iter().rev().filter(|step| !failed(&step.execution));
        let (mut outputs, mut given) = (Vec::new(), vec![self.task.prompt.clone()]);
        for step in worked {
            outputs.push(printed(&step.execution.outputs));
            given.push(step.code.clone());
        }
        for past in &self.task.history {
            match past {
                Past::Cell { execution, .. } => given.push(printed(&execution.outputs)),
                Past::Turn(turn) => {
                    given.extend(turn.steps.iter().map(|step| printed(&step.execution.outputs)));
                }
            }
        }
        let outputs: Vec<_> = outputs.iter().map(String::as_str).collect();
        let given: Vec<_> = given.iter().map(String::as_str).collect();
        let mut numbers = missing(answer, &outputs, &given);
        numbers.dedup();
        numbers.truncate(MOST_TOLD);
        numbers
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
