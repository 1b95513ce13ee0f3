//! A question that the model puts to the analyst in mid-turn.

use std::ops::ControlFlow::{self, Break, Continue};

use super::OpenTurn;
use crate::agent::{AgentEvent, Asked, Outcome};
use crate::prompt::Reply;

/// Questions to the analyst in one turn: further ones the model has to decide itself.
const MAX_QUESTIONS: usize = 3;

impl OpenTurn<'_, '_, '_> {
    /// Puts a question of the model's to the analyst, and tells the model what was said.
    pub(super) fn ask(
        &mut self,
        understanding: String,
        thought: String,
        question: String,
    ) -> ControlFlow<Outcome> {
        self.n_malformed = 0;
        self.n_asked += 1;
        let number = self.asked.last().map_or(0, |asked| asked.number) + 1;
        let step = self.next_number();
        let mut asked = Asked { number, step, understanding, thought, question, answer: None };
        (self.on_event)(AgentEvent::Asking(asked.clone()));
        if self.n_asked <= MAX_QUESTIONS {
            asked.answer = self.agent.executor.ask(&asked.question);
        }
        self.asked.push(asked.clone());
        if self.agent.interrupt.is_set() {
            return Break(Outcome::Interrupted);
        }
        self.chat.reply(Reply::Asked { answer: asked.answer.as_deref() });
        (self.on_event)(AgentEvent::Asked(asked));
        Continue(())
    }
}
