//! The softmax over keys that come block by block.
#![expect(clippy::inline_always, reason = "else a loop is compiled without its caller's features")]

use super::lanes::{Isa, LANES, Lanes};
use crate::llm::exp::exp;

/// Keys of a block.
pub(super) const BLOCK: usize = 64;

/// The scores of a query against a block of keys.
pub(super) type Scores = [Lanes; BLOCK / LANES];

/// What a query has seen so far: weights are `e^(score - highest)`, and `sum` is theirs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The highest score.
    pub(super) highest: f32,
    /// The sum of all weights.
    pub(super) sum: f32,
}

impl Seen {
    /// Nothing.
    pub(super) const NOTHING: Self = Self { highest: f32::NEG_INFINITY, sum: 0.0 };

    /// Turns the first `visible` of `scores`, scaled by `scale`, into weights, the others into 0. Returns what the
    /// weights so far are to be multiplied by.
    ///
    /// # Source
    /// Online normaliser, <https://arxiv.org/abs/1805.02867>, §3.
    #[inline(always)]
    pub(super) fn add<I: Isa>(
        &mut self,
        isa: I,
        scores: &mut Scores,
        scale: f32,
        visible: usize,
    ) -> f32 {
        if visible < BLOCK {
            let (_, hidden) = scores.as_flattened_mut().split_at_mut(visible);
            hidden.fill(f32::NEG_INFINITY);
        }
        let mut highest = [f32::NEG_INFINITY; LANES];
        for scores in scores.iter() {
            for (highest, score) in highest.iter_mut().zip(scores) {
                *highest = higher(*score, *highest);
            }
        }
        let highest = higher(fold(highest, higher) * scale, self.highest);
        if highest == f32::NEG_INFINITY {
            *scores = [[0.0; LANES]; BLOCK / LANES];
            return 1.0;
        }
        let mut sums = [0.0; LANES];
        for scores in scores.iter_mut() {
            for (score, sum) in scores.iter_mut().zip(&mut sums) {
                *score = exp(isa.mul_add(*score, scale, -highest), I::FUSED);
                *sum += *score;
            }
        }
        let factor = exp(self.highest - highest, I::FUSED);
        self.sum = self.sum * factor + fold(sums, |a, b| a + b);
        self.highest = highest;
        factor
    }
}

/// In pairs, as vectors do.
#[inline(always)]
pub(super) fn fold(lanes: Lanes, of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = lanes;
    for half in [8, 4, 2, 1] {
        let (low, high) = lanes.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            *low = of(*low, *high);
        }
    }
    lanes[0]
}

/// The higher of two, as one instruction.
#[inline(always)]
pub(super) fn higher(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}
