//! The command line: what can be typed, and which environment variables stand for it. No logic.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bound::MaxText;
use crate::database::Typed;
use crate::place::Named;
use crate::preset::Preset;
use crate::report::{Audience, Format};
use crate::sandbox::{Mode, Network};

mod bench;
mod check;
mod device;
mod model;
mod serve;
pub mod training;

pub use bench::{SuiteArgs, SuiteCommand};
pub use check::VerifyArgs;
pub use device::{Device, DeviceArgs, KvType};
pub use model::{AddArgs, BenchArgs, ModelArgs, ModelCommand};
pub use serve::ServeArgs;
use training::{EpisodesArgs, RewardArgs, TrainArgs};

/// Shown under `--help`, and the only place that lists the exit codes.
const EXIT_CODES: &str = "Exit codes:
  0    done
  1    the work ended badly: no answer, or a cell failed (the notebook is written all the same); of `verify`: something
       does not hold any more, or a cell that shows outputs does not run
  2    the command line is wrong
  3    something is missing: Python, ipykernel, a file, a model (`datarus doctor` says what)
  4    the work is done, but the notebook could not be written where it was to be: stderr and `--json` say where it is
  130  interrupted

Every flag with [env: …] can be set by that variable; a flag wins over it.
Data goes to stdout, talk to stderr. DATARUS_LOG=info (or debug, trace) shows what happens inside.";

/// Questions and Python in one notebook: a Jupyter kernel with an analyst inside.
#[derive(Debug, Parser)]
#[command(name = "datarus", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer a question about data files, as an executed notebook.
    Ask(AskArgs),
    /// Run a notebook with questions and Python cells.
    Run(RunArgs),
    /// Make of a notebook what people share: a page, a document, typeset pages.
    Report(ReportArgs),
    /// Run a notebook's code again, and say which outputs and which numbers of its answers still hold.
    #[command(mut_args(check::hidden_if_of_the_analyst))]
    Verify(VerifyArgs),
    /// Say what is missing, and how to mend it.
    Doctor(DoctorArgs),
    /// Add, look at and measure models.
    Model(ModelArgs),
    /// Say how good a model is: ask a question set through the real kernel, and grade the answers.
    Bench(Box<SuiteArgs>),
    /// Make, take, look through and hand on episodes for training.
    Episodes(EpisodesArgs),
    /// Say what trajectories are worth, for training.
    Reward(RewardArgs),
    /// Train a small model by a recipe, with the Python package of `training/`.
    Train(TrainArgs),
    /// Serve the analyst to programs, by the protocol of OpenAI: files, chat completions, threads.
    Serve(Box<ServeArgs>),
    /// Make the kernel known to Jupyter.
    Install(InstallArgs),
    /// Undo `install`.
    Uninstall(UninstallArgs),
    /// Serve as a Jupyter kernel; Jupyter starts this.
    Kernel(KernelArgs),
}

