//! Vectors of plain Rust, for processors that no other set is written for; the others are held to the same tests.
#![expect(unsafe_code, reason = "reads and writes by pointer")]
#![expect(
    clippy::inline_always,
    clippy::undocumented_unsafe_blocks,
    reason = "as the others; what makes each safe is said of the trait"
)]

use half::{bf16, f16};

use super::Simd;

/// [`Isa::Plain`](super::Isa::Plain).
#[derive(Clone, Copy)]
pub(super) struct Plain;

const LANES: usize = 8;

/// Each lane made of two.
#[inline(always)]
fn zip<T: Copy, U: Copy, V>(a: [T; LANES], b: [U; LANES], f: impl Fn(T, U) -> V) -> [V; LANES] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

// SAFETY: that of the trait.
unsafe impl Simd for Plain {
    type Int = [i32; LANES];
    type Float = [f32; LANES];
    const PER_GROUP: usize = 4;
    const LANES: usize = LANES;
    const TOKENS: usize = 2;
    const LESS: i32 = 0;
    const FUSED: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Int {
        unsafe { from.cast::<Self::Int>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut u8, bytes: Self::Int) {
        unsafe { to.cast::<Self::Int>().write_unaligned(bytes) }
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const f32) -> Self::Float {
        unsafe { from.cast::<Self::Float>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_f32(to: *mut f32, floats: Self::Float) {
        unsafe { to.cast::<Self::Float>().write_unaligned(floats) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::Float {
        let stored = unsafe { from.cast::<[[u8; 2]; LANES]>().read_unaligned() };
        stored.map(|half| f16::from_le_bytes(half).to_f32())
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::Float {
        let stored = unsafe { from.cast::<[[u8; 2]; LANES]>().read_unaligned() };
        stored.map(|half| bf16::from_le_bytes(half).to_f32())
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self::Float {
        unsafe { from.cast::<[u8; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self::Float {
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i8) -> Self::Int {
        [unsafe { from.cast::<i32>().read_unaligned() }; LANES]
    }
    #[inline(always)]
    unsafe fn splat_byte(byte: u8) -> Self::Int {
        [i32::from_ne_bytes([byte; 4]); LANES]
    }
    #[inline(always)]
    unsafe fn splat(number: i32) -> Self::Int {
        [number; LANES]
    }
    #[inline(always)]
    unsafe fn splat_f32(number: f32) -> Self::Float {
        [number; LANES]
    }
    #[inline(always)]
    unsafe fn and(a: Self::Int, b: Self::Int) -> Self::Int {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn or(a: Self::Int, b: Self::Int) -> Self::Int {
        zip(a, b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn shift_right<const BITS: u32>(a: Self::Int) -> Self::Int {
        a.map(|lane| lane >> BITS)
    }
    #[inline(always)]
    unsafe fn shift_left<const BITS: u32>(a: Self::Int) -> Self::Int {
        a.map(|lane| lane << BITS)
    }
    #[inline(always)]
    unsafe fn dot<const WIDE: bool>(sum: Self::Int, a: Self::Int, b: Self::Int) -> Self::Int {
        let four = |a: i32, b: i32| -> i32 {
            let pairs = a.to_ne_bytes().into_iter().zip(b.to_ne_bytes());
            pairs.map(|(a, b)| i32::from(a) * i32::from(b.cast_signed())).sum()
        };
        zip(sum, zip(a, b, four), |sum, four| sum + four)
    }
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "a block's sum is below 2^24")]
    unsafe fn to_f32(a: Self::Int) -> Self::Float {
        a.map(|lane| lane as f32)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::Float, b: Self::Float) -> Self::Float {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float {
        zip(zip(a, b, |a, b| a * b), c, |product, c| product + c)
    }
    #[inline(always)]
    unsafe fn mul_sub(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float {
        zip(zip(a, b, |a, b| a * b), c, |product, c| c - product)
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
}
