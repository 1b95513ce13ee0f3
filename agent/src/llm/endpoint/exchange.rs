//! One request and its answer over HTTP, which an interrupt ends at once.
//!
//! A thread of its own waits for the server; what arrives comes over a channel, at which the caller also looks whether
//! it is to stop. What is dropped before its end closes its connection, so that the server stops computing.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error, Proxy, Timeout};

use super::address::Reach;
use super::refusal::shown;
use super::{ApiKey, Patience, Settings};
use crate::llm::Interrupt;

/// Between two looks at the interrupt.
const TICK: Duration = Duration::from_millis(20);

/// To find a host, and to connect to it.
const CONNECT: Duration = Duration::from_secs(10);

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
        let agent = agent(settings, patience);
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
                return Err(silent(self.patience));
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

/// Each exchange has an agent of its own, since shutting one down ends it for good.
fn agent(settings: &Settings, patience: Patience) -> Agent {
    let tls = TlsConfig::builder()
        // As this machine's other programs do: a company's own authority counts.
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    // What is on this machine is never asked by way of another one.
    let is_here = settings.address.reach() == Reach::Here;
    let proxy = if is_here { None } else { Proxy::try_from_env() };
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        // A key that is sent to one host is not carried to another one.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(patience.silence))
        .timeout_per_write(Some(patience.silence))
        .user_agent(concat!("datarus/", env!("CARGO_PKG_VERSION")))
        .build();
    config.new_agent()
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
    use std::io::ErrorKind;
    let shown = |reason: &dyn std::fmt::Display| shown(&reason.to_string(), key);
    match error {
        Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => {
                Trouble::Passing(String::from("nothing listens there: is the server running?"))
            }
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Trouble::Passing(String::from(
                "it closed the connection: look at what it says itself",
            )),
            // What `rustls` finds wrong with a certificate, or with a server that does not encrypt.
            ErrorKind::InvalidData => unencrypted(&shown(io)),
            _ => Trouble::Final(format!("it cannot be reached ({})", shown(io))),
        },
        Error::BodyStalled => {
            Trouble::Passing(String::from("it closed the connection in the middle of its answer"))
        }
        Error::HostNotFound => {
            Trouble::Final(String::from("no such host is known here: look at the address"))
        }
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => Trouble::Final(format!(
            "no connection within {} seconds: look at the address and at what is between",
            CONNECT.as_secs()
        )),
        Error::Timeout(_) => silent(patience),
        Error::Rustls(reason) => unencrypted(&shown(reason)),
        Error::InvalidProxyUrl | Error::ConnectProxyFailed(_) => Trouble::Final(format!(
            "the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY failed ({})",
            shown(error)
        )),
        other => Trouble::Final(format!("expected HTTP, found something else ({})", shown(other))),
    }
}

fn silent(patience: Patience) -> Trouble {
    Trouble::Final(format!(
        "it said nothing of use for {} seconds: give it more with `--endpoint-timeout SECONDS`",
        patience.silence.as_secs()
    ))
}

fn unencrypted(reason: &str) -> Trouble {
    Trouble::Final(format!(
        "the encrypted connection failed ({reason}): does it speak https, with a certificate that this machine \
         trusts? SSL_CERT_FILE names others"
    ))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_stays_and_each_says_what_to_do() {
        let check = |error: Error, passes: bool, words: &str| {
            let patience = Patience { silence: Duration::from_secs(7), ..Patience::default() };
            let (found, said) = match trouble(&error, patience, None) {
                Trouble::Passing(said) => (true, said),
                Trouble::Final(said) => (false, said),
                Trouble::Stopped => panic!("nobody stopped it"),
            };
            assert!(found == passes && said.contains(words), "{error}: {said}");
        };
        let io = |kind: io::ErrorKind| Error::Io(io::Error::new(kind, "reason"));
        check(io(io::ErrorKind::ConnectionRefused), true, "is the server running?");
        check(io(io::ErrorKind::ConnectionReset), true, "closed the connection");
        check(io(io::ErrorKind::UnexpectedEof), true, "closed the connection");
        check(io(io::ErrorKind::InvalidData), false, "(reason): does it speak https");
        check(io(io::ErrorKind::NetworkUnreachable), false, "(reason)");
        check(Error::HostNotFound, false, "look at the address");
        check(Error::Timeout(Timeout::Connect), false, "no connection within 10 seconds");
        check(
            Error::Timeout(Timeout::PerRead),
            false,
            "nothing of use for 7 seconds: give it more with `--endpoint-timeout",
        );
        check(Error::InvalidProxyUrl, false, "the proxy of HTTPS_PROXY");
    }
}
