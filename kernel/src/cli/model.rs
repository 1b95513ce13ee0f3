//! What can be typed after `datarus model`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DeviceArgs, EndpointArgs, WeightsArgs};
use crate::model::replay::Spared;

/// Arguments of `datarus model`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelCommand,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Give a model a name: a file, a folder, a model of a hub, which is fetched, or a server.
    Add(AddArgs),
    /// List the models that have names.
    List {
        /// Print as JSON.
        #[arg(long, env = "DATARUS_JSON")]
        json: bool,
    },
    /// Forget a name. Files that `add` has fetched are deleted, others are not.
    Remove {
        /// The name, as `list` shows it.
        name: String,
        /// Print as JSON.
        #[arg(long, env = "DATARUS_JSON")]
        json: bool,
    },
    /// Say what a model is: name, architecture, context, hash, and whether it fits into memory. A server is asked.
    Info {
        /// A name, a GGUF file, a folder with safetensors, or the address of a server; without it the model in use.
        #[arg(value_name = "MODEL", env = "DATARUS_MODEL")]
        model: Option<PathBuf>,
        /// How a server is asked.
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// Where it would compute.
        #[command(flatten)]
        device: DeviceArgs,
        /// Print as JSON.
        #[arg(long, env = "DATARUS_JSON")]
        json: bool,
    },
    /// Say how quickly a model answers on this machine.
    Bench(BenchArgs),
}

/// Arguments of `datarus model bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A name, a GGUF file or a folder with safetensors; without it the model in use.
    #[arg(env = "DATARUS_MODEL")]
    pub path: Option<PathBuf>,
    /// Threads of the kernels for quantised models [default: one for each processor].
    #[arg(long, value_name = "N", env = "DATARUS_THREADS")]
    pub threads: Option<NonZeroUsize>,
    /// Where it computes.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Where rearranged weights are kept.
    #[command(flatten)]
    pub weights: WeightsArgs,
    /// Lengths of prompts to read, in tokens.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "512")]
    pub prompt: Vec<NonZeroUsize>,
    /// Tokens to write.
    #[arg(long, value_name = "N", default_value = "32")]
    pub decode: NonZeroUsize,
    /// Behind so many tokens each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "0")]
    pub depth: Vec<usize>,
    /// How often to measure each.
    #[arg(long, value_name = "N", default_value = "3")]
    pub repeat: NonZeroUsize,
    /// Say how well it foretells this text, too: its perplexity.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Do this recorded analysis again instead, once: whatever the model would write, it writes what was recorded.
    #[arg(long, value_name = "EPISODE")]
    pub replay: Option<PathBuf>,
    /// What not to spare in it.
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',', requires = "replay")]
    pub without: Vec<Spared>,
    /// Print as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}

/// Arguments of `datarus model add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// A GGUF file, a folder with safetensors, the address of a server, or a model of a hub: `owner/name`, with
    /// `:Q4_K_M` for one quantisation of several, or `:file.gguf`.
    pub source: String,
    /// What it is to be called [default: its own name].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Branch, tag or commit of a model of a hub.
    #[arg(long, value_name = "REVISION", default_value = "main")]
    pub revision: String,
    /// Address of the hub, else of `HF_ENDPOINT`. A token for gated and private models is read from `HF_TOKEN`;
    /// it is sent by https, or to this machine.
    #[arg(long, value_name = "ADDRESS", env = "DATARUS_HUB")]
    pub hub: Option<String>,
    /// Contact nobody: only what was fetched before is added. `HF_HUB_OFFLINE=1` (or `on`, `yes`, `true`) does
    /// the same.
    #[arg(long, env = "DATARUS_OFFLINE")]
    pub offline: bool,
    /// How a server is asked.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Print as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}
