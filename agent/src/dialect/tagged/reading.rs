//! What a completion that has ended asks for.

use std::collections::VecDeque;

use super::{Place, Reader};
use crate::agent::Mode;
use crate::dialect::{Action, Reading};

impl Reader {
    pub(super) fn incomplete(&self) -> Reading {
        Reading { action: Action::Incomplete, used: self.read, missing: "" }
    }

    /// The model or a stop string ended the completion, not a limit: what is open is closed.
    pub(super) fn stopped(&mut self) -> Reading {
        if self.doubt.as_ref().is_some_and(|doubt| doubt.quoted_directly) {
            return self.incomplete();
        }
        while let Some(doubt) = self.doubt.take() {
            let mut queue = VecDeque::new();
            self.settle(&doubt, &mut queue);
            self.take_all(queue);
        }
        if self.quoted_end {
            return self.incomplete();
        }
        let held = std::mem::take(&mut self.held);
        self.plain(&held);
        if self.place != Place::Done {
            self.used = self.read;
        }
        self.reading()
    }

    pub(super) fn reading(&self) -> Reading {
        let action = match self.problem {
            Some(problem) => Action::Malformed { problem: problem.to_owned() },
            None => self.action(),
        };
        let missing = match &action {
            Action::Run { .. } => self.rules.after_code(self.frame.ended_by, self.last),
            Action::Answer { .. } => self.rules.after_answer(self.frame),
            Action::Ask { .. } | Action::Incomplete | Action::Malformed { .. } => "",
        };
        Reading { action, used: self.used, missing }
    }

    fn action(&self) -> Action {
        let thought = self.thought.text().to_owned();
        let understanding = self.understanding.text().to_owned();
        let answer = self.answer.text().to_owned();
        if !answer.is_empty() {
            return Action::Answer { understanding, thought, answer };
        }
        let code = self.code.text().to_owned();
        if !code.is_empty() && self.mode == Mode::Agentic {
            return self.run(understanding, thought, code);
        }
        let question = self.question.text().to_owned();
        if !question.is_empty() && self.mode == Mode::Agentic {
            return Action::Ask { understanding, thought, question };
        }
        if self.mode == Mode::Reflection && !thought.is_empty() && !self.frame.thinking_done {
            return Action::Answer { understanding, thought: String::new(), answer: thought };
        }
        let problem = self.rules.lack(self.mode, self.place, self.frame);
        Action::Malformed { problem: problem.to_owned() }
    }

    fn run(&self, understanding: String, thought: String, code: String) -> Action {
        let tool = self.action.trim();
        if tool.is_empty() || names_the_tool(tool) {
            return Action::Run { understanding, thought, code };
        }
        let name: String = tool.chars().take(40).collect();
        Action::Malformed { problem: format!("the only action is python_executor, not `{name}`") }
    }
}

/// Whether an action is the one that there is: models write it as `python`, too.
pub(in crate::dialect) fn names_the_tool(action: &str) -> bool {
    const TOOL: &[u8] = b"python";
    action.as_bytes().windows(TOOL.len()).any(|word| word.eq_ignore_ascii_case(TOOL))
}
