//! Products of prompts by the matrix unit of Intel's servers, AMX, in 16-bit floats.
//!
//! The unit multiplies bytes no quicker where each block of 32 has a scale of its own: sums of a block cannot stay in its
//! registers, and moving and scaling them takes two thirds of the time. So weights become 16-bit floats with their scales
//! in them, once for all tokens, and sums stay where they are made until the last column.
//!
//! # Source
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and `TDPBF16PS`; the permission:
//! <https://docs.kernel.org/arch/x86/xstate.html>
#![expect(unsafe_code, reason = "instructions that Rust has no functions for yet")]

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, __m512, __m512i, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_cvtne2ps_pbh,
    _mm512_fmadd_ps, _mm512_fnmsub_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_permutexvar_epi16,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_srli_epi32, _mm512_storeu_si512,
};
use std::ops::Range;

use super::activations::Halves;
use super::floats::{self, Float};
use super::format::Format;
use super::product::Out;
use super::simd::Avx512;
use super::{BLOCK, GROUP, ROWS};

/// Numbers of a register: 16 lines of 32.
const REGISTER: usize = 16 * 32;

/// Blocks that are multiplied at a time, whole units of every format: 32 KiB of a tile as 16-bit floats.
pub(super) const SLICE: usize = 16;

/// Some blocks of a tile as 16-bit floats, `[blocks, 2, 16, 16, 2]`: of each block and half of the rows, pairs of columns,
/// rows, columns of the pair.
#[derive(Default)]
pub(super) struct Unpacked(Vec<u16>);

/// Whether the processor has the unit and the system lets this process use it.
pub(super) fn is_there() -> bool {
    static THERE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *THERE.get_or_init(|| {
        // Bits 22 and 24: products of 16-bit floats, and tiles. `is_x86_feature_detected` does not know them yet.
        let leaf = __cpuid_count(7, 0);
        let has_unit = leaf.edx >> 22 & 1 == 1 && leaf.edx >> 24 & 1 == 1;
        has_unit && is_x86_feature_detected!("avx512bf16") && is_permitted()
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

/// Makes 16-bit floats of some blocks of a tile, as [`Unpacked`] has them.
///
/// # Safety
/// The unit [is there](is_there), and the tile has these blocks, whole units.
pub(super) type Unpack = unsafe fn(&[u8], &Range<usize>, &mut Vec<u16>);

/// Adds to `out`, which has a place for each token of `x`'s groups, what `blocks` of a tile give; the first of them do
/// not add but write.
///
/// The tile's blocks stay in the nearest cache while all tokens pass.
///
/// # Safety
/// The unit [is there](is_there); the tile has as many blocks as `x`, and `blocks` are whole units of it.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply(
    unpack: Unpack,
    tile: &[u8],
    x: &Halves,
    blocks: Range<usize>,
    scratch: &mut Unpacked,
    out: &mut Out,
) {
    assert!(out.len() >= x.n_groups() * GROUP, "a place for each token");
    // SAFETY: that of this function; registers have the shapes of `SHAPES`.
    unsafe {
        unpack(tile, &blocks, &mut scratch.0);
        asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly));
        for first in (0..x.n_groups()).step_by(2) {
            let second = (first + 1).min(x.n_groups() - 1);
            let places =
                [first, second].map(|group| out.as_mut_ptr().add(group * GROUP).cast::<f32>());
            let groups =
                [first, second].map(|group| x.group(group).as_ptr().add(blocks.start * REGISTER));
            if blocks.start == 0 {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    options(nostack)
                );
            } else {
                load(places);
            }
            two_groups(&scratch.0, groups, blocks.len());
            store(places);
        }
        // Leaves no state behind that a switch of threads would have to save.
        asm!("tilerelease", options(nostack, nomem));
    }
}

/// Adds to the sums of the first group in registers 0 and 1, to those of the second in 2 and 3; each for a half of the
/// rows.
#[target_feature(enable = "avx512f")]
unsafe fn two_groups(tile: &[u16], groups: [*const u16; 2], n_blocks: usize) {
    for block in 0..n_blocks {
        // SAFETY: of the tile, and of both groups, as many blocks are there.
        unsafe {
            asm!(
                "tileloadd tmm4, [{first} + {line}*1]",
                "tileloadd tmm6, [{weights} + {line}*1]",
                "tileloadd tmm7, [{weights} + {line}*1 + 1024]",
                "tileloadd tmm5, [{second} + {line}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                first = in(reg) groups[0].add(block * REGISTER),
                second = in(reg) groups[1].add(block * REGISTER),
                weights = in(reg) tile.as_ptr().add(block * 2 * REGISTER),
                line = in(reg) 64_usize,
                options(nostack, readonly)
            );
        }
    }
}

/// Reads the sums of two groups, each `[16, 32]`.
unsafe fn load([first, second]: [*mut f32; 2]) {
    // SAFETY: at each place are those of 16 tokens.
    unsafe {
        asm!(
            "tileloadd tmm0, [{first} + {token}*1]",
            "tileloadd tmm1, [{first} + {token}*1 + 64]",
            "tileloadd tmm2, [{second} + {token}*1]",
            "tileloadd tmm3, [{second} + {token}*1 + 64]",
            first = in(reg) first,
            second = in(reg) second,
            token = in(reg) 4 * ROWS,
            options(nostack, readonly)
        );
    }
}

