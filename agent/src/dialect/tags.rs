//! Finds tags in text, whole or arriving in pieces.

use std::ops::Range;

/// Longest tag that is looked for, in characters, blanks included.
const LONGEST: usize = 32;

/// A tag of some dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// Which.
    pub name: Name,
    /// `</…>`.
    pub closes: bool,
}

/// What a tag is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Step,
    Thought,
    Action,
    ActionInput,
    Observation,
    StopAnalysis,
    Answer,
    Think,
    Analyze,
    Understand,
    Code,
    Execute,
    Ask,
}

/// The tags of a dialect, in lower case.
pub(super) type Names = &'static [(&'static str, Name)];

/// What a text that starts with `<` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// A whole tag.
    Tag(Tag),
    /// It may become one.
    Prefix,
    /// It never will.
    No,
}

/// Compares `text`, which starts with `<`, with all of `names`; case and blanks inside the brackets make no difference.
pub(super) fn classify(text: &str, names: Names) -> Match {
    let mut rest = text.strip_prefix('<').unwrap_or(text).trim_start_matches(' ');
    let closes = rest.starts_with('/');
    rest = rest.strip_prefix('/').unwrap_or(rest).trim_start_matches(' ');
    let (written, ended) = match rest.strip_suffix('>') {
        Some(written) => (written, true),
        None => (rest, false),
    };
    let name = written.trim_end_matches(' ');
    let blank_after_name = written.len() > name.len();
    let whole = names.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(name)).map(|(_, name)| *name);
    let begins =
        |tag: &str| tag.get(..name.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(name));
    match (whole, ended) {
        (Some(name), true) => Match::Tag(Tag { name, closes }),
        (None, true) => Match::No,
        _ if text.len() >= LONGEST => Match::No,
        (Some(_), false) => Match::Prefix,
        (None, false) if blank_after_name => Match::No,
        (None, false) if names.iter().any(|(tag, _)| begins(tag)) => Match::Prefix,
        (None, false) => Match::No,
    }
}

/// The tags of a whole text in order, and where each stands. Nothing is allocated.
pub(super) fn tags(text: &str, names: Names) -> impl Iterator<Item = (Range<usize>, Tag)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text.get(from..)?.find('<')?;
            from = start + 1;
            let length = text.bytes().skip(start).take(LONGEST).position(|byte| byte == b'>');
            let range = start..start + length.map_or(0, |before| before + 1);
            let found = text.get(range.clone()).map(|text| classify(text, names));
            if let Some(Match::Tag(tag)) = found {
                from = range.end;
                return Some((range, tag));
            }
        }
    })
}
