//! Quantised weight matrices in a form that this processor multiplies quickly, in the memory that their file takes.
//!
//! candle keeps such a form beside the one of the file, for some types and widths, and has all threads meet for each
//! product of a turn. Here the rearranged form is the only one, products of the same vector share its rounding and one
//! job, and what they are made of is multiplied without being written down (see [`gated`]).

#![expect(unsafe_code, reason = "several threads write one result")]

use std::cell::RefCell;
use std::sync::Mutex;

use candle_core::quantized::GgmlDType;
use memmap2::MmapMut;

use crate::llm::pool::Pool;
use crate::llm::refusal::Refusal;

mod activations;
mod amx;
mod format;
mod product;
mod simd;

#[cfg(test)]
mod tests;

use activations::Activations;
use format::{Format, Q4_0, Q4K, Q5_0, Q5K, Q6K, Q8_0, RowUnit};
pub(crate) use simd::Isa;

/// Rows of a tile.
const ROWS: usize = 32;
/// Columns of a block.
const BLOCK: usize = 32;
/// Tokens of a group of activations.
const GROUP: usize = 16;

/// A matrix `[rows, columns]` of one of the formats of [`format`], tile by tile.
pub(crate) struct Packed {
    dtype: GgmlDType,
    rows: usize,
    columns: usize,
    /// Bytes of a tile.
    tile: usize,
    data: MmapMut,
    isa: Isa,
}

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

fn unit_bytes<F: Format>() -> usize {
    F::HEADER + F::BLOCKS * F::BYTES
}

impl Packed {
    /// Whether matrices `[_, columns]` of this type are packed on this machine.
    pub(crate) fn takes(dtype: GgmlDType, columns: usize) -> bool {
        let block = with_format!(dtype, F => F::BLOCKS * BLOCK, return false);
        columns > 0 && columns.is_multiple_of(block) && Isa::of_this_machine().is_some()
    }

    /// Memory that a matrix takes, in bytes; [`Packed::takes`] it.
    pub(crate) fn size(dtype: GgmlDType, rows: usize, columns: usize) -> usize {
        let tile = with_format!(dtype, F => columns / (F::BLOCKS * BLOCK) * unit_bytes::<F>(), 0);
        rows.div_ceil(ROWS) * tile
    }

    /// Reads and rearranges a matrix tile by tile; `read` fills its argument with the file's bytes from an offset on.
    ///
    /// # Errors
    /// When the type is not [taken](Packed::takes), what is stored cannot be read, or memory is short.
    pub(crate) fn new(
        dtype: GgmlDType,
        rows: usize,
        columns: usize,
        read: &(dyn Fn(usize, &mut [u8]) -> std::io::Result<()> + Sync),
    ) -> Result<Self, Refusal> {
        let Some(isa) = Isa::of_this_machine().filter(|_| Self::takes(dtype, columns)) else {
            return Err(Refusal::format(format!(
                "a matrix of {dtype:?} cannot be multiplied here"
            )));
        };
        let size = Self::size(dtype, rows, columns);
        let mut data = MmapMut::map_anon(size.max(1))?;
        // Large pages spare the processor the look for where each small one lies; without them all else is the same.
        #[cfg(target_os = "linux")]
        let _ = data.advise(memmap2::Advice::HugePage);
        let tile = size / rows.div_ceil(ROWS).max(1);
        let row_bytes = columns / dtype.block_size() * dtype.type_size();
        let failure = Mutex::new(None);
        let tiles: Vec<_> = data.chunks_exact_mut(tile.max(1)).map(Mutex::new).collect();
        Pool::get().run(tiles.len(), &|index| {
            let Some(Ok(mut tile)) = tiles.get(index).map(Mutex::lock) else { return };
            let n_rows = ROWS.min(rows - index * ROWS);
            let packed = STORED.with_borrow_mut(|stored| {
                stored.resize(n_rows * row_bytes, 0);
                read(index * ROWS * row_bytes, stored)?;
                with_format!(dtype, F => pack::<F>(stored, &mut tile, n_rows, columns), ());
                Ok(())
            });
            if let (Err(error), Ok(mut failure)) = (packed, failure.lock()) {
                *failure = Some(error);
            }
        });
        drop(tiles);
        if let Ok(Some(error)) = failure.into_inner() {
            let error: std::io::Error = error;
            return Err(error.into());
        }
        Ok(Self { dtype, rows, columns, tile, data, isa })
    }

