//! `datarus verify`: runs the code of a notebook again, and says what of it still holds.
//!
//! Data files come first, by their hashes: what changed there explains the rest. Then every code cell runs in a fresh
//! Python, in the sandbox, and what it puts out is compared with what stands in the notebook. Last, the numbers of each
//! answer are looked up in the new outputs as they were in the old ones. No model is asked, nothing is written.

use std::collections::HashSet;
use std::path::Path;

use datarus_agent::llm::ModelError;
use serde::Serialize;
use serde_json::{Value, json};

use super::run::{Failed, Runner};
use super::{Ending, HeadlessError, Kernel, Progress, facts, folder_of};
use crate::cells::same::{Difference, difference};
use crate::cells::{asks, datarus, has_tag, link, turn_below};
use crate::config::Config;
use crate::disk::sha256;
use crate::notebook::Notebook;
use crate::prompt::Loader;
use parts::{not_run, only_code, part_of};

mod parts;
mod text;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// Whether everything holds.
    pub holds: bool,
    /// The data files that the notebook was made from.
    pub data: Vec<DataFile>,
    /// Python and packages of which another version is here.
    pub versions: Vec<Changed>,
    /// Code cells that ran again to their end.
    pub cells: usize,
    /// Code cells that did not, since the check was interrupted: nothing is said of what they show.
    pub unreached: usize,
    /// Cells whose outputs differ.
    pub outputs: Vec<Output>,
    /// Cells that show outputs of code and were not run: what they show is not checked.
    pub not_run: Vec<NotRun>,
    /// Cells that failed now, and did not before.
    pub failed: Vec<Failed>,
    /// Numbers of answers that the new outputs support.
    pub numbers_held: usize,
    /// Those that they do not support, though the old ones did.
    pub numbers_lost: Vec<LostNumber>,
    /// Those that the old ones did not support either.
    pub numbers_never_found: usize,
    /// Wall time.
    pub seconds: f64,
    /// How it ended.
    #[serde(skip)]
    pub ending: Ending,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataFile {
    /// Its path from the notebook.
    pub path: String,
    /// Whether it is what it was.
    pub state: DataState,
}

/// Whether a data file is what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DataState {
    /// Byte for byte.
    Same,
    /// It has other bytes.
    Changed,
    /// It is not there.
    Missing,
}

/// Something of which another version is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// `python`, or a package.
    pub name: String,
    /// When the notebook was made.
    pub was: String,
    /// Now; empty where it is not used.
    pub is: String,
}

/// A cell whose outputs differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Its id.
    pub id: String,
    /// Its `[n]` in the notebook.
    pub execution_count: Option<u64>,
    /// Where.
    #[serde(flatten)]
    pub difference: Difference,
}

/// A cell that shows outputs of code and was not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRun {
    /// Its id.
    pub id: String,
    /// Its `[n]` in the notebook.
    pub execution_count: Option<u64>,
    /// Why, as said of it.
    pub why: &'static str,
}

/// A number of an answer that nothing supports any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostNumber {
    /// From 1.
    pub question: usize,
    /// As the answer has it.
    pub number: String,
}

/// Checks a notebook.
///
/// # Errors
/// When it cannot be read, or the kernel cannot run.
pub async fn verify(config: Config, path: &Path) -> Result<Verified, HeadlessError> {
    let progress = Progress::on_stderr();
    let notebook = Notebook::read(path)?;
    let folder = folder_of(path)?;
    let data = data_files(&notebook, &folder);
    let kernel = Kernel::start(Config { folder: folder.clone(), ..config }, no_model()).await?;
    let parts: Vec<_> = notebook.cells.iter().map(part_of).collect();
    let mut runner = Runner::new(kernel, only_code(&notebook, &parts), progress, None);
    runner.run_all(true).await?;
    let Runner { mut kernel, notebook: again, progress, ran, reached, .. } = runner;
    let facts = facts::gather(&mut kernel, &folder, &[]).await?;
    kernel.stop().await?;

    // Further down stand the old outputs still.
    let (was, _) = notebook.cells.split_at(reached);
    let (is, unreached) = again.cells.split_at(reached);
    let n_code = |cells: &[Value]| cells.iter().filter(|cell| runs(cell)).count();
    let outputs = outputs(was, is);
    let not_run = not_run(&notebook.cells, &parts);
    let numbers = numbers(was, is);
    let failed: Vec<_> =
        ran.failed.into_iter().filter(|failed| !failed_before(&notebook, failed)).collect();
    let is_same = data.iter().all(|file| file.state == DataState::Same);
    let is_whole = ran.ending == Ending::Done && not_run.is_empty();
    let is_equal = outputs.is_empty() && failed.is_empty() && numbers.lost.is_empty();
    Ok(Verified {
        holds: is_same && is_whole && is_equal,
        versions: versions(&notebook, &facts),
        cells: n_code(is),
        unreached: n_code(unreached),
        numbers_held: numbers.held,
        numbers_lost: numbers.lost,
        numbers_never_found: numbers.never_found,
        seconds: progress.seconds(),
        ending: ran.ending,
        data,
        outputs,
        not_run,
        failed,
    })
}

/// Nothing is asked: questions do not run.
fn no_model() -> Loader {
    Box::new(|_| Err(ModelError::Compute("no question is asked of a notebook under check".into())))
}

