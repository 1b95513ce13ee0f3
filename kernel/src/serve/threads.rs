//! Threads: kernels that keep their variables from question to question, each with a folder.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use uuid::Uuid;

use super::Shared;
use super::error::{ApiError, At};
use super::files::Uploaded;
use super::told::Delta;
use super::worker::{Message, Question, Said, Worker};
use crate::config::Config;
use crate::headless::session::Asked;
use crate::model::pool::Pool;

/// Questions that wait in one thread, the one that is answered included.
const MOST_WAITING: usize = 8;

/// All threads.
pub(super) struct Threads {
    folder: PathBuf,
    config: Config,
    pool: Pool,
    max: usize,
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    threads: BTreeMap<String, Thread>,
    /// Those of this process that threads have; also of threads that were deleted.
    workers: Vec<JoinHandle<()>>,
    /// How many threads were begun.
    begun: usize,
    /// Counts what makes a thread the newest: beginning it and asking it.
    clock: u64,
    is_closed: bool,
}

/// What is known of a thread; its worker ends when this is dropped.
struct Thread {
    created: i64,
    /// When it was begun or asked last, by the clock of all.
    used: u64,
    folder: PathBuf,
    said: Said,
    places: Arc<Semaphore>,
    questions: mpsc::UnboundedSender<Question>,
    _ends: watch::Sender<()>,
}

impl Thread {
    fn is_idle(&self) -> bool {
        self.places.available_permits() == MOST_WAITING
    }
}

/// A question that is being answered. It is stopped when nobody hears it anymore.
pub(super) struct Answering {
    /// The thread that was asked.
    pub(super) thread: String,
    /// How the answer grows.
    pub(super) heard: mpsc::UnboundedReceiver<Delta>,
    /// What came of it.
    pub(super) done: oneshot::Receiver<Result<Asked, ApiError>>,
}

/// A question as a client sends it: with the chat before it.
pub(super) struct Chat {
    /// The thread that is asked, whatever was said before.
    pub(super) thread: Option<String>,
    /// What was said before.
    pub(super) earlier: Vec<Line>,
    /// The files that came with it.
    pub(super) earlier_files: Vec<Uploaded>,
    /// What holds for the answer.
    pub(super) instructions: Option<String>,
    /// The question.
    pub(super) text: String,
    /// The files that come with it.
    pub(super) files: Vec<Uploaded>,
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// `user` or `assistant`.
    pub(super) role: &'static str,
    /// Its words.
    pub(super) text: String,
}

impl Thread {
    /// Whether this is what was said here, but for white space around it, and questions that have no answer.
    fn has_said(&self, lines: &[Line]) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_answered = |at: usize, message: &Message| {
            message.role != "user" || said.get(at + 1).is_some_and(|next| next.role != "user")
        };
        let answered = said.iter().enumerate().filter(|(at, message)| is_answered(*at, message));
        answered
            .map(|(_, message)| (message.role, message.text.trim()))
            .eq(lines.iter().map(|line| (line.role, line.text.trim())))
    }
}

impl Known {
    /// The thread, asked last, in which all of this was said and no more. A chat of which nothing was said goes on in
    /// none.
    fn with(&self, lines: &[Line]) -> Option<String> {
        let said = self.threads.iter().filter(|(_, thread)| thread.has_said(lines));
        let newest = said.max_by_key(|(_, thread)| thread.used);
        newest.filter(|_| !lines.is_empty()).map(|(id, _)| id.clone())
    }
}

impl Threads {
    /// At most `max`, in a folder, which is made.
    pub(super) fn new(folder: PathBuf, config: Config, pool: Pool, max: usize) -> io::Result<Self> {
        crate::disk::private_folder(&folder)?;
        Ok(Self { folder, config, pool, max, state: Mutex::default() })
    }

    /// Asks the thread that is named, or the one in which the chat was said, or one that is begun for that.
    pub(super) fn ask(&self, chat: Chat) -> Result<Answering, ApiError> {
        let Chat { thread, earlier, earlier_files, instructions, text, mut files } = chat;
        let mut known = self.known();
        let id = if let Some(id) = thread.or_else(|| known.with(&earlier)) {
            id
        } else {
            // A later file takes the place of an earlier one.
            files.splice(0..0, earlier_files);
            self.begin(&mut known)?
        };
        known.clock += 1;
        let used = known.clock;
        let thread = known.threads.get_mut(&id).ok_or_else(|| unknown(&id))?;
        let place = Arc::clone(&thread.places).try_acquire_owned().map_err(|_| {
            ApiError::too_many(format!("{MOST_WAITING} questions wait in `{id}`: ask again later"))
        })?;
        thread.used = used;
        let (told, heard) = mpsc::unbounded_channel();
        let (done, answered) = oneshot::channel();
        let question = Question { text, files, instructions, told, done, place };
        if thread.questions.send(question).is_err() {
            known.threads.remove(&id);
            return Err(unknown(&id));
        }
        Ok(Answering { thread: id, heard, done: answered })
    }

