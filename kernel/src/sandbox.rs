//! The sandbox of the companion: what code that a model or a notebook brings can reach.
//!
//! Three tiers, tried in this order when a companion first starts: namespaces made by bubblewrap, with a filter of
//! system calls inside them; Landlock with a filter; none, when the user has switched it off. A tier is found by
//! trying it: the very command that would start Python is run once without Python. None is ever taken silently.
//!
//! [`grants`] says which folders exist for the companion, [`environment`] which variables, [`private`] what it has
//! for itself; [`bubblewrap`] and [`seatbelt`] write that down for the tool that enforces it; [`jail`] is our own
//! program inside, which gives up what it has left and becomes Python.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod bubblewrap;
mod environment;
#[cfg(target_os = "linux")]
mod filter;
mod grants;
mod hint;
mod installer;
pub mod jail;
pub(crate) mod network;
mod private;
#[cfg(target_os = "linux")]
mod ruleset;
mod seatbelt;

use grants::Grants;
pub(crate) use installer::Installer;
pub use network::{Hosts, Network};
pub(crate) use private::Private;

/// The variable that tells the launcher where packages lie that steps had installed.
const PACKAGES: &str = "DATARUS_PACKAGES";

/// The variable that tells the launcher where the proxy is.
const PROXY: &str = "DATARUS_PROXY";

/// Why there is no list of hosts.
const NO_HOSTS: &str = "it has no network of its own, so hosts cannot be held apart: install bubblewrap, or choose \
                        `--network on` or `off`";

/// Which tier the user wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The best that works here.
    #[default]
    Auto,
    /// Namespaces made by bubblewrap, or nothing runs.
    Bubblewrap,
    /// Landlock, or nothing runs.
    Landlock,
    /// None: cells run with all rights of the user.
    Off,
}

/// Off or on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Off.
    #[default]
    Off,
    /// On.
    On,
}

/// What the user wants of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The tier.
    pub mode: Mode,
    /// Which network cells reach.
    pub network: Network,
    /// Files and folders outside of the workspace that cells may read, absolute.
    pub readable: Vec<PathBuf>,
    /// Variables that are handed on beside the usual ones.
    pub pass_env: Vec<String>,
    /// Bytes of memory for each process; `None` is three quarters of the machine's.
    pub memory: Option<u64>,
    /// The program that has the hidden commands: this one.
    pub program: PathBuf,
    /// Where packages lie that steps had installed, a folder for each workspace and Python; without it, none are.
    pub packages: Option<PathBuf>,
    /// Where models leave what their next start takes up; cells see nothing of it.
    pub caches: Option<PathBuf>,
    /// Where the history of cells is kept, a folder for each workspace; without it, it ends with the session.
    pub history: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            network: Network::Off,
            readable: Vec::new(),
            pass_env: Vec::new(),
            memory: None,
            program: std::env::current_exe().unwrap_or_default(),
            packages: None,
            caches: None,
            history: None,
        }
    }
}

/// What holds the companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Namespaces and a filter: what is not granted does not exist.
    Bubblewrap,
    /// Landlock and a filter: what is not granted is refused.
    Landlock,
    /// The sandbox of macOS.
    Seatbelt,
    /// Nothing.
    None,
}

impl Tier {
    /// Its name, as settings, notebooks and pages have it.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Bubblewrap => "bubblewrap",
            Tier::Landlock => "landlock",
            Tier::Seatbelt => "seatbelt",
            Tier::None => "none",
        }
    }

    /// The tiers that a mode allows here, best first.
    fn of_mode(mode: Mode) -> &'static [Tier] {
        match mode {
            Mode::Off => &[Tier::None],
            Mode::Auto if cfg!(target_os = "macos") => &[Tier::Seatbelt],
            Mode::Auto => &[Tier::Bubblewrap, Tier::Landlock],
            Mode::Bubblewrap => &[Tier::Bubblewrap],
            Mode::Landlock => &[Tier::Landlock],
        }
    }
}