fn data_files(notebook: &Notebook, folder: &Path) -> Vec<DataFile> {
    let facts = notebook.metadata.get("datarus");
    let files = facts.and_then(|facts| facts["datasets"].as_array()).into_iter().flatten();
    let file = |file: &Value| {
        let path = file["path"].as_str()?.to_owned();
        let there = folder.join(&path);
        let state = if !there.is_file() {
            DataState::Missing
        } else if sha256(&there).is_ok_and(|sha| file["sha256"] == sha) {
            DataState::Same
        } else {
            DataState::Changed
        };
        Some(DataFile { path, state })
    };
    files.filter_map(file).collect()
}

fn versions(notebook: &Notebook, facts: &facts::Facts) -> Vec<Changed> {
    let Some(was) = notebook.metadata.get("datarus").map(|known| &known["env"]) else {
        return Vec::new();
    };
    let packages = was["packages"].as_object().into_iter().flatten();
    let pairs = packages.map(|(name, version)| (name.as_str(), version, &facts.packages[name]));
    let all = std::iter::once(("python", &was["python"], &facts.python)).chain(pairs);
    let text = |version: &Value| version.as_str().unwrap_or_default().to_owned();
    all.filter(|(_, was, is)| was.is_string() && was != is)
        .map(|(name, was, is)| Changed { name: name.to_owned(), was: text(was), is: text(is) })
        .collect()
}

/// Whether a cell runs: as `run` has it.
fn runs(cell: &Value) -> bool {
    cell["cell_type"] == "code" && !has_tag(cell, "skip-execution")
}

/// The cells as they were and as they are, side by side: no cell has come or gone.
fn outputs(was: &[Value], is: &[Value]) -> Vec<Output> {
    let pairs = was.iter().zip(is).filter(|(_, is)| runs(is));
    pairs
        .filter_map(|(was, is)| {
            let difference = difference(&was["outputs"], &is["outputs"])?;
            let id = was["id"].as_str().unwrap_or_default().to_owned();
            Some(Output { id, execution_count: was["execution_count"].as_u64(), difference })
        })
        .collect()
}

fn failed_before(notebook: &Notebook, failed: &Failed) -> bool {
    let cell = notebook.cells.iter().find(|cell| cell["id"] == failed.id);
    let mut outputs = cell.and_then(|cell| cell["outputs"].as_array()).into_iter().flatten();
    outputs.any(|output| output["output_type"] == "error" && output["ename"] == failed.ename)
}

#[derive(Default)]
struct Numbers {
    held: usize,
    lost: Vec<LostNumber>,
    never_found: usize,
}

/// Looks up the numbers of all answers in what their steps put out now.
fn numbers(was: &[Value], is: &[Value]) -> Numbers {
    let mut numbers = Numbers::default();
    // What a plan says is yet to be found out.
    let plans = |cell: &Value| datarus(cell, "stage") == Some(&json!("plan"));
    let prompts = was.iter().enumerate().filter(|(_, cell)| asks(cell)).enumerate();
    for (question, (at, _)) in prompts.filter(|(_, (_, cell))| !plans(cell)) {
        let below = turn_below(was, at);
        let (Some(old), Some(new)) = (was.get(below.clone()), is.get(below)) else { continue };
        let answer = old.iter().find(|cell| datarus(cell, "role") == Some(&json!("answer")));
        let Some(source) = answer.and_then(|cell| cell["source"].as_str()) else { continue };
        let given = given(was.get(at), old);
        let printed = |all: &[Value], own: &[Value]| {
            let above = all.get(..at).unwrap_or_default();
            [printed(own), printed_above(source, above)].concat()
        };
        let before = link::in_outputs(source, &printed(was, old), &given);
        let now = link::in_outputs(source, &printed(is, new), &given);
        for (before, now) in before.into_iter().zip(now) {
            match (before.is_found, now.is_found) {
                (_, Some(true)) => numbers.held += 1,
                (Some(true), _) => {
                    numbers.lost.push(LostNumber { question: question + 1, number: now.text });
                }
                (_, Some(false)) => numbers.never_found += 1,
                (_, None) => {}
            }
        }
    }
    numbers
}

/// What the steps of a turn printed, newest first, as when its numbers were linked.
fn printed(cells: &[Value]) -> Vec<String> {
    let steps = cells.iter().rev().filter(|cell| runs(cell));
    steps
        .map(|cell| crate::cells::record::printed(cell["outputs"].as_array().into_iter().flatten()))
        .collect()
}

/// What the cells above put out that an answer links to.
fn printed_above(answer: &str, cells: &[Value]) -> Vec<String> {
    let linked: HashSet<_> = link::linked_cells(answer).collect();
    let is_linked = |cell: &&Value| cell["id"].as_str().is_some_and(|id| linked.contains(id));
    printed(&cells.iter().filter(is_linked).cloned().collect::<Vec<_>>())
}

/// The question, and the code of the steps.
fn given(prompt: Option<&Value>, cells: &[Value]) -> Vec<String> {
    let code = cells.iter().filter(|cell| runs(cell));
    let texts = prompt.into_iter().chain(code).filter_map(|cell| cell["source"].as_str());
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
