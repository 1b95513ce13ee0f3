//! Weight matrices of 16 bits and less in a form that this processor multiplies quickly, in the memory that their file takes.
//!
//! candle keeps such a form beside the one of the file, for some types and widths, and has all threads meet for each
//! product of a turn. Here the rearranged form is the only one, products of the same vector share its rounding and one
//! job, and the inner vector of a feed-forward part is rounded where it is made (see [`feed_forward`]).

#![expect(unsafe_code, reason = "several threads write one result")]

use std::cell::RefCell;

use candle_core::quantized::GgmlDType;

use crate::llm::pool::Pool;

mod activations;
#[cfg(target_arch = "x86_64")]
mod amx;
mod floats;
mod format;
mod product;
mod simd;

#[cfg(test)]
mod tests;

use activations::{Activations, Precision, Rounding};
use floats::{Bf16, F16};
use format::{Q4_0, Q4K, Q5_0, Q5K, Q6K, Q8_0};
pub(crate) use simd::Isa;

/// Rows of a tile.
const ROWS: usize = 32;
/// Columns of a block.
const BLOCK: usize = 32;
/// Tokens of a group of activations.
const GROUP: usize = 16;

/// Calls `$body` with `$format` as the type that stands for `$dtype`; `$otherwise` for a type without a format.
macro_rules! with_format {
    ($dtype:expr, $format:ident => $body:expr, $otherwise:expr) => {
        match $dtype {
            GgmlDType::Q8_0 => {
                type $format = Q8_0;
                $body
            }
            GgmlDType::Q4_0 => {
                type $format = Q4_0;
                $body
            }
            GgmlDType::Q5_0 => {
                type $format = Q5_0;
                $body
            }
            GgmlDType::Q4K => {
                type $format = Q4K;
                $body
            }
            GgmlDType::Q5K => {
                type $format = Q5K;
                $body
            }
            GgmlDType::Q6K => {
                type $format = Q6K;
                $body
            }
            _ => $otherwise,
        }
    };
}

/// As [`with_format`], for the types of [`floats`].
macro_rules! with_float {
    ($dtype:expr, $float:ident => $body:expr, $otherwise:expr) => {
        match $dtype {
            GgmlDType::F16 => {
                type $float = F16;
                $body
            }
            GgmlDType::BF16 => {
                type $float = Bf16;
                $body
            }
            _ => $otherwise,
        }
    };
}

// Behind the macros that it uses.
mod tiles;

pub(crate) use tiles::{Packed, Read, Write};

/// What a product is made of: a matrix and what is added to its result, `[rows]`.
pub(crate) type Term<'a> = (&'a Packed, Option<&'a [f32]>);

/// What products are computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Many tokens that are known: in 16-bit floats where the processor has a matrix unit for them.
    Prompt,
    /// A few that the model writes: in bytes, or in floats where weights are floats.
    Completion,
}

/// How this machine rounds, by name: what was computed on another one, or by an earlier version of the kernels, may
/// differ in its last bits, or in more.
pub(crate) fn arithmetic() -> String {
    /// Of what products and attention round, and when.
    const VERSION: u32 = 2;
    format!("{:?} {VERSION}", Isa::of_this_machine())
}

/// Whether the phases round to different numbers on this machine, so that what was computed in one is not what the
/// other would have computed.
pub(crate) fn phases_differ() -> bool {
    Isa::of_this_machine().has_matrix_unit()
}