/// Arguments of `datarus ask`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag by itself")]
pub struct AskArgs {
    /// The question; with a ready prompt, or for research, it may be left out.
    #[arg(required_unless_present_any = ["preset", "research"])]
    pub question: Option<String>,
    /// A ready prompt: what is asked for besides the words.
    #[arg(long, value_name = "NAME", value_enum, env = "DATARUS_PRESET")]
    pub preset: Option<Preset>,
    /// A file, or a folder with files, that the question is about; may be given more than once [default: the data files
    /// of the notebook's folder].
    #[arg(long, value_name = "FILE", num_args = 1.., env = "DATARUS_DATA", value_delimiter = ',')]
    pub data: Vec<PathBuf>,
    /// The notebook to write; it runs in its folder, so that it replays from there.
    #[arg(short, long, value_name = "NOTEBOOK", env = "DATARUS_OUTPUT")]
    pub output: PathBuf,
    /// Answer by thought alone; nothing runs.
    #[arg(long, env = "DATARUS_THINK")]
    pub think: bool,
    /// Open research: first a plan, which you may edit in the notebook before and during the run, then a question for each
    /// of its sections, then a report. The same command goes on with what was stopped. Needs a larger model.
    #[arg(long, env = "DATARUS_RESEARCH", conflicts_with_all = ["think", "preset"])]
    pub research: bool,
    /// At a terminal, do not wait for you to look at the plan of `--research`.
    #[arg(short, long, env = "DATARUS_YES")]
    pub yes: bool,
    /// Print the result as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Arguments of `datarus run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The notebook to run, in its folder.
    pub notebook: PathBuf,
    /// The notebook to write.
    #[arg(short, long, value_name = "NOTEBOOK", env = "DATARUS_OUTPUT")]
    pub output: PathBuf,
    /// Go on after a cell that failed.
    #[arg(long, env = "DATARUS_ALLOW_ERRORS")]
    pub allow_errors: bool,
    /// Print the result as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Arguments of `datarus report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The notebook to report on. Nothing of it is run.
    pub notebook: PathBuf,
    /// What to write.
    #[arg(long, value_name = "FORMAT", env = "DATARUS_REPORT_TO", default_value = "html")]
    pub to: Format,
    /// For whom: a reader gets answers with folded code, a reviewer every step and how it was made.
    #[arg(long, value_name = "WHO", env = "DATARUS_AUDIENCE", default_value = "reader")]
    pub audience: Audience,
    /// The file to write [default: beside the notebook, such as `sales-report.html` for `sales.ipynb`].
    #[arg(short, long, value_name = "FILE", env = "DATARUS_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Language of the text, as `de` or `pt-BR` [default: by its script, `en` for Latin].
    #[arg(long, value_name = "TAG", env = "DATARUS_LANGUAGE")]
    pub language: Option<String>,
    /// The Python that has the package typst, for PDF [default: the one that `install` noted, else python3].
    #[arg(long, value_name = "PYTHON", env = "DATARUS_PYTHON")]
    pub python: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}

/// Arguments of `datarus doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Try the sandbox instead: a real kernel whose Python tries to get out, about ten seconds.
    #[arg(long, env = "DATARUS_PROBE")]
    pub probe: bool,
    /// Print the findings as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Arguments of `datarus kernel`.
#[derive(Debug, Args)]
pub struct KernelArgs {
    /// The connection file that Jupyter wrote.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub connection_file: PathBuf,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Handed on to ipykernel, such as `--HistoryManager.hist_file=:memory:`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "IPYKERNEL ARGUMENTS")]
    pub companion_args: Vec<String>,
}

/// Where `install` writes to.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// For this user (the default).
    #[arg(long, env = "DATARUS_USER", conflicts_with = "sys_prefix")]
    pub user: bool,
    /// Into the Python environment that is active.
    #[arg(long, env = "DATARUS_SYS_PREFIX")]
    pub sys_prefix: bool,
    /// Under this folder: `PREFIX/share/jupyter`. `--user` and `--sys-prefix` win over it.
    #[arg(long, value_name = "PREFIX", env = "DATARUS_PREFIX")]
    pub prefix: Option<PathBuf>,
}

/// Arguments of `datarus install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Where to.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only write the kernelspec into this folder, for `jupyter kernelspec install`.
    #[arg(long, value_name = "FOLDER", env = "DATARUS_FOLDER")]
    pub folder: Option<PathBuf>,
    /// The Python that has ipykernel.
    #[arg(long, value_name = "PYTHON", env = "DATARUS_PYTHON")]
    pub python: Option<PathBuf>,
    /// Print what was written as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// What the kernel is started with, such as `--sandbox off` or `--network on`.
    #[arg(last = true, value_name = "KERNEL ARGUMENTS")]
    pub kernel_args: Vec<String>,
}

