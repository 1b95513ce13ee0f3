//! One connection: handshake, then reading and writing until one of them ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::codec::{self, Decoder, Incoming, Mechanism, Ready};
use super::curve::{self, Opener, Sealer};
use super::endpoint::{Listener, Stream};
use super::hub::{Hub, PeerKey};
use super::outbox::Outbox;
use super::{Security, ZmtpError};

/// How long a handshake may take.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long to rest when the system refuses connections, for instance because no file is free.
const REFUSED_REST: Duration = Duration::from_millis(100);

/// Accepts connections for ever; they end when this task is aborted.
pub(super) async fn accept(listener: Listener, hub: Hub, security: Security) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    connections.spawn(serve(stream, hub.clone(), security.clone()));
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

async fn serve(mut stream: Box<dyn Stream>, hub: Hub, security: Security) {
    let mut decoder = Decoder::default();
    let shaking = shake(&mut stream, &mut decoder, &hub, &security);
    let (identity, ciphers) = match tokio::time::timeout(HANDSHAKE_TIME, shaking).await {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => return debug!(%error, "a handshake failed"),
        Err(_) => return debug!(error = %ZmtpError::HandshakeTime, "a handshake failed"),
    };
    let outbox = Arc::new(Outbox::default());
    let key = match hub.join(identity, Arc::clone(&outbox)) {
        Ok(key) => key,
        Err(error) => return debug!(%error, "a handshake failed"),
    };
    let (sealer, opener) = ciphers.unzip();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let error = tokio::select! {
        error = read(&mut reading, Reader { decoder, opener }, &hub, &key, &outbox) => error,
        error = outbox.write_to(&mut writing, sealer) => error.into(),
    };
    hub.leave(&key);
    outbox.close();
    if let ZmtpError::Protocol { .. } = error {
        warn!(%error, "a peer was dropped");
    } else {
        debug!(%error, "a peer is gone");
    }
}

/// Greets the peer and learns its identity, and what the connection is encrypted with if it is.
async fn shake(
    stream: &mut Box<dyn Stream>,
    decoder: &mut Decoder,
    hub: &Hub,
    security: &Security,
) -> Result<(Bytes, Option<(Sealer, Opener)>), ZmtpError> {
    let socket_type = hub.kind().socket_type();
    let (ready, ciphers) = match security {
        Security::Null => (handshake(stream, decoder, socket_type).await?, None),
        Security::Curve(key) => {
            let (ready, sealer, opener) =
                curve::handshake(stream, decoder, key, socket_type).await?;
            (ready, Some((sealer, opener)))
        }
    };
    if !hub.kind().accepts(&ready.socket_type) {
        return Err(ZmtpError::Protocol { expected: "a socket type that fits ours" });
    }
    Ok((Bytes::copy_from_slice(&ready.identity), ciphers))
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
    greet(stream, &codec::GREETING, Mechanism::Null).await?;
    stream.write_all(&codec::ready(socket_type)).await?;
    codec::parse_ready(command(stream, decoder).await?)
}

/// Exchanges greetings.
///
/// # Errors
/// [`ZmtpError`]: the connection broke, or the other side speaks something else.
pub(super) async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ours: &[u8; 64],
    mechanism: Mechanism,
) -> Result<(), ZmtpError> {
    stream.write_all(ours).await?;
    let mut greeting = [0; 64];
    stream.read_exact(&mut greeting).await?;
    codec::check_greeting(greeting, mechanism)
}

/// The next command of a handshake.
///
/// # Errors
/// [`ZmtpError`]: the connection broke, or the other side breaks the protocol.
pub(super) async fn command(
    stream: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
) -> Result<Bytes, ZmtpError> {
    loop {
        match decoder.next_command()? {
            Some(command) => return Ok(command),
            None => decoder.fill(stream).await?,
        }
    }
}

/// What a peer says, opened where it is sealed.
struct Reader {
    decoder: Decoder,
    opener: Option<Opener>,
}

impl Reader {
    /// As [`Decoder::next`].
    fn next(&mut self) -> Result<Option<Incoming>, ZmtpError> {
        let Some(opener) = &mut self.opener else { return self.decoder.next() };
        while let Some(sealed) = self.decoder.next()? {
            if let Some(incoming) = opener.open(sealed)? {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }
}

/// Reads until the connection breaks, and says why.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    mut reader: Reader,
    hub: &Hub,
    key: &PeerKey,
    outbox: &Outbox,
) -> ZmtpError {
    loop {
        let result = match reader.next() {
            Ok(Some(Incoming::Message(message))) => hub.receive(key, outbox, message),
            Ok(Some(Incoming::Command(command))) => obey(&command, hub, key, outbox),
            Ok(None) => reader.decoder.fill(stream).await,
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
