//! Hands messages on in both directions, and does what a place has a way of its own for.

use std::future::pending;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ledger::Ledger;
use super::web::{Served, WebLine};
use super::{Kernel, Line, told_to_end};
use crate::companion::link::Queues;
use crate::companion::{News, Reporter};
use crate::connection::Channel;
use crate::wire::Frames;
use crate::zmtp::Multipart;

/// How long a lost connection to a server is tried again.
const RECONNECT: Duration = Duration::from_secs(30);

/// How long is waited between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a kernel that stays may take to stop what we asked of it when we go.
const LEAVING: Duration = Duration::from_millis(500);

/// How long is listened to a process that has ended for what it still said.
const DRAIN: Duration = Duration::from_millis(100);

/// What was lost with a connection.
const LOST_ANSWER: &str =
    "the connection to Python broke, and the answer to this cell is lost: it may have run";

/// What passes between the relay and a kernel.
pub(super) struct Pump<'k> {
    kernel: &'k mut Kernel,
    line: Line,
    ledger: Ledger,
    queues: Queues,
    reporter: Reporter,
    /// Interrupts that a server was asked for: the request that is answered with it, and how it went.
    interrupts: JoinSet<(Option<String>, Result<(), String>)>,
    /// When we go at the latest, once we were asked to.
    leaving: Option<Instant>,
    session_id: String,
}

/// What may happen.
enum Happened {
    Asked(Channel, Multipart),
    Said(Result<(Channel, Frames), String>),
    Signal(Option<Signal>),
    Ended(String),
    Interrupted(Option<String>, Result<(), String>),
    TimeToGo,
}

impl<'k> Pump<'k> {
    /// A pump for a kernel that takes requests now.
    pub(super) fn new(
        kernel: &'k mut Kernel,
        line: Line,
        ledger: Ledger,
        queues: Queues,
        reporter: Reporter,
        session_id: String,
    ) -> Self {
        let (interrupts, leaving) = (JoinSet::new(), None);
        Self { kernel, line, ledger, queues, reporter, interrupts, leaving, session_id }
    }
}

