//! What a completion that has ended asks for.

use std::collections::VecDeque;

use super::{Place, Reader, Terminal};
use crate::agent::Mode;
use crate::dialect::tags::Name;
use crate::dialect::{Action, Reading};

impl Reader {
    pub(super) fn incomplete(&self) -> Reading {
        Reading { action: Action::Incomplete, used: self.read, missing: "" }
    }

    /// The model or a stop string ended the completion, not a limit: what is open is closed.
    pub(super) fn stopped(&mut self) -> Reading {
        if self.quoted_end || self.doubt.as_ref().is_some_and(|doubt| doubt.quoted_directly) {
            return self.incomplete();
        }
        let held = std::mem::take(&mut self.held);
        self.plain(&held);
        if let Some(doubt) = self.doubt.take() {
            let mut queue = VecDeque::new();
            self.settle(doubt, &mut queue);
            for character in queue {
                self.take(character);
            }
        }
        if self.place != Place::Done {
            self.used = self.read;
        }
        self.reading()
    }

    pub(super) fn reading(&self) -> Reading {
        let action = match &self.problem {
            Some(problem) => Action::Malformed { problem: problem.clone() },
            None => self.action(),
        };
        let missing = match &action {
            Action::Run { .. } => self.missing_after_code(),
            Action::Answer { .. } => self.missing_after_answer(),
            Action::Incomplete | Action::Malformed { .. } => "",
        };
        Reading { action, used: self.used, missing }
    }

    fn action(&self) -> Action {
        let thought = self.thought.text().to_owned();
        let answer = self.answer.text().to_owned();
        if !answer.is_empty() {
            return Action::Answer { thought, answer };
        }
        let code = self.code.text().to_owned();
        if !code.is_empty() && self.mode == Mode::Agentic {
            return self.run(thought, code);
        }
        if self.mode == Mode::Reflection && !thought.is_empty() && !self.frame.thinking_done {
            return Action::Answer { thought: String::new(), answer: thought };
        }
        Action::Malformed { problem: self.what_is_missing().to_owned() }
    }

    fn run(&self, thought: String, code: String) -> Action {
        let tool = self.action.trim();
        if tool.is_empty() || tool.to_ascii_lowercase().contains("python") {
            return Action::Run { thought, code };
        }
        let name: String = tool.chars().take(40).collect();
        Action::Malformed { problem: format!("the only action is python_executor, not `{name}`") }
    }

    fn what_is_missing(&self) -> &'static str {
        match (self.mode, self.place) {
            (Mode::Reflection, _) => "there is no <answer>…</answer>",
            (_, Place::Answer) => "the <answer> is empty",
            (_, Place::Done) if self.frame.ended_by != Some(Name::ActionInput) => {
                "the <answer> is empty"
            }
            (_, Place::Done | Place::Code) => "the <action_input> is empty",
            _ if self.frame.terminal != Terminal::Absent => {
                "<stop_analysis> needs <answer>…</answer>"
            }
            _ if self.frame.any_tag => "the step has no <action_input>…</action_input>",
            _ => "it is neither a <step> nor a <stop_analysis>",
        }
    }

    fn missing_after_code(&self) -> &'static str {
        match (self.frame.ended_by, self.last) {
            (Some(Name::ActionInput), _) => "",
            (_, Some('\n')) => "</action_input>",
            _ => "\n</action_input>",
        }
    }

    fn missing_after_answer(&self) -> &'static str {
        match (self.frame.ended_by, self.frame.terminal) {
            (Some(Name::Answer), Terminal::Open) => "\n</stop_analysis>",
            (Some(Name::Answer), _) | (_, Terminal::Closed) => "",
            (_, Terminal::Open) => "</answer>\n</stop_analysis>",
            (_, Terminal::Absent) => "</answer>",
        }
    }
}
