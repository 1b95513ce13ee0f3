//! Numbers in text: which of an answer's characters are a number, and whether a printed one is the same.
//!
//! Pure. Links from an answer to cells and the rewards take numbers by these rules.

/// A stretch of the answer: a number, or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// In bytes.
    pub len: usize,
    /// Whether it is a number.
    pub is_number: bool,
}

/// The piece that `text`, which is not empty, begins with; `before` is all that stands in front of it.
pub fn next_piece(before: &str, text: &str) -> Piece {
    let last = before.chars().next_back();
    let number = number_len(text, last).filter(|&len| !is_list_marker(before, text, len));
    if let Some(len) = number {
        return Piece { len, is_number: true };
    }
    let len = code_len(text)
        .or_else(|| link_len(text))
        .or_else(|| word_len(text))
        .unwrap_or_else(|| text.chars().next().map_or(1, char::len_utf8));
    Piece { len, is_number: false }
}

/// `1. ` or `1) ` at the beginning of a line.
fn is_list_marker(before: &str, text: &str, len: usize) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let after = text.get(len..).unwrap_or_default();
    line.trim().is_empty() && (after.starts_with(". ") || after.starts_with(") "))
}

/// Length of a code span or block at the start of `text`: up to the same run of backticks.
fn code_len(text: &str) -> Option<usize> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let (fence, rest) = text.split_at_checked(ticks).filter(|(fence, _)| !fence.is_empty())?;
    Some(rest.find(fence).map_or(text.len(), |at| at + 2 * ticks))
}

/// Length of `[text](target)` at the start of `text`.
fn link_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let close = inner.find("](")?;
    let end = inner.get(close..)?.find(')')?;
    (!inner.get(..close)?.contains('\n')).then_some(1 + close + end + 1)
}

/// Length of a number at the start of `text`, unless it is part of a name, a date or a version.
fn number_len(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| is_word(c) || matches!(c, '.' | '-' | '/' | ':' | '#')) {
        return None;
    }
    let unsigned = text.strip_prefix(['-', '−']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let digits = digits_len(unsigned);
    let after = unsigned.get(digits..)?;
    let mut following = after.chars();
    let (next, second) = (following.next(), following.next());
    let joins = next.is_some_and(is_word)
        || (next.is_some_and(|c| matches!(c, '-' | '/' | ':' | '.'))
            && second.is_some_and(|c| c.is_ascii_digit()));
    (digits > 0 && !joins).then_some(sign + digits)
}

/// Digits with thousands separated by commas, and a fraction.
fn digits_len(text: &str) -> usize {
    let run = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut len = run(text);
    if len == 0 {
        return 0;
    }
    let rest = |len: usize| text.get(len..).unwrap_or_default();
    while rest(len).strip_prefix(',').is_some_and(|group| run(group) == 3) {
        len += 4;
    }
    match rest(len).strip_prefix('.').map(run) {
        Some(fraction) if fraction > 0 => len + 1 + fraction,
        _ => len,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the word at the start of `text`.
fn word_len(text: &str) -> Option<usize> {
    let len = text.find(|c| !is_word(c)).unwrap_or(text.len());
    (len > 0).then_some(len)
}

/// All numbers of printed text; here a number may stand against anything but a letter.
pub fn values_in(text: &str) -> impl Iterator<Item = f64> {
    let mut rest = text;
    let mut before = None;
    std::iter::from_fn(move || {
        while let Some(first) = rest.chars().next() {
            let number = printed_len(rest, before);
            let len = number.or_else(|| word_len(rest)).unwrap_or(first.len_utf8());
            let (piece, after) = rest.split_at(len);
            before = piece.chars().next_back();
            rest = after;
            if let Some(value) = number.and_then(|_| value(piece)) {
                return Some(value);
            }
        }
        None
    })
}

/// Length of a printed number: also `1.5e-07`.
fn printed_len(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| is_word(c) || c == '.') {
        return None;
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let digits = digits_len(unsigned);
    let len = sign + digits + exponent_len(unsigned.get(digits..)?);
    let is_name = text.get(len..)?.chars().next().is_some_and(is_word);
    (digits > 0 && !is_name).then_some(len)
}

fn exponent_len(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let sign = rest.len() - digits.len();
    match digits.bytes().take_while(u8::is_ascii_digit).count() {
        0 => 0,
        count => 1 + sign + count,
    }
}

fn value(number: &str) -> Option<f64> {
    number.replace(',', "").replace('−', "-").parse().ok()
}

/// Whether one of `values`, rounded as the answer's `number` is, equals it. `after` is what follows the number.
pub fn matches(number: &str, after: &str, values: &[f64]) -> bool {
    let Some(wanted) = value(number) else { return false };
    let decimals = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let Ok(power) = i32::try_from(decimals) else { return false };
    // Half a unit of the last digit shown, and a little for the binary fraction.
    let unit = 0.5 * 10f64.powi(-power) * (1.0 + 1e-9);
    // A small whole number is a count, not a rounding of whatever was near.
    let slack = if decimals == 0 { unit.min(wanted.abs() * 0.01) } else { unit };
    let near = |found: f64| (found - wanted).abs() <= slack;
    let is_share = after.trim_start().starts_with('%');
    values.iter().any(|&found| near(found) || (is_share && near(found * 100.0)))
}
