//! Where a model computes, as the command line says.

use datarus_agent::llm::Hardware;

use crate::cli::Device;

impl From<Device> for Hardware {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Cpu => Self::Cpu,
            Device::Cuda => Self::Cuda,
            Device::Metal => Self::Metal,
        }
    }
}
