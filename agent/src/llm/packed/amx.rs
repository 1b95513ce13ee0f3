//! Products for many tokens by the matrix unit of Intel's servers, AMX.
//!
//! # Source
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18; the permission:
//! <https://docs.kernel.org/arch/x86/xstate.html>
#![expect(unsafe_code, reason = "instructions that Rust has no functions for yet")]
#![expect(
    clippy::inline_always,
    reason = "else a function is compiled without its caller's features"
)]

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, _mm512_cvtepi32_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_load_si512,
    _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::activations::Activations;
use super::format::Format;
use super::product::{Out, Unpacked, scaled_sum};
use super::{BLOCK, GROUP, ROWS};

/// Whether the processor has the unit and the system lets this process use it.
pub(super) fn is_there() -> bool {
    static THERE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *THERE.get_or_init(|| {
        // Bits 24 and 25: tiles, and their products of bytes. `is_x86_feature_detected` does not know them yet.
        let leaf = __cpuid_count(7, 0);
        leaf.edx >> 24 & 3 == 3 && is_permitted()
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

/// Shapes of the registers: sums 0 to 3 of 16 tokens × 16 rows, activations 4 and 5 of 16 tokens × `columns`, weights
/// 6 and 7 of `columns / 4` × 16 rows × 4.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_of_a_row: [u16; 16],
    rows: [u8; 16],
}

impl Shapes {
    #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
    const fn new(columns: usize) -> Self {
        let mut shapes = Self {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            bytes_of_a_row: [0; 16],
            rows: [0; 16],
        };
        let mut tile = 0;
        while tile < 8 {
            let (rows, bytes) = match tile {
                0..4 => (16, 64),
                4 | 5 => (16, columns as u16),
                _ => (columns as u8 / 4, 64),
            };
            shapes.rows[tile] = rows;
            shapes.bytes_of_a_row[tile] = bytes;
            tile += 1;
        }
        shapes
    }
}

/// Sums of two groups of tokens with 32 rows: for each group, for each half of the rows, `[16, 16]`.
#[repr(align(64))]
struct Sums([i32; 4 * 256]);

/// All tokens, with a tile whose bytes were unpacked as signed ones.
///
/// # Safety
/// The unit [is there](is_there), and so is AVX-512; tokens lie in groups of 16; the tile has as many blocks as `x`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn many<F: Format>(tile: &Unpacked, x: &Activations, out: &mut Out) {
    let shapes = const { Shapes::new(BLOCK / F::SCALES) };
    // SAFETY: 64 bytes are read.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, readonly)) };
    let n_groups = x.t.div_ceil(GROUP);
    for first in (0..n_groups).step_by(2) {
        let second = (first + 1).min(n_groups - 1);
        // SAFETY: both groups are there.
        unsafe { two_groups::<F>(tile, x, [first, second], out) };
    }
    // SAFETY: leaves no state behind that a switch of threads would have to save.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn two_groups<F: Format>(
    tile: &Unpacked,
    x: &Activations,
    groups: [usize; 2],
    out: &mut Out,
) {
    let mut results = [[0.0_f32; ROWS]; 2 * GROUP];
    // While the unit works on one part, the results of the part before are scaled.
    let mut sums = [Sums([0; 1024]), Sums([0; 1024])];
    let n_parts = x.n_blocks * F::SCALES;
    for part in 0..=n_parts {
        // SAFETY: the part is there; registers have the shapes that `many` set.
        unsafe {
            if part < n_parts {
                multiply::<F>(tile, x, groups, part, &mut sums[part % 2]);
            }
            if part > 0 {
                scale::<F>(tile, x, groups, part - 1, &sums[(part - 1) % 2], &mut results);
            }
        }
    }
    for (group, results) in groups.iter().zip(results.chunks_exact(GROUP)) {
        for (out, result) in out.iter_mut().take(x.t).skip(group * GROUP).zip(results) {
            *out = *result;
        }
    }
}

/// Block `part / SCALES`, half `part % SCALES` where halves have scales of their own.
#[inline(always)]
unsafe fn multiply<F: Format>(
    tile: &Unpacked,
    x: &Activations,
    groups: [usize; 2],
    part: usize,
    sums: &mut Sums,
) {
    let (block, half) = (part / F::SCALES, part % F::SCALES);
    let slot =
        |group: usize| (group * x.n_blocks + block) * GROUP * BLOCK + half * BLOCK / F::SCALES;
    // SAFETY: two groups of 16 tokens of the block, and its weights, are read; `sums` is written.
    unsafe {
        let weights = tile.bytes.as_ptr().add(block * ROWS * BLOCK + half * ROWS * BLOCK / 2);
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "tileloadd tmm4, [{first} + {token}*1]",
            "tileloadd tmm6, [{weights} + {four_columns}*1]",
            "tdpbssd tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {four_columns}*1 + 64]",
            "tdpbssd tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{second} + {token}*1]",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "tilestored [{sums} + {line}*1], tmm0",
            "tilestored [{sums} + {line}*1 + 1024], tmm1",
            "tilestored [{sums} + {line}*1 + 2048], tmm2",
            "tilestored [{sums} + {line}*1 + 3072], tmm3",
            first = in(reg) x.bytes.as_ptr().add(slot(groups[0])),
            second = in(reg) x.bytes.as_ptr().add(slot(groups[1])),
            weights = in(reg) weights,
            sums = in(reg) sums.0.as_mut_ptr(),
            token = in(reg) BLOCK,
            four_columns = in(reg) 4 * ROWS,
            line = in(reg) 64_usize,
            options(nostack)
        );
    }
}

/// Adds a part to the results.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn scale<F: Format>(
    tile: &Unpacked,
    x: &Activations,
    groups: [usize; 2],
    part: usize,
    sums: &Sums,
    results: &mut [[f32; ROWS]; 2 * GROUP],
) {
    let (block, half) = (part / F::SCALES, part % F::SCALES);
    let has_minimum = F::HAS_MINIMUM && half == 0;
    // SAFETY: as in `multiply`.
    unsafe {
        for rows in 0..2 {
            let place = rows * 16;
            let scales = _mm512_loadu_ps(tile.scales.as_ptr().add(part * ROWS + place));
            let minima = if has_minimum {
                _mm512_loadu_ps(tile.minima.as_ptr().add(block * ROWS + place))
            } else {
                _mm512_setzero_ps()
            };
            for (index, group) in groups.into_iter().enumerate() {
                let slot = (group * x.n_blocks + block) * GROUP;
                let sums = sums.0.as_ptr().add((index * 2 + rows) * 256);
                for token in 0..GROUP {
                    let own = _mm512_set1_ps(*x.scales.as_ptr().add(slot + token));
                    let dot = _mm512_cvtepi32_ps(_mm512_load_si512(sums.add(token * 16).cast()));
                    let to =
                        results.as_mut_ptr().add(index * GROUP + token).cast::<f32>().add(place);
                    let mut sum =
                        _mm512_fmadd_ps(dot, _mm512_mul_ps(scales, own), _mm512_loadu_ps(to));
                    if has_minimum {
                        let whole = _mm512_set1_ps(scaled_sum(x, slot + token));
                        sum = _mm512_fnmadd_ps(minima, whole, sum);
                    }
                    _mm512_storeu_ps(to, sum);
                }
            }
        }
    }
}
