//! Hears a server out: events of a stream, or a whole reply where a server does not stream.

use std::time::Instant;

use serde_json::Value;

use super::LONGEST_BODY;
use super::events::Events;
use super::exchange::{Exchange, Heard, Trouble};
use super::refusal::{Refusal, judge, shown};
use super::reply::{Counted, Piece};
use super::writing::{End, Writing};
use crate::llm::{FinishReason, Interrupt};

/// The last event of a stream.
const DONE: &str = "[DONE]";

/// What came of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Text, perhaps none.
    Written {
        /// What is new in the message.
        text: String,
        /// Why it ended.
        finish_reason: FinishReason,
        /// What the server counted.
        counted: Option<Counted>,
        /// When the first of it arrived.
        first: Option<Instant>,
    },
    /// The server does not answer this.
    Refused(Refusal),
    /// Nothing was written, and that may pass.
    Passing(String),
    /// It went wrong, in words.
    Failed(String),
}

/// How a body is to be read; its first character tells, since servers name the type of a body as they like.
#[derive(Debug)]
enum Body {
    Unknown,
    Stream(Events),
    Whole(Vec<u8>),
}

/// A server that is heard.
pub(super) struct Listening<'a> {
    writing: Writing<'a>,
    exchange: &'a Exchange,
    interrupt: &'a Interrupt,
    on_text: &'a mut dyn FnMut(&str),
    body: Body,
    first: Option<Instant>,
    /// When something arrived that counts: the head, the beginning of a whole reply, text.
    moved: Instant,
    /// Why the message ended, and the stop string.
    finish: Option<(String, Option<String>)>,
    counted: Option<Counted>,
    is_done: bool,
}

impl<'a> Listening<'a> {
    /// To fill `writing` with what arrives.
    pub(super) fn new(
        writing: Writing<'a>,
        exchange: &'a Exchange,
        interrupt: &'a Interrupt,
        on_text: &'a mut dyn FnMut(&str),
    ) -> Self {
        Self {
            writing,
            exchange,
            interrupt,
            on_text,
            body: Body::Unknown,
            first: None,
            moved: Instant::now(),
            finish: None,
            counted: None,
            is_done: false,
        }
    }

    /// Listens to the end. Blocks; an interrupt ends it at once.
    pub(super) fn listen(mut self) -> Outcome {
        match self.exchange.next(self.interrupt, self.moved) {
            Ok(Heard::Head { status: 200, .. }) => self.moved = Instant::now(),
            Ok(Heard::Head { status, retry_after }) => {
                let since = Instant::now();
                let body = match read(self.exchange, self.interrupt, since, LONGEST_BODY) {
                    Err(Trouble::Stopped) => return self.written(FinishReason::Cancelled),
                    body => body.unwrap_or_default(),
                };
                let (after, key) = (retry_after.as_deref(), self.exchange.key());
                return Outcome::Refused(judge(status, &body, after, key));
            }
            Ok(Heard::Bytes(_) | Heard::End) => {
                return Outcome::Failed(String::from("expected HTTP"));
            }
            Err(trouble) => return self.troubled(trouble),
        }
        loop {
            let goes_on = match self.exchange.next(self.interrupt, self.moved) {
                Ok(Heard::Bytes(bytes)) => self.take(&bytes),
                Ok(Heard::Head { .. }) => Ok(true),
                Ok(Heard::End) => self.end().map(|()| false),
                Err(trouble) => return self.troubled(trouble),
            };
            match goes_on {
                Ok(true) => {}
                Ok(false) => return self.ended(),
                Err(reason) => return Outcome::Failed(reason),
            }
        }
    }

