//! What of an answer is no number: code, links, addresses, names in quotes, words. Pure.

use std::ops::Range;

use super::scan::{is_ideograph, is_word, last_line};

/// Characters of a quoted name, at most.
const LONGEST_NAME: usize = 60;

/// Bytes of a link's target, at most: what is longer is none.
const LONGEST_TARGET: usize = 500;

/// Languages of blocks that hold no code.
const PLAIN: [&str; 5] = ["", "text", "txt", "plain", "plaintext"];

/// What stands between back-ticks; the ranges are those of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    /// A span within a line.
    Span(Range<usize>),
    /// A block of plain text.
    Plain(Range<usize>),
    /// Code in a language, or back-ticks that nothing closes.
    Other,
}

/// Length and kind of the code that `text` begins with.
pub(super) fn code(before: &str, text: &str) -> Option<(usize, Code)> {
    let n_ticks = ticks(text);
    let (fence, rest) = text.split_at_checked(n_ticks).filter(|_| n_ticks > 0)?;
    let is_first = last_line(before).trim_matches([' ', '\t', '>', '-', '*', '+']).is_empty();
    if n_ticks >= 3 && is_first {
        let language = rest.lines().next().unwrap_or_default();
        if !language.contains('`') {
            let start = (n_ticks + language.len() + 1).min(text.len());
            let (body, len) = block(text, start, fence);
            let is_plain = PLAIN.contains(&language.trim());
            return Some((len, if is_plain { Code::Plain(body) } else { Code::Other }));
        }
    }
    let span = |len| (len + 2 * n_ticks, Code::Span(n_ticks..n_ticks + len));
    Some(span_len(rest, n_ticks).map_or((n_ticks, Code::Other), span))
}

fn ticks(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'`').count()
}

/// The lines of a block from `start` to a line with its fence, and the length of all: to the end if there is none.
fn block(text: &str, start: usize, fence: &str) -> (Range<usize>, usize) {
    let mut at = start;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        let inner = line.trim_start_matches([' ', '\t', '>']);
        if inner.starts_with(fence) {
            return (start..at, at + line.len() - inner.len() + ticks(inner));
        }
        at += line.len();
    }
    (start..text.len(), text.len())
}

/// Length of a span's text: up to a run of as many back-ticks in the same paragraph.
fn span_len(text: &str, n_ticks: usize) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.find(['`', '\n'])?;
        let here = text.get(at..)?;
        let n_here = ticks(here);
        if n_here == n_ticks {
            return Some(at);
        }
        let next_line = here.strip_prefix('\n').map(|next| next.trim_start_matches([' ', '\r']));
        if next_line.is_some_and(|next| next.is_empty() || next.starts_with('\n')) {
            return None;
        }
        at += n_here.max(1);
    }
}

/// Length of what is neither a number nor code: a link, an address, something quoted, a word, a character.
pub(super) fn other_len(before: &str, text: &str) -> usize {
    link_len(text)
        .or_else(|| address_len(text))
        .or_else(|| quoted_len(before, text))
        .or_else(|| word_len(text))
        .unwrap_or_else(|| text.chars().next().map_or(1, char::len_utf8))
}

/// Length of `[text](target)` at the start of `text`.
fn link_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let close = inner.find(['[', ']', '\n'])?;
    let target = inner.get(close..)?.strip_prefix("](")?;
    let mut target = target.bytes().take(LONGEST_TARGET);
    let end = target.position(|byte| matches!(byte, b')' | b'\n'))?;
    let len = 1 + close + 2 + end + 1;
    text.get(..len).filter(|link| link.ends_with(')')).map(str::len)
}

/// Length of an address of the web at the start of `text`.
fn address_len(text: &str) -> Option<usize> {
    let is_address = ["http://", "https://", "www."].iter().any(|start| text.starts_with(start));
    let end = |c: char| c.is_whitespace() || matches!(c, ')' | '>');
    is_address.then(|| text.find(end).unwrap_or(text.len()))
}

/// Length of a name in quotes at the start of `text`: of a column, of a value.
fn quoted_len(before: &str, text: &str) -> Option<usize> {
    let end = match text.chars().next()? {
        '"' if !before.ends_with(|c: char| c.is_ascii_digit()) => '"',
        '“' => '”',
        '「' => '」',
        _ => return None,
    };
    let mut name = text.char_indices().skip(1).take(LONGEST_NAME + 1);
    let (at, last) = name.find(|(_, c)| *c == end || *c == '\n')?;
    (last == end).then_some(at + end.len_utf8())
}

/// Length of the word at the start of `text`; ideographs are words by themselves.
pub(super) fn word_len(text: &str) -> Option<usize> {
    let len = text.find(|c| !is_word(c) || is_ideograph(c)).unwrap_or(text.len());
    (len > 0).then_some(len)
}
