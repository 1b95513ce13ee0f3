//! Attention of prompts by the matrix unit, in 16-bit floats with the exponent of 32-bit ones.
//!
//! Keys and values of a head are arranged for the unit once, for all queries. Parts are 32 rows of a key head: the scores
//! of some keys, their weights, and the values weighted. What a row gets does not depend on which rows are computed
//! with it.
#![expect(unsafe_code, reason = "processor instructions, and pointers into blocks of keys")]

use std::arch::x86_64::{
    __m512, __m512i, _mm256_loadu_si256, _mm512_castsi512_ps, _mm512_cvtph_ps, _mm512_loadu_ps,
    _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_storeu_si512,
};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, OnceLock};

use half::f16;

use super::flash::{Heads, Sizes};
use super::lanes::{Avx512, Isa, LANES};
use super::part::scale;
use super::softmax::{Seen, fold, higher};
use crate::llm::amx::{self, REGISTER};
use crate::llm::exp::exp;
use crate::llm::pool::Pool;

/// Rows of a part.
const ROWS: usize = 32;
/// Keys of a block.
const BLOCK: usize = 32;
/// Keys whose scores are held at a time: with the weights 196 KiB, of the second cache.
const KEYS: usize = 1_024;
/// From a row of scores to the next one: a power of two would have all rows share few lines of the cache.
const SCORES_LINE: usize = KEYS + 16;
/// The same of weights.
const WEIGHTS_LINE: usize = KEYS + 32;

/// Whether heads of the size `d` can be computed here.
pub(super) fn takes(d: usize) -> bool {
    d.is_multiple_of(BLOCK) && amx::is_there() && Avx512::detect().is_some()
}

/// Queries, `[t, h, d]`, with keys and values as the unit takes them.
struct Prompt<'a> {
    sizes: Sizes,
    query: &'a [f32],
    /// Of each key head and block of keys: keys `[d / 32, 2, 16, 16, 2]`, by pairs of columns, keys, columns of the pair;
    /// values `[d / 16, 16, 16, 2]`, by pairs of keys, columns, keys of the pair.
    blocks: Vec<u16>,
}

/// What a thread computes in.
#[derive(Default)]
struct Scratch {
    /// `[32, d]`
    query: Vec<u16>,
    /// `[32, SCORES_LINE]`
    scores: Vec<f32>,
    /// `[32, WEIGHTS_LINE]`
    weights: Vec<u16>,
}

/// As [`Job::run`](super::flash::Job::run), for sizes that it [`takes`]. Returns `[t, h * d]`.
pub(super) fn attend(
    sizes: Sizes,
    query: &[f32],
    keys: Heads<'_, f16>,
    values: Heads<'_, f16>,
    pool: &Pool,
) -> Vec<f32> {
    let Some(isa) = Avx512::detect().filter(|_| takes(sizes.d)) else { return Vec::new() };
    let Sizes { h, h_kv, t, s, d } = sizes;
    let n_blocks = s.div_ceil(BLOCK);
    let mut blocks = vec![0; h_kv * n_blocks * 2 * BLOCK * d];
    let places: Vec<_> = blocks.chunks_exact_mut(2 * BLOCK * d).map(Mutex::new).collect();
    pool.run(places.len(), &|index| {
        let (head, block) = (index / n_blocks, index % n_blocks);
        let rows = block * BLOCK * d..((block + 1) * BLOCK).min(s) * d;
        if let Ok(mut place) = places[index].lock() {
            let (keys, values) = (&keys.of(head)[rows.clone()], &values.of(head)[rows]);
            // SAFETY: the unit is there, and with it the instructions.
            unsafe { arrange(isa, keys, values, d, &mut place) };
        }
    });
    drop(places);
    let prompt = Prompt { sizes, query, blocks };
    let n_rows = t * (h / h_kv);
    let n_parts = n_rows.div_ceil(ROWS);
    let found: Vec<OnceLock<Vec<f32>>> = (0..h_kv * n_parts).map(|_| OnceLock::new()).collect();
    let rows = |index: usize| index * ROWS..((index + 1) * ROWS).min(n_rows);
    pool.run(found.len(), &|index| {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        SCRATCH.with_borrow_mut(|scratch| {
            found[index].get_or_init(|| {
                // SAFETY: the unit is there, and with it the instructions.
                unsafe { prompt.part(index / n_parts, rows(index % n_parts), scratch) }
            });
        });
    });
    let mut mixed = vec![0.0; t * h * d];
    for (index, found) in found.into_iter().enumerate() {
        let found = found.into_inner().unwrap_or_default();
        for (row, found) in rows(index % n_parts).zip(found.chunks_exact(d)) {
            let start = prompt.row_start(index / n_parts, row);
            mixed[start..start + d].copy_from_slice(found);
        }
    }
    mixed
}

