//! The relay: requests to the companion, its answers and outputs to the clients, byte for byte but for the
//! signature: the companion has no key.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Deserialize;

use super::Server;
use super::own::OwnReply;
use super::request::Request;
use crate::connection::Channel;
use crate::message::content::{ErrorContent, StreamName};
use crate::wire::Frames;
use crate::zmtp::Multipart;

/// Said under a cell that failed as Python and reads like a question.
const HINT: &str = "To ask a question, begin the cell with `>` or with `%%ask`.\n";

/// The requests that the companion has not answered yet, oldest first. What is kept of one is what an answer of
/// ours needs.
pub(super) type Relayed = VecDeque<Asked>;

/// A request that the companion has.
#[derive(Debug)]
pub(super) struct Asked {
    /// The request without its content.
    pub(super) request: Request,
    /// Whether its failure stops what waits behind it.
    pub(super) stop_on_error: bool,
}

impl Asked {
    /// Whether it is a cell.
    pub(super) fn executes(&self) -> bool {
        self.request.header.msg_type == "execute_request"
    }
}

impl Server {
    /// Hands a request to the companion.
    pub(super) fn relay(&mut self, request: Request) {
        if let Some(reason) = self.companion.broken() {
            let error = no_companion(reason);
            return self.refuse(&request, &error);
        }
        self.hand_over(request, false);
    }

    /// Hands a cell to the companion; one that could not be started gets another chance.
    pub(super) fn run_python(&mut self, request: Request) {
        self.start_companion_again();
        let content = request.execute();
        let traced = content.as_ref().is_some_and(|content| !content.silent);
        if let Some(reason) = self.companion.broken() {
            let error = no_companion(reason);
            self.schedule.companion_gone();
            return self.refuse(&request, &error);
        }
        if let Some(content) = content.as_ref().filter(|_| traced) {
            self.tell_lost_variables(&request);
            self.tell_no_install(&request, &content.code);
            let cell_id = request.cell().cell_id;
            self.history.begin_cell(&request.header.msg_id, cell_id, &content.code);
        }
        let stop_on_error = traced && content.is_some_and(|content| content.stop_on_error);
        self.hand_over(request, stop_on_error);
    }

    /// Sends a request to the companion as it is.
    pub(super) fn hand_over(&mut self, request: Request, stop_on_error: bool) {
        let Request { channel, header, frames } = request;
        self.companion.send(channel, frames.clone());
        // Comm messages have no reply.
        if header.msg_type.ends_with("_request") {
            let frames = Frames { content: Bytes::new(), buffers: Vec::new(), ..frames };
            let request = Request { channel, header, frames };
            self.relayed.push_back(Asked { request, stop_on_error });
        }
    }

    /// Takes what the companion sends on shell, control or stdin.
    pub(super) fn on_answer(&mut self, channel: Channel, multipart: Multipart) {
        let Ok(frames) = Frames::parse(multipart) else { return };
        let Ok(parent) = frames.parent() else { return };
        if channel == Channel::Stdin {
            return self.on_input_request(&parent.msg_id, frames);
        }
        if parent.session == self.session.id {
            return self.on_own_answer(&parent.msg_id, &frames);
        }
        let asked = self.answered(&parent.msg_id);
        let executed = parent.msg_type == "execute_request" && parent.subshell_id.is_none();
        let status = executed.then(|| frames.content::<OwnReply>().unwrap_or_default());
        let frames = if executed { self.without_payload(&parent.msg_id, frames) } else { frames };
        self.sockets.send(channel, frames.resigned(&self.key).into_multipart());
        if let Some(status) = status {
            self.history.end_cell(&parent.msg_id, &status.status, status.execution_count);
            self.schedule.replied(&parent.msg_id);
            self.reply_info_after(|cell| cell == parent.msg_id);
            if status.status == "error" && asked.is_some_and(|asked| asked.stop_on_error) {
                self.abort_waiting();
            }
            self.on_step_reply(&parent.msg_id, status);
        }
    }

    fn answered(&mut self, msg_id: &str) -> Option<Asked> {
        let at = self.relayed.iter().position(|asked| asked.request.header.msg_id == msg_id)?;
        self.relayed.remove(at)
    }

