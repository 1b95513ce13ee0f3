//! How a step is written: the form between the model's text and one step of the loop.
//!
//! There is one step model (understanding, thought, code, answer); a dialect is a way to spell it. A dialect brings its
//! stop strings, a [`Reader`] that splits what a model writes while it is being written, the spelling of what was said
//! before, and the glue around an observation.

mod datarus;
mod deepanalyze;
mod disarm;
mod form;
mod markdown;
mod part;
mod tagged;
mod tags;

use serde::{Deserialize, Serialize};

use crate::agent::{Mode, Part};
use crate::llm::{FinishReason, ModelInfo, Profile};
use crate::transcript::Role;

pub use disarm::disarm;
pub use form::Form;

/// A way to write steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `<step><thought>…</thought><action>…</action><action_input>…`, as Datarus-R1 was trained on.
    Datarus,
    /// `<Analyze>`, `<Understand>`, `<Code>`, `<Answer>` in one message, as DeepAnalyze was trained on.
    DeepAnalyze,
    /// Markdown with a fenced block of Python, for models that were trained on no form of their own.
    Markdown,
}

/// What a completion asks for. Each but the last two begins with what was said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run this cell.
    Run {
        /// What the data and the outputs so far mean.
        understanding: String,
        /// Why.
        thought: String,
        /// Python.
        code: String,
    },
    /// Ask the analyst.
    Ask {
        /// What the data and the outputs so far mean.
        understanding: String,
        /// Why.
        thought: String,
        /// The question.
        question: String,
    },
    /// The turn is done.
    Answer {
        /// What the data and the outputs so far mean.
        understanding: String,
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
    /// In whose message it stands.
    pub role: Role,
    /// Between the end of the code and the observation.
    pub before: &'static str,
    /// After the observation, in the same message.
    pub after: &'static str,
}

