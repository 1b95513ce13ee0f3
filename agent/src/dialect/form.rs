//! How far a message keeps to the form of its dialect, counted tag by tag.
//!
//! The readers beside this are tolerant: they make of a message what can be made of it. Rewards want to know how much
//! there was to tolerate. Tags and strings are told by the same lexers, and a test holds both to the same judgement.

use super::tagged::{Rules, names_the_tool};
use super::tags::{Name, Names, Tag, tags};
use super::{Action, Dialect, Reading, datarus, deepanalyze};
use crate::agent::Mode;
use crate::llm::FinishReason;
use crate::python::Scanner;

/// What was counted in one message, or in all of a trajectory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// Tags that messages of this kind must have; a pair is one.
    pub required: usize,
    /// Of these, those that come in their order, are closed and hold something.
    pub well_formed: usize,
    /// Tags that stand in another's text, come again, come too late, or close what is not open.
    pub misplaced: usize,
    /// Stretches of text outside of all tags.
    pub outside: usize,
    /// Tags that only the environment writes.
    pub forged: usize,
    /// Ends of the turn.
    pub terminals: usize,
}

impl std::ops::AddAssign for Form {
    fn add_assign(&mut self, other: Self) {
        self.required += other.required;
        self.well_formed += other.well_formed;
        self.misplaced += other.misplaced;
        self.outside += other.outside;
        self.forged += other.forged;
        self.terminals += other.terminals;
    }
}

/// A kind of message: what frames it, and the parts that it must have, in their order.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    frame: Option<Name>,
    parts: &'static [Part],
    /// Whether it ends the turn.
    is_terminal: bool,
}

/// A part of a message: one of these tags, or any number of them one after the other.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    names: &'static [Name],
    repeats: bool,
}

const fn one(names: &'static [Name]) -> Part {
    Part { names, repeats: false }
}

const SECTIONS: Part =
    Part { names: &[Name::Analyze, Name::Understand, Name::Think], repeats: true };

const DATARUS: &[Kind] = &[
    Kind {
        frame: Some(Name::Step),
        parts: &[one(&[Name::Thought]), one(&[Name::Action]), one(&[Name::ActionInput])],
        is_terminal: false,
    },
    Kind {
        frame: Some(Name::StopAnalysis),
        parts: &[one(&[Name::Thought]), one(&[Name::Answer])],
        is_terminal: true,
    },
];
const REFLECTION: &[Kind] =
    &[Kind { frame: None, parts: &[one(&[Name::Think]), one(&[Name::Answer])], is_terminal: true }];
const DEEP_ANALYZE: &[Kind] = &[
    Kind { frame: None, parts: &[SECTIONS, one(&[Name::Code])], is_terminal: false },
    Kind { frame: None, parts: &[SECTIONS, one(&[Name::Answer])], is_terminal: true },
    Kind { frame: None, parts: &[SECTIONS, one(&[Name::Ask])], is_terminal: false },
];
const DEEP_REFLECTION: &[Kind] =
    &[Kind { frame: None, parts: &[SECTIONS, one(&[Name::Answer])], is_terminal: true }];

impl Dialect {
    /// Holds a message against the form that it must have. Allocates nothing for a tag.
    pub fn form(self, mode: Mode, message: &str) -> Form {
        let (rules, kinds): (&dyn Rules, _) = match (self, mode) {
            (Self::Datarus, Mode::Agentic) => (&datarus::Datarus, DATARUS),
            (Self::Datarus, Mode::Reflection) => (&datarus::Datarus, REFLECTION),
            (Self::DeepAnalyze, Mode::Agentic) => (&deepanalyze::DeepAnalyze, DEEP_ANALYZE),
            (Self::DeepAnalyze, Mode::Reflection) => (&deepanalyze::DeepAnalyze, DEEP_REFLECTION),
            (Self::Markdown, _) => return untagged(mode, message),
        };
        let mut walk = Walk {
            text: message,
            kinds,
            kind: None,
            begun: 0,
            open: None,
            awaits_answer: false,
            closed_at: 0,
            form: Form::default(),
        };
        for (range, tag) in tags(message, rules.names()) {
            walk.take(range.start, range.end, tag);
        }
        walk.end(rules.stop(mode), rules.names())
    }
}

