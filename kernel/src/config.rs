//! What the kernel runs with: resolved once, validated, then immutable.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use datarus_agent::agent::Limits;
use datarus_agent::llm::endpoint::{AddressError, ApiKeyError};
use datarus_agent::llm::local::{Shelf, WeightsCache};
use datarus_agent::llm::{Placement, Sampling};

use crate::bound::MaxText;
use crate::cli::{EngineArgs, TrustOutputs, WeightsArgs};
use crate::database::Database;
use crate::model::registry::RegistryError;
use crate::place::{Place, PlaceError};
use crate::sandbox::Settings;

mod analyst;
mod companion;
mod databases;
mod device;
mod source;

pub use analyst::Analyst;
pub use companion::{COMPANION, COMPANION_TOKEN};
pub use source::ModelSource;

/// The variable that has the key of a model server. No cell gets it, even if it is named for that.
pub const API_KEY: &str = "DATARUS_API_KEY";

/// The variable that has the token of `datarus serve`. No cell gets it either.
pub const TOKEN: &str = "DATARUS_TOKEN";

/// The variable that names databases, with their passwords. No cell gets it either.
pub const DATABASE: &str = "DATARUS_DATABASE";

/// Tokens of a completion, and of one that a server makes, whose model may think first.
const NEW_TOKENS: usize = 1_024;
const NEW_TOKENS_SERVED: usize = 4_096;

/// Completions' worth of tokens in a turn.
const COMPLETIONS: usize = 16;

/// Tokens of a KV-cache that are computed sooner than they are worth a file.
const WORTH_SAVING: usize = 512;

/// What the kernel runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The Python that has `ipykernel`; the companion runs on it.
    pub python: PathBuf,
    /// Where cells run.
    pub companion: Place,
    /// Which model answers.
    pub model: ModelSource,
    /// Threads that the model computes with; `None` is one for each processor.
    pub threads: Option<NonZeroUsize>,
    /// Where the model computes and how its KV-cache is held there, if it is a file.
    pub placement: Placement,
    /// Where rearranged weights are kept; without it nowhere.
    pub weights: Option<WeightsCache>,
    /// Where cells run and where questions find their files.
    pub folder: PathBuf,
    /// Where is kept what a notebook does not hold yet, or not at all: turns (`journal`), text that was not shown
    /// (`output`), notebooks that could not be saved (`recover`). Without it nothing is kept.
    pub state: Option<PathBuf>,
    /// Where the KV-caches of models that are files are saved; without it none is.
    pub kv_cache: Option<Shelf>,
    /// How much text a cell shows.
    pub max_output: MaxText,
    /// How much text a step of the agent shows.
    pub max_step_output: MaxText,
    /// How long the text of a cell may be.
    pub max_cell: MaxText,
    /// Arguments that are handed on to ipykernel unchanged.
    pub companion_args: Vec<String>,
    /// What cells may reach.
    pub sandbox: Settings,
    /// Databases that cells get.
    pub databases: Vec<Database>,
    /// How the analyst works.
    pub analyst: Analyst,
    /// Bounds of a turn.
    pub limits: Limits,
    /// How tokens are chosen; `None` is the model's own default (greedy for the embedded one).
    pub sampling: Option<Sampling>,
    /// Seed of the choice.
    pub seed: u64,
    /// Whose outputs reach a page as they are.
    pub trust_outputs: TrustOutputs,
}

