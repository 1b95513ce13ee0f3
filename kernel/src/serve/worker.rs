//! The life of a thread: a kernel in a folder of its own, asked one question after the other.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::error::ApiError;
use super::files::Uploaded;
use super::told::{Delta, Told};
use super::workspace::put;
use crate::config::Config;
use crate::headless::session::{Asked, Session};
use crate::prompt::Loader;

/// A question to a thread.
pub(super) struct Question {
    /// What is asked.
    pub(super) text: String,
    /// Files that its folder gets.
    pub(super) files: Vec<Uploaded>,
    /// What holds for the answer.
    pub(super) instructions: Option<String>,
    /// Hears how the answer grows; when nobody does, the question is stopped.
    pub(super) told: mpsc::UnboundedSender<Delta>,
    /// Gets what came of it.
    pub(super) done: oneshot::Sender<Result<Asked, ApiError>>,
    /// Its place in the queue of the thread, free again when this is dropped.
    pub(super) place: OwnedSemaphorePermit,
}

/// What was said in a thread.
pub(super) type Said = Arc<Mutex<Vec<Message>>>;

/// A question or an answer.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// `user` or `assistant`.
    pub(super) role: &'static str,
    /// Its words.
    pub(super) text: String,
    /// Seconds since 1970.
    pub(super) created: i64,
}

/// What a thread needs. It ends when `ends` has no sender anymore, and leaves neither a process nor its folder.
pub(super) struct Worker {
    /// Of its kernel.
    pub(super) config: Config,
    /// Makes its model.
    pub(super) loader: Loader,
    /// Where cells run.
    pub(super) folder: TempDir,
    /// What is asked.
    pub(super) questions: mpsc::UnboundedReceiver<Question>,
    /// Says when nobody wants the thread anymore.
    pub(super) ends: watch::Receiver<()>,
    /// Gets questions and answers.
    pub(super) said: Said,
}

impl Worker {
    /// Begins it; its kernel starts at the first question.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("analyst".into()).spawn(move || self.work())
    }

    fn work(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.live()),
            Err(error) => tracing::error!(%error, "cannot start the event loop of a thread"),
        }
    }

    async fn live(self) {
        let Self { config, loader, folder, mut questions, mut ends, said } = self;
        let Some(first) = next(&mut questions, &ends).await else { return };
        let session = match Session::start(config, loader).await {
            Ok(session) => session,
            Err(error) => {
                let _ = first.done.send(Err(ApiError::failed(error)));
                return;
            }
        };
        let mut desk = Desk { session, folder, files: Vec::new(), said };
        let mut asked = Some(first);
        while let Some(question) = asked {
            if !desk.answer(question, &mut ends).await {
                break;
            }
            asked = next(&mut questions, &ends).await;
        }
        // Those that wait are dropped with the queue, and so told.
        if let Err(error) = desk.session.end().await {
            tracing::warn!(%error, "the kernel of a thread ended badly");
        }
    }
}

/// The next question that somebody waits for; none when the thread has ended.
async fn next(
    questions: &mut mpsc::UnboundedReceiver<Question>,
    ends: &watch::Receiver<()>,
) -> Option<Question> {
    loop {
        let question = questions.recv().await?;
        if ends.has_changed().is_err() {
            return None;
        }
        if !question.told.is_closed() {
            return Some(question);
        }
    }
}

/// Where a thread answers.
struct Desk {
    session: Session,
    folder: TempDir,
    /// Names of the files that it was given.
    files: Vec<String>,
    said: Said,
}

impl Desk {
    /// Answers a question, and says whether the kernel lives on.
    async fn answer(&mut self, question: Question, ends: &mut watch::Receiver<()>) -> bool {
        let Question { text, files, instructions, told, done, place: _place } = question;
        if let Err(refusal) = self.take(&files) {
            let _ = done.send(Err(refusal));
            return true;
        }
        self.note("user", &text);
        let stopper = self.session.stopper();
        let (mut hearing, mut is_stopped) = (Told::default(), false);
        let mut hear = |kind: &str, content: &Value| {
            let _ = hearing.hear(kind, content).map(|delta| told.send(delta));
        };
        let asked = {
            let mut asking =
                Box::pin(self.session.ask(&text, &self.files, instructions.as_deref(), &mut hear));
            loop {
                tokio::select! {
                    asked = &mut asking => break asked,
                    () = unwanted(&told, ends), if !is_stopped => {
                        stopper.stop();
                        is_stopped = true;
                    }
                }
            }
        };
        let lives = asked.is_ok();
        let answer = match asked {
            Ok(asked) => judged(asked),
            Err(_) if ends.has_changed().is_err() => Err(ApiError::stopped()),
            Err(error) => Err(ApiError::failed(error)),
        };
        if let Ok(asked) = &answer {
            self.note("assistant", &asked.answer);
            let _ = hearing.rest_of(&asked.answer).map(|delta| told.send(delta));
        }
        let _ = done.send(answer);
        lives
    }

    /// Gives the folder what came with a question. What bears the name of an earlier file takes its place.
    fn take(&mut self, files: &[Uploaded]) -> Result<(), ApiError> {
        for file in files {
            put(file.path(), self.folder.path(), &file.name).map_err(|error| {
                ApiError::failed(format!("cannot give the thread `{}`: {error}", file.name))
            })?;
            if !self.files.contains(&file.name) {
                self.files.push(file.name.clone());
            }
        }
        Ok(())
    }

    fn note(&self, role: &'static str, text: &str) {
        let created = jiff::Timestamp::now().as_second();
        let message = Message { role, text: text.to_owned(), created };
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }
}

/// Waits until nobody hears the answer, or nobody wants the thread.
async fn unwanted(told: &mpsc::UnboundedSender<Delta>, ends: &mut watch::Receiver<()>) {
    tokio::select! {
        () = told.closed() => {}
        // Nothing is ever sent: it is the sender that goes.
        _ = ends.changed() => {}
    }
}

/// No answer is an answer only where the analyst says why it gave up.
fn judged(asked: Asked) -> Result<Asked, ApiError> {
    match asked.status.as_str() {
        "done" | "gave_up" => Ok(asked),
        "interrupted" => Err(ApiError::stopped()),
        _ => Err(ApiError::failed(asked.answer)),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn only_an_answer_and_a_reason_to_give_up_are_answers() {
        for (status, code) in
            [("done", None), ("gave_up", None), ("interrupted", Some(503)), ("failed", Some(500))]
        {
            let asked = Asked {
                status: status.to_owned(),
                answer: String::from("4"),
                steps: 1,
                failed_steps: 0,
                tokens: [1, 1],
                seconds: 1.0,
                numbers: [0, 0],
            };
            let refused = judged(asked).err().map(|error| error.into_response().status().as_u16());
            assert_eq!(refused, code, "{status}");
        }
    }
}
