//! A companion that the launcher did not start: a kernelspec's kernel, one that runs already, one behind a Jupyter
//! Server.
//!
//! It gets the same module as the launcher's (`settle.py`), and what it says is made to look like what that says, so
//! that the relay knows no difference. What is ours ends with us; what others started stays.

use std::future::pending;
use std::path::PathBuf;

use rustix::process::Signal;
use tokio::sync::mpsc;

use super::link::Link;
use super::process::Signals;
use super::{Launch, News, Reporter, Up};
use crate::connection::{Channel, ConnectionInfo};
use crate::place::Place;
use crate::wire::Frames;

mod envelope;
mod kernelspec;
mod ledger;
mod pump;
mod settle;
mod sockets;
mod web;

use kernelspec::Started;
use ledger::Ledger;
use pump::Pump;
pub(crate) use settle::Found;
use sockets::SocketLine;
use web::{Served, WebLine};

/// Starts a companion at the place that the launch names; news of it go to `reporter`.
pub(super) fn start(launch: &Launch, reporter: Reporter) -> Signals {
    let (sender, signals) = mpsc::unbounded_channel();
    let place = launch.place.clone();
    let home = Home {
        folder: launch.folder.clone(),
        python: launch.python.clone(),
        session_id: launch.session_id.clone(),
    };
    tokio::spawn(Driver { place, home, signals, reporter }.until_the_end());
    Signals::new(sender)
}

/// What a companion elsewhere needs of ours.
struct Home {
    folder: PathBuf,
    python: PathBuf,
    session_id: String,
}

struct Driver {
    place: Place,
    home: Home,
    signals: mpsc::UnboundedReceiver<Signal>,
    reporter: Reporter,
}

/// Whose kernel it is, and how it is reached besides its messages.
enum Kernel {
    Started(Box<Started>, ConnectionInfo),
    Running(Box<ConnectionInfo>),
    Served(Box<Served>),
}

impl Kernel {
    /// Whether it was started for us.
    fn is_ours(&self) -> bool {
        match self {
            Self::Started(..) => true,
            Self::Running(_) => false,
            Self::Served(served) => served.is_ours,
        }
    }

    async fn begin(place: &Place, home: &Home) -> Result<Self, String> {
        match place {
            Place::Here => Err("Python here is the launcher's".into()),
            Place::Kernelspec(name) => {
                let (started, connection) =
                    Started::begin(name, &home.python, &home.folder).await?;
                Ok(Self::Started(Box::new(started), connection))
            }
            Place::File(path) => {
                let connection = ConnectionInfo::read(path).map_err(|error| {
                    let source = std::error::Error::source(&error);
                    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
                })?;
                Ok(Self::Running(Box::new(connection)))
            }
            Place::Server(address) => {
                Ok(Self::Served(Box::new(Served::begin(address.clone()).await?)))
            }
        }
    }

    async fn connect(&self, session_id: &str) -> Result<Line, String> {
        match self {
            Self::Started(_, connection) => {
                Ok(Line::Sockets(Box::new(SocketLine::connect(connection).await?)))
            }
            Self::Running(connection) => {
                Ok(Line::Sockets(Box::new(SocketLine::connect(connection).await?)))
            }
            Self::Served(served) => Ok(Line::Web(Box::new(served.connect(session_id).await?))),
        }
    }

    /// Waits for the end of a process of ours.
    async fn ended(&mut self) -> String {
        match self {
            Self::Started(started, _) => started.ended().await,
            Self::Running(_) | Self::Served(_) => pending().await,
        }
    }

    /// Ends it, if it is ours.
    async fn end(&mut self) {
        match self {
            Self::Started(started, _) => {
                let _ = started.end().await;
            }
            Self::Served(served) if served.is_ours => served.end().await,
            Self::Running(_) | Self::Served(_) => {}
        }
    }
}

/// The way of the messages.
enum Line {
    Sockets(Box<SocketLine>),
    Web(Box<WebLine>),
}

impl Line {
    fn send(&mut self, channel: Channel, frames: Frames) {
        match self {
            Self::Sockets(line) => line.send(channel, frames),
            Self::Web(line) => line.send(channel, &frames),
        }
    }

    /// The next message. Safe to cancel.
    async fn next(&mut self) -> Result<(Channel, Frames), String> {
        match self {
            Self::Sockets(line) => line.next().await,
            Self::Web(line) => line.next().await,
        }
    }
}

impl Driver {
    async fn until_the_end(mut self) {
        let begun = tokio::select! {
            begun = Kernel::begin(&self.place, &self.home) => begun,
            () = told_to_end(&mut self.signals) => Err("it was ended before it began".into()),
        };
        let reason = match begun {
            Err(reason) => reason,
            Ok(mut kernel) => {
                let reason = self.serve(&mut kernel).await.unwrap_or_else(|reason| reason);
                kernel.end().await;
                reason
            }
        };
        self.reporter.tell(News::Gone(format!("{}: {reason}", self.place))).await;
    }

    /// Returns why it is over.
    async fn serve(&mut self, kernel: &mut Kernel) -> Result<String, String> {
        let mut ledger = Ledger::new(self.home.session_id.clone(), !kernel.is_ours());
        let session_id = self.home.session_id.clone();
        let (folder, is_ours) = (self.home.folder.clone(), kernel.is_ours());
        let (line, found) = {
            let begun = async {
                let mut line = kernel.connect(&session_id).await?;
                let found = settle::settle(&mut line, &mut ledger, &folder, is_ours).await?;
                Ok::<_, String>((line, found))
            };
            tokio::select! {
                begun = begun => begun?,
                () = told_to_end(&mut self.signals) => return Ok("it was ended".into()),
            }
        };
        let (sender, queues) = Link::queued();
        let python_version = found.python_version.clone();
        let up = Up { link: sender, python_version, elsewhere: Some(found) };
        self.reporter.tell(News::Up(up)).await;
        let reporter = self.reporter.clone();
        let pump = Pump::new(kernel, line, ledger, queues, reporter, session_id);
        Ok(pump.run(&mut self.signals).await)
    }
}

/// Waits for the word that ends a companion.
async fn told_to_end(signals: &mut mpsc::UnboundedReceiver<Signal>) {
    while let Some(signal) = signals.recv().await {
        if matches!(signal, Signal::TERM | Signal::KILL) {
            return;
        }
    }
}
