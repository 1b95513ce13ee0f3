//! Products of one tile of rows with rounded activations.
//!
//! For few tokens weights are unpacked in registers, where reading them from memory is what takes the time. For many a
//! tile is unpacked once into bytes that stay in the cache, and then multiplied with all tokens.
#![expect(unsafe_code, reason = "processor instructions, and pointers into a tile")]
#![expect(
    clippy::inline_always,
    reason = "else a function is compiled without its caller's features"
)]

use std::marker::PhantomData;

use super::activations::Bytes;
use super::format::Format;
use super::simd::{Isa, Simd, Work};
use super::{BLOCK, GROUP, ROWS};
use crate::llm::exp::exp;

/// Up to so many tokens are few.
pub(super) const FEW: usize = 4;

/// Most vectors of rows that a tile has.
pub(super) const VECTORS: usize = 8;
/// How many of them are computed at a time: what registers hold.
const AT_ONCE: usize = 4;

/// How far ahead of the reading memory is asked for, in bytes.
const AHEAD: usize = 2_048;

/// Results of a tile: `[tokens, 32]`.
pub(super) type Out = [[f32; ROWS]];

/// A tile unpacked: bytes `[blocks, 8, 32, 4]`, scales `[blocks, SCALES, 32]`, minima `[blocks, 32]`.
#[derive(Default)]
pub(super) struct Unpacked {
    bytes: Vec<u8>,
    scales: Vec<f32>,
    minima: Vec<f32>,
}

/// What a tile of the format `F` is multiplied by.
///
/// `tile` holds all units of the tile, of as many blocks as `x` has; `out` has a place for each token.
pub(super) fn multiply<F: Format>(
    isa: Isa,
    tile: &[u8],
    x: &Bytes,
    scratch: &mut Unpacked,
    out: &mut Out,
) {
    let n_units = x.n_blocks / F::BLOCKS;
    assert!(
        x.n_blocks.is_multiple_of(F::BLOCKS)
            && tile.len() == n_units * (F::HEADER + F::BLOCKS * F::BYTES)
            && out.len() >= x.t,
        "a tile and what it is multiplied by have one number of columns"
    );
    // SAFETY: the processor has the instruction set, or there would be no such `isa`; lengths are checked above.
    unsafe { isa.run(Multiply::<F> { tile, x, scratch, out, format: PhantomData }) }
}

/// The work of [`multiply`].
struct Multiply<'a, F> {
    tile: &'a [u8],
    x: &'a Bytes,
    scratch: &'a mut Unpacked,
    out: &'a mut Out,
    format: PhantomData<F>,
}

impl<F: Format> Work for Multiply<'_, F> {
    type Result = ();

    #[inline(always)]
    unsafe fn with<S: Simd>(self) {
        let Self { tile, x, scratch, out, .. } = self;
        // SAFETY: that of `multiply`.
        unsafe {
            match x.t {
                0 => {}
                1 => few::<F, S, 1>(tile, x, out),
                2 => few::<F, S, 2>(tile, x, out),
                3 => few::<F, S, 3>(tile, x, out),
                FEW => few::<F, S, FEW>(tile, x, out),
                _ => {
                    unpack::<F, S>(tile, x.n_blocks, scratch);
                    all::<F, S>(scratch, x, out);
                }
            }
        }
    }
}

/// All tokens with an unpacked tile, as many at a time as there are registers for their sums.
#[inline(always)]
unsafe fn all<F: Format, S: Simd>(tile: &Unpacked, x: &Bytes, out: &mut Out) {
    for group in 0..x.t.div_ceil(GROUP) {
        let n_tokens = x.width.min(x.t - group * GROUP);
        let mut first = 0;
        while first < n_tokens {
            let out = &mut out[group * GROUP + first..];
            // SAFETY: that of `multiply`: so many tokens are left.
            first += unsafe {
                match n_tokens - first {
                    8.. if S::TOKENS >= 8 => many::<F, S, 8>(tile, x, group, first, out),
                    4.. if S::TOKENS >= 4 => many::<F, S, 4>(tile, x, group, first, out),
                    2.. => many::<F, S, 2>(tile, x, group, first, out),
                    _ => many::<F, S, 1>(tile, x, group, first, out),
                }
            };
        }
    }
}

