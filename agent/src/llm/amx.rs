//! The matrix unit of Intel's servers, AMX, for 16-bit floats with the exponent of 32-bit ones.
//!
//! Four registers hold sums, of two times 16 lines and two times 16 columns; two hold lines, two hold columns.
//!
//! # Source
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and `TDPBF16PS`; the permission:
//! <https://docs.kernel.org/arch/x86/xstate.html>
#![expect(unsafe_code, reason = "instructions that Rust has no functions for yet")]

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, __m512, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_si512,
    _mm512_permutexvar_epi16,
};

/// Numbers of a register: 16 lines of 32.
pub(super) const REGISTER: usize = 16 * 32;

/// Whether the processor has the unit and the system lets this process use it.
pub(super) fn is_there() -> bool {
    static THERE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *THERE.get_or_init(|| {
        // Bits 22 and 24: products of 16-bit floats, and tiles. `is_x86_feature_detected` does not know them yet.
        let leaf = __cpuid_count(7, 0);
        let has_unit = leaf.edx >> 22 & 1 == 1 && leaf.edx >> 24 & 1 == 1;
        let has_vectors = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512bf16");
        has_unit && has_vectors && is_permitted()
    })
}

/// Asks the system for the registers, which are too large to be kept for everybody.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers and touches no memory.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// Shapes of the registers: all are 16 lines of 64 bytes.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_of_a_line: [u16; 16],
    lines: [u8; 16],
}

static SHAPES: Shapes = {
    let mut shapes = Shapes {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        bytes_of_a_line: [0; 16],
        lines: [0; 16],
    };
    let mut register = 0;
    while register < 8 {
        shapes.bytes_of_a_line[register] = 64;
        shapes.lines[register] = 16;
        register += 1;
    }
    shapes
};

/// Gives this thread the registers, which all that follows needs.
///
/// # Safety
/// The unit [is there](is_there).
pub(super) unsafe fn begin() {
    // SAFETY: the unit is there.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) };
}

/// Leaves no state behind that a switch of threads would have to save.
///
/// # Safety
/// After [`begin`].
pub(super) unsafe fn end() {
    // SAFETY: the unit is there.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// Makes all sums zero.
///
/// # Safety
/// After [`begin`].
pub(super) unsafe fn zero() {
    // SAFETY: no memory is touched.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            options(nostack, nomem)
        );
    }
}

/// Reads sums, twice 16 lines of 32 that are `line` bytes apart.
///
/// # Safety
/// After [`begin`]; so many are at each place.
pub(super) unsafe fn load([first, second]: [*mut f32; 2], line: usize) {
    // SAFETY: that is what the caller says.
    unsafe {
        asm!(
            "tileloadd tmm0, [{first} + {line}*1]",
            "tileloadd tmm1, [{first} + {line}*1 + 64]",
            "tileloadd tmm2, [{second} + {line}*1]",
            "tileloadd tmm3, [{second} + {line}*1 + 64]",
            first = in(reg) first,
            second = in(reg) second,
            line = in(reg) line,
            options(nostack, readonly)
        );
    }
}

/// Writes sums, as [`load`] reads them; both places may be the same one.
///
/// # Safety
/// That of [`load`].
pub(super) unsafe fn store([first, second]: [*mut f32; 2], line: usize) {
    // SAFETY: that is what the caller says.
    unsafe {
        asm!(
            "tilestored [{first} + {line}*1], tmm0",
            "tilestored [{first} + {line}*1 + 64], tmm1",
            "tilestored [{second} + {line}*1], tmm2",
            "tilestored [{second} + {line}*1 + 64], tmm3",
            first = in(reg) first,
            second = in(reg) second,
            line = in(reg) line,
            options(nostack)
        );
    }
}

/// Adds products over 32 numbers: of `lines`, twice 16 that are `line` bytes apart, and `columns`, twice a register with
/// pairs of numbers, columns, and the numbers of a pair, `[2, 16, 16, 2]`.
///
/// # Safety
/// After [`begin`]; so many are at each place.
pub(super) unsafe fn multiply(lines: [*const u16; 2], line: usize, columns: *const u16) {
    // SAFETY: that is what the caller says.
    unsafe {
        asm!(
            "tileloadd tmm4, [{first} + {line}*1]",
            "tileloadd tmm6, [{columns} + {column}*1]",
            "tileloadd tmm7, [{columns} + {column}*1 + 1024]",
            "tileloadd tmm5, [{second} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            first = in(reg) lines[0],
            second = in(reg) lines[1],
            line = in(reg) line,
            columns = in(reg) columns,
            column = in(reg) 64_usize,
            options(nostack, readonly)
        );
    }
}

/// The nearest 16-bit floats, those of the first vector first.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn halves([first, second]: [__m512; 2]) -> __m512i {
    // SAFETY: both are 512 bits of anything.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) }
}

/// The same, in turn one of each vector.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn pairs(both: [__m512; 2]) -> __m512i {
    /// 0, 16, 1, 17, …
    const ORDER: [u16; 32] = {
        let mut order = [0; 32];
        let mut at = 0_u16;
        while at < 16 {
            order[at as usize * 2] = at;
            order[at as usize * 2 + 1] = at + 16;
            at += 1;
        }
        order
    };
    // SAFETY: 64 bytes are read.
    unsafe { _mm512_permutexvar_epi16(_mm512_loadu_si512(ORDER.as_ptr().cast()), halves(both)) }
}
