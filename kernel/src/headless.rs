//! Notebooks without a screen: the kernel in this process, a client of it, and the files that come of it.
//!
//! `ask` ([`ask`]) makes a notebook of one question, `run` ([`run`]) runs one that is there. Both send cells over
//! the sockets that a page would use, and both make the same cells ([`crate::cells`]) of a turn.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::cells::{TurnRecord, kept};
use crate::client::{Client, ClientError, ExecuteReply, ExecuteRequest, Outputs};
use crate::config::Config;
use crate::connection::{ConnectionError, ConnectionInfo};
use crate::notebook::{Notebook, NotebookError};
use crate::place::ran_at;
use crate::prompt::Loader;
use crate::server::{self, ServerError};
use crate::sources::data_files;

pub mod ask;
mod facts;
mod progress;
pub mod research;
pub mod run;
mod safe;
pub mod session;
pub mod verify;

pub use progress::Progress;

/// Why a notebook cannot be made. A cell that fails is no error but part of the result.
#[derive(Debug, thiserror::Error)]
pub enum HeadlessError {
    /// A notebook file cannot be read or written.
    #[error(transparent)]
    Notebook(#[from] NotebookError),
    /// A file that was named does not exist.
    #[error("no file `{}`", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// There is no folder to write to.
    #[error("cannot use the folder `{}`: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No place for the sockets.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The kernel cannot be spoken to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The kernel cannot run.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The notebook to go on with is of another study.
    #[error(
        "`{}` is a notebook of something else: expected its question to be the one that is asked; name another file with `-o`",
        path.display()
    )]
    OtherStudy {
        /// The notebook.
        path: PathBuf,
    },
    /// The model is too small for research; what to do was said.
    #[error("no plan could be made, and nothing was written")]
    CannotPlan,
    /// A folder that was named holds no data.
    #[error("no data files in the folder `{}`: expected csv, tsv, xlsx, parquet, json or txt", path.display())]
    NoData {
        /// The folder.
        path: PathBuf,
    },
    /// The kernel ended while a cell ran.
    #[error("the kernel ended before its cells did")]
    Ended,
}

/// How a headless run ended, as far as the exit code is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All is done.
    Done,
    /// No answer, or a cell failed.
    Failed,
    /// The user stopped it.
    Interrupted,
}

/// A kernel in this process, and a connection to it.
pub(crate) struct Kernel {
    client: Client,
    server: JoinHandle<Result<(), ServerError>>,
    /// Whether it was told how the server ended, which it can be once.
    has_ended: bool,
    /// Holds the sockets; only this user can enter it.
    _sockets: TempDir,
}

impl Kernel {
    /// Starts a kernel that works in the process's working folder; `loader` makes its model.
    pub(crate) async fn start(config: Config, loader: Loader) -> Result<Self, HeadlessError> {
        let (sockets, connection) = private_connection()?;
        let mut server = tokio::spawn(server::run_with(connection.clone(), config, loader));
        let client = tokio::select! {
            client = Client::connect(&connection) => client?,
            ended = &mut server => return Err(why_ended(ended)),
        };
        Ok(Self { client, server, has_ended: false, _sockets: sockets })
    }

    /// Runs one cell.
    pub(crate) async fn execute(
        &mut self,
        request: &ExecuteRequest<'_>,
        metadata: &Map<String, Value>,
        outputs: &mut Outputs,
        seen: &mut dyn FnMut(&str, &Value, &Outputs),
    ) -> Result<ExecuteReply, HeadlessError> {
        tokio::select! {
            reply = self.client.execute(request, metadata, outputs, seen) => Ok(reply?),
            ended = &mut self.server => {
                self.has_ended = true;
                Err(why_ended(ended))
            }
        }
    }

    /// Runs code that leaves no trace and prints one JSON value in a line, behind whatever else is printed meanwhile; null
    /// when it fails.
    pub(crate) async fn ask_python(&mut self, code: &str) -> Result<Value, HeadlessError> {
        let metadata = Map::from_iter([("datarus".to_owned(), json!({"role": "code"}))]);
        let mut outputs = Outputs::default();
        let request = ExecuteRequest::silent(code);
        self.execute(&request, &metadata, &mut outputs, &mut |_, _, _| ()).await?;
        let stdout = outputs.list().iter().filter(|output| output["name"] == "stdout");
        let printed: String = stdout.filter_map(|output| output["text"].as_str()).collect();
        let value = printed.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        Ok(value.unwrap_or_default())
    }

    /// Asks what later steps of a turn need of the failed ones.
    async fn find_kept(&mut self, record: &mut TurnRecord) -> Result<(), HeadlessError> {
        if let Some(code) = kept::question(record) {
            let printed = self.ask_python(&code).await?;
            kept::fill_in(record, &printed);
        }
        Ok(())
    }

