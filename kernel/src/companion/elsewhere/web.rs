//! A kernel behind a Jupyter Server: REST for its life, a WebSocket for its messages.
//!
//! # Source
//! <https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html>.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

use super::envelope::{Packet, Protocol, V1};
use crate::connection::Channel;
use crate::place::{ServerAddress, Wanted};
use crate::terminal::terminal_line;
use crate::wire::Frames;

/// How long a server may take for an answer: to start a kernel on a cluster takes a while.
const SILENCE: Duration = Duration::from_secs(60);

/// How long it may take to open a WebSocket.
const OPENING: Duration = Duration::from_secs(30);

/// How often a server is told to end a kernel before it is believed that it will not, and the time between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// How often a sign of life is asked for.
const PING: Duration = Duration::from_secs(10);

/// After so long without any, the connection is lost.
const LOST: Duration = Duration::from_secs(30);

/// The most that one message may hold, in bytes; as many as a client may send.
const MAX_MESSAGE: usize = 256 << 20;

/// The most that is read of an answer to a request, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// A kernel behind a server.
#[derive(Debug, Clone)]
pub(super) struct Served {
    address: ServerAddress,
    agent: ureq::Agent,
    /// Its id there.
    id: String,
    /// Whether it was started for us, and ends with us.
    pub(super) is_ours: bool,
}

/// What a server says to a request: its status and what is in the answer.
type Answer = Result<(u16, Value), String>;

impl Served {
    /// Has a kernel started, or finds the one that was named.
    ///
    /// # Errors
    /// One sentence: what was expected of the server, what came, what to do.
    pub(super) async fn begin(address: ServerAddress) -> Result<Self, String> {
        // What is asked is one server, named by the user: no proxy is asked to ask it.
        let agent = datarus_agent::llm::web::agent(true, SILENCE);
        let (id, is_ours) = match &address.kernel {
            Wanted::Running(id) => (id.clone(), false),
            Wanted::New(_) => (String::new(), true),
        };
        let mut served = Self { address, agent, id, is_ours };
        let (status, answer) = match &served.address.kernel {
            Wanted::Running(_) => served.ask("GET", &served.resource(""), None).await?,
            Wanted::New(name) => {
                let body = name.as_ref().map_or_else(|| json!({}), |name| json!({"name": name}));
                served.ask("POST", "api/kernels", Some(body)).await?
            }
        };
        match answer["id"].as_str() {
            Some(id) if status < 300 && is_id(id) => id.clone_into(&mut served.id),
            _ => return Err(refusal(status, &answer)),
        }
        Ok(served)
    }

    fn resource(&self, rest: &str) -> String {
        format!("api/kernels/{}{rest}", self.id)
    }

    /// Interrupts what runs, as the kernelspec says.
    ///
    /// # Errors
    /// One sentence.
    pub(super) async fn interrupt(&self) -> Result<(), String> {
        match self.ask("POST", &self.resource("/interrupt"), Some(json!({}))).await? {
            (200..=299, _) => Ok(()),
            (status, answer) => Err(refusal(status, &answer)),
        }
    }

    /// Ends the kernel. One that is not there any longer has ended.
    pub(super) async fn end(&self) {
        let mut ended = Ok(false);
        for _ in 0..TRIES {
            // While the server restarts a kernel that has died, it fails to end it.
            ended =
                self.ask("DELETE", &self.resource(""), None).await.map(|(status, _)| status < 500);
            if ended != Ok(false) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        if ended != Ok(true) {
            tracing::warn!(?ended, "a kernel of a server may still run");
        }
    }

    /// Whether the server still has it.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub(super) async fn is_there(&self) -> Result<bool, String> {
        let (status, _) = self.ask("GET", &self.resource(""), None).await?;
        Ok(status != 404)
    }

    async fn ask(&self, method: &'static str, resource: &str, body: Option<Value>) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(self.address.of(resource).as_str())
            .header("accept", "application/json");
        if let Some(authorization) = self.address.token.authorization() {
            request = request.header("authorization", authorization);
        }
        let agent = self.agent.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let request = request.header("content-type", "application/json");
            let answer = match body {
                Some(body) => agent.run(request.body(body.to_string())?),
                None => agent.run(request.body(())?),
            };
            let mut answer = answer?;
            let status = answer.status().as_u16();
            let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string()?;
            Ok::<_, ureq::Error>((status, text))
        });
        let answer = asked.await.map_err(|error| error.to_string())?;
        let (status, text) = answer.map_err(|error| {
            let silent = "it says nothing: is it a Jupyter Server, and is it well?";
            datarus_agent::llm::web::fault(&error, &|text| terminal_line(text), silent).reason
        })?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Opens the WebSocket of the kernel. `session` names the connection: what the kernel says while it is broken, the
    /// server keeps for the next one of that name.
    ///
    /// # Errors
    /// One sentence.
    pub(super) async fn connect(&self, session: &str) -> Result<WebLine, String> {
        let opened = async {
            match self.open(session, Protocol::V1).await {
                // An older server, or one that is told so, knows JSON alone.
                Err(Opening::NoProtocol) => self.open(session, Protocol::Json).await,
                opened => opened,
            }
        };
        match tokio::time::timeout(OPENING, opened).await {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(Opening::Failed(reason))) => Err(reason),
            Ok(Err(Opening::NoProtocol)) => Err("it speaks no protocol of Jupyter's".into()),
            Err(_) => Err(format!("it opens no WebSocket within {} seconds", OPENING.as_secs())),
        }
    }

    async fn open(&self, session: &str, protocol: Protocol) -> Result<WebLine, Opening> {
        let mut url = self.address.of(&self.resource("/channels"));
        let is_secret = url.scheme() == "https";
        // Both schemes are special ones, so it cannot fail.
        let _ = url.set_scheme(if is_secret { "wss" } else { "ws" });
        url.query_pairs_mut().append_pair("session_id", session);
        let mut request = url.as_str().into_client_request().map_err(Opening::from)?;
        let headers = request.headers_mut();
        if protocol == Protocol::V1 {
            headers.insert("sec-websocket-protocol", HeaderValue::from_static(V1));
        }
        if let Some(authorization) = self.address.token.authorization() {
            let value = HeaderValue::from_str(&authorization).map_err(|_| {
                Opening::Failed("the token has characters that cannot be sent".into())
            })?;
            headers.insert("authorization", value);
        }
        let stream = reach(&url, is_secret).await.map_err(Opening::Failed)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        let (socket, _) = opened.await.map_err(Opening::from)?;
        let mut ticks = tokio::time::interval(PING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let heard = Instant::now();
        Ok(WebLine { socket, protocol, ticks, heard, unsent: VecDeque::new() })
    }
}

