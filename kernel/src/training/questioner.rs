//! `datarus episodes tasks`: tasks about data files, thought up by a model in the loop that users meet.
//!
//! It looks at the files with Python and computes the right answers: a task is not taken if a number of its answer was
//! printed by no cell. The questioner of DeepAnalyze's data
//! ([arXiv 2510.16872](https://arxiv.org/abs/2510.16872)) gives a task its constraints, too: here a checklist.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use datarus_agent::grounding::missing;
use datarus_agent::llm::Profile;
use datarus_agent::reward::{Checker, Expected};
use datarus_agent::trajectory::{Checklist, Task};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::order::{Content, FileOrder, Order, OrderError, episodes};
use crate::config::Config;
use crate::headless::session::{Asked, Session};
use crate::headless::{HeadlessError, sources};
use crate::model::pool::Pool;

/// Tasks that are asked for at once.
const AT_ONCE: usize = 5;

/// Answers in a row without a task that can be taken, after which it is given up.
const PATIENCE: usize = 3;

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// Files, and folders with files.
    pub data: Vec<PathBuf>,
    /// Where tasks go; those that are there count.
    pub output: PathBuf,
    /// How many there are to be.
    pub count: usize,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Tasks that were written.
    pub tasks: usize,
    /// Tasks that were there already.
    pub kept: usize,
    /// Tasks that were not taken.
    pub refused: usize,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Why the last answer had none, where it was given up for that.
    pub given_up: Option<String>,
}

/// Why there are no tasks.
#[derive(Debug, thiserror::Error)]
pub enum QuestionerError {
    /// A file cannot be read or written.
    #[error("cannot use `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two files bear one name.
    #[error(
        "two files are named `{0}`: a task finds its files in one folder, so give one of them another name"
    )]
    Twice(String),
    /// The file for the tasks holds anything else.
    #[error("`{}`, {source}", path.display())]
    Order {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OrderError,
    },
    /// The model is too small.
    #[error(
        "the embedded model cannot think up tasks: name a larger one with `--model MODEL` or `DATARUS_MODEL` (docs/models.md lists some)"
    )]
    TooSmall,
    /// The kernel cannot run.
    #[error(transparent)]
    Kernel(#[from] HeadlessError),
}

/// A task as the model writes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Draft {
    question: String,
    answer: Checker,
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    makes: Vec<String>,
}

/// Has tasks thought up until there are enough. `told` hears after each answer how many there are.
///
/// # Errors
/// When a file, the kernel or the model cannot be used. What was written stays, and the same call goes on.
pub async fn question(
    config: &Config,
    pool: &Pool,
    job: &Job,
    told: &mut dyn FnMut(usize),
) -> Result<Made, QuestionerError> {
    if pool.info().profile == Profile::Compact {
        return Err(QuestionerError::TooSmall);
    }
    let files = named(&sources(&job.data)?)?;
    let mut out = Out::open(&job.output)?;
    let mut made = Made { kept: out.questions.len(), ..Made::default() };
    let folder = copied(&files)?;
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let config = Config { folder: folder.path().to_owned(), state: None, ..config.clone() };
    let mut session = Session::start(config, pool.loader(0)).await?;
    let mut in_vain = 0;
    while out.questions.len() < job.count {
        let left = job.count - out.questions.len();
        let text = prompt(left.min(AT_ONCE), &out.questions);
        let asked = session.ask(&text, &names, None, &mut |_, _| ()).await?;
        if asked.status == "interrupted" {
            made.interrupted = true;
            break;
        }
        let (taken, why) = out.take(&asked, left, &files, &session.printed(), &mut made)?;
        told(out.questions.len());
        in_vain = if taken { 0 } else { in_vain + 1 };
        if in_vain == PATIENCE {
            made.given_up = Some(why);
            break;
        }
    }
    session.end().await?;
    Ok(made)
}

/// The file of tasks, and what they ask.
struct Out {
    path: PathBuf,
    file: File,
    questions: Vec<String>,
}

