//! What was asked of a kernel elsewhere and not answered yet, and what is made of its answers so that the relay sees no
//! difference: the routing identities of whoever asked, and one session id in all that is sent.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::connection::Channel;
use crate::message::Session;
use crate::message::content::{ErrorContent, ExecuteReply, ExecutionState};
use crate::wire::{Frames, SigningKey};

/// How many requests are remembered after their answers: what they show may come late.
const REMEMBERED: usize = 4_096;

/// What was asked of one kernel.
pub(super) struct Ledger {
    /// Makes our own messages, and those in the kernel's place.
    session: Session,
    /// The session id that clients see.
    shown: String,
    open: HashMap<String, Asked>,
    known: HashSet<String>,
    order: VecDeque<String>,
    /// Whether others may ask the kernel, too: what it says to them is not ours.
    is_shared: bool,
    /// How many connections there were before.
    connection: u64,
    /// What was asked last to know which answers a broken connection lost.
    probe: Option<String>,
}

/// A request without an answer.
struct Asked {
    channel: Channel,
    msg_type: String,
    header: Bytes,
    identities: Vec<Bytes>,
    connection: u64,
}

impl Ledger {
    /// An empty one. `shown` is the session id that clients see.
    pub(super) fn new(shown: String, is_shared: bool) -> Self {
        Self {
            session: Session::new(SigningKey::new("")),
            shown,
            open: HashMap::new(),
            known: HashSet::new(),
            order: VecDeque::new(),
            is_shared,
            connection: 0,
            probe: None,
        }
    }

    /// Makes a message of our own.
    pub(super) fn message(&self, msg_type: &str, content: &Value) -> Frames {
        self.session.message(msg_type, &crate::message::NO_PARENT, content, &json!({}))
    }

    /// Notes what is sent, which goes without routing identities.
    pub(super) fn send(&mut self, channel: Channel, mut frames: Frames) -> Frames {
        let identities = std::mem::take(&mut frames.identities);
        let Ok(header) = frames.header() else { return frames };
        self.remember(header.msg_id.clone());
        if header.msg_type.ends_with("_request") {
            let (msg_type, connection) = (header.msg_type, self.connection);
            let asked =
                Asked { channel, msg_type, header: frames.header.clone(), identities, connection };
            self.open.insert(header.msg_id, asked);
        }
        frames
    }

