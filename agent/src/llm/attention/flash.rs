//! Attention over slices, block of keys by block of keys, so that no score is ever written to memory.
//!
//! Query heads that share a key head are rows of one product. Parts are some rows of a key head, and for few rows
//! some of its keys; each is computed on its own, and what was found from some keys each is joined at the end.
//!
//! # Source
//! `FlashAttention`, <https://arxiv.org/abs/2205.14135>, algorithm 1; split keys, <https://crfm.stanford.edu/2023/10/12/flashdecoding.html>.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "functions for instructions that the processor may lack")
)]
#![expect(clippy::inline_always, reason = "else a loop is compiled without its caller's features")]

use std::ops::Range;
use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use super::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{Element, LANES, Lanes, Plain};
use super::part::found;
use super::softmax::{BLOCK, Seen};
use crate::llm::pool::Pool;

/// Multiply-adds that are not worth another thread.
const ALONE: usize = 64 * 1024;
/// Rows of a part for which it converts keys: fewer cost more conversions, more do not fit the cache.
const ROWS: Range<usize> = 48..192;
/// Keys of a part, where keys are split.
const LEAST_KEYS: usize = 256;

/// The instructions to compute with, which this processor has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Instructions {
    /// 16 numbers at once, 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// 8 numbers at once, 16 registers.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 4 numbers at once, 32 registers.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Those of every processor.
    Plain,
}

impl Instructions {
    /// All that this processor has, the best first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let special = [Avx512::detect().map(Self::Avx512), Avx2::detect().map(Self::Avx2)];
        #[cfg(target_arch = "aarch64")]
        let special = [Some(Self::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let special = [None];
        special.into_iter().flatten().chain([Self::Plain])
    }

    /// The best that this processor has.
    pub(super) fn best() -> Self {
        Self::available().next().unwrap_or(Self::Plain)
    }
}

/// Number of query heads, of key heads, of queries, of keys, and the size of a head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) h: usize,
    pub(super) h_kv: usize,
    pub(super) t: usize,
    pub(super) s: usize,
    pub(super) d: usize,
}

/// `s` rows of each of `h_kv` heads, which lie apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads<'a, T> {
    data: &'a [T],
    stride: usize,
    len: usize,
}

impl<'a, T: Element> Heads<'a, T> {
    /// Of `sizes`, with `stride` elements from head to head; nothing where `data` is too short.
    pub(super) fn new(data: &'a [T], stride: usize, sizes: Sizes) -> Option<Self> {
        let len = sizes.s.checked_mul(T::row_len(sizes.d))?;
        let end = stride.checked_mul(sizes.h_kv.checked_sub(1)?)?.checked_add(len)?;
        (end <= data.len()).then_some(Self { data, stride, len })
    }

    /// The rows of one head.
    pub(super) fn of(&self, head: usize) -> &'a [T] {
        &self.data[head * self.stride..][..self.len]
    }
}

/// What is to be computed: `query` is `[t, h, d]`, of the last `t` of `s` positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a, T> {
    pub(super) sizes: Sizes,
    pub(super) query: &'a [f32],
    pub(super) keys: Heads<'a, T>,
    pub(super) values: Heads<'a, T>,
}

/// How a job is shared out: into parts of `n_positions` queries of a key head, and each into `n_splits` of its keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    sizes: Sizes,
    n_threads: usize,
    n_positions: usize,
    n_splits: usize,
}

/// What one part computes.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Of keys and values.
    pub(super) head: usize,
    /// Of queries.
    pub(super) positions: Range<usize>,
    /// Positions of keys.
    pub(super) keys: Range<usize>,
}

/// What a part found, per row: the values weighted, `[rows, d]`, the rows filled up to whole lanes.
pub(super) struct Found {
    pub(super) seen: Vec<Seen>,
    pub(super) mixed: Vec<Lanes>,
}