    /// Takes what the companion publishes.
    pub(super) fn on_output(&mut self, multipart: Multipart) {
        let Ok(frames) = Frames::parse(multipart) else { return };
        let (Ok(header), parent) = (frames.header(), frames.parent().ok()) else { return };
        let Some(parent) = parent else {
            // Its own start is no business of the clients, nor are other subscribers' welcomes.
            if !matches!(header.msg_type.as_str(), "status" | "iopub_welcome") {
                for (_, frames) in self.sift("", &header.msg_type, frames) {
                    self.publish(frames.resigned(&self.key));
                }
            }
            return;
        };
        if parent.session == self.session.id {
            return self.on_own_output(&parent.msg_id, &header.msg_type, frames);
        }
        for (msg_type, frames) in self.sift(&parent.msg_id, &header.msg_type, frames) {
            self.relay_output(&parent.msg_id, &msg_type, frames);
        }
    }

    fn relay_output(&mut self, request: &str, msg_type: &str, frames: Frames) {
        let ended = msg_type == "status" && is_idle(&frames);
        let failed = (msg_type == "error").then(|| frames.content::<Failed>());
        let hint = failed.and_then(|failed| self.hint(request, &failed.unwrap_or_default()));
        if msg_type != "status" {
            self.history.output(request, msg_type, &frames.content);
        }
        let parent_header = frames.parent_header.clone();
        self.publish_output(request, msg_type, frames.clone(), ended);
        self.on_unseen_output(request, msg_type, &frames);
        if let Some(hint) = hint {
            let hint = self.session.stream(&parent_header, StreamName::Stderr, &hint);
            self.publish(hint);
        }
        if ended {
            self.schedule.idle(request);
            // A completion that was answered while a prompt runs must not leave the kernel looking idle.
            if self.prompt.is_some() || self.setting.is_some() {
                self.restore_busy();
            }
            self.advance();
        }
    }

    /// What the user is told below a cell that failed: how to ask, when it reads like a question (nothing is guessed),
    /// or what the sandbox held back.
    fn hint(&self, msg_id: &str, failed: &Failed) -> Option<String> {
        if matches!(failed.ename.as_str(), "SyntaxError" | "NameError") {
            let prose = self.history.code_of(msg_id).is_some_and(reads_like_prose);
            return prose.then(|| HINT.to_owned());
        }
        self.companion.sandbox()?.hint(&self.config.folder, &failed.ename, &failed.evalue)
    }

    /// Packages cannot be installed from a sandbox, which pip says in a way that nobody understands.
    fn tell_no_install(&mut self, request: &Request, code: &str) {
        let hint = self.companion.sandbox().and_then(|sandbox| sandbox.install_hint(code));
        if let Some(hint) = hint {
            let told = self.session.stream(request.parent(), StreamName::Stderr, hint);
            self.publish(told);
        }
    }

    fn tell_lost_variables(&mut self, request: &Request) {
        if let Some(reason) = self.lost_variables.take() {
            let text = format!("{reason}: a fresh one has started, all variables are lost.\n");
            let told = self.session.stream(request.parent(), StreamName::Stderr, &text);
            self.publish(told);
        }
    }

    pub(super) fn start_companion_again(&mut self) {
        if self.companion.broken().is_some() {
            self.companion.restart();
        }
    }
}

/// What is read of an `error`.
#[derive(Debug, Default, Deserialize)]
struct Failed {
    #[serde(default)]
    ename: String,
    #[serde(default)]
    evalue: String,
}

/// At least three words and nothing else: no code that people write, though some of it is Python.
fn reads_like_prose(code: &str) -> bool {
    let is_word = |word: &str| word.chars().all(|c| c.is_alphabetic() || "'’-,.!".contains(c));
    let words = code.split_whitespace().collect::<Vec<_>>();
    words.len() > 2 && words.iter().all(|word| is_word(word))
}

/// Whether a `status` says idle. ipykernel writes it in this one form; the state is the last thing it can be.
pub(super) fn is_idle(frames: &Frames) -> bool {
    frames.content.windows(6).any(|text| text == br#""idle""#)
}

/// What a cell shows when Python cannot be started.
pub(super) fn no_companion(reason: &str) -> ErrorContent {
    ErrorContent::new("NoPython", &format!("Python cells cannot run: {reason}"))
}
