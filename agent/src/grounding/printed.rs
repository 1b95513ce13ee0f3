//! The numbers that an output shows, and whether one of them is that of an answer. Pure.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::claim::{Claim, Hedge, Precision};
use super::markup::word_len;
use super::scan::{digits_len, exponent_len, is_word, plain_digits};

/// Numbers of one output that are read: a bound on what a cell may print.
const MAX_VALUES: usize = 20_000;

/// Bytes of a date and a time, at most: what is longer is none.
const LONGEST_DATE: usize = 40;

/// What pandas and NumPy begin lines with that are no rows.
const NO_ROWS: [&str; 4] = ["Name:", "Length:", "dtype:", "["];

/// Numbers of a row that are reckoned with one another.
const MAX_ROW: usize = 3;

/// What an answer may name a measure by, and what a value in another unit is multiplied with to be that.
const UNITS: [(&[&str], &[f64]); 9] = [
    (&["kg", "kilograms", "kilogram", "kilos"], &[1e-3, 0.453_592_37]),
    (&["g", "grams"], &[1e3]),
    (&["km", "kilometres", "kilometers"], &[1e-3]),
    (&["m", "metres", "meters"], &[1e-3, 1e-2, 1e3]),
    (&["cm", "centimetres", "centimeters"], &[1e-1, 1e2]),
    (&["minutes", "min", "mins"], &[1.0 / 60.0, 60.0]),
    (&["hours", "h", "hrs"], &[1.0 / 60.0, 1.0 / 3600.0, 24.0]),
    (&["days"], &[1.0 / 24.0, 1.0 / 86_400.0]),
    (&["GB", "GWh", "GW", "MB", "MWh", "MW", "TWh"], &[1e-3, 1e-6, 1e-9]),
];

/// Numbers as an output shows them.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    values: Vec<Value>,
    /// Lines that hold a number.
    n_rows: usize,
}

#[derive(Debug, Clone, Copy)]
struct Value {
    number: f64,
    /// Its line.
    row: usize,
    /// Whether it has a fraction or an exponent.
    has_fraction: bool,
    /// Whether a `%` follows.
    is_percent: bool,
    /// Whether it begins a line that goes on: a number of a row.
    is_index: bool,
    /// What tells the word after it; 0 where none follows at once.
    counted: u64,
}

impl Printed {
    /// Reads an output.
    pub(crate) fn read(text: &str) -> Printed {
        let mut printed = Printed::default();
        for (row, line) in text.lines().enumerate() {
            let n_before = printed.values.len();
            printed.line(row, line);
            let is_row = printed.values.len() > n_before
                && !NO_ROWS.iter().any(|start| line.starts_with(start));
            printed.n_rows += usize::from(is_row);
            if printed.values.len() >= MAX_VALUES {
                break;
            }
        }
        printed
    }

    /// Numbers that are not read of a text but known: those that stand in code.
    pub(crate) fn of(numbers: &[f64]) -> Printed {
        let value = |number: &f64| Value {
            number: *number,
            row: 0,
            has_fraction: number.fract() != 0.0,
            is_percent: false,
            is_index: false,
            counted: 0,
        };
        Printed { values: numbers.iter().map(value).collect(), n_rows: 0 }
    }

