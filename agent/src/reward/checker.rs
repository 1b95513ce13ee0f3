//! Whether an answer is right. Knows nothing about how it was found.

use serde::{Deserialize, Serialize};

use crate::grounding::Printed;

/// How far a number may be off: relative to it, and absolutely; answers are rounded.
const RELATIVE: f64 = 0.003;
const ABSOLUTE: f64 = 0.000_51;

/// Whole numbers up to here are counts, and must be equal.
const COUNTS: f64 = 1e6;

/// Words that say that something cannot be done.
const REFUSALS: [&str; 9] = [
    "no column",
    "cannot",
    "can't",
    "can not",
    "there is no",
    "not in the",
    "no data",
    "unable",
    "do not have",
];

/// What a right answer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checker {
    /// In which way.
    pub kind: Expected,
    /// What it must hold, numbers as text.
    #[serde(default)]
    pub values: Vec<String>,
}

/// In which way an answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Every value stands in it as a number, but for rounding.
    Number,
    /// Every value stands in it, numbers as above, words whole and in any case.
    Text,
    /// A figure of the first value's kind was drawn whose labels name the other values.
    Figure,
    /// It says that it cannot be done, which only a look at the data can tell.
    Refusal,
    /// The question is not about the data, and no look is needed: every value stands in the answer, or without values it
    /// says that it cannot be done.
    Unrelated,
    /// A report, which no program can call right: only a reward model judges it.
    Report,
}

impl Checker {
    /// Whether an answer is right, given the figures that were described on the way. None for a report.
    pub fn right(&self, answer: &str, figures: &[&str]) -> Option<bool> {
        let right = match self.kind {
            Expected::Report => return None,
            Expected::Unrelated if self.values.is_empty() => refuses(answer),
            Expected::Number | Expected::Text | Expected::Unrelated => {
                self.values.iter().all(|value| holds(answer, value))
            }
            Expected::Refusal => refuses(answer),
            Expected::Figure => self.drawn(figures),
        };
        Some(right && !answer.trim().is_empty())
    }

    fn drawn(&self, figures: &[&str]) -> bool {
        let Some((kind, names)) = self.values.split_first() else { return false };
        let begins = format!("[figure: {kind},");
        let shows = |line: &&str| {
            line.starts_with(&begins)
                && names.iter().all(|name| line.contains(&format!("={name},")))
        };
        figures.iter().flat_map(|figure| figure.lines()).any(|line| shows(&line))
    }
}

/// Whether an answer says that it cannot be done.
pub fn refuses(answer: &str) -> bool {
    let answer = answer.to_lowercase();
    REFUSALS.iter().any(|phrase| answer.contains(phrase))
}

/// Whether an answer holds a number or a name, and not only as one of several: `North or South` is no answer.
fn holds(answer: &str, value: &str) -> bool {
    let is_there = match number(value) {
        Some(wanted) => {
            Printed::read(answer).values().any(|found| close(found, wanted))
                || answer.split_whitespace().any(|word| word == value)
        }
        None => holds_words(answer, value),
    };
    is_there && !is_one_of_several(answer, value)
}

/// What softens an alternative without making it none.
const HEDGES: [&str; 7] = ["maybe", "perhaps", "possibly", "probably", "even", "else", "either"];

/// What makes of an `or` a bound, or another word for the same.
const BOUNDS: [&str; 8] = ["more", "less", "fewer", "higher", "lower", "above", "below", "about"];

/// Words that an alternative between two commas has at most.
const ALTERNATIVE: usize = 2;

/// Whether a value stands in an answer only beside an `or` with something else.
pub(super) fn is_one_of_several(answer: &str, value: &str) -> bool {
    let (answer, value) = (&*answer.to_lowercase(), &*value.to_lowercase());
    let wanted = number(value);
    let places: Vec<(&str, &str)> = match wanted {
        None => places_of(answer, value).collect(),
        Some(wanted) => {
            let words = answer.split_whitespace();
            let is = |word: &&str| Printed::read(word).values().any(|found| close(found, wanted));
            let begin = |word: &str| word.as_ptr().addr() - answer.as_ptr().addr();
            let place = |word: &str| {
                let (before, rest) = answer.split_at_checked(begin(word))?;
                // A comma behind a number is none of it.
                rest.split_at_checked(word.trim_end_matches([',', ';']).len())
                    .map(|(_, after)| (before, after))
            };
            words.filter(is).filter_map(place).collect()
        }
    };
    let is_alternative = |(before, after): &(&str, &str)| {
        let mut words = before.split_whitespace().rev().filter(|word| !HEDGES.contains(word));
        words.next() == Some("or") || offers_others(after)
    };
    !places.is_empty() && places.iter().all(is_alternative)
}

