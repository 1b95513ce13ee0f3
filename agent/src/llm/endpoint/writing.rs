//! One message while a server writes it: what it repeats is left out, what it sorted out as thought is put in front,
//! and it ends where it would have ended here.
//!
//! Servers cut off the stop string that ended a message, and few say which it was. It is put back, since the caller
//! of a model gets it: else an answer would be without its end.

use super::reply::Piece;
use crate::llm::FinishReason;

/// Around a thought that the server gave apart. Its `<` are disarmed, so that a step that it only considers is none.
const THINK: &str = "<think>\n";
const THINK_END: &str = "\n</think>\n";

/// Bytes that a token has at most, on the average of a completion: a server that knows no limit is stopped.
const TOKEN_BYTES: usize = 64;

/// A message in the making.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    stop: &'a [&'a str],
    /// The message as it was before, and what is new.
    message: String,
    n_before: usize,
    /// What arrived so far, as long as it may be a repetition of the message as it was before.
    repeated: Option<String>,
    thought: Thought,
    ended: Option<FinishReason>,
    longest: usize,
}

/// Where the thought stands that a server gives apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thought {
    None,
    Open,
    /// It is closed, or text began without one.
    Past,
}

/// Why a server says no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End<'a> {
    /// It said why, and perhaps which stop string it was.
    Finished {
        /// In its word.
        reason: &'a str,
        /// The string.
        stop: Option<&'a str>,
    },
    /// It said that it is done, not why.
    Done,
    /// The connection ended in the middle.
    Broken,
}

impl<'a> Writing<'a> {
    /// A message that so far holds `before`, and may grow by `max_new_tokens`.
    pub(super) fn new(stop: &'a [&'a str], before: String, max_new_tokens: usize) -> Self {
        Self {
            stop,
            n_before: before.len(),
            repeated: (!before.is_empty()).then(String::new),
            message: before,
            thought: Thought::None,
            ended: None,
            longest: max_new_tokens.saturating_mul(TOKEN_BYTES),
        }
    }

    /// Whether anything is written yet.
    pub(super) fn is_begun(&self) -> bool {
        self.message.len() > self.n_before
    }

    /// Whether what is written is more than blanks.
    pub(super) fn has_text(&self) -> bool {
        self.message.get(self.n_before..).is_some_and(|new| !new.trim().is_empty())
    }

    /// Whether a stop string or the limit has ended it.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether a piece holds text that counts: no blanks, and no thought that comes too late.
    pub(super) fn is_moved_by(&self, piece: &Piece) -> bool {
        let is_late = self.thought == Thought::Past;
        !piece.content.trim().is_empty() || (!is_late && !piece.reasoning.trim().is_empty())
    }

    /// Takes what the server wrote; says whether more of it is of use.
    pub(super) fn take(&mut self, piece: &Piece, on_text: &mut dyn FnMut(&str)) -> bool {
        if !piece.reasoning.is_empty() && self.thought != Thought::Past {
            let opening = if self.thought == Thought::None { THINK } else { "" };
            self.thought = Thought::Open;
            let thought = format!("{opening}{}", piece.reasoning.replace('<', "‹"));
            self.write(&thought, on_text);
        }
        if !piece.content.is_empty() {
            if self.ended.is_some() {
                return piece.content.trim().is_empty();
            }
            let content = self.without_repetition(&piece.content);
            self.say(&content, on_text);
        }
        if self.ended.is_none() && self.message.len() - self.n_before > self.longest {
            self.ended = Some(FinishReason::Length);
        }
        self.ended != Some(FinishReason::Length)
    }

    /// The text that is new, and why it ended.
    pub(super) fn finish(
        mut self,
        end: End<'_>,
        on_text: &mut dyn FnMut(&str),
    ) -> (String, FinishReason) {
        // What broke off in the middle of a repetition says nothing new.
        if let Some(held) = self.repeated.take().filter(|_| end != End::Broken) {
            self.say(&held, on_text);
        }
        let reason = self.ended.unwrap_or(match end {
            End::Finished { reason: "length" | "max_tokens", .. } | End::Broken => {
                FinishReason::Length
            }
            End::Finished { .. } | End::Done => FinishReason::Stop,
        });
        if reason == FinishReason::Stop && self.ended.is_none() {
            if self.thought == Thought::Open {
                self.say("", on_text);
            }
            let named = match end {
                End::Finished { stop, .. } => stop.filter(|stop| self.stop.contains(stop)),
                End::Done | End::Broken => None,
            };
            if let Some(stop) = named.or_else(|| cut_off(&self.message, self.stop)) {
                self.write(stop, on_text);
            }
        }
        (self.message.split_off(self.n_before), reason)
    }

    /// Text of the message, up to the stop string.
    fn say(&mut self, content: &str, on_text: &mut dyn FnMut(&str)) {
        if self.thought == Thought::Open {
            self.write(THINK_END, on_text);
        }
        self.thought = Thought::Past;
        let known = self.message.len();
        self.message.push_str(content);
        if let Some(end) = self.stop_end(known) {
            self.message.truncate(end);
            self.ended = Some(FinishReason::Stop);
        }
        if let Some(new) = self.message.get(known..).filter(|new| !new.is_empty()) {
            on_text(new);
        }
    }

    fn write(&mut self, text: &str, on_text: &mut dyn FnMut(&str)) {
        self.message.push_str(text);
        on_text(text);
    }

    /// `content` without what repeats the message as it was before, which llama.cpp writes first.
    fn without_repetition(&mut self, content: &str) -> String {
        let Some(held) = &mut self.repeated else { return content.to_owned() };
        held.push_str(content);
        let before = self.message.get(..self.n_before).unwrap_or_default();
        if held.len() < before.len() && before.starts_with(held.as_str()) {
            return String::new();
        }
        let held = self.repeated.take().unwrap_or_default();
        held.strip_prefix(before).unwrap_or(&held).to_owned()
    }

    /// Where the first stop string ends that ends behind `known`.
    fn stop_end(&self, known: usize) -> Option<usize> {
        let end_of = |stop: &&str| {
            let mut from = known.saturating_sub(stop.len().saturating_sub(1));
            while !self.message.is_char_boundary(from) {
                from -= 1;
            }
            let at = self.message.get(from..)?.find(stop)?;
            Some(from + at + stop.len())
        };
        self.stop.iter().filter_map(end_of).filter(|&end| end > known).min()
    }
}

