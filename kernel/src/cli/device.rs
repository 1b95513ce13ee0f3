//! Where a model computes and how it remembers a chat, as it is named on the command line.

use clap::{Args, ValueEnum};

/// Where a model is to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// On a GPU where this build can use one and the model fits, else on the processor
    #[default]
    Auto,
    /// On the processor
    Cpu,
    /// On a GPU of NVIDIA's
    Cuda,
    /// On an Apple GPU (not tried yet)
    Metal,
}

/// How a model's KV-cache is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum KvType {
    /// In half floats, of small models in 32 bits
    #[default]
    F16,
    /// In 8.5 bits a number, on the processor: little more than half the memory of a long chat, a little less exact
    Q8,
}

/// Where a model that is a file computes.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct DeviceArgs {
    /// Where a model that is a file computes.
    #[arg(
        long,
        value_name = "DEVICE",
        env = "DATARUS_DEVICE",
        default_value = "auto",
        hide_short_help = true
    )]
    pub device: Device,

    /// How the KV-cache of a model that is a file is held.
    #[arg(
        long,
        value_name = "TYPE",
        env = "DATARUS_KV_TYPE",
        default_value = "f16",
        hide_short_help = true
    )]
    pub kv_type: KvType,
}