/// Writes the sums of two groups, which may be the same one.
unsafe fn store([first, second]: [*mut f32; 2]) {
    // SAFETY: at each place is room for those of 16 tokens.
    unsafe {
        asm!(
            "tilestored [{first} + {token}*1], tmm0",
            "tilestored [{first} + {token}*1 + 64], tmm1",
            "tilestored [{second} + {token}*1], tmm2",
            "tilestored [{second} + {token}*1 + 64], tmm3",
            first = in(reg) first,
            second = in(reg) second,
            token = in(reg) 4 * ROWS,
            options(nostack)
        );
    }
}

/// [`Unpack`] of a format.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512bf16,avx512vnni")]
pub(super) unsafe fn unpack<F: Format>(tile: &[u8], blocks: &Range<usize>, to: &mut Vec<u16>) {
    to.resize(blocks.len() * ROWS * BLOCK, 0);
    let offset = _mm512_set1_ps(small(F::OFFSET));
    // SAFETY: `multiply` has a tile with these blocks; `to` was just made as long.
    unsafe {
        let mut at =
            tile.as_ptr().add(blocks.start / F::BLOCKS * (F::HEADER + F::BLOCKS * F::BYTES));
        let mut to = to.as_mut_ptr();
        for _ in 0..blocks.len() / F::BLOCKS {
            let header = at;
            at = at.add(F::HEADER);
            for _ in 0..F::BLOCKS {
                for rows in 0..2 {
                    for half in 0..F::SCALES {
                        let scale = F::scales::<Avx512>(header, at, half, rows);
                        // weight = scale * byte + added
                        let added = if F::HAS_MINIMUM {
                            let minimum = F::minima::<Avx512>(header, at, rows);
                            _mm512_fnmsub_ps(scale, offset, minimum)
                        } else {
                            _mm512_mul_ps(scale, _mm512_set1_ps(-small(F::OFFSET)))
                        };
                        for group in half * 8 / F::SCALES..(half + 1) * 8 / F::SCALES {
                            let bytes = F::bytes::<Avx512>(at, group, rows);
                            let pairs = to.add(group * 2 * 32);
                            let [first, second] =
                                [pair::<0>(bytes, scale, added), pair::<16>(bytes, scale, added)];
                            _mm512_storeu_si512(pairs.cast(), first);
                            _mm512_storeu_si512(pairs.add(32).cast(), second);
                        }
                    }
                    to = to.add(REGISTER);
                }
                at = at.add(F::BYTES);
            }
        }
    }
}

/// [`Unpack`] of floats.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn unpack_floats<H: Float>(
    tile: &[u8],
    blocks: &Range<usize>,
    to: &mut Vec<u16>,
) {
    const COLUMN: usize = ROWS * floats::SIZE;
    to.resize(blocks.len() * ROWS * BLOCK, 0);
    // SAFETY: the tile has these blocks; `to` was just made as long.
    unsafe {
        let mut to = to.as_mut_ptr();
        for block in blocks.clone() {
            for rows in 0..2 {
                for pair in 0..BLOCK / 2 {
                    let at = (block * BLOCK + 2 * pair) * COLUMN + rows * COLUMN / 2;
                    let at = tile.as_ptr().add(at);
                    let columns = [H::load::<Avx512>(at), H::load::<Avx512>(at.add(COLUMN))];
                    _mm512_storeu_si512(to.cast(), row_by_row(columns));
                    to = to.add(2 * 16);
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 128")]
const fn small(number: i32) -> f32 {
    number as f32
}

/// Of 16 rows of four bytes, the two at the bit `AT` as weights, row by row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pair<const AT: u32>(bytes: __m512i, scale: __m512, added: __m512) -> __m512i {
    let mask = _mm512_set1_epi32(0xFF);
    let first = _mm512_and_si512(_mm512_srli_epi32::<AT>(bytes), mask);
    let second = match AT {
        0 => _mm512_and_si512(_mm512_srli_epi32::<8>(bytes), mask),
        _ => _mm512_srli_epi32::<24>(bytes),
    };
    let weights = |bytes| _mm512_fmadd_ps(_mm512_cvtepi32_ps(bytes), scale, added);
    row_by_row([weights(first), weights(second)])
}

/// Of 16 rows the numbers of two columns as 16-bit floats, row by row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn row_by_row([first, second]: [__m512; 2]) -> __m512i {
    // SAFETY: both are 512 bits of anything.
    let both: __m512i = unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) };
    _mm512_permutexvar_epi16(interleaved(), both)
}

/// 0, 16, 1, 17, …
#[inline]
#[target_feature(enable = "avx512f")]
fn interleaved() -> __m512i {
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
    // SAFETY: 64 bytes.
    unsafe { _mm512_loadu_si512(ORDER.as_ptr().cast()) }
}
