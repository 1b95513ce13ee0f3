//! AVX-512 and AVX2.
#![expect(unsafe_code, reason = "instructions that the processor may lack")]

use std::arch::x86_64::{
    __m256, __m512, _mm_loadl_epi64, _mm_loadu_si128, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_permute2f128_ps,
    _mm256_set1_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    _mm512_castpd_ps, _mm512_castps_pd, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtph_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
    _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::{Isa, LANES, Lanes, f16};

/// AVX-512 of the first server processors that had it.
#[derive(Debug, Clone, Copy)]
pub(in crate::llm::attention) struct Avx512(());

/// AVX2 with FMA and F16C.
#[derive(Debug, Clone, Copy)]
pub(in crate::llm::attention) struct Avx2(());

impl Avx512 {
    /// If this processor has it.
    pub(in crate::llm::attention) fn detect() -> Option<Self> {
        let has = Avx2::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        has.then_some(Self(()))
    }
}

impl Avx2 {
    /// If this processor has it.
    pub(in crate::llm::attention) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has.then_some(Self(()))
    }
}

impl Isa for Avx512 {
    type Vector = __m512;
    const FUSED: bool = true;
    const ROWS: usize = 6;
    const IS_WIDE: bool = true;

    #[inline(always)]
    fn load(self, lanes: &Lanes) -> __m512 {
        // SAFETY: `self` proves the instructions; 16 floats are read.
        unsafe { _mm512_loadu_ps(lanes.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, vector: __m512, lanes: &mut Lanes) {
        // SAFETY: `self` proves the instructions; 16 floats are written.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), vector) }
    }

    #[inline(always)]
    fn add_scaled(self, sum: __m512, factor: f32, vector: __m512) -> __m512 {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_fmadd_ps(_mm512_set1_ps(factor), vector, sum) }
    }

    #[inline(always)]
    fn widen(self, halves: &[f16; LANES]) -> __m512 {
        // SAFETY: `self` proves the instructions; 32 bytes are read, of 16 halves.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(halves.as_ptr().cast())) }
    }

    #[inline(always)]
    fn widen_bytes(self, bytes: &[u8; LANES]) -> __m512 {
        // SAFETY: `self` proves the instructions; 16 bytes are read.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(bytes.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn transpose(self, rows: [__m512; LANES]) -> [__m512; LANES] {
        // SAFETY: `self` proves the instructions.
        unsafe { transposed_512(&rows) }
    }
}

impl Isa for Avx2 {
    type Vector = [__m256; 2];
    const FUSED: bool = true;
    const ROWS: usize = 6;
    const IS_WIDE: bool = false;

    #[inline(always)]
    fn load(self, lanes: &Lanes) -> [__m256; 2] {
        let (low, high) = (&lanes[..8], &lanes[8..]);
        // SAFETY: `self` proves the instructions; 8 floats are read twice.
        unsafe { [_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())] }
    }

    #[inline(always)]
    fn store(self, vector: [__m256; 2], lanes: &mut Lanes) {
        let (low, high) = lanes.split_at_mut(8);
        // SAFETY: `self` proves the instructions; 8 floats are written twice.
        unsafe {
            _mm256_storeu_ps(low.as_mut_ptr(), vector[0]);
            _mm256_storeu_ps(high.as_mut_ptr(), vector[1]);
        }
    }

    #[inline(always)]
    fn add_scaled(self, sum: [__m256; 2], factor: f32, vector: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let factor = _mm256_set1_ps(factor);
            [_mm256_fmadd_ps(factor, vector[0], sum[0]), _mm256_fmadd_ps(factor, vector[1], sum[1])]
        }
    }

    #[inline(always)]
    fn widen(self, halves: &[f16; LANES]) -> [__m256; 2] {
        let (low, high) = halves.split_at(8);
        // SAFETY: `self` proves the instructions; 16 bytes are read twice, of 8 halves.
        unsafe {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(low.as_ptr().cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(high.as_ptr().cast())),
            ]
        }
    }

    #[inline(always)]
    fn widen_bytes(self, bytes: &[u8; LANES]) -> [__m256; 2] {
        let (low, high) = bytes.split_at(8);
        // SAFETY: `self` proves the instructions; 8 bytes are read twice.
        unsafe {
            [
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(low.as_ptr().cast()))),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(high.as_ptr().cast()))),
            ]
        }
    }

    #[inline(always)]
    fn transpose(self, rows: [[__m256; 2]; LANES]) -> [[__m256; 2]; LANES] {
        let mut columns = rows;
        for (half, columns) in columns.chunks_exact_mut(8).enumerate() {
            for (side, rows) in rows.chunks_exact(8).enumerate() {
                let mut square = [rows[0][half]; 8];
                for (square, row) in square.iter_mut().zip(rows) {
                    *square = row[half];
                }
                // SAFETY: `self` proves the instructions.
                let square = unsafe { transposed_256(square) };
                for (column, square) in columns.iter_mut().zip(square) {
                    column[side] = square;
                }
            }
        }
        columns
    }
}

/// Swaps rows and columns: first in squares of 4 × 4, then these.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposed_512(rows: &[__m512; 16]) -> [__m512; 16] {
    let mut fours = *rows;
    for (old, new) in rows.chunks_exact(4).zip(fours.chunks_exact_mut(4)) {
        let low = (_mm512_unpacklo_ps(old[0], old[1]), _mm512_unpacklo_ps(old[2], old[3]));
        let high = (_mm512_unpackhi_ps(old[0], old[1]), _mm512_unpackhi_ps(old[2], old[3]));
        for (index, (a, b)) in [low, high].into_iter().enumerate() {
            let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
            new[2 * index] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            new[2 * index + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    // `fours[4 * i + j]` holds of rows 4 i to 4 i + 3 the columns j, j + 4, j + 8 and j + 12.
    let mut columns = *rows;
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
        let (ab_even, ab_odd) =
            (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
        let (cd_even, cd_odd) =
            (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
        columns[j] = _mm512_shuffle_f32x4::<0x88>(ab_even, cd_even);
        columns[j + 4] = _mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd);
        columns[j + 8] = _mm512_shuffle_f32x4::<0xdd>(ab_even, cd_even);
        columns[j + 12] = _mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd);
    }
    columns
}

/// Swaps rows and columns: first in squares of 4 × 4, then these.
#[target_feature(enable = "avx")]
#[inline]
fn transposed_256(rows: [__m256; 8]) -> [__m256; 8] {
    let mut fours = rows;
    for (old, new) in rows.chunks_exact(4).zip(fours.chunks_exact_mut(4)) {
        let low = (_mm256_unpacklo_ps(old[0], old[1]), _mm256_unpacklo_ps(old[2], old[3]));
        let high = (_mm256_unpackhi_ps(old[0], old[1]), _mm256_unpackhi_ps(old[2], old[3]));
        for (index, (a, b)) in [low, high].into_iter().enumerate() {
            new[2 * index] = _mm256_shuffle_ps::<0x44>(a, b);
            new[2 * index + 1] = _mm256_shuffle_ps::<0xee>(a, b);
        }
    }
    // `fours[4 * i + j]` holds of rows 4 i to 4 i + 3 the columns j and j + 4.
    let mut columns = rows;
    for j in 0..4 {
        let (a, b) = (fours[j], fours[4 + j]);
        columns[j] = _mm256_permute2f128_ps::<0x20>(a, b);
        columns[j + 4] = _mm256_permute2f128_ps::<0x31>(a, b);
    }
    columns
}