/// Arranges a block, `[at most 32, d]` keys and as many values; those that are not there are zeros.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512bf16")]
fn arrange(isa: Avx512, keys: &[f16], values: &[f16], d: usize, to: &mut [u16]) {
    let (of_keys, of_values) = to.split_at_mut(BLOCK * d);
    for (index, register) in of_keys.chunks_exact_mut(REGISTER).enumerate() {
        let (column, first) = (index / 2 * BLOCK, index % 2 * LANES);
        let mut rows = [_mm512_setzero_ps(); LANES];
        for (at, row) in rows.iter_mut().enumerate() {
            let numbers = keys.get((first + at) * d + column..).unwrap_or_default();
            if let (Some(low), Some(high)) =
                (numbers.first_chunk(), numbers.get(LANES..).and_then(<[f16]>::first_chunk))
            {
                *row = _mm512_castsi512_ps(amx::halves([widened(low), widened(high)]));
            }
        }
        let columns = isa.transpose(rows);
        for (line, column) in register.as_chunks_mut::<BLOCK>().0.iter_mut().zip(columns) {
            // SAFETY: 64 bytes are written.
            unsafe { _mm512_storeu_ps(line.as_mut_ptr().cast(), column) };
        }
    }
    for (index, register) in of_values.chunks_exact_mut(REGISTER).enumerate() {
        for (pair, line) in register.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            let mut both = [_mm512_setzero_ps(); 2];
            for (at, row) in both.iter_mut().enumerate() {
                let numbers = values.get((2 * pair + at) * d + index * LANES..);
                if let Some(numbers) = numbers.and_then(<[f16]>::first_chunk) {
                    *row = widened(numbers);
                }
            }
            // SAFETY: 64 bytes are written.
            unsafe { _mm512_storeu_si512(line.as_mut_ptr().cast(), amx::pairs(both)) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn widened(halves: &[f16; LANES]) -> __m512 {
    // SAFETY: 32 bytes are read.
    unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(halves.as_ptr().cast())) }
}

/// 32 numbers as 16-bit floats, multiplied before.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn rounded(numbers: &[f32; BLOCK], factor: f32) -> __m512i {
    let factor = _mm512_set1_ps(factor);
    // SAFETY: twice 16 numbers are read.
    unsafe {
        let (low, high) =
            (_mm512_loadu_ps(numbers.as_ptr()), _mm512_loadu_ps(numbers.as_ptr().add(LANES)));
        amx::halves([_mm512_mul_ps(low, factor), _mm512_mul_ps(high, factor)])
    }
}

impl Prompt<'_> {
    /// Where a row of a key head has its query, and its result: rows are the query heads that share the key head, of
    /// each position.
    fn row_start(&self, head: usize, row: usize) -> usize {
        let Sizes { h, h_kv, d, .. } = self.sizes;
        let group = h / h_kv;
        (row / group * h + head * group + row % group) * d
    }

    /// How many keys a row may look at.
    fn visible(&self, row: usize) -> usize {
        let Sizes { h, h_kv, t, s, .. } = self.sizes;
        s - t + row / (h / h_kv) + 1
    }

    /// The results of `rows` of a key head, `[rows, d]`.
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512bf16")]
    fn part(&self, head: usize, rows: Range<usize>, scratch: &mut Scratch) -> Vec<f32> {
        let Sizes { d, s, .. } = self.sizes;
        let Scratch { query, scores, weights } = scratch;
        query.resize(ROWS * d, 0);
        scores.resize(ROWS * SCORES_LINE, 0.0);
        weights.resize(ROWS * WEIGHTS_LINE, 0);
        // Rows that are not there keep what was in their place: nobody reads what becomes of it.
        for (row, query) in rows.clone().zip(query.chunks_exact_mut(d)) {
            let from = self.query[self.row_start(head, row)..].as_chunks::<BLOCK>().0;
            for (to, from) in query.as_chunks_mut::<BLOCK>().0.iter_mut().zip(from) {
                // SAFETY: 64 bytes are written.
                unsafe {
                    _mm512_storeu_si512(to.as_mut_ptr().cast(), rounded(from, scale(d)));
                }
            }
        }
        let n_keys = self.visible(rows.end - 1);
        let blocks = &self.blocks[head * s.div_ceil(BLOCK) * 2 * BLOCK * d..];
        let mut seen = [Seen::NOTHING; ROWS];
        let mut mixed = vec![0.0; ROWS * d];
        for start in (0..n_keys).step_by(KEYS) {
            let n_blocks = KEYS.min(n_keys - start).div_ceil(BLOCK);
            let blocks = &blocks[start / BLOCK * 2 * BLOCK * d..][..n_blocks * 2 * BLOCK * d];
            // SAFETY: the unit is there; slices are as long as rows and blocks say.
            unsafe { multiply_keys(query, blocks, d, scores) };
            let lines = scores.chunks_exact_mut(SCORES_LINE);
            let lines = lines.zip(weights.chunks_exact_mut(WEIGHTS_LINE));
            let results = mixed.chunks_exact_mut(d).zip(&mut seen);
            for (row, ((scores, weights), (mixed, seen))) in rows.clone().zip(lines.zip(results)) {
                let visible = self.visible(row).saturating_sub(start);
                let len = n_blocks * BLOCK;
                let factor = weigh(&mut scores[..len], visible.min(len), &mut weights[..len], seen);
                for mixed in mixed {
                    *mixed *= factor;
                }
            }
            // SAFETY: as above.
            unsafe { multiply_values(weights, blocks, d, &mut mixed) };
        }
        mixed.truncate(rows.len() * d);
        for (mixed, seen) in mixed.chunks_exact_mut(d).zip(seen) {
            for mixed in mixed {
                *mixed /= seen.sum;
            }
        }
        mixed
    }
}

