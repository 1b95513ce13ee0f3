//! Where a model computes and how it remembers a chat, as the command line says.

use datarus_agent::llm::{Hardware, KvPrecision, Placement};

use crate::cli::{Device, DeviceArgs, KvType};

impl From<DeviceArgs> for Placement {
    fn from(args: DeviceArgs) -> Self {
        let kv = match args.kv_type {
            KvType::F16 => KvPrecision::Full,
            KvType::Q8 => KvPrecision::Eight,
        };
        Self { hardware: args.device.into(), kv }
    }
}

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