/// Arguments of `datarus uninstall`.
#[derive(Debug, Args)]
pub struct UninstallArgs {
    /// Where from.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Print what was removed as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}

/// Whose outputs a page shows as they are, scripts and widgets included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TrustOutputs {
    /// Those of cells that you run; what the analyst's steps put out is made harmless
    #[default]
    Mine,
    /// Those of the analyst's steps, too
    All,
}

/// How a model writes its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DialectName {
    /// Thought and action between tags, as Datarus-R1 was trained on
    Datarus,
    /// Analyze, Understand, Code and Answer between tags, as DeepAnalyze was trained on
    #[value(name = "deepanalyze")]
    DeepAnalyze,
    /// Markdown with blocks of Python, for general chat models
    Markdown,
}

/// What a model's next start, and other kernels, find on disk.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct WeightsArgs {
    /// Gigabytes that weights rearranged for this processor may take in the user's cache folder; 0 keeps none.
    #[arg(
        id = "weights_cache",
        long = "weights-cache",
        value_name = "GB",
        env = "DATARUS_WEIGHTS_CACHE",
        default_value_t = 16,
        hide_short_help = true
    )]
    pub gigabytes: u32,
}

/// How a model server is asked. Its key is the variable `DATARUS_API_KEY`: a command line can be read by others.
#[derive(Debug, Clone, Default, Args)]
pub struct EndpointArgs {
    /// Name of the model there [default: the only one that the server lists].
    #[arg(long, value_name = "NAME", env = "DATARUS_ENDPOINT_MODEL", hide_short_help = true)]
    pub endpoint_model: Option<String>,
    /// Seconds in which nothing may arrive from it, as before the first word of a long chat [default: 300].
    #[arg(long, value_name = "SECONDS", env = "DATARUS_ENDPOINT_TIMEOUT", hide_short_help = true)]
    pub endpoint_timeout: Option<u64>,
    /// Tokens that it takes in one chat [default: what the server says, else 8192].
    #[arg(long, value_name = "TOKENS", env = "DATARUS_CONTEXT_LENGTH", hide_short_help = true)]
    pub context_length: Option<usize>,
}

