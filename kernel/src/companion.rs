//! The companion: the process that runs every Python cell, ipykernel as a child of ours, or a kernel at a place that the
//! user named ([`elsewhere`]).
//!
//! It is started in the background. What is sent before it is up waits in order.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::connection::Channel;
use crate::database::Database;
use crate::event::Event;
use crate::place::Place;
use crate::sandbox::{Inmate, Installer, Sandbox, Settings};
use crate::wire::Frames;
use crate::zmtp::Multipart;

mod elsewhere;
mod gate;
mod link;
mod process;
mod proxy;
mod runtime;
mod talk;
mod tree;

pub(crate) use elsewhere::Found;
use link::Link;
use process::Signals;
use runtime::RuntimeFolder;

/// How a companion is started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The Python that has ipykernel.
    pub(crate) python: PathBuf,
    /// Where cells run. Of the rest, only the folder and the session id count elsewhere.
    pub(crate) place: Place,
    /// Where it runs.
    pub(crate) folder: PathBuf,
    /// Arguments for ipykernel.
    pub(crate) args: Vec<String>,
    /// The session id in all that we send; the companion uses it too, since JupyterLab drops messages of a kernel
    /// whose session changes between two messages.
    pub(crate) session_id: String,
    /// What it may reach.
    pub(crate) sandbox: Settings,
    /// Databases that it reaches through the gate.
    pub(crate) databases: Vec<Database>,
}

impl Launch {
    fn inmate<'a>(&'a self, runtime: &'a Path) -> Inmate<'a> {
        Inmate { python: &self.python, folder: &self.folder, runtime }
    }
}

/// What is heard of a companion.
#[derive(Debug)]
pub(crate) enum News {
    /// It takes requests now.
    Up(Up),
    /// It sent a message; on `IoPub` the topic comes first.
    Message(Channel, Multipart),
    /// Its process has ended, nothing of it runs, its folder is removed. One sentence says why.
    Gone(String),
}

/// A companion that takes requests.
#[derive(Debug)]
pub(crate) struct Up {
    link: Link,
    /// The version of Python, such as `3.12.3`.
    pub(crate) python_version: String,
    /// What was found out of one that is not the launcher's.
    elsewhere: Option<Found>,
}

/// A handle on the companion; dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Companion {
    launch: Launch,
    news: mpsc::Sender<Event>,
    generation: u64,
    /// The tier that was found to work.
    sandbox: Option<Sandbox>,
    /// What was found out of one that is elsewhere, once it is up.
    found: Option<Found>,
    state: State,
}

#[derive(Debug)]
enum State {
    Starting { signals: Signals, waiting: Vec<(Channel, Multipart)> },
    Up { signals: Signals, link: Link },
    Broken { reason: String },
}

impl Companion {
    /// Starts the first companion; news of it arrive on `news`.
    pub(crate) fn start(launch: Launch, news: mpsc::Sender<Event>) -> Companion {
        let state = State::Broken { reason: "it was not started yet".into() };
        let (sandbox, found) = (None, None);
        let mut companion = Companion { launch, news, generation: 0, sandbox, found, state };
        companion.restart();
        companion
    }

    /// Ends what runs and starts afresh. A failure is kept, see [`Companion::broken`].
    pub(crate) fn restart(&mut self) {
        self.generation += 1;
        self.found = None;
        let reporter = Reporter { news: self.news.clone(), generation: self.generation };
        self.state = match self.begin(reporter) {
            Ok(signals) => State::Starting { signals, waiting: Vec::new() },
            Err(reason) => State::Broken { reason },
        };
    }

    /// Starts afresh with other settings of the sandbox.
    pub(crate) fn start_with(&mut self, settings: Settings) {
        self.launch.sandbox = settings;
        self.sandbox = None;
        self.restart();
    }

    /// pip, ready to install packages where Python finds them.
    ///
    /// # Errors
    /// One sentence, when there is no place for them.
    pub(crate) fn installer(&self, packages: &[String]) -> Result<Installer, String> {
        let sandbox = self.sandbox.as_ref().ok_or("Python was not started")?;
        sandbox.installer(&self.launch.folder, packages)
    }

    /// What the user wants of the sandbox now.
    pub(crate) fn settings(&self) -> &Settings {
        &self.launch.sandbox
    }

