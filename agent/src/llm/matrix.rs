//! Products with weight matrices: by kernels of our own where they are quantised, by a loop of our own for small
//! models, by candle for all else.
//!
//! candle shares each product out among all cores, and looks up their number in a system file before each dense one.
//! For a matrix of 256 × 256 that costs more than the product, and on a machine that is busy with other work each
//! hand-over waits for the other core's scheduler.

use std::sync::Arc;

use candle_core::quantized::{GgmlType, QMatMul};
use candle_core::{
    CpuStorage, CustomOp2, DType, Device, Layout, Module, Result, Shape, Storage, Tensor, bail,
};
use candle_nn::ops::silu;

#[cfg(feature = "cuda")]
use crate::llm::cuda;
use crate::llm::packed::{self, Packed, Phase};

/// Up to so many rows the loop is the faster.
pub(crate) const FEW: usize = 4;

/// A weight matrix, `[rows, columns]`.
#[derive(Clone)]
pub(crate) enum Matrix {
    /// Quantised, on the threads of our pool.
    Packed(Arc<Packed>),
    /// Quantised or dense, by candle.
    Shared(QMatMul),
    /// Dense in 16-bit floats, on a GPU.
    Halves(Tensor),
    /// Dense, on the calling thread, which is to [stay alone](crate::llm::workers::stay_on_this_thread).
    Own(Tensor),
}

/// A matrix and what is added to its products, `[rows]`.
pub(crate) struct Linear {
    /// The matrix.
    pub(crate) weight: Matrix,
    /// What is added.
    pub(crate) bias: Option<Tensor>,
}

impl Linear {
    /// Whether our own kernels multiply it.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.weight, Matrix::Packed(_))
    }

    /// `x`: `[t, columns]`. Returns `[t, rows]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn forward(&self, x: &Tensor, phase: Phase) -> Result<Tensor> {
        let [y] = products([self], x, phase)?;
        Ok(y)
    }
}

/// `x`: `[t, columns]`. Returns `[t, rows]` of each.
///
/// # Errors
/// When the shapes do not fit.
pub(crate) fn products<const N: usize>(
    terms: [&Linear; N],
    x: &Tensor,
    phase: Phase,
) -> Result<[Tensor; N]> {
    let packed = terms.map(|term| match &term.weight {
        Matrix::Packed(packed) => Some(packed),
        Matrix::Shared(_) | Matrix::Halves(_) | Matrix::Own(_) => None,
    });
    if packed.iter().any(Option::is_none) {
        return each(terms.map(|term| {
            let y = term.weight.forward(x, phase)?;
            let Some(bias) = &term.bias else { return Ok(y) };
            #[cfg(feature = "cuda")]
            if y.device().is_cuda() {
                return y.apply_op2_no_bwd(bias, &cuda::AddBias);
            }
            y.broadcast_add(bias)
        }));
    }
    let biases: Vec<_> =
        terms.iter().map(|term| term.bias.as_ref().map(Tensor::storage_and_layout)).collect();
    let mut matrices = Vec::with_capacity(N);
    for (packed, bias) in packed.into_iter().flatten().zip(&biases) {
        let bias = bias.as_ref().map(|(storage, layout)| on_cpu(storage, layout)).transpose()?;
        matrices.push((&**packed, bias));
    }
    let t = x.dim(0)?;
    let results = with_rows(x, packed[0].map_or(0, |first| first.columns()), |x| {
        packed::products(&matrices, x, phase)
    })?;
    let mut results = results.into_iter();
    each(terms.map(|_| {
        let y = results.next().unwrap_or_default();
        let rows = y.len() / t.max(1);
        Tensor::from_vec(y, (t, rows), x.device())
    }))
}