/// The kernel's settings, the same for every command that runs cells.
#[derive(Debug, Clone, Default, Args)]
pub struct EngineArgs {
    /// The Python that has ipykernel [default: the one that `install` noted, else python3].
    #[arg(long, value_name = "PYTHON", env = "DATARUS_PYTHON")]
    pub python: Option<PathBuf>,
    /// Where cells run: the name of a kernelspec, the path of a connection file, or the address of a Jupyter Server such as
    /// `http://127.0.0.1:8888`, whose token is the variable `DATARUS_COMPANION_TOKEN`. Nothing sandboxes them there
    /// [default: that Python, in the sandbox].
    #[arg(
        long,
        value_name = "WHERE",
        env = "DATARUS_COMPANION",
        hide_env_values = true,
        hide_short_help = true
    )]
    pub companion: Option<Named>,
    /// A GGUF file, a folder with safetensors, the address of a server such as `http://127.0.0.1:8080/v1`, or the name
    /// that `datarus model add` gave one [default: `embedded`, the small model in this program].
    #[arg(long, value_name = "MODEL", env = "DATARUS_MODEL")]
    pub model: Option<PathBuf>,
    /// How a server is asked.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Threads of the kernels for quantised models [default: one for each processor].
    #[arg(long, value_name = "N", env = "DATARUS_THREADS", hide_short_help = true)]
    pub threads: Option<NonZeroUsize>,
    /// Where the model computes.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Gigabytes of disk for what models have read, which the next kernel need not read again; 0 saves nothing.
    #[arg(
        long,
        value_name = "GB",
        env = "DATARUS_KV_CACHE",
        default_value_t = 4,
        hide_short_help = true
    )]
    pub kv_cache: u64,
    /// Where rearranged weights are kept.
    #[command(flatten)]
    pub weights: WeightsArgs,
    /// What holds Python: the best that works here, one of two kinds, or nothing.
    #[arg(long, value_name = "KIND", env = "DATARUS_SANDBOX", default_value = "auto")]
    pub sandbox: Mode,
    /// Which network cells reach: none, all, or hosts such as `example.org,*.example.org,10.0.0.1:8080`.
    #[arg(long, value_name = "off|on|HOST,…", env = "DATARUS_NETWORK", default_value = "off")]
    pub network: Network,
    /// A file or folder outside of the notebook's folder that cells may read; may be given more than once.
    #[arg(long, value_name = "PATH", env = "DATARUS_READABLE", value_delimiter = ',')]
    pub readable: Vec<PathBuf>,
    /// An environment variable that cells get beside the usual ones; may be given more than once.
    #[arg(
        long,
        value_name = "NAME",
        env = "DATARUS_PASS_ENV",
        value_delimiter = ',',
        hide_short_help = true
    )]
    pub pass_env: Vec<String>,
    /// A database that cells reach, as `NAME=postgresql://USER:PASSWORD@HOST/DATABASE` or `mysql://…`: in Python, NAME is
    /// a SQLAlchemy engine, and the password stays here; may be given more than once. NAME alone is looked up in the file
    /// `datarus/databases` of the user's configuration folder [default: all that stand there].
    #[arg(
        long,
        value_name = "NAME[=URL]",
        env = "DATARUS_DATABASE",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub database: Vec<Typed>,
    /// Gigabytes of memory for each process of a cell [default: three quarters of the machine's].
    #[arg(long, value_name = "GB", env = "DATARUS_MEMORY", hide_short_help = true)]
    pub memory: Option<u64>,
    /// Seed of the choice of tokens.
    #[arg(long, env = "DATARUS_SEED", default_value_t = 0)]
    pub seed: u64,
    /// How the model writes its steps [default: as its file or its name says, else markdown].
    #[arg(long, value_name = "NAME", value_enum, env = "DATARUS_DIALECT", hide_short_help = true)]
    pub dialect: Option<DialectName>,
    /// Each step of the analyst finds no variables of the steps before, as DeepAnalyze was trained.
    #[arg(long, env = "DATARUS_STATELESS", hide_short_help = true)]
    pub stateless: bool,
    /// Read no data file before a question: the model is told their names and sizes alone. (A larger model is else told
    /// what they hold: columns, types, rows, gaps, examples, keys between tables; the embedded one never is.)
    #[arg(long, env = "DATARUS_NO_PROFILE", hide_short_help = true)]
    pub no_profile: bool,
    /// A text file with instructions for the analyst in all notebooks [default: `datarus/instructions.md` in the
    /// user's configuration folder, if it is there].
    #[arg(long, value_name = "FILE", env = "DATARUS_INSTRUCTIONS", hide_short_help = true)]
    pub instructions: Option<PathBuf>,
    /// Steps of code in one turn.
    #[arg(long, env = "DATARUS_MAX_STEPS", default_value_t = 12, hide_short_help = true)]
    pub max_steps: usize,
    /// Failed steps in a row.
    #[arg(long, env = "DATARUS_MAX_ERRORS", default_value_t = 4, hide_short_help = true)]
    pub max_errors: usize,
    /// Seconds for one cell of the agent.
    #[arg(long, env = "DATARUS_CELL_TIMEOUT", default_value_t = 300, hide_short_help = true)]
    pub cell_timeout: u64,
    /// Tokens in one completion [default: 1024, with a server 4096, since its model may think first].
    #[arg(long, value_name = "TOKENS", env = "DATARUS_MAX_NEW_TOKENS", hide_short_help = true)]
    pub max_new_tokens: Option<usize>,
    /// Tokens written in one turn [default: 16384, with a server 65536].
    #[arg(long, value_name = "TOKENS", env = "DATARUS_MAX_TURN_TOKENS", hide_short_help = true)]
    pub max_turn_tokens: Option<usize>,
    /// Sections of a research run's plan that are worked on; further ones are left out, which is said.
    #[arg(
        long,
        value_name = "N",
        env = "DATARUS_MAX_SECTIONS",
        default_value_t = 8,
        hide_short_help = true
    )]
    pub max_sections: usize,
    /// Text that a Python cell shows of each stream before the rest goes to a file: bytes, K, M, or `off` for all.
    #[arg(long, value_name = "SIZE", env = "DATARUS_MAX_OUTPUT", default_value_t = MaxText::CELL, hide_short_help = true)]
    pub max_output: MaxText,
    /// How long the text of a cell may be: bytes, K, M, or `off` for any length.
    #[arg(long, value_name = "SIZE", env = "DATARUS_MAX_CELL", default_value_t = MaxText::SOURCE, hide_short_help = true)]
    pub max_cell: MaxText,
    /// Text that a step of the agent shows of each stream.
    #[arg(long, value_name = "SIZE", env = "DATARUS_MAX_STEP_OUTPUT", default_value_t = MaxText::STEP, hide_short_help = true)]
    pub max_step_output: MaxText,
    /// Whose outputs a page shows as they are, scripts and widgets included.
    #[arg(
        long,
        value_name = "WHOSE",
        value_enum,
        env = "DATARUS_TRUST_OUTPUTS",
        default_value_t,
        hide_short_help = true
    )]
    pub trust_outputs: TrustOutputs,
    /// Chooses tokens at random, the more so the higher; 0 takes the likeliest [default: the model's own].
    #[arg(long, env = "DATARUS_TEMPERATURE", hide_short_help = true)]
    pub temperature: Option<f32>,
    /// Only the k likeliest tokens.
    #[arg(long, env = "DATARUS_TOP_K", requires = "temperature", hide_short_help = true)]
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that make up this share.
    #[arg(long, env = "DATARUS_TOP_P", requires = "temperature", hide_short_help = true)]
    pub top_p: Option<f32>,
    /// Only tokens at least this share as likely as the likeliest.
    #[arg(long, env = "DATARUS_MIN_P", requires = "temperature", hide_short_help = true)]
    pub min_p: Option<f32>,
    /// Makes tokens written before less likely; above 1.
    #[arg(
        long,
        env = "DATARUS_REPETITION_PENALTY",
        requires = "temperature",
        hide_short_help = true
    )]
    pub repetition_penalty: Option<f32>,
}

