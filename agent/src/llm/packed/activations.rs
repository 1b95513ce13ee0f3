//! What a matrix is multiplied with, rounded.
//!
//! # Source
//! Rounding to bytes by blocks of 32: `quantize_row_q8_0`, <https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c>

#![expect(
    unsafe_code,
    reason = "functions for processors that are known to have their instructions, and several threads that write"
)]
#![expect(
    clippy::inline_always,
    reason = "else a function is compiled without its caller's features"
)]

#[cfg(target_arch = "x86_64")]
use super::amx::{self, Halves};
use super::simd::{Isa, Simd, Work};
use super::{BLOCK, GROUP};
use crate::llm::pool::Pool;

/// What activations are rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// Bytes with a scale for each block: for matrices of bytes and less.
    Bytes,
    /// 16-bit floats: for the matrix unit.
    #[cfg(target_arch = "x86_64")]
    Halves,
    /// As they are: for matrices of floats.
    Floats,
}

/// Vectors of some tokens, each `[columns]`.
pub(super) enum Activations {
    Bytes(Bytes),
    #[cfg(target_arch = "x86_64")]
    Halves(Halves),
    Floats(Floats),
}

/// `t` tokens by blocks of 32 columns: `x ≈ scale * bytes`.
///
/// Tokens lie in groups of `width`, 16 or all there are if fewer; the last group is filled up with zeros. In a group a
/// block's bytes of all its tokens follow each other, so that their distance is the same for every matrix.
pub(super) struct Bytes {
    /// Number of tokens.
    pub(super) t: usize,
    /// Tokens of a group.
    pub(super) width: usize,
    /// Blocks of a token.
    pub(super) n_blocks: usize,
    /// `[groups, blocks, width, 32]`.
    pub(super) numbers: Vec<i8>,
    /// `[groups, blocks, width]`.
    pub(super) scales: Vec<f32>,
    /// Sums of the bytes of each half block: `[groups, blocks, width, 2]`.
    pub(super) sums: Vec<i32>,
}

/// `t` tokens as they are.
pub(super) struct Floats {
    /// Number of tokens.
    pub(super) t: usize,
    /// Blocks of a token.
    pub(super) n_blocks: usize,
    /// `[t, blocks, 32]`.
    pub(super) numbers: Vec<f32>,
}

/// From so many tokens on other threads help.
const MANY: usize = 8;

impl Activations {
    /// Rounds `x`, `[t, columns]`, by `isa`; `columns` is a multiple of 32.
    pub(super) fn round(
        x: &[f32],
        columns: usize,
        precision: Precision,
        isa: Isa,
        pool: &Pool,
    ) -> Self {
        let t = x.len() / columns;
        let rounding = Rounding::new(t, columns, precision, isa);
        let round = |group: usize| {
            let tokens = x.chunks_exact(columns).enumerate().skip(group * GROUP).take(GROUP);
            for (token, x) in tokens {
                for (block, x) in x.as_chunks::<BLOCK>().0.iter().enumerate() {
                    rounding.put_block(token, block, x);
                }
            }
        };
        if t < MANY {
            (0..t.div_ceil(GROUP)).for_each(round);
        } else {
            pool.run(t.div_ceil(GROUP), &round);
        }
        rounding.done()
    }

    /// Number of tokens.
    pub(super) fn t(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.t,
            #[cfg(target_arch = "x86_64")]
            Self::Halves(halves) => halves.t,
            Self::Floats(floats) => floats.t,
        }
    }

    /// How many tokens a product needs room for: whole groups.
    pub(super) fn room(&self) -> usize {
        self.t().next_multiple_of(GROUP)
    }
}

impl Bytes {
    /// `t` tokens, all zero.
    fn new(t: usize, n_blocks: usize) -> Self {
        let width = t.min(GROUP);
        let n_slots = t.div_ceil(width.max(1)) * width * n_blocks;
        Self {
            t,
            width,
            n_blocks,
            numbers: vec![0; n_slots * BLOCK],
            scales: vec![0.0; n_slots],
            sums: vec![0; n_slots * 2],
        }
    }
}

/// Activations that several threads make.
pub(super) struct Rounding {
    activations: Activations,
    places: Places,
    t: usize,
    n_blocks: usize,
    isa: Isa,
}

/// Where blocks of tokens go.
enum Places {
    Bytes {
        width: usize,
        bytes: *mut [i8; BLOCK],
        scales: *mut f32,
        sums: *mut [i32; 2],
    },
    #[cfg(target_arch = "x86_64")]
    Halves(*mut [u16; BLOCK]),
    Floats(*mut [f32; BLOCK]),
}

