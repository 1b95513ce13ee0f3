//! Kernels of our own for NVIDIA's GPUs, beside candle's: of many small steps one each, and attention that reads the
//! cache where it lies.
#![expect(unsafe_code, reason = "a kernel reads and writes what its arguments point to")]

use candle_core::cuda_backend::WrapErr as _;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaView, LaunchConfig};
use candle_core::{CudaDevice, CudaStorage, Device, Error, Layout, Result, bail};

mod attend;
mod steps;

pub(super) use attend::Attend;
pub(super) use steps::{AddBias, AddNorm, Gated, Store, Turn};

/// What `build.rs` made of `kernels.cu`; the driver translates it for the GPU that is there.
const KERNELS: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// The oldest GPUs that have the instructions.
const CAPABILITY: (i32, i32) = (8, 0);

/// The first GPU.
///
/// # Errors
/// When there is no driver, no GPU, or only an old one.
pub(super) fn open() -> Result<Device> {
    // With a stream of its own, whichever thread computes.
    let device = Device::new_cuda_with_stream(0)?;
    let cuda = device.as_cuda_device()?;
    let found = cuda.cuda_stream().context().compute_capability().w()?;
    if found < CAPABILITY {
        bail!("its compute capability is {}.{}, expected at least 8.0", found.0, found.1);
    }
    // SAFETY: all work and all memory of this device is in the order of one stream.
    unsafe { cuda.disable_event_tracking() };
    Ok(device)
}

fn function(device: &CudaDevice, name: &str) -> Result<CudaFunction> {
    Ok(device.get_or_load_custom_func(name, "datarus", KERNELS)?.into_cuda_function())
}

/// The elements of a tensor without gaps.
fn floats<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, f32>> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("expected numbers in order, found {layout:?}");
    };
    Ok(storage.as_cuda_slice::<f32>()?.slice(start..end))
}

fn config(blocks: [usize; 3], threads: usize) -> Result<LaunchConfig> {
    let [x, y, z] = blocks.map(|blocks| u32::try_from(blocks).map_err(Error::wrap));
    Ok(LaunchConfig {
        grid_dim: (x?, y?, z?),
        block_dim: (u32::try_from(threads).map_err(Error::wrap)?, 1, 1),
        shared_mem_bytes: 0,
    })
}

fn int(number: usize) -> Result<i32> {
    i32::try_from(number).map_err(Error::wrap)
}

fn long(number: usize) -> Result<i64> {
    i64::try_from(number).map_err(Error::wrap)
}

fn elsewhere<T>() -> Result<T> {
    bail!("expected tensors on the GPU")
}
