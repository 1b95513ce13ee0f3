//! Where a model computes: on this machine's processor, or on a GPU that this build can use.

use std::sync::OnceLock;

use candle_core::Device;

use crate::llm::config::Config;
use crate::llm::memory::{self, MIB};
use crate::llm::refusal::Refusal;

/// What the processor is called, where a GPU has a name of its own.
pub const PROCESSOR: &str = "processor";

/// Where a model is to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hardware {
    /// On a GPU, if this build can use one, one is there, the model fits into its memory and is larger than the one in
    /// this program; else on the processor.
    #[default]
    Auto,
    /// On the processor.
    Cpu,
    /// On the first GPU of NVIDIA's.
    Cuda,
    /// On an Apple GPU.
    Metal,
}

/// How exactly the KV-cache of a chat is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KvPrecision {
    /// In half floats, of a small model in 32 bits: reading those takes no time.
    #[default]
    Full,
    /// In 8.5 bits a number: little more than half as much memory. On the processor alone.
    Eight,
}

/// Where a model computes, and how its KV-cache is held there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Placement {
    /// Where.
    pub hardware: Hardware,
    /// How.
    pub kv: KvPrecision,
}

impl From<Hardware> for Placement {
    fn from(hardware: Hardware) -> Self {
        Self { hardware, ..Self::default() }
    }
}

impl Placement {
    /// The sizes of a model as it is held here.
    ///
    /// # Errors
    /// When its KV-cache cannot be held so.
    pub(crate) fn config(self, config: Config) -> Result<Config, Refusal> {
        match self.kv {
            KvPrecision::Full => Ok(config),
            KvPrecision::Eight => config.with_narrow_cache(),
        }
    }

    /// As [`Hardware::device`]; the processor for a KV-cache in eight bits, unless a GPU was asked for.
    ///
    /// # Errors
    /// As there, and when a GPU was asked for a KV-cache in eight bits.
    pub(crate) fn device(
        self,
        is_small: bool,
        needs: impl Fn(&Device) -> u64,
    ) -> Result<Device, Refusal> {
        self.placed()?.device(is_small, needs)
    }

    /// As [`Hardware::surveyed`].
    ///
    /// # Errors
    /// As [`Placement::device`].
    pub(crate) fn surveyed(
        self,
        is_small: bool,
        needs: impl Fn(&Device) -> u64,
    ) -> Result<Device, Refusal> {
        self.placed()?.surveyed(is_small, needs)
    }

    fn placed(self) -> Result<Hardware, Refusal> {
        match (self.kv, self.hardware) {
            (KvPrecision::Full, hardware) => Ok(hardware),
            (KvPrecision::Eight, Hardware::Auto) => {
                tracing::info!(
                    "the model computes on the processor, where its KV-cache is held in eight bits"
                );
                Ok(Hardware::Cpu)
            }
            (KvPrecision::Eight, Hardware::Cpu) => Ok(Hardware::Cpu),
            (KvPrecision::Eight, Hardware::Cuda | Hardware::Metal) => {
                Err(Refusal::Device(String::from(
                    "a KV-cache in eight bits is for the processor: leave out `--kv-type q8`, or compute there with \
                     `--device cpu`",
                )))
            }
        }
    }
}

impl Hardware {
    /// The device for a model that takes as many bytes on a device as `needs` says.
    ///
    /// # Errors
    /// When the GPU that was asked for is not there, or has not so much memory.
    pub(crate) fn device(
        self,
        is_small: bool,
        needs: impl Fn(&Device) -> u64,
    ) -> Result<Device, Refusal> {
        let device = self.wanted(is_small)?;
        if device.is_cpu() {
            // What its memory cannot hold is refused where it is loaded.
            return Ok(device);
        }
        match require(&device, needs(&device)) {
            Err(refusal) if self == Self::Auto => {
                tracing::info!(reason = refusal.reason(), "the model computes on the processor");
                Ok(Device::Cpu)
            }
            held => held.map(|()| device),
        }
    }

    /// The same, whether or not the GPU that was asked for has so much memory.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn surveyed(
        self,
        is_small: bool,
        needs: impl Fn(&Device) -> u64,
    ) -> Result<Device, Refusal> {
        if self == Self::Auto { self.device(is_small, needs) } else { self.wanted(is_small) }
    }

    fn wanted(self, is_small: bool) -> Result<Device, Refusal> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => cuda(),
            Self::Metal => metal(),
            Self::Auto if is_small => Ok(Device::Cpu),
            Self::Auto => Ok(cuda().or_else(|_| metal()).unwrap_or(Device::Cpu)),
        }
    }
}