    /// What holds its Python.
    fn sandbox(&self) -> Value {
        self.client.info["sandbox"].clone()
    }

    /// Ends the kernel and waits until nothing of it is left.
    pub(crate) async fn stop(self) -> Result<(), HeadlessError> {
        let Self { client, mut server, has_ended, .. } = self;
        if has_ended {
            return Err(HeadlessError::Ended);
        }
        let ended = tokio::select! {
            // It may end by itself, as by a signal; then nobody replies.
            biased;
            ended = &mut server => ended,
            goodbye = client.shutdown() => {
                goodbye?;
                server.await
            }
        };
        match ended {
            Ok(ended) => Ok(ended?),
            Err(_panicked) => Err(HeadlessError::Ended),
        }
    }
}

fn why_ended(ended: Result<Result<(), ServerError>, tokio::task::JoinError>) -> HeadlessError {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) | Err(_) => HeadlessError::Ended,
    }
}

/// Sockets in a folder that only this user can enter. The system's folder for temporary files may have a path too
/// long for a socket; `/tmp` has not.
fn private_connection() -> Result<(TempDir, ConnectionInfo), HeadlessError> {
    let folder = |parent: &Path| {
        tempfile::Builder::new()
            .prefix("datarus-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(|source| HeadlessError::Folder { path: parent.to_owned(), source })
    };
    let usual = folder(&std::env::temp_dir())?;
    match ConnectionInfo::new_ipc(usual.path()) {
        Ok(connection) => Ok((usual, connection)),
        Err(_too_long) => {
            let short = folder(Path::new("/tmp"))?;
            let connection = ConnectionInfo::new_ipc(short.path())?;
            Ok((short, connection))
        }
    }
}

/// The folder of `file`, absolute: cells run there.
fn folder_of(file: &Path) -> Result<PathBuf, HeadlessError> {
    let path = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::canonicalize(path)
        .map_err(|source| HeadlessError::Folder { path: path.to_owned(), source })
}

/// The files that are named, and the data files in the folders that are, all without links.
pub(crate) fn sources(named: &[PathBuf]) -> Result<Vec<PathBuf>, HeadlessError> {
    let mut files = Vec::new();
    for path in named {
        let real = std::fs::canonicalize(path)
            .map_err(|_| HeadlessError::NoFile { path: path.clone() })?;
        if !real.is_dir() {
            files.push(real);
            continue;
        }
        let found = data_files(&real);
        if found.is_empty() {
            return Err(HeadlessError::NoData { path: path.clone() });
        }
        let found = found.iter().map(|file| real.join(&file.name));
        files.extend(found.filter_map(|file| std::fs::canonicalize(file).ok()));
    }
    Ok(files)
}

/// What a page sends along with a cell: its metadata and its id; and the notebook's standing instructions, which a page
/// tells by its comm.
fn request_metadata(cell: &Value, instructions: Option<&Value>) -> Map<String, Value> {
    let mut metadata = cell["metadata"].as_object().cloned().unwrap_or_default();
    metadata.insert("cellId".into(), cell["id"].clone());
    if let Some(instructions) = instructions {
        let facts = metadata.entry("datarus").or_insert_with(|| json!({}));
        facts["instructions"] = instructions.clone();
    }
    metadata
}

/// The standing instructions in a notebook's metadata.
fn instructions(notebook: &Notebook) -> Option<&Value> {
    notebook.metadata.get("datarus")?.get("instructions").filter(|text| text.is_string())
}

/// Notes in a notebook what it was made from: data files, Python, packages, what held Python; and the turns that it
/// holds.
fn note_facts(notebook: &mut Notebook, gathered: facts::Facts, sandbox: &Value) {
    let turns: Vec<Value> = notebook
        .cells
        .iter()
        .filter(|cell| crate::cells::datarus(cell, "role") == Some(&json!("prompt")))
        .filter_map(|cell| crate::cells::datarus(cell, "turn").cloned())
        .collect();
    let instructions = instructions(notebook).cloned();
    let mut facts = json!({
        "v": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "turns": turns,
        "datasets": gathered.datasets,
        "env": {"python": gathered.python, "packages": gathered.packages},
        "sandbox": sandbox["place"].as_str().map_or_else(|| sandbox["tier"].clone(), |place| json!(ran_at(place))),
    });
    if let Some(instructions) = instructions {
        facts["instructions"] = instructions;
    }
    notebook.metadata.insert("datarus".into(), facts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_user_enters_the_folder_of_the_sockets() {
        let (folder, _) = private_connection().unwrap();
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
