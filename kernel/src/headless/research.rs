//! `datarus ask --research`: a plan, its sections one after the other, and a report, as one notebook.
//!
//! The notebook is all the memory there is: it is written after each question and read again before the next, so the plan
//! as it stands then decides what is asked ([`research::next`]), and the same command goes on with what was stopped.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::ask::prompt_cell;
use super::run::Runner;
use super::safe::{Safe, Saved};
use super::{Ending, HeadlessError, Kernel, Progress, facts, folder_of, note_facts, sources};
use crate::cells::{datarus, turn_below};
use crate::config::Config;
use crate::notebook::Notebook;
use crate::prompt::{CANNOT_PLAN, Loader};
use crate::research::{self, Next, Stage};
use crate::route::{Role, Route, route};

mod desk;
mod merged;

pub use desk::Desk;
use merged::merged;

/// What is to be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Study {
    /// In the analyst's words.
    pub question: String,
    /// Files that it is about, and folders with files.
    pub data: Vec<PathBuf>,
    /// The notebook to write, or to go on with.
    pub output: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Studied {
    /// The notebook.
    pub notebook: PathBuf,
    /// Why it is not where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<String>,
    /// `done`, `failed`, `interrupted`; `waiting` where the user left the plan for later.
    pub status: &'static str,
    /// The report, without the sections; before there is one, what comes next.
    pub answer: String,
    /// The sections that were worked on.
    pub sections: Vec<Worked>,
    /// Tokens read and written, all runs of this notebook together.
    pub tokens: [u64; 2],
    /// Wall time of this run.
    pub seconds: f64,
    /// How it ended.
    #[serde(skip)]
    pub ending: Ending,
}

/// What became of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worked {
    /// Its heading.
    pub title: String,
    /// `done`, `gave_up`, `interrupted`, `failed`.
    pub status: String,
    /// Steps of code, failed ones too.
    pub steps: usize,
    /// Numbers of its text that nothing printed, as written.
    pub numbers_not_found: Vec<String>,
}

/// Works on a study in the folder of its notebook, or goes on with it. `loader` makes the model; `desk` is asked once the
/// plan stands.
///
/// # Errors
/// When a file or the folder is not there, the notebook is of something else, the model cannot plan, or the kernel cannot
/// run. A question without an answer is no error.
pub async fn research(
    config: Config,
    loader: Loader,
    study: &Study,
    desk: Desk,
) -> Result<Studied, HeadlessError> {
    let mut progress = Progress::on_stderr();
    let data = sources(&study.data)?;
    let folder = folder_of(&study.output)?;
    let output = folder.join(study.output.file_name().unwrap_or_default());
    let safe = Safe::begin(&output, config.state.as_deref(), &mut progress)?;
    let files: Vec<String> = data.iter().map(|path| super::ask::relative(&folder, path)).collect();
    let notebook = begun(&output, &study.question, &files)?;

    progress.pass("starting the kernel");
    let mut config = Config { folder: folder.clone(), ..config };
    config.sandbox.readable.extend(data);
    let max_sections = config.limits.max_sections;
    let kernel = Kernel::start(config, loader).await?;
    let runner = Runner::new(kernel, notebook, progress, Some(safe));
    let (synced, unsaved) = (Vec::new(), None);
    let mut run = Run { runner, synced, files, max_sections, desk, unsaved };
    let next = run.go_on().await;
    match &next {
        Err(HeadlessError::CannotPlan) => run.runner.safe.iter().for_each(Safe::discard),
        Err(_) => run.runner.tell_kept(),
        Ok(_) => {}
    }
    let next = next?;
    run.finish(&folder, study, next).await
}

/// The notebook that stands there, if it is of this study, or a new one.
fn begun(output: &Path, question: &str, files: &[String]) -> Result<Notebook, HeadlessError> {
    let source = format!("%%ask --research\n{}", question.trim());
    if !output.exists() {
        let mut notebook = Notebook::default();
        notebook.cells.push(ask_cell(&source, files));
        return Ok(notebook);
    }
    let notebook = Notebook::read(output)?;
    let asked = |source: &str| route(source, Some(Role::Prompt));
    let is_it = |cell: &Value| {
        research::stage(cell) == Some(Stage::Plan)
            && asked(cell["source"].as_str().unwrap_or_default()) == asked(&source)
    };
    if notebook.cells.iter().any(is_it) {
        return Ok(notebook);
    }
    Err(HeadlessError::OtherStudy { path: output.to_owned() })
}

/// A cell that asks.
fn ask_cell(source: &str, files: &[String]) -> Value {
    let mut cell = prompt_cell("", None, false, Some(files));
    cell["source"] = json!(source);
    cell
}

