//! Attention over the cache where it lies.

use candle_core::backend::BackendStorage as _;
use candle_core::cuda_backend::WrapErr as _;
use candle_core::cuda_backend::cudarc::driver::{CudaView, PushKernelArg as _};
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, bail, builder_arg};
use half::f16;

use super::{config, elsewhere, floats, function, int, long};

/// Rows, each of a query head at a position, that a block takes.
const ROWS: usize = 64;
/// Threads of a block.
const THREADS: usize = 128;
/// Keys that a block takes at once.
const KEYS: usize = 64;
/// With so many blocks a large GPU has enough to do.
const ENOUGH_BLOCKS: usize = 256;

/// Attention of `[t, h, d]` over keys and values `[h_kv, s, d]` of the cache; scores are multiplied by `scale`.
pub(in crate::llm) struct Attend {
    pub(in crate::llm) scale: f32,
}

impl Attend {
    /// Whether there is a kernel for heads of this size.
    pub(in crate::llm) fn takes(head_size: usize) -> bool {
        matches!(head_size, 64 | 128)
    }
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        elsewhere()
    }

    fn cuda_fwd(
        &self,
        query: &CudaStorage,
        query_layout: &Layout,
        keys: &CudaStorage,
        keys_layout: &Layout,
        values: &CudaStorage,
        values_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = query.device();
        let (t, h, d) = query_layout.shape().dims3()?;
        let (h_kv, s, d_keys) = keys_layout.shape().dims3()?;
        let fits = keys_layout.dims() == values_layout.dims() && d_keys == d && s >= t && t > 0;
        if !fits || !h.is_multiple_of(h_kv) || !Self::takes(d) {
            bail!("no attention of {query_layout:?} over {keys_layout:?} and {values_layout:?}");
        }
        let query = floats(query, query_layout)?;
        let (keys, key_head) = heads(keys, keys_layout)?;
        let (values, value_head) = heads(values, values_layout)?;
        let blocks = [(t * (h / h_kv)).div_ceil(ROWS), h_kv];
        let keys_of_split = keys_of_split(blocks[0] * blocks[1], s);
        let n_splits = s.div_ceil(keys_of_split);
        // SAFETY: the kernels write all of it.
        let out = unsafe { device.alloc::<f32>(t * h * d)? };
        let parts = if n_splits == 1 {
            None
        } else {
            // SAFETY: the first kernel writes all of it.
            Some(unsafe { device.alloc::<f32>(n_splits * t * h * (d + 2))? })
        };
        let stream = device.cuda_stream();
        let attend = function(device, if d == 64 { "attend_64" } else { "attend_128" })?;
        let mut launch = stream.launch_builder(&attend);
        launch.arg(&query).arg(&keys).arg(&values).arg(parts.as_ref().unwrap_or(&out));
        builder_arg!(launch, int(t)?, int(s)?, int(h)?, int(h_kv)?, key_head, value_head);
        builder_arg!(launch, self.scale, int(keys_of_split)?);
        let grid = config([blocks[0], blocks[1], n_splits], THREADS)?;
        // SAFETY: the shapes were compared above; of keys and values no row behind the last of `s` is read.
        unsafe { launch.launch(grid) }.w()?;
        if let Some(parts) = &parts {
            let combine = function(device, "combine")?;
            let mut launch = stream.launch_builder(&combine);
            launch.arg(parts).arg(&out);
            builder_arg!(launch, int(n_splits)?, int(d)?);
            // SAFETY: a block for each head of each position, a thread for each of its numbers.
            unsafe { launch.launch(config([t * h, 1, 1], d)?) }.w()?;
        }
        Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), Shape::from((t, h * d))))
    }
}

/// How many keys a block takes where `blocks` of them would take all `s`: fewer, if that gives more blocks to a GPU
/// that has not enough; a multiple of what is taken at once.
fn keys_of_split(blocks: usize, s: usize) -> usize {
    let tiles = s.div_ceil(KEYS);
    let n_splits = (ENOUGH_BLOCKS / blocks.max(1)).clamp(1, tiles.div_ceil(2));
    tiles.div_ceil(n_splits) * KEYS
}

/// A view of the cache, and how far its heads are from each other.
fn heads<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<(CudaView<'a, f16>, i64)> {
    let &[head, row, 1] = layout.stride() else {
        bail!("expected rows in order, found {layout:?}");
    };
    // The kernel reads eight halves at once.
    if row != layout.dims()[2] || !(layout.start_offset() | head | row).is_multiple_of(8) {
        bail!("expected rows one behind the other, found {layout:?}");
    }
    Ok((storage.as_cuda_slice::<f16>()?.slice(layout.start_offset()..), long(head)?))
}
