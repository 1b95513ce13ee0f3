//! Bytes to frames and back.

use std::collections::VecDeque;
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
pub(super) const GREETING: [u8; 64] = greeting(Mechanism::Null);

/// Version 3.0, mechanism CURVE, "as server", filler.
pub(super) const CURVE_GREETING: [u8; 64] = greeting(Mechanism::Curve);

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// Not at all.
    Null,
    /// Encrypted, to a server whose key is known.
    Curve,
}

impl Mechanism {
    /// Its name in a greeting.
    const fn name(self) -> &'static [u8; 20] {
        match self {
            Mechanism::Null => b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            Mechanism::Curve => b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        }
    }
}

const fn greeting(mechanism: Mechanism) -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    let (_, rest) = greeting.split_at_mut(12);
    let (name, rest) = rest.split_at_mut(20);
    name.copy_from_slice(mechanism.name());
    rest[0] = match mechanism {
        Mechanism::Null => 0,
        Mechanism::Curve => 1,
    };
    greeting
}

/// Checks the greeting of a peer.
///
/// # Errors
/// [`ZmtpError::Protocol`] when it is not version 3 or newer with this mechanism.
pub(super) fn check_greeting(greeting: [u8; 64], ours: Mechanism) -> Result<(), ZmtpError> {
    let [0xFF, _, _, _, _, _, _, _, _, 0x7F, major, _, mechanism @ ..] = greeting else {
        return Err(ZmtpError::Protocol { expected: "the signature of a ZMTP greeting" });
    };
    if major < 3 {
        return Err(ZmtpError::Protocol { expected: "ZMTP version 3 or newer" });
    }
    if !mechanism.starts_with(ours.name()) {
        let expected = match ours {
            Mechanism::Null => "the mechanism NULL, since the connection file has no CURVE keys,",
            Mechanism::Curve => "the mechanism CURVE, since the connection file has its keys,",
        };
        return Err(ZmtpError::Protocol { expected });
    }
    Ok(())
}

/// One thing that a peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// The next command, where nothing else may come: a message is refused at its header.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`] as well for a message.
    pub(super) fn next_command(&mut self) -> Result<Option<Bytes>, ZmtpError> {
        let is_message = |frame: FrameHeader| frame.flags & COMMAND == 0;
        if self.frame_header()?.is_some_and(is_message) {
            return Err(ZmtpError::Protocol { expected: "the commands of a handshake first" });
        }
        match self.next()? {
            Some(Incoming::Command(command)) => Ok(Some(command)),
            _ => Ok(None),
        }
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
        let Some((flags, header, body)) = split_header(&self.buffer) else { return Ok(None) };
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

/// The flags of a frame, the length of its header and that of its body; `None` until it is whole.
fn split_header(bytes: &[u8]) -> Option<(u8, usize, u64)> {
    let (&flags, rest) = bytes.split_first()?;
    match (flags & LONG, rest.first(), rest.first_chunk()) {
        (0, Some(&size), _) => Some((flags, 2, u64::from(size))),
        (LONG, _, Some(size)) => Some((flags, 9, u64::from_be_bytes(*size))),
        _ => None,
    }
}

/// A frame that waits to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) is_command: bool,
    /// Whether more frames of the same message follow.
    pub(super) more: bool,
    pub(super) body: Bytes,
    /// What it takes with its header, in bytes.
    pub(super) size: usize,
}

/// Takes the first frame off what [`encode`] and [`encode_command`] made, large ones from where they are.
pub(super) fn take_encoded(chunks: &mut VecDeque<Bytes>) -> Option<Encoded> {
    let (flags, header, body) = split_header(chunks.front()?)?;
    let body = usize::try_from(body).ok()?;
    take_bytes(chunks, header);
    let body = take_bytes(chunks, body);
    let size = header + body.len();
    Some(Encoded { is_command: flags & COMMAND != 0, more: flags & MORE != 0, body, size })
}

/// Takes bytes that lie in one chunk.
fn take_bytes(chunks: &mut VecDeque<Bytes>, size: usize) -> Bytes {
    let Some(front) = chunks.front_mut().filter(|_| size > 0) else { return Bytes::new() };
    let taken = front.split_to(size.min(front.len()));
    if front.is_empty() {
        chunks.pop_front();
    }
    taken
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

/// Puts the header of a frame that is a message of its own.
pub(super) fn put_message_header(bytes: &mut BytesMut, size: usize) {
    put_frame_header(bytes, 0, size);
}

fn put_frame_header(bytes: &mut BytesMut, flags: u8, size: usize) {
    if let Ok(size) = u8::try_from(size) {
        bytes.put_slice(&[flags, size]);
    } else {
        bytes.put_u8(flags | LONG);
        bytes.put_u64(size as u64);
    }
}

/// Our READY command.
pub(super) fn ready(socket_type: &str) -> Bytes {
    encode_command("READY", &properties(socket_type))
}

/// What we say of ourselves. No identity: clients make nothing of one.
pub(super) fn properties(socket_type: &str) -> Bytes {
    let mut properties = BytesMut::new();
    properties.put_u8(11);
    properties.put_slice(b"Socket-Type");
    properties.put_u32(u32::try_from(socket_type.len()).expect("our type names are short"));
    properties.put_slice(socket_type.as_bytes());
    properties.freeze()
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
    let Some((b"READY", properties)) = split_command(&command) else {
        return Err(ZmtpError::Protocol { expected: "the command READY" });
    };
    parse_properties(&command.slice_ref(properties))
}

/// Reads what a peer says of itself.
///
/// # Errors
/// [`ZmtpError::Protocol`] for properties that do not fit their size.
pub(super) fn parse_properties(properties: &Bytes) -> Result<Ready, ZmtpError> {
    let mut ready = Ready::default();
    let mut rest = &properties[..];
    while !rest.is_empty() {
        let (name, value, tail) = split_property(rest)
            .ok_or(ZmtpError::Protocol { expected: "whole properties in its handshake" })?;
        match &name.to_ascii_lowercase()[..] {
            b"socket-type" => ready.socket_type = properties.slice_ref(value),
            b"identity" => ready.identity = properties.slice_ref(value),
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
