//! Reads steps that are written with tags, whatever the tags are: what they mean is a dialect's [`Rules`].
//!
//! Tolerated: tags in any case, missing parts, missing closing tags at the end, Markdown fences around code, a stray
//! `<think>`, tags quoted in back-ticks or in Python strings. Rejected: what only the environment may write.

mod reading;

pub(super) use reading::names_the_tool;

use std::collections::VecDeque;
use std::fmt::Debug;

use super::Reading;
use super::part::{CodeText, ProseText};
use super::tags::{Match, Name, Names, Tag, classify};
use crate::agent::{Mode, Part};
use crate::llm::FinishReason;

/// The tags of a dialect and what they mean.
pub(super) trait Rules: Debug + Send + Sync {
    /// All that are looked for.
    fn names(&self) -> Names;

    /// Strings that end a completion; servers take four at most.
    fn stop(&self, mode: Mode) -> &'static [&'static str];

    /// What a tag does where the reader stands; what later tags depend on is noted in `frame`.
    fn effect(&self, mode: Mode, place: Place, seen: Seen<'_>, frame: &mut Frame) -> Effect;

    /// What a message without an action lacks, for the model.
    fn lack(&self, mode: Mode, place: Place, frame: Frame) -> &'static str;

    /// Closing tags that a step lacks whose code stands there.
    fn after_code(&self, ended_by: Option<Name>, last: Option<char>) -> &'static str;

    /// Closing tags that a message lacks whose answer stands there.
    fn after_answer(&self, frame: Frame) -> &'static str;
}

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Outside,
    Thought,
    Understanding,
    Action,
    Code,
    Question,
    Answer,
    /// The action is complete; only its frame may still be closed.
    Done,
}

/// A whole tag, and how it stands there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'t> {
    pub tag: Tag,
    /// As it is written.
    pub text: &'t str,
    /// In a Python string.
    pub quoted: bool,
    /// At the beginning of a line of code.
    pub alone: bool,
}

/// What a tag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it is text.
    Text,
    /// It is passed over.
    Pass,
    /// The reader stands there from now on.
    Go(Place),
    /// The action ends with it.
    End,
    /// The action has ended before it.
    EndBefore,
    /// It makes the message useless, for this reason.
    Reject(&'static str),
}

/// Which tags have been seen around the parts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Frame {
    pub any_tag: bool,
    pub terminal: Terminal,
    /// In reflection, what follows outside of tags is the answer.
    pub thinking_done: bool,
    /// The tag that ended the action.
    pub ended_by: Option<Name>,
}

/// A tag around the answer's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Terminal {
    #[default]
    Absent,
    Open,
    Closed,
}

/// Reads one completion; see [`super::Reader`].
#[derive(Debug, Clone)]
pub(super) struct Reader {
    rules: &'static dyn Rules,
    mode: Mode,
    place: Place,
    /// Text from `<` on that may become a tag.
    held: String,
    /// A tag after an odd back-tick, and what followed: it counts unless the quote closes on its line.
    doubt: Option<Doubt>,
    back_ticks: usize,
    last: Option<char>,
    /// Bytes read, and bytes up to the end of the action.
    read: usize,
    used: usize,
    thought: ProseText,
    understanding: ProseText,
    action: String,
    code: CodeText,
    question: ProseText,
    answer: ProseText,
    /// The completion ended with a tag that ends completions, inside a Python string.
    quoted_end: bool,
    frame: Frame,
    problem: Option<&'static str>,
    /// Text of this call, gathered before it is handed out.
    out: Vec<(Part, String)>,
}

#[derive(Debug, Clone)]
struct Doubt {
    tag: Tag,
    text: String,
    quoted_directly: bool,
}

impl Reader {
    pub(super) fn new(rules: &'static dyn Rules, mode: Mode) -> Self {
        Self {
            rules,
            mode,
            place: Place::Outside,
            held: String::new(),
            doubt: None,
            back_ticks: 0,
            last: None,
            read: 0,
            used: 0,
            thought: ProseText::default(),
            understanding: ProseText::default(),
            action: String::new(),
            code: CodeText::default(),
            question: ProseText::default(),
            answer: ProseText::default(),
            quoted_end: false,
            frame: Frame::default(),
            problem: None,
            out: Vec::new(),
        }
    }

