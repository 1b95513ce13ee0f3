//! What the agent's steps put out, on its way to clients and to the agent: it passes [`crate::sieve`] first.
//!
//! A step is known by its request, ours or a page's. While one runs, all else that Python publishes is sifted, too: code
//! can put any parent header on what it says, and the user's own cells wait meanwhile.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Server;
use super::request::Request;
use super::step::RunningStep;
use crate::cli::TrustOutputs;
use crate::connection::Channel;
use crate::message::content::StreamName;
use crate::sieve::Sieve;
use crate::wire::Frames;

/// The sieves of steps by the ids of their requests. They stay until Python ends, for outputs that come late, such as
/// those of threads.
pub(super) type Sieves = HashMap<String, Sieve>;

/// What Python is told when a step asks the user something: ipykernel makes an `EOFError` of it.
const NOBODY_ANSWERS: &str = "\u{4}";

/// Whose message it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// Of the step that this request runs.
    Step(String),
    /// Of whom it may be, while this step runs.
    Meanwhile(String),
    User,
}

impl Server {
    /// Notes that a request runs a step.
    pub(super) fn sift_step(&mut self, request: &str) {
        if self.config.trust_outputs != TrustOutputs::All {
            self.sieves.insert(request.to_owned(), Sieve::new(request));
        }
    }

    fn origin(&self, request: &str) -> Origin {
        if self.sieves.contains_key(request) {
            return Origin::Step(request.to_owned());
        }
        let running = self.prompt.as_ref().and_then(|prompt| prompt.step.as_ref());
        match running.map(RunningStep::request).filter(|step| self.sieves.contains_key(*step)) {
            Some(step) => Origin::Meanwhile(step.to_owned()),
            None => Origin::User,
        }
    }

    /// What is left of a message that was published for a request, and a line about what is not.
    pub(super) fn sift(
        &mut self,
        request: &str,
        msg_type: &str,
        frames: Frames,
    ) -> Vec<(String, Frames)> {
        let as_it_is = |frames| vec![(msg_type.to_owned(), frames)];
        let (step, is_step) = match self.origin(request) {
            Origin::User if self.speaks_as_we(msg_type, &frames) => return Vec::new(),
            Origin::User => return as_it_is(frames),
            Origin::Step(step) => (step, true),
            Origin::Meanwhile(step) => (step, false),
        };
        match msg_type {
            "status" | "execute_input" | "stream" | "error" => return as_it_is(frames),
            "clear_output" if is_step => return as_it_is(frames),
            "clear_output" => return Vec::new(),
            _ => {}
        }
        let (Some(sieve), Ok(content)) = (self.sieves.get_mut(&step), frames.content()) else {
            return Vec::new();
        };
        let sifted = sieve.sift(msg_type, content);
        let notice = sifted.notice.filter(|_| is_step).map(|notice| {
            let said = self.session.stream(&frames.parent_header, StreamName::Stderr, &notice);
            ("stream".to_owned(), said)
        });
        let left = sifted.content.map(|content| {
            let left = Frames { buffers: Vec::new(), ..frames };
            (msg_type.to_owned(), with_content(left, &content))
        });
        left.into_iter().chain(notice).collect()
    }

    /// Whether Python speaks on the comm of a page with our extension: only we tell such a page what to do.
    fn speaks_as_we(&self, msg_type: &str, frames: &Frames) -> bool {
        let id = |content: Map<String, Value>| Some(content.get("comm_id")?.as_str()?.to_owned());
        msg_type.starts_with("comm_")
            && frames
                .content()
                .ok()
                .and_then(id)
                .is_some_and(|comm| self.pages.of_comm(&comm).is_some())
    }

    /// The reply to a step without what would act on the page: the next cell's text, a pager.
    pub(super) fn without_payload(&self, request: &str, frames: Frames) -> Frames {
        if self.origin(request) == Origin::User {
            return frames;
        }
        match frames.content::<Map<String, Value>>() {
            Ok(mut content)
                if content.get("payload").is_some_and(|payload| *payload != json!([])) =>
            {
                content.insert("payload".into(), json!([]));
                with_content(frames, &content)
            }
            _ => frames,
        }
    }

    /// A page's request for a step, which may not ask the user anything: a question would look like the user's own.
    pub(super) fn without_stdin(&self, request: Request) -> Request {
        if self.config.trust_outputs == TrustOutputs::All {
            return request;
        }
        let Ok(mut content) = request.frames.content::<Map<String, Value>>() else {
            return request;
        };
        content.insert("allow_stdin".into(), json!(false));
        let Request { channel, header, frames } = request;
        Request { channel, header, frames: with_content(frames, &content) }
    }

    /// Takes a question of Python to the user. A step's own is not put, whatever it set to be allowed to ask;
    /// nor is one that could be answered with what is meant for us.
    pub(super) fn on_input_request(&mut self, request: &str, frames: Frames) {
        let is_asking = self.is_asking_consent() || self.is_asking_user();
        if self.origin(request) == Origin::User && !is_asking {
            self.unanswered += 1;
            let frames = frames.resigned(&self.key);
            return self.sockets.send(Channel::Stdin, frames.into_multipart());
        }
        let value = json!({ "value": NOBODY_ANSWERS });
        let reply = self.session.message("input_reply", &frames.header, &value, &json!({}));
        self.companion.send(Channel::Stdin, reply);
    }
}

/// The frames with another content, to be signed.
fn with_content(frames: Frames, content: &Map<String, Value>) -> Frames {
    let content = serde_json::to_vec(content).expect("keys are strings").into();
    Frames { content, ..frames }
}