// SAFETY: threads write different blocks, and nobody reads before all have.
unsafe impl Sync for Rounding {}

impl Rounding {
    /// For `t` tokens of `columns`, all zero; `isa` rounds.
    pub(super) fn new(t: usize, columns: usize, precision: Precision, isa: Isa) -> Self {
        let n_blocks = columns / BLOCK;
        let (activations, places) = match precision {
            Precision::Bytes => {
                let mut made = Bytes::new(t, n_blocks);
                let bytes = made.numbers.as_mut_ptr().cast();
                let (scales, sums) = (made.scales.as_mut_ptr(), made.sums.as_mut_ptr().cast());
                let places = Places::Bytes { width: made.width, bytes, scales, sums };
                (Activations::Bytes(made), places)
            }
            #[cfg(target_arch = "x86_64")]
            Precision::Halves => {
                let mut made = Halves::new(t, n_blocks);
                let places = Places::Halves(made.numbers.as_mut_ptr().cast());
                (Activations::Halves(made), places)
            }
            Precision::Floats => {
                let mut made = Floats { t, n_blocks, numbers: vec![0.0; t * n_blocks * BLOCK] };
                let places = Places::Floats(made.numbers.as_mut_ptr().cast());
                (Activations::Floats(made), places)
            }
        };
        Self { activations, places, t, n_blocks, isa }
    }

    /// Blocks of a token.
    pub(super) fn n_blocks(&self) -> usize {
        self.n_blocks
    }

    /// Rounds the block `block` of all tokens, `[t, 32]`.
    pub(super) fn put(&self, block: usize, x: &[[f32; BLOCK]]) {
        for (token, x) in x.iter().enumerate() {
            self.put_block(token, block, x);
        }
    }

    /// Rounds a block of a token; one thread for each.
    #[inline]
    fn put_block(&self, token: usize, block: usize, x: &[f32; BLOCK]) {
        let Self { t, n_blocks, isa, .. } = *self;
        assert!(token < t && block < n_blocks, "a block that there is");
        let slot = |width: usize| (token / width * n_blocks + block) * width + token % width;
        // SAFETY: the processor has the instructions, or there would be no such `isa`, and there are no halves without
        // the matrix unit; the slot is one of those that `new` made.
        unsafe {
            match self.places {
                Places::Bytes { width, bytes, scales, sums } => {
                    let rounded = isa.run(RoundBlock(x));
                    bytes.add(slot(width)).write(rounded.0);
                    scales.add(slot(width)).write(rounded.1);
                    sums.add(slot(width)).write(rounded.2);
                }
                #[cfg(target_arch = "x86_64")]
                Places::Halves(numbers) => numbers.add(slot(GROUP)).write(amx::rounded(x)),
                Places::Floats(numbers) => numbers.add(token * n_blocks + block).write(*x),
            }
        }
    }

    /// What was rounded.
    pub(super) fn done(self) -> Activations {
        self.activations
    }
}

/// Bytes from -127 to 127, their scale, and the sums of both halves; what is not finite becomes zero.
struct RoundBlock<'a>(&'a [f32; BLOCK]);

impl Work for RoundBlock<'_> {
    type Result = ([i8; BLOCK], f32, [i32; 2]);

    #[inline(always)]
    unsafe fn with<S: Simd>(self) -> Self::Result {
        let mut most = [0.0_f32; 8];
        for x in self.0.as_chunks::<8>().0 {
            for (most, x) in most.iter_mut().zip(x) {
                *most = if x.abs() > *most { x.abs() } else { *most };
            }
        }
        let most = most.into_iter().fold(0.0, f32::max);
        let scale = most / 127.0;
        let inverse = if most > 0.0 && most.is_finite() { 127.0 / most } else { 0.0 };
        let mut rounded = [0; BLOCK];
        for (rounded, x) in rounded.iter_mut().zip(self.0) {
            // Adding 1.5 * 2^23 rounds to the next whole number, ties to even, which is then in the lowest bits.
            let whole = (x * inverse).clamp(-127.0, 127.0) + 12_582_912.0;
            let whole = if x.is_finite() { whole.to_bits() } else { 0 };
            *rounded = whole.to_le_bytes()[0].cast_signed();
        }
        let (first, second) = rounded.split_at(BLOCK / 2);
        let sums = [first, second].map(|half| half.iter().map(|&byte| i32::from(byte)).sum());
        (rounded, if scale.is_finite() { scale } else { 0.0 }, sums)
    }
}