/// Scores of 32 queries against the keys of `blocks`, side by side.
///
/// # Safety
/// The unit is there.
unsafe fn multiply_keys(query: &[u16], blocks: &[u16], d: usize, scores: &mut [f32]) {
    assert!(query.len() == ROWS * d && scores.len() == ROWS * SCORES_LINE, "32 rows");
    // SAFETY: all stay within the slices: of blocks there are at most as many as a line of scores has room for.
    unsafe {
        amx::begin();
        let lines = [query.as_ptr(), query.as_ptr().add(ROWS / 2 * d)];
        let places = [scores.as_mut_ptr(), scores.as_mut_ptr().add(ROWS / 2 * SCORES_LINE)];
        for (index, block) in blocks.chunks_exact(2 * BLOCK * d).take(KEYS / BLOCK).enumerate() {
            amx::zero();
            for step in 0..d / BLOCK {
                let lines = lines.map(|line| line.add(step * BLOCK));
                amx::multiply(lines, 2 * d, block.as_ptr().add(step * 2 * REGISTER));
            }
            amx::store(places.map(|place| place.add(index * BLOCK)), 4 * SCORES_LINE);
        }
        amx::end();
    }
}

/// Adds to `mixed`, `[32, d]`, the values of `blocks`, weighted.
///
/// # Safety
/// The unit is there.
unsafe fn multiply_values(weights: &[u16], blocks: &[u16], d: usize, mixed: &mut [f32]) {
    assert!(weights.len() == ROWS * WEIGHTS_LINE && mixed.len() == ROWS * d, "32 rows");
    // SAFETY: all stay within the slices: of blocks there are at most as many as a line of weights has room for.
    unsafe {
        amx::begin();
        let lines = [weights.as_ptr(), weights.as_ptr().add(ROWS / 2 * WEIGHTS_LINE)];
        for step in 0..d / BLOCK {
            let column = mixed.as_mut_ptr().add(step * BLOCK);
            let places = [column, column.add(ROWS / 2 * d)];
            amx::load(places, 4 * d);
            for (index, block) in blocks.chunks_exact(2 * BLOCK * d).take(KEYS / BLOCK).enumerate()
            {
                let values = block.as_ptr().add(BLOCK * d + step * 2 * REGISTER);
                amx::multiply(lines.map(|line| line.add(index * BLOCK)), 2 * WEIGHTS_LINE, values);
            }
            amx::store(places, 4 * d);
        }
        amx::end();
    }
}

/// Turns the first `visible` scores into weights, the others into 0. Returns what the weights so far are to be
/// multiplied by.
///
/// # Source
/// Online normaliser, <https://arxiv.org/abs/1805.02867>, §3.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512bf16")]
fn weigh(scores: &mut [f32], visible: usize, weights: &mut [u16], seen: &mut Seen) -> f32 {
    scores[visible..].fill(f32::NEG_INFINITY);
    let mut highest = [f32::NEG_INFINITY; LANES];
    for scores in scores.as_chunks::<LANES>().0 {
        for (highest, score) in highest.iter_mut().zip(scores) {
            *highest = higher(*score, *highest);
        }
    }
    let highest = higher(fold(highest, higher), seen.highest);
    if highest == f32::NEG_INFINITY {
        weights.fill(0);
        return 1.0;
    }
    let mut sums = [0.0; BLOCK];
    let lines = scores.as_chunks_mut::<BLOCK>().0.iter_mut();
    for (scores, weights) in lines.zip(weights.as_chunks_mut::<BLOCK>().0) {
        for (score, sum) in scores.iter_mut().zip(&mut sums) {
            *score = exp(*score - highest, true);
            *sum += *score;
        }
        // SAFETY: 64 bytes are written.
        unsafe { _mm512_storeu_si512(weights.as_mut_ptr().cast(), rounded(scores, 1.0)) };
    }
    let mut sum = [0.0; LANES];
    for sums in sums.as_chunks::<LANES>().0 {
        for (sum, part) in sum.iter_mut().zip(sums) {
            *sum += part;
        }
    }
    let factor = exp(seen.highest - highest, true);
    seen.sum = seen.sum * factor + fold(sum, |a, b| a + b);
    seen.highest = highest;
    factor
}
