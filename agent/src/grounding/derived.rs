//! Whether one operation makes a number of printed ones. Pure.

use super::Found;
use super::claim::{Claim, Hedge, Precision};
use super::printed::{is_near, rounded};

/// Numbers quoted nearest to a claim that may be its operands, for one with so many significant digits: one with few is
/// soon made by accident.
const NEAREST: [usize; 4] = [0, 2, 4, 6];

/// Rows of a column whose pairs are tried.
const PAIRED: usize = 6;

/// Rows of a column of whose total shares are tried.
const SHARED: usize = 12;

/// Rows of a column whose ends and total are tried.
const LONGEST: usize = 2_000;

/// A printed number that an answer quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted {
    /// The claim that quotes it.
    at: usize,
    value: f64,
    output: usize,
}

/// The printed numbers that an answer quotes; a year is no operand.
pub(super) fn quoted(claims: &[Claim<'_>], found: &[Found]) -> Vec<Quoted> {
    let quoted = |(at, (claim, found)): (usize, (&Claim<'_>, &Found))| match *found {
        Found::Printed { output, value } if !claim.may_be_said => {
            Some(Quoted { at, value, output })
        }
        _ => None,
    };
    claims.iter().zip(found).enumerate().filter_map(quoted).collect()
}

/// The output of which one operation makes the claim with the index `at`; `columns` are those of each output.
pub(super) fn find(
    claim: &Claim<'_>,
    at: usize,
    quoted: &[Quoted],
    columns: &[Vec<Vec<f64>>],
) -> Option<usize> {
    if claim.hedge == Hedge::Below {
        return None;
    }
    let n_digits = claim.n_significant.min(NEAREST.len() - 1);
    let mut nearest: Vec<_> = quoted.to_vec();
    nearest.sort_by_key(|quoted| quoted.at.abs_diff(at));
    nearest.truncate(NEAREST.get(n_digits).copied().unwrap_or_default());
    if n_digits == 1 && !claim.is_percent {
        return None;
    }
    from_quoted(claim, &nearest).or_else(|| beside_quoted(claim, &nearest, columns)).or_else(|| {
        columns.iter().position(|columns| columns.iter().any(|column| from_column(claim, column)))
    })
}

/// The output in which a quoted number stands in a short column or row with the other operand.
fn beside_quoted(claim: &Claim<'_>, quoted: &[Quoted], columns: &[Vec<Vec<f64>>]) -> Option<usize> {
    let n_nearest = match claim.n_significant {
        3.. => quoted.len(),
        2 if claim.is_percent || claim.precision == Precision::Whole => 2,
        _ => 0,
    };
    let made_with = |quoted: &&Quoted| {
        let short = |column: &&Vec<f64>| column.len() <= PAIRED && column.contains(&quoted.value);
        let short = columns.get(quoted.output).into_iter().flatten().filter(short);
        short.flatten().any(|&other| pair(claim, quoted.value, other))
    };
    quoted.iter().take(n_nearest).find(made_with).map(|quoted| quoted.output)
}

/// For each claim the output that supports what is left of a hundred percent: `the remaining 23%`.
pub(super) fn complements(claims: &[Claim<'_>], found: &[Found]) -> Vec<Option<usize>> {
    let shares: Vec<_> = claims
        .iter()
        .zip(found)
        .filter_map(|(claim, found)| match *found {
            Found::Printed { output, .. } | Found::Derived(output) if claim.is_percent => {
                Some((claim.value, output))
            }
            _ => None,
        })
        .collect();
    let rest = |claim: &Claim<'_>| {
        let makes = |(share, _): &&(f64, usize)| is_made(claim, &[100.0 - share]);
        shares.iter().find(makes).map(|(_, output)| *output).filter(|_| claim.is_percent)
    };
    claims.iter().map(rest).collect()
}

fn from_quoted(claim: &Claim<'_>, quoted: &[Quoted]) -> Option<usize> {
    for (n, one) in quoted.iter().enumerate() {
        if claim.is_percent && is_made(claim, &[100.0 - one.value, 100.0 - 100.0 * one.value]) {
            return Some(one.output);
        }
        for other in quoted.iter().skip(n + 1) {
            if pair(claim, one.value, other.value) {
                return Some(one.output);
            }
        }
    }
    None
}

/// Sum, difference, ratio, share and change of two numbers.
fn pair(claim: &Claim<'_>, one: f64, other: f64) -> bool {
    let change = |from: f64, to: f64| 100.0 * (to - from) / from.abs();
    if claim.is_percent {
        // Shares are subtracted, too: percentage points.
        let points = [one - other, 100.0 * (one - other), one + other, 100.0 * (one + other)];
        let ratios =
            [100.0 * one / other, 100.0 * other / one, change(one, other), change(other, one)];
        return is_made(claim, &points) || is_made(claim, &ratios);
    }
    is_made(claim, &[one - other, one + other, one / other, other / one])
}

fn from_column(claim: &Claim<'_>, column: &[f64]) -> bool {
    if column.len() > LONGEST || claim.n_significant < 2 {
        return false;
    }
    let total: f64 = column.iter().sum();
    let (Some(first), Some(last)) = (column.first(), column.last()) else { return false };
    if claim.is_percent {
        let shares = column.iter().take(SHARED).map(|value| 100.0 * value / total);
        let shares: Vec<_> = if column.len() > SHARED { Vec::new() } else { shares.collect() };
        return is_made(claim, &shares)
            || is_made(claim, &[100.0 * (last - first) / first.abs()])
            || (claim.n_significant >= 3 && column.len() <= PAIRED && pairs(claim, column));
    }
    let highest = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = column.iter().copied().fold(f64::INFINITY, f64::min);
    is_made(claim, &[total])
        || (claim.n_significant >= 3
            && is_made(claim, &[highest - lowest, highest / lowest, last - first, last / first]))
        || (claim.n_significant >= 3 && column.len() <= PAIRED && pairs(claim, column))
}

fn pairs(claim: &Claim<'_>, column: &[f64]) -> bool {
    column
        .iter()
        .enumerate()
        .any(|(n, one)| column.iter().skip(n + 1).any(|other| pair(claim, *one, *other)))
}

/// Whether one of the results is what the claim states.
fn is_made(claim: &Claim<'_>, results: &[f64]) -> bool {
    let claim = rounded(claim);
    let near = |result: f64| result.is_finite() && is_near(&claim, result);
    results.iter().any(|&result| near(result) || (!claim.is_signed && near(-result)))
}
