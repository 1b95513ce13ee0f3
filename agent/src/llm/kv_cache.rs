//! Keys and values of the past, kept in place so that a step computes only what is new.

use candle_core::{DType, Device, Result, Tensor};
use half::f16;
use half::slice::HalfFloatSliceExt as _;

use crate::llm::config::Config;
#[cfg(feature = "cuda")]
use crate::llm::cuda;
use crate::llm::matrix::on_cpu;
use crate::llm::narrow;

/// Room for this many tokens is taken at first; it doubles when it is full.
const FIRST_CAPACITY: usize = 256;

/// The state of one sequence: its tokens, and per layer their keys and values.
pub(crate) struct KvCache {
    layers: Vec<LayerCache>,
    tokens: Vec<u32>,
    /// How many of the first tokens are what a prompt would compute.
    n_reusable: usize,
    capacity: usize,
    limit: usize,
    /// Heads, and elements of a row.
    shape: (usize, usize),
    dtype: DType,
    device: Device,
}

/// Keys and values of a layer, each `[heads_kv, capacity, row]`, of [`Config::cache_dtype`]; a row is
/// [`Config::cache_row_len`] long: `head_size`, or in eight bits a little more.
struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

impl KvCache {
    /// An empty cache that takes no memory yet.
    pub(crate) fn new(config: &Config, device: &Device) -> Self {
        Self {
            layers: Vec::with_capacity(config.n_layers),
            tokens: Vec::new(),
            n_reusable: 0,
            capacity: 0,
            limit: config.context_length,
            shape: (config.n_kv_heads, config.cache_row_len()),
            dtype: config.cache_dtype(),
            device: device.clone(),
        }
    }

    /// The tokens whose keys and values are held, in order.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Number of tokens held.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// How many of the first tokens a later prompt may begin with: those that it would compute alike.
    pub(crate) fn n_reusable(&self) -> usize {
        self.n_reusable
    }

    /// Forgets all but the first `len` tokens; costs nothing.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.n_reusable = self.n_reusable.min(len);
    }

    /// The capacity that holding `additional` more tokens takes.
    pub(crate) fn capacity_for(&self, additional: usize) -> usize {
        let needed = self.len() + additional;
        if needed <= self.capacity {
            return self.capacity;
        }
        needed.next_power_of_two().max(FIRST_CAPACITY).min(self.limit.max(needed))
    }

    /// Current capacity in tokens.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for `additional` more tokens in `n_layers` layers.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub(crate) fn reserve(&mut self, additional: usize, n_layers: usize) -> Result<()> {
        let capacity = self.capacity_for(additional);
        if capacity == self.capacity {
            return Ok(());
        }
        let (heads, row_len) = self.shape;
        let len = self.len();
        let grow = |old: Option<&Tensor>| -> Result<Tensor> {
            let new = Tensor::zeros((heads, capacity, row_len), self.dtype, &self.device)?;
            if let Some(old) = old.filter(|_| len > 0) {
                new.slice_set(&old.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
            }
            Ok(new)
        };
        // One layer after the other, so that at most one is held twice.
        for index in 0..n_layers {
            let old = self.layers.get(index);
            let layer = LayerCache {
                keys: grow(old.map(|layer| &layer.keys))?,
                values: grow(old.map(|layer| &layer.values))?,
            };
            match self.layers.get_mut(index) {
                Some(slot) => *slot = layer,
                None => self.layers.push(layer),
            }
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Writes `keys` and `values`, each `[heads_kv, t, head_size]`, behind the tokens held, and returns views of all
    /// `s = len + t` of them, each `[heads_kv, s, row]`, of the cache's element type. They count as held only
    /// after [`KvCache::commit`].
    ///
    /// # Errors
    /// When there is no room or the shapes differ.
    pub(crate) fn extend(
        &self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let Some(cache) = self.layers.get(layer) else {
            candle_core::bail!("the KV-cache has no layer {layer}");
        };
        let (len, t) = (self.len(), keys.dim(1)?);
        for (held, new) in [(&cache.keys, keys), (&cache.values, values)] {
            #[cfg(feature = "cuda")]
            if self.device.is_cuda() && self.dtype == DType::F16 {
                held.narrow(1, len, t)?.inplace_op2(new, &cuda::Store)?;
                continue;
            }
            held.slice_set(&self.stored(new)?, 1, len)?;
        }
        Ok((cache.keys.narrow(1, 0, len + t)?, cache.values.narrow(1, 0, len + t)?))
    }

    /// As the cache holds it. What a half float cannot hold becomes the largest that it can: infinity times a weight
    /// of zero would be no number.
    fn stored(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        if self.dtype == DType::U8 {
            let (heads, t, d) = x.dims3()?;
            let (storage, layout) = x.storage_and_layout();
            let rows = narrow::rows(on_cpu(&storage, layout)?, d);
            return Tensor::from_vec(rows, (heads, t, narrow::row_len(d)), &self.device);
        }
        if self.dtype != DType::F16 {
            return x.to_dtype(self.dtype);
        }
        let most = f16::MAX.to_f32();
        if !matches!(self.device, Device::Cpu) {
            return x.clamp(-most, most)?.to_dtype(self.dtype);
        }
        // candle would share the bounds out among all cores, from 64 Ki numbers on.
        let (storage, layout) = x.storage_and_layout();
        let bounded: Vec<f32> =
            on_cpu(&storage, layout)?.iter().map(|x| x.clamp(-most, most)).collect();
        let mut halves = vec![f16::ZERO; bounded.len()];
        halves.convert_from_f32_slice(&bounded);
        Tensor::from_vec(halves, x.shape(), &self.device)
    }

    /// Keys (`2 * layer`) or values (`2 * layer + 1`) of the first `n_tokens`, `[heads_kv, n_tokens, row]`.
    ///
    /// # Errors
    /// When there is no such layer, or no memory.
    pub(crate) fn part(&self, index: usize, n_tokens: usize) -> Result<Tensor> {
        self.whole_part(index)?.narrow(1, 0, n_tokens)?.contiguous()
    }

    /// Takes keys or values as [`KvCache::part`] gave them for the first tokens, for which there is room. They count as
    /// held only after [`KvCache::commit`].
    ///
    /// # Errors
    /// When there is no such layer or the shapes differ.
    pub(crate) fn set_part(&self, index: usize, part: &Tensor) -> Result<()> {
        self.whole_part(index)?.slice_set(&part.to_device(&self.device)?.contiguous()?, 1, 0)
    }

    fn whole_part(&self, index: usize) -> Result<&Tensor> {
        let Some(layer) = self.layers.get(index / 2) else {
            candle_core::bail!("the KV-cache has no layer {}", index / 2);
        };
        Ok(if index.is_multiple_of(2) { &layer.keys } else { &layer.values })
    }

    /// Counts `tokens` as held, after every layer was extended by them; `reusable` as part of a prompt.
    pub(crate) fn commit(&mut self, tokens: &[u32], reusable: bool) {
        if reusable && self.n_reusable == self.len() {
            self.n_reusable += tokens.len();
        }
        self.tokens.extend_from_slice(tokens);
    }
}