    fn remember(&mut self, msg_id: String) {
        self.known.insert(msg_id.clone());
        self.order.push_back(msg_id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether a cell, or another request of the kind, was not answered.
    pub(super) fn waits(&self, channel: Channel) -> bool {
        self.open.values().any(|asked| asked.channel == channel)
    }

    /// What the kernel says, as the relay takes it: none of what is no business of ours.
    pub(super) fn receive(&mut self, channel: Channel, frames: Frames) -> Option<Frames> {
        let parent = frames.parent().ok().map(|parent| parent.msg_id);
        let is_ours = parent.as_ref().is_some_and(|id| self.known.contains(id));
        let identities = match channel {
            Channel::Shell | Channel::Control => self.open.remove(&parent?)?.identities,
            Channel::Stdin => self.open.get(&parent?)?.identities.clone(),
            Channel::IoPub if self.is_shared && !is_ours => return None,
            Channel::IoPub | Channel::Heartbeat => Vec::new(),
        };
        self.disguise(frames.with_identities(identities))
    }

    /// The message under the session id that clients know.
    fn disguise(&self, mut frames: Frames) -> Option<Frames> {
        let mut header: Map<String, Value> = serde_json::from_slice(&frames.header).ok()?;
        if header.get("session").and_then(Value::as_str) != Some(&self.shown) {
            header.insert("session".into(), json!(self.shown));
            frames.header = serde_json::to_vec(&header).ok()?.into();
        }
        Some(frames)
    }

    /// The answer to a request in the kernel's place; `failed` says why it is none.
    pub(super) fn answer(&mut self, msg_id: &str, failed: Option<&str>) -> Vec<(Channel, Frames)> {
        let Some(asked) = self.open.remove(msg_id) else { return Vec::new() };
        self.answer_to(&asked, failed)
    }

    fn answer_to(&self, asked: &Asked, failed: Option<&str>) -> Vec<(Channel, Frames)> {
        let Asked { channel, msg_type, header, identities, .. } = asked;
        let reply_type = msg_type.replace("_request", "_reply");
        let Some(reason) = failed else {
            let reply = self.session.ok_reply(&reply_type, header);
            let reply = self.disguise(reply.with_identities(identities.clone()));
            return reply.map(|reply| (*channel, reply)).into_iter().collect();
        };
        let error = ErrorContent::new("ConnectionLost", reason);
        let idle = self.session.status(header, ExecutionState::Idle);
        let messages = if msg_type == "execute_request" {
            let content = ExecuteReply::Error { execution_count: 0, error: error.clone() };
            let reply = self.session.execute_reply(header, &content, Timestamp::now());
            vec![
                (Channel::IoPub, self.session.error(header, &error)),
                (*channel, reply.with_identities(identities.clone())),
                (Channel::IoPub, idle),
            ]
        } else {
            let reply = self.session.error_reply(&reply_type, header, &error);
            vec![(*channel, reply.with_identities(identities.clone()))]
        };
        let disguised = |(channel, frames)| Some((channel, self.disguise(frames)?));
        messages.into_iter().filter_map(disguised).collect()
    }

    /// Begins another connection. Returns a request whose answer comes after those to all that the kernel has.
    pub(super) fn reconnected(&mut self) -> Frames {
        self.connection += 1;
        let probe = self.message("kernel_info_request", &json!({}));
        self.probe = probe.header().ok().map(|header| header.msg_id);
        probe
    }

    /// If this answers the last such request: what was asked before and is still without an answer was lost. Returns
    /// what is said in the kernel's place.
    pub(super) fn after_probe(
        &mut self,
        frames: &Frames,
        reason: &str,
    ) -> Option<Vec<(Channel, Frames)>> {
        let probe = self.probe.as_ref()?;
        frames.parent().ok().filter(|parent| parent.msg_id == *probe)?;
        self.probe = None;
        let now = self.connection;
        let lost: Vec<Asked> = self
            .open
            .extract_if(|_, asked| asked.connection < now)
            .map(|(_, asked)| asked)
            .collect();
        Some(lost.iter().flat_map(|asked| self.answer_to(asked, Some(reason))).collect())
    }

    /// Whether the message answers one of our own.
    pub(super) fn is_own(&self, frames: &Frames) -> bool {
        frames.parent().is_ok_and(|parent| parent.session == self.session.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request of a client, its id, and what the kernel answers.
    fn request(msg_type: &str) -> (Frames, String, Frames) {
        let (client, kernel) =
            (Session::new(SigningKey::new("")), Session::new(SigningKey::new("")));
        let request = client.message(msg_type, &crate::message::NO_PARENT, &json!({}), &json!({}));
        let reply = kernel.ok_reply(&msg_type.replace("_request", "_reply"), &request.header);
        let request = request.with_identities(vec![Bytes::from_static(b"client")]);
        let id = request.header().unwrap().msg_id;
        (request, id, reply)
    }

    fn ledger(is_shared: bool) -> Ledger {
        Ledger::new("shown".into(), is_shared)
    }

    #[test]
    fn an_answer_finds_its_way_back_under_one_session() {
        let mut ledger = ledger(false);
        let (request, _, reply) = request("execute_request");
        assert!(ledger.send(Channel::Shell, request).identities.is_empty());
        assert!(ledger.waits(Channel::Shell));
        let answer = ledger.receive(Channel::Shell, reply.clone()).unwrap();
        assert_eq!(answer.identities, [Bytes::from_static(b"client")]);
        assert_eq!(answer.header().unwrap().session, "shown");
        assert!(ledger.receive(Channel::Shell, reply).is_none(), "it is answered once");
        assert!(!ledger.waits(Channel::Shell));
    }

    #[test]
    fn what_a_shared_kernel_says_to_others_is_not_ours() {
        let (request, _, output) = request("execute_request");
        let mut shared = ledger(true);
        assert!(shared.receive(Channel::IoPub, output.clone()).is_none());
        shared.send(Channel::Shell, request);
        assert!(shared.receive(Channel::IoPub, output.clone()).is_some());
        assert!(ledger(false).receive(Channel::IoPub, output).is_some());
    }

    #[test]
    fn what_a_broken_connection_lost_is_answered_with_an_error() {
        let mut ledger = ledger(false);
        let (cell, cell_id, _) = request("execute_request");
        let (info, info_id, info_reply) = request("complete_request");
        ledger.send(Channel::Shell, cell);
        ledger.send(Channel::Shell, info);
        let probe = ledger.reconnected();
        assert!(ledger.after_probe(&info_reply, "lost").is_none(), "not before the probe's answer");
        ledger.receive(Channel::Shell, info_reply).unwrap();
        let kernel = Session::new(SigningKey::new(""));
        let answer = kernel.ok_reply("kernel_info_reply", &probe.header);
        assert!(ledger.is_own(&answer));
        let lost = ledger.after_probe(&answer, "lost").unwrap();
        let told: Vec<_> =
            lost.iter().map(|(_, frames)| frames.header().unwrap().msg_type).collect();
        assert_eq!(told, ["error", "execute_reply", "status"]);
        assert!(lost.iter().all(|(_, frames)| frames.parent().unwrap().msg_id == cell_id));
        assert_ne!(cell_id, info_id);
    }

    #[test]
    fn an_interrupt_that_was_done_otherwise_is_answered_all_the_same() {
        let mut ledger = ledger(false);
        let (interrupt, id, _) = request("interrupt_request");
        ledger.send(Channel::Control, interrupt);
        let answers = ledger.answer(&id, None);
        let [(Channel::Control, reply)] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(reply.content::<Value>().unwrap(), json!({"status": "ok"}));
        assert_eq!(reply.header().unwrap().msg_type, "interrupt_reply");
    }
}