    /// The numbers, in order.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        self.values.iter().map(|value| value.number)
    }

    fn line(&mut self, row: usize, line: &str) {
        let mut rest = line;
        let len_unindented = line.trim_start().len();
        let (mut before, mut n_before) = (None, 0);
        while self.values.len() < MAX_VALUES
            && let Some(first) = rest.chars().next()
        {
            let date = date_len(rest, before);
            let number = number_len(rest, before).filter(|_| date.is_none());
            let len = date.or(number).or_else(|| word_len(rest)).unwrap_or(first.len_utf8());
            let (piece, after) = rest.split_at(len);
            // Of a date the year is a number.
            let digits = if date.is_some() { piece.get(..4).unwrap_or_default() } else { piece };
            if number.or(date).is_some()
                && let Some(number) =
                    plain_digits(digits).parse().ok().filter(|number: &f64| number.is_finite())
            {
                let is_index =
                    n_before == 0 && rest.len() == len_unindented && !after.trim().is_empty();
                let is_percent = after.starts_with('%');
                let has_fraction = digits.contains(['.', 'e', 'E']);
                let counted = counted(after);
                self.values.push(Value {
                    number,
                    row,
                    has_fraction,
                    is_percent,
                    is_index,
                    counted,
                });
                n_before += 1;
            }
            before = piece.chars().next_back();
            rest = after;
        }
    }

    /// The value that an answer states, if it is here: as it stands, rounded, without its sign, as a share, in another
    /// unit.
    pub(crate) fn find(&self, claim: &Claim<'_>) -> Option<f64> {
        let fits = |value: &&Value| Self::states(claim, value);
        // What stands in a table is meant rather than the number of its row; `4 rows` begins no row.
        let counted = told(claim.noun);
        let is_meant =
            |value: &&Value| !value.is_index || (counted != 0 && value.counted == counted);
        let in_table = self.values.iter().filter(is_meant).find(fits);
        let is_small = claim.value.abs() <= 10.0 && claim.precision == Precision::Whole;
        let found = in_table
            .or_else(|| self.values.iter().filter(|value| value.is_index && !is_small).find(fits));
        found.map(|value| value.number)
    }

    fn states(claim: &Claim<'_>, found: &Value) -> bool {
        let value = found.number;
        if claim.hedge == Hedge::Below && !claim.is_percent && claim.value <= 0.1 {
            // `p < 0.001`: somewhere a smaller one is printed.
            return found.has_fraction && (0.0..claim.value).contains(&value);
        }
        let near = |value: f64| is_near(claim, value);
        if near(value) || (!claim.is_signed && value < 0.0 && near(-value)) {
            return true;
        }
        let is_share = (-1.0..=1.0).contains(&value) || claim.value.abs() > 100.0;
        if claim.is_percent && is_share && (near(value * 100.0) || near(-value * 100.0)) {
            return true;
        }
        if !claim.is_percent && found.is_percent && near(value / 100.0) {
            return true;
        }
        let factors = UNITS
            .iter()
            .filter(|(names, _)| names.contains(&claim.noun))
            .flat_map(|(_, factors)| *factors);
        claim.n_significant >= 2
            && factors.into_iter().any(|factor| is_near(&rounded(claim), value * factor))
    }

    /// Whether the number stands here, digit for digit.
    pub(crate) fn has_exactly(&self, claim: &Claim<'_>) -> bool {
        let same = |value: f64| (value - claim.value).abs() <= claim.value.abs() * 1e-12;
        let as_share = |value: f64| claim.is_percent && same(value * 100.0);
        self.values.iter().any(|found| same(found.number) || as_share(found.number))
    }

    /// Whether so many lines hold numbers: a reader counts them.
    pub(super) fn has_rows(&self, claim: &Claim<'_>) -> bool {
        let is_count =
            claim.precision == Precision::Whole && !claim.is_percent && claim.value >= 2.0;
        #[expect(clippy::cast_precision_loss, reason = "a count of lines is far below 2^52")]
        let n_rows = self.n_rows as f64;
        is_count && (n_rows - claim.value).abs() < 0.5
    }

    /// The columns of numbers, of rows below one another that have equally many, from top to bottom, and short rows.
    pub(super) fn columns(&self) -> Vec<Vec<f64>> {
        let mut tables: Vec<Vec<Vec<f64>>> = Vec::new();
        let mut last_row = 0;
        for row in self.values.chunk_by(|one, other| one.row == other.row) {
            let at = row.first().map_or(0, |value| value.row);
            let values = row.iter().map(|value| value.number);
            match tables.last_mut().filter(|table| table.len() == row.len() && at <= last_row + 1) {
                Some(table) => {
                    table.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                }
                None => tables.push(values.map(|value| vec![value]).collect()),
            }
            last_row = at;
        }
        let rows = self.values.chunk_by(|one, other| one.row == other.row);
        let rows = rows.map(|row| row.iter().map(|value| value.number).collect::<Vec<_>>());
        let rows = rows.filter(|row| row.len() <= MAX_ROW);
        tables.into_iter().flatten().chain(rows).filter(|values| values.len() > 1).collect()
    }
}

