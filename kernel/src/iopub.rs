//! Joins adjacent stream messages, so that a print loop does not become thousands of messages.
//!
//! The server between kernel and page drops output above 1,000 messages a second. Text that follows
//! other text of the same request and stream within [`WINDOW`] is held and joined; anything else
//! flushes first, so the order of outputs is kept.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::message::Session;
use crate::wire::Frames;

/// How long text is held to be joined with what follows.
pub const WINDOW: Duration = Duration::from_millis(40);

/// How much text is held at most, in bytes.
pub const MAX_HELD: usize = 512 << 10;

/// Joins adjacent `stream` messages. Pure: it holds messages, the caller owns clock and socket.
#[derive(Debug)]
pub struct StreamGatherer {
    session: Session,
    /// The stream that text last went out for, and when: what follows soon is held.
    last: Option<(Source, Instant)>,
    held: Option<Held>,
}

/// Text of one request and one stream can be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    parent_header: Bytes,
    name: String,
}

#[derive(Debug)]
struct Held {
    source: Source,
    /// The first message as it came: it goes out unchanged when no other joins it.
    first: Frames,
    text: String,
    count: usize,
    until: Instant,
}

/// The content of `stream`, when it is one that can be joined.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamContent {
    name: String,
    text: String,
}

impl StreamGatherer {
    /// A gatherer that signs what it joins as `session`.
    pub fn new(session: Session) -> StreamGatherer {
        StreamGatherer { session, last: None, held: None }
    }

    /// Takes the next message for `IOPub` and returns what is to be sent now, in order.
    ///
    /// Topics are in `frames.identities`.
    pub fn push(&mut self, now: Instant, frames: Frames) -> Vec<Frames> {
        if let Some((source, text)) = stream_of(&frames) {
            return self.push_stream(now, frames, source, text);
        }
        let mut ready = self.flush();
        self.last = None;
        ready.push(frames);
        ready
    }

    fn push_stream(
        &mut self,
        now: Instant,
        frames: Frames,
        source: Source,
        text: String,
    ) -> Vec<Frames> {
        if let Some(held) = self.held.as_mut().filter(|held| held.source == source) {
            held.text.push_str(&text);
            held.count += 1;
            let due = now >= held.until || held.text.len() > MAX_HELD;
            return if due { self.flush_at(now) } else { Vec::new() };
        }
        let mut ready = self.flush();
        let soon = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| *last == source && now.duration_since(*at) < WINDOW);
        if soon {
            let until = now + WINDOW;
            self.held = Some(Held { source, first: frames, text, count: 1, until });
        } else {
            self.last = Some((source, now));
            ready.push(frames);
        }
        ready
    }

    /// When [`StreamGatherer::flush`] is due; `None` while nothing is held.
    pub fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until)
    }

    /// What is held, to be sent now.
    pub fn flush(&mut self) -> Vec<Frames> {
        match self.held.as_ref().map(|held| held.until) {
            Some(until) => self.flush_at(until),
            None => Vec::new(),
        }
    }

    fn flush_at(&mut self, now: Instant) -> Vec<Frames> {
        let Some(held) = self.held.take() else { return Vec::new() };
        self.last = Some((held.source.clone(), now));
        vec![if held.count == 1 { held.first } else { self.joined(held) }]
    }

    fn joined(&self, held: Held) -> Frames {
        let content = json!({ "name": held.source.name, "text": held.text });
        let metadata: Map<String, Value> = Map::new();
        let parent_header = &held.source.parent_header;
        self.session
            .message("stream", parent_header, &content, &metadata)
            .with_identities(held.first.identities)
    }
}

/// The source and text of a message that can be joined: a plain `stream` whose bytes are sound.
fn stream_of(frames: &Frames) -> Option<(Source, String)> {
    // Cheap tests first: most messages are no streams.
    if !frames.buffers.is_empty() || frames.metadata.len() > 2 || frames.content.len() > MAX_HELD {
        return None;
    }
    if frames.header().ok()?.msg_type != "stream" {
        return None;
    }
    let content: StreamContent = serde_json::from_slice(&frames.content).ok()?;
    let source = Source { parent_header: frames.parent_header.clone(), name: content.name };
    Some((source, content.text))
}

#[cfg(test)]
mod tests;
