//! What is published of the text that cells print: of each stream the beginning as it comes, and at the cell's end
//! its end. The rest goes to a file, of which the cell tells.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Server;
use crate::bound::{Bound, cut_note, end_note};
use crate::excess::Excess;
use crate::message::content::StreamName;
use crate::wire::Frames;

/// How many cells are remembered: threads of a cell may print long after its end.
const MAX_CELLS: usize = 64;

/// What has been shown of the cells' text, newest last.
#[derive(Debug, Default)]
pub(super) struct Floods(VecDeque<Flood>);

/// The text of one cell.
#[derive(Debug)]
struct Flood {
    msg_id: String,
    streams: [Stream; 2],
}

#[derive(Debug)]
struct Stream {
    name: StreamName,
    bound: Bound,
    excess: Option<Excess>,
}

impl Floods {
    fn stream(&mut self, msg_id: &str, name: StreamName) -> &mut Stream {
        let at = self.0.iter().rposition(|flood| flood.msg_id == msg_id);
        let at = at.unwrap_or_else(|| {
            if self.0.len() >= MAX_CELLS {
                self.0.pop_front();
            }
            let streams = [StreamName::Stdout, StreamName::Stderr].map(Stream::new);
            self.0.push_back(Flood { msg_id: msg_id.to_owned(), streams });
            self.0.len() - 1
        });
        let [stdout, stderr] = &mut self.0.get_mut(at).expect("found or pushed").streams;
        if name == StreamName::Stdout { stdout } else { stderr }
    }

    fn streams(&mut self, msg_id: &str) -> impl Iterator<Item = &mut Stream> {
        self.0
            .iter_mut()
            .rev()
            .find(|flood| flood.msg_id == msg_id)
            .into_iter()
            .flat_map(|flood| &mut flood.streams)
    }
}

impl Stream {
    fn new(name: StreamName) -> Stream {
        Stream { name, bound: Bound::default(), excess: None }
    }

    /// Shows the beginning and keeps the rest, of which a line tells once.
    fn take(&mut self, text: &str, most: usize, begin: impl FnOnce() -> Option<Excess>) -> String {
        let first = !self.bound.is_cut();
        let (shown, rest) = self.bound.cut(text, most);
        if rest.is_empty() {
            return shown.to_owned();
        }
        if first {
            self.excess = begin();
        }
        if let Some(excess) = &mut self.excess {
            excess.write(rest);
        }
        let file = self.excess.as_ref().map(|excess| excess.path().display().to_string());
        let note = first.then(|| cut_note(most, file.as_deref()));
        shown.to_owned() + note.as_deref().unwrap_or_default()
    }

    fn take_end(&mut self) -> Option<String> {
        let (left_out, end) = self.bound.take_end()?;
        let lost = self.excess.as_ref().and_then(Excess::lost);
        let note = if left_out > 0 { end_note(left_out, lost) } else { String::new() };
        Some(note + &end)
    }
}

/// What is read of a `stream` whose text may not be needed.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[expect(dead_code, reason = "that it is there makes the message one of text")]
    text: IgnoredAny,
}

/// A whole `stream`.
#[derive(Deserialize)]
struct Printed {
    text: String,
}

impl Server {
    /// Publishes what the companion says of a client's cell, within its bounds. `ends`, when it is the last of it.
    pub(super) fn publish_output(
        &mut self,
        msg_id: &str,
        msg_type: &str,
        frames: Frames,
        ends: bool,
    ) {
        match msg_type {
            "stream" => {
                let shown = self.bounded(msg_id, frames);
                return shown.into_iter().for_each(|frames| self.publish(frames));
            }
            "clear_output" => self.forget_shown(msg_id),
            "error" => self.show_ends(msg_id, &frames.parent_header),
            _ if ends => self.show_ends(msg_id, &frames.parent_header),
            _ => {}
        }
        self.publish(frames.resigned(&self.key));
    }

    /// What is published of a `stream`; nothing, when all of it is kept back.
    fn bounded(&mut self, msg_id: &str, frames: Frames) -> Option<Frames> {
        let Some(most) = self.most_of(msg_id) else { return Some(frames.resigned(&self.key)) };
        let Ok(named) = serde_json::from_slice::<Named<'_>>(&frames.content) else {
            return Some(frames.resigned(&self.key));
        };
        let name = stream_name(&named.name);
        if self.floods.stream(msg_id, name).bound.passes(frames.content.len(), most) {
            return Some(frames.resigned(&self.key));
        }
        let Ok(Printed { text }) = frames.content() else {
            return Some(frames.resigned(&self.key));
        };
        let shown = self.let_through(msg_id, name, &text, most);
        let part = self.session.stream(&frames.parent_header, name, &shown);
        (!shown.is_empty()).then(|| part.with_identities(frames.identities))
    }

    /// What is shown of a text that a step printed.
    pub(super) fn bounded_text<'t>(
        &mut self,
        msg_id: &str,
        name: StreamName,
        text: &'t str,
    ) -> Cow<'t, str> {
        let Some(most) = self.config.max_step_output.0 else { return text.into() };
        if self.floods.stream(msg_id, name).bound.passes(text.len(), most) {
            return text.into();
        }
        self.let_through(msg_id, name, text, most).into()
    }

    fn let_through(&mut self, msg_id: &str, name: StreamName, text: &str, most: usize) -> String {
        let folder = self.config.state.as_ref().map(|state| state.join("output"));
        let begin = || {
            let label = if name == StreamName::Stdout { "stdout" } else { "stderr" };
            Excess::begin(&folder?, label)
                .inspect_err(|error| tracing::warn!(%error, "what is not shown cannot be kept"))
                .ok()
        };
        self.floods.stream(msg_id, name).take(text, most, begin)
    }

    fn most_of(&mut self, msg_id: &str) -> Option<usize> {
        let is_step = self.step(msg_id).is_some();
        if is_step { self.config.max_step_output.0 } else { self.config.max_output.0 }
    }

    /// Publishes the ends of a cell's streams that have not been shown whole: before its exception, and before it is
    /// over.
    pub(super) fn show_ends(&mut self, msg_id: &str, parent_header: &Bytes) {
        let ends: Vec<_> = self
            .floods
            .streams(msg_id)
            .filter_map(|stream| Some((stream.name, stream.take_end()?)))
            .collect();
        for (name, text) in ends {
            let shown = self.session.stream(parent_header, name, &text);
            self.publish(shown);
        }
    }

    /// The cell has taken back what it showed.
    pub(super) fn forget_shown(&mut self, msg_id: &str) {
        self.floods.streams(msg_id).for_each(|stream| stream.bound.clear());
    }
}

/// The stream of that name; what is no error is output.
pub(super) fn stream_name(name: &str) -> StreamName {
    if name == "stderr" { StreamName::Stderr } else { StreamName::Stdout }
}
