//! How weights lie in memory: the same bits as in the file, in another order.
//!
//! A tile is 32 rows. Of each block of 32 columns it holds, for eight groups of four columns, the four bytes of each of
//! the 32 rows one after the other, so that one instruction multiplies four columns of 16 rows with four activations.
//! Weights below eight bits lie in planes: the low four bits of the groups g and g + 4 share a byte, and what is above
//! them follows. A unit is what has one header: a block, or the eight blocks of a K-quant.
//!
//! # Source
//! The formats of files: `block_q4_K` and the like, <https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h>
#![expect(unsafe_code, reason = "reads by pointer within a unit")]
#![expect(
    clippy::inline_always,
    reason = "else a function is compiled without its caller's features"
)]

use super::simd::Simd;
use super::{BLOCK, ROWS};

/// Bytes of a tile's half floats, one for each row.
const HALVES: usize = ROWS * 2;
/// Bytes of a block's low four bits.
const NIBBLES: usize = ROWS * BLOCK / 2;
/// Bytes of one plane of the bits above: one bit of each weight, or two of half of them.
const PLANE: usize = ROWS * 4;

/// A format of weights: `weight = scale * (byte - OFFSET) - minimum`.
///
/// # Safety
/// All reads stay within a unit of `HEADER + BLOCKS * BYTES` bytes.
pub(super) unsafe trait Format {
    /// Blocks of a unit.
    const BLOCKS: usize;
    /// Bytes before a unit's blocks.
    const HEADER: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// What zero is stored as.
    const ZERO: u8;
    /// As a number.
    const OFFSET: i32 = Self::ZERO as i32;
    /// Scales of a block: one, or one for each half.
    const SCALES: usize;
    /// Whether there is a minimum.
    const HAS_MINIMUM: bool;
    /// Whether bytes exceed 127.
    const WIDE: bool;

    /// A vector of the bytes of the column group `group`, the `index`-th of it.
    unsafe fn bytes<S: Simd>(block: *const u8, group: usize, index: usize) -> S::Int;
    /// A vector of scales of the half `half`, the `index`-th of the tile's rows.
    unsafe fn scales<S: Simd>(
        unit: *const u8,
        block: *const u8,
        half: usize,
        index: usize,
    ) -> S::Float;
    /// A vector of minima.
    unsafe fn minima<S: Simd>(unit: *const u8, _block: *const u8, _index: usize) -> S::Float {
        let _ = unit;
        // SAFETY: no memory is read.
        unsafe { S::splat_f32(0.0) }
    }
    /// [`Simd::dot`] for such bytes.
    #[inline(always)]
    unsafe fn dot<S: Simd>(sum: S::Int, a: S::Int, b: S::Int) -> S::Int {
        // SAFETY: no memory is read.
        unsafe { if Self::WIDE { S::dot::<true>(sum, a, b) } else { S::dot::<false>(sum, a, b) } }
    }
    /// Takes a row's unit of the file apart: its bytes as above, [`BLOCK`] for each block, and what goes into the
    /// header and before each block's bytes.
    fn take_apart(stored: &[u8], row: &mut RowUnit) -> Option<()>;
}

/// One row's share of a unit.
pub(super) struct RowUnit {
    /// Weights, each below 2 to the number of its bits.
    pub(super) bytes: [[u8; BLOCK]; 8],
    /// Half floats of the header.
    pub(super) header: [[u8; 2]; 2],
    /// Bytes before a block's weights.
    pub(super) before: [[u8; 2]; 8],
}

/// The low four bits of a column group.
#[inline(always)]
unsafe fn nibbles<S: Simd>(nibbles: *const u8, group: usize, index: usize) -> S::Int {
    // SAFETY: 4 * PLANE bytes are there; `group` is below 8, `index` below `PER_GROUP`.
    unsafe {
        let stored = S::load(nibbles.add(group % 4 * PLANE + index * S::LANES * 4));
        let stored = if group < 4 { stored } else { S::shift_right::<4>(stored) };
        S::and(stored, S::splat_byte(0x0F))
    }
}