impl<T: Element> Job<'_, T> {
    /// Returns `[t, h * d]`.
    pub(super) fn run(&self, instructions: Instructions, pool: &Pool) -> Vec<f32> {
        let Sizes { h, t, s, d, .. } = self.sizes;
        let is_small = 2 * h * t * s * d < ALONE;
        let n_threads = if is_small { 1 } else { pool.n_threads() };
        self.run_as(Plan::new(self.sizes, n_threads), instructions, pool)
    }

    /// The same, shared out by a plan.
    pub(super) fn run_as(&self, plan: Plan, instructions: Instructions, pool: &Pool) -> Vec<f32> {
        let found: Vec<OnceLock<Found>> = (0..plan.n_parts()).map(|_| OnceLock::new()).collect();
        let compute = |index: usize| {
            found[index].get_or_init(|| self.compute(instructions, &plan.part(index)));
        };
        if plan.n_threads == 1 {
            (0..found.len()).for_each(compute);
        } else {
            pool.run(found.len(), &compute);
        }
        let mut mixed = vec![0.0; self.sizes.t * self.sizes.h * self.sizes.d];
        for (index, splits) in found.chunks(plan.n_splits).enumerate() {
            let splits: Vec<&Found> = splits.iter().filter_map(OnceLock::get).collect();
            self.write(&plan.part(index * plan.n_splits), &splits, &mut mixed);
        }
        mixed
    }

    fn compute(&self, instructions: Instructions, part: &Part) -> Found {
        match instructions {
            // SAFETY: its value proves that the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(isa) => unsafe { with_avx512(isa, self, part) },
            // SAFETY: its value proves that the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(isa) => unsafe { with_avx2(isa, self, part) },
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => found(Neon, self, part),
            Instructions::Plain => found(Plain, self, part),
        }
    }

    /// Writes what the `splits` of a part found, together, to the part's place in `mixed`.
    fn write(&self, part: &Part, splits: &[&Found], mixed: &mut [f32]) {
        let (d, lanes) = (self.sizes.d, self.sizes.d.div_ceil(LANES));
        for row in 0..self.n_rows(part) {
            let start = self.row_start(part, row);
            let mixed = &mut mixed[start..start + d];
            let highest = splits.iter().map(|found| found.seen[row].highest);
            let highest = highest.fold(f32::NEG_INFINITY, f32::max);
            let weight = |found: &Found| (found.seen[row].highest - highest).exp();
            let sum: f32 = splits.iter().map(|found| found.seen[row].sum * weight(found)).sum();
            for found in splits {
                let factor = weight(found) / sum;
                let found = found.mixed[row * lanes..][..lanes].as_flattened();
                for (mixed, found) in mixed.iter_mut().zip(found) {
                    *mixed += found * factor;
                }
            }
        }
    }

    /// How many rows a part has: the query heads that share its key head, of each position.
    pub(super) fn n_rows(&self, part: &Part) -> usize {
        part.positions.len() * (self.sizes.h / self.sizes.h_kv)
    }

    /// Where a row's query begins, and its result.
    #[inline(always)]
    pub(super) fn row_start(&self, part: &Part, row: usize) -> usize {
        let Sizes { h, h_kv, d, .. } = self.sizes;
        let group = h / h_kv;
        ((part.positions.start + row / group) * h + part.head * group + row % group) * d
    }

    /// How many keys a row may look at.
    #[inline(always)]
    pub(super) fn visible(&self, part: &Part, row: usize) -> usize {
        let Sizes { h, h_kv, t, s, .. } = self.sizes;
        s - t + part.positions.start + row / (h / h_kv) + 1
    }
}

impl Plan {
    /// For `n_threads`.
    pub(super) fn new(sizes: Sizes, n_threads: usize) -> Self {
        let Sizes { h, h_kv, t, s, .. } = sizes;
        let rows = (t * h / (4 * n_threads)).clamp(ROWS.start, ROWS.end);
        let n_positions = (rows * h_kv / h).clamp(1, t);
        let n_parts = h_kv * t.div_ceil(n_positions);
        // Some parts more than threads, as a core may be busy with other work.
        let wanted = if n_threads == 1 { 1 } else { 2 * n_threads };
        let n_splits = wanted.div_ceil(n_parts).clamp(1, s.div_ceil(LEAST_KEYS));
        Self { sizes, n_threads, n_positions, n_splits }
    }

    fn n_parts(&self) -> usize {
        self.sizes.h_kv * self.sizes.t.div_ceil(self.n_positions) * self.n_splits
    }

    /// Splits of a part are neighbours.
    fn part(&self, index: usize) -> Part {
        let Sizes { h_kv, t, s, .. } = self.sizes;
        let (split, index) = (index % self.n_splits, index / self.n_splits);
        let (head, block) = (index % h_kv, index / h_kv);
        let start = block * self.n_positions;
        let positions = start..(start + self.n_positions).min(t);
        let visible = s - t + positions.end;
        let per_split = visible.div_ceil(self.n_splits).next_multiple_of(BLOCK);
        let keys = (split * per_split).min(visible)..((split + 1) * per_split).min(visible);
        Part { head, positions, keys }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
fn with_avx512<T: Element>(isa: Avx512, job: &Job<'_, T>, part: &Part) -> Found {
    found(isa, job, part)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn with_avx2<T: Element>(isa: Avx2, job: &Job<'_, T>, part: &Part) -> Found {
    found(isa, job, part)
}