/// What tells the word that one blank parts from a number.
fn counted(after: &str) -> u64 {
    let word = after.strip_prefix(' ').unwrap_or_default();
    let end = word.find(|c: char| !c.is_alphabetic()).unwrap_or(word.len());
    told(word.get(..end).unwrap_or_default())
}

/// What tells a word, whatever its case; 0 for none.
fn told(word: &str) -> u64 {
    if word.is_empty() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    word.chars().flat_map(char::to_lowercase).for_each(|c| c.hash(&mut hasher));
    hasher.finish().max(1)
}

/// A claim whose whole number may be a rounded one.
pub(super) fn rounded<'a>(claim: &Claim<'a>) -> Claim<'a> {
    Claim { precision: Precision::Rounded, ..claim.clone() }
}

/// Whether `value`, rounded as the claim is, equals it.
pub(super) fn is_near(claim: &Claim<'_>, value: f64) -> bool {
    let wanted = claim.value;
    // Half a unit of the last digit shown, and a little for the binary fraction.
    let unit = 0.5 * claim.unit * (1.0 + 1e-9) + wanted.abs() * 1e-12;
    // A small whole number is a count, not a rounding of whatever was near.
    let slack = if claim.precision == Precision::Rounded {
        unit
    } else {
        unit.min(wanted.abs() * 0.01 + 1e-12)
    };
    (value - wanted).abs() <= slack || (claim.hedge == Hedge::About && is_about(claim, value))
}

/// Whether a number with zeros at its end, of which it says that it is not exact, is about `value`.
fn is_about(claim: &Claim<'_>, value: f64) -> bool {
    let step = 10f64.powi(claim.n_zeros) * claim.unit;
    let slack = step.min(claim.value.abs() * 0.05);
    claim.n_zeros > 0 && (value - claim.value).abs() <= slack
}

/// Length of a date at the start of `text`, which begins with its year.
fn date_len(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(is_word) {
        return None;
    }
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b':' | b'T');
    let len = text.bytes().take(LONGEST_DATE + 1).take_while(is_part).count();
    let date = text.get(..len)?;
    let year = date.bytes().take_while(u8::is_ascii_digit).count();
    let marks = date.bytes().filter(|byte| matches!(byte, b'-' | b'/')).count();
    (year == 4 && (1..=2).contains(&marks) && (7..=LONGEST_DATE).contains(&len)).then_some(len)
}

/// Length of a printed number: also `1.5e-07`.
fn number_len(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| is_word(c) || c == '.') {
        return None;
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let digits = digits_len(unsigned);
    let len = sign + digits + exponent_len(unsigned.get(digits..)?);
    let is_name = text
        .get(len..)?
        .chars()
        .next()
        .is_some_and(|c| is_word(c) && c.is_ascii() && !is_unit(text.get(len..)));
    (digits > 0 && !is_name).then_some(len)
}

/// Whether a single letter or `kg` follows, and then no more: `4800g`, `0.3s`.
fn is_unit(after: Option<&str>) -> bool {
    let word: String = after.unwrap_or_default().chars().take_while(|c| is_word(*c)).collect();
    matches!(
        word.as_str(),
        "g" | "kg" | "s" | "ms" | "m" | "cm" | "mm" | "km" | "x" | "k" | "M" | "h"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_read_up_to_so_many_numbers_in_one_line_too() {
        for between in [" ", "\n"] {
            let printed = Printed::read(&format!("7{between}").repeat(MAX_VALUES + 9));
            assert_eq!(printed.values.len(), MAX_VALUES);
        }
    }
}