    pub(super) fn stop(&self) -> &'static [&'static str] {
        self.rules.stop(self.mode)
    }

    pub(super) fn push(&mut self, delta: &str, on_text: &mut dyn FnMut(Part, &str)) {
        delta.chars().for_each(|character| self.take(character));
        self.hand_out(on_text);
    }

    pub(super) fn finish(
        &mut self,
        reason: FinishReason,
        on_text: &mut dyn FnMut(Part, &str),
    ) -> Reading {
        let reading = match reason {
            _ if self.place == Place::Done => self.reading(),
            FinishReason::Stop => self.stopped(),
            FinishReason::Length | FinishReason::Cancelled => self.incomplete(),
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
        if self.doubt.is_none() && self.held.is_empty() && character != '<' {
            self.read += character.len_utf8();
            return self.text(character);
        }
        self.take_all(VecDeque::from([character]));
    }

    /// Characters, and those that a resolved doubt gives back.
    fn take_all(&mut self, mut queue: VecDeque<char>) {
        while let Some(character) = queue.pop_front() {
            self.read += character.len_utf8();
            if let Some(mut doubt) = self.doubt.take() {
                doubt.text.push(character);
                match character {
                    '`' => doubt.text.chars().for_each(|quoted| self.text(quoted)),
                    '\n' => self.settle(&doubt, &mut queue),
                    _ => self.doubt = Some(doubt),
                }
                continue;
            }
            self.take_certain(character, &mut queue);
        }
    }

    /// The quote did not close on its line, so the tag was one.
    fn settle(&mut self, doubt: &Doubt, queue: &mut VecDeque<char>) {
        let end = doubt.text.find('>').map_or(doubt.text.len(), |at| at + 1);
        let (tag, after) = doubt.text.split_at(end);
        self.give_back(after, queue);
        self.tag(doubt.tag, tag);
    }

    /// What is given back is not read yet.
    fn give_back(&mut self, text: &str, queue: &mut VecDeque<char>) {
        self.read -= text.len();
        text.chars().rev().for_each(|character| queue.push_front(character));
    }

    fn take_certain(&mut self, character: char, queue: &mut VecDeque<char>) {
        if self.held.is_empty() && character != '<' {
            return self.text(character);
        }
        self.held.push(character);
        match classify(&self.held, self.rules.names()) {
            Match::Prefix => {}
            Match::Tag(tag) => {
                let text = std::mem::take(&mut self.held);
                self.found(tag, text);
            }
            Match::No => {
                let text = std::mem::take(&mut self.held);
                self.give_back(text.get(1..).unwrap_or_default(), queue);
                self.text('<');
            }
        }
    }

    /// A whole tag, which may be quoted.
    fn found(&mut self, tag: Tag, text: String) {
        let in_prose = !matches!(self.place, Place::Code | Place::Done);
        if in_prose && self.back_ticks % 2 == 1 {
            let quoted_directly = self.last == Some('`');
            self.doubt = Some(Doubt { tag, text, quoted_directly });
            return;
        }
        self.tag(tag, &text);
    }

    fn tag(&mut self, tag: Tag, text: &str) {
        let in_code = self.place == Place::Code;
        let in_prose = !in_code && self.place != Place::Done;
        let quoted = in_code && self.code.in_string();
        let alone = in_code && self.code.at_line_start();
        let seen = Seen { tag, text, quoted, alone };
        self.frame.any_tag = true;
        let effect = self.rules.effect(self.mode, self.place, seen, &mut self.frame);
        match effect {
            Effect::Text => self.plain_tag(text, in_code),
            Effect::Pass => {}
            Effect::Go(place) => self.go(place),
            Effect::End if self.place == Place::Done => self.used = self.read,
            Effect::End => self.done(Some(tag.name), self.read),
            Effect::EndBefore => self.done(None, self.read - text.len()),
            Effect::Reject(problem) => {
                self.problem = Some(problem);
                self.done(Some(tag.name), self.read);
            }
        }
        if in_prose && effect != Effect::Text {
            self.last = Some('>');
        }
    }

    /// A tag that is text. At the end of a completion it may have ended that all the same.
    fn plain_tag(&mut self, text: &str, in_code: bool) {
        self.plain(text);
        self.quoted_end = in_code && self.stop().contains(&text);
    }

    fn go(&mut self, place: Place) {
        match place {
            Place::Thought => self.thought.separate(),
            Place::Understanding => self.understanding.separate(),
            _ => {}
        }
        self.place = place;
    }

    fn done(&mut self, ended_by: Option<Name>, used: usize) {
        self.place = Place::Done;
        self.frame.ended_by = ended_by;
        self.used = used;
    }

    fn plain(&mut self, text: &str) {
        text.chars().for_each(|character| self.text(character));
    }

    fn text(&mut self, character: char) {
        match character {
            '`' => self.back_ticks += 1,
            '\n' => self.back_ticks = 0,
            _ => {}
        }
        if self.place != Place::Done {
            self.last = Some(character);
        }
        self.quoted_end = false;
        if self.mode == Mode::Reflection && self.place == Place::Outside {
            self.untagged(character);
        }
        let out = &mut self.out;
        match self.place {
            Place::Thought => {
                self.thought.push(character, &mut |text| gather(out, Part::Thought, text));
            }
            Place::Understanding => {
                self.understanding
                    .push(character, &mut |text| gather(out, Part::Understanding, text));
            }
            Place::Answer => {
                self.answer.push(character, &mut |text| gather(out, Part::Answer, text));
            }
            Place::Code => self.code.push(character, &mut |text| gather(out, Part::Code, text)),
            Place::Question => self.question.push(character, &mut |_| ()),
            Place::Action => self.action.push(character),
            Place::Outside | Place::Done => {}
        }
    }

    /// In reflection, text without tags is thought before `</think>` and answer after it.
    fn untagged(&mut self, character: char) {
        if character.is_whitespace() {
            return;
        }
        self.place = if self.frame.thinking_done { Place::Answer } else { Place::Thought };
    }
}

/// Adds to the last piece if it belongs to the same part.
pub(super) fn gather(out: &mut Vec<(Part, String)>, part: Part, text: &str) {
    match out.last_mut() {
        Some((last, gathered)) if *last == part => gathered.push_str(text),
        _ => out.push((part, text.to_owned())),
    }
}
