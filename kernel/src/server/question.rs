//! A question of the model's to the user, by `input_request`, in a page and elsewhere alike.

use std::sync::mpsc as blocking;

use datarus_agent::observation::plain;
use serde_json::Value;

use super::Server;
use crate::connection::Channel;
use crate::page::Phase;
use crate::wire::Frames;

/// A question that was put.
#[derive(Debug)]
pub(super) struct Question {
    /// The message that put it.
    msg_id: String,
    /// Where the agent waits; dropped when nobody answers.
    answer: blocking::Sender<String>,
}

impl Server {
    /// Puts a question of the model's to the user, if the client can ask.
    pub(super) fn ask_user(&mut self, question: &str, answer: blocking::Sender<String>) {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| !prompt.is_interrupted()) else {
            return;
        };
        if prompt.request.execute().is_none_or(|content| !content.allow_stdin) {
            return;
        }
        // Not to be taken for a question of Python's own.
        let line = format!("The analyst asks: {} ", plain(question.trim()));
        let frames = self.session.input_request(prompt.request.parent(), &line, false);
        let msg_id = frames.header().map(|header| header.msg_id).unwrap_or_default();
        prompt.question = Some(Question { msg_id, answer });
        let frames = frames.with_identities(prompt.request.frames.identities.clone());
        self.sockets.send(Channel::Stdin, frames.into_multipart());
        self.enter(Phase::Waiting);
    }

    /// Whether the model has asked: Python then asks nothing, since one answer could be taken for the other.
    pub(super) fn is_asking_user(&self) -> bool {
        self.prompt.as_ref().is_some_and(|prompt| prompt.question.is_some())
    }

    /// Takes what the user typed, if it answers the model. Clients need not say which question they answer. Gives back
    /// the rest.
    pub(super) fn take_answer(&mut self, frames: Frames) -> Option<Frames> {
        let Some(question) = self.prompt.as_mut().and_then(|prompt| {
            prompt.question.take_if(|question| {
                frames.parent().map_or(true, |parent| parent.msg_id == question.msg_id)
            })
        }) else {
            return Some(frames);
        };
        let content = frames.content::<Value>().unwrap_or_default();
        let said = content.get("value").and_then(Value::as_str).unwrap_or_default();
        // The agent is gone when its turn was given up.
        let _ = question.answer.send(said.trim().to_owned());
        self.enter(Phase::Reading);
        None
    }
}