/// The closing tag among `stop` that the server must have cut off: that of the tag which was opened last of those that
/// are open. None if the text has its end.
fn cut_off<'s>(text: &str, stop: &[&'s str]) -> Option<&'s str> {
    if stop.iter().any(|stop| text.trim_end().ends_with(stop)) {
        return None;
    }
    let opened = |stop: &&'s str| {
        let opening = format!("<{}", stop.strip_prefix("</")?);
        let opened = text.rfind(&opening)?;
        let closed = text.rfind(stop);
        closed.is_none_or(|closed| closed < opened).then_some((opened, *stop))
    };
    stop.iter().filter_map(opened).max().map(|(_, stop)| stop)
}

/// What the model wrote without a thought that [`Writing`] has put in front, or that it wrote in that way itself.
pub(super) fn without_reasoning(text: &str) -> &str {
    let Some(thought) = text.strip_prefix(THINK) else { return text };
    thought.split_once(THINK_END.trim()).map_or("", |(_, after)| after.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: &[&str] = &["</action_input>", "</step>", "</stop_analysis>"];

    fn stopped(stop: Option<&str>) -> End<'_> {
        End::Finished { reason: "stop", stop }
    }

    fn content(text: &str) -> Piece {
        Piece { content: text.to_owned(), ..Piece::default() }
    }

    fn reasoning(text: &str) -> Piece {
        Piece { reasoning: text.to_owned(), ..Piece::default() }
    }

    /// What is handed out in pieces is what there is in the end.
    fn write(before: &str, pieces: &[Piece], end: End<'_>) -> (String, FinishReason) {
        let mut writing = Writing::new(STOP, before.to_owned(), 100);
        let mut heard = String::new();
        for piece in pieces {
            if !writing.take(piece, &mut |text| heard.push_str(text)) {
                break;
            }
        }
        let (text, reason) = writing.finish(end, &mut |text| heard.push_str(text));
        assert_eq!(heard, text);
        (text, reason)
    }

    /// However the text is cut into pieces, the outcome is the same.
    #[track_caller]
    fn check(before: &str, said: &str, end: End<'_>, expected: &str, reason: FinishReason) {
        let letters: Vec<Piece> = said.chars().map(|letter| content(&letter.to_string())).collect();
        for pieces in [vec![content(said)], letters] {
            assert_eq!(write(before, &pieces, end), (expected.to_owned(), reason), "{said}");
        }
    }

    #[test]
    fn the_stop_string_that_a_server_cut_off_is_put_back() {
        let check = |said: &str, stop, put_back: &str| {
            check("", said, stopped(stop), &format!("{said}{put_back}"), FinishReason::Stop);
        };
        let step = "<step>\n<thought>x</thought>\n<action>python_executor</action>\n<action_input>\nprint(1)\n";
        let terminal = "<stop_analysis>\n<thought>x</thought>\n<answer>North</answer>\n";
        // The server says which.
        check(step, Some("</action_input>"), "</action_input>");
        check("<step>\n<thought>x</thought>\n", Some("</step>"), "</step>");
        check(terminal, Some("</stop_analysis>"), "</stop_analysis>");
        // In a string of Python, where only the server knows.
        check("<step><action_input>\nprint(\"", Some("</step>"), "</step>");
        // It does not.
        check(step, None, "</action_input>");
        check("<step>\n<thought>x</thought>\n", None, "</step>");
        check(terminal, None, "</stop_analysis>");
        // Of an earlier step of the same message.
        check(
            &format!("{step}</action_input></step>{terminal}")
                .replace("</action_input></step>", ""),
            None,
            "</stop_analysis>",
        );
        // Nothing was cut off.
        check("North", None, "");
        check("", None, "");
        // What is no stop string of ours is not believed.
        check("North", Some("<|im_end|>"), "");
    }

    #[test]
    fn a_stop_string_that_a_server_left_or_does_not_know_ends_the_text() {
        let step = "<step><action_input>\n1\n</action_input>";
        check("", step, stopped(None), step, FinishReason::Stop);
        check("", &format!("{step}\n"), stopped(None), step, FinishReason::Stop);
        check("", &format!("{step}\n<observation>\n7"), End::Broken, step, FinishReason::Stop);
        let mut writing = Writing::new(STOP, String::new(), 100);
        assert!(writing.take(&content(step), &mut |_| ()), "the count may follow");
        assert!(writing.take(&content("\n"), &mut |_| ()));
        assert!(!writing.take(&content("<obs"), &mut |_| ()), "the server does not stop");
    }

    #[test]
    fn a_limit_and_a_connection_that_broke_leave_a_text_that_can_be_continued() {
        let length = End::Finished { reason: "length", stop: None };
        check(
            "",
            "<step><action_input>\npri",
            length,
            "<step><action_input>\npri",
            FinishReason::Length,
        );
        check(
            "",
            "<step><action_input>\npri",
            End::Broken,
            "<step><action_input>\npri",
            FinishReason::Length,
        );
        check(
            "",
            "<step><action_input>\n1",
            End::Done,
            "<step><action_input>\n1</action_input>",
            FinishReason::Stop,
        );
        let (text, reason) = write("", &[content(&"x".repeat(9_000))], stopped(None));
        assert_eq!((text.len(), reason), (9_000, FinishReason::Length), "no limit is known there");
    }

    #[test]
    fn what_is_continued_is_not_repeated() {
        let before = "<step><action_input>\npri";
        let end = stopped(None);
        check(before, "nt(1)\n", end, "nt(1)\n</action_input>", FinishReason::Stop);
        check(
            before,
            "<step><action_input>\nprint(1)\n",
            end,
            "nt(1)\n</action_input>",
            FinishReason::Stop,
        );
        check(before, "<step>", end, "<step></step>", FinishReason::Stop);
        // A stop string that the limit cut in two.
        check(
            "<step><action_input>\n1\n</action",
            "_input>\nmore",
            end,
            "_input>",
            FinishReason::Stop,
        );
    }

    #[test]
    fn a_thought_that_is_given_apart_stands_in_front_and_holds_no_tag() {
        let pieces = [
            reasoning("Use <step>"),
            reasoning(" `"),
            content("<stop_analysis>"),
            reasoning("late"),
            content("\n"),
        ];
        let (text, reason) = write("", &pieces, stopped(None));
        assert_eq!(text, "<think>\nUse ‹step> `\n</think>\n<stop_analysis>\n</stop_analysis>");
        assert_eq!(reason, FinishReason::Stop);
        assert_eq!(without_reasoning(&text), "<stop_analysis>\n</stop_analysis>");
        // Nothing but a thought.
        assert_eq!(write("", &pieces[..2], stopped(None)).0, "<think>\nUse ‹step> `\n</think>\n");
        let (cut, reason) = write("", &pieces[..2], End::Broken);
        assert_eq!((cut.as_str(), reason), ("<think>\nUse ‹step> `", FinishReason::Length));
        assert_eq!(without_reasoning(&cut), "");
        assert_eq!(without_reasoning("<think>well</think>"), "<think>well</think>");
        assert_eq!(without_reasoning("<think>\nwell, done.</think>\n<step> "), "<step> ");
    }
}
