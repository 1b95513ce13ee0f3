//! How a step is written: the tags between the model's text and one step of the loop.
//!
//! There is one step model (thought, code, answer); a dialect is a way to spell it. A dialect brings its stop strings,
//! a [`Reader`] that splits what a model writes while it is being written, and the glue around an observation.

mod datarus;
mod disarm;
mod tags;

use crate::agent::{Mode, Part};
use crate::llm::FinishReason;

pub use disarm::disarm;

/// A way to write steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `<step><thought>…</thought><action>…</action><action_input>…`, as Datarus-R1 was trained on.
    #[default]
    Datarus,
}

/// What a completion asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run this cell.
    Run {
        /// Why.
        thought: String,
        /// Python.
        code: String,
    },
    /// The turn is done.
    Answer {
        /// The last thought.
        thought: String,
        /// Markdown.
        answer: String,
    },
    /// The completion was cut before its end: it must be continued, and nothing of it may run.
    Incomplete,
    /// It asks for nothing that can be done.
    Malformed {
        /// What is wrong with it, for the model.
        problem: String,
    },
}

/// A finished completion, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it asks for.
    pub action: Action,
    /// Bytes of the completion that belong to the action; what follows was written past its end.
    pub used: usize,
    /// Closing tags that are missing: the server cut them off with the stop string, or the model forgot them.
    pub missing: &'static str,
}

/// Text around an observation in the transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glue {
    /// Between the end of the code and the observation.
    pub before: &'static str,
    /// After the observation, in the same message.
    pub after: &'static str,
}

impl Dialect {
    /// The dialect that a model file asks for; the product's own for a file that says nothing.
    pub fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("datarus") => Some(Self::Datarus),
            Some(_) => None,
        }
    }

    /// Strings that end a completion.
    pub fn stop(self, mode: Mode) -> &'static [&'static str] {
        match self {
            Self::Datarus => datarus::stop(mode),
        }
    }

    /// The text around an observation.
    pub fn glue(self) -> Glue {
        match self {
            Self::Datarus => datarus::GLUE,
        }
    }

    /// A reader for one completion.
    pub fn reader(self, mode: Mode) -> Reader {
        match self {
            Self::Datarus => Reader(datarus::Reader::new(mode)),
        }
    }

    /// Reads a whole completion at once.
    pub fn parse(self, mode: Mode, text: &str, finish_reason: FinishReason) -> Reading {
        let mut reader = self.reader(mode);
        reader.push(text, &mut |_, _| ());
        reader.finish(finish_reason, &mut |_, _| ())
    }
}

/// Splits a completion into thought, code and answer while it is being written.
///
/// The parts come out the same however the text is cut into pieces.
#[derive(Debug, Clone)]
pub struct Reader(datarus::Reader);

impl Reader {
    /// Takes the next piece of the completion; `on_text` gets what is certain by now.
    pub fn push(&mut self, delta: &str, on_text: &mut dyn FnMut(Part, &str)) {
        self.0.push(delta, on_text);
    }

    /// Reads what the completion asks for, given why it ended. The reader may go on with a continuation after
    /// [`Action::Incomplete`].
    pub fn finish(&mut self, reason: FinishReason, on_text: &mut dyn FnMut(Part, &str)) -> Reading {
        self.0.finish(reason, on_text)
    }
}

#[cfg(test)]
mod tests;
