//! Scaled dot-product attention over the KV-cache.
//!
//! # Source
//! Grouped-query attention, <https://arxiv.org/abs/2305.13245>

use candle_core::backend::BackendStorage as _;
use candle_core::{
    CpuStorage, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, WithDType, bail,
};
use candle_nn::ops::softmax_last_dim;

use crate::llm::attention::flash::{Heads, Instructions, Job, Sizes};
use crate::llm::attention::lanes::Element;
#[cfg(feature = "cuda")]
use crate::llm::cuda;
use crate::llm::narrow;
use crate::llm::packed::Phase;
use crate::llm::pool::Pool;

mod flash;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod matrix_unit;
mod part;
mod softmax;

#[cfg(test)]
mod tests;

/// `query`: `[t, h, d]`, 32-bit floats; `keys`, `values`: views `[h_kv, s, d]` of the cache, 32-bit or 16-bit floats, or
/// on the CPU `[h_kv, s, row]` of bytes ([`narrow`]), which are not copied. The `t` queries belong to the last `t` of the
/// `s` positions and look at no later one. Returns `[t, h * d]`, 32-bit floats. A prompt may be computed in the precision
/// in which its products are.
///
/// # Errors
/// When the shapes or types do not fit.
pub(crate) fn attend(
    query: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    phase: Phase,
) -> Result<Tensor> {
    let sizes = sizes(query.shape(), keys.shape(), values.shape(), keys.dtype())?;
    match query.device() {
        Device::Cpu => attend_with(Way::best(sizes, keys.dtype(), phase), query, keys, values),
        #[cfg(feature = "cuda")]
        Device::Cuda(_) if keys.dtype() == DType::F16 && cuda::Attend::takes(sizes.d) => {
            let op = cuda::Attend { scale: part::scale(sizes.d) };
            query.contiguous()?.apply_op3_no_bwd(keys, values, &op)
        }
        _ => attend_elsewhere(sizes, query, keys, values),
    }
}

/// On the CPU.
fn attend_with(way: Way, query: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    query.contiguous()?.apply_op3_no_bwd(keys, values, &Flash(way))
}

/// By candle. The `h / h_kv` query heads of a group are stacked into rows, so that one product per group does.
fn attend_elsewhere(
    sizes: Sizes,
    query: &Tensor,
    keys: &Tensor,
    values: &Tensor,
) -> Result<Tensor> {
    let Sizes { h, h_kv, t, s, d } = sizes;
    let (keys, values) = (keys.to_dtype(DType::F32)?, values.to_dtype(DType::F32)?);
    let query = (query.transpose(0, 1)?.contiguous()? * f64::from(part::scale(d)))?;
    let scores = query.reshape((h_kv, h / h_kv * t, d))?.matmul(&keys.t()?)?;
    let mask = causal_mask(t, s, query.device())?;
    let scores = scores.reshape((h, t, s))?.broadcast_add(&mask)?;
    let weights = softmax_last_dim(&scores)?.reshape((h_kv, h / h_kv * t, s))?;
    let mixed = weights.matmul(&values)?.reshape((h, t, d))?;
    mixed.transpose(0, 1)?.reshape((t, h * d))
}

/// `[t, s]`: 0 where each of the last `t` of `s` positions may look, minus infinity at later ones.
fn causal_mask(t: usize, s: usize, device: &Device) -> Result<Tensor> {
    let at = |row: usize, column: usize| if column > s - t + row { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..t).flat_map(|row| (0..s).map(move |column| at(row, column))).collect();
    Tensor::from_vec(mask, (t, s), device)
}

