//! The Datarus dialect: what models write, what a tolerant reader makes of it.
//!
//! Tolerated: tags in any case, a missing thought, an empty action, missing closing tags at the end, Markdown fences
//! around code, a stray `<think>`, tags quoted in back-ticks or in Python strings, an answer without its frame.
//! Rejected: an `<observation>` that the model wrote itself.

mod part;
mod reading;

use std::collections::VecDeque;

use self::part::{CodeText, ProseText};
use super::tags::{Match, Name, Tag, classify};
use super::{Glue, Reading};
use crate::agent::{Mode, Part};
use crate::llm::FinishReason;

pub(super) const GLUE: Glue =
    Glue { before: "\n<observation>\n", after: "\n</observation>\n</step>" };

/// Both closing tags end a completion, and so does the end of the code: a model that goes on would write the
/// observation itself. One that begins to is stopped there. Servers take four strings at most.
pub(super) fn stop(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Agentic => &["</action_input>", "</step>", "</stop_analysis>", "<observation>"],
        Mode::Reflection => &["</answer>"],
    }
}

const ENVIRONMENT: &str =
    "only the environment writes <observation>; end a step with </action_input> and wait";
const NOTHING_RUNS: &str =
    "nothing is run in this mode; write <think>…</think> and then <answer>…</answer>";

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Thought,
    Action,
    Code,
    Answer,
    /// The action is complete; only its frame may still be closed.
    Done,
}

/// Reads one completion; see [`super::Reader`].
#[derive(Debug, Clone)]
pub(super) struct Reader {
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
    action: String,
    code: CodeText,
    answer: ProseText,
    /// The completion ended with a tag that ends completions, inside a Python string.
    quoted_end: bool,
    frame: Frame,
    problem: Option<String>,
    /// Text of this call, gathered before it is handed out.
    out: Vec<(Part, String)>,
}

/// Which tags have been seen around the parts.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    any_tag: bool,
    terminal: Terminal,
    thinking_done: bool,
    /// The tag that ended the action.
    ended_by: Option<Name>,
}

/// `<stop_analysis>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Terminal {
    #[default]
    Absent,
    Open,
    Closed,
}

#[derive(Debug, Clone)]
struct Doubt {
    tag: Tag,
    text: String,
    quoted_directly: bool,
}

