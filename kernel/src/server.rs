//! The kernel: five sockets, one event loop, nothing shared.
//!
//! Python cells are relayed to the companion byte for byte, prompts are answered by the agent, and a few requests
//! are answered here. Follow a request through `server/clients.rs` (what clients send), `server/relay.rs` (what the
//! companion sends), `server/turn.rs` (prompts) and `server/live.rs` (prompts in a page with our extension).

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::companion::{Companion, Launch, News};
use crate::config::Config;
use crate::connection::{Channel, ConnectionInfo};
use crate::event::{Event, Signal};
use crate::iopub::StreamGatherer;
use crate::journal::Journals;
use crate::message::Session;
use crate::message::content::ExecutionState;
use crate::prompt::{AgentThread, Loader};
use crate::session::History;
use crate::sources::Sources;
use crate::wire::{Frames, ReplayGuard, SigningKey};
use crate::zmtp::ZmtpError;

mod clients;
mod closing;
mod death;
mod flood;
mod install;
mod ladder;
mod live;
mod opening;
mod owed;
mod own;
mod pages;
mod prompt_cell;
mod question;
mod recovery;
mod relay;
mod reports;
mod request;
mod research;
mod review;
mod schedule;
mod setting;
mod sifting;
mod signals;
mod sockets;
mod step;
mod stop;
mod survey;
mod turn;

pub(crate) use step::LOST;

use flood::Floods;
pub(crate) use install::Installed;
use ladder::Ladder;
use owed::OwedSteps;
use own::OwnRequests;
use pages::Pages;
use prompt_cell::PromptCell;
use recovery::LastSign;
use relay::Relayed;
pub(crate) use reports::Reported;
use request::Request;
use schedule::Schedule;
use setting::SettingCell;
use sifting::Sieves;
use sockets::Sockets;

/// How many messages of the companion may wait here before it is held back.
///
/// A piece of text has up to half a megabyte, see `companion/streams.py`.
const COMPANION_BACKLOG: usize = 32;

/// Why a kernel cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] ZmtpError),
    /// The process cannot listen to signals.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

/// Runs a kernel with the configured model. Returns after a shutdown, with no process left.
///
/// Must be called on a tokio runtime with IO and time; one thread is enough and quickest.
///
/// # Errors
/// When a socket of `connection` cannot be bound.
pub async fn run(connection: ConnectionInfo, config: Config) -> Result<(), ServerError> {
    run_with(connection, config, crate::prompt::configured_model()).await
}

/// Runs a kernel whose model is made by `loader`, on the agent's thread and at the first prompt.
///
/// # Errors
/// When a socket of `connection` cannot be bound.
pub async fn run_with(
    connection: ConnectionInfo,
    config: Config,
    loader: Loader,
) -> Result<(), ServerError> {
    let (events, inbox) = mpsc::unbounded_channel();
    let (news, companion_inbox) = mpsc::channel(COMPANION_BACKLOG);
    signals::listen(&events).map_err(ServerError::Signals)?;
    let key = connection.signing_key();
    let session = Session::new(key.clone());
    let sockets = Sockets::bind(&connection, &session, &events).await?;
    let ports = clients::ports(&connection);
    let launch = Launch {
        python: config.python.clone(),
        place: config.companion.clone(),
        folder: config.folder.clone(),
        args: config.companion_args.clone(),
        session_id: session.id.clone(),
        sandbox: config.sandbox.clone(),
        databases: config.databases.clone(),
    };
    let server = Server {
        sockets,
        gatherer: StreamGatherer::new(session.clone()),
        session,
        key,
        ports,
        replays: ReplayGuard::default(),
        refusals: clients::Refusals::default(),
        python_version: signals::python_version(&config.python),
        companion: Companion::start(launch, news),
        relayed: Relayed::default(),
        info_after: Vec::new(),
        schedule: Schedule::default(),
        own: OwnRequests::default(),
        floods: Floods::default(),
        sieves: Sieves::default(),
        pages: Pages::default(),
        owed: OwedSteps::default(),
        journals: Journals::new(config.state.as_ref().map(|state| state.join("journal"))),
        prompt: None,
        last_signs: Vec::new(),
        setting: None,
        unanswered: 0,
        turns: 0,
        ladder: None,
        lost_variables: None,
        study: research::Study::default(),
        history: History::default(),
        sources: Sources::default(),
        agent: AgentThread::start(config.clone(), loader, events.clone()),
        events,
        config,
        inbox: Inbox { events: inbox, companion: companion_inbox },
        stopping: false,
    };
    // On the heap: the state of a server is large for a future.
    Box::pin(server.serve()).await;
    Ok(())
}

