//! The sockets of a kernel that has a connection file: messages signed with its key, which is none of our clients'.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;
use zeromq::{DealerRecvHalf, SocketRecv as _, ZmqError, ZmqResult};

use crate::companion::link::{dealer, write};
use crate::connection::{Channel, ConnectionInfo};
use crate::wire::{Frames, ReplayGuard, SigningKey};
use crate::zmtp::{Multipart, Security, Subscriber, ZmtpError};

/// How many messages may wait here before the kernel is held back.
const BACKLOG: usize = 16;

/// The sockets of a kernel.
pub(super) struct SocketLine {
    key: SigningKey,
    replays: ReplayGuard,
    senders: [(Channel, mpsc::UnboundedSender<Multipart>); 3],
    received: mpsc::Receiver<(Channel, Multipart)>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

/// Why the sockets of a kernel cannot be reached.
#[derive(Debug, thiserror::Error)]
enum SocketError {
    /// One of the sockets that requests go to.
    #[error(transparent)]
    Dealer(#[from] ZmqError),
    /// The socket that outputs come from.
    #[error(transparent)]
    Subscriber(#[from] ZmtpError),
}

impl SocketLine {
    /// Connects to sockets that are bound.
    ///
    /// # Errors
    /// One sentence.
    pub(super) async fn connect(connection: &ConnectionInfo) -> Result<Self, String> {
        if !matches!(connection.security, Security::Null) {
            return Err(
                "its connection file has keys for encryption, which is not spoken there".into()
            );
        }
        Self::open(connection).await.map_err(|error| format!("its sockets do not answer ({error})"))
    }

    async fn open(connection: &ConnectionInfo) -> Result<Self, SocketError> {
        let (sender, received) = mpsc::channel(BACKLOG);
        let mut tasks = JoinSet::new();
        let outputs = Subscriber::connect(&connection.endpoint(Channel::IoPub)).await?;
        tasks.spawn(read_outputs(outputs, sender.clone()));
        // One identity on all channels: `input_request` goes to that of the shell request. Of its own, since others may
        // be connected.
        let identity = Bytes::from(format!("datarus-{}", Uuid::new_v4().simple()));
        let mut begin = async |channel| {
            let (send, receive) = dealer(connection, channel, identity.clone()).await?;
            tasks.spawn(read(receive, channel, sender.clone()));
            let (queue, waiting) = mpsc::unbounded_channel();
            tasks.spawn(write(send, waiting));
            ZmqResult::Ok((channel, queue))
        };
        let senders = [
            begin(Channel::Shell).await?,
            begin(Channel::Control).await?,
            begin(Channel::Stdin).await?,
        ];
        let key = connection.signing_key();
        Ok(Self { key, replays: ReplayGuard::default(), senders, received, _tasks: tasks })
    }

    /// Sends a message, signed with the kernel's key.
    pub(super) fn send(&self, channel: Channel, frames: Frames) {
        let Some((_, queue)) = self.senders.iter().find(|(name, _)| *name == channel) else {
            return;
        };
        // Closed when the connection is: its end is told by `next`.
        let _ = queue.send(frames.resigned(&self.key).into_multipart());
    }

    /// The next message whose signature is the kernel's. Safe to cancel.
    ///
    /// # Errors
    /// One sentence, when the connection has ended.
    pub(super) async fn next(&mut self) -> Result<(Channel, Frames), String> {
        loop {
            let ended = || "it closed the connection".to_owned();
            let (channel, multipart) = self.received.recv().await.ok_or_else(ended)?;
            if multipart.is_empty() {
                return Err(ended());
            }
            match Frames::parse_verified(multipart, &self.key, &mut self.replays) {
                Ok(frames) => return Ok((channel, frames)),
                Err(error) => tracing::warn!(%error, "dropped a message of a kernel"),
            }
        }
    }
}

async fn read(
    mut socket: DealerRecvHalf,
    channel: Channel,
    to: mpsc::Sender<(Channel, Multipart)>,
) {
    while let Ok(message) = socket.recv().await {
        if to.send((channel, message.into_vec())).await.is_err() {
            return;
        }
    }
}

/// Its end is that of the connection: the process is gone whose sockets these are. An empty message says so.
async fn read_outputs(mut socket: Subscriber, to: mpsc::Sender<(Channel, Multipart)>) {
    while let Ok(message) = socket.recv().await {
        if to.send((Channel::IoPub, message)).await.is_err() {
            return;
        }
    }
    let _ = to.send((Channel::IoPub, Multipart::new())).await;
}