    /// Takes a piece of the body; says whether more is of use.
    fn take(&mut self, bytes: &[u8]) -> Result<bool, String> {
        if matches!(self.body, Body::Unknown) {
            // Blanks may come first, to keep the connection alive.
            match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => return Ok(true),
                Some(b'{' | b'<' | b'[' | b'"') => {
                    self.moved = Instant::now();
                    self.body = Body::Whole(Vec::new());
                }
                Some(_) => self.body = Body::Stream(Events::default()),
            }
        }
        match &mut self.body {
            Body::Whole(whole) => {
                whole.extend_from_slice(bytes);
                if whole.len() > LONGEST_BODY {
                    return Err(String::from("expected an answer, found one without end"));
                }
                Ok(true)
            }
            Body::Stream(events) => {
                let mut found = Vec::new();
                let pushed = events.push(bytes, &mut |data| found.push(data));
                let goes_on = self.take_events(found)?;
                pushed.map_err(|_| String::from("expected events, found one without end"))?;
                Ok(goes_on)
            }
            Body::Unknown => Ok(true),
        }
    }

    fn take_events(&mut self, events: Vec<String>) -> Result<bool, String> {
        for data in events {
            if data.trim() == DONE {
                self.is_done = true;
                return Ok(false);
            }
            if data.trim().is_empty() {
                continue;
            }
            let value: Value = serde_json::from_str(&data).map_err(|_| {
                format!(
                    "expected events with JSON, found {}: is this a server for chat completions?",
                    self.shown(&data)
                )
            })?;
            if !self.take_piece(Piece::of(&value))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take_piece(&mut self, piece: Piece) -> Result<bool, String> {
        if let Some(error) = piece.error {
            return Err(format!("it failed: {}", self.shown(&error)));
        }
        if piece.finish.as_deref() == Some("content_filter") {
            return Err(String::from(
                "its filter of contents ended the answer: ask in other words",
            ));
        }
        if !(piece.content.is_empty() && piece.reasoning.is_empty()) {
            self.first.get_or_insert_with(Instant::now);
        }
        self.counted = piece.counted.or(self.counted);
        let is_moved = self.writing.is_moved_by(&piece);
        let goes_on = self.writing.take(&piece, self.on_text);
        if is_moved {
            self.moved = Instant::now();
        }
        if let Some(reason) = piece.finish {
            self.finish = Some((reason, piece.stop));
        }
        Ok(goes_on)
    }

    /// The body is over.
    fn end(&mut self) -> Result<(), String> {
        match std::mem::replace(&mut self.body, Body::Unknown) {
            Body::Stream(mut events) => {
                let last: Vec<String> = events.end().into_iter().collect();
                self.take_events(last).map(|_| ())
            }
            Body::Whole(whole) => {
                let whole = String::from_utf8_lossy(&whole).into_owned();
                let value: Value = serde_json::from_str(&whole).map_err(|_| {
                    format!(
                        "expected an answer, found {}: is `/v1` missing in the address?",
                        self.shown(&whole)
                    )
                })?;
                let piece = Piece::of(&value);
                if piece.error.is_none() && value["choices"][0].is_null() {
                    return Err(format!("expected an answer, found {}", self.shown(&whole)));
                }
                self.is_done = true;
                self.take_piece(piece).map(|_| ())
            }
            Body::Unknown => Ok(()),
        }
    }

    /// What there is when nothing more is of use.
    fn ended(self) -> Outcome {
        if !self.is_done && self.finish.is_none() && !self.writing.is_begun() {
            return Outcome::Passing(String::from("it closed the connection without an answer"));
        }
        let (finish, is_done) = (self.finish.clone(), self.is_done);
        let end = match &finish {
            Some((reason, stop)) => End::Finished { reason, stop: stop.as_deref() },
            None if is_done => End::Done,
            None => End::Broken,
        };
        let (text, finish_reason) = self.writing.finish(end, self.on_text);
        Outcome::Written { text, finish_reason, counted: self.counted, first: self.first }
    }

    fn troubled(self, trouble: Trouble) -> Outcome {
        match trouble {
            Trouble::Stopped => self.written(FinishReason::Cancelled),
            // All that is of use has arrived; the count has not.
            _ if self.finish.is_some() || self.writing.is_ended() => self.ended(),
            Trouble::Passing(reason) if self.writing.is_begun() => self.broke_off(&reason),
            Trouble::Final(reason) if self.writing.has_text() => self.broke_off(&reason),
            Trouble::Passing(reason) => Outcome::Passing(reason),
            Trouble::Final(reason) => Outcome::Failed(reason),
        }
    }

    /// What has arrived is not lost: the caller has it continued.
    fn broke_off(self, reason: &str) -> Outcome {
        tracing::warn!(%reason, "the answer of the model server broke off");
        self.ended()
    }

    /// What the server says, for an error.
    fn shown(&self, said: &str) -> String {
        shown(said, self.exchange.key())
    }

    fn written(self, finish_reason: FinishReason) -> Outcome {
        let (text, _) = self.writing.finish(End::Broken, self.on_text);
        Outcome::Written { text, finish_reason, counted: self.counted, first: self.first }
    }
}

/// The whole of an answer: status, body, `Retry-After`.
///
/// # Errors
/// When it does not arrive while the patience lasts that began at `since`, or is longer than `longest` bytes.
pub(super) fn whole(
    exchange: &Exchange,
    interrupt: &Interrupt,
    since: Instant,
    longest: usize,
) -> Result<(u16, String, Option<String>), Trouble> {
    match exchange.next(interrupt, since)? {
        Heard::Head { status, retry_after } => {
            Ok((status, read(exchange, interrupt, since, longest)?, retry_after))
        }
        Heard::Bytes(_) | Heard::End => Err(Trouble::Final(String::from("expected HTTP"))),
    }
}

fn read(
    exchange: &Exchange,
    interrupt: &Interrupt,
    since: Instant,
    longest: usize,
) -> Result<String, Trouble> {
    let mut body = Vec::new();
    while let Heard::Bytes(bytes) = exchange.next(interrupt, since)? {
        body.extend(bytes);
        if body.len() > longest {
            return Err(Trouble::Final(String::from("expected an answer, found one without end")));
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