struct Run {
    runner: Runner,
    /// The ids of the cells that the file had when it was read or written last.
    synced: Vec<String>,
    /// The files that it is about, as paths from its folder.
    files: Vec<String>,
    max_sections: usize,
    desk: Desk,
    unsaved: Option<Saved>,
}

impl Run {
    /// Asks one question after the other until nothing comes next, the user stops it, or one cannot be asked.
    async fn go_on(&mut self) -> Result<Next, HeadlessError> {
        self.note_synced();
        loop {
            self.runner.run_all(false).await?;
            self.refuse_small_model()?;
            self.sync()?;
            let next = research::next(&self.runner.notebook.cells, self.max_sections);
            if self.runner.ran.ending != Ending::Done {
                return Ok(next);
            }
            let Some(source) = next.source() else { return Ok(next) };
            if self.is_fresh_plan() && !self.look_at_plan().await? {
                return Ok(next);
            }
            // The plan may have changed while it was looked at.
            let next = research::next(&self.runner.notebook.cells, self.max_sections);
            let source = next.source().unwrap_or(source);
            self.tell(&next);
            self.runner.notebook.cells.push(ask_cell(&source, &self.files));
        }
    }

    /// # Errors
    /// When the model was asked for research and is too small for it: nothing has been done then.
    fn refuse_small_model(&self) -> Result<(), HeadlessError> {
        if self.runner.ran.failed.iter().any(|failed| failed.ename == CANNOT_PLAN) {
            return Err(HeadlessError::CannotPlan);
        }
        Ok(())
    }

    fn tell(&mut self, next: &Next) {
        let line = match next {
            Next::Section { title, number, of, .. } => format!("section {number} of {of}: {title}"),
            Next::Report => String::from("the report"),
            Next::Plan | Next::NoPlan | Next::Nothing => return,
        };
        self.runner.progress.tell(&crate::terminal::terminal_line(&line));
    }

    /// Whether there is a plan of which nothing has been worked on.
    fn is_fresh_plan(&self) -> bool {
        let stages = self.runner.notebook.cells.iter().filter_map(research::stage);
        stages.count() == 1
    }

    /// Shows the plan to a user who can be asked, and puts what becomes of it into the notebook; false where they leave.
    async fn look_at_plan(&mut self) -> Result<bool, HeadlessError> {
        let Some(at) = self.plan_at() else { return Ok(true) };
        let plan = self.runner.notebook.cells.get(at).and_then(|cell| cell["source"].as_str());
        let (desk, plan) = (self.desk, plan.unwrap_or_default().to_owned());
        if desk == Desk::Terminal {
            // In place of what was going on last.
            self.runner.progress.tell("the plan");
        }
        // A thread of its own: the kernel lives on this one.
        let looked = tokio::task::spawn_blocking(move || desk.look_at(&plan));
        let Ok(looked) = looked.await else { return Ok(true) };
        // Somebody may have edited it in the notebook meanwhile.
        self.sync()?;
        if let (Some(plan), Some(at)) = (looked.edited, self.plan_at()) {
            if let Some(cell) = self.runner.notebook.cells.get_mut(at) {
                cell["source"] = json!(plan);
            }
            self.save()?;
        }
        Ok(looked.goes_on)
    }

    /// The cell with the plan.
    fn plan_at(&self) -> Option<usize> {
        let cells = &self.runner.notebook.cells;
        let at = cells.iter().position(|cell| research::stage(cell).is_some())?;
        let below = turn_below(cells, at);
        let is_answer = |at: &usize| {
            cells
                .get(*at)
                .and_then(|cell| datarus(cell, "role"))
                .is_some_and(|role| role == "answer")
        };
        below.into_iter().find(is_answer)
    }

    /// Takes over what somebody has done to the file meanwhile, and writes what was made.
    fn sync(&mut self) -> Result<(), HeadlessError> {
        if let Some(mut theirs) = self.runner.safe.as_mut().and_then(Safe::edited) {
            let ours = std::mem::take(&mut self.runner.notebook.cells);
            let last = ours.last().map(|cell| cell["id"].clone());
            let cells = merged(std::mem::take(&mut theirs.cells), ours, &self.synced);
            let reached = cells.iter().position(|cell| Some(&cell["id"]) == last.as_ref());
            self.runner.reached = reached.map_or(cells.len(), |at| at + 1);
            self.runner.notebook = theirs;
            self.runner.notebook.cells = cells;
        }
        self.save()
    }

    fn save(&mut self) -> Result<(), HeadlessError> {
        let Runner { safe, notebook, progress, .. } = &mut self.runner;
        let safe = safe.as_mut().expect("a run is given one");
        let saved = safe.save_so_far(notebook, progress)?;
        self.unsaved = saved.unsaved.is_some().then_some(saved);
        self.note_synced();
        Ok(())
    }

    fn note_synced(&mut self) {
        let ids = self.runner.notebook.cells.iter().filter_map(|cell| cell["id"].as_str());
        self.synced = ids.map(str::to_owned).collect();
    }

