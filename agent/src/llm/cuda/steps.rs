//! The small steps of a layer, one kernel each.

use candle_core::backend::BackendStorage as _;
use candle_core::cuda_backend::WrapErr as _;
use candle_core::cuda_backend::cudarc::driver::PushKernelArg as _;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, CustomOp3, InplaceOp2, Layout, Result, Shape, bail,
    builder_arg,
};
use half::f16;

use super::{config, elsewhere, floats, function, int, long};

/// Threads of a block for elements that do not depend on each other, and for a row.
const THREADS: usize = 256;
/// Threads that a GPU runs as one.
const WARP: usize = 32;

/// The sum of `x` and `more` and, behind it, its norm: `[2, t, n]` of two of `[t, n]`.
pub(in crate::llm) struct AddNorm {
    pub(in crate::llm) eps: f32,
}

/// Heads `[t, heads, 2 * pairs]` turned by angles `[2, t, pairs]`, cosines and sines; with a third tensor, the weights
/// `[2 * pairs]` of a norm, normalised before.
pub(in crate::llm) struct Turn {
    pub(in crate::llm) eps: f32,
}

/// A bias `[n]` added to each row of `[t, n]`.
pub(in crate::llm) struct AddBias;

/// `silu(gate) * up`.
pub(in crate::llm) struct Gated;

/// Writes 32-bit floats `[heads, t, size]` of any strides to where they are kept as halves.
pub(in crate::llm) struct Store;

impl CustomOp3 for AddNorm {
    fn name(&self) -> &'static str {
        "add-norm"
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
        x: &CudaStorage,
        x_layout: &Layout,
        more: &CudaStorage,
        more_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = x.device();
        let (t, n) = x_layout.shape().dims2()?;
        if more_layout.dims() != [t, n] || weight_layout.dims() != [n] {
            bail!("expected two of {:?}, found {more_layout:?}", x_layout.shape());
        }
        let (x, more) = (floats(x, x_layout)?, floats(more, more_layout)?);
        let weight = floats(weight, weight_layout)?;
        // SAFETY: the kernel writes all of it.
        let out = unsafe { device.alloc::<f32>(2 * t * n)? };
        let (function, stream) = (function(device, "add_norm")?, device.cuda_stream());
        let mut launch = stream.launch_builder(&function);
        launch.arg(&x).arg(&more).arg(&weight).arg(&out);
        builder_arg!(launch, int(n)?, self.eps);
        // SAFETY: a block for each of `t` rows of `n`, which all four have.
        unsafe { launch.launch(config([t, 1, 1], THREADS)?) }.w()?;
        Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), Shape::from((2, t, n))))
    }
}

impl Turn {
    fn run(
        &self,
        (x, x_layout): (&CudaStorage, &Layout),
        (angles, angles_layout): (&CudaStorage, &Layout),
        weight: Option<(&CudaStorage, &Layout)>,
    ) -> Result<(CudaStorage, Shape)> {
        let device = x.device();
        let (t, heads, size) = x_layout.shape().dims3()?;
        let is_weighted = weight.is_none_or(|(_, layout)| layout.dims() == [size]);
        if angles_layout.dims() != [2, t, size / 2] || !size.is_multiple_of(2) || !is_weighted {
            bail!("expected angles for {:?}, found {angles_layout:?}", x_layout.shape());
        }
        let (x, angles) = (floats(x, x_layout)?, floats(angles, angles_layout)?);
        let weight = weight.map(|(weight, layout)| floats(weight, layout)).transpose()?;
        // SAFETY: the kernel writes all of it.
        let out = unsafe { device.alloc::<f32>(t * heads * size)? };
        let (function, stream) = (function(device, "turn")?, device.cuda_stream());
        let mut launch = stream.launch_builder(&function);
        launch.arg(&x);
        match &weight {
            Some(weight) => launch.arg(weight),
            None => launch.arg(&0_u64),
        };
        launch.arg(&angles).arg(&out);
        builder_arg!(launch, int(size / 2)?, self.eps);
        let threads = (size / 2).next_multiple_of(WARP).min(THREADS);
        // SAFETY: a block for each head of each position, with the sizes that were compared above.
        unsafe { launch.launch(config([heads, t, 1], threads)?) }.w()?;
        let shape = Shape::from((t, heads, size));
        Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), shape))
    }
}

