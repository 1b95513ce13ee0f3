//! Messages as a Jupyter Server has them on its WebSocket. Pure.
//!
//! # Source
//! <https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html>.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::connection::Channel;
use crate::wire::Frames;

/// The name of the protocol in which the parts of a message stay bytes.
pub(super) const V1: &str = "v1.kernel.websocket.jupyter.org";

/// What travels in one message of the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// Bytes.
    Binary(Bytes),
    /// JSON.
    Text(String),
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// [`V1`].
    V1,
    /// One JSON object, before which lie offsets if it has buffers.
    Json,
}

impl Protocol {
    /// Writes a message. Identities and signature are the server's affair.
    pub(super) fn write(self, channel: Channel, frames: &Frames) -> Packet {
        match self {
            Self::V1 => Packet::Binary(write_v1(channel, frames)),
            Self::Json => write_json(channel, frames),
        }
    }

    /// Reads a message; none of what is not one.
    pub(super) fn read(self, packet: &Packet) -> Option<(Channel, Frames)> {
        match (self, packet) {
            (Self::V1, Packet::Binary(bytes)) => read_v1(bytes),
            (Self::Json, Packet::Binary(bytes)) => {
                let mut parts = parts(bytes, 4)?.into_iter();
                let (channel, frames) = read_json(&parts.next()?)?;
                Some((channel, Frames { buffers: parts.collect(), ..frames }))
            }
            // Whatever was agreed on, text is JSON.
            (_, Packet::Text(text)) => read_json(text.as_bytes()),
        }
    }
}

fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::Shell => "shell",
        Channel::Control => "control",
        Channel::Stdin => "stdin",
        Channel::IoPub => "iopub",
        Channel::Heartbeat => "hb",
    }
}

fn named(name: &[u8]) -> Option<Channel> {
    let channels = [Channel::Shell, Channel::Control, Channel::Stdin, Channel::IoPub];
    channels.into_iter().find(|channel| self::name(*channel).as_bytes() == name)
}

fn write_v1(channel: Channel, frames: &Frames) -> Bytes {
    let Frames { header, parent_header, metadata, content, buffers, .. } = frames;
    let channel = Bytes::from_static(name(channel).as_bytes());
    let parts: Vec<&Bytes> =
        [&channel, header, parent_header, metadata, content].into_iter().chain(buffers).collect();
    let mut at = 8 * (parts.len() + 2);
    let mut bytes =
        BytesMut::with_capacity(at + parts.iter().map(|part| part.len()).sum::<usize>());
    bytes.put_u64_le((parts.len() + 1) as u64);
    bytes.put_u64_le(at as u64);
    for part in &parts {
        at += part.len();
        bytes.put_u64_le(at as u64);
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes.freeze()
}

fn read_v1(bytes: &Bytes) -> Option<(Channel, Frames)> {
    let mut parts = parts(bytes, 8)?.into_iter();
    let channel = named(&parts.next()?)?;
    let mut next = || parts.next();
    let (header, parent_header, metadata, content) = (next()?, next()?, next()?, next()?);
    let buffers = parts.collect();
    let frames = message(header, parent_header, metadata, content);
    Some((channel, Frames { buffers, ..frames }))
}

/// The parts of a message that begins with their number and their offsets: little-endian numbers of 8 bytes, the last
/// offset being the end, or big-endian ones of 4.
fn parts(bytes: &Bytes, width: usize) -> Option<Vec<Bytes>> {
    let number = |at: usize| -> Option<usize> {
        let digits = bytes.get(at * width..(at + 1) * width)?;
        match width {
            8 => usize::try_from(u64::from_le_bytes(digits.try_into().ok()?)).ok(),
            _ => usize::try_from(u32::from_be_bytes(digits.try_into().ok()?)).ok(),
        }
    };
    let count = number(0)?;
    // Each offset takes its bytes: a count that has no room is none.
    let mut offsets = (1..=count.min(bytes.len())).map(number).collect::<Option<Vec<_>>>()?;
    if width == 4 {
        offsets.push(bytes.len());
    }
    let ends = offsets.iter().skip(1);
    let within = |(&from, &to): (&usize, &usize)| {
        (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
    };
    offsets.iter().zip(ends).map(within).collect()
}

fn message(header: Bytes, parent_header: Bytes, metadata: Bytes, content: Bytes) -> Frames {
    Frames {
        identities: Vec::new(),
        signature: Bytes::new(),
        header,
        parent_header,
        metadata,
        content,
        buffers: Vec::new(),
    }
}

#[derive(Serialize, Deserialize)]
struct Json<'a> {
    #[serde(borrow)]
    header: &'a RawValue,
    #[serde(borrow)]
    parent_header: &'a RawValue,
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow)]
    content: &'a RawValue,
    channel: &'a str,
}