    fn begin(&mut self, reporter: Reporter) -> Result<Signals, String> {
        if !self.launch.place.is_here() {
            return Ok(elsewhere::start(&self.launch, reporter));
        }
        let folder =
            RuntimeFolder::create(&self.launch.databases).map_err(|error| error.to_string())?;
        let sandbox = if let Some(sandbox) = &self.sandbox {
            sandbox
        } else {
            let inmate = self.launch.inmate(folder.path());
            self.sandbox.insert(Sandbox::choose(&self.launch.sandbox, inmate)?)
        };
        process::spawn(&self.launch, sandbox, folder, reporter)
    }

    /// What holds it, unless nothing works here, or it is elsewhere.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// Where it is, if it is not here.
    pub(crate) fn elsewhere(&self) -> Option<&Place> {
        Some(&self.launch.place).filter(|place| !place.is_here())
    }

    /// What was found out of one that is elsewhere, once it is up.
    pub(crate) fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// Whether the files of the notebook's folder are where cells run; not known before it is up.
    pub(crate) fn has_folder(&self) -> Option<bool> {
        match &self.launch.place {
            Place::Here => Some(true),
            _ => self.found.as_ref().map(|found| found.shares_folder),
        }
    }

    /// For people, one sentence: what holds it, or that nothing of ours does. None where nothing works.
    pub(crate) fn in_words(&self) -> Option<String> {
        let Some(place) = self.elsewhere() else {
            return self.sandbox.as_ref().map(Sandbox::in_words);
        };
        let files = match self.has_folder() {
            Some(false) => "; the files of this folder are not there",
            Some(true) | None => "",
        };
        Some(format!("Not sandboxed by Datarus: the code runs at {place}{files}"))
    }

    /// The same for programs.
    pub(crate) fn as_json(&self) -> Option<Value> {
        let Some(place) = self.elsewhere() else {
            return self.sandbox.as_ref().map(Sandbox::as_json);
        };
        Some(json!({
            "tier": "elsewhere",
            "network": "on",
            "place": place.to_string(),
            "has_folder": self.has_folder(),
        }))
    }

    /// Marks it as not startable; the next execution tries again.
    pub(crate) fn give_up(&mut self, reason: String) {
        self.state = State::Broken { reason };
    }

    /// Why there is none, if there is none.
    pub(crate) fn broken(&self) -> Option<&str> {
        match &self.state {
            State::Broken { reason } => Some(reason),
            State::Starting { .. } | State::Up { .. } => None,
        }
    }

    /// Whether it takes requests already.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether news with this number are of the process that runs now.
    pub(crate) fn is_current(&self, generation: u64) -> bool {
        generation == self.generation
    }

    /// Takes the connection of a companion that came up, and sends it what has waited.
    pub(crate) fn on_up(&mut self, up: Up) {
        let Up { link, elsewhere, .. } = up;
        self.found = elsewhere;
        let before = std::mem::replace(&mut self.state, State::Broken { reason: String::new() });
        if let State::Starting { signals, waiting } = before {
            for (channel, multipart) in waiting {
                link.send(channel, multipart);
            }
            self.state = State::Up { signals, link };
        }
    }

    /// Sends a message, at once or as soon as the companion is up.
    pub(crate) fn send(&mut self, channel: Channel, frames: Frames) {
        let multipart = frames.unsigned().into_multipart();
        match &mut self.state {
            State::Starting { waiting, .. } => waiting.push((channel, multipart)),
            State::Up { link, .. } => link.send(channel, multipart),
            State::Broken { .. } => {}
        }
    }

    /// Takes back what waits for the companion to come up: the messages whose header is this.
    pub(crate) fn withdraw(&mut self, header: &Bytes) {
        if let State::Starting { waiting, .. } = &mut self.state {
            waiting.retain(|(_, multipart)| !multipart.contains(header));
        }
    }

    /// Sends a signal to the process and all its children that stayed in its group. A companion that is not up yet
    /// gets only what ends it: it does not know interrupts.
    pub(crate) fn signal(&self, signal: Signal) {
        match &self.state {
            State::Up { signals, .. } => signals.send(signal),
            State::Starting { signals, .. } if signal != Signal::INT => signals.send(signal),
            State::Starting { .. } | State::Broken { .. } => {}
        }
    }
}

/// Sends news into the event loop.
#[derive(Debug, Clone)]
struct Reporter {
    news: mpsc::Sender<Event>,
    generation: u64,
}

impl Reporter {
    /// Waits while the loop is behind, so that a flood of output is held back in the companion.
    async fn tell(&self, news: News) {
        // The loop is gone only when the kernel ends: nobody is left to be told.
        let _ = self.news.send(Event::Companion(self.generation, news)).await;
    }
}
