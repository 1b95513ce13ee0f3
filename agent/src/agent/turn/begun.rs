//! A turn that goes on from a step that the analyst has looked at, and perhaps changed.

use std::ops::ControlFlow::{Break, Continue};

use super::{Flow, OpenTurn};
use crate::agent::{Begun, Draft};
use crate::dialect::Said;
use crate::prompt::Reply;

impl OpenTurn<'_, '_, '_> {
    /// Takes up what stands of the turn: its last step is run if it has to be, and the model is told what the analyst
    /// changed. The finished steps are in the chat already.
    pub(in crate::agent) fn resume(&mut self) -> Flow<()> {
        let Some(Begun { next, before, .. }) = self.task.begun.clone() else {
            return Ok(Continue(()));
        };
        let Some(draft) = next else {
            self.names.learn_variables(&self.agent.executor.variables());
            self.tell_changed(before.as_deref());
            return Ok(Continue(()));
        };
        let Draft { understanding, thought, code, .. } = &draft;
        self.chat.proposed(Said { understanding, thought }, code);
        let step = match self.run(draft)? {
            Continue(step) => step,
            Break(outcome) => return Ok(Break(outcome)),
        };
        self.look(&step);
        self.tell_changed(before.as_deref());
        Ok(self.judge(&step))
    }

    fn tell_changed(&mut self, before: Option<&str>) {
        if let Some(before) = before {
            self.chat.reply(Reply::Changed { before });
        }
    }
}
