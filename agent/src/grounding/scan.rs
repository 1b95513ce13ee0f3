//! Where a text has numbers, and what else it is made of. Pure.

/// Words of scale, and what they mean.
pub(super) const SCALES: [(&str, f64); 20] = [
    ("k", 1e3),
    ("K", 1e3),
    ("thousand", 1e3),
    ("M", 1e6),
    ("mn", 1e6),
    ("mln", 1e6),
    ("mio", 1e6),
    ("million", 1e6),
    ("millions", 1e6),
    ("B", 1e9),
    ("bn", 1e9),
    ("billion", 1e9),
    ("billions", 1e9),
    ("trillion", 1e12),
    ("千", 1e3),
    ("万", 1e4),
    ("萬", 1e4),
    ("만", 1e4),
    ("亿", 1e8),
    ("億", 1e8),
];

/// Units that stand right at a number. Other letters there make it a name: `5xl`, `1st`.
const UNITS: [&str; 32] = [
    "x", "kg", "g", "mg", "t", "lb", "lbs", "km", "m", "cm", "mm", "ms", "s", "h", "min", "l",
    "ml", "GB", "MB", "kB", "TB", "kW", "MW", "GW", "kWh", "MWh", "GWh", "TWh", "pp", "bps", "usd",
    "eur",
];

/// Digits as Rust reads them.
pub(super) fn plain_digits(digits: &str) -> String {
    let is_mark =
        |c: &char| !matches!(c, ',' | '+' | '\'' | '_' | '\u{a0}' | '\u{202f}' | '\u{2009}');
    digits.replace('−', "-").chars().filter(is_mark).collect()
}

/// Length of a number at the start of `text`, unless it is part of a name, a date, a version or a list's mark.
pub(super) fn number_len(before: &str, text: &str) -> Option<usize> {
    let last = before.chars().next_back();
    let joins_before =
        |c: char| is_word(c) || matches!(c, '.' | '-' | '/' | ':' | '#' | '!' | '\\');
    // Between ideographs there are no blanks.
    if last.is_some_and(|c| joins_before(c) && !is_ideograph(c)) {
        return None;
    }
    let unsigned = text.strip_prefix(['-', '−', '+']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let digits = digits_len(unsigned);
    if digits == 0 {
        return None;
    }
    let digits = digits + exponent_len(unsigned.get(digits..)?);
    let after = unsigned.get(digits..)?;
    let mut following = after.chars();
    let (next, second) = (following.next(), following.next());
    let is_joined = next.is_some_and(|c| matches!(c, '-' | '/' | ':' | '.'))
        && second.is_some_and(|c| c.is_ascii_digit())
        || next == Some('-') && second.is_some_and(char::is_alphabetic) && !is_percent_word(after);
    let is_name = next.is_some_and(|c| is_word(c) && !is_ideograph(c)) && !is_unit(after);
    (!is_joined && !is_name && !is_list_mark(before, after, sign)).then_some(sign + digits)
}

/// `-percent`, as in `a 12-percent rise`.
fn is_percent_word(after: &str) -> bool {
    after.trim_start_matches('-').starts_with("percent")
}

/// Whether letters right behind a number are a unit or a word of scale.
fn is_unit(after: &str) -> bool {
    let end = after.find(|c: char| !is_word(c)).unwrap_or(after.len());
    let word = after.get(..end).unwrap_or_default();
    UNITS.contains(&word) || SCALES.iter().any(|(scale, _)| *scale == word)
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

/// `1. ` or `1) ` at the beginning of a line, or of its words.
fn is_list_mark(before: &str, after: &str, sign: usize) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let is_first = line.trim_matches([' ', '#', '*', '>', '-', '\t']).is_empty();
    sign == 0
        && is_first
        && [". ", ") ", ".\u{a0}", "、"].iter().any(|mark| after.starts_with(mark))
}

/// Digits with thousands set apart, and a fraction.
pub(super) fn digits_len(text: &str) -> usize {
    let run = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut len = run(text);
    if len == 0 {
        // `.05`
        return text.strip_prefix('.').map(run).filter(|len| *len > 0).map_or(0, |len| 1 + len);
    }
    let rest = |len: usize| text.get(len..).unwrap_or_default();
    if len <= 3 {
        while let Some(mark) = [',', '\u{a0}', '\u{202f}', '\u{2009}', '\'']
            .into_iter()
            .find(|mark| rest(len).strip_prefix(*mark).is_some_and(|group| run(group) == 3))
        {
            len += mark.len_utf8() + 3;
        }
    }
    match rest(len).strip_prefix('.').map(run) {
        Some(fraction) if fraction > 0 => len + 1 + fraction,
        _ => len,
    }
}

/// Length and exponent of a power of ten at the start of `text`: ` × 10⁻¹⁶`, ` x 10^-16`.
pub(super) fn power(text: &str) -> Option<(usize, i32)> {
    let factor = text.trim_start_matches([' ', '\u{a0}']).strip_prefix(['×', 'x', '*', '·'])?;
    let raised = factor.trim_start_matches(['\\', ' ', '\u{a0}']).strip_prefix("10")?;
    let digit = |c: char| match c {
        '⁻' | '-' | '−' => Some('-'),
        '⁰' => Some('0'),
        '¹' => Some('1'),
        '²' => Some('2'),
        '³' => Some('3'),
        '⁴'..='⁹' => char::from_digit(u32::from(c) - u32::from('⁰'), 10),
        c => c.is_ascii_digit().then_some(c),
    };
    let raised = match raised.strip_prefix('^') {
        Some(raised) => raised.trim_start_matches(['{', '(']),
        None => raised.starts_with(|c: char| !c.is_ascii()).then_some(raised)?,
    };
    let len = raised.find(|c| digit(c).is_none()).unwrap_or(raised.len());
    let exponent: String = raised.get(..len)?.chars().filter_map(digit).collect();
    let rest = raised.get(len..)?.trim_start_matches(['}', ')']);
    Some((
        text.len() - rest.len(),
        exponent.parse().ok().filter(|exponent| (-320..=300).contains(exponent))?,
    ))
}

/// Length of the exponent at the start of `text`: `e-07`.
pub(super) fn exponent_len(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let sign = rest.len() - digits.len();
    match digits.bytes().take_while(u8::is_ascii_digit).count() {
        0 => 0,
        count => 1 + sign + count,
    }
}

/// Length of what is no number: code, a link, something quoted, a word, a character.
pub(super) fn other_len(before: &str, text: &str) -> usize {
    code_len(text)
        .or_else(|| link_len(text))
        .or_else(|| quoted_len(before, text))
        .or_else(|| word_len(text))
        .unwrap_or_else(|| text.chars().next().map_or(1, char::len_utf8))
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

/// Length of a name in quotes at the start of `text`: of a column, of a value.
fn quoted_len(before: &str, text: &str) -> Option<usize> {
    let end = match text.chars().next()? {
        '"' if !before.ends_with(|c: char| c.is_ascii_digit()) => '"',
        '“' => '”',
        '「' => '」',
        _ => return None,
    };
    let inner = text.get(text.chars().next()?.len_utf8()..)?;
    let len = inner.find(end)?;
    let quoted = inner.get(..len)?;
    let is_name = quoted.chars().count() <= 60 && !quoted.contains('\n');
    is_name.then_some(text.len() - inner.len() + len + end.len_utf8())
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the word at the start of `text`; ideographs are words by themselves.
pub(super) fn word_len(text: &str) -> Option<usize> {
    let len = text.find(|c| !is_word(c) || is_ideograph(c)).unwrap_or(text.len());
    (len > 0).then_some(len)
}
