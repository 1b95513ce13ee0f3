//! Requests of our own to the companion: the number of a prompt, the variables, the agent's steps.
//!
//! They bear our session id, by which their answers and outputs are told from the clients'.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc as blocking;

use bytes::Bytes;
use datarus_agent::executor::{Namespace, Variable};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Server;
use super::relay::is_idle;
use super::survey::Surveying;
use crate::connection::Channel;
use crate::message::NO_PARENT;
use crate::wire::Frames;

/// The name of the expression whose value is asked for.
const ASKED: &str = "datarus";

/// The module that the launcher put there. It is reached past the user's namespace.
const MODULE: &str = "__import__('sys').modules['datarus_companion']";

/// How often the state is asked for again when the companion refuses to say.
const MAX_ASKED: u8 = 20;

/// How many steps are remembered, for outputs that come after their end, such as those of threads.
const MAX_STEPS: usize = 64;

/// Own requests by the ids of their messages.
#[derive(Debug, Default)]
pub(super) struct OwnRequests {
    asked: HashMap<String, Own>,
    /// Steps, oldest first.
    steps: VecDeque<String>,
}

impl OwnRequests {
    /// Notes a request.
    pub(super) fn add(&mut self, msg_id: String, own: Own) {
        if matches!(own, Own::Step(_) | Own::UnseenStep) {
            self.steps.push_back(msg_id.clone());
        }
        self.asked.insert(msg_id, own);
        if self.steps.len() > MAX_STEPS
            && let Some(oldest) = self.steps.pop_front()
        {
            self.asked.remove(&oldest);
        }
    }

    /// Whether a prompt waits for its number.
    pub(super) fn is_numbering(&self) -> bool {
        self.asked.values().any(|own| matches!(own, Own::Number(_)))
    }

    /// Whether files are being read.
    pub(super) fn is_surveying(&self) -> bool {
        self.asked.values().any(|own| matches!(own, Own::Sources(_)))
    }

    /// Forgets all: the companion that was asked is gone.
    pub(super) fn clear(&mut self) {
        self.asked.clear();
        self.steps.clear();
    }
}

/// Why we asked.
#[derive(Debug)]
pub(super) enum Own {
    /// To give the prompt of this turn its number.
    Number(u64),
    /// To tell the agent.
    Variables(blocking::Sender<Vec<Variable>>),
    /// To run a step. Holds the header of the prompt's request, under which it is shown.
    Step(Bytes),
    /// To run a step that a page shows when it has ended.
    UnseenStep,
    /// To know what ran of the failed steps of this turn: what was printed so far.
    Kept { turn: u64, printed: String },
    /// To know the state after a step that the page's request with this id ran; asked so many times.
    State(String, u8),
    /// To have what runs interrupted.
    Interrupt,
    /// To give a cell that sets what Python may reach its number.
    SettingNumber,
    /// To know what files hold.
    Sources(Box<Surveying>),
    /// To have steps begin without variables, or to bring the user's back; asked so many times.
    Namespace(Namespace, u8),
}

/// An `execute_reply` to a request of our own.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OwnReply {
    /// `ok`, `error` or `aborted`.
    #[serde(default)]
    pub(super) status: String,
    /// The cell's number.
    #[serde(default)]
    pub(super) execution_count: Option<u64>,
    #[serde(default)]
    user_expressions: Map<String, Value>,
}

impl OwnReply {
    /// The value that was asked for, which arrives as JSON in the text of its `repr`.
    pub(super) fn answer(&self) -> Option<Value> {
        let text = self.user_expressions.get(ASKED)?.pointer("/data/text~1plain")?.as_str()?;
        serde_json::from_str(text).ok()
    }

    /// Takes the answer from another reply.
    pub(super) fn adopt_answer(&mut self, other: OwnReply) {
        self.user_expressions = other.user_expressions;
    }

    /// The answer of `state()`.
    pub(super) fn state(&self) -> Option<CompanionState> {
        serde_json::from_value(self.answer()?).ok()
    }
}