impl CustomOp2 for Turn {
    fn name(&self) -> &'static str {
        "turn"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        elsewhere()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        angles: &CudaStorage,
        angles_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.run((x, x_layout), (angles, angles_layout), None)
    }
}

impl CustomOp3 for Turn {
    fn name(&self) -> &'static str {
        "norm-turn"
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
        x: &CudaStorage,
        x_layout: &Layout,
        angles: &CudaStorage,
        angles_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.run((x, x_layout), (angles, angles_layout), Some((weight, weight_layout)))
    }
}

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        elsewhere()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = x.device();
        let (t, n) = x_layout.shape().dims2()?;
        if bias_layout.dims() != [n] {
            bail!("expected a bias of {n}, found {bias_layout:?}");
        }
        let (x, bias) = (floats(x, x_layout)?, floats(bias, bias_layout)?);
        // SAFETY: the kernel writes all of it.
        let out = unsafe { device.alloc::<f32>(t * n)? };
        let (function, stream) = (function(device, "add_bias")?, device.cuda_stream());
        let mut launch = stream.launch_builder(&function);
        launch.arg(&x).arg(&bias).arg(&out);
        builder_arg!(launch, int(n)?);
        // SAFETY: a block for each of `t` rows of `n`, which the bias has, too.
        unsafe { launch.launch(config([t, 1, 1], THREADS)?) }.w()?;
        Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), x_layout.shape().clone()))
    }
}

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        elsewhere()
    }

    fn cuda_fwd(
        &self,
        gate: &CudaStorage,
        gate_layout: &Layout,
        up: &CudaStorage,
        up_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = gate.device();
        let (shape, n) = (gate_layout.shape(), gate_layout.shape().elem_count());
        if up_layout.shape() != shape {
            bail!("expected two of {shape:?}, found {up_layout:?}");
        }
        let (gate, up) = (floats(gate, gate_layout)?, floats(up, up_layout)?);
        // SAFETY: the kernel writes all of it.
        let out = unsafe { device.alloc::<f32>(n)? };
        let (function, stream) = (function(device, "gated")?, device.cuda_stream());
        let mut launch = stream.launch_builder(&function);
        launch.arg(&gate).arg(&up).arg(&out);
        builder_arg!(launch, long(n)?);
        // SAFETY: a thread for each of `n` elements, which all three have.
        unsafe { launch.launch(config([n.div_ceil(THREADS), 1, 1], THREADS)?) }.w()?;
        Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), shape.clone()))
    }
}

impl InplaceOp2 for Store {
    fn name(&self) -> &'static str {
        "store"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        elsewhere()
    }

    fn cuda_fwd(
        &self,
        to: &mut CudaStorage,
        to_layout: &Layout,
        from: &CudaStorage,
        from_layout: &Layout,
    ) -> Result<()> {
        let device = from.device();
        let (heads, t, size) = from_layout.shape().dims3()?;
        let (&[to_head, to_row, 1], &[from_head, from_row, 1]) =
            (to_layout.stride(), from_layout.stride())
        else {
            bail!("expected heads with rows in order, found {to_layout:?} and {from_layout:?}");
        };
        if to_layout.dims() != [heads, t, size] || to_row != size {
            bail!("expected room for {:?}, found {to_layout:?}", from_layout.shape());
        }
        let from = from.as_cuda_slice::<f32>()?.slice(from_layout.start_offset()..);
        let to = to.as_cuda_slice_mut::<f16>()?.slice(to_layout.start_offset()..);
        let (function, stream) = (function(device, "store")?, device.cuda_stream());
        let mut launch = stream.launch_builder(&function);
        launch.arg(&from);
        builder_arg!(launch, long(from_head)?, long(from_row)?);
        launch.arg(&to);
        builder_arg!(launch, long(to_head)?, int(size)?);
        let threads = size.next_multiple_of(WARP).min(THREADS);
        // SAFETY: a block for each row, at the strides of both, whose shapes are the same.
        unsafe { launch.launch(config([heads, t, 1], threads)?) }.w()?;
        Ok(())
    }
}
