//! Forms as patterns: what a form still asks for after a text.

/// Place of a name or value; it stands between double quotes.
pub(super) const NAME: char = '\u{e000}';
/// The same of a numeric column, of a column that is none, and of a column of dates.
pub(super) const MEASURE: char = '\u{e007}';
pub(super) const GROUP: char = '\u{e008}';
pub(super) const DATE: char = '\u{e009}';
/// Place of a number.
pub(super) const NUMBER: char = '\u{e001}';
/// Place of the variable that holds the table.
pub(super) const VARIABLE: char = '\u{e002}';

/// What a name may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything.
    Any,
    /// A numeric column.
    Measure,
    /// A column that can group, or a value.
    Group,
    /// A column of dates.
    Date,
    /// A column that is compared with a text.
    Compared,
    /// A column that two tables have.
    Key,
    /// A column whose texts are numbers with something around them.
    Spoilt,
}

impl Kind {
    /// Of the place between `before` and `after`; `place` has the mark of it.
    fn at(place: char, before: &str, after: &str) -> Option<Self> {
        let kind = kind_of(place)?;
        Some(if after.starts_with(COMPARED) {
            Self::Compared
        } else if KEYS.iter().any(|start| before.ends_with(start)) {
            Self::Key
        } else if before == SPOILT {
            Self::Spoilt
        } else {
            kind
        })
    }
}

/// What stands before the column that two tables have.
const KEYS: [&str; 2] = ["Join both on \"", " whose \""];
/// What stands before a column that is to be made a number.
const SPOILT: &str = "Make \"";

/// What stands between the places of a column and of a text that it is compared with.
const COMPARED: &str = "\" == \"";

/// What a form still asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rest<'f, 'w> {
    /// The rest of the name that is open.
    Name(Kind),
    /// This text, then a place, or nothing more.
    Text { text: &'f str, then: Option<char> },
    /// A number or a variable, the same as before if there was one; then the rest of the form.
    Fill { place: char, variable: Option<&'w str>, after: &'f str },
}

/// What `form` asks for after `written`; `None` if that is no beginning of it, or holds a name that does not fit.
pub(super) fn rest<'f, 'w>(
    form: &'f str,
    written: &'w str,
    fits: impl Fn(Kind, &str) -> bool,
) -> Option<Rest<'f, 'w>> {
    let (mut form, mut written) = (form, written);
    let mut variable = None;
    loop {
        let (text, place, after) = segment(form);
        if let Some(text) = text.strip_prefix(written).filter(|text| !text.is_empty()) {
            return Some(Rest::Text { text, then: place });
        }
        written = written.strip_prefix(text)?;
        let Some(place) = place else {
            return written.is_empty().then_some(Rest::Text { text: "", then: None });
        };
        if let Some(kind) = Kind::at(place, text, after) {
            let Some(len) = name_len(written) else { return Some(Rest::Name(kind)) };
            let (name, rest) = written.split_at_checked(len)?;
            if !fits(kind, name) {
                return None;
            }
            written = rest;
        } else if written.is_empty() {
            return Some(Rest::Fill { place, variable, after });
        } else {
            let len = if place == NUMBER { number_len(written) } else { Some(word_len(written)) };
            let (filled, rest) = written.split_at_checked(len.filter(|&len| len > 0)?)?;
            if place == VARIABLE && *variable.get_or_insert(filled) != filled {
                return None;
            }
            written = rest;
        }
        form = after;
    }
}

/// What the name at a place may name; `None` for other places.
pub(super) fn kind_of(place: char) -> Option<Kind> {
    match place {
        NAME => Some(Kind::Any),
        MEASURE => Some(Kind::Measure),
        GROUP => Some(Kind::Group),
        DATE => Some(Kind::Date),
        _ => None,
    }
}

/// The text up to the next place, that place, and what follows it.
pub(super) fn segment(form: &str) -> (&str, Option<char>, &str) {
    let at = form.find([NAME, MEASURE, GROUP, DATE, NUMBER, VARIABLE]).unwrap_or(form.len());
    let (text, rest) = form.split_at(at);
    let mut rest = rest.chars();
    (text, rest.next(), rest.as_str())
}

/// Length of the name that ends before the next quote.
pub(super) fn name_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The numbers of a text as they stand there; what follows a letter or a digit is none and has no sign.
pub(crate) fn numbers(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    let mut before = ' ';
    std::iter::from_fn(move || {
        while let Some(first) = rest.chars().next() {
            let begins = !before.is_alphanumeric() && !matches!(before, '_' | '.');
            let len = number_len(rest).filter(|_| begins);
            let (piece, after) = rest.split_at(len.unwrap_or(first.len_utf8()));
            before = piece.chars().next_back().unwrap_or(first);
            rest = after;
            if len.is_some() {
                return Some(piece.to_owned());
            }
        }
        None
    })
}

/// Length of the number that `text` begins with: a sign, digits, a fraction, an exponent.
fn number_len(text: &str) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len()
    };
    let sign = usize::from(text.starts_with('-'));
    let whole = digits(sign);
    let mut len = sign + whole;
    if whole == 0 {
        return None;
    }
    let fraction = digits(len + 1);
    if text.get(len..)?.starts_with('.') && fraction > 0 {
        len += 1 + fraction;
    }
    if let Some(exponent) = text.get(len..)?.strip_prefix('e') {
        let sign = usize::from(exponent.starts_with(['-', '+']));
        let n_digits = digits(len + 1 + sign);
        len += if n_digits > 0 { 1 + sign + n_digits } else { 0 };
    }
    Some(len)
}

/// Whether a text is a whole instance of a form.
pub(super) fn is_of(form: &str, text: &str) -> bool {
    matches!(rest(form, text, |_, _| true), Some(Rest::Text { text: "", then: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_ends_where_it_ends() {
        let lengths = ["12", "-1.5e-07 x", "3.", "1e", "x", "-"].map(number_len);
        assert_eq!(lengths, [Some(2), Some(8), Some(1), Some(1), None, None]);
    }
}
