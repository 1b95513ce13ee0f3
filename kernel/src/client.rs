//! A Jupyter client: connects to a kernel, runs cells, collects what they put out.
//!
//! The headless commands use it to speak to the kernel in the same process over the same sockets that a page
//! would use, so that there is one way to run a cell.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerSocket, Socket as _, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage,
};

use crate::connection::{Channel, ConnectionInfo};
use crate::message::{NO_PARENT, Session};
use crate::wire::{Frames, WireError};

mod outputs;

pub use outputs::{Outputs, Update};

/// How long a kernel may take to say that its sockets are up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a kernel may take to say goodbye.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a kernel cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A socket failed.
    #[error("the connection to the kernel failed")]
    Socket(#[from] zeromq::ZmqError),
    /// The kernel said something that is no message.
    #[error("the kernel sent what is no message")]
    Wire(#[from] WireError),
    /// Nothing came.
    #[error("expected `{expected}` from the kernel within {} seconds, nothing came", within.as_secs())]
    Silence {
        /// What was waited for.
        expected: &'static str,
        /// How long.
        within: Duration,
    },
    /// The kernel is gone.
    #[error("the kernel closed the connection")]
    Closed,
}

/// One cell to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecuteRequest<'a> {
    /// The source.
    pub code: &'a str,
    /// Leaves neither number nor history.
    pub silent: bool,
    /// Whether it gets a number.
    pub store_history: bool,
    /// Whether requests that wait behind it are dropped when it fails.
    pub stop_on_error: bool,
}

impl<'a> ExecuteRequest<'a> {
    /// An ordinary cell.
    pub fn cell(code: &'a str) -> Self {
        Self { code, silent: false, store_history: true, stop_on_error: true }
    }

    /// A question of ours that leaves no trace.
    pub fn silent(code: &'a str) -> Self {
        Self { code, silent: true, store_history: false, stop_on_error: false }
    }
}

/// How a cell ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ExecuteReply {
    /// `ok`, `error` or `aborted`.
    pub status: String,
    /// Its `[n]`.
    #[serde(default)]
    pub execution_count: Option<u64>,
    /// The exception's class, when it failed.
    #[serde(default)]
    pub ename: Option<String>,
    /// The exception's message, when it failed.
    #[serde(default)]
    pub evalue: Option<String>,
}

enum Incoming {
    Shell(Frames),
    IoPub(Frames),
    Control(Frames),
    Failed(ClientError),
}

/// A connection to a kernel.
pub struct Client {
    session: Session,
    shell: zeromq::DealerSendHalf,
    control: zeromq::DealerSendHalf,
    incoming: mpsc::UnboundedReceiver<Incoming>,
    /// What the kernel says of itself, as `kernel_info_reply` has it.
    pub info: Value,
    /// The task that reads what is published, then those that read replies.
    readers: [JoinHandle<()>; 3],
    /// Told when the cell that runs is to stop.
    stop: Arc<Notify>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

/// Stops what a client runs.
#[derive(Debug)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Has the cell that runs stopped, or else the next one as soon as it has begun.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Client {
    /// A way to stop what runs from now on; those that were given before stop nothing anymore.
    pub fn stopper(&mut self) -> Stopper {
        self.stop = Arc::default();
        Stopper(Arc::clone(&self.stop))
    }

    /// Connects, and waits until the kernel publishes to us and answers.
    ///
    /// # Errors
    /// When no kernel answers within 30 seconds.
    pub async fn connect(connection: &ConnectionInfo) -> Result<Self, ClientError> {
        let session = Session::new(connection.signing_key());
        let (sender, incoming) = mpsc::unbounded_channel();
        let mut subscriber = SubSocket::new();
        subscriber.subscribe("").await?;
        subscriber.connect(&connection.endpoint(Channel::IoPub)).await?;
        let (shell, shell_reader) =
            dealer(&session, &connection.endpoint(Channel::Shell)).await?.split();
        let (control, control_reader) =
            dealer(&session, &connection.endpoint(Channel::Control)).await?.split();
        let readers = [
            tokio::spawn(read(subscriber, sender.clone(), Incoming::IoPub)),
            tokio::spawn(read(shell_reader, sender.clone(), Incoming::Shell)),
            tokio::spawn(read(control_reader, sender, Incoming::Control)),
        ];
        let (info, stop) = (Value::Null, Arc::default());
        let mut client = Self { session, shell, control, incoming, info, readers, stop };
        client.wait_until_heard().await?;
        Ok(client)
    }

