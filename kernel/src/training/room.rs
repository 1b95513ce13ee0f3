//! A companion in a folder of its own, emptied between episodes: Python starts once, and each episode finds it new.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use datarus_agent::agent::{FileInfo, Given};
use datarus_agent::executor::{
    Execution, Executor, ExecutorError, Meanwhile, Output, Status, Variable,
};
use datarus_agent::llm::Interrupt;
use datarus_agent::observation::plain;
use datarus_agent::trajectory::{Change, Evidence};
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::order::{Content, FileOrder};
use crate::client::{ExecuteReply, ExecuteRequest, Outputs};
use crate::config::Config;
use crate::disk::folder_inside;
use crate::headless::{HeadlessError, Kernel};
use crate::outputs;
use crate::server::LOST;
use crate::sieve::Sieve;

const WATCH: &str = include_str!("watch.py");

/// What reaches the module that watches; [`WATCH`] is run in it once.
const MODULE: &str = "__import__('sys').modules['datarus_watch'].watch";

/// Prints even where a cell has given `print` another meaning.
const PRINT: &str = "__import__('builtins').print";

/// How long Python may take at least to come up and to say what a cell did.
const PATIENCE: Duration = Duration::from_secs(120);

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
    /// The code that runs before the first question failed, or left no file that is to be removed.
    #[error("what is done before the first question failed: {0}")]
    Before(String),
    /// It was told to stop while a cell ran.
    #[error("it was stopped while a cell ran")]
    Stopped,
    /// Python is gone, or says nothing of itself, even when it was started anew.
    #[error("Python says nothing of itself")]
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
    /// Of what is drawn by chance in this episode.
    seed: u64,
    /// Whether a cell has changed a module or a class, which an emptied namespace keeps.
    patched: bool,
    /// Whether Python is not to be used again.
    worn: bool,
    /// Ends a cell that runs.
    stop: Interrupt,
}

impl Room {
    /// Starts Python. Blocks until it takes cells. `stop` ends a cell that runs.
    pub(crate) fn open(config: &Config, stop: &Interrupt) -> Result<Self, RoomError> {
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
            seed: 0,
            patched: false,
            worn: false,
            stop: stop.clone(),
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
        (self.patched, self.worn) = (false, false);
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
        self.seed = seed & 0xffff_ffff;
        if self.worn || self.kernel.is_none() {
            self.start_anew()?;
        }
        self.worn = true;
        empty(self.folder.path())?;
        for file in files {
            self.put(file, from)
                .map_err(|source| RoomError::File { name: file.name.clone(), source })?;
        }
        if !self.emptied()? {
            // What the episode before has left breaks it.
            self.start_anew()?;
            if !self.emptied()? {
                return Err(RoomError::Gone);
            }
        }
        if !before.trim().is_empty() {
            let (execution, _) = self.run(before, self.config.limits.cell_timeout)?;
            if execution.status != Status::Ok {
                let said = execution.outputs.last().map(|output| json!(output).to_string());
                return Err(RoomError::Before(said.unwrap_or_default()));
            }
        }
        // By code inside of the sandbox: what made links leads nowhere there.
        match self.ask(&format!("{PRINT}({MODULE}.remove({}))", json!(removed)))? {
            Value::Array(kept) if kept.is_empty() => {}
            Value::Array(kept) => return Err(RoomError::Before(json!(kept).to_string())),
            _ => return Err(RoomError::Gone),
        }
        let state = self.ask(&format!("{PRINT}({MODULE}.settle())"))?;
        self.variables = Looked::deserialize(state).map_err(|_| RoomError::Gone)?.variables;
        self.evidence.clear();
        self.files = stamps(self.folder.path());
        self.worn = self.patched;
        Ok(())
    }

    fn start_anew(&mut self) -> Result<(), RoomError> {
        self.stop();
        self.start()
    }

    /// Empties the namespace; whether Python says that it did.
    fn emptied(&mut self) -> Result<bool, RoomError> {
        let state = self.ask(&format!("{PRINT}({MODULE}.begin({}))", self.seed))?;
        Ok(!state.is_null())
    }

    fn put(&self, file: &FileOrder, from: &Path) -> std::io::Result<()> {
        let mut target = create_inside(self.folder.path(), Path::new(&file.name))?;
        match &file.content {
            Content::Text(text) => target.write_all(text.as_bytes()),
            Content::Path(source) => {
                std::io::copy(&mut File::open(from.join(source))?, &mut target).map(|_| ())
            }
        }
    }

    /// What a model is told of besides the question.
    pub(crate) fn given(&self) -> Given {
        let files = self.files.iter();
        let files = files.map(|(name, (bytes, _))| FileInfo { name: name.clone(), bytes: *bytes });
        let variables = self.variables.clone();
        Given { files: files.collect(), variables, ..Given::default() }
    }