/// An id goes into addresses.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Why a WebSocket was not opened.
enum Opening {
    /// The server does not know the protocol.
    NoProtocol,
    /// One sentence.
    Failed(String),
}

impl From<Error> for Opening {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
                SubProtocolError::NoSubProtocol,
            )) => Self::NoProtocol,
            Error::Http(answer) => Self::Failed(refusal(answer.status().as_u16(), &Value::Null)),
            error => Self::Failed(terminal_line(&error.to_string())),
        }
    }
}

/// What an answer means that is none of those hoped for.
fn refusal(status: u16, answer: &Value) -> String {
    let said = answer["message"].as_str().map(terminal_line).filter(|said| !said.is_empty());
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    match status {
        401 | 403 => format!(
            "it refuses us ({status}): set `DATARUS_COMPANION_TOKEN` to the token that `jupyter server list` shows there"
        ),
        404 => format!("it does not know such a kernel (404{said})"),
        200..=299 => "expected the id of a kernel, found none: is it a Jupyter Server?".into(),
        300..=399 => format!("it leads elsewhere ({status}): give the address that it leads to"),
        _ => format!("it answers with {status}{said}"),
    }
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn reach(url: &Url, is_secret: bool) -> Result<Box<dyn Stream>, String> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let said = |error: std::io::Error| format!("it cannot be reached ({error})");
    let stream = TcpStream::connect((bare.as_str(), port)).await.map_err(said)?;
    stream.set_nodelay(true).map_err(said)?;
    if !is_secret {
        return Ok(Box::new(stream));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| format!("this machine's certificates cannot be used ({error})"))?
        .with_no_client_auth();
    let name = ServerName::try_from(bare)
        .map_err(|error| format!("no certificate can be of such a host ({error})"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(said)?;
    Ok(Box::new(stream))
}

/// The WebSocket of a kernel.
pub(super) struct WebLine {
    socket: WebSocketStream<Box<dyn Stream>>,
    protocol: Protocol,
    ticks: Interval,
    heard: Instant,
    /// What was not yet handed to the socket.
    unsent: VecDeque<Message>,
}

impl WebLine {
    /// Has a message sent, as soon as [`WebLine::next`] is waited for.
    pub(super) fn send(&mut self, channel: Channel, frames: &Frames) {
        self.unsent.push_back(match self.protocol.write(channel, frames) {
            Packet::Binary(bytes) => Message::Binary(bytes),
            Packet::Text(text) => Message::Text(text.into()),
        });
    }

    /// What was not handed to the socket, for the connection that comes after it.
    pub(super) fn take_unsent(&mut self) -> VecDeque<Message> {
        std::mem::take(&mut self.unsent)
    }

    /// Takes what an earlier connection did not send.
    pub(super) fn resend(&mut self, unsent: VecDeque<Message>) {
        self.unsent.extend(unsent);
    }

    /// A message leaves the queue only when the socket has room for it: whoever waits for this may stop waiting.
    async fn hand_over(&mut self) -> Result<(), Error> {
        while !self.unsent.is_empty() {
            poll_fn(|context| self.socket.poll_ready_unpin(context)).await?;
            if let Some(message) = self.unsent.pop_front() {
                self.socket.start_send_unpin(message)?;
            }
        }
        self.socket.flush().await
    }

    /// The next message. Safe to cancel.
    ///
    /// # Errors
    /// One sentence, when the connection is lost.
    pub(super) async fn next(&mut self) -> Result<(Channel, Frames), String> {
        loop {
            self.hand_over().await.map_err(|error| lost(&error))?;
            let received = tokio::select! {
                received = self.socket.next() => received,
                _ = self.ticks.tick() => {
                    if self.heard.elapsed() > LOST {
                        return Err(format!("nothing was heard for {} seconds", LOST.as_secs()));
                    }
                    self.unsent.push_back(Message::Ping(bytes::Bytes::new()));
                    continue;
                }
            };
            self.heard = Instant::now();
            let packet = match received {
                None | Some(Ok(Message::Close(_))) => return Err("it closed the connection".into()),
                Some(Err(error)) => return Err(lost(&error)),
                Some(Ok(Message::Binary(bytes))) => Packet::Binary(bytes),
                Some(Ok(Message::Text(text))) => Packet::Text(text.as_str().to_owned()),
                Some(Ok(_)) => continue,
            };
            if let Some(message) = self.protocol.read(&packet) {
                return Ok(message);
            }
            tracing::warn!("a server sent what is no message");
        }
    }
}

fn lost(error: &Error) -> String {
    format!("the connection broke ({})", terminal_line(&error.to_string()))
}
