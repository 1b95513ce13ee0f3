//! Chooses the next token from the logits.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::llm::Sampling;

/// Tokens of the last so many positions count as seen by the repetition penalty.
const PENALTY_WINDOW: usize = 64;

/// Chooses tokens; the same seed, logits and history give the same choices on every machine.
pub(crate) struct Sampler {
    sampling: Sampling,
    random: Pcg64Mcg,
}

impl Sampler {
    /// A sampler at the start of its random sequence.
    pub(crate) fn new(sampling: &Sampling, seed: u64) -> Self {
        Self { sampling: sampling.clone(), random: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// One of the ids `0..logits.len()`; `history` holds the tokens before, latest last.
    pub(crate) fn sample(&mut self, logits: &[f32], history: &[u32]) -> u32 {
        let all = (0..).zip(logits.iter().copied());
        // What would be left out in the end is not even listed: a vocabulary is long.
        let candidates = match self.sampling {
            Sampling::Greedy => return first_highest(logits),
            Sampling::Random { temperature, repetition_penalty: None, .. } if temperature > 0.0 => {
                let least = noticed_from(highest(logits), temperature);
                all.filter(|(_, logit)| *logit >= least).collect()
            }
            Sampling::Random { .. } => all.collect(),
        };
        self.choose(candidates, history)
    }

    /// One of the ids `allowed`, which are in order; `None` if there is none.
    pub(crate) fn sample_among(
        &mut self,
        logits: &[f32],
        allowed: impl Iterator<Item = u32>,
        history: &[u32],
    ) -> Option<u32> {
        let logit = |id: u32| usize::try_from(id).ok().and_then(|index| logits.get(index)).copied();
        let candidates: Vec<_> = allowed.filter_map(|id| Some((id, logit(id)?))).collect();
        (!candidates.is_empty()).then(|| self.choose(candidates, history))
    }

    /// `candidates`: id and logit, at least one.
    fn choose(&mut self, mut candidates: Vec<(u32, f32)>, history: &[u32]) -> u32 {
        match self.sampling {
            Sampling::Greedy => likeliest(&candidates),
            Sampling::Random { temperature, top_k, top_p, min_p, repetition_penalty } => {
                if let Some(penalty) = repetition_penalty {
                    penalise(&mut candidates, history, penalty);
                }
                if temperature <= 0.0 {
                    return likeliest(&candidates);
                }
                let mut weighted = probabilities(candidates, temperature, top_k);
                if let Some(p) = top_p {
                    keep_top_p(&mut weighted, p);
                }
                if let Some(p) = min_p {
                    keep_min_p(&mut weighted, p);
                }
                draw(&weighted, self.random.random())
            }
        }
    }
}

/// The highest of many logits; of none, or none that is a number, negative infinity.
fn highest(logits: &[f32]) -> f32 {
    // So many at once as a register may hold: in one row each comparison waits for the one before.
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = logits.as_chunks::<16>();
    let take = |highest: &mut f32, logit: f32| {
        // A comparison with NaN is false, so NaN never wins over a number.
        if logit > *highest {
            *highest = logit;
        }
    };
    for chunk in chunks {
        for (lane, logit) in lanes.iter_mut().zip(chunk) {
            take(lane, *logit);
        }
    }
    for (lane, logit) in lanes.iter_mut().zip(rest) {
        take(lane, *logit);
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// The lowest id of the highest logit.
fn first_highest(logits: &[f32]) -> u32 {
    let highest = highest(logits);
    (0..).zip(logits).find(|(_, logit)| **logit >= highest).map_or(0, |(id, _)| id)
}

/// The lowest logit that changes a sum of probabilities: a weight of less than 2⁻²⁶ of the highest one's is lost in
/// each sum of 32-bit floats that begins with that one's.
fn noticed_from(highest: f32, temperature: f32) -> f32 {
    highest - temperature * 26.0 * std::f32::consts::LN_2
}

/// The id of the highest logit, the lowest id among equals.
fn likeliest(candidates: &[(u32, f32)]) -> u32 {
    let higher = |best: (u32, f32), next: (u32, f32)| {
        // A comparison with NaN is false, so NaN never wins over a number.
        if next.1 > best.1 || best.1.is_nan() { next } else { best }
    };
    candidates.iter().copied().reduce(higher).map_or(0, |(id, _)| id)
}

/// Divides positive and multiplies negative logits of the ids seen; `candidates` are in the order of their ids.
///
/// # Source
/// CTRL, <https://arxiv.org/abs/1909.05858>, §4.1.
fn penalise(candidates: &mut [(u32, f32)], history: &[u32], penalty: f32) {
    let (_, seen) = history.split_at(history.len().saturating_sub(PENALTY_WINDOW));
    let seen: BTreeSet<u32> = seen.iter().copied().collect();
    for id in seen {
        let found = candidates.binary_search_by_key(&id, |(id, _)| *id);
        if let Some((_, logit)) = found.ok().and_then(|at| candidates.get_mut(at)) {
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
        }
    }
}

/// Ids with their probabilities, likeliest first, the `top_k` likeliest alone.
fn probabilities(
    mut candidates: Vec<(u32, f32)>,
    temperature: f32,
    top_k: Option<usize>,
) -> Vec<(u32, f32)> {
    let numbers = candidates.iter().map(|(_, logit)| *logit).filter(|logit| !logit.is_nan());
    let highest = numbers.fold(f32::NEG_INFINITY, f32::max);
    let least = noticed_from(highest, temperature);
    candidates.retain(|(_, logit)| *logit >= least);
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if let Some(k) = top_k.map(|k| k.max(1)).filter(|k| *k < candidates.len()) {
        candidates.select_nth_unstable_by(k - 1, order);
        candidates.truncate(k);
    }
    candidates.sort_by(order);
    for (_, logit) in &mut candidates {
        *logit = ((*logit - highest) / temperature).exp();
    }
    candidates.retain(|(_, weight)| weight.is_finite());
    normalise(&mut candidates);
    candidates
}

/// Keeps the smallest set of likeliest ids whose probability reaches `p`; `weighted` is sorted.
///
/// # Source
/// Nucleus sampling, <https://arxiv.org/abs/1904.09751>
fn keep_top_p(weighted: &mut Vec<(u32, f32)>, p: f32) {
    let mut sum = 0.0;
    let reached = weighted.iter().position(|(_, weight)| {
        sum += weight;
        sum >= p
    });
    weighted.truncate(reached.map_or(usize::MAX, |index| index + 1));
    normalise(weighted);
}

/// Drops ids less likely than the share `p` of the likeliest.
///
/// # Source
/// <https://arxiv.org/abs/2407.01082>
fn keep_min_p(weighted: &mut Vec<(u32, f32)>, p: f32) {
    let least = weighted.first().map_or(0.0, |first| first.1 * p);
    weighted.retain(|(_, weight)| *weight >= least);
    normalise(weighted);
}

fn normalise(weighted: &mut [(u32, f32)]) {
    let sum: f32 = weighted.iter().map(|(_, weight)| weight).sum();
    for (_, weight) in weighted {
        *weight /= sum;
    }
}

/// The id at `point` (0 to 1) of the cumulated probabilities.
fn draw(weighted: &[(u32, f32)], point: f32) -> u32 {
    let mut sum = 0.0;
    let found = weighted.iter().find(|(_, weight)| {
        sum += weight;
        point < sum
    });
    found.or(weighted.last()).map_or(0, |(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, -1.0, 2.5];

    /// No filter at all.
    const PLAIN: Filters = Filters {
        temperature: 1.0,
        top_k: None,
        top_p: None,
        min_p: None,
        repetition_penalty: None,
    };

    #[derive(Clone, Copy)]
    struct Filters {
        temperature: f32,
        top_k: Option<usize>,
        top_p: Option<f32>,
        min_p: Option<f32>,
        repetition_penalty: Option<f32>,
    }

    impl From<Filters> for Sampling {
        fn from(filters: Filters) -> Self {
            let Filters { temperature, top_k, top_p, min_p, repetition_penalty } = filters;
            Self::Random { temperature, top_k, top_p, min_p, repetition_penalty }
        }
    }

    /// How often each id is drawn in 4,000 draws.
    fn counts(sampling: &Sampling, history: &[u32]) -> [u32; 5] {
        let mut sampler = Sampler::new(sampling, 7);
        let mut counts = [0; 5];
        for _ in 0..4_000 {
            counts[sampler.sample(&LOGITS, history) as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_lowest_of_equals() {
        let check = |logits: &[f32], expected| {
            assert_eq!(
                Sampler::new(&Sampling::Greedy, 0).sample(logits, &[]),
                expected,
                "{logits:?}"
            );
        };
        check(&LOGITS, 1);
        check(&[2.0, 2.0], 0);
        check(&[f32::NAN, 1.0, f32::NAN], 1);
        check(&[f32::NEG_INFINITY, -5.0], 1);
        check(&[f32::NAN], 0);
        check(&[f32::NAN, f32::NEG_INFINITY], 1);
        let many: Vec<f32> = (0..100_u8).map(|id| f32::from(id % 50)).collect();
        check(&many, 49);
        check(many.get(..20).unwrap(), 19);
    }

    #[test]
    fn draws_follow_the_softmax() {
        let weights = LOGITS.map(|logit| f64::from(logit).exp());
        let sum: f64 = weights.iter().sum();
        for (id, count) in counts(&PLAIN.into(), &[]).into_iter().enumerate() {
            let expected = weights[id] / sum * 4_000.0;
            // Four standard deviations of a binomial, and the seed is fixed.
            assert!(
                (f64::from(count) - expected).abs() < 4.0 * expected.sqrt(),
                "{id}: {count}, {expected}"
            );
        }
    }

    #[test]
    fn filters_leave_the_ids_that_they_should() {
        let check = |filters: Filters, history: &[u32], expected: &[u32]| {
            let sampling = Sampling::from(filters);
            let counted = (0..).zip(counts(&sampling, history));
            let found: Vec<u32> = counted.filter(|(_, n)| *n > 0).map(|(id, _)| id).collect();
            assert_eq!(found, expected, "{sampling:?}");
        };
        check(PLAIN, &[], &[0, 1, 2, 3, 4]);
        check(Filters { top_k: Some(2), ..PLAIN }, &[], &[1, 4]);
        check(Filters { top_k: Some(0), ..PLAIN }, &[], &[1]);
        check(Filters { top_p: Some(0.5), ..PLAIN }, &[], &[1, 4]);
        check(Filters { top_p: Some(0.0), ..PLAIN }, &[], &[1]);
        check(Filters { min_p: Some(0.3), ..PLAIN }, &[], &[1, 2, 4]);
        check(Filters { temperature: 0.05, ..PLAIN }, &[], &[1]);
        check(Filters { temperature: 0.0, ..PLAIN }, &[], &[1]);
        let penalty = Filters { repetition_penalty: Some(2.0), temperature: 0.01, ..PLAIN };
        check(penalty, &[1], &[4]);
        check(penalty, &[1, 4], &[2]);
        // Out of the window of 64.
        check(penalty, &[[1].as_slice(), &[0; 64]].concat(), &[1]);
    }

    #[test]
    fn what_no_sum_notices_is_left_out_unnoticed() {
        let logits: Vec<f32> =
            (0..1_000_u16).map(|id| -f32::from(id * 37 % 1_000) / 12.0).collect();
        let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().map(|logit| logit.exp())).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        normalise(&mut all);
        let mut sampler = Sampler::new(&PLAIN.into(), 3);
        let mut random = Pcg64Mcg::seed_from_u64(3);
        for _ in 0..5_000 {
            assert_eq!(sampler.sample(&logits, &[]), draw(&all, random.random()));
        }
        let listed = (0..).zip(logits).collect();
        assert!(probabilities(listed, 1.0, None).len() < 300);
    }

    #[test]
    fn a_seed_fixes_the_draws() {
        let draws = |seed| {
            let mut sampler = Sampler::new(&PLAIN.into(), seed);
            (0..32).map(|_| sampler.sample(&LOGITS, &[])).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn a_choice_is_kept_to_what_is_allowed() {
        let mut sampler = Sampler::new(&Sampling::Greedy, 0);
        let mut check = |allowed: &[u32], expected| {
            assert_eq!(sampler.sample_among(&LOGITS, allowed.iter().copied(), &[]), expected);
        };
        check(&[0, 2, 3], Some(2));
        check(&[3], Some(3));
        check(&[9], None);
        check(&[], None);
    }
}