    fn n_tiles(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// The tile `index`, empty where there is none.
    fn tile(&self, index: usize) -> &[u8] {
        self.data.get(index * self.tile..(index + 1) * self.tile).unwrap_or_default()
    }

    /// The tile `index` times `x`.
    fn multiply(
        &self,
        index: usize,
        x: &Activations,
        scratch: &mut product::Unpacked,
        out: &mut product::Out,
    ) {
        with_format!(self.dtype, F => product::multiply::<F>(self.isa, self.tile(index), x, scratch, out), ());
    }
}

thread_local! {
    /// A tile as the file has it.
    static STORED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Rearranges the rows of a tile.
fn pack<F: Format>(stored: &[u8], tile: &mut [u8], n_rows: usize, columns: usize) {
    let row_bytes = stored.len() / n_rows;
    let stored_unit = row_bytes / (columns / (F::BLOCKS * BLOCK));
    let mut row = RowUnit { bytes: [[0; BLOCK]; 8], header: [[0; 2]; 2], before: [[0; 2]; 8] };
    for (at, stored) in stored.chunks_exact(row_bytes).enumerate() {
        let units = stored.chunks_exact(stored_unit).zip(tile.chunks_exact_mut(unit_bytes::<F>()));
        for (stored, unit) in units {
            // Lengths are those of the format.
            let _ =
                F::take_apart(stored, &mut row).and_then(|()| format::place::<F>(&row, at, unit));
        }
    }
}

/// What a product is made of: a matrix and what is added to its result, `[rows]`.
pub(crate) type Term<'a> = (&'a Packed, Option<&'a [f32]>);

/// `x`: `[t, columns]`; of each term `[t, rows]`. Rounded once, in one job.
pub(crate) fn products(terms: &[Term<'_>], x: &[f32]) -> Vec<Vec<f32>> {
    let Some(columns) = terms.first().map(|(matrix, _)| matrix.columns) else { return Vec::new() };
    let pool = Pool::get();
    let x = Activations::round(x, columns, pool);
    let mut results: Vec<_> =
        terms.iter().map(|(matrix, _)| vec![0.0; x.t * matrix.rows]).collect();
    let places: Vec<_> =
        results.iter_mut().zip(terms).map(|(y, (m, _))| Place::new(y, m.rows)).collect();
    let tiles: Vec<_> = (0..terms.len())
        .flat_map(|term| (0..terms[term].0.n_tiles()).map(move |tile| (term, tile)))
        .collect();
    each_tile(pool, tiles.len(), x.t, &|index, scratch| {
        let (term, tile) = tiles[index];
        let (matrix, bias) = terms[term];
        matrix.multiply(tile, &x, &mut scratch.unpacked, &mut scratch.first);
        places[term].put(tile, &mut scratch.first, bias);
    });
    results
}

/// The inner vector of a `SwiGLU`, `silu(gate · x) * (up · x)`: `x` is `[t, columns]`, the result `[t, rows]`.
///
/// # Source
/// <https://arxiv.org/abs/2002.05202>
pub(crate) fn gated(gate: &Packed, up: &Packed, x: &[f32]) -> Vec<f32> {
    let pool = Pool::get();
    let x = Activations::round(x, gate.columns, pool);
    let mut y = vec![0.0; x.t * gate.rows];
    let place = Place::new(&mut y, gate.rows);
    each_tile(pool, gate.n_tiles(), x.t, &|tile, scratch| {
        gate.multiply(tile, &x, &mut scratch.unpacked, &mut scratch.first);
        up.multiply(tile, &x, &mut scratch.unpacked, &mut scratch.second);
        product::gate(gate.isa, &mut scratch.first, &scratch.second);
        place.put(tile, &mut scratch.first, None);
    });
    y
}

impl Packed {
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
            with_format!(self.dtype, F => product::row::<F>(self.isa, tile, at, &mut scratch, to), ());
        }
        Ok(rows)
    }
}

/// What a thread computes a tile in.
#[derive(Default)]
struct Scratch {
    unpacked: product::Unpacked,
    first: Vec<[f32; ROWS]>,
    second: Vec<[f32; ROWS]>,
}

/// Of each thread so many shares, so that one that is held up holds up nobody.
const SHARES: usize = 8;

/// Calls `work` with each tile and room for the results of `t` tokens.
fn each_tile(pool: &Pool, n_tiles: usize, t: usize, work: &(dyn Fn(usize, &mut Scratch) + Sync)) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    let per_part = n_tiles.div_ceil(pool.n_threads() * SHARES).max(1);
    pool.run(n_tiles.div_ceil(per_part), &|part| {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.first.resize(t, [0.0; ROWS]);
            scratch.second.resize(t, [0.0; ROWS]);
            for tile in part * per_part..((part + 1) * per_part).min(n_tiles) {
                work(tile, scratch);
            }
        });
    });
}

/// Where results go, `[t, rows]`, written by several threads.
struct Place {
    y: *mut f32,
    len: usize,
    rows: usize,
}

// SAFETY: threads write different tiles, and nobody reads before all have.
unsafe impl Sync for Place {}
// SAFETY: as above.
unsafe impl Send for Place {}

impl Place {
    fn new(y: &mut [f32], rows: usize) -> Self {
        Self { y: y.as_mut_ptr(), len: y.len(), rows }
    }

    /// Writes a tile's results, `[t, 32]`, with what is added to each.
    fn put(&self, tile: usize, results: &mut product::Out, bias: Option<&[f32]>) {
        let first = tile * ROWS;
        let n_rows = ROWS.min(self.rows - first);
        let bias = bias.and_then(|bias| bias.get(first..first + n_rows));
        for (token, result) in results.iter_mut().enumerate() {
            for (y, bias) in result.iter_mut().zip(bias.unwrap_or_default()) {
                *y += bias;
            }
            let at = token * self.rows + first;
            assert!(at + n_rows <= self.len, "as many results as tokens");
            // SAFETY: within `y`, which outlives the job; only this call writes this tile's rows.
            unsafe { std::ptr::copy_nonoverlapping(result.as_ptr(), self.y.add(at), n_rows) };
        }
    }
}
