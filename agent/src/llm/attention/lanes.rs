//! Vectors of 16 numbers, and what each instruction set does best with them.
//!
//! Loops over [`Lanes`] are plain Rust. Compiled within a function that has an instruction set's features they become
//! that set's instructions; only where the compiler does not find them are they named here.
#![expect(clippy::inline_always, reason = "else a loop is compiled without its caller's features")]

use half::f16;

use crate::llm::narrow;

#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Numbers in [`Lanes`].
pub(super) const LANES: usize = 16;

/// What one instruction of the widest set computes.
pub(super) type Lanes = [f32; LANES];

/// An instruction set. A value of the type proves that the processor has it.
pub(super) trait Isa: Copy {
    /// [`Lanes`] in registers.
    type Vector: Copy;
    /// Whether a product and a sum are one instruction.
    const FUSED: bool;
    /// Rows of a product that are kept in registers.
    const ROWS: usize;
    /// Whether the registers hold 64 columns of so many rows, else 16.
    const IS_WIDE: bool;

    /// Lanes from memory.
    fn load(self, lanes: &Lanes) -> Self::Vector;

    /// Lanes to memory.
    fn store(self, vector: Self::Vector, lanes: &mut Lanes);

    /// `sum + factor * vector`
    fn add_scaled(self, sum: Self::Vector, factor: f32, vector: Self::Vector) -> Self::Vector;

    /// 16 halves as floats.
    fn widen(self, halves: &[f16; LANES]) -> Self::Vector;

    /// 16 signed bytes as floats.
    fn widen_bytes(self, bytes: &[u8; LANES]) -> Self::Vector;

    /// Swaps rows and columns.
    fn transpose(self, rows: [Self::Vector; LANES]) -> [Self::Vector; LANES];

    /// `a * b + c`
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        // Without the instruction `mul_add` calls a slow function.
        if Self::FUSED { a.mul_add(b, c) } else { a * b + c }
    }
}

/// An element of the KV-cache.
pub(super) trait Element: Copy + Sync {
    /// Elements of a row of `d` numbers.
    fn row_len(d: usize) -> usize;

    /// The 16 numbers from `16 * index` on of a row of `d`, as floats; zeros behind its end.
    fn load<I: Isa>(isa: I, row: &[Self], d: usize, index: usize) -> I::Vector;
}

impl Element for f32 {
    #[inline(always)]
    fn row_len(d: usize) -> usize {
        d
    }

    #[inline(always)]
    fn load<I: Isa>(isa: I, row: &[Self], _: usize, index: usize) -> I::Vector {
        isa.load(&lanes(row, index, 0.0))
    }
}

impl Element for f16 {
    #[inline(always)]
    fn row_len(d: usize) -> usize {
        d
    }

    #[inline(always)]
    fn load<I: Isa>(isa: I, row: &[Self], _: usize, index: usize) -> I::Vector {
        isa.widen(&lanes(row, index, Self::ZERO))
    }
}

/// As [`narrow`] has them.
impl Element for u8 {
    #[inline(always)]
    fn row_len(d: usize) -> usize {
        narrow::row_len(d)
    }

    #[inline(always)]
    fn load<I: Isa>(isa: I, row: &[Self], d: usize, index: usize) -> I::Vector {
        let scale = half_to_float(narrow::scale(row, d, index));
        isa.add_scaled(isa.load(&[0.0; LANES]), scale, isa.widen_bytes(&lanes(row, index, 0)))
    }
}

/// 16 elements of a row, filled up with zeros.
#[inline(always)]
fn lanes<T: Copy>(row: &[T], index: usize, zero: T) -> [T; LANES] {
    let rest = &row[index * LANES..];
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut filled = [zero; LANES];
    for (filled, element) in filled.iter_mut().zip(rest) {
        *filled = *element;
    }
    filled
}

/// What every processor of the architecture has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain;

impl Isa for Plain {
    type Vector = Lanes;
    const FUSED: bool = cfg!(target_feature = "fma");
    const ROWS: usize = 2;
    const IS_WIDE: bool = false;

    #[inline(always)]
    fn load(self, lanes: &Lanes) -> Lanes {
        *lanes
    }

    #[inline(always)]
    fn store(self, vector: Lanes, lanes: &mut Lanes) {
        *lanes = vector;
    }

    #[inline(always)]
    fn add_scaled(self, sum: Lanes, factor: f32, vector: Lanes) -> Lanes {
        let mut sum = sum;
        for (sum, number) in sum.iter_mut().zip(vector) {
            *sum = self.mul_add(factor, number, *sum);
        }
        sum
    }

    #[inline(always)]
    fn widen(self, halves: &[f16; LANES]) -> Lanes {
        let mut lanes = [0.0; LANES];
        for (lane, half) in lanes.iter_mut().zip(halves) {
            *lane = half_to_float(half.to_bits());
        }
        lanes
    }

    #[inline(always)]
    fn widen_bytes(self, bytes: &[u8; LANES]) -> Lanes {
        bytes.map(|byte| f32::from(byte.cast_signed()))
    }

    #[inline(always)]
    fn transpose(self, rows: [Lanes; LANES]) -> [Lanes; LANES] {
        let mut columns = rows;
        for (index, column) in columns.iter_mut().enumerate() {
            for (number, row) in column.iter_mut().zip(&rows) {
                *number = row[index];
            }
        }
        columns
    }
}

/// By operations that exist for vectors everywhere.
///
/// # Source
/// F. Giesen, `half_to_float_fast5`, <https://gist.github.com/rygorous/2156668>
#[inline(always)]
fn half_to_float(bits: u16) -> f32 {
    /// 2^112, the distance of the two exponents' biases.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let bits = u32::from(bits);
    let scaled = f32::from_bits((bits & 0x7fff) << 13) * SCALE;
    let special = if scaled >= 65_536.0 { 0xff << 23 } else { 0 };
    f32::from_bits(scaled.to_bits() | special | ((bits & 0x8000) << 16))
}