/// Why the settings cannot be used. Each says what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no Python to run cells on.
    #[error(
        "expected a Python with ipykernel, found none: set `--python PYTHON` or `DATARUS_PYTHON`, or run install.sh"
    )]
    NoPython,
    /// The Python that was named does not exist.
    #[error("no Python at `{}`: set `--python PYTHON` or `DATARUS_PYTHON`, or run install.sh", path.display())]
    PythonMissing {
        /// The path.
        path: PathBuf,
    },
    /// The model that was named does not exist.
    #[error(
        "no model at `{}`: set `--model PATH` or `DATARUS_MODEL` (`datarus model list` shows names that were added), or \
         leave it out for the embedded model", path.display()
    )]
    ModelMissing {
        /// The path.
        path: PathBuf,
    },
    /// The place where cells are to run is none.
    #[error("`--companion`: {0}")]
    Place(#[from] PlaceError),
    /// The list of named models cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The address of a model server cannot be used.
    #[error("`--model`: {0}")]
    Address(#[from] AddressError),
    /// The key of a model server cannot be used.
    #[error(transparent)]
    Key(#[from] ApiKeyError),
    /// What cells are to read does not exist.
    #[error("nothing at `{}`: name a file or a folder with `--readable PATH` or `DATARUS_READABLE`", path.display())]
    NothingReadable {
        /// The path.
        path: PathBuf,
    },
    /// The file with the user's instructions cannot be read.
    #[error("cannot read `{}`: {source}: name a text file with `--instructions FILE` or `DATARUS_INSTRUCTIONS`", path.display())]
    Instructions {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A database that was named, or the user's file of them, cannot be used.
    #[error("{0}")]
    Database(String),
    /// A number is out of its range.
    #[error("expected `{flag}` {expected}, found {found}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// Its range, in words.
        expected: &'static str,
        /// What was given.
        found: String,
    },
}

impl Config {
    /// Makes the configuration out of what was typed. Paths become absolute, so that the working folder may change.
    ///
    /// # Errors
    /// When a path does not exist or a number is out of range.
    pub fn resolve(args: &EngineArgs, companion_args: Vec<String>) -> Result<Self, ConfigError> {
        let companion = companion::place(args)?;
        let python = match find_python(args.python.as_deref()) {
            // Cells run on another one.
            Err(_) if !companion.is_here() => no_python(args),
            found => found?,
        };
        let model = match ModelSource::named(args.model.as_deref(), &args.endpoint)? {
            ModelSource::Path(path) => ModelSource::Path(existing_model(&path)?),
            source => source,
        };
        let limits = limits(args, &model)?;
        Ok(Self {
            python,
            companion,
            model,
            threads: args.threads,
            placement: args.device.into(),
            weights: weights_cache(args.weights),
            folder: PathBuf::from("."),
            state: user_state_dir().map(|folder| folder.join("datarus")),
            kv_cache: kv_cache(args),
            max_output: args.max_output,
            max_step_output: args.max_step_output,
            max_cell: args.max_cell,
            companion_args,
            sandbox: sandbox(args)?,
            databases: databases::named(args)?,
            analyst: Analyst::resolve(args)?,
            limits,
            sampling: sampling(args)?,
            seed: args.seed,
            trust_outputs: args.trust_outputs,
        })
    }

    /// As [`Config::resolve`] for a kernel that Jupyter starts: a Python or a model that is missing is told in the
    /// first cell that needs it, where the user sees it.
    ///
    /// # Errors
    /// When a number is out of range, or the address or the key of a server cannot be used.
    pub fn resolve_for_kernel(
        args: &EngineArgs,
        companion_args: Vec<String>,
    ) -> Result<Self, ConfigError> {
        let model = ModelSource::named(args.model.as_deref(), &args.endpoint)?;
        let limits = limits(args, &model)?;
        Ok(Self {
            python: find_python(args.python.as_deref()).unwrap_or_else(|_| no_python(args)),
            companion: companion::place(args)?,
            model,
            threads: args.threads,
            placement: args.device.into(),
            weights: weights_cache(args.weights),
            folder: PathBuf::from("."),
            state: user_state_dir().map(|folder| folder.join("datarus")),
            kv_cache: kv_cache(args),
            max_output: args.max_output,
            max_step_output: args.max_step_output,
            max_cell: args.max_cell,
            companion_args,
            sandbox: sandbox(args)?,
            databases: databases::named(args)?,
            analyst: Analyst::resolve(args)?,
            limits,
            sampling: sampling(args)?,
            seed: args.seed,
            trust_outputs: args.trust_outputs,
        })
    }
}

/// What stands for a Python that is not found.
fn no_python(args: &EngineArgs) -> PathBuf {
    args.python.clone().unwrap_or_else(|| PathBuf::from("python3"))
}

/// Finds the Python that has ipykernel: the one named, else the one that `install` noted beside the program or in
/// the user's data folder, else `python3` on the path.
///
/// # Errors
/// When the one named does not exist, or none is found.
pub fn find_python(named: Option<&Path>) -> Result<PathBuf, ConfigError> {
    if let Some(named) = named {
        return find_program(named)
            .ok_or_else(|| ConfigError::PythonMissing { path: named.to_owned() });
    }
    let noted = note_files().into_iter().find_map(|file| noted_python(&file));
    noted.or_else(|| on_path(Path::new("python3"))).ok_or(ConfigError::NoPython)
}

/// Where `install` may have noted its Python: beside the program, then in the user's data folder.
fn note_files() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| {
        let prefix = program.parent()?.parent()?;
        Some(prefix.join("share/datarus/config.json"))
    });
    let of_user = user_data_dir().map(|folder| folder.join("datarus/config.json"));
    beside.into_iter().chain(of_user).collect()
}

fn noted_python(file: &Path) -> Option<PathBuf> {
    let note: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    executable(Path::new(note["python"].as_str()?))
}

/// Where KV-caches are saved.
fn kv_cache(args: &EngineArgs) -> Option<Shelf> {
    let folder = user_cache_dir()?.join("datarus/kv");
    let max_bytes = args.kv_cache.saturating_mul(1 << 30);
    (max_bytes > 0).then_some(Shelf { folder, max_bytes, min_tokens: WORTH_SAVING })
}

/// The folder for data of this user's programs.
pub fn user_data_dir() -> Option<PathBuf> {
    user_dir("XDG_DATA_HOME", ".local/share")
}

/// The folder for settings of this user's programs.
fn user_config_dir() -> Option<PathBuf> {
    user_dir("XDG_CONFIG_HOME", ".config")
}

/// The folder for what this user's programs were doing.
fn user_state_dir() -> Option<PathBuf> {
    user_dir("XDG_STATE_HOME", ".local/state")
}

