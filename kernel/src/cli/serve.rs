//! What can be typed after `datarus serve`.

use std::net::IpAddr;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::EngineArgs;

/// Arguments of `datarus serve`. Its token is the variable `DATARUS_TOKEN`: a command line can be read by others.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The address to listen at; any other than this machine's own lets others in who know the token, unencrypted. The
    /// token is `DATARUS_TOKEN`, or made at the start and printed.
    #[arg(long, value_name = "ADDRESS", env = "DATARUS_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port; 0 takes any that is free.
    #[arg(long, value_name = "PORT", env = "DATARUS_PORT", default_value_t = 8765)]
    pub port: u16,
    /// Threads at a time, each with a Python of its own; the idle one that was asked longest ago gives way.
    #[arg(long, value_name = "N", env = "DATARUS_MAX_THREADS", default_value_t = 8,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub max_threads: usize,
    /// Print address and token as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
}