/// Memory that is free on a device, in bytes, if it says.
pub(crate) fn available_bytes(device: &Device) -> Option<u64> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let (free, _) = device.cuda_stream().context().mem_get_info().ok()?;
            Some(free as u64)
        }
        // An Apple GPU has no memory of its own.
        _ => memory::available_bytes(),
    }
}

/// What a device is called.
pub(crate) fn name(device: &Device) -> String {
    match device {
        Device::Cpu => String::from(PROCESSOR),
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            device.cuda_stream().context().name().unwrap_or_else(|_| String::from("GPU"))
        }
        _ => String::from("GPU"),
    }
}

/// Refuses when a GPU says that it has less than `bytes` of memory free; the processor's is looked at by
/// [`memory::require`].
///
/// # Errors
/// [`Refusal::Device`].
pub(crate) fn require(device: &Device, bytes: u64) -> Result<(), Refusal> {
    match available_bytes(device) {
        Some(free) if free < bytes => Err(Refusal::Device(format!(
            "the model needs about {} MiB of the GPU's memory, {} MiB are free: end what else uses the GPU, choose a \
             smaller model or a smaller quantisation, or compute on the processor with `--device cpu`",
            bytes.div_ceil(MIB),
            free / MIB
        ))),
        _ => Ok(()),
    }
}

/// The first GPU of NVIDIA's, opened once for the whole process.
fn cuda() -> Result<Device, Refusal> {
    static DEVICE: OnceLock<Result<Device, String>> = OnceLock::new();
    DEVICE.get_or_init(open_cuda).clone().map_err(Refusal::Device)
}

#[cfg(feature = "cuda")]
fn open_cuda() -> Result<Device, String> {
    super::cuda::open().map_err(|error| {
        let error = first_line(&error);
        format!(
            "expected a GPU of NVIDIA's that its driver shows, found none ({error}): look whether `nvidia-smi` shows \
             it, or compute on the processor with `--device cpu`"
        )
    })
}

#[cfg(not(feature = "cuda"))]
fn open_cuda() -> Result<Device, String> {
    Err(String::from(
        "this program was built without CUDA: build it with `./install.sh --cuda`, or compute on the processor with \
         `--device cpu`",
    ))
}

/// The Apple GPU, opened once for the whole process.
fn metal() -> Result<Device, Refusal> {
    static DEVICE: OnceLock<Result<Device, String>> = OnceLock::new();
    DEVICE.get_or_init(open_metal).clone().map_err(Refusal::Device)
}

fn open_metal() -> Result<Device, String> {
    if !cfg!(feature = "metal") {
        return Err(String::from(
            "this program was built without Metal: build it with `./install.sh --metal`, or compute on the processor \
             with `--device cpu`",
        ));
    }
    Device::new_metal(0).map_err(|error| {
        let error = first_line(&error);
        format!("expected an Apple GPU, found none ({error}): compute on the processor with `--device cpu`")
    })
}

/// Behind its first line there may be how it came about.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_model_computes_on_the_processor_unless_told_otherwise() {
        let on = |hardware: Hardware| hardware.device(true, |_| 0).map(|device| device.is_cpu());
        assert!(on(Hardware::Auto).unwrap());
        assert!(on(Hardware::Cpu).unwrap());
    }

    #[test]
    fn a_large_model_that_fits_no_gpu_computes_on_the_processor() {
        let needs = |device: &Device| if device.is_cpu() { 0 } else { u64::MAX };
        assert!(Hardware::Auto.device(false, needs).unwrap().is_cpu());
    }

    #[test]
    fn a_kv_cache_in_eight_bits_is_for_the_processor() {
        let on = |hardware| Placement { hardware, kv: KvPrecision::Eight }.device(false, |_| 0);
        assert!(on(Hardware::Auto).unwrap().is_cpu());
        assert!(on(Hardware::Cpu).unwrap().is_cpu());
        for gpu in [Hardware::Cuda, Hardware::Metal] {
            assert!(on(gpu).unwrap_err().reason().contains("--kv-type q8"));
        }
    }

    #[test]
    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    fn a_gpu_that_this_build_cannot_use_is_refused_with_what_to_do() {
        for (hardware, name) in [(Hardware::Cuda, "CUDA"), (Hardware::Metal, "Metal")] {
            let reason = hardware.device(false, |_| 0).unwrap_err().reason();
            assert!(reason.contains(&format!("built without {name}")), "{reason}");
            assert!(reason.contains("install.sh") && reason.contains("--device cpu"), "{reason}");
        }
    }
}
