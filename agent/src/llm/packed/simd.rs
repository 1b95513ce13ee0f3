//! The vectors that products are computed with, one implementation for each instruction set.
#![expect(unsafe_code, reason = "functions for instructions that the processor may lack")]

#[cfg(target_arch = "x86_64")]
use crate::llm::amx;

#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(super) use x86::Avx512;

/// The instruction sets that products are written for. Who computes with one has it from [`Isa::all`], which gives those
/// of this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// As [`Isa::Avx512`], with a matrix unit for 16-bit floats: Intel's servers from Sapphire Rapids on.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// AVX-512 with VNNI: Intel from Ice Lake on, AMD from Zen 4 on.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with VNNI: Intel from Alder Lake on.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// AVX2 with FMA: all else of Intel and AMD since 2013.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON with products of four bytes each: all of Apple's, others of ARM's since 2018.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    /// NEON: every 64-bit processor of ARM's.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// None by name: what the compiler makes of plain loops.
    Plain,
}

impl Isa {
    /// The best one of this processor.
    pub(crate) fn of_this_machine() -> Self {
        Self::all().next().unwrap_or(Self::Plain)
    }

    /// Those of this processor, the best one first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::special().into_iter().filter_map(|(isa, has)| has.then_some(isa)).chain([Self::Plain])
    }

    /// Those that this processor may have, and whether it has them.
    #[cfg(target_arch = "x86_64")]
    fn special() -> [(Self, bool); 4] {
        let has_avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        [
            (Self::Amx, amx::is_there()),
            (Self::Avx512, has_avx2 && has_avx512),
            (Self::AvxVnni, has_avx2 && is_x86_feature_detected!("avxvnni")),
            (Self::Avx2, has_avx2),
        ]
    }

    /// Those that this processor may have, and whether it has them.
    #[cfg(target_arch = "aarch64")]
    fn special() -> [(Self, bool); 2] {
        let has_dot = std::arch::is_aarch64_feature_detected!("dotprod");
        [(Self::NeonDot, has_dot), (Self::Neon, true)]
    }

    /// None.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn special() -> [(Self, bool); 0] {
        []
    }

    /// The one with a matrix unit.
    #[cfg(target_arch = "x86_64")]
    const MATRIX_UNIT: Option<Self> = Some(Self::Amx);
    #[cfg(not(target_arch = "x86_64"))]
    const MATRIX_UNIT: Option<Self> = None;

    /// Whether prompts are multiplied by a matrix unit.
    pub(crate) fn has_matrix_unit(self) -> bool {
        Self::MATRIX_UNIT == Some(self)
    }

    /// Does the work in a function that has these instructions.
    ///
    /// # Safety
    /// The processor has them, and what the work itself asks for holds.
    #[inline]
    pub(super) unsafe fn run<W: Work>(self, work: W) -> W::Result {
        // SAFETY: that is what the caller says.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Amx | Self::Avx512 => x86::with_avx512(work),
                #[cfg(target_arch = "x86_64")]
                Self::AvxVnni => x86::with_avx_vnni(work),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::with_avx2(work),
                #[cfg(target_arch = "aarch64")]
                Self::NeonDot => neon::with_dot(work),
                #[cfg(target_arch = "aarch64")]
                Self::Neon => work.with::<neon::Neon<false>>(),
                Self::Plain => work.with::<plain::Plain>(),
            }
        }
    }
}

/// What is computed in the same way by every instruction set.
pub(super) trait Work {
    /// What comes of it.
    type Result;

    /// Does it; inlined into a function that has the instructions.
    ///
    /// # Safety
    /// That of [`Simd`], and what the work itself asks for.
    unsafe fn with<S: Simd>(self) -> Self::Result;
}

/// Vectors of one instruction set. All methods are inlined into functions that enable it.
///
/// # Safety
/// Who calls a method has seen that the processor has the instructions, and gives it pointers to as many bytes as it
/// names; none needs to be aligned.
pub(super) unsafe trait Simd: Copy {
    /// Bytes, and 32-bit integers.
    type Int: Copy;
    /// 32-bit floats.
    type Float: Copy;
    /// Vectors in a column group of a tile: 32 rows of four bytes.
    const PER_GROUP: usize;
    /// 32-bit lanes of a vector.
    const LANES: usize;
    /// Tokens that [`many`](super::product) computes at once: as many sums as there are registers for.
    const TOKENS: usize;
    /// What [`Simd::dot`] takes from each byte of `a` first if it is `WIDE`.
    const LESS: i32;
    /// Whether a product and a sum are one instruction.
    const FUSED: bool;

    /// `LANES * 4` bytes.
    unsafe fn load(from: *const u8) -> Self::Int;
    unsafe fn store(to: *mut u8, bytes: Self::Int);
    /// `LANES` floats.
    unsafe fn load_f32(from: *const f32) -> Self::Float;
    unsafe fn store_f32(to: *mut f32, floats: Self::Float);
    /// `LANES` half floats.
    unsafe fn load_f16(from: *const u8) -> Self::Float;
    /// `LANES` upper halves of floats.
    unsafe fn load_bf16(from: *const u8) -> Self::Float;
    /// `LANES` unsigned bytes, as floats.
    unsafe fn load_u8(from: *const u8) -> Self::Float;
    /// `LANES` signed bytes, as floats.
    unsafe fn load_i8(from: *const u8) -> Self::Float;
    /// Four bytes into each lane.
    unsafe fn broadcast(from: *const i8) -> Self::Int;
    unsafe fn splat_byte(byte: u8) -> Self::Int;
    unsafe fn splat(number: i32) -> Self::Int;
    unsafe fn splat_f32(number: f32) -> Self::Float;
    unsafe fn and(a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn or(a: Self::Int, b: Self::Int) -> Self::Int;
    /// Each byte to the right; what comes into it from its neighbour is masked by who calls.
    unsafe fn shift_right<const BITS: u32>(a: Self::Int) -> Self::Int;
    /// Each byte to the left, as [`Simd::shift_right`].
    unsafe fn shift_left<const BITS: u32>(a: Self::Int) -> Self::Int;
    /// To each lane of `sum` the products of its four unsigned bytes in `a`, less [`Simd::LESS`] each if `WIDE`, and signed
    /// ones in `b`, which are never -128. `a` is below 128 if not `WIDE`.
    unsafe fn dot<const WIDE: bool>(sum: Self::Int, a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn to_f32(a: Self::Int) -> Self::Float;
    unsafe fn mul(a: Self::Float, b: Self::Float) -> Self::Float;
    /// `a * b + c`.
    unsafe fn mul_add(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// `c - a * b`.
    unsafe fn mul_sub(a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// What will be read soon.
    unsafe fn prefetch(from: *const u8);
}