    /// Runs a cell. `outputs` collects what it puts out, `seen` gets each published message of it, and the
    /// outputs with it.
    ///
    /// # Errors
    /// When the kernel is gone. An exception in the cell is a value of [`ExecuteReply`].
    pub async fn execute(
        &mut self,
        request: &ExecuteRequest<'_>,
        metadata: &Map<String, Value>,
        outputs: &mut Outputs,
        seen: &mut dyn FnMut(&str, &Value, &Outputs),
    ) -> Result<ExecuteReply, ClientError> {
        let mut content = serde_json::to_value(request).unwrap_or_default();
        content["allow_stdin"] = json!(false);
        content["user_expressions"] = json!({});
        let id = self.send_shell("execute_request", &content, metadata).await?;
        let (mut reply, mut has_begun, mut is_idle) = (None, false, false);
        loop {
            if let (Some(reply), true) = (&mut reply, is_idle) {
                return Ok(std::mem::take(reply));
            }
            let incoming = tokio::select! {
                incoming = next(&mut self.incoming) => incoming?,
                // Control overtakes shell: an interrupt that came before its cell would stop nothing.
                () = self.stop.notified(), if has_begun => {
                    self.send_control("interrupt_request", &json!({})).await?;
                    continue;
                }
            };
            match incoming {
                Incoming::Shell(frames) if is_child(&frames, &id) => {
                    reply = Some(frames.content::<ExecuteReply>()?);
                }
                Incoming::IoPub(frames) if is_child(&frames, &id) => {
                    has_begun = true;
                    let msg_type = frames.header()?.msg_type;
                    let content: Value = frames.content()?;
                    is_idle |= msg_type == "status" && content["execution_state"] == "idle";
                    outputs.take(&msg_type, &content);
                    seen(&msg_type, &content, outputs);
                }
                _ => {}
            }
        }
    }

    /// Asks the kernel to end, and waits for its reply.
    ///
    /// # Errors
    /// When none comes within 10 seconds.
    pub async fn shutdown(mut self) -> Result<(), ClientError> {
        // The subscriber would try to connect again when the kernel closes its socket.
        let [subscriber, ..] = &mut self.readers;
        subscriber.abort();
        let _ = subscriber.await;
        self.send_control("shutdown_request", &json!({"restart": false})).await?;
        let silence = ClientError::Silence { expected: "shutdown_reply", within: SHUTDOWN_TIMEOUT };
        let goodbye = async {
            loop {
                if let Incoming::Control(frames) = next(&mut self.incoming).await?
                    && frames.header()?.msg_type == "shutdown_reply"
                {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(SHUTDOWN_TIMEOUT, goodbye).await.map_err(|_| silence)?
    }

    /// A subscription takes effect some time after it was sent: asks until an answer is published to us.
    async fn wait_until_heard(&mut self) -> Result<(), ClientError> {
        let silence =
            ClientError::Silence { expected: "kernel_info_reply", within: CONNECT_TIMEOUT };
        let heard = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(500));
            let (mut published, mut replied) = (false, false);
            while !(published && replied) {
                tokio::select! {
                    _ = ticks.tick() => {
                        self.send_shell("kernel_info_request", &json!({}), &Map::new()).await?;
                    }
                    incoming = next(&mut self.incoming) => match incoming? {
                        Incoming::IoPub(_) => published = true,
                        Incoming::Shell(frames) => {
                            self.info = frames.content()?;
                            replied = true;
                        }
                        _ => {}
                    },
                }
            }
            Ok(())
        };
        tokio::time::timeout(CONNECT_TIMEOUT, heard).await.map_err(|_| silence)?
    }

    async fn send_shell(
        &mut self,
        msg_type: &str,
        content: &Value,
        metadata: &Map<String, Value>,
    ) -> Result<String, ClientError> {
        let frames = self.session.message(msg_type, &NO_PARENT, content, metadata);
        let id = frames.header()?.msg_id;
        self.shell.send(message(frames)?).await?;
        Ok(id)
    }

    async fn send_control(&mut self, msg_type: &str, content: &Value) -> Result<(), ClientError> {
        let frames = self.session.message(msg_type, &NO_PARENT, content, &Map::new());
        Ok(self.control.send(message(frames)?).await?)
    }
}

async fn next(incoming: &mut mpsc::UnboundedReceiver<Incoming>) -> Result<Incoming, ClientError> {
    match incoming.recv().await {
        Some(Incoming::Failed(error)) => Err(error),
        Some(incoming) => Ok(incoming),
        None => Err(ClientError::Closed),
    }
}

async fn dealer(session: &Session, endpoint: &str) -> Result<DealerSocket, ClientError> {
    let identity = PeerIdentity::try_from(Bytes::from(session.id.clone().into_bytes()))?;
    let mut options = SocketOptions::default();
    options.peer_identity(identity);
    let mut socket = DealerSocket::with_options(options);
    socket.connect(endpoint).await?;
    Ok(socket)
}

/// Passes on what comes, until nobody listens or the connection breaks.
async fn read(
    mut socket: impl SocketRecv,
    to: mpsc::UnboundedSender<Incoming>,
    wrap: fn(Frames) -> Incoming,
) {
    loop {
        let incoming = match socket.recv().await {
            Ok(message) => match Frames::parse(message.into_vec()) {
                Ok(frames) => wrap(frames),
                Err(error) => Incoming::Failed(error.into()),
            },
            Err(error) => Incoming::Failed(error.into()),
        };
        let is_over = matches!(incoming, Incoming::Failed(_));
        if to.send(incoming).is_err() || is_over {
            return;
        }
    }
}

fn message(frames: Frames) -> Result<ZmqMessage, ClientError> {
    ZmqMessage::try_from(frames.into_multipart()).map_err(|_| ClientError::Closed)
}

fn is_child(frames: &Frames, id: &str) -> bool {
    frames.parent().is_ok_and(|parent| parent.msg_id == id)
}
