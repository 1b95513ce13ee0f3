//! What can be typed after `datarus bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::EngineArgs;
use crate::bench::suite::Suite;

/// Arguments of `datarus bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SuiteArgs {
    /// Something else than asking questions.
    #[command(subcommand)]
    pub command: Option<SuiteCommand>,
    /// Which questions.
    #[arg(value_name = "SUITE", required = true)]
    pub suite: Option<Suite>,
    /// Your copy of it; none comes with this program. Without it the suite is described: where it is published, and
    /// under which terms.
    #[arg(long, value_name = "PATH", env = "DATARUS_BENCH_DATA")]
    pub data: Option<PathBuf>,
    /// The folder for results and notebooks; a run that was cut off goes on there.
    #[arg(short, long, value_name = "FOLDER", env = "DATARUS_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Which part of the suite, such as `dev` [default: the one that its scores are published for, or the only one].
    #[arg(long, value_name = "SPLIT", env = "DATARUS_BENCH_SPLIT")]
    pub split: Option<String>,
    /// Only so many sessions, the first ones.
    #[arg(long, value_name = "N", env = "DATARUS_BENCH_LIMIT")]
    pub limit: Option<usize>,
    /// Only these questions, with the others of their sessions.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Sessions at a time, each with a Python of its own; a model that computes here serves them in turn.
    #[arg(long, value_name = "N", env = "DATARUS_BENCH_JOBS", default_value = "1")]
    pub jobs: NonZeroUsize,
    /// Print the result as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// What to do besides asking questions.
#[derive(Debug, Subcommand)]
pub enum SuiteCommand {
    /// Say whether two runs of one suite differ by more than luck.
    Compare {
        /// The folder of one run.
        first: PathBuf,
        /// The folder of the other.
        second: PathBuf,
        /// Seed of the samples that are drawn.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Print as JSON.
        #[arg(long, env = "DATARUS_JSON")]
        json: bool,
    },
}
