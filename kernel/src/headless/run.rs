//! `datarus run`: a notebook, cell by cell, as a person would run it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::safe::{Safe, Saved, ends_step};
use super::{
    Ending, HeadlessError, Kernel, Progress, facts, folder_of, instructions, note_facts,
    request_metadata,
};
use crate::cells::reading::told;
use crate::cells::{self, TurnRecord, answer_stands, datarus, has_tag, turn_below};
use crate::client::{ExecuteReply, ExecuteRequest, Outputs, Update};
use crate::config::Config;
use crate::notebook::Notebook;
use crate::prompt::Loader;
use crate::research;
use crate::terminal::terminal_line;

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The notebook to run, in its folder.
    pub notebook: PathBuf,
    /// The notebook to write.
    pub output: PathBuf,
    /// Go on after a cell that failed.
    pub allow_errors: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ran {
    /// The notebook that was written.
    pub notebook: PathBuf,
    /// Why it is not where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<String>,
    /// Python cells that ran.
    pub cells: usize,
    /// Questions that were answered now.
    pub answered: usize,
    /// Questions whose answer still stood.
    pub kept: usize,
    /// Cells that were skipped by their tag.
    pub skipped: usize,
    /// The cells that failed, in order.
    pub failed: Vec<Failed>,
    /// Wall time.
    pub seconds: f64,
    /// How it ended.
    #[serde(skip)]
    pub ending: Ending,
}

/// A cell that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its id.
    pub id: String,
    /// Its `[n]`.
    pub execution_count: Option<u64>,
    /// The exception's class.
    pub ename: String,
    /// The exception's message.
    pub evalue: String,
}

/// Runs all cells in order. A question whose answer stands is kept; a changed one replaces its turn's cells; a new
/// one gets its cells below it; `loader` makes the model. The notebook is written also when a cell fails.
///
/// # Errors
/// When a file cannot be read or written, or the kernel cannot run.
pub async fn run(config: Config, loader: Loader, job: &Job) -> Result<Ran, HeadlessError> {
    let output = std::path::absolute(&job.output)
        .map_err(|source| HeadlessError::Folder { path: job.output.clone(), source })?;
    writable(&output)?;
    let mut progress = Progress::on_stderr();
    // Before the notebook is read, which may be the same file: what changes after this is somebody else's change.
    let safe = Safe::begin(&output, config.state.as_deref(), &mut progress)?;
    let notebook = Notebook::read(&job.notebook)?;
    let folder = folder_of(&job.notebook)?;

    let kernel = Kernel::start(Config { folder: folder.clone(), ..config }, loader).await?;
    let mut runner = Runner::new(kernel, notebook, progress, Some(safe));
    if let Err(error) = runner.run_all(job.allow_errors).await {
        runner.tell_kept();
        return Err(error);
    }
    let Runner { mut kernel, mut notebook, mut progress, safe, mut ran, .. } = runner;

    let files = facts::mentioned_files(&folder, facts::code(&notebook.cells));
    let facts = facts::gather(&mut kernel, &folder, &files).await?;
    let sandbox = kernel.sandbox();
    kernel.stop().await?;
    note_facts(&mut notebook, facts, &sandbox);
    let safe = safe.expect("a run is given one");
    let Saved { path, unsaved } = safe.save(&notebook, &mut progress)?;
    ran.notebook = if unsaved.is_some() { path } else { job.output.clone() };
    ran.unsaved = unsaved;
    ran.seconds = progress.seconds();
    Ok(ran)
}

/// The notebook with as much of the turn of the cell `at` as its outputs tell.
fn with_turn_so_far(notebook: &Notebook, at: usize, outputs: &Outputs) -> Notebook {
    let mut notebook = notebook.clone();
    let below = turn_below(&notebook.cells, at);
    if let (Some(cell), Some(record)) =
        (notebook.cells.get_mut(at), TurnRecord::read(outputs.list()))
    {
        let turn = cells::turn_cells(cell, &record);
        *cell = turn.prompt;
        notebook.cells.splice(below, turn.below);
    }
    notebook
}

fn nothing_yet() -> Ran {
    Ran {
        notebook: PathBuf::new(),
        unsaved: None,
        cells: 0,
        answered: 0,
        kept: 0,
        skipped: 0,
        failed: Vec::new(),
        seconds: 0.0,
        ending: Ending::Done,
    }
}

/// Says before the work what would only be found after it.
fn writable(output: &Path) -> Result<(), HeadlessError> {
    let folder = output.parent().unwrap_or(Path::new("/"));
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => {
            let source = std::io::ErrorKind::NotADirectory.into();
            Err(HeadlessError::Folder { path: folder.to_owned(), source })
        }
        Err(source) => Err(HeadlessError::Folder { path: folder.to_owned(), source }),
    }
}

/// Runs the cells of a notebook.
pub(super) struct Runner {
    pub(super) kernel: Kernel,
    pub(super) notebook: Notebook,
    pub(super) progress: Progress,
    /// Where what is done is safe; none where nothing is to be kept.
    pub(super) safe: Option<Safe>,
    /// Outputs of the cells that ran, by cell id: a later cell may update a display of an earlier one.
    shown: Vec<(String, Outputs)>,
    pub(super) ran: Ran,
    /// How many cells, from the top, are done.
    pub(super) reached: usize,
}

impl Runner {
    pub(super) fn new(
        kernel: Kernel,
        notebook: Notebook,
        progress: Progress,
        safe: Option<Safe>,
    ) -> Self {
        let (shown, ran) = (Vec::new(), nothing_yet());
        Self { kernel, notebook, progress, safe, shown, ran, reached: 0 }
    }