/// What is to be started, before it is known in which tier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inmate<'a> {
    /// The Python.
    pub(crate) python: &'a Path,
    /// The workspace, where it runs.
    pub(crate) folder: &'a Path,
    /// The folder with its sockets and its own files.
    pub(crate) runtime: &'a Path,
}

/// A tier that works here.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    settings: Settings,
    python: PathBuf,
    /// The folders of the Python.
    environment: Vec<PathBuf>,
    /// The tier.
    pub(crate) tier: Tier,
    /// Why it is not a better one.
    pub(crate) not_better: Option<String>,
}

impl Sandbox {
    /// Tries the tiers that the settings allow, a few hundredths of a second each.
    ///
    /// # Errors
    /// When none works: one sentence that says why, and what to do.
    pub(crate) fn choose(settings: &Settings, inmate: Inmate<'_>) -> Result<Sandbox, String> {
        let (python, environment) = if settings.mode == Mode::Off {
            (inmate.python.to_owned(), Vec::new())
        } else {
            let python = grants::python::behind(inmate.python);
            let environment = grants::python::places(&python, &private::user_home());
            (python, environment)
        };
        let (settings, tier, not_better) = (settings.clone(), Tier::None, None);
        let mut sandbox = Sandbox { settings, python, environment, tier, not_better };
        let mut failed = Vec::new();
        for &tier in Tier::of_mode(sandbox.settings.mode) {
            sandbox.tier = tier;
            match sandbox.attempt(inmate) {
                Ok(()) => {
                    sandbox.not_better = (!failed.is_empty()).then(|| failed.join("; "));
                    return Ok(sandbox);
                }
                Err(reason) => failed.push(format!("{}: {reason}", tier.name())),
            }
        }
        Err(format!(
            "no sandbox works here ({}): install bubblewrap or use Linux 6.7 or newer, or switch the sandbox off with \
             `DATARUS_SANDBOX=off`, which lets cells do all that you can do",
            failed.join("; ")
        ))
    }

