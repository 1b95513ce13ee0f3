//! Products of prompts by the matrix unit of Intel's servers, AMX, in 16-bit floats.
//!
//! The unit multiplies bytes no quicker where each block of 32 has a scale of its own: sums of a block cannot stay in its
//! registers, and moving and scaling them takes two thirds of the time. So weights become 16-bit floats with their scales
//! in them, once for all tokens, and sums stay where they are made until the last column.
#![expect(unsafe_code, reason = "processor instructions, and pointers into a tile")]

use std::arch::x86_64::{
    __m512, __m512i, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_fmadd_ps, _mm512_fnmsub_ps,
    _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_srli_epi32,
    _mm512_storeu_si512,
};
use std::ops::Range;

use super::floats::{self, Float};
use super::format::Format;
use super::product::Out;
use super::simd::Avx512;
use super::{BLOCK, GROUP, ROWS};
use crate::llm::amx::{self, REGISTER};

/// Blocks that are multiplied at a time, whole units of every format: 32 KiB of a tile as 16-bit floats.
pub(super) const SLICE: usize = 16;

/// `t` tokens as 16-bit floats with the exponent of 32-bit ones.
pub(super) struct Halves {
    /// Number of tokens.
    pub(super) t: usize,
    /// Blocks of a token.
    pub(super) n_blocks: usize,
    /// `[groups, blocks, 16, 32]`, filled up with zeros.
    pub(super) numbers: Vec<u16>,
}

impl Halves {
    /// `t` tokens, all zero.
    pub(super) fn new(t: usize, n_blocks: usize) -> Self {
        Self { t, n_blocks, numbers: vec![0; t.div_ceil(GROUP) * GROUP * n_blocks * BLOCK] }
    }

    /// Number of groups of 16 tokens.
    pub(super) fn n_groups(&self) -> usize {
        self.t.div_ceil(GROUP)
    }

    /// The blocks of a group, `[blocks, 16, 32]`.
    pub(super) fn group(&self, group: usize) -> &[u16] {
        let len = self.n_blocks * GROUP * BLOCK;
        self.numbers.get(group * len..(group + 1) * len).unwrap_or_default()
    }
}

/// Some blocks of a tile as 16-bit floats, `[blocks, 2, 16, 16, 2]`: of each block and half of the rows, pairs of columns,
/// rows, columns of the pair.
#[derive(Default)]
pub(super) struct Unpacked(Vec<u16>);

/// Makes 16-bit floats of some blocks of a tile, as [`Unpacked`] has them.
///
/// # Safety
/// The unit [is there](is_there), and the tile has these blocks, whole units.
pub(super) type Unpack = unsafe fn(&[u8], &Range<usize>, &mut Vec<u16>);

/// Adds to `out`, which has a place for each token of `x`'s groups, what `blocks` of a tile give; the first of them do
/// not add but write.
///
/// The tile's blocks stay in the nearest cache while all tokens pass.
///
/// # Safety
/// The unit [is there](is_there); the tile has as many blocks as `x`, and `blocks` are whole units of it.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply(
    unpack: Unpack,
    tile: &[u8],
    x: &Halves,
    blocks: Range<usize>,
    scratch: &mut Unpacked,
    out: &mut Out,
) {
    /// Bytes from one token's sums to the next's.
    const LINE: usize = 4 * ROWS;
    assert!(out.len() >= x.n_groups() * GROUP, "a place for each token");
    // SAFETY: that of this function; there is room for whole groups.
    unsafe {
        unpack(tile, &blocks, &mut scratch.0);
        amx::begin();
        for first in (0..x.n_groups()).step_by(2) {
            let second = (first + 1).min(x.n_groups() - 1);
            let places =
                [first, second].map(|group| out.as_mut_ptr().add(group * GROUP).cast::<f32>());
            let groups =
                [first, second].map(|group| x.group(group).as_ptr().add(blocks.start * REGISTER));
            if blocks.start == 0 {
                amx::zero();
            } else {
                amx::load(places, LINE);
            }
            for block in 0..blocks.len() {
                let tokens = groups.map(|group| group.add(block * REGISTER));
                amx::multiply(tokens, 64, scratch.0.as_ptr().add(block * 2 * REGISTER));
            }
            amx::store(places, LINE);
        }
        amx::end();
    }
}

