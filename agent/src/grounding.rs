//! Whether the numbers of an answer were printed: each is looked up in the outputs of its turn. Pure.
//!
//! Three questions, in this order. Which numbers claim something ([`claim`])? A year, an ordinal, the number of a list
//! or of a figure does not. Did a cell print it ([`printed`]), as it stands, rounded, as a share, in another unit? Does
//! one operation make it of numbers that cells printed ([`derived`])? What is left was found nowhere.
//!
//! Arithmetic makes almost any number of enough others. So operands of an operation are few: what the answer itself
//! quotes nearby, or one short column; and a result that is looked for has digits enough to be no accident.

mod claim;
mod derived;
mod markup;
mod printed;
mod scan;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub(crate) use claim::{Claim, claims};
pub(crate) use printed::Printed;

/// A number of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Its bytes in the answer: sign and digits.
    pub range: Range<usize>,
    /// What a link or a mark goes around: the number, or the code span that is nothing else; none in a block of code.
    pub place: Option<Range<usize>>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The output with this index printed it.
    Printed(usize),
    /// One operation makes it of what the output with this index printed.
    Derived(usize),
    /// The question or the code names it.
    Given,
    /// Nothing, and it need not: a year, `1 unit`.
    Said,
    /// Nothing does.
    Nowhere,
}

/// Looks up the numbers of `answer`. `outputs` are what the steps of its turn printed, those to prefer first; `given`
/// is what was said before: the question, the code. Numbers that claim nothing are left out; how many are not depends on
/// the answer alone.
pub fn ground(answer: &str, outputs: &[&str], given: &[&str]) -> Vec<Number> {
    let printed: Vec<_> = outputs.iter().map(|text| Printed::read(text)).collect();
    let given: Vec<_> = given.iter().map(|text| Printed::read(text)).collect();
    let claims = claims(answer);
    let mut found: Vec<_> = claims.iter().map(|claim| look_up(claim, &printed, &given)).collect();
    let quoted = derived::quoted(&claims, &found);
    let columns: Vec<_> = printed.iter().map(Printed::columns).collect();
    for (at, claim) in claims.iter().enumerate() {
        if matches!(found.get(at), Some(Found::Nothing)) {
            let made = derived::find(claim, at, &quoted, &columns);
            if let (Some(place), Some(output)) = (found.get_mut(at), made) {
                *place = Found::Derived(output);
            }
        }
    }
    let whole = derived::complements(&claims, &found);
    for (place, output) in found.iter_mut().zip(whole) {
        if let (Found::Nothing, Some(output)) = (&place, output) {
            *place = Found::Derived(output);
        }
    }
    let number = |(claim, found): (&Claim<'_>, Found)| {
        let origin = match found {
            Found::Printed { output, .. } => Origin::Printed(output),
            Found::Derived(output) => Origin::Derived(output),
            Found::Given => Origin::Given,
            Found::Nothing if claim.may_be_said => Origin::Said,
            Found::Nothing => Origin::Nowhere,
        };
        Number { range: claim.range.clone(), place: claim.place.clone(), origin }
    };
    claims.iter().zip(found).map(number).collect()
}

/// The numbers that were found nowhere, as written.
pub fn missing(answer: &str, outputs: &[&str], given: &[&str]) -> Vec<String> {
    let numbers = ground(answer, outputs, given).into_iter();
    let nowhere = numbers.filter(|number| number.origin == Origin::Nowhere);
    nowhere.filter_map(|number| answer.get(number.range).map(str::to_owned)).collect()
}

/// What became of a claim.
#[derive(Debug, Clone, Copy)]
enum Found {
    Printed { output: usize, value: f64 },
    Derived(usize),
    Given,
    Nothing,
}

fn look_up(claim: &Claim<'_>, printed: &[Printed], given: &[Printed]) -> Found {
    let in_output = |(output, printed): (usize, &Printed)| Some((output, printed.find(claim)?));
    if let Some((output, value)) = printed.iter().enumerate().find_map(in_output) {
        return Found::Printed { output, value };
    }
    if given.iter().any(|given| given.has_exactly(claim)) {
        return Found::Given;
    }
    match printed.iter().position(|printed| printed.has_rows(claim)) {
        Some(output) => Found::Derived(output),
        None => Found::Nothing,
    }
}
