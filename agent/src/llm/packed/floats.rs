//! Matrices of 16-bit floats, multiplied in 32-bit floats.
//!
//! A tile is `[columns, 32]`: of each column the numbers of all its rows, so that one instruction widens those of 16 rows
//! and another multiplies them with one activation. Nothing is rounded but the sums.
#![expect(unsafe_code, reason = "processor instructions, and pointers into a tile")]
#![expect(
    clippy::inline_always,
    reason = "else a function is compiled without its caller's features"
)]

use std::marker::PhantomData;

use half::{bf16, f16};

use super::activations::Floats;
use super::product::{Out, VECTORS};
use super::simd::{Isa, Simd, Work};
use super::{BLOCK, ROWS};

/// Bytes of a number.
pub(super) const SIZE: usize = 2;

/// A type of stored floats.
pub(super) trait Float {
    /// A vector of them.
    ///
    /// # Safety
    /// That of [`Simd`].
    unsafe fn load<S: Simd>(from: *const u8) -> S::Float;
    /// One.
    fn one(stored: [u8; SIZE]) -> f32;
}

/// Half floats.
pub(super) struct F16;

impl Float for F16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const u8) -> S::Float {
        // SAFETY: that of the trait.
        unsafe { S::load_f16(from) }
    }
    fn one(stored: [u8; SIZE]) -> f32 {
        f16::from_le_bytes(stored).to_f32()
    }
}

/// The upper halves of 32-bit floats.
pub(super) struct Bf16;

impl Float for Bf16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const u8) -> S::Float {
        // SAFETY: that of the trait.
        unsafe { S::load_bf16(from) }
    }
    fn one(stored: [u8; SIZE]) -> f32 {
        bf16::from_le_bytes(stored).to_f32()
    }
}

/// Rearranges rows, `[rows, columns]`, into a tile.
pub(super) fn pack(stored: &[u8], tile: &mut [u8], columns: usize) {
    for (row, stored) in stored.chunks_exact(columns * SIZE).enumerate() {
        let places = tile.as_chunks_mut::<SIZE>().0.iter_mut().skip(row).step_by(ROWS);
        for (place, number) in places.zip(stored.as_chunks::<SIZE>().0) {
            *place = *number;
        }
    }
}

/// The row `at` of a tile, `[columns]`.
pub(super) fn row<H: Float>(tile: &[u8], at: usize, to: &mut [f32]) {
    let numbers = tile.as_chunks::<SIZE>().0.iter().skip(at).step_by(ROWS);
    for (to, number) in to.iter_mut().zip(numbers) {
        *to = H::one(*number);
    }
}

/// What a tile is multiplied by; `out` has a place for each token.
pub(super) fn multiply<H: Float>(isa: Isa, tile: &[u8], x: &Floats, out: &mut Out) {
    assert!(
        tile.len() == x.n_blocks * BLOCK * ROWS * SIZE && out.len() >= x.t,
        "a tile and what it is multiplied by have one number of columns"
    );
    // SAFETY: the processor has the instruction set, or there would be no such `isa`; lengths are checked above.
    unsafe { isa.run(Multiply::<H> { tile, x, out, float: PhantomData }) }
}

/// The work of [`multiply`].
struct Multiply<'a, H> {
    tile: &'a [u8],
    x: &'a Floats,
    out: &'a mut Out,
    float: PhantomData<H>,
}

impl<H: Float> Work for Multiply<'_, H> {
    type Result = ();

    /// All tokens, as many at a time as there are registers for their sums.
    #[inline(always)]
    unsafe fn with<S: Simd>(self) {
        let Self { tile, x, out, .. } = self;
        let mut first = 0;
        while first < x.t {
            let out = &mut out[first..];
            // SAFETY: that of `multiply`: so many tokens are left.
            first += unsafe {
                match x.t - first {
                    8.. if S::PER_GROUP <= 2 => some::<H, S, 8>(tile, x, first, out),
                    4.. if S::PER_GROUP <= 2 => some::<H, S, 4>(tile, x, first, out),
                    2.. => some::<H, S, 2>(tile, x, first, out),
                    _ => some::<H, S, 1>(tile, x, first, out),
                }
            };
        }
    }
}

/// `M` tokens from the token `first` on; returns `M`.
#[inline(always)]
unsafe fn some<H: Float, S: Simd, const M: usize>(
    tile: &[u8],
    x: &Floats,
    first: usize,
    out: &mut Out,
) -> usize {
    /// How far ahead of the reading memory is asked for, in bytes.
    const AHEAD: usize = 2_048;
    let columns = x.n_blocks * BLOCK;
    // SAFETY: every pointer stays within the tile or the activations, whose lengths `multiply` has compared.
    unsafe {
        let mut sums = [[S::splat_f32(0.0); VECTORS]; M];
        let x = x.numbers.as_ptr().add(first * columns);
        for column in 0..columns {
            let at = tile.as_ptr().add(column * ROWS * SIZE);
            S::prefetch(at.wrapping_add(AHEAD));
            let mut rows = [S::splat_f32(0.0); VECTORS];
            for (index, rows) in rows.iter_mut().enumerate().take(S::PER_GROUP) {
                *rows = H::load::<S>(at.add(index * S::LANES * SIZE));
            }
            for (token, sums) in sums.iter_mut().enumerate() {
                let own = S::splat_f32(*x.add(token * columns + column));
                for (sum, rows) in sums.iter_mut().zip(rows).take(S::PER_GROUP) {
                    *sum = S::mul_add(rows, own, *sum);
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (index, sum) in sums.into_iter().enumerate().take(S::PER_GROUP) {
                S::store_f32(out.as_mut_ptr().add(index * S::LANES), sum);
            }
        }
    }
    M
}
