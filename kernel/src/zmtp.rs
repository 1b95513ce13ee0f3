//! The server side of the sockets that clients reach: ZMTP 3.0 over TCP and Unix sockets, with the
//! mechanism NULL or CURVE.
//!
//! Clients are libzmq, the `zeromq` crate and whoever else finds the port, before any signature is
//! seen. So nothing is trusted: a frame grows in memory only as its bytes arrive, sizes and waiting
//! times are bounded, each peer has a queue of its own with a bound in bytes, and a peer that stalls
//! delays nobody else.
//!
//! The `zeromq` crate is not used here, because (0.7.0) one header of a huge frame aborts the
//! process, one stalled subscriber holds up all others, and nothing tells when a queue is on the wire.
//!
//! # Source
//! ZMTP 3.0, <https://rfc.zeromq.org/spec/23/>; what sockets do, <https://rfc.zeromq.org/spec/28/>
//! (ROUTER, REP) and <https://rfc.zeromq.org/spec/29/> (XPUB).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;

mod codec;
mod curve;
mod endpoint;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hub;
mod large;
mod outbox;
mod peer;
mod subscriber;

use endpoint::{Listener, SocketFile};
use hub::Hub;

pub use curve::{KeyError, ServerKey};
pub use subscriber::Subscriber;

/// A message: its frames in order.
pub type Multipart = Vec<Bytes>;

/// Makes the first message of a new subscription from its topic; `None` sends none.
pub type Welcome = Box<dyn Fn(&[u8]) -> Option<Multipart> + Send + Sync>;

/// What a socket does with its peers.
pub enum Kind {
    /// Requests come in under the sender's routing id, replies go out to it.
    Router,
    /// Sends to each subscriber what it asked for.
    Publisher {
        /// What a new subscriber gets before anything else.
        welcome: Welcome,
    },
    /// Sends back what comes in: the heartbeat.
    Echo,
}

impl Kind {
    /// The name in the handshake.
    fn socket_type(&self) -> &'static str {
        match self {
            Kind::Router => "ROUTER",
            Kind::Publisher { .. } => "XPUB",
            Kind::Echo => "REP",
        }
    }

    /// Whether a peer of this type may talk to this socket.
    fn accepts(&self, socket_type: &[u8]) -> bool {
        match self {
            Kind::Router => matches!(socket_type, b"DEALER" | b"REQ" | b"ROUTER"),
            Kind::Publisher { .. } => matches!(socket_type, b"SUB" | b"XSUB"),
            Kind::Echo => matches!(socket_type, b"REQ" | b"DEALER"),
        }
    }
}

/// Who may talk to a socket, and whether what passes can be read on the way.
#[derive(Debug, Clone, Default)]
pub enum Security {
    /// Whoever reaches it, in the clear; a peer that asks for CURVE is refused.
    #[default]
    Null,
    /// Who knows the public part of this key, encrypted; any other peer is refused.
    Curve(Arc<ServerKey>),
}

/// Why a socket cannot be opened, or a peer was dropped.
#[derive(Debug, thiserror::Error)]
pub enum ZmtpError {
    /// The endpoint is not of a form that is known.
    #[error("expected an endpoint `tcp://HOST:PORT` or `ipc://PATH`, found `{found}`")]
    Endpoint {
        /// The endpoint.
        found: String,
    },
    /// The endpoint cannot be bound.
    #[error("cannot listen on `{endpoint}`")]
    Bind {
        /// The endpoint.
        endpoint: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The peer did not end its handshake in time.
    #[error("expected a handshake within {} seconds", peer::HANDSHAKE_TIME.as_secs())]
    HandshakeTime,
    /// The peer breaks the protocol.
    #[error("expected {expected} from the peer")]
    Protocol {
        /// What the protocol asks for.
        expected: &'static str,
    },
}

/// A bound socket. Dropping it closes all its connections; what is queued is lost, see
/// [`Socket::flush`].
pub struct Socket {
    hub: Hub,
    endpoint: String,
    accepting: AbortHandle,
    _file: Option<SocketFile>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Socket {
    /// Binds and serves `endpoint`, `tcp://127.0.0.1:5555` or `ipc:///path-5`; must be called on a
    /// runtime.
    ///
    /// `on_message` gets what a [`Kind::Router`] receives, routing id first. It is called on the
    /// connections' tasks and must not block.
    ///
    /// # Errors
    /// [`ZmtpError::Endpoint`] and [`ZmtpError::Bind`].
    pub async fn bind(
        endpoint: &str,
        kind: Kind,
        security: &Security,
        on_message: impl Fn(Multipart) + Send + Sync + 'static,
    ) -> Result<Socket, ZmtpError> {
        let (listener, file) = Listener::bind(endpoint).await?;
        let endpoint = listener.endpoint(endpoint);
        let hub = Hub::new(kind, Box::new(on_message));
        let accepting =
            tokio::spawn(peer::accept(listener, hub.clone(), security.clone())).abort_handle();
        Ok(Socket { hub, endpoint, accepting, _file: file })
    }

    /// Where the socket listens; port 0 has become a real one.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Queues a message and returns at once. `frames[0]` is the routing id for a [`Kind::Router`],
    /// and the topic for a [`Kind::Publisher`]. A message to a peer that is gone is dropped.
    pub fn send(&self, frames: Multipart) {
        self.hub.send(frames);
    }

    /// Waits until all that is queued has been handed to the system, at most `deadline`.
    pub async fn flush(&self, deadline: Duration) {
        // A peer that does not read must not hold up the end; its messages are lost then.
        let _ = tokio::time::timeout(deadline, self.hub.drained()).await;
    }
}

#[cfg(test)]
mod tests;