fn read_json(bytes: &[u8]) -> Option<(Channel, Frames)> {
    let json: Json<'_> = serde_json::from_slice(bytes).ok()?;
    let part = |part: &RawValue| Bytes::copy_from_slice(part.get().as_bytes());
    let Json { header, parent_header, metadata, content, channel } = json;
    let frames = message(part(header), part(parent_header), part(metadata), part(content));
    Some((named(channel.as_bytes())?, frames))
}

fn write_json(channel: Channel, frames: &Frames) -> Packet {
    // Lone surrogates and bytes that are no UTF-8 are not JSON; v1 alone lets them pass.
    let part = |part: &Bytes| String::from_utf8_lossy(part).into_owned();
    let parts =
        [&frames.header, &frames.parent_header, &frames.metadata, &frames.content].map(part);
    let [header, parent_header, metadata, content] = &parts;
    let channel = name(channel);
    let text = format!(
        r#"{{"header":{header},"parent_header":{parent_header},"metadata":{metadata},"content":{content},"channel":"{channel}","buffers":[]}}"#
    );
    if frames.buffers.is_empty() {
        return Packet::Text(text);
    }
    let text = Bytes::from(text);
    let parts: Vec<&Bytes> = std::iter::once(&text).chain(&frames.buffers).collect();
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mut at = 4 * (parts.len() + 1);
    let mut bytes = BytesMut::new();
    bytes.put_u32(offset(parts.len()));
    for part in &parts {
        bytes.put_u32(offset(at));
        at += part.len();
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Packet::Binary(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(buffers: &[&'static [u8]]) -> Frames {
        let part = |text: &'static str| Bytes::from_static(text.as_bytes());
        let frames =
            message(part(r#"{"msg_id":"1"}"#), part("{}"), part("{}"), part(r#"{"a":"ü"}"#));
        Frames { buffers: buffers.iter().map(|part| Bytes::from_static(part)).collect(), ..frames }
    }

    #[test]
    fn a_message_comes_back_as_it_was_written_in_both_protocols() {
        for protocol in [Protocol::V1, Protocol::Json] {
            for buffers in [&[][..], &[b"\0\xff".as_slice(), b"".as_slice()][..]] {
                let packet = protocol.write(Channel::Stdin, &frames(buffers));
                assert_eq!(protocol.read(&packet), Some((Channel::Stdin, frames(buffers))));
            }
        }
    }

    #[test]
    fn v1_is_what_the_server_writes() {
        // `serialize_msg_to_ws_v1([b"h", b"p", b"m", b"c"], "iopub")` of jupyter_server 2.21.
        let offsets = [7u64, 56, 61, 62, 63, 64, 65].map(u64::to_le_bytes).concat();
        // The number counts the offsets.
        let bytes = [&6u64.to_le_bytes(), &offsets[8..], b"iopubhpmc"].concat();
        let (channel, read) = Protocol::V1.read(&Packet::Binary(bytes.clone().into())).unwrap();
        assert_eq!(
            (channel, &read.header[..], &read.content[..]),
            (Channel::IoPub, &b"h"[..], &b"c"[..])
        );
        assert_eq!(Protocol::V1.write(channel, &read), Packet::Binary(bytes.into()));
    }

    #[test]
    fn broken_messages_are_none_and_do_not_panic() {
        let Packet::Binary(whole) = Protocol::V1.write(Channel::Shell, &frames(&[])) else {
            panic!("expected bytes")
        };
        for end in 0..whole.len() {
            for protocol in [Protocol::V1, Protocol::Json] {
                assert_eq!(protocol.read(&Packet::Binary(whole.slice(..end))), None);
            }
        }
        for text in [
            "",
            "{}",
            "[1]",
            r#"{"header":{},"parent_header":{},"metadata":{},"content":{},"channel":"x"}"#,
        ] {
            assert_eq!(Protocol::V1.read(&Packet::Text(text.into())), None);
        }
        let many = Bytes::from([u64::MAX.to_le_bytes(), u64::MAX.to_le_bytes()].concat());
        assert_eq!(Protocol::V1.read(&Packet::Binary(many)), None);
    }
}