    pub(super) fn tell_kept(&mut self) {
        if let Some(safe) = &self.safe {
            safe.tell_kept(&mut self.progress);
        }
    }

    /// Runs the cells from the one that was reached on.
    pub(super) async fn run_all(&mut self, allow_errors: bool) -> Result<(), HeadlessError> {
        let mut at = self.reached;
        loop {
            self.reached = at;
            let Some(cell) = self.notebook.cells.get(at) else { return Ok(()) };
            if cell["cell_type"] != "code" {
                at += 1;
                continue;
            }
            let cell = cell.clone();
            let reply = self.run_cell(&mut at, &cell).await?;
            if reply.ename.as_deref() == Some("KeyboardInterrupt") {
                self.ran.ending = Ending::Interrupted;
                return Ok(());
            }
            if reply.status == "error" && !has_tag(&cell, "raises-exception") {
                self.note_failure(&cell, &reply);
                if !allow_errors {
                    self.ran.ending = Ending::Failed;
                    return Ok(());
                }
            }
        }
    }

    /// Runs the cell at `at`, if it is to be run, and moves `at` behind it and the cells made of it.
    async fn run_cell(
        &mut self,
        at: &mut usize,
        cell: &Value,
    ) -> Result<ExecuteReply, HeadlessError> {
        let is_prompt = datarus(cell, "role") == Some(&json!("prompt"));
        let source = cell["source"].as_str().unwrap_or_default().to_owned();
        let skip = if is_prompt {
            answer_stands(&self.notebook.cells, *at)
        } else {
            has_tag(cell, "skip-execution") || source.trim().is_empty()
        };
        if skip {
            *at += 1;
            self.ran.kept += usize::from(is_prompt);
            self.ran.skipped += usize::from(!is_prompt && !source.trim().is_empty());
            return Ok(ExecuteReply::default());
        }
        let (reply, outputs) = self.execute(*at, cell, &source).await?;
        // Python that shows what a turn shows has asked nothing.
        let is_python = datarus(cell, "role") == Some(&json!("code"));
        let mut record = TurnRecord::read(outputs.list()).filter(|_| !is_python);
        if let Some(record) = &mut record {
            self.kernel.find_kept(record).await?;
        }
        *at = self.place(*at, &reply, outputs, record);
        if let Some(safe) = &mut self.safe {
            safe.keep(|| self.notebook.clone());
        }
        Ok(reply)
    }

    async fn execute(
        &mut self,
        at: usize,
        cell: &Value,
        source: &str,
    ) -> Result<(ExecuteReply, Outputs), HeadlessError> {
        self.progress.next_turn();
        self.progress.pass(source);
        let mut outputs = Outputs::default();
        let Self { progress, safe, notebook, .. } = self;
        let mut see = |kind: &str, content: &Value, outputs: &Outputs| {
            progress.see(kind, content);
            if let Some(safe) = safe.as_mut().filter(|_| ends_step(kind, content)) {
                safe.keep(|| with_turn_so_far(notebook, at, outputs));
            }
        };
        let request = ExecuteRequest::cell(source);
        let mut metadata = request_metadata(cell, instructions(notebook));
        if let Some(facts) = metadata.get_mut("datarus").filter(|_| research::stage(cell).is_some())
        {
            facts["above"] = json!(told(notebook.cells.get(..at).unwrap_or_default()));
        }
        let reply = self.kernel.execute(&request, &metadata, &mut outputs, &mut see).await?;
        for update in std::mem::take(&mut outputs.elsewhere) {
            self.update_earlier(&update);
        }
        Ok((reply, outputs))
    }

    /// Puts what a cell did into the notebook, and says where the next cell to run stands.
    fn place(
        &mut self,
        at: usize,
        reply: &ExecuteReply,
        outputs: Outputs,
        record: Option<TurnRecord>,
    ) -> usize {
        let below = turn_below(&self.notebook.cells, at);
        let Some(cell) = self.notebook.cells.get_mut(at) else { return at + 1 };
        cell["execution_count"] = json!(reply.execution_count);
        cell["outputs"] = json!(outputs.list());
        let Some(record) = record else {
            self.ran.cells += 1;
            let id = cell["id"].as_str().unwrap_or_default().to_owned();
            self.shown.push((id, outputs));
            return at + 1;
        };
        self.ran.answered += 1;
        let turn = cells::turn_cells(cell, &record);
        *cell = turn.prompt;
        let count = turn.below.len();
        self.notebook.cells.splice(below, turn.below);
        at + 1 + count
    }

    fn update_earlier(&mut self, update: &Update) {
        for (id, outputs) in &mut self.shown {
            if outputs.update(update)
                && let Some(cell) = self.notebook.cells.iter_mut().find(|cell| cell["id"] == **id)
            {
                cell["outputs"] = json!(outputs.list());
            }
        }
    }

    fn note_failure(&mut self, cell: &Value, reply: &ExecuteReply) {
        let failed = Failed {
            id: cell["id"].as_str().unwrap_or_default().to_owned(),
            execution_count: reply.execution_count,
            ename: reply.ename.clone().unwrap_or_default(),
            evalue: reply.evalue.clone().unwrap_or_default(),
        };
        let count = failed.execution_count.map_or(String::new(), |n| format!("[{n}] "));
        let said = format!("{count}{}: {}", failed.ename, failed.evalue);
        self.progress.tell(&terminal_line(&said));
        self.ran.failed.push(failed);
    }
}