/// The fifth bit of a column group, in its place.
#[inline(always)]
unsafe fn fifth<S: Simd>(plane: *const u8, group: usize, index: usize) -> S::Int {
    // SAFETY: PLANE bytes are there.
    unsafe {
        let bits = S::load(plane.add(index * S::LANES * 4));
        let bits = match group {
            0 => S::shift_left::<4>(bits),
            1 => S::shift_left::<3>(bits),
            2 => S::shift_left::<2>(bits),
            3 => S::shift_left::<1>(bits),
            4 => bits,
            5 => S::shift_right::<1>(bits),
            6 => S::shift_right::<2>(bits),
            _ => S::shift_right::<3>(bits),
        };
        S::and(bits, S::splat_byte(0x10))
    }
}

/// The fifth and sixth bit of a column group, in their places.
#[inline(always)]
unsafe fn fifth_and_sixth<S: Simd>(planes: *const u8, group: usize, index: usize) -> S::Int {
    // SAFETY: 2 * PLANE bytes are there.
    unsafe {
        let bits = S::load(planes.add(group / 4 * PLANE + index * S::LANES * 4));
        let bits = match group % 4 {
            0 => S::shift_left::<4>(bits),
            1 => S::shift_left::<2>(bits),
            2 => bits,
            _ => S::shift_right::<2>(bits),
        };
        S::and(bits, S::splat_byte(0x30))
    }
}

/// The half floats of a header.
#[inline(always)]
unsafe fn halves<S: Simd>(header: *const u8, index: usize) -> S::Float {
    // SAFETY: HALVES bytes are there; they need not be aligned.
    unsafe { S::load_f16(header.add(index * S::LANES * 2)) }
}

fn half_float(stored: &[u8], at: usize) -> Option<[u8; 2]> {
    stored.get(at..at + 2)?.try_into().ok()
}

/// Eight bits and a scale.
pub(super) struct Q8_0;

