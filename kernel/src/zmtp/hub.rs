//! The peers of one socket, and which message goes to whom.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tracing::debug;

use super::codec;
use super::outbox::Outbox;
use super::{Kind, Multipart, ZmtpError};

/// The most topics that one peer may subscribe to.
const MAX_SUBSCRIPTIONS: usize = 1_024;

/// Called with what a router receives.
pub(super) type OnMessage = Box<dyn Fn(Multipart) + Send + Sync>;

/// The peers of one socket. The lock is held for moments, never over a wait, and nothing outside
/// this module sees it: senders must not wait for connections.
#[derive(Clone)]
pub(super) struct Hub(Arc<Shared>);

struct Shared {
    kind: Kind,
    on_message: OnMessage,
    peers: Mutex<Peers>,
}

#[derive(Default)]
struct Peers {
    by_id: HashMap<Bytes, Peer>,
    /// Counts connections, to tell an old one from the new one with the same identity.
    connected: u32,
}

struct Peer {
    connection: u32,
    outbox: Arc<Outbox>,
    subscriptions: Vec<Bytes>,
}

/// A peer's place in the hub.
#[derive(Debug, Clone)]
pub(super) struct PeerKey {
    id: Bytes,
    connection: u32,
}

impl Hub {
    pub(super) fn new(kind: Kind, on_message: OnMessage) -> Hub {
        Hub(Arc::new(Shared { kind, on_message, peers: Mutex::default() }))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Adds a peer. A router's peer keeps the identity it asks for, and the newest connection with
    /// an identity takes it over, as `ROUTER_HANDOVER` does in ipykernel: a client that reconnects
    /// must not find its place taken by its own dead connection.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`] for an identity that only we may give.
    pub(super) fn join(&self, identity: Bytes, outbox: Arc<Outbox>) -> Result<PeerKey, ZmtpError> {
        let mut peers = self.lock();
        peers.connected = peers.connected.wrapping_add(1);
        let connection = peers.connected;
        let id = match (&self.0.kind, identity.first()) {
            (Kind::Router, Some(0)) => {
                return Err(ZmtpError::Protocol { expected: "an identity without a leading zero" });
            }
            (Kind::Router, Some(_)) => identity,
            // As libzmq makes them: a zero and four bytes.
            _ => [&[0][..], &connection.to_be_bytes()].concat().into(),
        };
        let peer = Peer { connection, outbox, subscriptions: Vec::new() };
        if let Some(old) = peers.by_id.insert(id.clone(), peer) {
            debug!("a new connection takes over the identity of an older one");
            old.outbox.close();
        }
        Ok(PeerKey { id, connection })
    }

    /// Removes a peer, unless a newer connection has taken its place.
    pub(super) fn leave(&self, key: &PeerKey) {
        let mut peers = self.lock();
        if peers.by_id.get(&key.id).is_some_and(|peer| peer.connection == key.connection) {
            peers.by_id.remove(&key.id);
        }
    }

    /// Handles a message of a peer.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`] for too many subscriptions.
    pub(super) fn receive(
        &self,
        key: &PeerKey,
        outbox: &Outbox,
        mut message: Multipart,
    ) -> Result<(), ZmtpError> {
        match self.kind() {
            Kind::Router => {
                message.insert(0, key.id.clone());
                (self.0.on_message)(message);
            }
            Kind::Echo => outbox.push(&codec::encode(&message)),
            Kind::Publisher { .. } => {
                if let [frame] = &message[..]
                    && let Some((&flag, _)) = frame.split_first()
                {
                    let topic = frame.slice(1..);
                    match flag {
                        1 => self.subscribe(key, topic)?,
                        0 => self.unsubscribe(key, &topic),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds a subscription and welcomes the peer, before anything else can be sent to it.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`] for too many subscriptions.
    pub(super) fn subscribe(&self, key: &PeerKey, topic: Bytes) -> Result<(), ZmtpError> {
        let Kind::Publisher { welcome } = self.kind() else { return Ok(()) };
        let welcome = welcome(&topic);
        let mut peers = self.lock();
        let Some(peer) = peers.by_id.get_mut(&key.id) else { return Ok(()) };
        if peer.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(ZmtpError::Protocol { expected: "at most 1,024 subscriptions" });
        }
        // A slice would keep alive the whole buffer it was read into.
        peer.subscriptions.push(Bytes::copy_from_slice(&topic));
        if let Some(welcome) = welcome {
            peer.outbox.push(&codec::encode(&welcome));
        }
        Ok(())
    }

    /// Takes back one subscription.
    pub(super) fn unsubscribe(&self, key: &PeerKey, topic: &[u8]) {
        if let Some(peer) = self.lock().by_id.get_mut(&key.id)
            && let Some(at) = peer.subscriptions.iter().position(|known| known == topic)
        {
            peer.subscriptions.swap_remove(at);
        }
    }

    /// Queues a message for whom it concerns.
    pub(super) fn send(&self, mut frames: Multipart) {
        if frames.is_empty() {
            return;
        }
        match self.kind() {
            Kind::Router => {
                let id = frames.remove(0);
                let outbox = self.lock().by_id.get(&id).map(|peer| Arc::clone(&peer.outbox));
                let Some(outbox) = outbox else {
                    return debug!("a reply to a peer that is gone is dropped");
                };
                outbox.push(&codec::encode(&frames));
            }
            Kind::Publisher { .. } => self.publish(&frames),
            Kind::Echo => {}
        }
    }

    fn publish(&self, frames: &[Bytes]) {
        let Some(topic) = frames.first() else { return };
        let chunks = codec::encode(frames);
        let wants = |peer: &&Peer| peer.subscriptions.iter().any(|known| topic.starts_with(known));
        for peer in self.lock().by_id.values().filter(wants) {
            peer.outbox.push(&chunks);
        }
    }

    /// Returns when nothing waits for any peer that is there now.
    pub(super) async fn drained(&self) {
        let outboxes: Vec<_> =
            self.lock().by_id.values().map(|peer| Arc::clone(&peer.outbox)).collect();
        for outbox in outboxes {
            outbox.drained().await;
        }
    }

    /// How many peers there are.
    #[cfg(test)]
    pub(super) fn peer_count(&self) -> usize {
        self.lock().by_id.len()
    }

    fn lock(&self) -> MutexGuard<'_, Peers> {
        // Nothing in the critical sections panics half way.
        self.0.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