impl Reader {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            place: Place::Outside,
            held: String::new(),
            doubt: None,
            back_ticks: 0,
            last: None,
            read: 0,
            used: 0,
            thought: ProseText::default(),
            action: String::new(),
            code: CodeText::default(),
            answer: ProseText::default(),
            quoted_end: false,
            frame: Frame::default(),
            problem: None,
            out: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, delta: &str, on_text: &mut dyn FnMut(Part, &str)) {
        for character in delta.chars() {
            self.read += character.len_utf8();
            self.take(character);
        }
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

    /// One character, or those that a resolved doubt gives back.
    fn take(&mut self, character: char) {
        if self.doubt.is_none() && self.held.is_empty() && character != '<' {
            return self.text(character);
        }
        let mut queue = VecDeque::from([character]);
        while let Some(character) = queue.pop_front() {
            if let Some(mut doubt) = self.doubt.take() {
                doubt.text.push(character);
                match character {
                    '`' => doubt.text.chars().for_each(|quoted| self.text(quoted)),
                    '\n' => self.settle(doubt, &mut queue),
                    _ => self.doubt = Some(doubt),
                }
                continue;
            }
            self.take_certain(character, &mut queue);
        }
    }

    /// The quote did not close on its line, so the tag was one.
    fn settle(&mut self, doubt: Doubt, queue: &mut VecDeque<char>) {
        let after = doubt.text.split_once('>').map_or("", |(_, after)| after);
        for character in after.chars().rev() {
            queue.push_front(character);
        }
        self.tag(doubt.tag, &doubt.text);
    }

    fn take_certain(&mut self, character: char, queue: &mut VecDeque<char>) {
        if self.held.is_empty() && character != '<' {
            return self.text(character);
        }
        self.held.push(character);
        match classify(&self.held) {
            Match::Prefix => {}
            Match::Tag(tag) => {
                let text = std::mem::take(&mut self.held);
                self.found(tag, text);
            }
            Match::No => {
                let text = std::mem::take(&mut self.held);
                for character in text.chars().skip(1).collect::<Vec<_>>().into_iter().rev() {
                    queue.push_front(character);
                }
                self.text('<');
            }
        }
    }

    /// A whole tag, which may be quoted.
    fn found(&mut self, tag: Tag, text: String) {
        if self.place == Place::Code {
            return self.tag_in_code(tag, &text);
        }
        if self.back_ticks % 2 == 1 && self.place != Place::Done {
            let quoted_directly = self.last == Some('`');
            self.doubt = Some(Doubt { tag, text, quoted_directly });
            return;
        }
        self.tag(tag, &text);
    }

    fn tag(&mut self, tag: Tag, text: &str) {
        self.frame.any_tag = true;
        if tag.name == Name::Observation && self.place != Place::Done {
            return self.reject(ENVIRONMENT);
        }
        match self.place {
            Place::Outside => self.tag_outside(tag),
            Place::Thought => self.tag_in_thought(tag, text),
            Place::Action => self.tag_in_action(tag),
            Place::Code => self.tag_in_code(tag, text),
            Place::Answer => self.tag_in_answer(tag, text),
            Place::Done => self.tag_when_done(tag),
        }
        self.last = Some('>');
    }

    fn tag_outside(&mut self, tag: Tag) {
        match (self.mode, tag.name, tag.closes) {
            (Mode::Reflection, Name::Step | Name::ActionInput, false) => self.reject(NOTHING_RUNS),
            (Mode::Reflection, Name::Think, false) | (_, Name::Thought, false) => {
                self.thought.separate();
                self.place = Place::Thought;
            }
            (Mode::Reflection, Name::Think, true) => self.frame.thinking_done = true,
            (_, Name::Action, false) => self.place = Place::Action,
            (_, Name::ActionInput, false) => self.place = Place::Code,
            (_, Name::Answer, false) => self.place = Place::Answer,
            (_, Name::StopAnalysis, false) => self.frame.terminal = Terminal::Open,
            (_, Name::StopAnalysis, true) => self.frame.terminal = Terminal::Closed,
            _ => {}
        }
    }

    fn tag_in_thought(&mut self, tag: Tag, text: &str) {
        match (self.mode, tag.name, tag.closes) {
            (Mode::Reflection, Name::Think, true) => {
                self.frame.thinking_done = true;
                self.place = Place::Outside;
            }
            (Mode::Reflection, Name::Answer, false) => self.place = Place::Answer,
            (Mode::Agentic, Name::Thought | Name::Step, true)
            | (Mode::Reflection, Name::Thought, true) => self.place = Place::Outside,
            (Mode::Agentic, Name::Action | Name::ActionInput | Name::Answer, false)
            | (Mode::Agentic, Name::StopAnalysis, _) => {
                self.place = Place::Outside;
                self.tag_outside(tag);
            }
            (_, Name::Think, _) => {}
            _ => self.plain(text),
        }
    }

    fn tag_in_action(&mut self, tag: Tag) {
        match (tag.name, tag.closes) {
            (Name::Action, true) => self.place = Place::Outside,
            (Name::Action, false) => {}
            _ => {
                self.place = Place::Outside;
                self.tag_outside(tag);
            }
        }
    }

    /// Only an end counts in code, and not in a string, where it is data.
    fn tag_in_code(&mut self, tag: Tag, text: &str) {
        let quoted = self.code.in_string();
        let alone = self.code.at_line_start();
        match (tag.name, tag.closes) {
            (Name::ActionInput, true) if !quoted || alone => self.done(Name::ActionInput),
            (Name::Step, true) if !quoted && alone => self.done(Name::Step),
            (Name::Observation, _) if !quoted && alone => self.reject(ENVIRONMENT),
            (name, closes) => {
                self.plain(text);
                self.quoted_end = match name {
                    Name::ActionInput | Name::Step => closes,
                    Name::Observation => !closes,
                    _ => false,
                };
            }
        }
    }

    fn tag_in_answer(&mut self, tag: Tag, text: &str) {
        match (tag.name, tag.closes) {
            (Name::Answer, true) => self.done(Name::Answer),
            (Name::StopAnalysis, true) => {
                self.frame.terminal = Terminal::Closed;
                self.done(Name::StopAnalysis);
            }
            _ => self.plain(text),
        }
    }

    fn tag_when_done(&mut self, tag: Tag) {
        let Frame { terminal, ended_by, .. } = self.frame;
        let open = ended_by == Some(Name::Answer) && terminal == Terminal::Open;
        if open && tag.name == Name::StopAnalysis {
            self.frame.terminal = Terminal::Closed;
            self.used = self.read;
        }
    }

    fn done(&mut self, tag: Name) {
        self.place = Place::Done;
        self.frame.ended_by = Some(tag);
        self.used = self.read;
    }

    fn reject(&mut self, problem: &str) {
        self.problem = Some(problem.to_owned());
        self.done(Name::Observation);
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
        self.last = Some(character);
        self.quoted_end = false;
        if self.mode == Mode::Reflection && self.place == Place::Outside {
            self.untagged(character);
        }
        let out = &mut self.out;
        match self.place {
            Place::Thought => {
                self.thought.push(character, &mut |text| gather(out, Part::Thought, text));
            }
            Place::Answer => {
                self.answer.push(character, &mut |text| gather(out, Part::Answer, text));
            }
            Place::Code => self.code.push(character, &mut |text| gather(out, Part::Code, text)),
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
fn gather(out: &mut Vec<(Part, String)>, part: Part, text: &str) {
    match out.last_mut() {
        Some((last, gathered)) if *last == part => gathered.push_str(text),
        _ => out.push((part, text.to_owned())),
    }
}
