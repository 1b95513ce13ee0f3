//! Matrices in memory or mapped, tile by tile, and how they come there from files.

use std::cell::RefCell;
use std::sync::Mutex;

use candle_core::quantized::GgmlDType;
use memmap2::MmapMut;

use super::format::{self, Format, Q4_0, Q4K, Q5_0, Q5K, Q6K, Q8_0, RowUnit};
use super::{BLOCK, Isa, ROWS, floats};
use crate::llm::pool::Pool;
use crate::llm::refusal::Refusal;
use crate::llm::weights_cache::Tiles;

/// A matrix `[rows, columns]` of one of the formats of [`format`], tile by tile.
pub(crate) struct Packed {
    pub(super) dtype: GgmlDType,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Bytes of a tile.
    tile: usize,
    data: Data,
    pub(super) isa: Isa,
}

/// Where tiles lie.
enum Data {
    /// In memory of this process.
    Own(MmapMut),
    /// In a file that is mapped.
    Kept(Tiles),
}

fn unit_bytes<F: Format>() -> usize {
    F::HEADER + F::BLOCKS * F::BYTES
}

impl Packed {
    /// Whether matrices `[_, columns]` of this type are packed.
    pub(crate) fn takes(dtype: GgmlDType, columns: usize) -> bool {
        let block = match dtype {
            GgmlDType::F16 | GgmlDType::BF16 => BLOCK,
            _ => with_format!(dtype, F => F::BLOCKS * BLOCK, return false),
        };
        columns > 0 && columns.is_multiple_of(block)
    }

    /// Memory that a matrix takes, in bytes; [`Packed::takes`] it.
    pub(crate) fn size(dtype: GgmlDType, rows: usize, columns: usize) -> usize {
        let tile = match dtype {
            GgmlDType::F16 | GgmlDType::BF16 => columns * ROWS * floats::SIZE,
            _ => with_format!(dtype, F => columns / (F::BLOCKS * BLOCK) * unit_bytes::<F>(), 0),
        };
        rows.div_ceil(ROWS) * tile
    }

    /// Reads a matrix into memory, rearranged; `read` fills its argument with the file's bytes from an offset on.
    ///
    /// # Errors
    /// When the type is not [taken](Packed::takes), what is stored cannot be read, or memory is short.
    pub(crate) fn new(
        dtype: GgmlDType,
        rows: usize,
        columns: usize,
        read: &Read<'_>,
    ) -> Result<Self, Refusal> {
        let tile = Self::tile_size(dtype, columns)?;
        let mut data = MmapMut::map_anon(Self::size(dtype, rows, columns).max(1))?;
        // Large pages spare the processor the look for where each small one lies; without them all else is the same.
        #[cfg(target_os = "linux")]
        let _ = data.advise(memmap2::Advice::HugePage);
        let tiles: Vec<_> = data.chunks_exact_mut(tile.max(1)).map(Mutex::new).collect();
        rearrange(dtype, rows, columns, read, &|index, bytes| {
            if let Some(Ok(mut tile)) = tiles.get(index).map(Mutex::lock) {
                tile.copy_from_slice(bytes);
            }
            Ok(())
        })?;
        drop(tiles);
        Ok(Self { dtype, rows, columns, tile, data: Data::Own(data), isa: Isa::of_this_machine() })
    }

    /// A matrix whose tiles are kept, or will be: `write` writes its argument behind so many bytes of them.
    ///
    /// # Errors
    /// As [`Packed::new`], when they cannot be written, and when there are fewer.
    pub(crate) fn kept(
        dtype: GgmlDType,
        rows: usize,
        columns: usize,
        tiles: Tiles,
        rearranging: Option<(&Read<'_>, &Write<'_>)>,
    ) -> Result<Self, Refusal> {
        let tile = Self::tile_size(dtype, columns)?;
        if let Some((read, write)) = rearranging {
            rearrange(dtype, rows, columns, read, &|index, bytes| write(index * tile, bytes))?;
        }
        if tiles.bytes().len() < Self::size(dtype, rows, columns) {
            return Err(Refusal::format("kept weights are cut short"));
        }
        Ok(Self {
            dtype,
            rows,
            columns,
            tile,
            data: Data::Kept(tiles),
            isa: Isa::of_this_machine(),
        })
    }

    /// The bytes of a tile.
    fn tile_size(dtype: GgmlDType, columns: usize) -> Result<usize, Refusal> {
        if Self::takes(dtype, columns) {
            return Ok(Self::size(dtype, ROWS, columns));
        }
        Err(Refusal::format(format!(
            "a matrix of {dtype:?} with {columns} columns has no packed form"
        )))
    }

    pub(super) fn n_tiles(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// The tile `index`, empty where there is none.
    pub(super) fn tile(&self, index: usize) -> &[u8] {
        let data = match &self.data {
            Data::Own(data) => data,
            Data::Kept(tiles) => tiles.bytes(),
        };
        data.get(index * self.tile..(index + 1) * self.tile).unwrap_or_default()
    }
}

/// Fills its argument with the file's bytes of a matrix, from an offset on.
pub(crate) type Read<'a> = dyn Fn(usize, &mut [u8]) -> std::io::Result<()> + Sync + 'a;
/// Takes bytes of rearranged tiles, and how many come before them.
pub(crate) type Write<'a> = dyn Fn(usize, &[u8]) -> std::io::Result<()> + Sync + 'a;

/// Rearranges a matrix; `put` is called with each tile once, by several threads.
fn rearrange(
    dtype: GgmlDType,
    rows: usize,
    columns: usize,
    read: &Read<'_>,
    put: &Write<'_>,
) -> std::io::Result<()> {
    thread_local! {
        /// A tile as the file has it, and rearranged.
        static TILE: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
    }
    let row_bytes = columns / dtype.block_size() * dtype.type_size();
    let failure = Mutex::new(Ok(()));
    Pool::get().run(rows.div_ceil(ROWS), &|index| {
        let n_rows = ROWS.min(rows - index * ROWS);
        let done = TILE.with_borrow_mut(|(stored, tile)| {
            stored.resize(n_rows * row_bytes, 0);
            read(index * ROWS * row_bytes, stored)?;
            // Rows that are not there are zeros.
            tile.clear();
            tile.resize(Packed::size(dtype, ROWS, columns), 0);
            with_format!(
                dtype,
                F => pack::<F>(stored, tile, n_rows, columns),
                floats::pack(stored, tile, columns)
            );
            put(index, tile)
        });
        if let (Err(error), Ok(mut failure)) = (done, failure.lock()) {
            *failure = Err(error);
        }
    });
    failure.into_inner().unwrap_or(Ok(()))
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