/// [`Unpack`] of a format.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512bf16,avx512vnni")]
pub(super) unsafe fn unpack<F: Format>(tile: &[u8], blocks: &Range<usize>, to: &mut Vec<u16>) {
    to.resize(blocks.len() * ROWS * BLOCK, 0);
    let offset = _mm512_set1_ps(small(F::OFFSET));
    // SAFETY: `multiply` has a tile with these blocks; `to` was just made as long.
    unsafe {
        let mut at =
            tile.as_ptr().add(blocks.start / F::BLOCKS * (F::HEADER + F::BLOCKS * F::BYTES));
        let mut to = to.as_mut_ptr();
        for _ in 0..blocks.len() / F::BLOCKS {
            let header = at;
            at = at.add(F::HEADER);
            for _ in 0..F::BLOCKS {
                for rows in 0..2 {
                    for half in 0..F::SCALES {
                        let scale = F::scales::<Avx512>(header, at, half, rows);
                        // weight = scale * byte + added
                        let added = if F::HAS_MINIMUM {
                            let minimum = F::minima::<Avx512>(header, at, rows);
                            _mm512_fnmsub_ps(scale, offset, minimum)
                        } else {
                            _mm512_mul_ps(scale, _mm512_set1_ps(-small(F::OFFSET)))
                        };
                        for group in half * 8 / F::SCALES..(half + 1) * 8 / F::SCALES {
                            let bytes = F::bytes::<Avx512>(at, group, rows);
                            let pairs = to.add(group * 2 * 32);
                            let [first, second] =
                                [pair::<0>(bytes, scale, added), pair::<16>(bytes, scale, added)];
                            _mm512_storeu_si512(pairs.cast(), first);
                            _mm512_storeu_si512(pairs.add(32).cast(), second);
                        }
                    }
                    to = to.add(REGISTER);
                }
                at = at.add(F::BYTES);
            }
        }
    }
}

/// [`Unpack`] of floats.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn unpack_floats<H: Float>(
    tile: &[u8],
    blocks: &Range<usize>,
    to: &mut Vec<u16>,
) {
    const COLUMN: usize = ROWS * floats::SIZE;
    to.resize(blocks.len() * ROWS * BLOCK, 0);
    // SAFETY: the tile has these blocks; `to` was just made as long.
    unsafe {
        let mut to = to.as_mut_ptr();
        for block in blocks.clone() {
            for rows in 0..2 {
                for pair in 0..BLOCK / 2 {
                    let at = (block * BLOCK + 2 * pair) * COLUMN + rows * COLUMN / 2;
                    let at = tile.as_ptr().add(at);
                    let columns = [H::load::<Avx512>(at), H::load::<Avx512>(at.add(COLUMN))];
                    _mm512_storeu_si512(to.cast(), amx::pairs(columns));
                    to = to.add(2 * 16);
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 128")]
const fn small(number: i32) -> f32 {
    number as f32
}

/// Of 16 rows of four bytes, the two at the bit `AT` as weights, row by row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pair<const AT: u32>(bytes: __m512i, scale: __m512, added: __m512) -> __m512i {
    let mask = _mm512_set1_epi32(0xFF);
    let first = _mm512_and_si512(_mm512_srli_epi32::<AT>(bytes), mask);
    let second = match AT {
        0 => _mm512_and_si512(_mm512_srli_epi32::<8>(bytes), mask),
        _ => _mm512_srli_epi32::<24>(bytes),
    };
    let weights = |bytes| _mm512_fmadd_ps(_mm512_cvtepi32_ps(bytes), scale, added);
    amx::pairs([weights(first), weights(second)])
}

/// The nearest 16-bit floats.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn rounded(x: &[f32; BLOCK]) -> [u16; BLOCK] {
    // SAFETY: twice 16 numbers are read; 512 bits are 32 numbers of 16.
    unsafe {
        let vectors = [_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(x.as_ptr().add(BLOCK / 2))];
        std::mem::transmute(amx::halves(vectors))
    }
}
