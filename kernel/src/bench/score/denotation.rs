//! Answers that are sets of texts, numbers and dates, as WikiTableQuestions has them.
//!
//! # Source
//! `evaluator.py` 1.0.2 of <https://github.com/ppasupat/WikiTableQuestions>: as many different items as are expected, and
//! for each expected one an item with the same normalised text, the same number (within 1e-6), or the same date.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Two numbers nearer than this are the same.
const NEAR: f64 = 1e-6;

/// One item.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    /// Its text, normalised.
    text: String,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Text,
    Number(f64),
    /// Year, month, day; what is not known is none.
    Date(Option<i64>, Option<i64>, Option<i64>),
}

/// An expected item: its text, and what it stands for where the set says (`targetCanon`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As people wrote it.
    pub text: String,
    /// As a number or a date.
    pub canonical: Option<String>,
}

/// Whether an answer has the items that are expected. Its items stand on lines of their own, or between `|`.
pub fn is_right(answer: &str, expected: &[Target]) -> bool {
    let targets =
        distinct(expected.iter().map(|target| item(&target.text, target.canonical.as_deref())));
    let given = answer.split(['|', '\n']).map(str::trim).filter(|text| !text.is_empty());
    let given = distinct(given.map(|text| item(text, None)));
    targets.len() == given.len()
        && targets.iter().all(|target| given.iter().any(|given| is_same(target, given)))
}

/// As a set has them: two numbers or dates are one if their values are equal, whatever their texts.
fn distinct(items: impl Iterator<Item = Item>) -> Vec<Item> {
    let mut all: Vec<Item> = Vec::new();
    for item in items {
        let is_known = |known: &Item| match (known.value, item.value) {
            (Value::Text, Value::Text) => known.text == item.text,
            (known, value) => known == value,
        };
        if !all.iter().any(is_known) {
            all.push(item);
        }
    }
    all
}

fn is_same(target: &Item, given: &Item) -> bool {
    target.text == given.text
        || match (target.value, given.value) {
            (Value::Number(target), Value::Number(given)) => (target - given).abs() < NEAR,
            (Value::Date(..), Value::Date(..)) => target.value == given.value,
            _ => false,
        }
}

fn item(text: &str, canonical: Option<&str>) -> Item {
    let read = canonical.filter(|canonical| !canonical.is_empty()).unwrap_or(text);
    let value = match (super::python_float(read).filter(|number| number.is_finite()), date(read)) {
        // What is all but whole is whole.
        (Some(number), _) if (number - number.round()).abs() < NEAR => {
            Value::Number(number.round())
        }
        (Some(number), _) => Value::Number(number),
        #[expect(clippy::cast_precision_loss, reason = "a year")]
        (None, Some((Some(year), None, None))) => Value::Number(year as f64),
        (None, Some((year, month, day))) => Value::Date(year, month, day),
        (None, None) => Value::Text,
    };
    Item { text: normalised(text), value }
}

/// `yyyy-mm-dd`, with `xx` for what is not known.
fn date(text: &str) -> Option<(Option<i64>, Option<i64>, Option<i64>)> {
    let text = text.to_lowercase();
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let part = |text: &str, unknown: &[&str], range: std::ops::RangeInclusive<i64>| {
        if unknown.contains(&text) {
            return Some(None);
        }
        let number: i64 = text.trim().parse().ok()?;
        range.contains(&number).then_some(Some(number))
    };
    let year = part(year, &["xx", "xxxx"], i64::MIN..=i64::MAX)?;
    let (month, day) = (part(month, &["xx"], 1..=12)?, part(day, &["xx"], 1..=31)?);
    let is_any = year.is_some() || month.is_some() || day.is_some();
    (parts.next().is_none() && is_any).then_some((year, month, day))
}

