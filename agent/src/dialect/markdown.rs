//! The Markdown dialect, for general chat models: a fenced block of Python is a step, a message without one the answer.
//!
//! The first block is the step, and what follows it is dropped: it was written before anything had run. Prose above it
//! is the thought. Whether prose leads to a block or is the answer is known only at its end, so a heading `Answer`
//! announces the answer; where a model leaves it out, the answer is told as a whole. Blocks of other languages, and
//! blocks without a language, are text. What a reasoning model puts into `<think>` is no part of the message.

mod lines;

use self::lines::{Fence, announces, closes, fence, may_announce, may_be_fence};
use super::part::{CodeText, ProseText};
use super::tagged::gather;
use super::{Action, Glue, Reading, Said};
use crate::agent::{Mode, Part};
use crate::llm::FinishReason;
use crate::transcript::Role;

pub(super) const GLUE: Glue =
    Glue { role: Role::User, before: "The cell printed:\n\n```text\n", after: "\n```" };

/// The end of a block, and a new paragraph. It may be that of a block that is text.
const STOP: &[&str] = &["\n```\n\n"];

const THINK: &str = "<think>";
const THINK_END: &str = "</think>";

/// A step as the model writes it.
pub(super) fn step<'t>(said: Said<'t>, code: &'t str) -> Vec<(&'static str, &'t str)> {
    let open = if said.thought.is_empty() { "```python\n" } else { "\n\n```python\n" };
    vec![("", said.thought), (open, code), ("\n```", "")]
}

/// `text` without anything that could end the block in which it is shown.
pub(super) fn without_fences(text: &str) -> String {
    text.replace("```", "ˋˋˋ")
}

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first word.
    Start,
    /// In `<think>`.
    Reasoning,
    /// In prose that is a thought or the answer.
    Prose,
    /// In a block that is to run, below a fence of so many back-ticks that stood so far to the right.
    Code { n_ticks: usize, indent: usize },
    /// Below the heading of the answer.
    Answer,
    /// The block is complete.
    Done,
}

/// Reads one message; see [`super::Reader`].
#[derive(Debug, Clone)]
pub(super) struct Reader {
    mode: Mode,
    place: Place,
    /// The beginning of a line that may be a fence or a heading; `None` within one that is neither.
    line: Option<String>,
    /// Text that may become a tag of thinking.
    held: String,
    /// Back-ticks of the fence that opened a block of text.
    block: Option<usize>,
    /// What may be the answer.
    prose: ProseText,
    /// Where in it the message begins, after what was only thought.
    begins: usize,
    code: CodeText,
    answer: ProseText,
    read: usize,
    used: usize,
    /// The last characters.
    tail: String,
    /// How much was read when a stop string ended a completion that was none.
    stopped_at: Option<usize>,
    out: Vec<(Part, String)>,
}