/// Markdown has nothing to keep to but that it can be read.
fn untagged(mode: Mode, message: &str) -> Form {
    let Reading { action, .. } = Dialect::Markdown.parse(mode, message, FinishReason::Stop);
    let is_read = !matches!(action, Action::Malformed { .. } | Action::Incomplete);
    let ends = matches!(action, Action::Answer { .. });
    Form {
        required: 1,
        well_formed: usize::from(is_read),
        terminals: usize::from(ends),
        ..Form::default()
    }
}

/// A part that has been opened.
struct Open {
    name: Name,
    /// Where its text begins.
    start: usize,
    /// Whether it stood where it must, and is the first that is this part.
    counts: bool,
    /// Of code: what is in a string, and up to where that is known.
    scanner: Scanner,
    scanned: usize,
}

/// A message while its tags are gone through.
struct Walk<'t> {
    text: &'t str,
    kinds: &'static [Kind],
    /// What it turned out to be.
    kind: Option<&'static Kind>,
    /// How many of its parts can come no more.
    begun: usize,
    open: Option<Open>,
    /// Whether a frame that ends the turn waits for its answer.
    awaits_answer: bool,
    /// Where the last tag outside of parts ended.
    closed_at: usize,
    form: Form,
}

impl Walk<'_> {
    fn take(&mut self, start: usize, end: usize, tag: Tag) {
        if self.open.as_ref().is_some_and(|open| is_code(open.name)) {
            return self.take_in_code(start, end, tag);
        }
        // `<code>` is an element of HTML.
        let is_html = tag.name == Name::Code && self.text.get(start..end) != Some("<Code>");
        if is_html || is_in_back_ticks(self.text, start, end) {
            return;
        }
        match self.open.as_ref().map(|open| open.name) {
            Some(name) if tag.closes && tag.name == name => self.close(start, end),
            Some(name) => {
                self.note_misplaced(tag);
                // What was open can only have been left open.
                if self.is_part(tag.name) && tag.name != name {
                    self.open = None;
                    self.closed_at = start;
                    self.take_outside(start, end, tag);
                }
            }
            None => self.take_outside(start, end, tag),
        }
    }

    /// As in the readers: the end of the code counts unless it is part of a string, and what the environment writes
    /// where it begins a line.
    fn take_in_code(&mut self, start: usize, end: usize, tag: Tag) {
        let Some(open) = &mut self.open else { return };
        open.scanner.push_str(self.text.get(open.scanned..start).unwrap_or_default());
        open.scanned = start;
        let (name, quoted) = (open.name, open.scanner.in_string());
        let line = self.text.get(open.start..start).unwrap_or_default();
        let line = line.rsplit('\n').next().unwrap_or_default();
        let alone = line.trim().trim_start_matches("```").is_empty();
        match (tag.name, tag.closes) {
            (tag, true) if tag == name && (!quoted || alone) => self.close(start, end),
            (Name::Step, true) if !quoted && alone => {
                self.open = None;
                self.closed_at = end;
            }
            (tag, _) if is_environment(tag) && !quoted && alone => self.form.forged += 1,
            _ => {}
        }
    }

    fn take_outside(&mut self, start: usize, end: usize, tag: Tag) {
        self.note_outside(start);
        self.closed_at = end;
        let frames = self.kinds.iter().find(|kind| kind.frame == Some(tag.name));
        match (frames, tag.closes) {
            (Some(kind), false) => self.open_frame(kind),
            (Some(kind), true) => {
                let complete = self.kind == Some(kind) && self.begun == kind.parts.len();
                self.form.misplaced += usize::from(!complete);
            }
            (None, false) if self.is_part(tag.name) => self.open_part(tag.name, end),
            (None, _) => self.note_misplaced(tag),
        }
    }

    fn open_frame(&mut self, kind: &'static Kind) {
        self.form.terminals += usize::from(kind.is_terminal);
        self.awaits_answer |= kind.is_terminal;
        if self.kind.is_some() {
            self.form.misplaced += 1;
            return;
        }
        self.kind = Some(kind);
        self.form.well_formed += 1;
    }

    fn open_part(&mut self, name: Name, start: usize) {
        let at = self.place_of(name);
        let mut those = self.kinds.iter().filter(|kind| position(kind, name).is_some());
        let kind = those.next();
        // Without a frame, what belongs to one kind alone tells it; a thought does not.
        if self.kind.is_none() && those.next().is_none() {
            self.kind = kind;
        }
        let part = self.kind.or(kind).zip(at).and_then(|(kind, at)| kind.parts.get(at));
        let is_next = at.is_some_and(|at| at >= self.begun);
        let goes_on =
            part.is_some_and(|part| part.repeats) && at.map(|at| at + 1) == Some(self.begun);
        if name == Name::Answer && !std::mem::take(&mut self.awaits_answer) {
            self.form.terminals += 1;
        }
        if is_next {
            self.begun = at.map_or(self.begun, |at| at + 1);
        } else if !goes_on {
            self.form.misplaced += 1;
        }
        let scanner = Scanner::default();
        self.open = Some(Open { name, start, counts: is_next, scanner, scanned: start });
    }

    /// Which part of this message, or of the first kind that has it, the tag opens.
    fn place_of(&self, name: Name) -> Option<usize> {
        let kinds = self.kind.map_or(self.kinds, std::slice::from_ref);
        kinds.iter().find_map(|kind| position(kind, name))
    }

    fn is_part(&self, name: Name) -> bool {
        self.kinds.iter().any(|kind| position(kind, name).is_some())
    }

    fn close(&mut self, start: usize, end: usize) {
        if let Some(open) = self.open.take() {
            let text = self.text.get(open.start..start).unwrap_or_default();
            let fits = open.name != Name::Action || names_the_tool(text);
            let counts = open.counts && fits && !text.trim().is_empty();
            self.form.well_formed += usize::from(counts);
        }
        self.closed_at = end;
    }

    /// A server cuts the text that ends a completion off: what it would have closed is closed.
    fn end(mut self, stop: &[&str], names: Names) -> Form {
        let end = self.text.len();
        let cut_off = |open: &Open| stop.iter().any(|stop| closes(stop, names, open.name));
        match &self.open {
            Some(open) if cut_off(open) => self.close(end, end),
            Some(_) => {}
            None => self.note_outside(end),
        }
        let [first, ..] = self.kinds else { return self.form };
        let kind = self.kind.unwrap_or(first);
        self.form.required = kind.parts.len() + usize::from(kind.frame.is_some());
        self.form
    }

    fn note_misplaced(&mut self, tag: Tag) {
        let count =
            if is_environment(tag.name) { &mut self.form.forged } else { &mut self.form.misplaced };
        *count += 1;
    }

    fn note_outside(&mut self, end: usize) {
        let text = self.text.get(self.closed_at..end).unwrap_or_default();
        self.form.outside += usize::from(!text.trim().is_empty());
    }
}

fn is_code(name: Name) -> bool {
    matches!(name, Name::ActionInput | Name::Code)
}

fn is_environment(name: Name) -> bool {
    matches!(name, Name::Observation | Name::Execute)
}

/// Which part of a kind bears this tag.
fn position(kind: &Kind, name: Name) -> Option<usize> {
    kind.parts.iter().position(|part| part.names.contains(&name))
}

/// Whether a stop string is the end of this part.
fn closes(stop: &str, names: Names, name: Name) -> bool {
    tags(stop, names).next().is_some_and(|(_, tag)| tag == Tag { name, closes: true })
}

/// Whether a tag is quoted: an odd number of back-ticks stands before it on its line, and one after it.
fn is_in_back_ticks(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let after = text.get(end..).unwrap_or_default();
    let rest = after.split('\n').next().unwrap_or_default();
    line.bytes().filter(|byte| *byte == b'`').count() % 2 == 1 && rest.contains('`')
}

#[cfg(test)]
mod tests;