impl EngineArgs {
    /// What a kernel is to be started with for the same sandbox.
    pub(crate) fn sandbox_arguments(&self, python: &Path) -> Vec<String> {
        let named = |value: Option<PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let mut arguments = vec!["--python".to_owned(), python.display().to_string()];
        arguments.extend(["--sandbox".to_owned(), named(self.sandbox.to_possible_value())]);
        arguments.extend(["--network".to_owned(), self.network.to_string()]);
        arguments
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_that_the_kernel_does_not_know_go_on_to_ipykernel() {
        let typed = [
            "datarus",
            "kernel",
            "-f",
            "c.json",
            "--HistoryManager.hist_file=:memory:",
            "--x",
            "y",
        ];
        let Command::Kernel(kernel) = Cli::try_parse_from(typed).unwrap().command else {
            panic!("expected the command kernel")
        };
        assert_eq!(kernel.connection_file, PathBuf::from("c.json"));
        assert_eq!(kernel.companion_args, ["--HistoryManager.hist_file=:memory:", "--x", "y"]);
    }

    #[test]
    fn a_place_is_named_once() {
        assert!(Cli::try_parse_from(["datarus", "install", "--user", "--sys-prefix"]).is_err());
        assert!(Cli::try_parse_from(["datarus", "install", "--prefix", "p"]).is_ok());
    }
}
