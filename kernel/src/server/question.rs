//! A question of the model's to the user: in the page that shows the turn, if it can put one, else by `input_request`.

use std::sync::mpsc as blocking;

use datarus_agent::agent::AgentEvent;
use datarus_agent::observation::plain;
use serde_json::Value;

use super::Server;
use crate::connection::Channel;
use crate::page::options::options;
use crate::page::{Phase, ToPage};
use crate::wire::Frames;

/// How much of an answer is taken, in characters.
const MAX_ANSWER: usize = 20_000;

/// A question that waits for its answer.
#[derive(Debug)]
pub(super) struct Question {
    text: String,
    put: Put,
    /// Where the agent waits; dropped when nobody answers.
    answer: blocking::Sender<String>,
}

/// How a question was put.
#[derive(Debug)]
enum Put {
    /// In a page, in this cell.
    Page(String),
    /// By this message.
    Stdin(String),
}

impl Server {
    /// Puts a question of the model's to the user.
    pub(super) fn ask_user(&mut self, question: &str, answer: blocking::Sender<String>) {
        let Some(prompt) = self.prompt.as_mut().filter(|prompt| !prompt.is_interrupted()) else {
            return;
        };
        let (text, put) = (question.trim().to_owned(), Put::Stdin(String::new()));
        prompt.question = Some(Question { text, put, answer });
        self.show_turn();
        self.put_question();
    }

    /// Puts the question that waits, if there is one; again, where another page shows the turn now. Where nobody can be
    /// asked, the agent is told so.
    pub(super) fn put_question(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        let Some(question) = &mut prompt.question else { return };
        let turn = prompt.view.turn();
        let live = prompt.live.as_ref().filter(|live| live.questions);
        if let Some(asked) = live.and_then(|live| live.turn.newest_asked()) {
            let id = asked.id(turn);
            question.put = Put::Page(id.clone());
            let options = options(&question.text);
            let told = ToPage::Question { turn: turn.to_owned(), id, options };
            self.enter(Phase::Asking);
            return self.tell_page(vec![told]);
        }
        if prompt.request.execute().is_none_or(|content| !content.allow_stdin) {
            prompt.question = None;
            return;
        }
        // Not to be taken for a question of Python's own.
        let words = format!("The analyst asks: {} ", plain(&question.text));
        let frames = self.session.input_request(prompt.request.parent(), &words, false);
        let msg_id = frames.header().map(|header| header.msg_id).unwrap_or_default();
        question.put = Put::Stdin(msg_id);
        let frames = frames.with_identities(prompt.request.frames.identities.clone());
        self.sockets.send(Channel::Stdin, frames.into_multipart());
        self.enter(Phase::Asking);
    }

    /// Whether the model has asked as Python does: Python then asks nothing, since one answer could be taken for the
    /// other.
    pub(super) fn is_asking_user(&self) -> bool {
        let question = self.prompt.as_ref().and_then(|prompt| prompt.question.as_ref());
        question.is_some_and(|question| matches!(question.put, Put::Stdin(_)))
    }

    /// Takes what the user typed, if it answers the model. Clients need not say which question they answer. Gives back
    /// the rest.
    pub(super) fn take_answer(&mut self, frames: Frames) -> Option<Frames> {
        let answers = |question: &Question| match &question.put {
            Put::Page(_) => false,
            Put::Stdin(msg_id) => frames.parent().map_or(true, |parent| parent.msg_id == *msg_id),
        };
        if !self.is_waiting_for(answers) {
            return Some(frames);
        }
        let content = frames.content::<Value>().unwrap_or_default();
        self.answer(content.get("value").and_then(Value::as_str).unwrap_or_default());
        None
    }

    /// Takes what the user chose or wrote in the page. What says nothing answers nothing.
    pub(super) fn on_answered(&mut self, comm: &str, turn: &str, id: &str, said: &str) {
        let is_here = self.live_in(comm, turn).is_some();
        let in_cell = |question: &Question| matches!(&question.put, Put::Page(cell) if cell == id);
        if is_here && !said.trim().is_empty() && self.is_waiting_for(in_cell) {
            self.answer(said);
        }
    }

    fn is_waiting_for(&self, fits: impl Fn(&Question) -> bool) -> bool {
        self.prompt.as_ref().and_then(|prompt| prompt.question.as_ref()).is_some_and(fits)
    }

    fn answer(&mut self, said: &str) {
        let Some(question) = self.prompt.as_mut().and_then(|prompt| prompt.question.take()) else {
            return;
        };
        // The agent is gone when its turn was given up.
        let _ = question.answer.send(said.trim().chars().take(MAX_ANSWER).collect());
        self.enter(Phase::Reading);
    }

    /// Keeps a question that was answered beside the notebook.
    pub(super) fn keep_asked(&mut self, event: &AgentEvent) {
        if let (AgentEvent::Asked(_), Some((prompt, path))) = (event, self.kept_in())
            && let Some(asked) = prompt.live.as_ref().and_then(|live| live.turn.newest_asked())
        {
            self.journals.asked(path, prompt.view.turn(), asked.clone());
            self.tell_not_kept();
        }
    }
}
