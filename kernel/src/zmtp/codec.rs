//! Bytes to frames and back.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::large::{LargeFrame, Spare};
use super::{Multipart, ZmtpError};

/// The most that one message may hold, in bytes. Large enough for a widget's binary buffers, small
/// enough that a few peers cannot fill a machine.
pub(super) const MAX_MESSAGE: usize = 256 << 20;

/// The most frames that one message may have. An empty frame costs more memory than it has bytes.
pub(super) const MAX_FRAMES: usize = 65_536;

/// A command's body is small: the largest known, READY, holds a routing id of 255 bytes.
const MAX_COMMAND: usize = 4_096;

/// Frames up to this size are copied next to their header, larger ones are sent from where they are.
const COPIED: usize = 4_096;

/// Frames from this size on are read into memory of their own.
const LARGE: usize = 1 << 20;

/// How much room a read gets, in bytes; more while a larger message arrives.
const READ: usize = 16 << 10;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Version 3.0, mechanism NULL, not "as server", filler.
pub(super) const GREETING: [u8; 64] = {
    let mut greeting = [0; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[12] = b'N';
    greeting[13] = b'U';
    greeting[14] = b'L';
    greeting[15] = b'L';
    greeting
};

/// Checks the greeting of a peer.
///
/// # Errors
/// [`ZmtpError::Protocol`] when it is not version 3 or newer with the mechanism NULL.
pub(super) fn check_greeting(greeting: [u8; 64]) -> Result<(), ZmtpError> {
    let [0xFF, _, _, _, _, _, _, _, _, 0x7F, major, _, mechanism @ ..] = greeting else {
        return Err(ZmtpError::Protocol { expected: "the signature of a ZMTP greeting" });
    };
    if major < 3 {
        return Err(ZmtpError::Protocol { expected: "ZMTP version 3 or newer" });
    }
    if !mechanism.starts_with(b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") {
        return Err(ZmtpError::Protocol { expected: "the mechanism NULL" });
    }
    Ok(())
}

/// One thing that a peer said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A whole message.
    Message(Multipart),
    /// The body of a command.
    Command(Bytes),
}

/// Takes frames from bytes as they arrive.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// What has arrived and is not yet taken.
    buffer: BytesMut,
    parts: Multipart,
    held: usize,
    /// A frame that arrives directly where it stays; the buffer is empty meanwhile.
    large: Option<(FrameHeader, LargeFrame)>,
    spare: Spare,
}

#[derive(Debug, Clone, Copy)]
struct FrameHeader {
    flags: u8,
    header: usize,
    body: usize,
}

impl Decoder {
    /// Reads once. The buffer follows what arrived, not what a header promised. Safe to cancel.
    ///
    /// # Errors
    /// [`ZmtpError::Io`], also at the end of the stream.
    pub(super) async fn fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<(), ZmtpError> {
        let read = if let Some((_, frame)) = &mut self.large {
            let read = stream.read(frame.room()).await?;
            frame.filled += read;
            read
        } else {
            self.buffer.reserve(READ.max(self.buffer.len()));
            stream.read_buf(&mut self.buffer).await?
        };
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    /// The next message or command, or `None` until more bytes arrive. Bodies are slices of what
    /// was read, not copies.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`] for what breaks the protocol or our bounds.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, ZmtpError> {
        while let Some((frame, body)) = self.next_frame()? {
            if frame.flags & COMMAND != 0 {
                return Ok(Some(Incoming::Command(body)));
            }
            self.held += body.len();
            self.parts.push(body);
            if frame.flags & MORE == 0 {
                self.held = 0;
                return Ok(Some(Incoming::Message(std::mem::take(&mut self.parts))));
            }
        }
        Ok(None)
    }

    fn next_frame(&mut self) -> Result<Option<(FrameHeader, Bytes)>, ZmtpError> {
        if let Some((header, frame)) = self.large.take_if(|(_, frame)| frame.is_whole()) {
            return Ok(Some((header, frame.into_bytes())));
        }
        if self.large.is_some() {
            return Ok(None);
        }
        let Some(frame) = self.frame_header()? else { return Ok(None) };
        if self.buffer.len() < frame.header + frame.body {
            if frame.body >= LARGE {
                self.buffer.advance(frame.header);
                self.large = Some((frame, LargeFrame::new(frame.body, &self.buffer, &self.spare)?));
                self.buffer.clear();
            }
            return Ok(None);
        }
        self.buffer.advance(frame.header);
        Ok(Some((frame, self.buffer.split_to(frame.body).freeze())))
    }

