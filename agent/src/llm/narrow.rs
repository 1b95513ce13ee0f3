//! Rows of the KV-cache in eight bits a number.
//!
//! A row of `d` numbers is `d` signed bytes and then, for each 32 of them, a half float that they are multiplied by: 8.5
//! bits a number. Each 32 have a scale of their own since some dimensions of a key are far larger than the others.
//!
//! # Source
//! `Q8_0` of GGUF, <https://github.com/ggml-org/llama.cpp>, with the scales behind the numbers, so that these lie together.

use half::f16;

/// Numbers that share a scale.
pub(crate) const BLOCK: usize = 32;

/// Bytes of a scale.
const SCALE: usize = 2;

/// Whether rows of `d` numbers can be held so.
pub(crate) fn takes(d: usize) -> bool {
    d.is_multiple_of(BLOCK)
}

/// Bytes of a row of `d` numbers.
pub(crate) fn row_len(d: usize) -> usize {
    d + d / BLOCK * SCALE
}

/// Rows of `d` numbers each. What no half float can hold becomes the largest that it can; what is not a number makes all
/// that share its scale no numbers.
pub(crate) fn rows(numbers: &[f32], d: usize) -> Vec<u8> {
    let most = f16::MAX.to_f32();
    let mut bytes = vec![0; numbers.len() / d * row_len(d)];
    for (row, bytes) in numbers.chunks_exact(d).zip(bytes.chunks_exact_mut(row_len(d))) {
        let (bytes, scales) = bytes.split_at_mut(d);
        let places = bytes.chunks_exact_mut(BLOCK).zip(scales.chunks_exact_mut(SCALE));
        for (block, (bytes, scale)) in row.chunks_exact(BLOCK).zip(places) {
            let largest = block.iter().fold(0.0, |largest: f32, number| largest.max(number.abs()));
            let is_sound = !block.iter().any(|number| number.is_nan());
            let largest = if is_sound { largest.min(most) } else { f32::NAN };
            let rounded = f16::from_f32(largest / 127.0);
            scale.copy_from_slice(&rounded.to_le_bytes());
            let factor = rounded.to_f32();
            let inverse = if factor == 0.0 { 0.0 } else { 1.0 / factor };
            for (byte, number) in bytes.iter_mut().zip(block) {
                #[expect(clippy::cast_possible_truncation, reason = "clamped")]
                let whole = (number * inverse).round().clamp(-127.0, 127.0) as i8;
                *byte = whole.cast_unsigned();
            }
        }
    }
    bytes
}

/// The bits of the half float by which the 16 numbers from `16 * index` on of a row of `d` are multiplied.
#[inline]
pub(crate) fn scale(row: &[u8], d: usize, index: usize) -> u16 {
    let at = d + index / 2 * SCALE;
    u16::from_le_bytes([row[at], row[at + 1]])
}
