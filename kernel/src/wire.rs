//! Signed multipart messages: split, verify, sign. The only module that sees signatures.
//!
//! On the wire a Jupyter message is `[identities…, <IDS|MSG>, signature, header, parent_header,
//! metadata, content, buffers…]`. Frames pass through unchanged; only what has to be read is read.
//!
//! # Source
//! The wire protocol, <https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol>.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use crate::zmtp::Multipart;

mod lenient;

/// Stands between the routing identities and the signature.
pub const DELIMITER: &[u8] = b"<IDS|MSG>";

/// How many digests [`ReplayGuard`] remembers, as many as `jupyter_client` does.
const REPLAY_HISTORY: usize = 65_536;

type Digest = [u8; 32];

/// Why a multipart is no message of ours.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No delimiter frame.
    #[error("expected the delimiter `<IDS|MSG>` among the frames, found {found} frames without it")]
    NoDelimiter {
        /// How many frames there were.
        found: usize,
    },
    /// Fewer frames than a message has.
    #[error("expected a signature and 4 frames after the delimiter, found {found} frames")]
    TooFewFrames {
        /// How many frames followed the delimiter.
        found: usize,
    },
    /// The signature is not 64 lower-case hexadecimal digits.
    #[error("expected a signature of 64 lower-case hexadecimal digits, found {found} bytes")]
    NotASignature {
        /// The length of what was found, in bytes.
        found: usize,
    },
    /// The signature was not made with our key.
    #[error("the signature does not match the message; the peer uses another key")]
    BadSignature,
    /// A message with this signature was received before.
    #[error("a message with this signature was received before; it is refused as a replay")]
    Replay,
    /// The header is no JSON object with `msg_id` and `msg_type`.
    #[error("expected a header with `msg_id` and `msg_type`")]
    Header(#[source] serde_json::Error),
    /// The content does not have the fields of its message type.
    #[error("the content does not fit its message type")]
    Content(#[source] serde_json::Error),
}

/// The key of a connection file. An empty key means that messages are not signed.
#[derive(Clone)]
pub struct SigningKey(Option<Hmac<Sha256>>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl SigningKey {
    /// The key as it stands in a connection file.
    pub fn new(key: &str) -> SigningKey {
        let mac = || Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        SigningKey((!key.is_empty()).then(mac))
    }

    /// The signature frame of four frames: lower-case hexadecimal, or empty without a key.
    fn sign(&self, signed: [&Bytes; 4]) -> Bytes {
        match &self.0 {
            None => Bytes::new(),
            Some(mac) => to_hex(&feed(mac.clone(), signed).finalize().into_bytes()).into(),
        }
    }

    /// Checks a signature in constant time; `None` without a key, when all signatures pass.
    fn verify(&self, signature: &[u8], signed: [&Bytes; 4]) -> Result<Option<Digest>, WireError> {
        let Some(mac) = &self.0 else { return Ok(None) };
        let digest =
            from_hex(signature).ok_or(WireError::NotASignature { found: signature.len() })?;
        feed(mac.clone(), signed).verify_slice(&digest).map_err(|_| WireError::BadSignature)?;
        Ok(Some(digest))
    }
}

fn feed(mut mac: Hmac<Sha256>, signed: [&Bytes; 4]) -> Hmac<Sha256> {
    for frame in signed {
        mac.update(frame);
    }
    mac
}

fn to_hex(digest: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Lower case alone: one digest has one spelling, so a replay cannot hide behind another.
fn from_hex(text: &[u8]) -> Option<Digest> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    let mut digest = [0; 32];
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(digest)
}

/// Remembers the last 65,536 verified signatures, first in, first out. One for all channels.
#[derive(Debug, Default)]
pub struct ReplayGuard {
    seen: HashSet<Digest>,
    order: VecDeque<Digest>,
}

impl ReplayGuard {
    /// True for a digest that was not seen before; it is then remembered.
    fn admit(&mut self, digest: Digest) -> bool {
        if !self.seen.insert(digest) {
            return false;
        }
        self.order.push_back(digest);
        if self.order.len() > REPLAY_HISTORY
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

/// A message as it came, each part still bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frames {
    /// Routing identities, outermost first; on `IOPub` the topic.
    pub identities: Vec<Bytes>,
    /// The signature frame as it came.
    pub signature: Bytes,
    /// JSON object, see [`Header`].
    pub header: Bytes,
    /// The header of the request that caused this message, or `{}`.
    pub parent_header: Bytes,
    /// JSON object.
    pub metadata: Bytes,
    /// JSON object, by message type.
    pub content: Bytes,
    /// Binary attachments; not covered by the signature.
    pub buffers: Vec<Bytes>,
}

/// Sizes alone: code, outputs and signatures do not belong into a log.
impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("identities", &self.identities.len())
            .field("header_bytes", &self.header.len())
            .field("content_bytes", &self.content.len())
            .field("buffers", &self.buffers.len())
            .finish_non_exhaustive()
    }
}

impl Frames {
    /// Splits a multipart without a look at its signature: for messages of the companion, which
    /// come over a socket that nobody else reaches.
    ///
    /// # Errors
    /// [`WireError::NoDelimiter`] and [`WireError::TooFewFrames`].
    pub fn parse(multipart: Multipart) -> Result<Frames, WireError> {
        let found = multipart.len();
        let at = multipart.iter().position(|frame| &frame[..] == DELIMITER);
        let at = at.ok_or(WireError::NoDelimiter { found })?;
        let mut frames = multipart.into_iter();
        let identities: Vec<_> = frames.by_ref().take(at).collect();
        let found = found - at - 1;
        let mut next = || frames.next().ok_or(WireError::TooFewFrames { found });
        next()?; // the delimiter itself
        Ok(Frames {
            identities,
            signature: next()?,
            header: next()?,
            parent_header: next()?,
            metadata: next()?,
            content: next()?,
            buffers: frames.collect(),
        })
    }

    /// Splits a multipart and checks its signature before anything in it is looked at. Only a
    /// message that passes is remembered by `guard`.
    ///
    /// # Errors
    /// As [`Frames::parse`], and [`WireError::NotASignature`], [`WireError::BadSignature`],
    /// [`WireError::Replay`].
    pub fn parse_verified(
        multipart: Multipart,
        key: &SigningKey,
        guard: &mut ReplayGuard,
    ) -> Result<Frames, WireError> {
        let frames = Frames::parse(multipart)?;
        match key.verify(&frames.signature, frames.signed())? {
            Some(digest) if !guard.admit(digest) => Err(WireError::Replay),
            _ => Ok(frames),
        }
    }

    /// Signs a new message without identities and buffers.
    pub fn sign_new(
        key: &SigningKey,
        header: Bytes,
        parent_header: Bytes,
        metadata: Bytes,
        content: Bytes,
    ) -> Frames {
        let signature = key.sign([&header, &parent_header, &metadata, &content]);
        let (identities, buffers) = (Vec::new(), Vec::new());
        Frames { identities, signature, header, parent_header, metadata, content, buffers }
    }

    /// Signs what has no signature of ours: it comes from the companion, or a part was changed.
    #[must_use]
    pub fn resigned(mut self, key: &SigningKey) -> Frames {
        self.signature = key.sign(self.signed());
        self
    }

    /// The message without a signature: for the companion, which knows no key.
    #[must_use]
    pub fn unsigned(mut self) -> Frames {
        self.signature = Bytes::new();
        self
    }

    /// The same message to (or under) other identities.
    #[must_use]
    pub fn with_identities(mut self, identities: Vec<Bytes>) -> Frames {
        self.identities = identities;
        self
    }

    /// The frames for the wire, bytes unchanged.
    pub fn into_multipart(self) -> Multipart {
        let Frames { identities, signature, header, parent_header, metadata, content, buffers } =
            self;
        let mut multipart = identities;
        multipart.reserve(6 + buffers.len());
        multipart.push(Bytes::from_static(DELIMITER));
        multipart.extend([signature, header, parent_header, metadata, content]);
        multipart.extend(buffers);
        multipart
    }

    /// Reads the header.
    ///
    /// # Errors
    /// [`WireError::Header`] when it is no object with `msg_id` and `msg_type`.
    pub fn header(&self) -> Result<Header, WireError> {
        lenient::from_slice(&self.header).map_err(WireError::Header)
    }

    /// Reads the header of the request that caused this message.
    ///
    /// # Errors
    /// [`WireError::Header`], for `{}` too: not every message has a parent.
    pub fn parent(&self) -> Result<Header, WireError> {
        lenient::from_slice(&self.parent_header).map_err(WireError::Header)
    }

    /// Reads the content as `T`. Bytes that are no UTF-8 and lone surrogates, which Python may
    /// send, become U+FFFD in what is read; the frame itself keeps them.
    ///
    /// # Errors
    /// [`WireError::Content`]: the request is to be answered with status `error`.
    pub fn content<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        lenient::from_slice(&self.content).map_err(WireError::Content)
    }

    /// Reads the metadata as `T`, as [`Frames::content`] does.
    ///
    /// # Errors
    /// [`WireError::Content`].
    pub fn metadata<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        lenient::from_slice(&self.metadata).map_err(WireError::Content)
    }

    fn signed(&self) -> [&Bytes; 4] {
        [&self.header, &self.parent_header, &self.metadata, &self.content]
    }
}

/// What is read of a header; the frame itself passes on unchanged, with all that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Header {
    /// Unique among the messages of its session.
    pub msg_id: String,
    /// Such as `execute_request`.
    pub msg_type: String,
    /// Of the sender: one per page, or one per kernel.
    #[serde(default)]
    pub session: String,
    /// Of the sender.
    #[serde(default)]
    pub username: String,
    /// ISO 8601.
    #[serde(default)]
    pub date: String,
    /// Of the message protocol.
    #[serde(default)]
    pub version: String,
    /// The subshell that shall run the request (JEP 91).
    #[serde(default)]
    pub subshell_id: Option<String>,
}

#[cfg(test)]
mod tests;
