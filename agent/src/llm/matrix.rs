//! Products with a weight matrix: by candle, or by a loop of our own for small models.
//!
//! candle shares each product out among all cores, and looks up their number in a system file before each dense one.
//! For a matrix of 256 × 256 that costs more than the product, and on a machine that is busy with other work each
//! hand-over waits for the other core's scheduler.

use candle_core::quantized::{GgmlType, QMatMul};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Module, Result, Shape, Tensor, bail};

/// Up to so many rows the loop is the faster.
pub(crate) const FEW: usize = 4;

/// A weight matrix, `[rows, columns]`.
#[derive(Clone)]
pub(crate) enum Matrix {
    /// Quantised or dense, on all cores.
    Shared(QMatMul),
    /// Dense, on the calling thread, which is to [stay alone](crate::llm::workers::stay_on_this_thread).
    Own(Tensor),
}

impl Matrix {
    /// `x`: `[t, columns]`. Returns `[t, rows]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Shared(matrix) => matrix.forward(x),
            Self::Own(weights) if x.dim(0)? <= FEW => x.apply_op2_no_bwd(weights, &RowByRow),
            Self::Own(weights) => x.matmul(&weights.t()?),
        }
    }

    /// The rows of `ids`, `[t, columns]`.
    ///
    /// # Errors
    /// When an id has no row.
    pub(crate) fn rows(&self, ids: &[u32], device: &Device) -> Result<Tensor> {
        let ids = Tensor::new(ids, device)?;
        match self {
            Self::Shared(matrix) => matrix.embedding(&ids),
            Self::Own(weights) => weights.index_select(&ids, 0),
        }
    }
}

/// `x · Wᵀ` for few rows `x`; each row of `W` is read once for all of them.
struct RowByRow;

impl CustomOp2 for RowByRow {
    fn name(&self) -> &'static str {
        "row-by-row"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (t, columns) = x_layout.shape().dims2()?;
        let (rows, expected) = weights_layout.shape().dims2()?;
        if columns != expected || columns == 0 {
            bail!("expected rows of {expected}, found {columns}");
        }
        let (x, weights) = (in_order(x, x_layout)?, in_order(weights, weights_layout)?);
        let mut y = vec![0.0; t * rows];
        for (row, weights) in weights.chunks_exact(columns).enumerate() {
            for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(rows)) {
                if let Some(y) = y.get_mut(row) {
                    // candle's own product of two slices, with the processor's widest instructions.
                    *y = f32::vec_dot(columns, weights, x);
                }
            }
        }
        Ok((CpuStorage::F32(y), Shape::from((t, rows))))
    }
}

/// The elements of a tensor without gaps.
fn in_order<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let elements = storage.as_slice::<f32>()?;
    let range = layout.contiguous_offsets().and_then(|(start, end)| elements.get(start..end));
    range.ok_or_else(|| candle_core::Error::Msg(String::from("expected rows in order")))
}