impl Pump<'_> {
    /// Hands on until it is over, and says why it is.
    pub(super) async fn run(mut self, signals: &mut mpsc::UnboundedReceiver<Signal>) -> String {
        loop {
            let leaving = self.leaving;
            let happened = tokio::select! {
                (channel, multipart) = self.queues.next() => Happened::Asked(channel, multipart),
                said = self.line.next() => Happened::Said(said),
                signal = signals.recv() => Happened::Signal(signal),
                ended = self.kernel.ended() => Happened::Ended(ended),
                Some(done) = self.interrupts.join_next() => {
                    let (msg_id, done) = done.unwrap_or((None, Ok(())));
                    Happened::Interrupted(msg_id, done)
                }
                () = sleep_until(leaving) => Happened::TimeToGo,
            };
            let over = match happened {
                Happened::Asked(channel, multipart) => self.on_asked(channel, multipart),
                Happened::Said(Ok((channel, frames))) => self.on_said(channel, frames).await,
                Happened::Said(Err(reason)) => self.on_lost(reason, signals).await,
                Happened::Signal(signal) => self.on_signal(signal),
                Happened::Ended(reason) => {
                    self.drain().await;
                    Some(reason)
                }
                Happened::Interrupted(msg_id, done) => {
                    self.on_interrupted(msg_id, done).await;
                    None
                }
                Happened::TimeToGo => Some("it was left".into()),
            };
            if let Some(reason) = over {
                return reason;
            }
            if self.leaving.is_some() && !self.ledger.waits(Channel::Shell) {
                return "it was left".into();
            }
        }
    }

    /// What the relay sends. Whatever a server or a process has its own way for is done that way.
    fn on_asked(&mut self, channel: Channel, multipart: Multipart) -> Option<String> {
        let frames = Frames::parse(multipart).ok()?;
        let header = frames.header().ok()?;
        let frames = self.ledger.send(channel, frames);
        match header.msg_type.as_str() {
            "interrupt_request" => self.interrupt(Some((header.msg_id, frames))),
            "shutdown_request" if !matches!(self.kernel, Kernel::Started(..)) => {
                if self.kernel.is_ours() {
                    return Some("it was ended".into());
                }
                self.leaving = Some(Instant::now() + LEAVING);
            }
            _ => self.line.send(channel, frames),
        }
        None
    }

    /// Interrupts what runs, unless it is somebody else's. `asked` is the request for it, which is answered.
    fn interrupt(&mut self, asked: Option<(String, Frames)>) {
        let nothing_runs = !self.kernel.is_ours() && !self.ledger.waits(Channel::Shell);
        let by_message = match &self.kernel {
            _ if nothing_runs => false,
            Kernel::Started(started, _) => started.by_message,
            Kernel::Running(_) => true,
            Kernel::Served(_) => false,
        };
        if by_message {
            let frames = match asked {
                Some((_, frames)) => frames,
                // One that is on its way does it.
                None if self.ledger.waits(Channel::Control) => return,
                None => {
                    let frames = self.ledger.message("interrupt_request", &json!({}));
                    self.ledger.send(Channel::Control, frames)
                }
            };
            return self.line.send(Channel::Control, frames);
        }
        let msg_id = asked.map(|(msg_id, _)| msg_id);
        match &self.kernel {
            Kernel::Served(served) if !nothing_runs => {
                // Two interrupts that cross on the way would stop two cells.
                if msg_id.is_some() || self.interrupts.is_empty() {
                    let served = served.clone();
                    self.interrupts.spawn(async move { (msg_id, served.interrupt().await) });
                }
            }
            Kernel::Started(started, _) => {
                started.signal(Signal::INT);
                self.interrupts.spawn(async move { (msg_id, Ok(())) });
            }
            Kernel::Running(_) | Kernel::Served(_) => {
                self.interrupts.spawn(async move { (msg_id, Ok(())) });
            }
        }
    }

    async fn on_interrupted(&mut self, msg_id: Option<String>, done: Result<(), String>) {
        if let Err(reason) = &done {
            tracing::warn!(reason, "a server did not interrupt its kernel");
        }
        let Some(msg_id) = msg_id else { return };
        let answers = self.ledger.answer(&msg_id, done.err().as_deref());
        self.tell(answers).await;
    }

    async fn on_said(&mut self, channel: Channel, frames: Frames) -> Option<String> {
        if channel == Channel::IoPub && self.has_died(&frames) {
            return Some("its process has ended".into());
        }
        if self.ledger.is_own(&frames) {
            if let Some(lost) = self.ledger.after_probe(&frames, LOST_ANSWER) {
                self.tell(lost).await;
            }
            self.ledger.receive(channel, frames);
            return None;
        }
        if let Some(frames) = self.ledger.receive(channel, frames) {
            self.tell(vec![(channel, frames)]).await;
        }
        None
    }

    /// A server says so where its kernel cannot.
    fn has_died(&self, frames: &Frames) -> bool {
        const ENDS: [&str; 3] = ["restarting", "autorestarting", "dead"];
        let Kernel::Served(_) = self.kernel else { return false };
        let is_status = frames.header().is_ok_and(|header| header.msg_type == "status");
        is_status
            && frames.content::<serde_json::Value>().is_ok_and(|content| {
                content["execution_state"].as_str().is_some_and(|state| ENDS.contains(&state))
            })
    }

    async fn tell(&mut self, messages: Vec<(Channel, Frames)>) {
        for (channel, frames) in messages {
            self.reporter.tell(News::Message(channel, frames.into_multipart())).await;
        }
    }

    fn on_signal(&mut self, signal: Option<Signal>) -> Option<String> {
        let signal = signal.unwrap_or(Signal::KILL);
        match (&self.kernel, signal) {
            (_, Signal::INT) => self.interrupt(None),
            (Kernel::Started(started, _), signal) => started.signal(signal),
            (_, Signal::KILL) => return Some("it does not stop, and was left".into()),
            (Kernel::Served(served), Signal::TERM) if served.is_ours => {
                return Some("it was ended".into());
            }
            _ => {}
        }
        None
    }

    /// A server's connection is tried again for a while; without sockets there is no kernel.
    async fn on_lost(
        &mut self,
        reason: String,
        signals: &mut mpsc::UnboundedReceiver<Signal>,
    ) -> Option<String> {
        let Line::Web(line) = &mut self.line else {
            // A process of ours says better why.
            let ended = tokio::time::timeout(DRAIN, self.kernel.ended()).await;
            return Some(ended.unwrap_or(reason));
        };
        let Kernel::Served(served) = &self.kernel else { return Some(reason) };
        tracing::warn!(reason, "the connection to a server broke");
        let unsent = line.take_unsent();
        let again = tokio::select! {
            again = reconnect(served, &self.session_id, &reason) => again,
            () = told_to_end(signals) => return Some(reason),
        };
        match again {
            Err(reason) => Some(reason),
            Ok(mut line) => {
                line.resend(unsent);
                self.line = Line::Web(Box::new(line));
                let probe = self.ledger.reconnected();
                let probe = self.ledger.send(Channel::Shell, probe);
                self.line.send(Channel::Shell, probe);
                None
            }
        }
    }

    /// Hands on what a process that has ended had still said.
    async fn drain(&mut self) {
        while let Ok(Ok((channel, frames))) = tokio::time::timeout(DRAIN, self.line.next()).await {
            self.on_said(channel, frames).await;
        }
    }
}

async fn reconnect(served: &Served, session_id: &str, reason: &str) -> Result<WebLine, String> {
    let begun = Instant::now();
    loop {
        let again = match served.is_there().await {
            Ok(false) => return Err(format!("{reason}, and it does not know the kernel any more")),
            Ok(true) => served.connect(session_id).await,
            Err(reason) => Err(reason),
        };
        match again {
            Ok(line) => return Ok(line),
            Err(now) if begun.elapsed() > RECONNECT => {
                let seconds = RECONNECT.as_secs();
                return Err(format!(
                    "{reason}, and did not come back in {seconds} seconds ({now})"
                ));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}