    /// Runs a cell, and looks at what it did. One that takes too long, or under which Python dies, is told by its status:
    /// Python is then a new one, with nothing in it but the files.
    pub(crate) fn run(
        &mut self,
        code: &str,
        timeout: Duration,
    ) -> Result<(Execution, Evidence), RoomError> {
        self.worn = true;
        let started = Instant::now();
        let (reply, mut outputs) = self.execute_cell(code, timeout)?;
        let seconds = started.elapsed();
        let looked = match &reply {
            Some(_) => {
                Looked::deserialize(self.ask(&format!("{PRINT}({MODULE}.look({}))", json!(code)))?)
                    .ok()
            }
            None => None,
        };
        let status = match &reply {
            None => Status::TimedOut,
            Some(_) if looked.is_none() => Status::Died,
            Some(reply) if reply.status == "ok" => Status::Ok,
            Some(_) => Status::Error,
        };
        if looked.is_none() {
            let (name, text) = (String::from("stderr"), LOST.to_owned());
            outputs.push(Output::Stream { name, text });
            self.start_anew()?;
            if !self.emptied()? {
                return Err(RoomError::Gone);
            }
        }
        let looked = looked.unwrap_or_default();
        let after = stamps(self.folder.path());
        let evidence = Evidence {
            changes: changes(&self.files, &after),
            patched: looked.patched,
            ..looked.evidence
        };
        self.files = after;
        self.variables = looked.variables;
        self.evidence.push(evidence.clone());
        tracing::debug!(?seconds, ?status, "a cell ran");
        let execution = Execution {
            execution_count: reply.and_then(|reply| reply.execution_count),
            status,
            outputs,
            figures: looked.figures,
            // What differs from run to run is no part of an episode.
            seconds: 0.0,
            lost: false,
        };
        self.patched |= looked.patched;
        self.worn = self.patched;
        Ok((execution, evidence))
    }

    /// As a step of the agent runs: what it puts out passes the sieve. Without a reply it took too long.
    fn execute_cell(
        &mut self,
        code: &str,
        timeout: Duration,
    ) -> Result<(Option<ExecuteReply>, Vec<Output>), RoomError> {
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
        let stop = &self.stop;
        let reply = self.runtime.block_on(async {
            tokio::select! {
                ran = tokio::time::timeout(timeout, ran) => Ok(ran.ok().transpose()?),
                () = asked(stop) => Err(RoomError::Stopped),
            }
        })?;
        Ok((reply, kept.finish().into_iter().map(lean).collect()))
    }

    /// Runs code that leaves no trace and prints one JSON value. What a cell has left there may never let it end.
    fn ask(&mut self, code: &str) -> Result<Value, RoomError> {
        let kernel = self.kernel.as_mut().ok_or(RoomError::Gone)?;
        let (timeout, stop) = (self.config.limits.cell_timeout.max(PATIENCE), &self.stop);
        self.runtime.block_on(async {
            tokio::select! {
                asked = tokio::time::timeout(timeout, kernel.ask_python(code)) => {
                    Ok(asked.map_err(|_too_long| RoomError::Gone)??)
                }
                () = asked(stop) => Err(RoomError::Stopped),
            }
        })
    }
}

/// An output with no more than an observation is made of: pictures are described elsewhere, and frames of libraries name
/// folders of this machine.
pub(super) fn lean(mut output: Output) -> Output {
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

/// Waits until a stop is asked for.
async fn asked(stop: &Interrupt) {
    while !stop.is_set() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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

/// Makes a file under a folder where cells may have left links, and the folders that it stands in. No link is followed,
/// and nothing is written over.
fn create_inside(folder: &Path, name: &Path) -> std::io::Result<File> {
    let into = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut place = openat(CWD, folder, into, Mode::empty())?;
    for part in name.parent().into_iter().flat_map(Path::components) {
        place = folder_inside(&place, Path::new(&part))?;
    }
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let name = name.file_name().unwrap_or_default();
    Ok(openat(&place, name, new, Mode::from_raw_mode(0o666))?.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_put_behind_a_link_or_over_another() {
        let (room, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), room.path().join("out")).unwrap();
        let mine = outside.path().join("mine");
        std::fs::write(&mine, "mine").unwrap();
        std::os::unix::fs::symlink(&mine, room.path().join("link")).unwrap();
        let put = |name: &str| create_inside(room.path(), Path::new(name));
        for name in ["out/new", "out/mine", "link"] {
            put(name).unwrap_err();
        }
        put("a/b/new").unwrap().write_all(b"x").unwrap();
        put("a/b/new").unwrap_err();
        assert_eq!(std::fs::read_to_string(room.path().join("a/b/new")).unwrap(), "x");
        assert_eq!(std::fs::read_to_string(mine).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}