impl Reader {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            place: Place::Start,
            line: Some(String::new()),
            held: String::new(),
            block: None,
            prose: ProseText::default(),
            begins: 0,
            code: CodeText::default(),
            answer: ProseText::default(),
            read: 0,
            used: 0,
            tail: String::new(),
            stopped_at: None,
            out: Vec::new(),
        }
    }

    /// An answer may have blocks, too, so it ends by itself.
    pub(super) fn stop(&self) -> &'static [&'static str] {
        let is_answer = self.place == Place::Answer || self.stopped_at.is_some();
        if self.mode == Mode::Reflection || is_answer { &[] } else { STOP }
    }

    pub(super) fn push(&mut self, delta: &str, on_text: &mut dyn FnMut(Part, &str)) {
        for character in delta.chars() {
            self.read += character.len_utf8();
            self.tail.push(character);
            self.take(character);
        }
        let n_surplus = self.tail.chars().count().saturating_sub(STOP.concat().len());
        self.tail = self.tail.chars().skip(n_surplus).collect();
        self.hand_out(on_text);
    }

    pub(super) fn finish(
        &mut self,
        reason: FinishReason,
        on_text: &mut dyn FnMut(Part, &str),
    ) -> Reading {
        let reading = match reason {
            _ if self.place == Place::Done => self.run(""),
            FinishReason::Stop => self.ended(),
            FinishReason::Length | FinishReason::Cancelled => self.incomplete(""),
        };
        self.hand_out(on_text);
        reading
    }

    fn hand_out(&mut self, on_text: &mut dyn FnMut(Part, &str)) {
        for (part, text) in self.out.drain(..) {
            on_text(part, &text);
        }
    }

    fn take(&mut self, character: char) {
        match self.place {
            Place::Start => self.start(character),
            Place::Reasoning => self.watched(character),
            Place::Done => {}
            Place::Prose | Place::Answer | Place::Code { .. } => self.in_line(character),
        }
    }

    /// Blanks before the first word count for nothing, but for how far to the right it stands.
    fn start(&mut self, character: char) {
        self.held.push(character);
        let word = self.held.trim_start();
        if word == THINK {
            self.held.clear();
            self.place = Place::Reasoning;
        } else if !THINK.starts_with(word) {
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.place = Place::Prose;
        let held = std::mem::take(&mut self.held);
        let word = held.trim_start();
        let line_start = held.len() - word.len();
        let line_start = held.get(..line_start).and_then(|blanks| blanks.rfind('\n'));
        let line = held.get(line_start.map_or(0, |at| at + 1)..).unwrap_or(word).to_owned();
        line.chars().for_each(|character| self.take(character));
    }

    /// Of a line that may mean something, nothing is certain before its end.
    fn in_line(&mut self, character: char) {
        let Some(line) = &mut self.line else {
            self.text(character);
            if character == '\n' {
                self.line = Some(String::new());
            }
            return;
        };
        line.push(character);
        let line = line.clone();
        if character == '\n' {
            self.line_ends(&line);
            self.line = Some(String::new());
        } else if !self.may_mean_something(&line) {
            self.line = None;
            self.plain(&line);
        }
    }

    fn may_mean_something(&self, start: &str) -> bool {
        let may_announce_here = self.place == Place::Prose && self.block.is_none();
        may_be_fence(start) || (may_announce_here && may_announce(start))
    }

    /// Takes a line that was held back, with the end of the line if that is there.
    fn line_ends(&mut self, line: &str) {
        if let Place::Code { n_ticks, .. } = self.place {
            if closes(line, n_ticks) && !self.code.in_string() {
                self.place = Place::Done;
                self.used = self.read - usize::from(line.ends_with('\n'));
                return;
            }
            return self.plain(line);
        }
        if let Some(n_ticks) = self.block {
            if closes(line, n_ticks) {
                self.block = None;
            }
            return self.plain(line);
        }
        match fence(line) {
            Some(Fence { n_ticks, indent, runs: true }) if self.may_run() => {
                self.place = Place::Code { n_ticks, indent };
            }
            Some(Fence { n_ticks, .. }) => {
                self.block = Some(n_ticks);
                self.plain(line);
            }
            None if self.place == Place::Prose && announces(line) => self.place = Place::Answer,
            None => self.plain(line),
        }
    }

    fn may_run(&self) -> bool {
        self.mode == Mode::Agentic && self.place == Place::Prose
    }

    /// A line, or the beginning of one, that is text.
    fn plain(&mut self, line: &str) {
        let indent = match self.place {
            Place::Code { indent, .. } => indent,
            _ => 0,
        };
        let blanks = line.chars().take(indent).take_while(|&character| character == ' ').count();
        line.chars().skip(blanks).for_each(|character| self.text(character));
    }

    fn text(&mut self, character: char) {
        let out = &mut self.out;
        match self.place {
            Place::Code { .. } => {
                self.code.push(character, &mut |text| gather(out, Part::Code, text));
            }
            Place::Answer => {
                self.answer.push(character, &mut |text| gather(out, Part::Answer, text));
            }
            _ => self.watched(character),
        }
    }

    /// Prose in which thinking may end.
    fn watched(&mut self, character: char) {
        if self.held.is_empty() && character != '<' {
            return self.prose(character);
        }
        self.held.push(character);
        if self.held == THINK_END {
            self.held.clear();
            self.begins = self.prose.text().len();
            if self.place == Place::Reasoning {
                self.place = Place::Prose;
            }
        } else if !THINK_END.starts_with(&self.held) {
            // Only the last of them can begin a tag.
            let held = std::mem::take(&mut self.held);
            let n_before = held.chars().count() - 1;
            held.chars().take(n_before).for_each(|character| self.prose(character));
            self.watched(character);
        }
    }

    fn prose(&mut self, character: char) {
        if self.place == Place::Reasoning && self.mode == Mode::Agentic {
            return;
        }
        let out = &mut self.out;
        self.prose.push(character, &mut |text| gather(out, Part::Thought, text));
    }

    fn incomplete(&self, missing: &'static str) -> Reading {
        Reading { action: Action::Incomplete, used: self.read, missing }
    }

    /// The model or a stop string ended the completion, not a limit.
    fn ended(&mut self) -> Reading {
        let is_new = self.stopped_at != Some(self.read);
        if is_new && self.may_have_been_stopped() {
            return self.go_on();
        }
        if self.place == Place::Start {
            self.begin();
        }
        if let Some(line) = self.line.take().filter(|line| !line.is_empty()) {
            self.line_ends(&line);
        }
        let held = std::mem::take(&mut self.held);
        held.chars().for_each(|character| self.prose(character));
        match self.place {
            Place::Done => self.run(""),
            Place::Code { .. } => {
                self.used = self.read;
                self.run(if self.tail.ends_with('\n') { "```" } else { "\n```" })
            }
            _ => self.answered(),
        }
    }

    /// Whether a stop string ended a block that does not run.
    fn may_have_been_stopped(&self) -> bool {
        let may = self.stop() == STOP && matches!(self.place, Place::Prose | Place::Answer);
        let in_code = matches!(self.place, Place::Code { .. }) && self.code.in_string();
        let at_end = STOP.iter().any(|stop| self.tail.ends_with(stop));
        (may && (at_end || self.is_in_block())) || (in_code && at_end)
    }

    /// Whether a block of text is open; its last line may close it, and not have ended.
    fn is_in_block(&self) -> bool {
        let closes = |n_ticks| self.line.as_deref().is_some_and(|line| closes(line, n_ticks));
        self.block.is_some_and(|n_ticks| !closes(n_ticks))
    }

    /// Asks for the rest. The end of the block is put back if the server has cut it off.
    fn go_on(&mut self) -> Reading {
        let missing = match (self.block, self.tail.ends_with('\n')) {
            (None, _) => "",
            (Some(_), true) => "```\n\n",
            (Some(_), false) => "\n```\n\n",
        };
        let used = self.read;
        missing.chars().for_each(|character| self.take(character));
        self.stopped_at = Some(self.read);
        Reading { used, ..self.incomplete(missing) }
    }

    fn run(&self, missing: &'static str) -> Reading {
        let code = self.code.text().to_owned();
        let action = if code.is_empty() {
            Action::Malformed { problem: String::from("the block of Python is empty") }
        } else {
            let (understanding, thought) = (String::new(), self.prose.text().to_owned());
            Action::Run { understanding, thought, code }
        };
        Reading { action, used: self.used, missing }
    }

    fn answered(&mut self) -> Reading {
        self.used = self.read;
        let (thought, after) = self.prose.text().split_at(self.begins);
        let (thought, answer) = match self.place {
            Place::Answer => (self.prose.text(), self.answer.text()),
            Place::Reasoning => (self.prose.text(), ""),
            _ => (thought, after.trim()),
        };
        let (thought, answer) = (thought.trim().to_owned(), answer.to_owned());
        let action = if answer.is_empty() {
            let problem = "it has neither a block of Python nor an answer";
            Action::Malformed { problem: problem.to_owned() }
        } else {
            if self.place != Place::Answer {
                gather(&mut self.out, Part::Answer, &answer);
            }
            Action::Answer { understanding: String::new(), thought, answer }
        };
        Reading { action, used: self.used, missing: "" }
    }
}