/// Makes `silu(gate) * up` of `gate`.
pub(super) fn gate(isa: Isa, gate: &mut Out, up: &Out) {
    // SAFETY: the processor has the instruction set, or there would be no such `isa`.
    unsafe { isa.run(Gate { gate, up }) }
}

/// The work of [`gate`].
struct Gate<'a> {
    gate: &'a mut Out,
    up: &'a Out,
}

impl Work for Gate<'_> {
    type Result = ();

    #[inline(always)]
    unsafe fn with<S: Simd>(self) {
        for (gate, up) in self.gate.iter_mut().zip(self.up) {
            for (gate, up) in gate.iter_mut().zip(up) {
                // The logistic function by an exponent that is not above zero.
                let small = exp(-gate.abs(), S::FUSED);
                let share = if *gate < 0.0 { small } else { 1.0 };
                *gate *= share / (1.0 + small) * up;
            }
        }
    }
}

/// The row `at` of a tile, `[columns]`.
pub(super) fn row<F: Format>(
    isa: Isa,
    tile: &[u8],
    at: usize,
    scratch: &mut Unpacked,
    to: &mut [f32],
) {
    let n_blocks = to.len() / BLOCK;
    assert_eq!(
        tile.len(),
        n_blocks / F::BLOCKS * (F::HEADER + F::BLOCKS * F::BYTES),
        "a whole tile"
    );
    // SAFETY: as in `multiply`.
    unsafe { isa.run(Unpack::<F> { tile, n_blocks, to: scratch, format: PhantomData }) };
    let (blocks, _) = to.as_chunks_mut::<BLOCK>();
    for (block, to) in blocks.iter_mut().enumerate() {
        let minimum = if F::HAS_MINIMUM { scratch.minima[block * ROWS + at] } else { 0.0 };
        for (column, to) in to.iter_mut().enumerate() {
            let half = column * F::SCALES / BLOCK;
            let scale = scratch.scales[(block * F::SCALES + half) * ROWS + at];
            let byte = scratch.bytes[((block * 8 + column / 4) * ROWS + at) * 4 + column % 4];
            #[expect(clippy::cast_precision_loss, reason = "below 256")]
            let weight = (i32::from(byte) - F::OFFSET) as f32;
            *to = scale * weight - minimum;
        }
    }
}

/// The work of [`unpack`].
struct Unpack<'a, F> {
    tile: &'a [u8],
    n_blocks: usize,
    to: &'a mut Unpacked,
    format: PhantomData<F>,
}

impl<F: Format> Work for Unpack<'_, F> {
    type Result = ();

    #[inline(always)]
    unsafe fn with<S: Simd>(self) {
        // SAFETY: that of `row`.
        unsafe { unpack::<F, S>(self.tile, self.n_blocks, self.to) }
    }
}

