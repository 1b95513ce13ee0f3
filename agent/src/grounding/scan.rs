//! Where a text has numbers. Pure.

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

/// Groups of three digits in a number, at most: more are no number that a double can hold.
const MAX_GROUPS: usize = 110;

/// Bytes around a number that tell what it is: a bound on what is looked at for each.
const NEAR: usize = 96;

/// What stands before a number in its line.
pub(super) fn last_line(before: &str) -> &str {
    let mut start = before.len().saturating_sub(NEAR);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    before.get(start..).and_then(|near| near.rsplit('\n').next()).unwrap_or_default()
}

/// What stands behind a number.
pub(super) fn near(after: &str) -> &str {
    let mut end = after.len().min(NEAR);
    while !after.is_char_boundary(end) {
        end -= 1;
    }
    after.get(..end).unwrap_or_default()
}

/// Digits of an output as Rust reads them.
pub(super) fn plain_digits(digits: &str) -> String {
    let is_mark =
        |c: &char| !matches!(c, ',' | '+' | '\'' | '_' | '\u{a0}' | '\u{202f}' | '\u{2009}');
    digits.replace('−', "-").chars().filter(is_mark).collect()
}

/// Digits of an answer as Rust reads them.
pub(super) fn plain_stated(digits: &str) -> String {
    match comma_len(unsigned(digits)) {
        Some(_) => plain_digits(&digits.replace('.', "").replace(',', ".")),
        None => plain_digits(digits),
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '−', '+']).unwrap_or(text)
}

/// Length of a number at the start of `text`, unless it is part of a name, a date, a version or a list's mark.
pub(super) fn number_len(before: &str, text: &str) -> Option<usize> {
    if joins_before(before) {
        return None;
    }
    let unsigned = unsigned(text);
    let sign = text.len() - unsigned.len();
    let digits = stated_len(before, unsigned)?;
    let after = unsigned.get(digits..)?;
    let is_joined = goes_on(after)
        || after.starts_with('-')
            && after.chars().nth(1).is_some_and(char::is_alphabetic)
            && !is_percent_word(after);
    (!is_joined && !is_name(after) && !is_list_mark(before, after, sign)).then_some(sign + digits)
}

/// Lengths of the two numbers of a range at the start of `text` that can be nothing else: `10-20%`, `1.5-2.5`.
pub(super) fn range_len(before: &str, text: &str) -> Option<(usize, usize)> {
    if joins_before(before) {
        return None;
    }
    let first = stated_len(before, text)?;
    let behind = text.get(first..)?.strip_prefix('-')?;
    let second = stated_len("", behind)?;
    let after = behind.get(second..)?;
    if goes_on(after) || is_name(after) {
        return None;
    }
    let have_fractions = text.get(..first)?.contains('.') && behind.get(..second)?.contains('.');
    let unit = after.trim_start_matches([' ', '\u{a0}']);
    let has_unit = unit.starts_with('%')
        || is_percent_word(unit)
        || SCALES.iter().any(|(scale, _)| *scale == first_word(unit));
    (have_fractions || has_unit).then_some((first, second))
}

/// Whether what stands in front makes a number part of a name, a date, a version; behind `mean:` it is one.
fn joins_before(before: &str) -> bool {
    let joins = |c: char| is_word(c) || matches!(c, '.' | '-' | '/' | ':' | '#' | '!' | '\\');
    let is_name_end = |c: char| is_word(c) && !c.is_ascii_digit();
    let is_named = before.strip_suffix(':').is_some_and(|name| name.ends_with(is_name_end));
    // Between ideographs there are no blanks.
    before.chars().next_back().is_some_and(|c| joins(c) && !is_ideograph(c)) && !is_named
}