// SAFETY: see the constants.
unsafe impl Format for Q8_0 {
    const BLOCKS: usize = 1;
    const HEADER: usize = HALVES;
    const BYTES: usize = ROWS * BLOCK;
    const ZERO: u8 = 128;
    const SCALES: usize = 1;
    const HAS_MINIMUM: bool = false;
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn bytes<S: Simd>(block: *const u8, group: usize, index: usize) -> S::Int {
        // SAFETY: `BYTES` bytes are there.
        unsafe { S::load(block.add(group * PLANE + index * S::LANES * 4)) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(unit: *const u8, _: *const u8, _: usize, index: usize) -> S::Float {
        // SAFETY: the header is one set of half floats.
        unsafe { halves::<S>(unit, index) }
    }
    fn take_apart(stored: &[u8], row: &mut RowUnit) -> Option<()> {
        row.header[0] = half_float(stored, 0)?;
        let weights: &[u8; BLOCK] = stored.get(2..)?.try_into().ok()?;
        for (byte, weight) in row.bytes[0].iter_mut().zip(weights) {
            *byte = weight ^ 0x80;
        }
        Some(())
    }
}

/// Four bits and a scale.
pub(super) struct Q4_0;

// SAFETY: see the constants.
unsafe impl Format for Q4_0 {
    const BLOCKS: usize = 1;
    const HEADER: usize = HALVES;
    const BYTES: usize = NIBBLES;
    const ZERO: u8 = 8;
    const SCALES: usize = 1;
    const HAS_MINIMUM: bool = false;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn bytes<S: Simd>(block: *const u8, group: usize, index: usize) -> S::Int {
        // SAFETY: `BYTES` bytes are there.
        unsafe { nibbles::<S>(block, group, index) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(unit: *const u8, _: *const u8, _: usize, index: usize) -> S::Float {
        // SAFETY: the header is one set of half floats.
        unsafe { halves::<S>(unit, index) }
    }
    fn take_apart(stored: &[u8], row: &mut RowUnit) -> Option<()> {
        row.header[0] = half_float(stored, 0)?;
        let packed: &[u8; BLOCK / 2] = stored.get(2..)?.try_into().ok()?;
        row.bytes[0] = low_then_high(packed);
        Some(())
    }
}

/// The low four bits of all bytes, then the high ones.
fn low_then_high(packed: &[u8; BLOCK / 2]) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    let (low, high) = bytes.split_at_mut(BLOCK / 2);
    split_nibbles(packed, low, high);
    bytes
}

fn split_nibbles(packed: &[u8], low: &mut [u8], high: &mut [u8]) {
    for ((low, high), packed) in low.iter_mut().zip(high).zip(packed) {
        (*low, *high) = (packed & 0x0F, packed >> 4);
    }
}

/// Five bits and a scale: what files have where a K-quant's 256 columns do not divide a row.
pub(super) struct Q5_0;

// SAFETY: see the constants.
unsafe impl Format for Q5_0 {
    const BLOCKS: usize = 1;
    const HEADER: usize = HALVES;
    const BYTES: usize = NIBBLES + PLANE;
    const ZERO: u8 = 16;
    const SCALES: usize = 1;
    const HAS_MINIMUM: bool = false;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn bytes<S: Simd>(block: *const u8, group: usize, index: usize) -> S::Int {
        // SAFETY: `BYTES` bytes are there.
        unsafe {
            S::or(nibbles::<S>(block, group, index), fifth::<S>(block.add(NIBBLES), group, index))
        }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(unit: *const u8, _: *const u8, _: usize, index: usize) -> S::Float {
        // SAFETY: the header is one set of half floats.
        unsafe { halves::<S>(unit, index) }
    }
    fn take_apart(stored: &[u8], row: &mut RowUnit) -> Option<()> {
        row.header[0] = half_float(stored, 0)?;
        let high = u32::from_le_bytes(stored.get(2..6)?.try_into().ok()?);
        let low = low_then_high(stored.get(6..)?.try_into().ok()?);
        for (column, (byte, low)) in row.bytes[0].iter_mut().zip(low).enumerate() {
            *byte = low | ((high >> column & 1) as u8) << 4;
        }
        Some(())
    }
}

/// Bytes before a block of a K-quant: scales and minima, or the scales of both halves.
const TWO_SCALES: usize = 2 * ROWS;

/// Four bits, a scale and a minimum of six bits each, and those of half floats.
pub(super) struct Q4K;

// SAFETY: see the constants.
unsafe impl Format for Q4K {
    const BLOCKS: usize = 8;
    const HEADER: usize = 2 * HALVES;
    const BYTES: usize = TWO_SCALES + NIBBLES;
    const ZERO: u8 = 0;
    const SCALES: usize = 1;
    const HAS_MINIMUM: bool = true;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn bytes<S: Simd>(block: *const u8, group: usize, index: usize) -> S::Int {
        // SAFETY: `BYTES` bytes are there.
        unsafe { nibbles::<S>(block.add(TWO_SCALES), group, index) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(
        unit: *const u8,
        block: *const u8,
        _: usize,
        index: usize,
    ) -> S::Float {
        // SAFETY: the header is two sets of half floats, a block begins with two of bytes.
        unsafe { S::mul(halves::<S>(unit, index), S::load_u8(block.add(index * S::LANES))) }
    }
    #[inline(always)]
    unsafe fn minima<S: Simd>(unit: *const u8, block: *const u8, index: usize) -> S::Float {
        // SAFETY: as of `scales`.
        unsafe {
            let own = S::load_u8(block.add(ROWS + index * S::LANES));
            S::mul(halves::<S>(unit.add(HALVES), index), own)
        }
    }
    fn take_apart(stored: &[u8], row: &mut RowUnit) -> Option<()> {
        row.header = [half_float(stored, 0)?, half_float(stored, 2)?];
        row.before = scales_and_minima(stored.get(4..16)?.try_into().ok()?);
        let (packed, _) = stored.get(16..)?.as_chunks::<BLOCK>();
        for (pair, packed) in row.bytes.chunks_exact_mut(2).zip(packed) {
            let [low, high] = pair else { return None };
            split_nibbles(packed, low, high);
        }
        Some(())
    }
}

/// Six bits each of eight scales and eight minima.
///
/// # Source
/// `get_scale_min_k4`, <https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c>
fn scales_and_minima(packed: &[u8; 12]) -> [[u8; 2]; 8] {
    std::array::from_fn(|block| {
        if block < 4 {
            return [packed[block] & 63, packed[block + 4] & 63];
        }
        let low = packed[block + 4];
        [low & 0x0F | packed[block - 4] >> 6 << 4, low >> 4 | packed[block] >> 6 << 4]
    })
}

/// As [`Q4K`], of five bits.
pub(super) struct Q5K;

// SAFETY: see the constants.
unsafe impl Format for Q5K {
    const BLOCKS: usize = 8;
    const HEADER: usize = 2 * HALVES;
    const BYTES: usize = TWO_SCALES + NIBBLES + PLANE;
    const ZERO: u8 = 0;
    const SCALES: usize = 1;
    const HAS_MINIMUM: bool = true;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn bytes<S: Simd>(block: *const u8, group: usize, index: usize) -> S::Int {
        // SAFETY: `BYTES` bytes are there.
        unsafe {
            let low = nibbles::<S>(block.add(TWO_SCALES), group, index);
            S::or(low, fifth::<S>(block.add(TWO_SCALES + NIBBLES), group, index))
        }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(
        unit: *const u8,
        block: *const u8,
        half: usize,
        index: usize,
    ) -> S::Float {
        // SAFETY: header and scales are those of Q4K.
        unsafe { Q4K::scales::<S>(unit, block, half, index) }
    }
    #[inline(always)]
    unsafe fn minima<S: Simd>(unit: *const u8, block: *const u8, index: usize) -> S::Float {
        // SAFETY: header and scales are those of Q4K.
        unsafe { Q4K::minima::<S>(unit, block, index) }
    }
    fn take_apart(stored: &[u8], row: &mut RowUnit) -> Option<()> {
        row.header = [half_float(stored, 0)?, half_float(stored, 2)?];
        row.before = scales_and_minima(stored.get(4..16)?.try_into().ok()?);
        let high: &[u8; BLOCK] = stored.get(16..48)?.try_into().ok()?;
        let (packed, _) = stored.get(48..)?.as_chunks::<BLOCK>();
        for (index, (pair, packed)) in row.bytes.chunks_exact_mut(2).zip(packed).enumerate() {
            let [first, second] = pair else { return None };
            let bytes = first.iter_mut().zip(second).zip(packed).zip(high);
            for (((first, second), packed), high) in bytes {
                let high = high >> (2 * index);
                *first = packed & 0x0F | (high & 1) << 4;
                *second = packed >> 4 | (high >> 1 & 1) << 4;
            }
        }
        Some(())
    }
}

/// Six bits, a signed scale of eight bits for 16 columns each, and that of half floats.
pub(super) struct Q6K;

// SAFETY: see the constants.
unsafe impl Format for Q6K {
    const BLOCKS: usize = 8;
    const HEADER: usize = HALVES;
    const BYTES: usize = TWO_SCALES + NIBBLES + 2 * PLANE;
    const ZERO: u8 = 32;
    const SCALES: usize = 2;
    const HAS_MINIMUM: bool = false;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn bytes<S: Simd>(block: *const u8, group: usize, index: usize) -> S::Int {
        // SAFETY: `BYTES` bytes are there.
        unsafe {
            let low = nibbles::<S>(block.add(TWO_SCALES), group, index);
            S::or(low, fifth_and_sixth::<S>(block.add(TWO_SCALES + NIBBLES), group, index))
        }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(
        unit: *const u8,
        block: *const u8,
        half: usize,
        index: usize,
    ) -> S::Float {
        // SAFETY: the header is one set of half floats, a block begins with two of bytes.
        unsafe {
            let own = S::load_i8(block.add(half * ROWS + index * S::LANES));
            S::mul(halves::<S>(unit, index), own)
        }
    }
    fn take_apart(stored: &[u8], row: &mut RowUnit) -> Option<()> {
        let (low, high) = (stored.get(..128)?, stored.get(128..192)?);
        let scales = stored.get(192..208)?;
        row.header[0] = half_float(stored, 208)?;
        for (before, pair) in row.before.iter_mut().zip(scales.chunks_exact(2)) {
            before.copy_from_slice(pair);
        }
        for (block, bytes) in row.bytes.iter_mut().enumerate() {
            // Of each half of the unit: blocks 0 and 1 are the low bits of its 64 bytes, 2 and 3 the high ones.
            let (half, part) = (block / 4, block % 4);
            let low = low.get(half * 64 + part % 2 * 32..)?;
            let high = high.get(half * 32..)?;
            for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
                let low = if part < 2 { low & 0x0F } else { low >> 4 };
                *byte = low | (high >> (2 * part) & 3) << 4;
            }
        }
        Some(())
    }
}

/// Writes a row's unit into its place among the 32 rows of `unit`.
pub(super) fn place<F: Format>(row: &RowUnit, at: usize, unit: &mut [u8]) -> Option<()> {
    let n_halves = F::HEADER / HALVES;
    for (index, half) in row.header.iter().enumerate().take(n_halves) {
        unit.get_mut(index * HALVES + at * 2..)?.get_mut(..2)?.copy_from_slice(half);
    }
    let (_, blocks) = unit.split_at_mut_checked(F::HEADER)?;
    for (block, (bytes, before)) in
        blocks.chunks_exact_mut(F::BYTES).zip(row.bytes.iter().zip(&row.before))
    {
        let n_before = if F::BLOCKS > 1 { TWO_SCALES } else { 0 };
        let (own, planes) = block.split_at_mut_checked(n_before)?;
        for (own, byte) in own.chunks_exact_mut(ROWS).zip(before) {
            *own.get_mut(at)? = *byte;
        }
        let mut groups = [0; 8];
        for (group, four) in groups.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *group = u32::from_le_bytes(*four);
        }
        let mut put = |plane: usize, bytes: u32| -> Option<()> {
            let to = planes.get_mut(plane * PLANE + at * 4..)?.get_mut(..4)?;
            to.copy_from_slice(&bytes.to_le_bytes());
            Some(())
        };
        if F::WIDE {
            for (group, bytes) in groups.into_iter().enumerate() {
                put(group, bytes)?;
            }
            continue;
        }
        let mask = |bits: u32| bits * 0x0101_0101;
        for group in 0..4 {
            put(group, groups[group] & mask(15) | (groups[group + 4] & mask(15)) << 4)?;
        }
        match planes_above::<F>() {
            1 => put(4, (0..8).fold(0, |all, g| all | (groups[g] >> 4 & mask(1)) << g))?,
            2 => {
                for half in 0..2 {
                    let two = |g: usize| (groups[half * 4 + g] >> 4 & mask(3)) << (2 * g);
                    put(4 + half, (0..4).fold(0, |all, g| all | two(g)))?;
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// How many planes lie above the nibbles.
const fn planes_above<F: Format>() -> usize {
    let before = if F::BLOCKS > 1 { TWO_SCALES } else { 0 };
    (F::BYTES - before).saturating_sub(NIBBLES) / PLANE
}
