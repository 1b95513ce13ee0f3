//! Where a model computes, as it is named on the command line.

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
}