/// Whether a date, a ratio, a version goes on behind a number.
fn goes_on(after: &str) -> bool {
    let rest = after.strip_prefix(['-', '/', ':', '.']);
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether letters behind a number make it a name.
fn is_name(after: &str) -> bool {
    after.starts_with(|c| is_word(c) && !is_ideograph(c)) && !is_unit(after)
}

/// `-percent`, as in `a 12-percent rise`.
fn is_percent_word(after: &str) -> bool {
    after.trim_start_matches('-').starts_with("percent")
}

/// Whether letters right behind a number are a unit or a word of scale.
fn is_unit(after: &str) -> bool {
    let word = first_word(after);
    UNITS.contains(&word) || SCALES.iter().any(|(scale, _)| *scale == word)
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !is_word(c)).next().unwrap_or_default()
}

pub(super) fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

/// `1. ` or `1) ` at the beginning of a line, or of its words.
fn is_list_mark(before: &str, after: &str, sign: usize) -> bool {
    let is_first = last_line(before).trim_matches([' ', '#', '*', '>', '-', '\t']).is_empty();
    sign == 0
        && is_first
        && [". ", ") ", ".\u{a0}", "、"].iter().any(|mark| after.starts_with(mark))
}

/// Length of the number, without its sign, that an answer states at the start of `text`.
fn stated_len(before: &str, text: &str) -> Option<usize> {
    let behind = |mark: char, is_it: fn(char) -> bool| {
        before.strip_suffix(mark).is_some_and(|name| name.ends_with(is_it))
    };
    // In a list, an interval, a function's arguments each is a number: `3,14,15`, `[3,14]`, `(0,10]`, `F(2,45)`.
    let is_listed = behind('(', char::is_alphabetic)
        || behind(',', |c| c.is_ascii_digit())
        || before.ends_with('[');
    let is_alone =
        |len: &usize| !is_listed && text.get(*len..).is_some_and(|after| !after.starts_with(']'));
    let digits = comma_len(text).filter(is_alone).unwrap_or_else(|| digits_len(text));
    (digits > 0).then(|| digits + text.get(digits..).map_or(0, exponent_len))
}

/// Length of digits whose comma can only be a decimal one: `3,14`, `0,001`, `1.234,5`; in `1,234` it sets thousands
/// apart.
fn comma_len(text: &str) -> Option<usize> {
    let rest = |len: usize| text.get(len..).unwrap_or_default();
    let first = run(text);
    let mut whole = first;
    while (1..=3).contains(&first)
        && whole < 4 * MAX_GROUPS
        && rest(whole).strip_prefix('.').is_some_and(|group| run(group) == 3)
    {
        whole += 4;
    }
    let fraction = run(rest(whole).strip_prefix(',').filter(|_| first > 0)?);
    let len = whole + 1 + fraction;
    let is_list = rest(len).strip_prefix([',', '.']).is_some_and(|next| run(next) > 0);
    let is_decimal = whole > first || fraction != 3 || (first == 1 && text.starts_with('0'));
    (fraction > 0 && is_decimal && !is_list).then_some(len)
}

fn run(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Digits with thousands set apart, and a fraction.
pub(super) fn digits_len(text: &str) -> usize {
    let mut len = run(text);
    if len == 0 {
        // `.05`
        return text.strip_prefix('.').map(run).filter(|len| *len > 0).map_or(0, |len| 1 + len);
    }
    let rest = |len: usize| text.get(len..).unwrap_or_default();
    if len <= 3 {
        while len < 4 * MAX_GROUPS
            && let Some(mark) = [',', '\u{a0}', '\u{202f}', '\u{2009}', '\'']
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

/// Length and exponent of the power of ten behind a number, which may be bold: `** × 10⁻¹⁶`, `*10^3`.
pub(super) fn power_behind(text: &str) -> Option<(usize, i32)> {
    let bare = text.trim_start_matches('*');
    let behind_stars =
        || power(bare).map(|(len, exponent)| (text.len() - bare.len() + len, exponent));
    power(text).or_else(behind_stars)
}

/// Length and exponent of a power of ten at the start of `text`: ` × 10⁻¹⁶`, ` x 10^-16`.
fn power(text: &str) -> Option<(usize, i32)> {
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

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