/// What a model said before it acted.
#[derive(Debug, Clone, Copy)]
pub struct Said<'t> {
    /// What the data and the outputs mean.
    pub understanding: &'t str,
    /// Why.
    pub thought: &'t str,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Datarus, Self::DeepAnalyze, Self::Markdown];

    /// The dialect that a model asks for: by its metadata or its vocabulary, else by its name. One that asks for none
    /// is a general chat model, and writes what such models know best: Markdown.
    ///
    /// `None` if its metadata name one that is not known.
    pub fn of(info: &ModelInfo) -> Option<Self> {
        if let Some(name) = &info.dialect {
            return Self::named(name);
        }
        let letters = info.name.chars().filter(char::is_ascii_alphanumeric);
        let name = letters.collect::<String>().to_ascii_lowercase();
        let named = [Self::DeepAnalyze, Self::Datarus];
        let named = named.into_iter().find(|dialect| name.contains(dialect.name()));
        Some(named.unwrap_or(Self::Markdown))
    }

    /// The dialect that is spoken with a model where the user has `set` one or not. A small model has learnt its own and
    /// no other.
    pub fn spoken(info: &ModelInfo, set: Option<Self>) -> Option<Self> {
        let may_be_set = info.profile == Profile::Full;
        set.filter(|_| may_be_set).or_else(|| Self::of(info))
    }

    /// The dialect of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// Its name: `datarus`, `deepanalyze`, `markdown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Datarus => "datarus",
            Self::DeepAnalyze => "deepanalyze",
            Self::Markdown => "markdown",
        }
    }

    /// How an answer is given, in the words of what the model is told.
    pub(crate) fn end(self) -> &'static str {
        match self {
            Self::Datarus => "<stop_analysis>",
            Self::DeepAnalyze => "<Answer>",
            Self::Markdown => "the answer",
        }
    }

    /// The text around an observation, for a model that `continues` a message of its own or not.
    pub fn glue(self, continues: bool) -> Glue {
        match self {
            Self::Datarus => datarus::GLUE,
            Self::DeepAnalyze if continues => deepanalyze::GLUE,
            Self::DeepAnalyze => deepanalyze::GLUE_APART,
            Self::Markdown => markdown::GLUE,
        }
    }

    /// An observation as the model is shown it.
    pub(crate) fn shown(self, observation: String) -> String {
        match self {
            Self::Markdown => markdown::without_fences(&observation),
            Self::Datarus | Self::DeepAnalyze => observation,
        }
    }

    /// A step as the model writes it: each text of ours with the text of others that follows it.
    pub(crate) fn step<'t>(self, said: Said<'t>, code: &'t str) -> Vec<(&'static str, &'t str)> {
        match self {
            Self::Datarus => datarus::step(said, code),
            Self::DeepAnalyze => deepanalyze::step(said, code),
            Self::Markdown => markdown::step(said, code),
        }
    }

    /// A question to the analyst as the model writes it, as [`Dialect::step`]; none, where a message can be none.
    pub(crate) fn ask<'t>(
        self,
        said: Said<'t>,
        question: &'t str,
    ) -> Option<Vec<(&'static str, &'t str)>> {
        match self {
            Self::DeepAnalyze => Some(deepanalyze::ask(said, question)),
            Self::Datarus | Self::Markdown => None,
        }
    }

    /// An answer as the model writes it, as [`Dialect::step`].
    pub(crate) fn answer<'t>(
        self,
        mode: Mode,
        said: Said<'t>,
        answer: &'t str,
    ) -> Vec<(&'static str, &'t str)> {
        match self {
            Self::Datarus => datarus::answer(mode, said, answer),
            Self::DeepAnalyze => deepanalyze::answer(said, answer),
            Self::Markdown => vec![("", answer)],
        }
    }

    /// A reader for one message.
    pub fn reader(self, mode: Mode) -> Reader {
        Reader(match self {
            Self::Datarus => Kind::Tagged(tagged::Reader::new(&datarus::Datarus, mode)),
            Self::DeepAnalyze => Kind::Tagged(tagged::Reader::new(&deepanalyze::DeepAnalyze, mode)),
            Self::Markdown => Kind::Fenced(markdown::Reader::new(mode)),
        })
    }

    /// Reads a whole completion at once.
    pub fn parse(self, mode: Mode, text: &str, finish_reason: FinishReason) -> Reading {
        let mut reader = self.reader(mode);
        reader.push(text, &mut |_, _| ());
        reader.finish(finish_reason, &mut |_, _| ())
    }
}

/// Splits a message into its parts while it is being written.
///
/// The parts come out the same however the text is cut into pieces.
#[derive(Debug, Clone)]
pub struct Reader(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Tagged(tagged::Reader),
    Fenced(markdown::Reader),
}

impl Reader {
    /// Strings that end a completion that goes on from here. One of them may have been no end, which the reading then
    /// says.
    pub fn stop(&self) -> &'static [&'static str] {
        match &self.0 {
            Kind::Tagged(reader) => reader.stop(),
            Kind::Fenced(reader) => reader.stop(),
        }
    }

    /// Takes the next piece of the completion; `on_text` gets what is certain by now.
    pub fn push(&mut self, delta: &str, on_text: &mut dyn FnMut(Part, &str)) {
        match &mut self.0 {
            Kind::Tagged(reader) => reader.push(delta, on_text),
            Kind::Fenced(reader) => reader.push(delta, on_text),
        }
    }

    /// Reads what the completion asks for, given why it ended. The reader may go on with a continuation after
    /// [`Action::Incomplete`].
    pub fn finish(&mut self, reason: FinishReason, on_text: &mut dyn FnMut(Part, &str)) -> Reading {
        match &mut self.0 {
            Kind::Tagged(reader) => reader.finish(reason, on_text),
            Kind::Fenced(reader) => reader.finish(reason, on_text),
        }
    }
}

#[cfg(test)]
mod tests;
