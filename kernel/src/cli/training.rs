//! What can be typed of trajectories and rewards.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{DialectName, EndpointArgs, EngineArgs};

/// Arguments of `datarus reward`.
#[derive(Debug, Args)]
pub struct RewardArgs {
    /// Files of trajectories, one line of JSON each (docs/rewards.md); `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How far the training is, from 0 to 1: it begins with the form and ends with the content.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, env = "DATARUS_PROGRESS")]
    pub progress: f64,
    /// A model that scores steps and wholes, too: a GGUF file, a folder with safetensors, or a server's address.
    #[arg(long, value_name = "MODEL", env = "DATARUS_JUDGE")]
    pub judge: Option<PathBuf>,
    /// How a server is asked.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Say instead how many trajectories a second one core scores by their form, and by all.
    #[arg(long, conflicts_with = "judge")]
    pub bench: bool,
    /// Seconds for each measurement.
    #[arg(long, value_name = "SECONDS", default_value = "2", requires = "bench")]
    pub seconds: NonZeroUsize,
    /// Print one line of JSON for each trajectory; what is said for people goes to stderr.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}

/// Arguments of `datarus train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// What is made, and how much of everything goes into it.
    #[arg(long, value_enum, default_value_t, env = "DATARUS_RECIPE")]
    pub recipe: Recipe,
    /// Where episodes, weights, curves and the report go; a run that was cut off goes on there.
    #[arg(
        short,
        long,
        value_name = "FOLDER",
        default_value = "datarus-training",
        env = "DATARUS_OUTPUT"
    )]
    pub output: PathBuf,
    /// The Python that has the package `datarus-training`; it runs the steps of the models, too, unless
    /// `DATARUS_PYTHON` names another.
    #[arg(long, value_name = "PYTHON", default_value = "python3", env = "DATARUS_TRAINING_PYTHON")]
    pub training_python: PathBuf,
    /// Processors that PyTorch uses.
    #[arg(long, value_name = "N", default_value = "2", env = "DATARUS_TRAINING_THREADS")]
    pub threads: NonZeroUsize,
}

/// A recipe of `training/recipe.py`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Recipe {
    /// A tiny model: 7.5 minutes of supervised training, 4 of GRPO, the episodes for both, and what each of them added
    #[default]
    Small,
}

/// Arguments of `datarus episodes`.
#[derive(Debug, Args)]
pub struct EpisodesArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: EpisodesCommand,
}

/// What to do with episodes.
#[derive(Debug, Subcommand)]
pub enum EpisodesCommand {
    /// Have tasks solved, every step executed, many at once.
    Make(Box<MakeArgs>),
    /// Have a model that looks at data files think up tasks about them, with answers that it has computed.
    Tasks(Box<TasksArgs>),
    /// Have a model write the thoughts of trajectories anew, so that they reason in words; what ran stays as it is.
    Refine(RefineArgs),
    /// Take the turns of a notebook, as you have edited them, for trajectories; nothing leaves this machine.
    From(FromArgs),
    /// Say what is wrong with trajectories.
    Inspect(InspectArgs),
    /// Write rows for TRL and verl, and a dataset card.
    Export(ExportArgs),
}