impl Out {
    /// Opens it to go on at its end.
    fn open(path: &Path) -> Result<Self, QuestionerError> {
        let questions = questions_in(path)?;
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed(path))?;
        Ok(Self { path: path.to_owned(), file, questions })
    }

    /// Writes the tasks of an answer that can be taken, at most so many; says whether there were any, and why not.
    fn take(
        &mut self,
        asked: &Asked,
        most: usize,
        files: &[(String, PathBuf)],
        printed: &[String],
        made: &mut Made,
    ) -> Result<(bool, String), QuestionerError> {
        let drafts = match asked.status.as_str() {
            "done" => drafts(&asked.answer),
            _ => Err(format!("there was no answer: {}", asked.answer)),
        };
        let drafts = match drafts {
            Ok(drafts) => drafts,
            Err(why) => return Ok((false, why)),
        };
        let (before, mut why) = (self.questions.len(), String::from("its list was empty"));
        for draft in drafts {
            if let Some(fault) = fault(&draft, files, printed, &self.questions) {
                tracing::info!("a task is not taken");
                (made.refused, why) = (made.refused + 1, fault);
            } else if self.questions.len() - before < most {
                self.questions.push(draft.question.clone());
                let order = order(draft, self.questions.len(), files);
                let line = serde_json::to_string(&order).expect("an order is written to memory");
                writeln!(self.file, "{line}").map_err(failed(&self.path))?;
                made.tasks += 1;
            }
        }
        Ok((self.questions.len() > before, why))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> QuestionerError {
    let path = path.to_owned();
    |source| QuestionerError::File { path, source }
}

/// A folder with copies of the files, which is gone afterwards.
fn copied(files: &[(String, PathBuf)]) -> Result<TempDir, QuestionerError> {
    let folder = tempfile::Builder::new().prefix("datarus-tasks-").tempdir();
    let folder = folder.map_err(failed(&std::env::temp_dir()))?;
    for (name, path) in files {
        std::fs::copy(path, folder.path().join(name)).map_err(failed(path))?;
    }
    Ok(folder)
}

/// Files by the names that they have in the folder of a task.
fn named(paths: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, QuestionerError> {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match files.iter().find(|(known, _)| *known == name) {
            Some((_, other)) if other == path => {}
            Some(_) => return Err(QuestionerError::Twice(name)),
            None => files.push((name, path.clone())),
        }
    }
    Ok(files)
}

/// The questions of the tasks that are there.
fn questions_in(path: &Path) -> Result<Vec<String>, QuestionerError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(failed(path))?,
    };
    let orders = episodes(&text)
        .map_err(|source| QuestionerError::Order { path: path.to_owned(), source })?;
    Ok(orders.into_iter().flatten().map(|order| order.task.prompt).collect())
}

fn prompt(count: usize, known: &[String]) -> String {
    let list =
        known.iter().map(|question| format!("- {question}")).collect::<Vec<_>>().join("\n  ");
    let known =
        if known.is_empty() { String::from("there is none yet") } else { format!("\n  {list}") };
    include_str!("questioner.md").replace("{count}", &count.to_string()).replace("{known}", &known)
}

/// The tasks in an answer, or what is wrong with it.
fn drafts(answer: &str) -> Result<Vec<Draft>, String> {
    let list = answer.find('[').zip(answer.rfind(']')).and_then(|(from, to)| answer.get(from..=to));
    let list = list.ok_or("it had no list of JSON")?;
    serde_json::from_str(list).map_err(|error| format!("its list could not be read: {error}"))
}