    /// Reads the header in front of the buffer and holds it against the bounds.
    fn frame_header(&self) -> Result<Option<FrameHeader>, ZmtpError> {
        let Some((&flags, rest)) = self.buffer.split_first() else { return Ok(None) };
        let (header, body) = match (flags & LONG, rest.first(), rest.first_chunk()) {
            (0, Some(&size), _) => (2, u64::from(size)),
            (LONG, _, Some(size)) => (9, u64::from_be_bytes(*size)),
            _ => return Ok(None),
        };
        if flags & !(MORE | LONG | COMMAND) != 0 || flags & (MORE | COMMAND) == MORE | COMMAND {
            return Err(ZmtpError::Protocol { expected: "known flags of a frame" });
        }
        let (bound, expected) = match flags & COMMAND {
            0 => (MAX_MESSAGE - self.held, "a message of at most 256 MiB"),
            _ => (MAX_COMMAND, "a command of at most 4 KiB"),
        };
        match usize::try_from(body) {
            Ok(_) if self.parts.len() >= MAX_FRAMES => {
                Err(ZmtpError::Protocol { expected: "a message of at most 65,536 frames" })
            }
            Ok(body) if body <= bound => Ok(Some(FrameHeader { flags, header, body })),
            _ => Err(ZmtpError::Protocol { expected }),
        }
    }
}

/// The bytes of a message: small frames together, each large one where it already is.
pub(super) fn encode(frames: &[Bytes]) -> Vec<Bytes> {
    let mut chunks = Vec::with_capacity(1);
    let mut small = BytesMut::with_capacity(
        frames.iter().map(|frame| 9 + if frame.len() > COPIED { 0 } else { frame.len() }).sum(),
    );
    for (index, frame) in frames.iter().enumerate() {
        let more = if index + 1 < frames.len() { MORE } else { 0 };
        put_frame_header(&mut small, more, frame.len());
        if frame.len() > COPIED {
            chunks.extend([small.split().freeze(), frame.clone()]);
        } else {
            small.put_slice(frame);
        }
    }
    if !small.is_empty() {
        chunks.push(small.freeze());
    }
    chunks
}

/// The bytes of a command.
pub(super) fn encode_command(name: &str, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    put_frame_header(&mut bytes, COMMAND, 1 + name.len() + body.len());
    bytes.put_u8(u8::try_from(name.len()).expect("our command names are short"));
    bytes.put_slice(name.as_bytes());
    bytes.put_slice(body);
    bytes.freeze()
}

fn put_frame_header(bytes: &mut BytesMut, flags: u8, size: usize) {
    if let Ok(size) = u8::try_from(size) {
        bytes.put_slice(&[flags, size]);
    } else {
        bytes.put_u8(flags | LONG);
        bytes.put_u64(size as u64);
    }
}

/// The body of our READY command. No identity: clients make nothing of one.
pub(super) fn ready(socket_type: &str) -> Bytes {
    let mut properties = BytesMut::new();
    properties.put_u8(11);
    properties.put_slice(b"Socket-Type");
    properties.put_u32(u32::try_from(socket_type.len()).expect("our type names are short"));
    properties.put_slice(socket_type.as_bytes());
    encode_command("READY", &properties)
}

/// What a peer's READY says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) socket_type: Bytes,
    pub(super) identity: Bytes,
}

/// Reads a READY command.
///
/// # Errors
/// [`ZmtpError::Protocol`] for any other command, and for properties that do not fit its size.
pub(super) fn parse_ready(command: Bytes) -> Result<Ready, ZmtpError> {
    let Some((b"READY", mut rest)) = split_command(&command) else {
        return Err(ZmtpError::Protocol { expected: "the command READY" });
    };
    let mut ready = Ready::default();
    while !rest.is_empty() {
        let (name, value, tail) = split_property(rest)
            .ok_or(ZmtpError::Protocol { expected: "whole properties in READY" })?;
        match &name.to_ascii_lowercase()[..] {
            b"socket-type" => ready.socket_type = command.slice_ref(value),
            b"identity" => ready.identity = command.slice_ref(value),
            _ => {}
        }
        rest = tail;
    }
    Ok(ready)
}

/// Splits a command into its name and what follows.
pub(super) fn split_command(command: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&size, rest) = command.split_first()?;
    rest.split_at_checked(usize::from(size))
}

/// Splits off one property: its name, its value, what follows.
fn split_property(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = split_command(bytes)?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests;
