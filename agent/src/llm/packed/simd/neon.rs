//! NEON, what every 64-bit processor of ARM's has, and its products of four bytes each.
#![expect(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "processor instructions; what makes each safe is said of the trait"
)]
#![expect(
    clippy::inline_always,
    reason = "else a method is compiled without its caller's features"
)]

use std::arch::aarch64::{
    float32x4_t, int32x4_t, vandq_s32, vcvtq_f32_s32, vcvtq_f32_u32, vdup_n_s32, vdup_n_u32,
    vdupq_n_f32, vdupq_n_s32, vdupq_n_u8, veorq_s8, vfmaq_f32, vfmsq_f32, vget_low_s8,
    vget_low_s16, vget_low_u16, vld1_u16, vld1q_f32, vld1q_u8, vmovl_s8, vmovl_s16, vmovl_u8,
    vmovl_u16, vmull_high_s8, vmull_s8, vmulq_f32, vorrq_s32, vpadalq_s16, vpaddq_s16,
    vreinterpret_s8_s32, vreinterpret_u8_u32, vreinterpretq_f32_u32, vreinterpretq_s8_s32,
    vreinterpretq_s8_u8, vreinterpretq_s32_u8, vreinterpretq_s32_u32, vreinterpretq_u8_s32,
    vreinterpretq_u32_s32, vshlq_n_u32, vshlq_u32, vst1q_f32, vst1q_u8,
};

use super::{Simd, Work};
use crate::llm::neon;

/// # Safety
/// The processor has the instructions of [`Isa::NeonDot`](super::Isa::NeonDot).
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn with_dot<W: Work>(work: W) -> W::Result {
    unsafe { work.with::<Neon<true>>() }
}

/// [`Isa::NeonDot`](super::Isa::NeonDot) if `DOT`, else [`Isa::Neon`](super::Isa::Neon).
#[derive(Clone, Copy)]
pub(super) struct Neon<const DOT: bool>;

// SAFETY: that of the trait.
unsafe impl<const DOT: bool> Simd for Neon<DOT> {
    type Int = int32x4_t;
    type Float = float32x4_t;
    const PER_GROUP: usize = 8;
    const LANES: usize = 4;
    const TOKENS: usize = 4;
    // Products are of signed bytes.
    const LESS: i32 = 128;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> int32x4_t {
        unsafe { vreinterpretq_s32_u8(vld1q_u8(from)) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut u8, bytes: int32x4_t) {
        unsafe { vst1q_u8(to, vreinterpretq_u8_s32(bytes)) }
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store_f32(to: *mut f32, floats: float32x4_t) {
        unsafe { vst1q_f32(to, floats) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> float32x4_t {
        unsafe { neon::widened(vld1_u16(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(vld1_u16(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> float32x4_t {
        unsafe {
            let bytes = vreinterpret_u8_u32(vdup_n_u32(from.cast::<u32>().read_unaligned()));
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))))
        }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> float32x4_t {
        unsafe {
            let bytes = vreinterpret_s8_s32(vdup_n_s32(from.cast::<i32>().read_unaligned()));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))))
        }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i8) -> int32x4_t {
        unsafe { vdupq_n_s32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn splat_byte(byte: u8) -> int32x4_t {
        unsafe { vreinterpretq_s32_u8(vdupq_n_u8(byte)) }
    }
    #[inline(always)]
    unsafe fn splat(number: i32) -> int32x4_t {
        unsafe { vdupq_n_s32(number) }
    }
    #[inline(always)]
    unsafe fn splat_f32(number: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(number) }
    }
    #[inline(always)]
    unsafe fn and(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        unsafe { vandq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        unsafe { vorrq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_right<const BITS: u32>(a: int32x4_t) -> int32x4_t {
        unsafe { shifted(a, -BITS.cast_signed()) }
    }
    #[inline(always)]
    unsafe fn shift_left<const BITS: u32>(a: int32x4_t) -> int32x4_t {
        unsafe { shifted(a, BITS.cast_signed()) }
    }
    #[inline(always)]
    unsafe fn dot<const WIDE: bool>(sum: int32x4_t, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        unsafe {
            let (a, b) = (vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
            // The bytes less 128.
            let a = if WIDE { veorq_s8(a, vreinterpretq_s8_u8(vdupq_n_u8(0x80))) } else { a };
            if DOT {
                return neon::dot(sum, a, b);
            }
            // Two products fit 16 bits, as `b` is never -128.
            let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
            vpadalq_s16(sum, vpaddq_s16(low, vmull_high_s8(a, b)))
        }
    }
    #[inline(always)]
    unsafe fn to_f32(a: int32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(a) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn mul_sub(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmsq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        neon::prefetch(from);
    }
}

/// Each lane to the left by `bits`, or to the right by as many below zero.
#[inline(always)]
unsafe fn shifted(a: int32x4_t, bits: i32) -> int32x4_t {
    unsafe { vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(bits))) }
}
