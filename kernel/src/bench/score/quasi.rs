//! Quasi-exact answers, as DABStep has them: a number, some words, or a list of these, with forms forgiven.
//!
//! # Source
//! `dabstep_benchmark/evaluation/scorer.py` of the benchmark's leaderboard, as of 2025: numbers are compared rounded to
//! the fewer decimals, or within 1e-4 relatively and absolutely; lists in any order of their items as texts; words
//! without punctuation, one word also as part of several, or texts that are alike to more than 95 %.

use super::similar::ratio;

/// Relative and absolute distance at which two numbers are the same.
const CLOSE: f64 = 1e-4;

/// Texts more alike than this are the same.
const ALIKE: f64 = 0.95;

/// Lists in lists: an item has no separator left, so more than one level never comes.
const DEEPEST: usize = 2;

/// Whether an answer is right.
pub fn is_right(answer: &str, expected: &str) -> bool {
    matches(answer, expected, DEEPEST)
}

fn matches(one: &str, other: &str, depth: usize) -> bool {
    let (one, other) = (one.trim().to_lowercase(), other.trim().to_lowercase());
    if is_written_out(&one) || is_written_out(&other) {
        return number_in(&one)
            .zip(number_in(&other))
            .is_some_and(|(one, other)| is_close(one, other));
    }
    let has_items = |text: &str| text.contains([';', ',']);
    if has_items(&one) || has_items(&other) {
        return depth > 0 && are_same_items(&one, &other, depth - 1);
    }
    match number_in(&one).zip(number_in(&other)) {
        Some((one, other)) => is_close(one, other),
        None => are_same_words(&one, &other),
    }
}

/// Whether a text is one number with a fraction or with thousands set off: `12,345.67`, `$0.99`, `0,99`.
fn is_written_out(text: &str) -> bool {
    let text = text.strip_prefix('$').unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let split = |at: char| text.split_once(at);
    let plain = split('.').or_else(|| split(','));
    if plain.is_some_and(|(whole, fraction)| digits(whole) && digits(fraction)) {
        return true;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    digits(fraction)
        && digits(first)
        && first.len() <= 3
        && !rest.is_empty()
        && rest.iter().all(|group| digits(group) && group.len() == 3)
}

/// The first number in a text, its sign left out; commas and dollar signs do not count.
fn number_in(text: &str) -> Option<f64> {
    let text = text.replace([',', '$'], "");
    let bytes = text.as_bytes();
    let run = |from: usize| {
        bytes
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    for at in 0..bytes.len() {
        let whole = run(at);
        let has_point = bytes.get(at + whole) == Some(&b'.');
        let fraction = if has_point { run(at + whole + 1) } else { 0 };
        let length = match (whole, fraction) {
            (0, 0) => continue,
            (_, 0) => whole,
            (_, fraction) => whole + 1 + fraction,
        };
        return text.get(at..at + length)?.parse().ok();
    }
    None
}

fn is_close(one: f64, other: f64) -> bool {
    let difference = (one - other).abs();
    if difference <= (CLOSE * one.abs().max(other.abs())).max(CLOSE) {
        return true;
    }
    if one < 1.0 && other < 1.0 {
        return false;
    }
    let decimals = decimals(one).min(decimals(other));
    format!("{one:.decimals$}") == format!("{other:.decimals$}")
}

/// Decimals of a number as Python writes it: `5.0` has one.
fn decimals(number: f64) -> usize {
    let text = format!("{number}");
    text.split_once('.').map_or(1, |(_, fraction)| fraction.len())
}

fn are_same_items(one: &str, other: &str, depth: usize) -> bool {
    let items = |text: &str| -> Vec<String> {
        let text = text.strip_prefix('[').unwrap_or(text);
        let text = text.strip_suffix(']').unwrap_or(text);
        let items = text.split([',', ';']).map(str::trim).filter(|item| !item.is_empty());
        let mut items: Vec<String> = items.map(str::to_owned).collect();
        items.sort();
        items
    };
    let (one, other) = (items(one), items(other));
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| matches(one, other, depth))
}

fn are_same_words(one: &str, other: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|&c| is_word(c)).collect::<String>();
    if letters(one) == letters(other) {
        return true;
    }
    let (first, second) = (words(one), words(other));
    let is_single = first.len() == 1 || second.len() == 1;
    if is_single && !first.is_empty() && !second.is_empty() {
        let all_in = |some: &[&str], of: &[&str]| some.iter().all(|word| of.contains(word));
        return all_in(&first, &second) || all_in(&second, &first);
    }
    ratio(one, other) > ALIKE
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Worked by hand from the published rule.
    #[track_caller]
    fn check(answer: &str, expected: &str, right: bool) {
        assert_eq!(is_right(answer, expected), right, "`{answer}` for `{expected}`");
        assert_eq!(is_right(expected, answer), right, "`{expected}` for `{answer}`");
    }

    #[test]
    fn numbers_are_compared_rounded_to_the_fewer_decimals() {
        check("138236", "138236", true);
        check("138,236", "138236", true);
        check("$1,234.50", "1234.5", true);
        check("91.85", "91.852", true);
        check("91.9", "91.852", true);
        check("91.8", "91.852", false);
        check("0.12", "0.1234", false);
        check("0.12345", "0.12349", true);
        check("64", "64.3", false);
        check("7.68%", "7.683", true);
        check("-5", "5", true);
        check("no number", "0.5", false);
        check("10,5", "105", true);
        check("1e6", "1", true);
    }

    #[test]
    fn items_of_lists_may_stand_in_any_order() {
        check("b, a", "a, b", true);
        check("[A; B]", "a, b", true);
        check("a, b", "a, b, c", false);
        check("a, c", "a, b", false);
        check("64, 1", "1.0; 64", true);
        check("NL, 'BE'", "be, nl", true);
        check("a,", "a", true);
        // Sorted as texts: 10 stands before 9.
        check("9, 10", "10, 9.00001", true);
    }

    #[test]
    fn words_are_compared_without_punctuation_and_one_of_several_is_enough() {
        check("Not Applicable", "not applicable.", true);
        check("SwiftCharge", "The answer is SwiftCharge", true);
        check("yes", "no", false);
        check("yes it is", "yes it was not", false);
        check("", "yes", false);
        check("a long answer with one letter wronk", "a long answer with one letter wrong", true);
    }
}