/// `M` tokens, all there are, straight from the packed tile.
#[inline(always)]
unsafe fn few<F: Format, S: Simd, const M: usize>(tile: &[u8], x: &Bytes, out: &mut Out) {
    // SAFETY: every pointer stays within the tile or the activations, whose lengths `multiply` has compared.
    unsafe {
        let mut sums = [[S::splat_f32(0.0); VECTORS]; M];
        let mut at = tile.as_ptr();
        for unit in 0..x.n_blocks / F::BLOCKS {
            let header = at;
            at = at.add(F::HEADER);
            for block in unit * F::BLOCKS..(unit + 1) * F::BLOCKS {
                for line in 0..F::BYTES / 64 {
                    S::prefetch(at.wrapping_add(AHEAD + line * 64));
                }
                let slot = block * M;
                for half in 0..F::SCALES {
                    for first in (0..S::PER_GROUP).step_by(AT_ONCE) {
                        let n = AT_ONCE.min(S::PER_GROUP);
                        let mut dots = [[S::splat(0); AT_ONCE]; M];
                        for (token, dots) in dots.iter_mut().enumerate() {
                            dots[..n].fill(S::splat(start::<F, S>(x, slot + token, half)));
                        }
                        for group in half * 8 / F::SCALES..(half + 1) * 8 / F::SCALES {
                            for index in 0..n {
                                let weights = F::bytes::<S>(at, group, first + index);
                                for (token, dots) in dots.iter_mut().enumerate() {
                                    let place = (slot + token) * BLOCK + group * 4;
                                    let four = S::broadcast(x.numbers.as_ptr().add(place));
                                    dots[index] = F::dot::<S>(dots[index], weights, four);
                                }
                            }
                        }
                        for index in 0..n {
                            let scales = F::scales::<S>(header, at, half, first + index);
                            for (token, sums) in sums.iter_mut().enumerate() {
                                let own = S::splat_f32(*x.scales.as_ptr().add(slot + token));
                                let dot = S::to_f32(dots[token][index]);
                                let sum = &mut sums[first + index];
                                *sum = S::mul_add(dot, S::mul(scales, own), *sum);
                            }
                        }
                    }
                }
                if F::HAS_MINIMUM {
                    for index in 0..S::PER_GROUP {
                        let minima = F::minima::<S>(header, at, index);
                        for (token, sums) in sums.iter_mut().enumerate() {
                            let whole = S::splat_f32(scaled_sum(x, slot + token));
                            sums[index] = S::mul_sub(minima, whole, sums[index]);
                        }
                    }
                }
                at = at.add(F::BYTES);
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (index, sum) in sums.into_iter().enumerate().take(S::PER_GROUP) {
                S::store_f32(out.as_mut_ptr().add(index * S::LANES), sum);
            }
        }
    }
}

/// What the sums of a slot's products begin with, so that bytes less [`Format::OFFSET`] are multiplied; of the half
/// `half` where halves have scales of their own.
#[inline(always)]
unsafe fn start<F: Format, S: Simd>(x: &Bytes, slot: usize, half: usize) -> i32 {
    let rest = F::OFFSET - if F::WIDE { S::LESS } else { 0 };
    if rest == 0 {
        return 0;
    }
    // SAFETY: `slot` is below the number of slots.
    let sum = unsafe {
        let sums = x.sums.as_ptr().add(slot * 2);
        if F::SCALES == 2 { *sums.add(half) } else { *sums + *sums.add(1) }
    };
    -rest * sum
}

/// The sum of what a slot's bytes stand for.
#[inline(always)]
unsafe fn scaled_sum(x: &Bytes, slot: usize) -> f32 {
    // SAFETY: `slot` is below the number of slots.
    unsafe {
        let sums = x.sums.as_ptr().add(slot * 2);
        #[expect(clippy::cast_precision_loss, reason = "at most 32 * 127")]
        let sum = (*sums + *sums.add(1)) as f32;
        sum * *x.scales.as_ptr().add(slot)
    }
}

/// Unpacks a tile.
#[inline(always)]
unsafe fn unpack<F: Format, S: Simd>(tile: &[u8], n_blocks: usize, to: &mut Unpacked) {
    to.bytes.resize(n_blocks * ROWS * BLOCK, 0);
    to.scales.resize(n_blocks * ROWS * F::SCALES, 0.0);
    to.minima.resize(if F::HAS_MINIMUM { n_blocks * ROWS } else { 0 }, 0.0);
    // SAFETY: lengths are those that were just set.
    unsafe {
        let mut at = tile.as_ptr();
        for unit in 0..n_blocks / F::BLOCKS {
            let header = at;
            at = at.add(F::HEADER);
            for block in unit * F::BLOCKS..(unit + 1) * F::BLOCKS {
                let bytes = to.bytes.as_mut_ptr().add(block * ROWS * BLOCK);
                for group in 0..8 {
                    for index in 0..S::PER_GROUP {
                        let place = (group * S::PER_GROUP + index) * S::LANES * 4;
                        S::store(bytes.add(place), F::bytes::<S>(at, group, index));
                    }
                }
                for index in 0..S::PER_GROUP {
                    for half in 0..F::SCALES {
                        let place = (block * F::SCALES + half) * ROWS + index * S::LANES;
                        let scales = F::scales::<S>(header, at, half, index);
                        S::store_f32(to.scales.as_mut_ptr().add(place), scales);
                    }
                    if F::HAS_MINIMUM {
                        let place = block * ROWS + index * S::LANES;
                        let minima = F::minima::<S>(header, at, index);
                        S::store_f32(to.minima.as_mut_ptr().add(place), minima);
                    }
                }
                at = at.add(F::BYTES);
            }
        }
    }
}

/// `M` tokens of the group `group` from the token `first` on, with an unpacked tile; returns `M`.
#[inline(always)]
unsafe fn many<F: Format, S: Simd, const M: usize>(
    tile: &Unpacked,
    x: &Bytes,
    group: usize,
    first: usize,
    out: &mut Out,
) -> usize {
    // SAFETY: `unpack` has made the tile of as many blocks as `x` has; the group has `first + M` tokens.
    unsafe {
        // More sums than registers: they stay in the nearest cache.
        let mut sums = [[0.0_f32; ROWS]; M];
        for block in 0..x.n_blocks {
            let slot = (group * x.n_blocks + block) * x.width + first;
            for half in 0..F::SCALES {
                for vectors in (0..S::PER_GROUP).step_by(AT_ONCE) {
                    add_half::<F, S, M>(tile, x, (block, half), slot, vectors, &mut sums);
                }
            }
            if F::HAS_MINIMUM {
                for index in 0..S::PER_GROUP {
                    let place = index * S::LANES;
                    let minima = S::load_f32(tile.minima.as_ptr().add(block * ROWS + place));
                    for (token, sums) in sums.iter_mut().enumerate() {
                        let whole = S::splat_f32(scaled_sum(x, slot + token));
                        let sum = sums.as_mut_ptr().add(place);
                        S::store_f32(sum, S::mul_sub(minima, whole, S::load_f32(sum)));
                    }
                }
            }
        }
        out[..M].copy_from_slice(&sums);
    }
    M
}

/// Adds the products of a block, or half of one, for some vectors of rows: those from `first` on.
#[inline(always)]
unsafe fn add_half<F: Format, S: Simd, const M: usize>(
    tile: &Unpacked,
    x: &Bytes,
    (block, half): (usize, usize),
    slot: usize,
    first: usize,
    sums: &mut [[f32; ROWS]; M],
) {
    let n = AT_ONCE.min(S::PER_GROUP);
    // SAFETY: that of `many`.
    unsafe {
        let weights = tile.bytes.as_ptr().add(block * ROWS * BLOCK);
        let mut dots = [[S::splat(0); AT_ONCE]; M];
        for (token, dots) in dots.iter_mut().enumerate() {
            dots[..n].fill(S::splat(start::<F, S>(x, slot + token, half)));
        }
        for group in half * 8 / F::SCALES..(half + 1) * 8 / F::SCALES {
            let mut rows = [S::splat(0); AT_ONCE];
            for (index, rows) in rows.iter_mut().enumerate().take(n) {
                let place = (group * S::PER_GROUP + first + index) * S::LANES * 4;
                *rows = S::load(weights.add(place));
            }
            for (token, dots) in dots.iter_mut().enumerate() {
                let place = (slot + token) * BLOCK + group * 4;
                let four = S::broadcast(x.numbers.as_ptr().add(place));
                for (dot, rows) in dots.iter_mut().zip(rows).take(n) {
                    *dot = F::dot::<S>(*dot, rows, four);
                }
            }
        }
        for index in 0..n {
            let place = (first + index) * S::LANES;
            let scales = (block * F::SCALES + half) * ROWS + place;
            let scales = S::load_f32(tile.scales.as_ptr().add(scales));
            for (token, (sums, dots)) in sums.iter_mut().zip(dots).enumerate() {
                let own = S::splat_f32(*x.scales.as_ptr().add(slot + token));
                let sum = sums.as_mut_ptr().add(place);
                let dot = S::to_f32(dots[index]);
                S::store_f32(sum, S::mul_add(dot, S::mul(scales, own), S::load_f32(sum)));
            }
        }
    }
}
