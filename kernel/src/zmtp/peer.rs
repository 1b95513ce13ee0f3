//! One connection: handshake, then reading and writing until one of them ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::ZmtpError;
use super::codec::{self, Decoder, Incoming, Ready};
use super::endpoint::{Listener, Stream};
use super::hub::{Hub, PeerKey};
use super::outbox::Outbox;

/// How long a handshake may take.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long to rest when the system refuses connections, for instance because no file is free.
const REFUSED_REST: Duration = Duration::from_millis(100);

/// Accepts connections for ever; they end when this task is aborted.
pub(super) async fn accept(listener: Listener, hub: Hub) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    connections.spawn(serve(stream, hub.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(REFUSED_REST).await;
                }
            },
            // Takes ended connections out of the set.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: Box<dyn Stream>, hub: Hub) {
    let mut decoder = Decoder::default();
    let shaken = tokio::time::timeout(HANDSHAKE_TIME, shake(&mut stream, &mut decoder, &hub));
    let identity = match shaken.await {
        Ok(Ok(identity)) => identity,
        Ok(Err(error)) => return debug!(%error, "a handshake failed"),
        Err(_) => return debug!(error = %ZmtpError::HandshakeTime, "a handshake failed"),
    };
    let outbox = Arc::new(Outbox::default());
    let key = match hub.join(identity, Arc::clone(&outbox)) {
        Ok(key) => key,
        Err(error) => return debug!(%error, "a handshake failed"),
    };
    let (mut reading, mut writing) = tokio::io::split(stream);
    let error = tokio::select! {
        error = read(&mut reading, decoder, &hub, &key, &outbox) => error,
        error = outbox.write_to(&mut writing) => error.into(),
    };
    hub.leave(&key);
    outbox.close();
    if let ZmtpError::Protocol { .. } = error {
        warn!(%error, "a peer was dropped");
    } else {
        debug!(%error, "a peer is gone");
    }
}

/// Greets the peer and learns its identity.
async fn shake(
    stream: &mut Box<dyn Stream>,
    decoder: &mut Decoder,
    hub: &Hub,
) -> Result<Bytes, ZmtpError> {
    let ready = handshake(stream, decoder, hub.kind().socket_type()).await?;
    if !hub.kind().accepts(&ready.socket_type) {
        return Err(ZmtpError::Protocol { expected: "a socket type that fits ours" });
    }
    Ok(Bytes::copy_from_slice(&ready.identity))
}

/// Greets the other side as `socket_type` and returns what it says of itself; the same for both
/// sides.
///
/// # Errors
/// [`ZmtpError`]: the connection broke, or the other side breaks the protocol.
pub(super) async fn handshake(
    stream: &mut Box<dyn Stream>,
    decoder: &mut Decoder,
    socket_type: &str,
) -> Result<Ready, ZmtpError> {
    stream.write_all(&codec::GREETING).await?;
    let mut greeting = [0; 64];
    stream.read_exact(&mut greeting).await?;
    codec::check_greeting(greeting)?;
    stream.write_all(&codec::ready(socket_type)).await?;
    loop {
        match decoder.next()? {
            Some(Incoming::Command(command)) => return codec::parse_ready(command),
            Some(Incoming::Message(_)) => {
                return Err(ZmtpError::Protocol { expected: "the command READY" });
            }
            None => decoder.fill(stream).await?,
        }
    }
}

/// Reads until the connection breaks, and says why.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    mut decoder: Decoder,
    hub: &Hub,
    key: &PeerKey,
    outbox: &Outbox,
) -> ZmtpError {
    loop {
        let result = match decoder.next() {
            Ok(Some(Incoming::Message(message))) => hub.receive(key, outbox, message),
            Ok(Some(Incoming::Command(command))) => obey(&command, hub, key, outbox),
            Ok(None) => decoder.fill(stream).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            return error;
        }
    }
}

/// Does what a command says.
fn obey(command: &[u8], hub: &Hub, key: &PeerKey, outbox: &Outbox) -> Result<(), ZmtpError> {
    match codec::split_command(command) {
        // A peer of version 3.1 may ask whether we live: two octets of time, then what it wants back.
        Some((b"PING", body)) => {
            let context = body.get(2..).unwrap_or_default();
            outbox.push(&[codec::encode_command("PONG", context)]);
            Ok(())
        }
        Some((b"SUBSCRIBE", topic)) => hub.subscribe(key, Bytes::copy_from_slice(topic)),
        Some((b"CANCEL", topic)) => {
            hub.unsubscribe(key, topic);
            Ok(())
        }
        Some((b"ERROR", _)) => Err(ZmtpError::Protocol { expected: "no ERROR" }),
        _ => Ok(()),
    }
}
