//! Steps that the kernel ran although a page was to run them: the page's request may still come, once.

use std::collections::VecDeque;

use datarus_agent::executor::{Execution, Output, Status};
use serde_json::{Map, Value, json};

use super::Server;
use super::request::Request;
use crate::message::content::{ErrorContent, ExecuteReply, ExecutionState};

/// How many steps are remembered.
const MAX_OWED: usize = 32;

/// The steps whose request may still come, oldest first.
#[derive(Debug, Default)]
pub(super) struct OwedSteps(VecDeque<Owed>);

/// A step whose request may still come.
#[derive(Debug)]
pub(super) struct Owed {
    cell_id: String,
    /// Of the page that was told to run it: a request of another one is the user's.
    session: String,
    /// What it was told to run: anything else is the user's.
    code: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Under this request of ours. A request that comes meanwhile waits for its end.
    Running {
        msg_id: String,
        late: Option<Box<Request>>,
    },
    Done(Execution),
    /// It was not run, and must not be.
    Withdrawn,
}

impl Owed {
    /// A step that the kernel runs by its own request `msg_id`.
    pub(super) fn running(cell_id: String, session: String, code: String, msg_id: String) -> Owed {
        Owed { cell_id, session, code, state: State::Running { msg_id, late: None } }
    }

    /// A step that was stopped before it began.
    pub(super) fn withdrawn(cell_id: String, session: String, code: String) -> Owed {
        Owed { cell_id, session, code, state: State::Withdrawn }
    }
}

impl OwedSteps {
    /// Remembers a step.
    pub(super) fn add(&mut self, owed: Owed) {
        if self.0.len() >= MAX_OWED {
            self.0.pop_front();
        }
        self.0.push_back(owed);
    }

    fn running(&self, id: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|owed| matches!(&owed.state, State::Running { msg_id, .. } if msg_id == id))
    }
}

impl Server {
    /// Answers a request for a step that was run without it from what was recorded. Gives back all others.
    pub(super) fn take_owed(
        &mut self,
        request: Request,
        cell_id: &str,
        code: &str,
    ) -> Option<Request> {
        let fits = |owed: &Owed| {
            owed.cell_id == cell_id
                && owed.session == request.header.session
                && owed.code == code.trim_end()
        };
        let Some(at) = self.owed.0.iter().position(fits) else { return Some(request) };
        if let Some(Owed { state: State::Running { late, .. }, .. }) = self.owed.0.get_mut(at) {
            if late.is_some() {
                return Some(request);
            }
            *late = Some(Box::new(request));
            return None;
        }
        match self.owed.0.remove(at).map(|owed| owed.state) {
            Some(State::Done(execution)) => self.replay(&request, code, &execution),
            Some(State::Running { .. } | State::Withdrawn) | None => self.abort(&request),
        }
        None
    }

    /// Notes what a step did that the kernel ran.
    pub(super) fn record_owed(&mut self, msg_id: &str, execution: &Execution) {
        let Some(at) = self.owed.running(msg_id) else { return };
        let Some(owed) = self.owed.0.get_mut(at) else { return };
        let before = std::mem::replace(&mut owed.state, State::Done(execution.clone()));
        if let State::Running { late: Some(request), .. } = before {
            let code = owed.code.clone();
            self.owed.0.remove(at);
            self.replay(&request, &code, execution);
        }
    }

    /// Forgets that a step runs whose turn was given up.
    pub(super) fn withdraw_owed(&mut self) {
        let mut late = Vec::new();
        for owed in &mut self.owed.0 {
            if let State::Running { late: request, .. } = &mut owed.state {
                late.extend(request.take());
                owed.state = State::Withdrawn;
            }
        }
        for request in late {
            self.abort(&request);
        }
    }

    /// Publishes for a request what a run without it did.
    fn replay(&mut self, request: &Request, code: &str, execution: &Execution) {
        let parent = request.parent().clone();
        let count = execution.execution_count.unwrap_or(0);
        self.publish_status(&parent, ExecutionState::Busy);
        let input = self.session.execute_input(&parent, code, count);
        self.publish(input);
        for output in &execution.outputs {
            let (msg_type, content) = as_message(output);
            let frames = self.session.message(&msg_type, &parent, &content, &json!({}));
            self.publish(frames);
        }
        let content = match execution.status {
            Status::Ok => ExecuteReply::ok(count),
            status => {
                ExecuteReply::Error { execution_count: count, error: failure(status, execution) }
            }
        };
        let reply = self.session.execute_reply(&parent, &content, jiff::Timestamp::now());
        self.sockets.reply(request, reply);
        self.publish_status(&parent, ExecutionState::Idle);
        self.restore_busy();
    }
}

fn as_message(output: &Output) -> (String, Map<String, Value>) {
    let mut content = match json!(output) {
        Value::Object(content) => content,
        _ => Map::new(),
    };
    let msg_type = match content.shift_remove("output_type") {
        Some(Value::String(msg_type)) => msg_type,
        _ => String::new(),
    };
    (msg_type, content)
}

fn failure(status: Status, execution: &Execution) -> ErrorContent {
    let raised = execution.outputs.iter().rev().find_map(|output| match output {
        Output::Error { ename, evalue, traceback } => Some(ErrorContent {
            ename: ename.clone(),
            evalue: evalue.clone(),
            traceback: traceback.clone(),
        }),
        _ => None,
    });
    raised.unwrap_or_else(|| match status {
        Status::Died => ErrorContent::new("PythonDied", "the Python process died under the step"),
        _ => ErrorContent::new("KeyboardInterrupt", "the step was stopped"),
    })
}
