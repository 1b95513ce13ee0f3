//! Links the numbers of an answer to the cells that printed them.

/// What one cell printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The cell to link to.
    pub cell_id: String,
    /// Its `[n]`, shown as the link's title.
    pub execution_count: Option<u64>,
    /// All text of its outputs.
    pub text: String,
}

/// An answer with its links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Markdown.
    pub text: String,
    /// Numbers of the answer that no cell printed, as written.
    pub missing: Vec<String>,
}

/// Makes each number of `answer` that one of `sources` printed a link to that cell; the first source wins.
///
/// A number matches when rounding the printed one to the digits shown in the answer gives the answer's; a
/// percentage also matches the share it stands for. Code, links and numbers inside names or dates stay as they
/// are. The link's form, `#cell-id=…`, is what JupyterLab and the HTML export of nbconvert jump to.
pub fn link_numbers(answer: &str, sources: &[Source]) -> Linked {
    let printed: Vec<Vec<f64>> =
        sources.iter().map(|source| values_in(&source.text).collect()).collect();
    let mut linked = Linked { text: String::with_capacity(answer.len()), missing: Vec::new() };
    let mut done = 0;
    while let Some((before, rest)) =
        answer.split_at_checked(done).filter(|(_, rest)| !rest.is_empty())
    {
        let piece = next_piece(before, rest);
        let (text, after) = rest.split_at(piece.len);
        done += piece.len;
        if !piece.is_number {
            linked.text.push_str(text);
            continue;
        }
        // A link behind an exclamation mark is an image.
        let is_image = before.ends_with('!');
        let found = printed.iter().position(|values| !is_image && matches(text, after, values));
        if let Some(source) = found.and_then(|at| sources.get(at)) {
            linked.text.push_str(&link(text, source));
        } else {
            linked.missing.push(text.to_owned());
            linked.text.push_str(text);
        }
    }
    linked
}

fn link(number: &str, source: &Source) -> String {
    let title = source.execution_count.map(|n| format!(" \"cell {n}\"")).unwrap_or_default();
    format!("[{number}](#cell-id={}{title})", source.cell_id)
}

/// An answer without the links to cells that were made of its numbers.
pub(crate) fn unlinked(answer: &str) -> String {
    const TARGET: &str = "](#cell-id=";
    let mut text = String::with_capacity(answer.len());
    let mut rest = answer;
    while let Some((before, after)) = rest.split_once(TARGET) {
        let (Some((front, number)), Some((_, behind))) =
            (before.rsplit_once('['), after.split_once(')'))
        else {
            text.push_str(before);
            text.push_str(TARGET);
            rest = after;
            continue;
        };
        text.push_str(front);
        text.push_str(number);
        rest = behind;
    }
    text + rest
}

/// A stretch of the answer: a number, or anything else.
struct Piece {
    len: usize,
    is_number: bool,
}

/// The piece that `text`, which is not empty, begins with; `before` is all that stands in front of it.
fn next_piece(before: &str, text: &str) -> Piece {
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
fn values_in(text: &str) -> impl Iterator<Item = f64> {
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
fn matches(number: &str, after: &str, values: &[f64]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, printed: &str, expected: &str) {
        let source = Source {
            cell_id: String::from("t-1c"),
            execution_count: Some(8),
            text: printed.to_owned(),
        };
        let linked = link_numbers(answer, &[source]);
        // Short form: `{…}` is a link to the cell, `?…?` a number that was not found.
        let mut text = linked.text.replace("](#cell-id=t-1c \"cell 8\")", "}");
        if text.contains('}') {
            text = text.replace('[', "{");
        }
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_that_were_printed_are_linked() {
        check("North has 120.5.", "North  120.5", "North has {120.5}.");
        check(
            "North has **120.5**, South 99",
            "North 120.5\nSouth 99.0",
            "North has **{120.5}**, South {99}",
        );
        check("| North | 1,234.5 |", "1234.5", "| North | {1,234.5} |");
        check("about 1,235", "1234.6", "about {1,235}");
        check("r = −0.43", "r=-0.4321", "r = {−0.43}");
        check("45.3% of all", "0.4534", "{45.3}% of all");
        check("p = 0.0000002", "1.6e-07", "p = {0.0000002}");
        check("($5)", "[5]", "(${5})");
    }

    #[test]
    fn a_rounded_number_needs_the_right_digits() {
        check("120.5", "120.449", "120.5");
        check("120.4", "120.449", "{120.4}");
        check("3 groups", "2.7", "3 groups");
        check("0 missing", "0.3", "0 missing");
        check("0 missing", "a  0", "{0} missing");
    }

    #[test]
    fn names_dates_code_links_and_list_numbers_stay_as_they_are() {
        for text in [
            "Q3",
            "x_1",
            "2024-01",
            "1.2.3",
            "`1`",
            "```\n1\n```",
            "[1](x)",
            "1st",
            "v1",
            "#1",
            "!1",
            "3:1",
            "1/2",
        ] {
            check(text, "1 2 3 2024 01", text);
        }
        check("1. North\n2) South\n  3. East 1", "1 2 3", "1. North\n2) South\n  3. East {1}");
        check("[1", "1", "{{1}");
        check("`1", "1", "`1");
    }

    #[test]
    fn the_first_source_that_has_it_wins_and_what_none_has_is_told() {
        let source = |cell_id: &str, text: &str| Source {
            cell_id: cell_id.to_owned(),
            execution_count: None,
            text: text.to_owned(),
        };
        let linked = link_numbers("7 and 8 and 9", &[source("new", "7"), source("old", "7 8")]);
        assert_eq!(linked.text, "[7](#cell-id=new) and [8](#cell-id=old) and 9");
        assert_eq!(linked.missing, ["9"]);
    }
}