/// Those of shapes that fit, of keys of this type.
fn sizes(query: &Shape, keys: &Shape, values: &Shape, dtype: DType) -> Result<Sizes> {
    let (t, h, d) = query.dims3()?;
    let (h_kv, s, row_len) = keys.dims3()?;
    let fits = if dtype == DType::U8 {
        narrow::takes(d) && row_len == narrow::row_len(d)
    } else {
        row_len == d
    };
    if keys.dims() != values.dims() || !fits {
        bail!("expected keys and values of {d} numbers, found {keys:?} and {values:?}");
    }
    if t == 0 || d == 0 || s < t {
        bail!("expected at least one query and as many keys, found {query:?} and {keys:?}");
    }
    if h == 0 || h_kv == 0 || !h.is_multiple_of(h_kv) {
        bail!("expected query heads in groups, found {h} for {h_kv} key heads");
    }
    Ok(Sizes { h, h_kv, t, s, d })
}

/// How the CPU computes.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// In 32-bit floats.
    Vectors(Instructions),
    /// In 16-bit floats.
    #[cfg(target_arch = "x86_64")]
    MatrixUnit,
}

impl Way {
    #[cfg(target_arch = "x86_64")]
    fn best(sizes: Sizes, dtype: DType, phase: Phase) -> Self {
        let is_halved = phase == Phase::Prompt && dtype == DType::F16;
        if is_halved && matrix_unit::takes(sizes.d) {
            return Self::MatrixUnit;
        }
        Self::Vectors(Instructions::best())
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best(_: Sizes, _: DType, _: Phase) -> Self {
        Self::Vectors(Instructions::best())
    }
}

/// The operation on the CPU.
struct Flash(Way);

impl CustomOp3 for Flash {
    fn name(&self) -> &'static str {
        "flash-attention"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        query_layout: &Layout,
        keys: &CpuStorage,
        keys_layout: &Layout,
        values: &CpuStorage,
        values_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shapes = (query_layout.shape(), keys_layout.shape(), values_layout.shape());
        let sizes = sizes(shapes.0, shapes.1, shapes.2, keys.dtype())?;
        let query = query.as_slice::<f32>()?;
        let range = query_layout.contiguous_offsets();
        let Some(query) = range.and_then(|(start, end)| query.get(start..end)) else {
            bail!("expected queries in order");
        };
        let (keys, values) = ((keys, keys_layout), (values, values_layout));
        let mixed = match (self.0, keys.0) {
            #[cfg(target_arch = "x86_64")]
            (Way::MatrixUnit, _) => {
                let (keys, values) = (heads(sizes, keys)?, heads(sizes, values)?);
                matrix_unit::attend(sizes, query, keys, values, Pool::get())
            }
            (Way::Vectors(instructions), CpuStorage::F16(_)) => {
                run::<half::f16>(instructions, sizes, query, keys, values)?
            }
            (Way::Vectors(instructions), CpuStorage::U8(_)) => {
                run::<u8>(instructions, sizes, query, keys, values)?
            }
            (Way::Vectors(instructions), _) => {
                run::<f32>(instructions, sizes, query, keys, values)?
            }
        };
        Ok((CpuStorage::F32(mixed), Shape::from((sizes.t, sizes.h * sizes.d))))
    }
}

fn run<T: Element + WithDType>(
    instructions: Instructions,
    sizes: Sizes,
    query: &[f32],
    keys: (&CpuStorage, &Layout),
    values: (&CpuStorage, &Layout),
) -> Result<Vec<f32>> {
    let (keys, values) = (heads::<T>(sizes, keys)?, heads::<T>(sizes, values)?);
    Ok(Job { sizes, query, keys, values }.run(instructions, Pool::get()))
}

/// A view of the cache.
fn heads<'a, T: Element + WithDType>(
    sizes: Sizes,
    (storage, layout): (&'a CpuStorage, &Layout),
) -> Result<Heads<'a, T>> {
    let [stride, row, 1] = *layout.stride() else { bail!("expected rows in order") };
    let data = storage.as_slice::<T>()?.get(layout.start_offset()..).unwrap_or_default();
    match Heads::new(data, stride, sizes) {
        Some(heads) if row == T::row_len(sizes.d) => Ok(heads),
        _ => bail!("expected rows of {} elements one behind the other", T::row_len(sizes.d)),
    }
}
