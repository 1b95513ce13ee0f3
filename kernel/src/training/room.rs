//! A companion in a folder of its own, emptied between episodes: Python starts once, and each episode finds it new.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use datarus_agent::agent::{FileInfo, Given};
use datarus_agent::executor::{
    Execution, Executor, ExecutorError, Meanwhile, Output, Status, Variable,
};
use datarus_agent::observation::plain;
use datarus_agent::trajectory::{Change, Evidence};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::order::{Content, FileOrder};
use crate::client::{ExecuteReply, ExecuteRequest, Outputs};
use crate::config::Config;
use crate::headless::{HeadlessError, Kernel};
use crate::outputs;
use crate::sieve::Sieve;

const WATCH: &str = include_str!("watch.py");

/// What reaches the module that watches; [`WATCH`] is run in it once.
const MODULE: &str = "__import__('sys').modules['datarus_watch'].watch";

/// Why an episode cannot be played here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoomError {
    /// The kernel cannot be used.
    #[error(transparent)]
    Kernel(#[from] HeadlessError),
    /// The event loop or the folder cannot be made.
    #[error("cannot prepare a folder for episodes: {0}")]
    Folder(#[from] std::io::Error),
    /// A file of a task cannot be put there.
    #[error("cannot put the file `{name}` into the folder of the episode: {source}")]
    File {
        /// Its name.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The code that runs before the first question failed.
    #[error("the code before the first question failed: {0}")]
    Before(String),
    /// A cell took too long; nothing can be said of what it left.
    #[error("a cell took longer than {} seconds", .0.as_secs())]
    Slow(Duration),
    /// Python is gone, or says nothing of itself.
    #[error("Python ended in the middle of an episode")]
    Gone,
}

/// What Python says of a cell that ran.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Looked {
    variables: Vec<Variable>,
    figures: Vec<String>,
    evidence: Evidence,
    /// Whether it changed a module or a class, which an emptied namespace would keep.
    patched: bool,
}

/// What tells whether a file is as it was.
type Stamp = (u64, Option<SystemTime>);

/// A place for episodes, one after the other.
pub(crate) struct Room {
    runtime: Runtime,
    kernel: Option<Kernel>,
    config: Config,
    folder: TempDir,
    files: BTreeMap<String, Stamp>,
    variables: Vec<Variable>,
    /// Of the cells of this episode, in order.
    pub(crate) evidence: Vec<Evidence>,
    /// Whether Python is not to be used again.
    worn: bool,
}

impl Room {
    /// Starts Python. Blocks until it takes cells.
    pub(crate) fn open(config: &Config) -> Result<Self, RoomError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let folder = tempfile::Builder::new().prefix("datarus-room-").tempdir()?;
        let config = Config { folder: std::fs::canonicalize(folder.path())?, ..config.clone() };
        let mut room = Self {
            runtime,
            kernel: None,
            config,
            folder,
            files: BTreeMap::new(),
            variables: Vec::new(),
            evidence: Vec::new(),
            worn: false,
        };
        room.start()?;
        Ok(room)
    }

    fn start(&mut self) -> Result<(), RoomError> {
        let no_model = Box::new(|_: &Config| {
            Err(datarus_agent::llm::ModelError::Compute(String::from("no question is asked here")))
        });
        let kernel = self.runtime.block_on(Kernel::start(self.config.clone(), no_model))?;
        self.kernel = Some(kernel);
        let define = format!(
            "exec({}, __import__('sys').modules.setdefault('datarus_watch', __import__('types').ModuleType('datarus_watch')).__dict__)",
            json!(WATCH)
        );
        self.ask(&define)?;
        self.worn = false;
        Ok(())
    }

    /// Ends Python.
    pub(crate) fn close(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(kernel) = self.kernel.take() {
            // A kernel that is gone already needs no goodbye.
            let _ = self.runtime.block_on(kernel.stop());
        }
    }

    /// Empties folder and namespace, and puts in what an episode begins with. `from` is where paths of files begin.
    pub(crate) fn begin(
        &mut self,
        files: &[FileOrder],
        before: &str,
        removed: &[String],
        from: &Path,
        seed: u64,
    ) -> Result<(), RoomError> {
        if self.worn || self.kernel.is_none() {
            self.stop();
            self.start()?;
        }
        self.worn = true;
        empty(self.folder.path())?;
        for file in files {
            self.put(file, from)
                .map_err(|source| RoomError::File { name: file.name.clone(), source })?;
        }
        self.ask(&format!("{MODULE}.begin({})", seed & 0xffff_ffff))?;
        if !before.trim().is_empty() {
            let (execution, _) = self.run(before, self.config.limits.cell_timeout)?;
            if execution.status != Status::Ok {
                let said = execution.outputs.last().map(|output| json!(output).to_string());
                return Err(RoomError::Before(said.unwrap_or_default()));
            }
        }
        for name in removed {
            std::fs::remove_file(self.folder.path().join(name))
                .map_err(|source| RoomError::File { name: name.clone(), source })?;
        }
        let state = self.ask(&format!("print({MODULE}.settle())"))?;
        self.variables = Looked::deserialize(state).map_err(|_| RoomError::Gone)?.variables;
        self.evidence.clear();
        self.files = stamps(self.folder.path());
        self.worn = false;
        Ok(())
    }

    fn put(&self, file: &FileOrder, from: &Path) -> std::io::Result<()> {
        let path = self.folder.path().join(&file.name);
        std::fs::create_dir_all(path.parent().unwrap_or(self.folder.path()))?;
        match &file.content {
            Content::Text(text) => std::fs::write(path, text),
            Content::Path(source) => std::fs::copy(from.join(source), path).map(|_| ()),
        }
    }

    /// What a model is told of besides the question.
    pub(crate) fn given(&self) -> Given {
        let files = self.files.iter();
        let files = files.map(|(name, (bytes, _))| FileInfo { name: name.clone(), bytes: *bytes });
        let variables = self.variables.clone();
        Given { files: files.collect(), variables, ..Given::default() }
    }

    /// Runs a cell, and looks at what it did.
    pub(crate) fn run(
        &mut self,
        code: &str,
        timeout: Duration,
    ) -> Result<(Execution, Evidence), RoomError> {
        self.worn = true;
        let started = Instant::now();
        let (reply, outputs) = self.execute_cell(code, timeout)?;
        let seconds = started.elapsed();
        let said = self.ask(&format!("print({MODULE}.look({}))", json!(code)))?;
        let looked = Looked::deserialize(said).map_err(|_| RoomError::Gone)?;
        let after = stamps(self.folder.path());
        let evidence = Evidence { changes: changes(&self.files, &after), ..looked.evidence };
        self.files = after;
        self.variables = looked.variables;
        self.evidence.push(evidence.clone());
        tracing::debug!(?seconds, "a cell ran");
        let execution = Execution {
            execution_count: reply.execution_count,
            status: if reply.status == "ok" { Status::Ok } else { Status::Error },
            outputs,
            figures: looked.figures,
            // What differs from run to run is no part of an episode.
            seconds: 0.0,
            lost: false,
        };
        self.worn = looked.patched;
        Ok((execution, evidence))
    }

    /// As a step of the agent runs: what it puts out passes the sieve.
    fn execute_cell(
        &mut self,
        code: &str,
        timeout: Duration,
    ) -> Result<(ExecuteReply, Vec<Output>), RoomError> {
        let kernel = self.kernel.as_mut().ok_or(RoomError::Gone)?;
        let mut sieve = Sieve::new("episode");
        let mut kept = outputs::Outputs::default();
        let mut seen = |kind: &str, content: &Value, _: &Outputs| {
            let content = content.as_object().cloned().unwrap_or_default();
            if let Some(content) = sieve.sift(kind, content).content {
                kept.push(kind, content);
            }
        };
        let request = ExecuteRequest { stop_on_error: false, ..ExecuteRequest::cell(code) };
        let (metadata, mut raw) = (as_code(), Outputs::default());
        let ran = kernel.execute(&request, &metadata, &mut raw, &mut seen);
        let ran = self.runtime.block_on(async { tokio::time::timeout(timeout, ran).await });
        let reply = ran.map_err(|_| RoomError::Slow(timeout))??;
        Ok((reply, kept.finish().into_iter().map(lean).collect()))
    }

    /// Runs code that leaves no trace and prints one JSON value.
    fn ask(&mut self, code: &str) -> Result<Value, RoomError> {
        let kernel = self.kernel.as_mut().ok_or(RoomError::Gone)?;
        Ok(self.runtime.block_on(kernel.ask_python(code))?)
    }
}