/// Why a task is not taken, where cells have printed so much.
fn fault(
    draft: &Draft,
    files: &[(String, PathBuf)],
    printed: &[String],
    known: &[String],
) -> Option<String> {
    let is_there = |name: &String| files.iter().any(|(known, _)| known == name);
    let question = draft.question.trim();
    if question.is_empty() {
        return Some(String::from("a question was empty"));
    }
    if known.iter().any(|known| known.trim().eq_ignore_ascii_case(question)) {
        return Some(format!("`{question}` was there already"));
    }
    if let Some(name) = draft.reads.iter().find(|name| !is_there(name)) {
        return Some(format!("`{question}` reads `{name}`, which is no file here"));
    }
    if let Some(name) = draft.makes.iter().find(|name| is_there(name)) {
        return Some(format!("`{question}` writes over `{name}`"));
    }
    let Checker { kind, values } = &draft.answer;
    let needs = matches!(kind, Expected::Number | Expected::Text | Expected::Figure);
    if needs == values.is_empty() || *kind == Expected::Unrelated {
        return Some(format!("`{question}` has values that do not fit the kind of its answer"));
    }
    if *kind == Expected::Number
        && let Some(value) = values.iter().find(|value| value.parse::<f64>().is_err())
    {
        return Some(format!("`{question}` is answered by `{value}`, which is no number"));
    }
    let printed: Vec<&str> = printed.iter().map(String::as_str).collect();
    let invented = values.iter().find(|value| !missing(value, &printed, &[]).is_empty());
    invented.map(|value| format!("`{question}` is answered by {value}, which no cell printed"))
}

fn order(draft: Draft, number: usize, files: &[(String, PathBuf)]) -> Order {
    let Draft { question, answer, reads, makes } = draft;
    let id = format!("asked-{number:04}");
    let file = |(name, path): &(String, PathBuf)| FileOrder {
        name: name.clone(),
        content: Content::Path(path.clone()),
    };
    let checklist = Checklist { reads, changes: makes, ..Checklist::default() };
    let task = Task { id, prompt: question, checker: Some(answer), checklist, ..Task::default() };
    Order::of(task, files.iter().map(file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(question: &str, kind: &str, values: &str, reads: &str, makes: &str) -> Draft {
        let text = format!(
            r#"Here: [{{"question": "{question}", "answer": {{"kind": "{kind}", "values": {values}}}, "reads": {reads}, "makes": {makes}}}] "#
        );
        drafts(&text).unwrap().remove(0)
    }

    #[test]
    fn a_task_is_taken_if_it_is_new_and_its_answer_was_computed() {
        let check = |draft: Draft, expected: Option<&str>| {
            let known = [String::from("How many rows?")];
            let printed = [String::from("220.5\n3\n")];
            let files = [(String::from("a.csv"), PathBuf::new())];
            let found = fault(&draft, &files, &printed, &known);
            match (&found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
                _ => panic!("{draft:?}: {found:?}"),
            }
        };
        check(draft("Total?", "number", r#"["220.5"]"#, r#"["a.csv"]"#, "[]"), None);
        check(draft("Why?", "report", "[]", "[]", r#"["b.csv"]"#), None);
        check(draft(" ", "report", "[]", "[]", "[]"), Some("a question was empty"));
        check(draft("how many rows?", "number", r#"["3"]"#, "[]", "[]"), Some("there already"));
        check(draft("Total?", "number", r#"["3"]"#, r#"["b.csv"]"#, "[]"), Some("no file here"));
        check(draft("Total?", "number", r#"["3"]"#, "[]", r#"["a.csv"]"#), Some("writes over"));
        check(draft("Total?", "number", "[]", "[]", "[]"), Some("do not fit"));
        check(draft("Total?", "refusal", r#"["3"]"#, "[]", "[]"), Some("do not fit"));
        check(draft("Total?", "number", r#"["3 kg"]"#, "[]", "[]"), Some("is no number"));
        check(draft("Total?", "number", r#"["317.25"]"#, "[]", "[]"), Some("no cell printed"));
    }

    #[test]
    fn an_answer_without_a_list_of_tasks_says_what_is_wrong_with_it() {
        assert_eq!(drafts("I cannot.").unwrap_err(), "it had no list of JSON");
        let said = drafts(r#"[{"question": "Total?"}]"#).unwrap_err();
        assert!(said.starts_with("its list could not be read: missing field `answer`"), "{said}");
    }

    #[test]
    fn a_prompt_says_what_is_there_already() {
        assert!(prompt(3, &[]).contains("already: there is none yet"));
        assert!(prompt(3, &[String::from("Total?")]).contains("already: \n  - Total?"));
        assert!(!prompt(3, &[]).contains("{c"));
    }
}
