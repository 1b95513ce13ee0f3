//! Instructions of 64-bit ARM processors that the oldest Rust this is compiled by has no functions for.
//!
//! # Source
//! Arm Architecture Reference Manual for A-profile: `SDOT (vector)`, `FCVTL`, `PRFM (immediate)`.
#![expect(unsafe_code, reason = "instructions by name")]
#![expect(clippy::inline_always, reason = "else a function has not its caller's features")]

use std::arch::aarch64::{float32x4_t, int8x16_t, int32x4_t, uint16x4_t};
use std::arch::asm;

/// To each number of `sum` the products of its four bytes.
///
/// # Safety
/// The processor has the feature `dotprod`, and the function into which this is inlined enables it.
#[inline(always)]
pub(super) unsafe fn dot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: registers alone are touched.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Half floats, widened.
#[inline(always)]
pub(super) fn widened(halves: uint16x4_t) -> float32x4_t {
    let floats: float32x4_t;
    // SAFETY: registers alone are touched; every 64-bit processor has the instruction.
    unsafe {
        asm!(
            "fcvtl {floats:v}.4s, {halves:v}.4h",
            floats = lateout(vreg) floats,
            halves = in(vreg) halves,
            options(pure, nomem, nostack)
        );
    }
    floats
}

/// Says what will be read soon, wherever it points.
#[inline(always)]
pub(super) fn prefetch(from: *const u8) {
    // SAFETY: the instruction reads nothing that a program could see, and raises no fault.
    unsafe {
        asm!(
            "prfm pldl1keep, [{from}]",
            from = in(reg) from,
            options(readonly, nostack, preserves_flags)
        );
    }
}
