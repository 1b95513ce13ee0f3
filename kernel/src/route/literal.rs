//! Where numbers and strings of Python end.

/// The size of the number that `text` begins with.
pub(super) fn number(text: &str) -> usize {
    let radix = text.get(..2).map(str::to_ascii_lowercase);
    match radix.as_deref() {
        Some("0x") => 2 + span(text, 2, |c| c.is_ascii_hexdigit() || c == '_'),
        Some("0b" | "0o") => 2 + span(text, 2, |c| c.is_ascii_digit() || c == '_'),
        _ => decimal(text),
    }
}

/// How many bytes from `start` on satisfy `wanted`.
fn span(text: &str, start: usize, wanted: impl Fn(char) -> bool) -> usize {
    let text = text.get(start..).unwrap_or_default();
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// The size of a decimal number, with fraction, exponent and `j`.
fn decimal(text: &str) -> usize {
    let digits = |start| span(text, start, |c| c.is_ascii_digit() || c == '_');
    let at = |place: usize| text.as_bytes().get(place).map(u8::to_ascii_lowercase);
    let mut size = digits(0);
    if at(size) == Some(b'.') {
        size += 1 + digits(size + 1);
    }
    if at(size) == Some(b'e') {
        let sign = usize::from(matches!(at(size + 1), Some(b'+' | b'-')));
        let exponent = digits(size + 1 + sign);
        size += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    size + usize::from(at(size) == Some(b'j'))
}

/// The size of the string that `body` begins with, quotes included; `None` when it does not end.
pub(super) fn string(body: &str, formatted: bool) -> Option<usize> {
    let quote = body.get(..1)?;
    let triple = body.get(..3).filter(|three| *three == quote.repeat(3));
    let quote = triple.unwrap_or(quote);
    let mut at = quote.len();
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(quote) {
            return Some(at + quote.len());
        }
        let first = rest.chars().next()?;
        at += match first {
            '\n' if triple.is_none() => return None,
            // A named character; its braces are no field.
            '\\' if rest.starts_with("\\N{") => rest.find('}')? + 1,
            // A backslash hides no brace.
            '\\' if formatted && rest.get(1..)?.starts_with('{') => 1,
            '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            '{' if formatted && !rest.starts_with("{{") => field_end(rest)?,
            '{' if formatted => 2,
            first => first.len_utf8(),
        };
    }
}

/// The size of a replacement field `{…}`; strings inside it may use the same quotes.
///
/// Nesting is counted, not recursed into without bound: a cell must not overflow the stack.
fn field_end(field: &str) -> Option<usize> {
    let (mut at, mut depth, mut spec) = (1, 0_usize, false);
    loop {
        let rest = field.get(at..)?;
        let first = rest.chars().next()?;
        at += match first {
            '}' if depth == 0 => return Some(at + 1),
            '}' => {
                depth -= 1;
                1
            }
            '{' => {
                depth += 1;
                1
            }
            ')' | ']' if !spec => {
                depth = depth.saturating_sub(1);
                1
            }
            '(' | '[' if !spec => {
                depth += 1;
                1
            }
            // After a colon comes a format, where quotes are plain characters.
            ':' if depth == 0 => {
                spec = true;
                1
            }
            '"' | '\'' if !spec => string(rest, false)?,
            first => first.len_utf8(),
        };
    }
}
