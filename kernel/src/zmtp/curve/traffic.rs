//! What passes after the handshake: each frame sealed as a MESSAGE of its own.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use crypto_box::SalsaBox;

use super::super::codec::{self, Encoded, Incoming, MAX_FRAMES, MAX_MESSAGE};
use super::super::{Multipart, ZmtpError};
use super::{TAG, numbered, open, seal, seal_in_place, take};

/// What a MESSAGE begins with; its number, the tag, and what is sealed follow.
const NAME: &[u8; 8] = b"\x07MESSAGE";

/// The purpose of the numbers in what a server says, and in what a client says.
const OF_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";
const OF_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";

// In the first byte of what is sealed. Not the bits that a frame has for them.
const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// Seals what goes to a peer.
pub(in crate::zmtp) struct Sealer {
    cipher: Arc<SalsaBox>,
    purpose: &'static [u8; 16],
    /// The number of the last command; none is used twice.
    last: u64,
}

impl Sealer {
    /// Of a server that has sealed nothing yet with a number.
    pub(super) fn server(cipher: Arc<SalsaBox>) -> Sealer {
        Sealer { cipher, purpose: OF_SERVER, last: 0 }
    }

    /// Of a client whose last command had this number.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn client(cipher: Arc<SalsaBox>, last: u64) -> Sealer {
        Sealer { cipher, purpose: OF_CLIENT, last }
    }

    /// Our READY command.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub(super) fn ready(&mut self, socket_type: &str) -> io::Result<Bytes> {
        let number = self.number()?;
        let nonce = numbered(b"CurveZMQREADY---", number);
        let sealed = seal(&self.cipher, &nonce, &codec::properties(socket_type));
        Ok(codec::encode_command("READY", &[&number.to_be_bytes()[..], &sealed[..]].concat()))
    }

    /// Puts a frame, sealed, behind what is in `bytes`.
    ///
    /// # Errors
    /// When all numbers are used.
    pub(in crate::zmtp) fn seal(
        &mut self,
        frame: &Encoded,
        bytes: &mut BytesMut,
    ) -> io::Result<()> {
        let number = self.number()?;
        let size = NAME.len() + size_of_val(&number) + TAG + 1 + frame.body.len();
        bytes.reserve(9 + size);
        codec::put_message_header(bytes, size);
        bytes.put_slice(NAME);
        bytes.put_u64(number);
        let mut sealed = bytes.split_off(bytes.len());
        sealed.put_bytes(0, TAG);
        sealed.put_u8(flags(frame));
        sealed.put_slice(&frame.body);
        seal_in_place(&self.cipher, &numbered(self.purpose, number), &mut sealed);
        bytes.unsplit(sealed);
        Ok(())
    }

    fn number(&mut self) -> io::Result<u64> {
        let used = || io::Error::other("all numbers of a connection are used");
        self.last = self.last.checked_add(1).ok_or_else(used)?;
        Ok(self.last)
    }
}

fn flags(frame: &Encoded) -> u8 {
    let more = if frame.more { MORE } else { 0 };
    more | if frame.is_command { COMMAND } else { 0 }
}

/// Opens what comes from a peer.
pub(in crate::zmtp) struct Opener {
    cipher: Arc<SalsaBox>,
    purpose: &'static [u8; 16],
    /// The number of the peer's last command; what is not above it is a replay.
    last: u64,
    parts: Multipart,
    held: usize,
}

impl Opener {
    /// Of a server whose peer's last command had this number.
    pub(super) fn server(cipher: Arc<SalsaBox>, last: u64) -> Opener {
        Opener { cipher, purpose: OF_CLIENT, last, parts: Multipart::new(), held: 0 }
    }

    /// Of a client whose server's last command had this number.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn client(cipher: Arc<SalsaBox>, last: u64) -> Opener {
        Opener { purpose: OF_SERVER, ..Opener::server(cipher, last) }
    }

    /// Opens one frame; gives what is whole with it.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`] for what was not sealed by the peer, or was there before, and for what breaks the
    /// bounds of a message.
    pub(in crate::zmtp) fn open(
        &mut self,
        sealed: Incoming,
    ) -> Result<Option<Incoming>, ZmtpError> {
        let frame = match sealed {
            Incoming::Command(frame) => Some(frame),
            Incoming::Message(mut frames) if frames.len() == 1 => frames.pop(),
            Incoming::Message(_) => None,
        };
        let refused = ZmtpError::Protocol { expected: "a sealed MESSAGE with a higher number" };
        let Some((flags, body)) = frame.and_then(|frame| self.unseal(&frame)) else {
            return Err(refused);
        };
        match flags {
            COMMAND => Ok(Some(Incoming::Command(body))),
            0 | MORE => self.gather(body, flags == MORE),
            _ => Err(ZmtpError::Protocol { expected: "known flags in a MESSAGE" }),
        }
    }

    /// The flags and the body of a frame.
    fn unseal(&mut self, frame: &[u8]) -> Option<(u8, Bytes)> {
        let mut rest = frame.strip_prefix(NAME)?;
        let number = u64::from_be_bytes(take(&mut rest)?);
        if number <= self.last {
            return None;
        }
        let plain = Bytes::from(open(&self.cipher, &numbered(self.purpose, number), rest)?);
        self.last = number;
        Some((*plain.first()?, plain.slice(1..)))
    }

    fn gather(&mut self, body: Bytes, more: bool) -> Result<Option<Incoming>, ZmtpError> {
        self.held += body.len();
        if self.held > MAX_MESSAGE {
            return Err(ZmtpError::Protocol { expected: "a message of at most 256 MiB" });
        }
        if self.parts.len() >= MAX_FRAMES {
            return Err(ZmtpError::Protocol { expected: "a message of at most 65,536 frames" });
        }
        self.parts.push(body);
        if more {
            return Ok(None);
        }
        self.held = 0;
        Ok(Some(Incoming::Message(std::mem::take(&mut self.parts))))
    }
}