/// `x`: `[t, columns]`; of each term `[t, rows]`. Rounded once, in one job.
pub(crate) fn products(terms: &[Term<'_>], x: &[f32], phase: Phase) -> Vec<Vec<f32>> {
    let Some((first, _)) = terms.first() else { return Vec::new() };
    let precision = first.precision(phase);
    if terms.iter().any(|(matrix, _)| matrix.precision(phase) != precision) {
        return terms
            .iter()
            .flat_map(|term| products(std::slice::from_ref(term), x, phase))
            .collect();
    }
    products_of(terms, &Activations::round(x, first.columns, precision, first.isa, Pool::get()))
}

fn products_of(terms: &[Term<'_>], x: &Activations) -> Vec<Vec<f32>> {
    let (t, room) = (x.t(), x.room());
    let places: Vec<_> = terms.iter().map(|(matrix, _)| Place::new(t, matrix.rows)).collect();
    let tiles: Vec<_> = terms
        .iter()
        .zip(&places)
        .flat_map(|(term, place)| (0..term.0.n_tiles()).map(move |tile| (term, place, tile)))
        .collect();
    each_part(tiles.len(), x, &|part, scratch| {
        let tiles = &tiles[part];
        multiply(tiles.iter().map(|((matrix, _), _, tile)| (*matrix, *tile)), x, scratch);
        let results = scratch.results.chunks_exact_mut(room);
        for (((_, bias), place, tile), results) in tiles.iter().zip(results) {
            place.put(*tile, &mut results[..t], *bias);
        }
    });
    // SAFETY: each tile of each term was put.
    places.into_iter().map(|place| unsafe { place.filled() }).collect()
}

/// `SwiGLU`, `down · (silu(gate · x) * (up · x))`: `x` is `[t, columns]`, the result `[t, rows of down]`.
///
/// A tile of the inner vector is a block of what `down` multiplies: it is rounded where it is made. `gate` and `up`
/// [share](Packed::shares_rounding) what they multiply.
///
/// # Source
/// <https://arxiv.org/abs/2002.05202>
pub(crate) fn feed_forward(
    gate: &Packed,
    up: &Packed,
    down: &Packed,
    x: &[f32],
    phase: Phase,
) -> Vec<f32> {
    let x = Activations::round(x, gate.columns, gate.precision(phase), gate.isa, Pool::get());
    let (t, room) = (x.t(), x.room());
    let inner = Rounding::new(t, down.columns, down.precision(phase), down.isa);
    each_part(gate.n_tiles().min(inner.n_blocks()), &x, &|part, scratch| {
        let pairs = part.clone().flat_map(|tile| [(gate, tile), (up, tile)]);
        multiply(pairs, &x, scratch);
        for (tile, results) in part.zip(scratch.results.chunks_exact_mut(2 * room)) {
            let (gated, up) = results.split_at_mut(room);
            product::gate(gate.isa, &mut gated[..t], &up[..t]);
            inner.put(tile, &gated[..t]);
        }
    });
    products_of(&[(down, None)], &inner.done()).concat()
}

impl Packed {
    /// What it is multiplied by is rounded to.
    fn precision(&self, phase: Phase) -> Precision {
        match (self.isa, phase) {
            #[cfg(target_arch = "x86_64")]
            (Isa::Amx, Phase::Prompt) => Precision::Halves,
            _ => with_float!(self.dtype, _F => Precision::Floats, Precision::Bytes),
        }
    }

    /// Whether what it is multiplied by is rounded as for `other`.
    pub(crate) fn shares_rounding(&self, other: &Self) -> bool {
        self.precision(Phase::Completion) == other.precision(Phase::Completion)
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The rows of `ids`, `[ids, columns]`.
    ///
    /// # Errors
    /// The id that has no row.
    pub(crate) fn gather(&self, ids: &[u32]) -> Result<Vec<f32>, u32> {
        let mut rows = vec![0.0; ids.len() * self.columns];
        let mut scratch = product::Unpacked::default();
        for (&id, to) in ids.iter().zip(rows.chunks_exact_mut(self.columns)) {
            let row = usize::try_from(id).ok().filter(|row| *row < self.rows).ok_or(id)?;
            let (tile, at) = (self.tile(row / ROWS), row % ROWS);
            with_format!(
                self.dtype,
                F => product::row::<F>(self.isa, tile, at, &mut scratch, to),
                with_float!(self.dtype, H => floats::row::<H>(tile, at, to), ())
            );
        }
        Ok(rows)
    }
}

/// A tile, unpacked for one of the kinds of activations.
#[derive(Default)]
struct Unpacked {
    bytes: product::Unpacked,
    #[cfg(target_arch = "x86_64")]
    halves: amx::Unpacked,
}

/// What a thread computes in.
#[derive(Default)]
struct Scratch {
    unpacked: Unpacked,
    /// `[tiles, room for the tokens, 32]`.
    results: Vec<[f32; ROWS]>,
}

/// Leaves in `scratch.results` the products of some tiles with `x`.
fn multiply<'a>(
    tiles: impl Iterator<Item = (&'a Packed, usize)> + Clone,
    x: &Activations,
    scratch: &mut Scratch,
) {
    let Scratch { unpacked, results } = scratch;
    let room = x.room();
    results.resize(tiles.clone().count() * room, [0.0; ROWS]);
    let tiles = tiles.map(|(matrix, tile)| (matrix, matrix.tile(tile)));
    match x {
        Activations::Bytes(x) => {
            let scratch = &mut unpacked.bytes;
            for ((matrix, tile), out) in tiles.clone().zip(results.chunks_exact_mut(room)) {
                with_format!(matrix.dtype, F => product::multiply::<F>(matrix.isa, tile, x, scratch, out), ());
            }
        }
        Activations::Floats(x) => {
            for ((matrix, tile), out) in tiles.zip(results.chunks_exact_mut(room)) {
                with_float!(matrix.dtype, H => floats::multiply::<H>(matrix.isa, tile, x, out), ());
            }
        }
        #[cfg(target_arch = "x86_64")]
        Activations::Halves(x) => {
            let scratch = &mut unpacked.halves;
            for start in (0..x.n_blocks).step_by(amx::SLICE) {
                let blocks = start..(start + amx::SLICE).min(x.n_blocks);
                for ((matrix, tile), out) in tiles.clone().zip(results.chunks_exact_mut(room)) {
                    assert_eq!(x.n_blocks * BLOCK, matrix.columns, "vectors as long as rows");
                    let blocks = blocks.clone();
                    let unpack: amx::Unpack = with_format!(
                        matrix.dtype,
                        F => amx::unpack::<F>,
                        with_float!(matrix.dtype, H => amx::unpack_floats::<H>, continue)
                    );
                    // SAFETY: there are halves only for the matrix unit; a tile is as long as rows, and they are whole
                    // units, as a slice is.
                    unsafe { amx::multiply(unpack, tile, x, blocks, scratch, out) };
                }
            }
        }
    }
}

/// Of each thread so many parts, so that one that is held up holds up nobody.
const SHARES: usize = 8;
/// The same where tiles that are multiplied together share what is read of activations.
#[cfg(target_arch = "x86_64")]
const SHARES_OF_PROMPTS: usize = 3;
/// Most tiles of a part: their results stay in the second cache.
const TOGETHER: usize = 8;

/// Calls `work` with parts of the tiles.
fn each_part(
    n_tiles: usize,
    x: &Activations,
    work: &(dyn Fn(std::ops::Range<usize>, &mut Scratch) + Sync),
) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    let pool = Pool::get();
    let shares = match x {
        Activations::Bytes(_) | Activations::Floats(_) => SHARES,
        #[cfg(target_arch = "x86_64")]
        Activations::Halves(_) => SHARES_OF_PROMPTS,
    };
    let per_part = n_tiles.div_ceil(pool.n_threads() * shares).clamp(1, TOGETHER);
    pool.run(n_tiles.div_ceil(per_part), &|part| {
        SCRATCH.with_borrow_mut(|scratch| {
            work(part * per_part..((part + 1) * per_part).min(n_tiles), scratch);
        });
    });
}

/// Where results go, `[t, rows]`, written by several threads.
struct Place {
    y: Vec<f32>,
    start: *mut f32,
    t: usize,
    rows: usize,
}

// SAFETY: threads write different tiles, and nobody reads before all have.
unsafe impl Sync for Place {}
// SAFETY: as above.
unsafe impl Send for Place {}

impl Place {
    fn new(t: usize, rows: usize) -> Self {
        let mut y = Vec::with_capacity(t * rows);
        Self { start: y.as_mut_ptr(), y, t, rows }
    }

    /// Writes a tile's results, `[t, 32]`, with what is added to each.
    fn put(&self, tile: usize, results: &mut product::Out, bias: Option<&[f32]>) {
        let first = tile * ROWS;
        let n_rows = ROWS.min(self.rows - first);
        let bias = bias.and_then(|bias| bias.get(first..first + n_rows));
        assert_eq!(results.len(), self.t, "as many results as tokens");
        for (token, result) in results.iter_mut().enumerate() {
            for (y, bias) in result.iter_mut().zip(bias.unwrap_or_default()) {
                *y += bias;
            }
            let at = token * self.rows + first;
            // SAFETY: within `y`, which outlives the job; only this call writes this tile's rows.
            unsafe {
                if n_rows == ROWS {
                    self.start.add(at).cast::<[f32; ROWS]>().write_unaligned(*result);
                } else {
                    std::ptr::copy_nonoverlapping(result.as_ptr(), self.start.add(at), n_rows);
                }
            }
        }
    }

    /// The results.
    ///
    /// # Safety
    /// All tiles were put.
    unsafe fn filled(mut self) -> Vec<f32> {
        // SAFETY: that is what the caller says.
        unsafe { self.y.set_len(self.t * self.rows) };
        self.y
    }
}