/// The folder for what can be made again.
fn user_cache_dir() -> Option<PathBuf> {
    user_dir("XDG_CACHE_HOME", ".cache")
}

/// The folder that a variable names, else one in the user's home.
///
/// # Source
/// <https://specifications.freedesktop.org/basedir-spec/latest/>.
fn user_dir(variable: &str, in_home: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = set(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(PathBuf::from(set("HOME")?).join(in_home)))
}

/// Where rearranged weights are kept.
pub fn weights_cache(args: WeightsArgs) -> Option<WeightsCache> {
    let folder = user_cache_dir()?.join("datarus/weights");
    let most_bytes = u64::from(args.gigabytes) << 30;
    (most_bytes > 0).then_some(WeightsCache { folder, most_bytes })
}

/// The absolute path of a program that is named as a shell takes it: a bare name is looked up on the path.
pub fn find_program(named: &Path) -> Option<PathBuf> {
    let is_bare_name = named.file_name() == Some(named.as_os_str());
    if is_bare_name { on_path(named) } else { executable(named) }
}

/// The absolute path of a program, links not resolved: a virtual environment's Python is a link.
fn executable(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    let runs = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
    runs.then(|| std::path::absolute(path).ok())?
}

/// The first program of that name on the path.
pub fn on_path(name: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.as_os_str() != OsStr::new(""))
        .find_map(|folder| executable(&folder.join(name)))
}

fn existing_model(path: &Path) -> Result<PathBuf, ConfigError> {
    std::fs::canonicalize(path).map_err(|_| ConfigError::ModelMissing { path: path.to_owned() })
}

fn sandbox(args: &EngineArgs) -> Result<Settings, ConfigError> {
    let readable = |path: &PathBuf| {
        std::fs::canonicalize(path).map_err(|_| ConfigError::NothingReadable { path: path.clone() })
    };
    if let Some(memory) = args.memory {
        check("--memory", memory > 0, "of at least 1", memory)?;
    }
    Ok(Settings {
        mode: args.sandbox,
        network: args.network.clone(),
        readable: args.readable.iter().map(readable).collect::<Result<_, _>>()?,
        pass_env: args.pass_env.clone(),
        memory: args.memory.map(|gigabytes| gigabytes.saturating_mul(1 << 30)),
        packages: user_state_dir().map(|folder| folder.join("datarus/packages")),
        caches: user_cache_dir().map(|folder| folder.join("datarus")),
        history: user_state_dir().map(|folder| folder.join("datarus/history")),
        ..Settings::default()
    })
}

fn limits(args: &EngineArgs, model: &ModelSource) -> Result<Limits, ConfigError> {
    let is_served = matches!(model, ModelSource::Served(_));
    let default = if is_served { NEW_TOKENS_SERVED } else { NEW_TOKENS };
    let max_new_tokens = args.max_new_tokens.unwrap_or(default);
    let max_turn_tokens = args.max_turn_tokens.unwrap_or(default * COMPLETIONS);
    for (flag, value) in [
        ("--max-steps", args.max_steps),
        ("--max-errors", args.max_errors),
        ("--cell-timeout", usize::try_from(args.cell_timeout).unwrap_or(usize::MAX)),
        ("--max-new-tokens", max_new_tokens),
        ("--max-turn-tokens", max_turn_tokens),
        ("--max-sections", args.max_sections),
    ] {
        check(flag, value > 0, "of at least 1", value)?;
    }
    Ok(Limits {
        max_steps: args.max_steps,
        max_errors: args.max_errors,
        cell_timeout: Duration::from_secs(args.cell_timeout),
        max_new_tokens,
        max_turn_tokens,
        max_sections: args.max_sections,
    })
}

fn sampling(args: &EngineArgs) -> Result<Option<Sampling>, ConfigError> {
    let Some(temperature) = args.temperature else { return Ok(None) };
    check(
        "--temperature",
        temperature >= 0.0 && temperature.is_finite(),
        "of at least 0",
        temperature,
    )?;
    if temperature == 0.0 {
        return Ok(Some(Sampling::Greedy));
    }
    let is_share = |value: f32| value > 0.0 && value <= 1.0;
    let shares = [("--top-p", args.top_p), ("--min-p", args.min_p)];
    for (flag, value) in shares.into_iter().filter_map(|(flag, value)| Some((flag, value?))) {
        check(flag, is_share(value), "above 0 and at most 1", value)?;
    }
    if let Some(top_k) = args.top_k {
        check("--top-k", top_k > 0, "of at least 1", top_k)?;
    }
    if let Some(penalty) = args.repetition_penalty {
        let fits = penalty >= 1.0 && penalty.is_finite();
        check("--repetition-penalty", fits, "of at least 1", penalty)?;
    }
    Ok(Some(Sampling::Random {
        temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
        repetition_penalty: args.repetition_penalty,
    }))
}

fn check(
    flag: &'static str,
    fits: bool,
    expected: &'static str,
    found: impl ToString,
) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError::Range { flag, expected, found: found.to_string() }) }
}

#[cfg(test)]
mod tests;