/// Without diacritics, in plain quotes and dashes, without footnotes, parentheses and quotes around it, without a point
/// at its end, in lower case, with single blanks.
fn normalised(text: &str) -> String {
    let plain: String = text
        .nfkd()
        .filter(|&c| !is_combining_mark(c))
        .map(|c| match c {
            '‘' | '’' | '´' | '`' => '\'',
            '“' | '”' => '"',
            '‐' | '‑' | '‒' | '–' | '—' | '−' => '-',
            c => c,
        })
        .collect();
    let mut text = plain.as_str();
    loop {
        let before = text;
        text = without_citations(text.trim());
        text = without_parentheses(text.trim());
        text = without_quotes(text.trim());
        if text == before {
            break;
        }
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Footnote marks at the end, and what stands in brackets there; a text that is nothing but brackets stays unless they
/// hold a number.
fn without_citations(text: &str) -> &str {
    let mut text = text;
    loop {
        if let Some(rest) = text.strip_suffix(['•', '♦', '†', '‡', '*', '#', '+']) {
            text = rest;
            continue;
        }
        let open = text.strip_suffix(']').and_then(|inner| {
            let at = inner.rfind(['[', ']'])?;
            inner.get(at..)?.starts_with('[').then_some(at)
        });
        let inner = open.and_then(|at| text.get(at + 1..text.len() - 1)).unwrap_or_default();
        let is_number = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit());
        match open.filter(|&at| at > 0 || is_number) {
            Some(at) => text = text.get(..at).unwrap_or_default(),
            None => return text,
        }
    }
}

/// What stands in parentheses at the end, behind a blank.
fn without_parentheses(text: &str) -> &str {
    let mut text = text;
    loop {
        let open = text.strip_suffix(')').and_then(|inner| {
            let at = inner.rfind(['(', ')'])?;
            let is_open = inner.get(at..)?.starts_with('(');
            is_open.then(|| inner.get(..at)?.strip_suffix(' ').map(str::len)).flatten()
        });
        match open.filter(|&at| at > 0) {
            Some(at) => text = text.get(..at).unwrap_or_default(),
            None => return text,
        }
    }
}

fn without_quotes(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Worked by hand from the published rule.
    #[track_caller]
    fn check(answer: &str, expected: &[&str], right: bool) {
        let target = |text: &&str| {
            let (text, canonical) =
                text.split_once('=').map_or((*text, None), |(text, c)| (text, Some(c)));
            Target { text: text.to_owned(), canonical: canonical.map(str::to_owned) }
        };
        let expected: Vec<Target> = expected.iter().map(target).collect();
        assert_eq!(is_right(answer, &expected), right, "`{answer}` for {expected:?}");
    }

    #[test]
    fn an_item_is_right_by_its_text_number_or_date() {
        check("Italy", &["Italy"], true);
        check("italy.", &["Italy"], true);
        check("3.0", &["3"], true);
        check("3.1", &["3"], false);
        check("100000", &["100,000"], false);
        check("100000", &["100,000=100000.0"], true);
        check("2010-05-03", &["3 May 2010=2010-05-03"], true);
        check("xx-05-03", &["3 May 2010=2010-05-03"], false);
        check("2010", &["2010-xx-xx"], true);
        check("three", &["3"], false);
        check("", &["3"], false);
    }

    #[test]
    fn as_many_items_as_are_expected_in_any_order() {
        check("b|a", &["a", "b"], true);
        check("a\nb\n", &["a", "b"], true);
        check("a", &["a", "b"], false);
        check("a|b|c", &["a", "b"], false);
        check("a|a", &["a"], true);
        check("1|1.0", &["1"], true);
        check("a|b", &["a", "a"], false);
    }

    #[test]
    fn texts_are_normalised_as_published() {
        let check = |text: &str, expected: &str| assert_eq!(normalised(text), expected, "{text}");
        check("Café “Müller”", "cafe \"muller\"");
        check("\"Title\"", "title");
        check("Name[1][note]", "name");
        check("[2]", "");
        check("[note]", "[note]");
        check("Gold † (tie)", "gold");
        check("(only)", "(only)");
        check("a–b  c.", "a-b c");
        check("1,234*", "1,234");
        check("\"a\" and \"b\"", "\"a\" and \"b\"");
    }
}
