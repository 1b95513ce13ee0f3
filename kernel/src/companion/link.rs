//! The four sockets between the kernel and a companion that is up.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerRecvHalf, DealerSendHalf, DealerSocket, Socket, SocketOptions, SocketRecv, SocketSend,
    ZmqError, ZmqMessage, ZmqResult,
};

use super::{News, Reporter};
use crate::connection::{Channel, ConnectionInfo};
use crate::zmtp::{Multipart, Subscriber, ZmtpError};

/// How long a socket of a process that has ended is read on for what it still sent.
const DRAIN: Duration = Duration::from_millis(20);

/// How long ipykernel may take for its welcome before it is nudged.
const WELCOME: Duration = Duration::from_millis(20);

/// The sending side. It never blocks: a task of its own feeds each socket.
#[derive(Debug)]
pub(super) struct Link {
    shell: mpsc::UnboundedSender<Multipart>,
    control: mpsc::UnboundedSender<Multipart>,
    stdin: mpsc::UnboundedSender<Multipart>,
}

impl Link {
    /// A link that has no sockets of its own: what it is given waits in the queues.
    pub(super) fn queued() -> (Link, Queues) {
        let (shell, shell_queue) = mpsc::unbounded_channel();
        let (control, control_queue) = mpsc::unbounded_channel();
        let (stdin, stdin_queue) = mpsc::unbounded_channel();
        let queues = Queues { shell: shell_queue, control: control_queue, stdin: stdin_queue };
        (Link { shell, control, stdin }, queues)
    }

    /// Sends on one of the channels that go from client to kernel.
    pub(super) fn send(&self, channel: Channel, multipart: Multipart) {
        let queue = match channel {
            Channel::Shell => &self.shell,
            Channel::Control => &self.control,
            Channel::Stdin => &self.stdin,
            Channel::IoPub | Channel::Heartbeat => return,
        };
        // Closed when the process is gone: then whoever waits for the answer is told so.
        let _ = queue.send(multipart);
    }
}

/// What was given to a link, for whoever sends it.
#[derive(Debug)]
pub(super) struct Queues {
    shell: mpsc::UnboundedReceiver<Multipart>,
    control: mpsc::UnboundedReceiver<Multipart>,
    stdin: mpsc::UnboundedReceiver<Multipart>,
}

impl Queues {
    /// The next message, those that must not wait first. Safe to cancel.
    pub(super) async fn next(&mut self) -> (Channel, Multipart) {
        tokio::select! {
            biased;
            Some(multipart) = self.control.recv() => (Channel::Control, multipart),
            Some(multipart) = self.stdin.recv() => (Channel::Stdin, multipart),
            Some(multipart) = self.shell.recv() => (Channel::Shell, multipart),
            // The link is gone: nothing comes any more.
            else => std::future::pending().await,
        }
    }
}

/// The receiving side: tasks that hand on what the companion sends.
pub(super) struct Readers {
    tasks: JoinSet<()>,
    process_ended: watch::Sender<bool>,
}

impl Readers {
    /// Hands on what an ended process had still sent, then ends.
    pub(super) async fn drain(mut self) {
        let _ = self.process_ended.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Connects to a companion whose sockets are bound, and waits until its outputs reach us.
pub(super) async fn connect(
    connection: &ConnectionInfo,
    reporter: &Reporter,
) -> Result<(Link, Readers), LinkError> {
    let (process_ended, ended) = watch::channel(false);
    let mut tasks = JoinSet::new();
    // First, and up to its welcome: a request sent before the subscription counts would lose its outputs.
    let outputs = subscribe(connection).await?;
    tasks.spawn(read(outputs, Channel::IoPub, reporter.clone(), ended.clone()));
    let mut queues = Vec::new();
    for channel in [Channel::Shell, Channel::Control, Channel::Stdin] {
        let (send, receive) = dealer(connection, channel, Bytes::from_static(b"datarus")).await?;
        tasks.spawn(read(receive, channel, reporter.clone(), ended.clone()));
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(write(send, waiting));
        queues.push(queue);
    }
    let [shell, control, stdin] = <[_; 3]>::try_from(queues).expect("one queue per channel");
    Ok((Link { shell, control, stdin }, Readers { tasks, process_ended }))
}

/// Why the sockets of a companion cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// One of the sockets that requests go to.
    #[error(transparent)]
    Dealer(#[from] ZmqError),
    /// The socket that outputs come from.
    #[error(transparent)]
    Subscriber(#[from] ZmtpError),
}

async fn subscribe(connection: &ConnectionInfo) -> Result<Subscriber, ZmtpError> {
    let mut socket = Subscriber::connect(&connection.endpoint(Channel::IoPub)).await?;
    // ipykernel answers a subscription with `iopub_welcome`. Nothing else that it publishes before its first
    // request concerns a client.
    loop {
        match tokio::time::timeout(WELCOME, socket.recv()).await {
            Ok(message) => {
                if is_welcome(&message?) {
                    return Ok(socket);
                }
            }
            // ipykernel 7.4: a subscription that comes just before its thread begins to listen is only seen when
            // something else comes (2 of 20 starts on a quiet machine).
            Err(_) => socket.nudge().await?,
        }
    }
}

fn is_welcome(message: &Multipart) -> bool {
    message.iter().any(|frame| frame.windows(13).any(|text| text == b"iopub_welcome"))
}

/// A socket that is read from.
trait Receive {
    /// The next message; `None` at the end of the connection: the process that held it is watched elsewhere.
    fn next(&mut self) -> impl Future<Output = Option<Multipart>> + Send;
}

impl Receive for DealerRecvHalf {
    async fn next(&mut self) -> Option<Multipart> {
        self.recv().await.ok().map(ZmqMessage::into_vec)
    }
}

impl Receive for Subscriber {
    async fn next(&mut self) -> Option<Multipart> {
        self.recv().await.ok()
    }
}

/// A socket to one of a kernel's channels. Its identity is to be one on all of them: ipykernel sends `input_request` to
/// the identity of the shell request.
pub(super) async fn dealer(
    connection: &ConnectionInfo,
    channel: Channel,
    identity: Bytes,
) -> ZmqResult<(DealerSendHalf, DealerRecvHalf)> {
    let mut options = SocketOptions::default();
    options.peer_identity(PeerIdentity::try_from(identity)?);
    let mut socket = DealerSocket::with_options(options);
    socket.connect(&connection.endpoint(channel)).await?;
    Ok(socket.split())
}

/// Sends what is queued, until the queue or the socket ends.
pub(super) async fn write(
    mut socket: DealerSendHalf,
    mut queue: mpsc::UnboundedReceiver<Multipart>,
) {
    while let Some(multipart) = queue.recv().await {
        let Ok(message) = ZmqMessage::try_from(multipart) else { continue };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn read(
    mut socket: impl Receive,
    channel: Channel,
    reporter: Reporter,
    mut process_ended: watch::Receiver<bool>,
) {
    loop {
        let received = tokio::select! {
            received = socket.next() => received,
            _ = process_ended.changed() => break,
        };
        let Some(message) = received else { break };
        reporter.tell(News::Message(channel, message)).await;
    }
    while let Ok(Some(message)) = tokio::time::timeout(DRAIN, socket.next()).await {
        reporter.tell(News::Message(channel, message)).await;
    }
}