    /// Notes what the notebook was made from, ends the kernel, and says what came of it all.
    async fn finish(
        mut self,
        folder: &Path,
        study: &Study,
        next: Next,
    ) -> Result<Studied, HeadlessError> {
        let facts = facts::gather(&mut self.runner.kernel, folder, &self.files).await?;
        let sandbox = self.runner.kernel.sandbox();
        note_facts(&mut self.runner.notebook, facts, &sandbox);
        self.sync()?;
        let Self { runner: Runner { kernel, notebook, mut progress, ran, .. }, unsaved, .. } = self;
        kernel.stop().await?;
        progress.tell(&format!("wrote {}", study.output.display()));
        let (status, ending, answer) = ended(&notebook.cells, ran.ending, next);
        let (path, why) = match unsaved {
            Some(Saved { path, unsaved }) => (path, unsaved),
            None => (study.output.clone(), None),
        };
        Ok(Studied {
            notebook: path,
            unsaved: why,
            status,
            answer,
            sections: worked(&notebook.cells),
            tokens: tokens(&notebook.cells),
            seconds: progress.seconds(),
            ending,
        })
    }
}

/// How a run ended, and what there is to say about it.
fn ended(cells: &[Value], ending: Ending, next: Next) -> (&'static str, Ending, String) {
    let goes_on = "the same command goes on from here";
    match (ending, next) {
        (Ending::Interrupted, _) => ("interrupted", ending, format!("stopped: {goes_on}")),
        (Ending::Done, Next::Nothing) => ("done", ending, report(cells)),
        (Ending::Done, Next::Section { .. } | Next::Report) => {
            ("waiting", ending, format!("the plan stands: {goes_on}"))
        }
        (_, Next::NoPlan) => {
            let reason = "the cell with the plan has no section: each begins with a heading such as `## 1. Delays`";
            ("failed", Ending::Failed, format!("{reason}; {goes_on}"))
        }
        (_, Next::Plan) => ("failed", Ending::Failed, no_plan(cells)),
        (Ending::Failed, _) => {
            ("failed", ending, format!("a cell failed: when that is mended, {goes_on}"))
        }
    }
}

/// The text of the last report.
fn report(cells: &[Value]) -> String {
    answers(cells)
        .filter(|(cell, _)| stage(cell) == "report")
        .last()
        .map_or_else(String::new, |(_, text)| text)
}

/// Why there is no plan.
fn no_plan(cells: &[Value]) -> String {
    let why = answers(cells).filter(|(cell, _)| stage(cell) == "plan").last();
    why.map_or_else(|| String::from("the plan could not be made"), |(_, text)| text)
}

fn worked(cells: &[Value]) -> Vec<Worked> {
    let section = |(at, cell): (usize, &Value)| {
        let Route::Prompt(prompt) = route(cell["source"].as_str()?, Some(Role::Prompt)) else {
            return None;
        };
        let below = cells.get(turn_below(cells, at)).unwrap_or_default();
        let has_role =
            |cell: &&Value, role: &str| datarus(cell, "role").is_some_and(|is| is == role);
        let not_found =
            below.iter().find_map(|cell| datarus(cell, "numbers_not_found")?.as_array());
        let not_found = not_found.into_iter().flatten().filter_map(Value::as_str);
        Some(Worked {
            title: research::title(&prompt.text),
            status: datarus(cell, "status")?.as_str()?.to_owned(),
            steps: below.iter().filter(|cell| has_role(cell, "code")).count(),
            numbers_not_found: not_found.map(str::to_owned).collect(),
        })
    };
    let cells = cells.iter().enumerate();
    cells.filter(|(_, cell)| stage(cell) == "section").filter_map(section).collect()
}

fn tokens(cells: &[Value]) -> [u64; 2] {
    let tokens = cells.iter().filter_map(|cell| datarus(cell, "tokens"));
    tokens.fold([0, 0], |[read, written], tokens| {
        let count = |at: usize| tokens[at].as_u64().unwrap_or_default();
        [read + count(0), written + count(1)]
    })
}

/// The stage of a prompt that was asked, as its metadata has it.
fn stage(cell: &Value) -> &str {
    datarus(cell, "stage").and_then(Value::as_str).unwrap_or_default()
}

/// The prompts with the text of what stands in the place of their answers.
fn answers(cells: &[Value]) -> impl Iterator<Item = (&Value, String)> {
    cells.iter().enumerate().filter_map(move |(at, cell)| {
        let mut below = cells.get(turn_below(cells, at))?.iter();
        let answer =
            below.find(|cell| datarus(cell, "role").is_some_and(|role| role == "answer"))?;
        Some((cell, crate::cells::link::unlinked(answer["source"].as_str()?)))
    })
}
