//! NEON, which every 64-bit processor of ARM's has.
#![expect(unsafe_code, reason = "reads and writes by pointer")]

use std::arch::aarch64::{
    float32x4_t, vcvtq_f32_s32, vdupq_n_f32, vfmaq_n_f32, vget_high_s8, vget_high_s16, vget_low_s8,
    vget_low_s16, vld1_u16, vld1q_f32, vld1q_s8, vmovl_s8, vmovl_s16, vreinterpretq_f32_f64,
    vreinterpretq_f64_f32, vst1q_f32, vtrn1q_f32, vtrn1q_f64, vtrn2q_f32, vtrn2q_f64,
};

use super::{Isa, LANES, Lanes, f16};
use crate::llm::neon;

/// NEON.
#[derive(Debug, Clone, Copy)]
pub(in crate::llm::attention) struct Neon;

/// Numbers of a register.
const SIZE: usize = 4;

type Vector = [float32x4_t; LANES / SIZE];

impl Isa for Neon {
    type Vector = Vector;
    const FUSED: bool = true;
    const ROWS: usize = 6;
    const IS_WIDE: bool = false;

    #[inline(always)]
    fn load(self, lanes: &Lanes) -> Vector {
        // SAFETY: every 64-bit processor has the instructions; four floats are read, of 16, four times.
        unsafe {
            let mut vector = [vdupq_n_f32(0.0); LANES / SIZE];
            for (four, lanes) in vector.iter_mut().zip(lanes.as_chunks::<SIZE>().0) {
                *four = vld1q_f32(lanes.as_ptr());
            }
            vector
        }
    }

    #[inline(always)]
    fn store(self, vector: Vector, lanes: &mut Lanes) {
        for (four, lanes) in vector.into_iter().zip(lanes.as_chunks_mut::<SIZE>().0) {
            // SAFETY: four floats are written.
            unsafe { vst1q_f32(lanes.as_mut_ptr(), four) };
        }
    }

    #[inline(always)]
    fn add_scaled(self, sum: Vector, factor: f32, vector: Vector) -> Vector {
        let mut sum = sum;
        for (sum, four) in sum.iter_mut().zip(vector) {
            // SAFETY: every 64-bit processor has the instruction.
            *sum = unsafe { vfmaq_n_f32(*sum, four, factor) };
        }
        sum
    }

    #[inline(always)]
    fn widen(self, halves: &[f16; LANES]) -> Vector {
        // SAFETY: every 64-bit processor has the instructions; four halves are read, of 16, four times.
        unsafe {
            let mut vector = [vdupq_n_f32(0.0); LANES / SIZE];
            for (four, halves) in vector.iter_mut().zip(halves.as_chunks::<SIZE>().0) {
                *four = neon::widened(vld1_u16(halves.as_ptr().cast()));
            }
            vector
        }
    }

    #[inline(always)]
    fn widen_bytes(self, bytes: &[u8; LANES]) -> Vector {
        // SAFETY: 16 bytes are read; every 64-bit processor has the instructions.
        unsafe {
            let bytes = vld1q_s8(bytes.as_ptr().cast());
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes)));
            [vget_low_s16(low), vget_high_s16(low), vget_low_s16(high), vget_high_s16(high)]
                .map(|four| vcvtq_f32_s32(vmovl_s16(four)))
        }
    }

    #[inline(always)]
    fn transpose(self, rows: [Vector; LANES]) -> [Vector; LANES] {
        // SAFETY: every 64-bit processor has the instruction.
        let mut columns = [[unsafe { vdupq_n_f32(0.0) }; LANES / SIZE]; LANES];
        for across in 0..LANES / SIZE {
            for down in 0..LANES / SIZE {
                let block = std::array::from_fn(|row| rows[down * SIZE + row][across]);
                for (column, four) in transposed(block).into_iter().enumerate() {
                    columns[across * SIZE + column][down] = four;
                }
            }
        }
        columns
    }
}

/// Swaps rows and columns of 4 by 4 numbers.
#[inline(always)]
fn transposed([a, b, c, d]: [float32x4_t; SIZE]) -> [float32x4_t; SIZE] {
    // SAFETY: every 64-bit processor has the instructions.
    unsafe {
        let even = [vtrn1q_f32(a, b), vtrn1q_f32(c, d)].map(|pair| vreinterpretq_f64_f32(pair));
        let odd = [vtrn2q_f32(a, b), vtrn2q_f32(c, d)].map(|pair| vreinterpretq_f64_f32(pair));
        [
            vtrn1q_f64(even[0], even[1]),
            vtrn1q_f64(odd[0], odd[1]),
            vtrn2q_f64(even[0], even[1]),
            vtrn2q_f64(odd[0], odd[1]),
        ]
        .map(|column| vreinterpretq_f32_f64(column))
    }
}