/// The state of a running kernel; only the event loop touches it.
struct Server {
    sockets: Sockets,
    gatherer: StreamGatherer,
    session: Session,
    key: SigningKey,
    /// The answer to `connect_request`.
    ports: serde_json::Value,
    replays: ReplayGuard,
    refusals: clients::Refusals,
    /// Of the companion, or a guess before it is up.
    python_version: String,
    companion: Companion,
    relayed: Relayed,
    /// `kernel_info_request`s that came after a cell, with the id of its request.
    info_after: Vec<(String, Request)>,
    schedule: Schedule,
    own: OwnRequests,
    floods: Floods,
    sieves: Sieves,
    pages: Pages,
    owed: OwedSteps,
    journals: Journals,
    prompt: Option<PromptCell>,
    /// Pages in which turns have ended, until they have shown that they live.
    last_signs: Vec<LastSign>,
    /// A cell that sets what Python may reach; it and a prompt never run together.
    setting: Option<SettingCell>,
    /// How many questions of Python's the user has not answered.
    unanswered: usize,
    /// How many prompts there were: the number of the newest.
    turns: u64,
    /// A cell that was told to stop.
    ladder: Option<Ladder>,
    /// Why the variables are lost, until a cell has been told.
    lost_variables: Option<String>,
    /// A research run without a page.
    study: research::Study,
    history: History,
    sources: Sources,
    agent: AgentThread,
    config: Config,
    /// For what is done beside the loop.
    events: mpsc::UnboundedSender<Event>,
    inbox: Inbox,
    stopping: bool,
}

struct Inbox {
    events: mpsc::UnboundedReceiver<Event>,
    companion: mpsc::Receiver<Event>,
}

impl Inbox {
    /// The next event, or [`Event::Deadline`] when `deadline` comes first.
    async fn next(&mut self, deadline: Option<Instant>) -> Event {
        // An hour stands for never: the loop then looks at its deadlines and waits on.
        let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            Some(event) = self.events.recv() => event,
            Some(event) = self.companion.recv() => event,
            () = tokio::time::sleep_until(deadline.into()) => Event::Deadline,
        }
    }
}

impl Server {
    async fn serve(mut self) {
        while !self.stopping {
            let event = self.inbox.next(self.next_deadline()).await;
            self.handle(event);
        }
        self.wind_down().await;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Client(channel, multipart) => self.on_client(channel, multipart),
            Event::Companion(generation, news) if self.companion.is_current(generation) => {
                self.on_companion(news);
            }
            Event::Companion(..) => {}
            Event::Agent(turn, message) => self.on_agent(turn, *message),
            Event::Installed(cell_id, installed) => self.on_installed(&cell_id, installed),
            Event::Reported(reported) => self.on_reported(reported),
            Event::Signal(Signal::Interrupt) => self.interrupt(),
            Event::Signal(Signal::Terminate) | Event::ParentGone => self.stopping = true,
            Event::Deadline => self.on_deadline(Instant::now()),
        }
    }

    fn on_companion(&mut self, news: News) {
        match news {
            News::Up(up) => {
                self.python_version.clone_from(&up.python_version);
                self.companion.on_up(up);
            }
            News::Message(Channel::IoPub, multipart) => self.on_output(multipart),
            News::Message(channel, multipart) => self.on_answer(channel, multipart),
            News::Gone(reason) => self.on_companion_gone(&reason),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        [
            self.gatherer.deadline(),
            self.prompt.as_ref().and_then(PromptCell::deadline),
            self.ladder.as_ref().and_then(Ladder::deadline),
            self.setting_deadline(),
            self.last_signs.iter().map(|asked| asked.until).min(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_deadline(&mut self, now: Instant) {
        if self.gatherer.deadline().is_some_and(|deadline| deadline <= now) {
            let held = self.gatherer.flush();
            self.sockets.publish(held);
        }
        self.climb_ladder(now);
        self.on_setting_deadline(now);
        self.on_last_sign_deadline(now);
        self.on_turn_deadline(now);
    }

    /// Publishes a message to all clients, in order with held text.
    fn publish(&mut self, frames: Frames) {
        let ready = self.gatherer.push(Instant::now(), frames);
        self.sockets.publish(ready);
    }

    fn publish_status(&mut self, parent_header: &Bytes, state: ExecutionState) {
        let status = self.session.status(parent_header, state);
        self.publish(status);
    }

    /// After an idle status of ours while a cell runs: clients take the last status for the kernel's.
    fn restore_busy(&mut self) {
        let running = match &self.prompt {
            Some(prompt) => Some(prompt.request.parent().clone()),
            None => self
                .setting_parent()
                .or_else(|| self.schedule.first_running().map(|cell| cell.header.clone())),
        };
        if let Some(parent_header) = running {
            self.publish_status(&parent_header, ExecutionState::Busy);
        }
    }
}