    /// Begins a thread. Where there are too many, the idle one that was asked longest ago ends.
    fn begin(&self, known: &mut Known) -> Result<String, ApiError> {
        if known.is_closed {
            return Err(ApiError::stopped());
        }
        known.threads.retain(|_, thread| !thread.questions.is_closed());
        known.workers.retain(|worker| !worker.is_finished());
        while known.threads.len() >= self.max {
            let idle = known.threads.iter().filter(|(_, thread)| thread.is_idle());
            let oldest = idle.min_by_key(|(_, thread)| thread.used).map(|(id, _)| id.clone());
            let oldest = oldest.ok_or_else(|| {
                let max = self.max;
                ApiError::too_many(format!("all {max} threads are being asked: ask again later"))
            })?;
            known.threads.remove(&oldest);
        }
        let id = format!("thread_{}", Uuid::new_v4().simple());
        let folder = tempfile::Builder::new().prefix("thread-").tempdir_in(&self.folder)?;
        let mut config =
            Config { folder: folder.path().into(), state: None, ..self.config.clone() };
        // Nobody comes back to this folder.
        config.sandbox.history = None;
        known.clock += 1;
        let (questions, asked) = mpsc::unbounded_channel();
        let (ends, ended) = watch::channel(());
        let thread = Thread {
            created: jiff::Timestamp::now().as_second(),
            used: known.clock,
            folder: folder.path().into(),
            said: Said::default(),
            places: Arc::new(Semaphore::new(MOST_WAITING)),
            questions,
            _ends: ends,
        };
        let loader = self.pool.loader(known.begun);
        let said = Arc::clone(&thread.said);
        let worker = Worker { config, loader, folder, questions: asked, ends: ended, said };
        known.workers.push(worker.start()?);
        known.begun += 1;
        known.threads.insert(id.clone(), thread);
        Ok(id)
    }

    /// Where the cells of a thread run.
    pub(super) fn folder_of(&self, id: &str) -> Result<PathBuf, ApiError> {
        Ok(self.known().threads.get(id).ok_or_else(|| unknown(id))?.folder.clone())
    }

    /// Stops all questions, and begins no more threads.
    pub(super) fn close(&self) {
        let mut known = self.known();
        known.is_closed = true;
        known.threads.clear();
    }

    /// Waits until nothing of the threads is left. Blocks.
    pub(super) fn join(&self) {
        let workers = std::mem::take(&mut self.known().workers);
        for worker in workers {
            // One that panicked has said so.
            let _ = worker.join();
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(id: &str) -> ApiError {
    let message = format!("no thread `{id}`: it was deleted, gave way to others, or failed");
    ApiError::not_found(Some("thread_id"), message)
}

/// `POST /v1/threads`.
pub(super) async fn create(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, ApiError> {
    let id = shared.threads.begin(&mut shared.threads.known())?;
    described(&shared, &id)
}

/// `GET /v1/threads/{id}`.
pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<Value>, ApiError> {
    described(&shared, &id)
}

fn described(shared: &Shared, id: &str) -> Result<Json<Value>, ApiError> {
    let known = shared.threads.known();
    let created = known.threads.get(id).ok_or_else(|| unknown(id))?.created;
    Ok(Json(json!({
        "id": id, "object": "thread", "created_at": created, "metadata": {}, "tool_resources": null,
    })))
}

/// `GET /v1/threads/{id}/messages`: newest first, as the protocol has them.
pub(super) async fn messages(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<Value>, ApiError> {
    let known = shared.threads.known();
    let thread = known.threads.get(&id).ok_or_else(|| unknown(&id))?;
    let said = thread.said.lock().unwrap_or_else(PoisonError::into_inner);
    let messages = said.iter().enumerate().rev().map(|(at, message)| {
        json!({
            "id": format!("msg_{at}"),
            "object": "thread.message",
            "created_at": message.created,
            "thread_id": id,
            "role": message.role,
            "content": [{"type": "text", "text": {"value": message.text, "annotations": []}}],
        })
    });
    let messages: Vec<Value> = messages.collect();
    Ok(Json(json!({"object": "list", "data": messages, "has_more": false})))
}

/// `DELETE /v1/threads/{id}`: stops what is asked, then ends its kernel and deletes its folder.
pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<Value>, ApiError> {
    shared.threads.known().threads.remove(&id).ok_or_else(|| unknown(&id))?;
    Ok(Json(json!({"id": id, "object": "thread.deleted", "deleted": true})))
}
