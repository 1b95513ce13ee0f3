//! One request and its answer over HTTP, which an interrupt ends at once.
//!
//! A thread of its own waits for the server; what arrives comes over a channel, at which the caller also looks whether
//! it is to stop. What is dropped before its end closes its connection, so that the server stops computing.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ureq::http::Response;
use ureq::{Agent, Body, Error};

use super::address::Reach;
use super::refusal::shown;
use super::{ApiKey, Patience, Settings};
use crate::llm::Interrupt;
use crate::llm::web::{self, Fault};

/// Between two looks at the interrupt.
const TICK: Duration = Duration::from_millis(20);

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;

/// Pieces that wait to be taken.
const WAITING: usize = 16;

/// What is asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// A resource.
    Get(String),
    /// JSON for a resource.
    Post(String, String),
}

/// What arrives.
#[derive(Debug)]
pub(super) enum Heard {
    /// First.
    Head {
        /// Of HTTP.
        status: u16,
        /// A header of that name.
        retry_after: Option<String>,
    },
    /// Of the body.
    Bytes(Vec<u8>),
    /// Its end.
    End,
}

/// Why nothing more arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The interrupt.
    Stopped,
    /// It may pass: nothing listens, or the connection ended.
    Passing(String),
    /// It stays so.
    Final(String),
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Exchange {
    agent: Option<Agent>,
    patience: Patience,
    key: Option<ApiKey>,
    heard: Receiver<Result<Heard, Trouble>>,
}

impl Exchange {
    /// Begins to ask.
    pub(super) fn begin(settings: &Settings, ask: Ask, patience: Patience) -> Self {
        // Each exchange has an agent of its own, since shutting one down ends it for good.
        let agent = web::agent(settings.address.reach() == Reach::Here, patience.silence);
        let key = settings.key.clone();
        let authorization = key.as_ref().map(ApiKey::authorization);
        let (sender, heard) = sync_channel(WAITING);
        let asking = agent.clone();
        let thread = std::thread::Builder::new().name(String::from("model server"));
        // Without a thread the channel is closed at once, see `next`.
        let _ = thread.spawn(move || {
            let outcome = converse(&asking, ask, authorization, &sender);
            let trouble = |error| trouble(&error, patience, key.as_ref());
            let _ = sender.send(outcome.map(|()| Heard::End).map_err(trouble));
        });
        Self { agent: Some(agent), patience, key: settings.key.clone(), heard }
    }

    /// The key that was sent.
    pub(super) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// What arrives next. Blocks until then, until the interrupt, or until the patience is over that began at `since`:
    /// a server that sends a byte now and then does not make it longer.
    ///
    /// # Errors
    /// When nothing more arrives.
    pub(super) fn next(&self, interrupt: &Interrupt, since: Instant) -> Result<Heard, Trouble> {
        loop {
            if interrupt.is_set() {
                return Err(Trouble::Stopped);
            }
            if since.elapsed() > self.patience.silence {
                return Err(Trouble::Final(silence(self.patience)));
            }
            match self.heard.recv_timeout(TICK) {
                Ok(heard) => return heard,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let reason = "no thread could be started to wait for it";
                    return Err(Trouble::Final(reason.to_owned()));
                }
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.shutdown();
        }
    }
}

/// Waits; says false when the interrupt ends it.
pub(super) fn pause(duration: Duration, interrupt: &Interrupt) -> bool {
    let end = Instant::now() + duration;
    while !interrupt.is_set() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(TICK));
    }
    false
}

fn converse(
    agent: &Agent,
    ask: Ask,
    authorization: Option<String>,
    sender: &SyncSender<Result<Heard, Trouble>>,
) -> Result<(), Error> {
    let response = request(agent, ask, authorization)?;
    let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let (status, retry_after) = (response.status().as_u16(), header("retry-after"));
    if sender.send(Ok(Heard::Head { status, retry_after })).is_err() {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    let mut piece = vec![0; PIECE];
    loop {
        let read = body.read(&mut piece).map_err(Error::from)?;
        let bytes = piece.get(..read).unwrap_or_default().to_vec();
        if bytes.is_empty() || sender.send(Ok(Heard::Bytes(bytes))).is_err() {
            return Ok(());
        }
    }
}

fn request(
    agent: &Agent,
    ask: Ask,
    authorization: Option<String>,
) -> Result<Response<Body>, Error> {
    match ask {
        Ask::Get(at) => {
            let request = agent.get(at).header("accept", "application/json");
            match authorization {
                Some(value) => request.header("authorization", value).call(),
                None => request.call(),
            }
        }
        Ask::Post(at, json) => {
            let request = agent.post(at).header("content-type", "application/json");
            let request = request.header("accept", "text/event-stream, application/json");
            match authorization {
                Some(value) => request.header("authorization", value).send(json),
                None => request.send(json),
            }
        }
    }
}

fn trouble(error: &Error, patience: Patience, key: Option<&ApiKey>) -> Trouble {
    match web::fault(error, &|text| shown(text, key), &silence(patience)) {
        Fault { passes: true, reason } => Trouble::Passing(reason),
        Fault { passes: false, reason } => Trouble::Final(reason),
    }
}

fn silence(patience: Patience) -> String {
    format!(
        "it said nothing of use for {} seconds: give it more with `--endpoint-timeout SECONDS`",
        patience.silence.as_secs()
    )
}