/// Whether what follows a value names others in its place: `or …`, or a list that has one.
fn offers_others(after: &str) -> bool {
    let clause = [". ", ".\n", "\n", ";", "?", "!"].iter().filter_map(|end| after.find(end)).min();
    let clause = after.get(..clause.unwrap_or(after.len())).unwrap_or_default();
    let clause = clause.trim_end_matches('.');
    for (at, part) in clause.split(',').enumerate() {
        let words: Vec<&str> =
            part.split_whitespace().filter(|word| !HEDGES.contains(word)).collect();
        let item = if at == 0 { 0 } else { ALTERNATIVE };
        if let Some(or) = words.iter().position(|word| *word == "or") {
            let next = |by: usize| words.get(or + by).copied().unwrap_or_default();
            let is_share = next(1).ends_with('%') || next(2).starts_with('%');
            return or <= item && !next(1).is_empty() && !is_share && !BOUNDS.contains(&next(1));
        }
        if words.len() > item {
            return false;
        }
    }
    false
}

/// A text as a number, a percentage too.
pub(super) fn number(text: &str) -> Option<f64> {
    let number: f64 = text.trim_end_matches('%').parse().ok()?;
    number.is_finite().then_some(number)
}

/// Whether two numbers are the same but for rounding.
pub(super) fn close(found: f64, wanted: f64) -> bool {
    if wanted.fract() == 0.0 && wanted.abs() < COUNTS {
        return (found - wanted).abs() < 1e-6;
    }
    (found - wanted).abs() <= (RELATIVE * wanted.abs()).max(ABSOLUTE)
}

/// Whether `words` stand in a text, whole and in any case.
pub(super) fn holds_words(text: &str, words: &str) -> bool {
    places_of(&text.to_lowercase(), &words.to_lowercase()).next().is_some()
}

/// What stands before and after `words`, wherever they are whole.
fn places_of<'t>(text: &'t str, words: &str) -> impl Iterator<Item = (&'t str, &'t str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let found = if words.is_empty() { Vec::new() } else { text.match_indices(words).collect() };
    let len = words.len();
    found.into_iter().filter_map(move |(at, _)| {
        let (before, after) = (text.get(..at)?, text.get(at + len..)?);
        let is_whole = !before.chars().next_back().is_some_and(is_part)
            && !after.chars().next().is_some_and(is_part);
        is_whole.then_some((before, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Expected, values: &[&str], answer: &str, right: bool) {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(Checker { kind, values }.right(answer, &[]), Some(right), "{answer}");
    }

    #[test]
    fn numbers_are_right_but_for_rounding_and_counts_exactly() {
        let check = |value, answer, right| check(Expected::Number, &[value], answer, right);
        check("120.46", "about 120.5", true);
        check("120.46", "about 121", false);
        check("1234.5", "1,234.5 in all", true);
        check("45.31", "45.3% of them", true);
        check("7", "7 rows", true);
        check("7", "7.01 rows", false);
        check("7", "x7", false);
        check("0.0000002", "p = 2e-07", true);
        check("7", "", false);
    }

    #[test]
    fn words_stand_whole_and_in_any_case() {
        let check = |values, answer, right| check(Expected::Text, values, answer, right);
        check(&["North", "120.5"], "NORTH has 120.5", true);
        check(&["North"], "Northern", false);
        check(&["North"], "not_North", false);
        check(&["São Paulo"], "in são paulo.", true);
        check(&[""], "anything", false);
    }

    #[test]
    fn one_of_several_is_no_answer_but_a_bound_or_a_share_is() {
        let word = |answer, right| check(Expected::Text, &["North"], answer, right);
        word("North or South.", false);
        word("It is South, East or perhaps North.", false);
        word("Either North, South, or East has the most.", false);
        word("North, with 100 or more in each month.", true);
        word("North has the most, not South or East.", true);
        word("North or South? It is North.", true);
        let number = |answer, right| check(Expected::Number, &["220.5"], answer, right);
        number("It is 220.5, or maybe 110.25.", false);
        number("It is 2 or 220.5.", false);
        number("It is 220.5 or 12 % of all.", true);
        number("It is 220.5 or more.", true);
    }

    #[test]
    fn a_figure_is_judged_by_what_was_drawn_and_a_refusal_by_its_words() {
        let values = ["bar", "region", "revenue"].map(str::to_owned).to_vec();
        let checker = Checker { kind: Expected::Figure, values };
        let drawn = ["[figure: bar, x=region, y=revenue, 4 bars, 80 to 120]"];
        assert_eq!(checker.right("Drawn.", &drawn), Some(true));
        assert_eq!(
            checker.right("Drawn.", &["[figure: line, x=region, y=revenue, 4 points]"]),
            Some(false)
        );
        assert_eq!(checker.right("Drawn.", &[]), Some(false));
        check(Expected::Refusal, &[], "There is no column salary.", true);
        check(Expected::Refusal, &[], "The salary is 7.", false);
        check(Expected::Unrelated, &[], "I cannot do that.", true);
        check(Expected::Unrelated, &["can"], "I can answer questions.", true);
        let report = Checker { kind: Expected::Report, values: Vec::new() };
        assert_eq!(report.right("A report.", &[]), None);
    }
}