/// An output with no more than an observation is made of: pictures are described elsewhere, and frames of libraries name
/// folders of this machine.
fn lean(mut output: Output) -> Output {
    match &mut output {
        Output::Error { traceback, .. } => {
            traceback.retain_mut(|frame| {
                *frame = plain(frame);
                frame.trim_start().starts_with("Cell In[")
            });
        }
        Output::DisplayData { data, .. } | Output::ExecuteResult { data, .. } => {
            let pictures = data.iter_mut().filter(|(mime, _)| mime.starts_with("image/"));
            pictures.for_each(|(_, picture)| *picture = json!(""));
        }
        Output::Stream { .. } => {}
    }
    output
}

/// The kernel is to take it for Python whatever it looks like.
fn as_code() -> Map<String, Value> {
    Map::from_iter([(String::from("datarus"), json!({"role": "code"}))])
}

impl Drop for Room {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Executor for Room {
    fn execute(
        &mut self,
        code: &str,
        timeout: Duration,
        _meanwhile: &mut Meanwhile<'_>,
    ) -> Result<Execution, ExecutorError> {
        let ran = self.run(code, timeout);
        ran.map(|(execution, _)| execution)
            .map_err(|error| ExecutorError { reason: error.to_string() })
    }

    fn variables(&mut self) -> Vec<Variable> {
        self.variables.clone()
    }
}

fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        let remove: fn(PathBuf) -> std::io::Result<()> = if is_folder {
            |path| std::fs::remove_dir_all(path)
        } else {
            |path| std::fs::remove_file(path)
        };
        remove(entry.path())?;
    }
    Ok(())
}

/// The files under a folder by their paths from it; links are not followed.
fn stamps(folder: &Path) -> BTreeMap<String, Stamp> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let path = entry.path();
            if metadata.is_dir() {
                open.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                let stamp = (metadata.len(), metadata.modified().ok());
                found.insert(name.to_string_lossy().into_owned(), stamp);
            }
        }
    }
    found
}

fn changes(
    before: &BTreeMap<String, Stamp>,
    after: &BTreeMap<String, Stamp>,
) -> BTreeMap<String, Change> {
    let new = after.iter().filter_map(|(name, stamp)| match before.get(name) {
        None => Some((name, Change::Made)),
        Some(known) if known != stamp => Some((name, Change::Changed)),
        Some(_) => None,
    });
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let all = new.chain(gone.map(|name| (name, Change::Deleted)));
    all.map(|(name, change)| (name.clone(), change)).collect()
}
