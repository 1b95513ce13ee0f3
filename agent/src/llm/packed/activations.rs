//! What a matrix is multiplied with, rounded to eight bits.
//!
//! # Source
//! Rounding by blocks of 32: `quantize_row_q8_0`, <https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c>

#![expect(
    unsafe_code,
    reason = "functions for processors that are known to have their instructions"
)]

use std::sync::Mutex;

use super::{BLOCK, GROUP};
use crate::llm::pool::Pool;

/// Vectors of `t` tokens, each `[columns]`, by blocks of 32 columns: `x ≈ scale * bytes`.
///
/// Tokens lie in groups of `width`, 16 or all there are if fewer; the last group is filled up with zeros. In a group a
/// block's bytes of all its tokens follow each other, so that their distance is the same for every matrix.
pub(super) struct Activations {
    /// Number of tokens.
    pub(super) t: usize,
    /// Tokens of a group.
    pub(super) width: usize,
    /// Blocks of a token.
    pub(super) n_blocks: usize,
    /// `[groups, blocks, width, 32]`.
    pub(super) bytes: Vec<i8>,
    /// `[groups, blocks, width]`.
    pub(super) scales: Vec<f32>,
    /// Sums of the bytes of each half block: `[groups, blocks, width, 2]`.
    pub(super) sums: Vec<i32>,
}

/// From so many tokens on other threads help.
const MANY: usize = 8;

impl Activations {
    /// Rounds `x`, `[t, columns]`; `columns` is a multiple of 32.
    pub(super) fn round(x: &[f32], columns: usize, pool: &Pool) -> Self {
        let (t, n_blocks) = (x.len() / columns, columns / BLOCK);
        let width = t.min(GROUP);
        let n_slots = t.div_ceil(width.max(1)) * width * n_blocks;
        let mut bytes = vec![0; n_slots * BLOCK];
        let mut scales = vec![0.0; n_slots];
        let mut sums = vec![0; n_slots * 2];
        let per_group = width * n_blocks;
        if per_group > 0 {
            let groups = x.chunks(width * columns).zip(bytes.chunks_mut(per_group * BLOCK));
            let groups =
                groups.zip(scales.chunks_mut(per_group)).zip(sums.chunks_mut(per_group * 2));
            let groups: Vec<_> = groups.map(Mutex::new).collect();
            let round = |index: usize| {
                let Some(Ok(mut group)) = groups.get(index).map(Mutex::lock) else {
                    return;
                };
                let (((x, bytes), scales), sums) = &mut *group;
                // SAFETY: there are no packed matrices without AVX2.
                unsafe { round_group(x, columns, width, bytes, scales, sums) };
            };
            if t < MANY {
                (0..groups.len()).for_each(round);
            } else {
                pool.run(groups.len(), &round);
            }
        }
        Self { t, width, n_blocks, bytes, scales, sums }
    }
}

/// Rounds the tokens of a group.
#[target_feature(enable = "avx2,fma")]
fn round_group(
    x: &[f32],
    columns: usize,
    width: usize,
    bytes: &mut [i8],
    scales: &mut [f32],
    sums: &mut [i32],
) {
    for (token, x) in x.chunks_exact(columns).enumerate() {
        let (blocks, _) = x.as_chunks::<BLOCK>();
        for (block, x) in blocks.iter().enumerate() {
            let slot = block * width + token;
            let (rounded, scale) = round_block(x);
            if let (Some(bytes), Some(to), Some(sums)) = (
                bytes.get_mut(slot * BLOCK..(slot + 1) * BLOCK),
                scales.get_mut(slot),
                sums.get_mut(slot * 2..slot * 2 + 2),
            ) {
                bytes.copy_from_slice(&rounded);
                *to = scale;
                for (sum, half) in sums.iter_mut().zip(rounded.chunks_exact(BLOCK / 2)) {
                    *sum = half.iter().map(|&byte| i32::from(byte)).sum();
                }
            }
        }
    }
}

/// Bytes from -127 to 127, and their scale; what is not finite becomes zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn round_block(x: &[f32; BLOCK]) -> ([i8; BLOCK], f32) {
    let mut most = [0.0_f32; 8];
    for x in x.as_chunks::<8>().0 {
        for (most, x) in most.iter_mut().zip(x) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    let most = most.into_iter().fold(0.0, f32::max);
    let scale = most / 127.0;
    let inverse = if most > 0.0 && most.is_finite() { 127.0 / most } else { 0.0 };
    let mut rounded = [0; BLOCK];
    for (rounded, x) in rounded.iter_mut().zip(x) {
        // Adding 1.5 * 2^23 rounds to the next whole number, ties to even, which is then in the lowest bits.
        let whole = (x * inverse).clamp(-127.0, 127.0) + 12_582_912.0;
        let whole = if x.is_finite() { whole.to_bits() } else { 0 };
        *rounded = whole.to_le_bytes()[0].cast_signed();
    }
    (rounded, if scale.is_finite() { scale } else { 0.0 })
}
