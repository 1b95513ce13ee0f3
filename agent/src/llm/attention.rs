//! Scaled dot-product attention over the KV-cache, for large models by candle, for small ones by a loop of our own.
//!
//! Both take `query`: `[h, t, d]` and views `keys`, `values`: `[h_kv, s, d]` of the cache, which are not copied; the
//! `t` queries belong to the last `t` of the `s` positions and look at no later one. Both return `[h, t, d]`.
//!
//! # Source
//! Grouped-query attention, <https://arxiv.org/abs/2305.13245>

use candle_core::quantized::GgmlType;
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use candle_nn::ops::softmax_last_dim;

use crate::llm::matrix::FEW;

/// The way for few queries of a small model, [`attend_alone`], or for many, where candle's products pay: one head at
/// a time, so that no tensor is so large that candle would share it out.
///
/// # Errors
/// When the shapes do not fit.
pub(crate) fn attend_small(
    query: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (h, t, _) = query.dims3()?;
    if t <= FEW {
        return attend_alone(query, keys, values);
    }
    let per_group = h / keys.dim(0)?;
    let one = |head: usize| {
        let of = |tensor: &Tensor| tensor.narrow(0, head / per_group, 1);
        attend(&query.narrow(0, head, 1)?, &of(keys)?, &of(values)?, mask)
    };
    Tensor::cat(&(0..h).map(one).collect::<Result<Vec<_>>>()?, 0)
}

/// By candle, on all cores. `mask` is that of [`causal_mask`], none for a single query.
///
/// The `h / h_kv` query heads of a group are stacked into rows, so that one product per group does.
///
/// # Errors
/// When the shapes do not fit.
pub(crate) fn attend(
    query: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (h, t, d) = query.dims3()?;
    let (h_kv, s, _) = keys.dims3()?;
    let query = (query.contiguous()? * f64::from(scale(d)))?.reshape((h_kv, h / h_kv * t, d))?;
    let scores = query.matmul(&keys.t()?)?;
    let scores = match mask {
        Some(mask) => {
            scores.reshape((h, t, s))?.broadcast_add(mask)?.reshape((h_kv, h / h_kv * t, s))?
        }
        None => scores,
    };
    softmax_last_dim(&scores)?.matmul(values)?.reshape((h, t, d))
}

/// `[t, start + t]`: 0 where each of `t` new positions may look, minus infinity at later ones.
///
/// # Errors
/// When `device` has no memory left.
pub(crate) fn causal_mask(start: usize, t: usize, device: &Device) -> Result<Tensor> {
    let s = start + t;
    let at = |row: usize, column: usize| if column > start + row { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..t).flat_map(|row| (0..s).map(move |column| at(row, column))).collect();
    Tensor::from_vec(mask, (t, s), device)
}

/// On the calling thread.
///
/// # Errors
/// When the shapes do not fit.
fn attend_alone(query: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    query.contiguous()?.apply_op3_no_bwd(keys, values, &Alone)
}

#[expect(clippy::cast_precision_loss, reason = "head sizes are below 2^10")]
fn scale(d: usize) -> f32 {
    1.0 / (d as f32).sqrt()
}

struct Alone;

impl CustomOp3 for Alone {
    fn name(&self) -> &'static str {
        "attend-alone"
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
        let (h, t, d) = query_layout.shape().dims3()?;
        let (h_kv, s, _) = keys_layout.shape().dims3()?;
        if h_kv == 0 || d == 0 || s < t || keys_layout.dims() != values_layout.dims() {
            bail!("expected as many keys as values, and at least as many as queries");
        }
        let query = query.as_slice::<f32>()?.get(query_layout.start_offset()..).unwrap_or_default();
        let keys = Heads::new(keys, keys_layout)?;
        let values = Heads::new(values, values_layout)?;
        let mut mixed = vec![0.0; h * t * d];
        let mut scores = Vec::with_capacity(s);
        for (index, (query, mixed)) in
            query.chunks_exact(d).zip(mixed.chunks_exact_mut(d)).enumerate()
        {
            let (head, position) = (index / t, s - t + index % t);
            let group = head / (h / h_kv);
            let seen = keys.of(group).chunks_exact(d).take(position + 1);
            scores.clear();
            scores.extend(seen.map(|key| f32::vec_dot(d, key, query) * scale(d)));
            softmax(&mut scores);
            for (weight, value) in scores.iter().zip(values.of(group).chunks_exact(d)) {
                for (mixed, value) in mixed.iter_mut().zip(value) {
                    *mixed += weight * value;
                }
            }
        }
        Ok((CpuStorage::F32(mixed), Shape::from((h, t, d))))
    }
}

/// A view `[h_kv, s, d]` of the cache, whose heads lie apart.
struct Heads<'a> {
    data: &'a [f32],
    stride: usize,
    len: usize,
}

impl<'a> Heads<'a> {
    fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (_, s, d) = layout.shape().dims3()?;
        let [stride, row, 1] = *layout.stride() else { bail!("expected rows in order") };
        if row != d {
            bail!("expected rows of {d} elements one behind the other");
        }
        let data = storage.as_slice::<f32>()?.get(layout.start_offset()..).unwrap_or_default();
        Ok(Self { data, stride, len: s * d })
    }

    /// The rows of one head.
    fn of(&self, head: usize) -> &'a [f32] {
        let start = head * self.stride;
        self.data.get(start..start + self.len).unwrap_or_default()
    }
}

fn softmax(scores: &mut [f32]) {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - highest).exp();
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1 without a pattern.
    fn noise(shape: (usize, usize, usize), seed: f32) -> Tensor {
        let count = shape.0 * shape.1 * shape.2;
        let number = |index: usize| (f32::from(u16::try_from(index).unwrap()) * 12.9 + seed).sin();
        Tensor::from_vec((0..count).map(number).collect::<Vec<_>>(), shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn all_ways_agree_on_views_of_a_cache() {
        for (h, h_kv, start, t) in
            [(4, 2, 0, 1), (4, 2, 5, 1), (4, 4, 0, 7), (6, 2, 9, 8), (3, 1, 2, 3)]
        {
            let (d, s) = (8, start + t);
            let query = noise((h, t, d), 0.3);
            let cache = |seed| noise((h_kv, 32, d), seed).narrow(1, 0, s).unwrap();
            let (keys, values) = (cache(1.1), cache(2.2));
            let mask = causal_mask(start, t, &Device::Cpu).unwrap();
            let shared = attend(&query, &keys, &values, Some(&mask)).unwrap();
            let alone = attend_alone(&query, &keys, &values).unwrap();
            let small = attend_small(&query, &keys, &values, Some(&mask)).unwrap();
            for other in [alone, small] {
                let difference = (&shared - other).unwrap().abs().unwrap().flatten_all().unwrap();
                let worst: f32 = difference.max(0).unwrap().to_scalar().unwrap();
                assert!(worst < 1e-5, "{h} heads, {h_kv} groups, {t} behind {start}: {worst}");
            }
        }
    }
}
