//! What the columns of a table hold, as far as the values that were seen tell.

use std::collections::BTreeSet;

use super::learn;
use crate::forms::Kind;

/// Columns by what their values are, or are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    /// Those of which values were seen.
    seen: BTreeSet<String>,
    /// Those with a value that is no number.
    texts: BTreeSet<String>,
    /// Those with decimals.
    decimals: BTreeSet<String>,
    /// Those of true and false.
    flags: BTreeSet<String>,
    /// Those with a value that is no date.
    undated: BTreeSet<String>,
    /// Those with a text that holds no number.
    words: BTreeSet<String>,
}

impl Kinds {
    /// Learns from the table in an observation. What it shows of a column counts, not what was seen before: a step may
    /// have made numbers out of texts.
    pub(super) fn learn(&mut self, observation: &str) {
        for (column, _) in table_cells(observation) {
            let Self { texts, decimals, flags, undated, words, .. } = self;
            for known in [texts, decimals, flags, undated, words] {
                known.remove(column);
            }
        }
        for (column, cell) in table_cells(observation) {
            learn(&mut self.seen, column);
            if cell != "NaN" && cell.parse::<f64>().is_err() {
                learn(&mut self.texts, column);
            } else if cell.contains('.') {
                learn(&mut self.decimals, column);
            }
            if cell != "NaN" && !holds_number(cell) {
                learn(&mut self.words, column);
            }
            if matches!(cell, "True" | "False") {
                learn(&mut self.flags, column);
            }
            if !is_date(cell) {
                learn(&mut self.undated, column);
            }
        }
    }

    /// Whether a column of this name may be of a kind.
    pub(super) fn may_be(&self, column: &str, kind: Kind) -> bool {
        match kind {
            Kind::Any => true,
            Kind::Measure => !self.texts.contains(column),
            Kind::Group => !self.decimals.contains(column),
            Kind::Date => !self.undated.contains(column),
            Kind::Key => false,
            Kind::Spoilt => self.is_spoilt(column),
            Kind::Compared => {
                let is_text = self.texts.contains(column) && !self.flags.contains(column);
                is_text || !self.seen.contains(column)
            }
        }
    }

    /// Whether all texts of a column are numbers with something around them, such as `$3.50`.
    fn is_spoilt(&self, column: &str) -> bool {
        self.texts.contains(column) && !self.words.contains(column) && self.undated.contains(column)
    }

    /// Whether some column is so.
    pub(super) fn has_spoilt(&self) -> bool {
        self.texts.iter().any(|column| self.is_spoilt(column))
    }

    /// Whether a column holds true and false.
    pub(super) fn is_flag(&self, column: &str) -> bool {
        self.flags.contains(column)
    }
}

/// The cells of the table in an observation, each with the name of its column.
pub(super) fn table_cells(observation: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rows = observation.lines().filter(|line| line.contains('|'));
    let header = rows.next().unwrap_or_default();
    rows.flat_map(move |row| header.split('|').zip(row.split('|')))
}

/// Whether a text is a number once all but digits, dots and minus signs is left out. Where letters touch digits, it is a
/// name: `P138`.
fn holds_number(text: &str) -> bool {
    let is_letter = |c: char| c.is_alphabetic();
    let touch = |(a, b): (char, char)| {
        is_letter(a) && (b.is_ascii_digit() || b == '-') || is_letter(b) && a.is_ascii_digit()
    };
    if text.chars().zip(text.chars().skip(1)).any(touch) {
        return false;
    }
    let number: String = text.chars().filter(|c| matches!(c, '0'..='9' | '.' | '-')).collect();
    number.parse::<f64>().is_ok()
}

/// A year, a month or a day as ISO writes it.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-').map(|part| (part.len(), part.parse::<u32>()));
    matches!(parts.next(), Some((4, Ok(1000..=2999))))
        && parts.all(|part| matches!(part, (2, Ok(1..=31))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_made_a_number_is_one() {
        let mut kinds = Kinds::default();
        kinds.learn("city|price|id\nRome|$3.50|P1\nOslo|$4.00|C-29");
        assert!(!kinds.may_be("price", Kind::Measure));
        assert!(kinds.may_be("price", Kind::Spoilt));
        assert!(!kinds.may_be("city", Kind::Spoilt) && !kinds.may_be("id", Kind::Spoilt));
        kinds.learn("city|price\nRome|3.5\nOslo|4.0");
        assert!(kinds.may_be("price", Kind::Measure) && !kinds.has_spoilt());
        assert!(!kinds.may_be("city", Kind::Measure));
    }

    #[test]
    fn the_first_values_tell_what_a_column_may_be() {
        let mut kinds = Kinds::default();
        kinds.learn("city|n|share|gap\nRome|3|0.5|NaN\nOslo|4|1.0|NaN");
        let may_be = |kind| ["city", "n", "share", "gap"].map(|name| kinds.may_be(name, kind));
        assert_eq!(may_be(Kind::Measure), [false, true, true, true]);
        assert_eq!(may_be(Kind::Group), [true, true, false, true]);
        assert_eq!(may_be(Kind::Compared), [true, false, false, false]);
        assert_eq!(
            ["2024", "2024-03", "2024-03-01", "24", "2024-3", "x"].map(is_date)[..],
            [true, true, true, false, false, false]
        );
    }
}