/// What the companion says of itself after a cell.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CompanionState {
    /// The DataFrames.
    pub(super) variables: Vec<Variable>,
    /// A line for each axes that the last cell drew.
    pub(super) figures: Vec<String>,
}

impl Server {
    /// Asks for a prompt's number, unless it turns out to be Python because one of `names` exists.
    pub(super) fn ask_number(&mut self, turn: u64, source: &str, names: &[String]) {
        self.execute("", &number_of(source, names), Own::Number(turn));
    }

    /// Asks for the number of a cell that sets what Python may reach.
    pub(super) fn ask_setting_number(&mut self, source: &str) {
        self.execute("", &number_of(source, &[]), Own::SettingNumber);
    }

    /// Asks for the DataFrames.
    pub(super) fn ask_variables(&mut self, answer: blocking::Sender<Vec<Variable>>) {
        self.execute("", &format!("{MODULE}.state()"), Own::Variables(answer));
    }

    /// Asks what files hold.
    pub(super) fn ask_sources(&mut self, asked: &Value, surveying: Surveying) {
        // A string of JSON is one of Python's.
        let asked = json!(asked.to_string());
        self.execute("", &format!("{MODULE}.sources({asked})"), Own::Sources(Box::new(surveying)));
    }

    /// Has the next step begin without variables.
    pub(super) fn clear_namespace(&mut self) {
        self.ask_namespace(Namespace::Fresh, 0);
    }

    /// Brings the user's variables back after such steps.
    pub(super) fn keep_namespace(&mut self) {
        self.ask_namespace(Namespace::Kept, 0);
    }

    fn ask_namespace(&mut self, namespace: Namespace, times: u8) {
        let call = match namespace {
            Namespace::Fresh => "begin_fresh()",
            Namespace::Kept => "end_fresh()",
        };
        self.execute("", &format!("{MODULE}.{call}"), Own::Namespace(namespace, times));
    }

    /// Runs a step of the agent and returns the id of its request.
    pub(super) fn execute_step(&mut self, code: &str, prompt: Bytes) -> String {
        // A copy: what was received may be a small part of a large buffer.
        let prompt = Bytes::copy_from_slice(&prompt);
        let msg_id = self.execute(code, &format!("{MODULE}.state()"), Own::Step(prompt));
        self.sift_step(&msg_id);
        msg_id
    }

    /// Runs a step of the agent that is not shown in the prompt cell.
    pub(super) fn execute_unseen(&mut self, code: &str) -> String {
        let msg_id = self.execute(code, &format!("{MODULE}.state()"), Own::UnseenStep);
        self.sift_step(&msg_id);
        msg_id
    }

    /// Asks for the state after a step that the page's request `msg_id` ran.
    pub(super) fn ask_state(&mut self, msg_id: String) {
        self.ask_state_again(msg_id, 0);
    }

    fn ask_state_again(&mut self, msg_id: String, times: u8) {
        self.execute("", &format!("{MODULE}.state()"), Own::State(msg_id, times));
    }

    /// Runs code that leaves no trace, for what it prints.
    pub(super) fn ask_own(&mut self, code: &str, own: Own) {
        self.execute(code, "None", own);
    }

    /// Each message has an id of its own: ipykernel drops an identical one without an answer.
    fn execute(&mut self, code: &str, expression: &str, own: Own) -> String {
        let silent = !matches!(own, Own::Step(_) | Own::UnseenStep);
        let content = json!({
            "code": code,
            "silent": silent,
            "store_history": !silent,
            "user_expressions": { ASKED: expression },
            "allow_stdin": false,
            "stop_on_error": false,
        });
        let frames = self.session.message("execute_request", &NO_PARENT, &content, &json!({}));
        let msg_id = frames.header().map(|header| header.msg_id).unwrap_or_default();
        self.own.add(msg_id.clone(), own);
        self.companion.send(Channel::Shell, frames);
        msg_id
    }