    fn attempt(&self, inmate: Inmate<'_>) -> Result<(), String> {
        if self.tier == Tier::None {
            return Ok(());
        }
        let folder = real(inmate.folder)?;
        let private = Private::create(&self.settings, &folder)?;
        let mut command =
            self.command(Inmate { folder: &folder, ..inmate }, &private, &[], None)?;
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("`{}` does not start ({error})", program_of(&command)))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        Err(line.map_or_else(|| output.status.to_string(), str::to_owned))
    }

    /// The command that starts Python with these arguments, the launcher first; and what it has for itself, which
    /// must outlive it.
    ///
    /// # Errors
    /// When this tier cannot hold the workspace, or its tool is missing.
    pub(crate) fn prepare(
        &self,
        inmate: Inmate<'_>,
        mut arguments: Vec<OsString>,
    ) -> Result<(Command, Option<Private>), String> {
        if self.tier == Tier::None {
            let mut command = crate::python::command(&self.python);
            // ipykernel ends itself when this is no longer its parent.
            command.env("JPY_PARENT_PID", std::process::id().to_string());
            command.args(arguments).current_dir(inmate.folder);
            return Ok((command, None));
        }
        let folder = real(inmate.folder)?;
        let private = Private::create(&self.settings, &folder)?;
        // ipykernel takes it once: nbclient, for one, names a history of its own.
        if !arguments.iter().any(names_a_history) {
            arguments.extend(private.history_argument().map(OsString::from));
        }
        let up = Some(inmate.runtime.join("up"));
        let command =
            self.command(Inmate { folder: &folder, ..inmate }, &private, &arguments, up)?;
        Ok((command, Some(private)))
    }

    fn command(
        &self,
        inmate: Inmate<'_>,
        private: &Private,
        arguments: &[OsString],
        up: Option<PathBuf>,
    ) -> Result<Command, String> {
        let packages = self.packages(inmate.folder);
        let environment = [&self.environment[..], packages.as_slice()].concat();
        let grants = Grants::of(&self.settings, inmate, &environment, private)?;
        let mut command = match self.tier {
            Tier::Bubblewrap => bubblewrap::command(&grants, &self.settings)?,
            Tier::Landlock | Tier::Seatbelt if self.hosts().is_some() => {
                return Err(NO_HOSTS.to_owned());
            }
            Tier::Seatbelt => seatbelt::command(&grants, &self.settings)?,
            Tier::Landlock | Tier::None => {
                grants.hides_nothing()?;
                Command::new(&self.settings.program)
            }
        };
        let spec = jail::Spec {
            up,
            network: self.settings.network == Network::On,
            memory: self.settings.memory,
            fence: (self.tier == Tier::Landlock).then(|| grants.fence()),
        };
        let spec = serde_json::to_string(&spec).map_err(|error| error.to_string())?;
        command.arg(jail::COMMAND).arg(spec);
        if !arguments.is_empty() {
            command.arg(&self.python).args(arguments);
        }
        command.current_dir(inmate.folder);
        command.env_clear().envs(environment::of(&self.settings, self.tier, private));
        if let Some(packages) = packages {
            command.env(PACKAGES, packages);
        }
        if let Some(hosts) = self.hosts() {
            command.env(PROXY, proxy_in(inmate.runtime));
            command.env("NO_PROXY", hosts.past_proxy()).env("no_proxy", hosts.past_proxy());
        }
        Ok(command)
    }

    /// For programs: the tier, the network, and why it is no better tier.
    pub(crate) fn as_json(&self) -> Value {
        let network = match self.tier {
            Tier::None => Network::On.to_string(),
            _ => self.settings.network.to_string(),
        };
        let mut json = json!({ "tier": self.tier, "network": network });
        if let Some(reason) = &self.not_better {
            json["not_better"] = json!(reason);
        }
        json
    }

    /// For people, one sentence.
    pub(crate) fn in_words(&self) -> String {
        match (self.tier, &self.settings.network) {
            (Tier::None, _) => "No sandbox: cells can do all that you can do".into(),
            (tier, Network::Off) => format!("Sandbox: {}, no network", tier.name()),
            (tier, Network::On) => format!("Sandbox: {}, with network", tier.name()),
            (tier, Network::Hosts(hosts)) => {
                format!("Sandbox: {}, network: {hosts}", tier.name())
            }
        }
    }

    /// The hosts that cells reach through a proxy, if it is some.
    pub(crate) fn hosts(&self) -> Option<&Hosts> {
        match &self.settings.network {
            Network::Hosts(hosts) if self.tier != Tier::None => Some(hosts),
            Network::Off | Network::On | Network::Hosts(_) => None,
        }
    }

    /// Whether the companion's process is in a namespace of its own: signals then go to the process inside.
    pub(crate) fn hides_processes(&self) -> bool {
        self.tier == Tier::Bubblewrap
    }
}

/// The socket of the proxy in a companion's own folder.
pub(crate) fn proxy_in(runtime: &Path) -> PathBuf {
    runtime.join("net")
}

fn program_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn names_a_history(argument: &OsString) -> bool {
    argument.to_string_lossy().starts_with("--HistoryManager.hist_file")
}

fn real(folder: &Path) -> Result<PathBuf, String> {
    std::fs::canonicalize(folder)
        .map_err(|error| format!("the folder `{}` cannot be used ({error})", folder.display()))
}

/// Tries the sandbox as it would be for a notebook in a folder of its own.
///
/// # Errors
/// When none works: one sentence that says why, and what to do.
pub(crate) fn try_here(settings: &Settings, python: &Path) -> Result<Sandbox, String> {
    let folder = || tempfile::tempdir().map_err(|error| error.to_string());
    let (workspace, runtime) = (folder()?, folder()?);
    let inmate = Inmate { python, folder: workspace.path(), runtime: runtime.path() };
    Sandbox::choose(settings, inmate)
}