/// Arguments of `datarus episodes make`.
#[derive(Debug, Args)]
pub struct MakeArgs {
    /// The tasks, one line of JSON each (docs/rewards.md); `-` is standard input.
    pub tasks: PathBuf,
    /// Where the trajectories go; a file that is there is gone on with. What the inspector rejects goes beside it.
    #[arg(short, long, value_name = "FILE", env = "DATARUS_OUTPUT")]
    pub output: PathBuf,
    /// A program that solves tasks, line by line [default: the solution in the task, else the model].
    #[arg(long, value_name = "COMMAND", env = "DATARUS_SOLVER")]
    pub solver: Option<String>,
    /// Episodes that run at once, each in a Python of its own [default: one for each processor].
    #[arg(long, value_name = "N", env = "DATARUS_WORKERS")]
    pub workers: Option<NonZeroUsize>,
    /// Write what the inspector rejects among the others: failures to be scored, not to be learnt.
    #[arg(long)]
    pub all: bool,
    /// Times that each episode is played, each with other draws; see `--temperature`.
    #[arg(long, value_name = "N", default_value = "1", env = "DATARUS_SAMPLES")]
    pub samples: NonZeroUsize,
    /// Write down the tokens of a model that is computed here, and what it could have chosen: what a trainer needs.
    #[arg(long, env = "DATARUS_TOKENS")]
    pub tokens: bool,
    /// Print the counts as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Arguments of `datarus episodes tasks`.
#[derive(Debug, Args)]
pub struct TasksArgs {
    /// Data files, and folders with such; the model works on copies.
    #[arg(required = true, value_name = "FILE")]
    pub data: Vec<PathBuf>,
    /// Where the tasks go, for `episodes make`; a file that is there is gone on with.
    #[arg(short, long, value_name = "FILE", env = "DATARUS_OUTPUT")]
    pub output: PathBuf,
    /// Tasks that the file is to have.
    #[arg(long, value_name = "N", default_value = "20", env = "DATARUS_COUNT")]
    pub count: NonZeroUsize,
    /// Print the counts as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings; `--model` names who thinks up the tasks.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Arguments of `datarus episodes refine`.
#[derive(Debug, Args)]
pub struct RefineArgs {
    /// Files of trajectories; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the trajectories go; a file that is there is gone on with.
    #[arg(short, long, value_name = "FILE", env = "DATARUS_OUTPUT")]
    pub output: PathBuf,
    /// The chat model that writes: a GGUF file, a folder with safetensors, or a server's address.
    #[arg(long, value_name = "MODEL", env = "DATARUS_MODEL")]
    pub model: PathBuf,
    /// Words that a new thought has one of [default: because, but, check, first, however, instead, since, therefore].
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    pub keywords: Vec<String>,
    /// How a server is asked.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Print the counts as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}

/// Arguments of `datarus episodes from`.
#[derive(Debug, Args)]
pub struct FromArgs {
    /// Notebooks with questions and their answers.
    #[arg(required = true, value_name = "NOTEBOOK")]
    pub notebooks: Vec<PathBuf>,
    /// An earlier version of a notebook, which tells what you have corrected [default: the checkpoint that Jupyter
    /// keeps beside it].
    #[arg(long, value_name = "NOTEBOOK")]
    pub earlier: Vec<PathBuf>,
    /// Where the trajectories go [default: standard output].
    #[arg(short, long, value_name = "FILE", env = "DATARUS_OUTPUT")]
    pub output: Option<PathBuf>,
}

/// Arguments of `datarus episodes inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Files of trajectories; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print one line of JSON for each trajectory with its problems.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}

/// Arguments of `datarus episodes export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Files of trajectories; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The folder for the rows and their card.
    #[arg(short, long, value_name = "FOLDER", env = "DATARUS_OUTPUT")]
    pub output: PathBuf,
    /// The kinds of rows.
    #[arg(
        long,
        value_enum,
        value_name = "KIND,…",
        value_delimiter = ',',
        default_value = "messages,steps,tools,grpo,verl,preferences"
    )]
    pub format: Vec<RowFormat>,
    /// How much the prompt says: `full` for large models, `compact` for the embedded one.
    #[arg(long, value_enum, default_value_t)]
    pub profile: RowProfile,
    /// How the rows write steps.
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        default_value = "datarus",
        env = "DATARUS_DIALECT"
    )]
    pub dialect: DialectName,
    /// What a trajectory must be worth to be an example (`datarus reward`).
    #[arg(long, value_name = "REWARD", default_value_t = 0.0)]
    pub least: f64,
    /// Steps that the prompt allows.
    #[arg(long, value_name = "N", default_value = "12")]
    pub max_steps: NonZeroUsize,
    /// Under which licence you give the rows away, by its SPDX name.
    #[arg(long, value_name = "LICENCE", default_value = "apache-2.0")]
    pub license: String,
    /// Print the counts as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
}

/// A kind of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Chats to learn from
    Messages,
    /// Steps to learn from
    Steps,
    /// Chats with tool calls
    Tools,
    /// Tasks for TRL
    Grpo,
    /// Tasks for verl
    Verl,
    /// Pairs of a better and a worse step
    Preferences,
}

/// How much the prompt says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RowProfile {
    /// Instructions, files with their sizes, long outputs
    #[default]
    Full,
    /// Question, files and tables alone
    Compact,
}