    /// Takes the companion's answer to a request of ours.
    pub(super) fn on_own_answer(&mut self, msg_id: &str, frames: &Frames) {
        let reply = frames.content::<OwnReply>().unwrap_or_default();
        match self.own.asked.get(msg_id) {
            // It stays, for outputs that come late.
            Some(Own::Step(_) | Own::UnseenStep) => return self.on_step_reply(msg_id, reply),
            // What it prints may come after the reply.
            Some(Own::Kept { .. }) => return,
            Some(
                Own::Number(_)
                | Own::Variables(_)
                | Own::State(..)
                | Own::Interrupt
                | Own::SettingNumber
                | Own::Sources(_)
                | Own::Namespace(..),
            )
            | None => {}
        }
        match self.own.asked.remove(msg_id) {
            Some(Own::Number(turn)) => self.on_number(turn, reply.answer()),
            Some(Own::Variables(answer)) => {
                let state = reply.state().unwrap_or_default();
                // The agent may have been stopped meanwhile.
                let _ = answer.send(state.variables);
            }
            // ipykernel refuses for a moment what comes after a cell that failed.
            Some(Own::State(step, times)) if reply.status == "aborted" && times < MAX_ASKED => {
                self.ask_state_again(step, times + 1);
            }
            Some(Own::State(step, _)) => self.on_step_state(&step, reply),
            Some(Own::Interrupt) => self.on_interrupt_answer(reply.status == "ok"),
            Some(Own::Namespace(namespace, times)) => {
                if reply.status == "aborted" && times < MAX_ASKED {
                    self.ask_namespace(namespace, times + 1);
                }
            }
            Some(Own::Sources(surveying)) => self.on_sources(*surveying, reply.answer()),
            Some(Own::SettingNumber) => self.on_setting_number(reply.answer()),
            Some(Own::Step(_) | Own::UnseenStep | Own::Kept { .. }) | None => {}
        }
    }

    /// Takes what the companion publishes for a request of ours. Only steps have anything to show.
    pub(super) fn on_own_output(&mut self, msg_id: &str, msg_type: &str, frames: Frames) {
        match self.own.asked.get_mut(msg_id) {
            Some(Own::Kept { printed, .. }) if msg_type == "stream" => {
                let content = frames.content::<Map<String, Value>>().unwrap_or_default();
                printed.push_str(content.get("text").and_then(Value::as_str).unwrap_or_default());
            }
            Some(Own::Kept { .. }) if msg_type == "status" && is_idle(&frames) => {
                if let Some(Own::Kept { turn, printed }) = self.own.asked.remove(msg_id) {
                    self.on_kept(turn, &printed);
                }
            }
            Some(Own::Step(prompt)) => {
                let prompt = prompt.clone();
                for (msg_type, frames) in self.sift(msg_id, msg_type, frames) {
                    self.on_step_output(msg_id, &prompt, &msg_type, frames);
                }
            }
            Some(Own::UnseenStep) => {
                for (msg_type, frames) in self.sift(msg_id, msg_type, frames) {
                    self.on_unseen_output(msg_id, &msg_type, &frames);
                }
            }
            Some(
                Own::Number(_)
                | Own::Variables(_)
                | Own::State(..)
                | Own::Kept { .. }
                | Own::Interrupt
                | Own::SettingNumber
                | Own::Sources(_)
                | Own::Namespace(..),
            )
            | None => {}
        }
    }
}

/// What gives a cell of ours its place among the `In[n]`.
fn number_of(source: &str, names: &[String]) -> String {
    let arguments: Vec<String> = std::iter::once(source)
        .chain(names.iter().map(String::as_str))
        .map(|text| json!(text).to_string())
        .collect();
    format!("{MODULE}.begin_prompt({})", arguments.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_remembered_after_their_end_and_the_oldest_forgotten() {
        let mut own = OwnRequests::default();
        own.add("first".into(), Own::UnseenStep);
        own.add("number".into(), Own::Number(1));
        for step in 0..MAX_STEPS {
            own.add(step.to_string(), Own::Step(Bytes::new()));
        }
        let known = |id: &str| own.asked.contains_key(id);
        assert!(known("0") && known("number") && !known("first"));
    }
}
