//! The reading side of a publisher: what the companion puts out.

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tracing::warn;

use super::codec::{self, Decoder, Incoming};
use super::endpoint::{self, Stream};
use super::{Multipart, ZmtpError, peer};

/// What a message of a subscriber begins with; the topic follows.
const SUBSCRIBE: u8 = 1;
const CANCEL: u8 = 0;

/// A subscription to all that a publisher sends.
///
/// Not the `zeromq` crate's: that (0.7.0) tries to reconnect to a process that has ended, and reads
/// a large frame into memory that it keeps.
pub struct Subscriber {
    stream: Box<dyn Stream>,
    decoder: Decoder,
}

impl Subscriber {
    /// Connects to a publisher that is bound, and subscribes to everything.
    ///
    /// # Errors
    /// [`ZmtpError`]: nobody listens there, or whoever does is no publisher.
    pub async fn connect(endpoint: &str) -> Result<Subscriber, ZmtpError> {
        let mut stream = endpoint::connect(endpoint).await?;
        let mut decoder = Decoder::default();
        let ready = peer::handshake(&mut stream, &mut decoder, "SUB").await?;
        if !matches!(&ready.socket_type[..], b"PUB" | b"XPUB") {
            return Err(ZmtpError::Protocol { expected: "a publisher" });
        }
        let mut subscriber = Subscriber { stream, decoder };
        subscriber.send(&[SUBSCRIBE]).await?;
        Ok(subscriber)
    }

    /// Says something that changes nothing, so that a publisher that sleeps looks at its socket.
    ///
    /// # Errors
    /// [`ZmtpError::Io`] when the publisher is gone.
    pub async fn nudge(&mut self) -> Result<(), ZmtpError> {
        self.send(&[CANCEL, b'?']).await
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), ZmtpError> {
        for chunk in codec::encode(&[Bytes::copy_from_slice(frame)]) {
            self.stream.write_all(&chunk).await?;
        }
        Ok(())
    }

    /// The next message. Safe to cancel: what has arrived of it is kept.
    ///
    /// # Errors
    /// [`ZmtpError::Io`] when the publisher is gone, [`ZmtpError::Protocol`] when it breaks the
    /// protocol; either ends the connection.
    pub async fn recv(&mut self) -> Result<Multipart, ZmtpError> {
        loop {
            match self.decoder.next()? {
                Some(Incoming::Message(message)) => return Ok(message),
                // Nothing that a publisher could command concerns us.
                Some(Incoming::Command(_)) => warn!("a publisher sent a command; it is ignored"),
                None => self.decoder.fill(&mut self.stream).await?,
            }
        }
    }
}