/// `SwiGLU`, `down · (silu(gate · x) * (up · x))`: `x` is `[t, columns]`, the result `[t, rows of down]`.
///
/// # Errors
/// When the shapes do not fit.
pub(crate) fn feed_forward(
    gate: &Linear,
    up: &Linear,
    down: &Linear,
    x: &Tensor,
    phase: Phase,
) -> Result<Tensor> {
    if let [Matrix::Packed(gate), Matrix::Packed(up), Matrix::Packed(down)] =
        [&gate.weight, &up.weight, &down.weight]
        && gate.shares_rounding(up)
    {
        let y = with_rows(x, gate.columns(), |x| packed::feed_forward(gate, up, down, x, phase))?;
        return Tensor::from_vec(y, (x.dim(0)?, down.rows()), x.device());
    }
    let [gate, up] = products([gate, up], x, phase)?;
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return down.forward(&gate.apply_op2_no_bwd(&up, &cuda::Gated)?, phase);
    }
    down.forward(&(silu(&gate)? * up)?, phase)
}

fn each<const N: usize>(results: [Result<Tensor>; N]) -> Result<[Tensor; N]> {
    let tensors = results.into_iter().collect::<Result<Vec<_>>>()?;
    tensors.try_into().or_else(|_| bail!("expected as many results as terms"))
}

/// Calls `work` with the elements of `x`, which has rows of `columns`.
fn with_rows<R>(x: &Tensor, columns: usize, work: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let x = x.contiguous()?;
    if x.dims2()?.1 != columns || columns == 0 {
        bail!("expected rows of {columns}, found {:?}", x.dims());
    }
    let (storage, layout) = x.storage_and_layout();
    Ok(work(on_cpu(&storage, layout)?))
}

/// The elements of a tensor on the processor.
///
/// # Errors
/// When it lies elsewhere or has gaps.
pub(crate) fn on_cpu<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => in_order(storage, layout),
        Storage::Cuda(_) | Storage::Metal(_) => bail!("expected a tensor on the processor"),
    }
}

impl Matrix {
    /// A dense matrix of 16-bit floats on a GPU. It is multiplied as bfloat16, whose range activations do not leave,
    /// and so is what was stored as IEEE's half floats, mostly made of bfloat16.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub(crate) fn halves(stored: &Tensor) -> Result<Self> {
        Ok(Self::Halves(stored.to_dtype(DType::BF16)?))
    }

    /// `x`: `[t, columns]`. Returns `[t, rows]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    fn forward(&self, x: &Tensor, phase: Phase) -> Result<Tensor> {
        match self {
            Self::Packed(matrix) => {
                let y = with_rows(x, matrix.columns(), |x| {
                    packed::products(&[(matrix, None)], x, phase)
                })?;
                Tensor::from_vec(y.concat(), (x.dim(0)?, matrix.rows()), x.device())
            }
            Self::Shared(matrix) => matrix.forward(&x.contiguous()?),
            Self::Halves(weights) => {
                x.to_dtype(weights.dtype())?.matmul(&weights.t()?)?.to_dtype(DType::F32)
            }
            Self::Own(weights) if x.dim(0)? <= FEW => x.apply_op2_no_bwd(weights, &RowByRow),
            Self::Own(weights) => x.matmul(&weights.t()?),
        }
    }

    /// The rows of `ids`, `[t, columns]`, on `device`; the matrix itself is on the processor.
    ///
    /// # Errors
    /// When an id has no row.
    pub(crate) fn rows(&self, ids: &[u32], device: &Device) -> Result<Tensor> {
        let indices = |weights: &Device| Tensor::new(ids, weights);
        match self {
            Self::Packed(matrix) => match matrix.gather(ids) {
                Ok(rows) => Tensor::from_vec(rows, (ids.len(), matrix.columns()), device),
                Err(id) => bail!("token {id} is outside the vocabulary of {}", matrix.rows()),
            },
            Self::Shared(matrix) => matrix.embedding(&indices(&Device::Cpu)?)?.to_device(device),
            Self::Halves(weights) | Self::Own(weights) => {
                let rows = weights.index_select(&indices(weights.device())?, 0)?;
                rows.to_dtype(DType::F32)?.to_device(device)
            }
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
