//! `datarus episodes tasks`: tasks about data files, thought up by a model in the loop that users meet.
//!
//! It looks at the files with Python and computes the right answers: a task is taken only if cells have printed what
//! answers it. The questioner of DeepAnalyze's data ([arXiv 2510.16872](https://arxiv.org/abs/2510.16872)) gives a task its
//! constraints, too: here a checklist.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use datarus_agent::llm::Profile;
use datarus_agent::reward::{Checker, Expected};
use datarus_agent::trajectory::{Checklist, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;

use super::lines::{going_on, same};
use super::order::{Content, FileOrder, Order, OrderError, episodes};
use crate::cells::source_sha;
use crate::config::Config;
use crate::headless::ask::relative;
use crate::headless::session::{Asked, Session};
use crate::headless::{HeadlessError, sources};
use crate::model::pool::Pool;

/// Tasks that are asked for at once.
const AT_ONCE: usize = 5;

/// Questions that a model is told to be there already; the newest.
const TOLD: usize = 40;

/// Answers in a row without a task that can be taken, after which it is given up.
const PATIENCE: usize = 3;

/// How a line of tasks begins.
const BEGIN: &str = "{\"task\":";

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
    /// There are no data.
    #[error("expected data files besides tasks and trajectories, found none")]
    NoData,
    /// A file's name is no text.
    #[error("expected a path that is UTF-8, found `{}`", .0.display())]
    NotText(PathBuf),
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
    /// The model cannot be asked.
    #[error("the model gave no answer: {0}")]
    NoAnswer(String),
    /// The kernel cannot run.
    #[error(transparent)]
    Kernel(#[from] HeadlessError),
}

/// A task as the model writes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Draft {
    question: String,
    answer: Right,
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    makes: Vec<String>,
}

/// The right answer; numbers may stand there as such.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Right {
    kind: Expected,
    #[serde(default)]
    values: Vec<Value>,
}

/// Has tasks thought up until there are enough, each time by a kernel of its own with fresh copies of the files. `told`
/// hears after each answer how many there are.
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
    let mut out = Out::open(&job.output)?;
    let files = Files::of(&job.data, &job.output)?;
    let mut made = Made { kept: out.questions.len(), ..Made::default() };
    let (mut in_vain, mut why) = (0, None);
    while out.questions.len() < job.count {
        let left = job.count - out.questions.len();
        let text = prompt(left.min(AT_ONCE), &out.questions, why.as_deref());
        let copies = files.copied()?;
        let (asked, printed) = asked(config, pool, &text, &files, copies.path()).await?;
        let answer = match asked.status.as_str() {
            "interrupted" => {
                made.interrupted = true;
                break;
            }
            "failed" => return Err(QuestionerError::NoAnswer(asked.answer)),
            _ => asked.answer,
        };
        let before = out.questions.len();
        why = match files.changed(copies.path()) {
            Some(name) => Some(format!("a cell changed `{name}`")),
            None => out.take(&answer, left, &files, &printed, &mut made)?,
        };
        told(out.questions.len());
        in_vain = if out.questions.len() == before { in_vain + 1 } else { 0 };
        if in_vain == PATIENCE {
            made.given_up = why;
            break;
        }
    }
    Ok(made)
}

/// Asks in a folder; also gives what cells have printed.
async fn asked(
    config: &Config,
    pool: &Pool,
    text: &str,
    files: &Files,
    folder: &Path,
) -> Result<(Asked, Vec<String>), QuestionerError> {
    let mut config = Config { folder: folder.to_owned(), state: None, ..config.clone() };
    // The folder has no past and no future.
    config.sandbox.history = None;
    let mut session = Session::start(config, pool.loader(0)).await?;
    let names: Vec<String> = files.0.iter().map(|file| file.name.clone()).collect();
    let asked = session.ask(text, &names, None, &mut |_, _| ()).await?;
    let printed = session.printed();
    session.end().await?;
    Ok((asked, printed))
}

/// A data file.
struct DataFile {
    /// In the folder of a task.
    name: String,
    /// Where it lies.
    path: PathBuf,
    /// Its path from the folder of the tasks.
    way: PathBuf,
}

/// The data files.
struct Files(Vec<DataFile>);

impl Files {
    /// The files that are named, but for those of tasks and trajectories.
    fn of(data: &[PathBuf], output: &Path) -> Result<Self, QuestionerError> {
        let beside = match output.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let folder = std::fs::canonicalize(beside).map_err(failed(beside))?;
        let mut files: Vec<DataFile> = Vec::new();
        for path in sources(data)? {
            if same(&path, output) || is_ours(&path).map_err(failed(&path))? {
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str());
            let (Some(name), Some(_)) = (name, path.to_str()) else {
                return Err(QuestionerError::NotText(path));
            };
            match files.iter().find(|known| known.name == name) {
                Some(known) if known.path == path => {}
                Some(_) => return Err(QuestionerError::Twice(name.to_owned())),
                None => {
                    let (name, way) = (name.to_owned(), relative(&folder, &path).into());
                    files.push(DataFile { name, path, way });
                }
            }
        }
        if files.is_empty() { Err(QuestionerError::NoData) } else { Ok(Self(files)) }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|file| file.name == name)
    }

    /// A folder with copies, which is gone afterwards.
    fn copied(&self) -> Result<TempDir, QuestionerError> {
        let folder = tempfile::Builder::new().prefix("datarus-tasks-").tempdir();
        let folder = folder.map_err(failed(&std::env::temp_dir()))?;
        for DataFile { name, path, .. } in &self.0 {
            let copied = std::fs::copy(path, folder.path().join(name)).and_then(|_| {
                let times = std::fs::metadata(path).and_then(|told| told.modified())?;
                File::options().write(true).open(folder.path().join(name))?.set_modified(times)
            });
            copied.map_err(failed(path))?;
        }
        Ok(folder)
    }

    /// A copy that is not as it was.
    fn changed(&self, folder: &Path) -> Option<&str> {
        let facts = |told: Metadata| (told.len(), told.modified().ok());
        let is_as_it_was = |file: &&DataFile| {
            let copy = std::fs::metadata(folder.join(&file.name)).map(facts);
            copy.is_ok_and(|copy| {
                std::fs::metadata(&file.path).is_ok_and(|told| facts(told) == copy)
            })
        };
        self.0.iter().find(|file| !is_as_it_was(file)).map(|file| &*file.name)
    }
}

/// Whether a file has tasks or trajectories, which tell right answers.
fn is_ours(path: &Path) -> io::Result<bool> {
    let mut begin = [0; BEGIN.len()];
    let read = io::Read::read(&mut File::open(path)?, &mut begin)?;
    let begin = begin.get(..read).unwrap_or_default();
    Ok(begin.starts_with(BEGIN.as_bytes()) || begin.starts_with(b"{\"v\":"))
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
        let is_task = |line: &str| serde_json::from_str::<Order>(line).is_ok();
        let (file, text) =
            going_on(path, BEGIN, "lines of tasks", &is_task).map_err(failed(path))?;
        let orders = episodes(&text)
            .map_err(|source| QuestionerError::Order { path: path.to_owned(), source })?;
        let questions = orders.into_iter().flatten().map(|order| order.task.prompt).collect();
        Ok(Self { path: path.to_owned(), file, questions })
    }

    /// Writes the tasks of an answer that can be taken, at most so many; says why the last one of the others cannot.
    fn take(
        &mut self,
        answer: &str,
        most: usize,
        files: &Files,
        printed: &[String],
        made: &mut Made,
    ) -> Result<Option<String>, QuestionerError> {
        let (before, mut why) = (self.questions.len(), None);
        let drafts = drafts(answer);
        if drafts.is_empty() {
            return Ok(Some(String::from("there was no list of JSON with a task in it")));
        }
        for draft in drafts {
            let fault = match &draft {
                Ok(draft) => fault(draft, files, printed, &self.questions),
                Err(fault) => Some(fault.clone()),
            };
            let taken = draft.ok().filter(|_| fault.is_none());
            if fault.is_some() {
                (made.refused, why) = (made.refused + 1, fault);
            }
            if let Some(draft) = taken.filter(|_| self.questions.len() - before < most) {
                self.questions.push(draft.question.clone());
                let order = order(draft, files);
                let line = serde_json::to_string(&order).expect("all paths in it are UTF-8");
                self.file.write_all((line + "\n").as_bytes()).map_err(failed(&self.path))?;
                made.tasks += 1;
            }
        }
        Ok(why)
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> QuestionerError {
    let path = path.to_owned();
    |source| QuestionerError::File { path, source }
}

fn prompt(count: usize, known: &[String], why: Option<&str>) -> String {
    let newest = known.get(known.len().saturating_sub(TOLD)..).unwrap_or_default();
    let list = newest.iter().map(|question| format!("\n  - {question}")).collect::<Vec<_>>();
    let known = if list.is_empty() { String::from("there is none yet") } else { list.concat() };
    let why = why.map(|why| format!("\n\nOf the last list not all could be taken: {why}."));
    let text = include_str!("questioner.md").replace("{count}", &count.to_string());
    text.trim_end().replace("{known}", &known) + &why.unwrap_or_default()
}

/// The tasks in an answer: in its first list of JSON that has any object. What is none says what is wrong with it.
fn drafts(answer: &str) -> Vec<Result<Draft, String>> {
    let list = |(at, _)| {
        let text = answer.get(at..)?;
        let list = serde_json::Deserializer::from_str(text).into_iter::<Vec<Value>>().next()?;
        list.ok().filter(|list| list.iter().any(Value::is_object))
    };
    let list: Vec<Value> = answer.match_indices('[').find_map(list).unwrap_or_default();
    let read = |value| serde_json::from_value(value).map_err(|error| format!("of one {error}"));
    list.into_iter().map(read).collect()
}

/// A value as text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Why a task is not taken, where cells have printed so much.
fn fault(draft: &Draft, files: &Files, printed: &[String], known: &[String]) -> Option<String> {
    let question = draft.question.trim();
    if question.is_empty() {
        return Some(String::from("a question was empty"));
    }
    if known.iter().any(|known| known.trim().eq_ignore_ascii_case(question)) {
        return Some(format!("`{question}` was there already"));
    }
    if let Some(name) = draft.reads.iter().find(|name| !files.has(name)) {
        return Some(format!("`{question}` reads `{name}`, which is no file here"));
    }
    if let Some(name) = draft.makes.iter().find(|name| files.has(name)) {
        return Some(format!("`{question}` writes over `{name}`"));
    }
    let Right { kind, values } = &draft.answer;
    let needs = matches!(kind, Expected::Number | Expected::Text | Expected::Figure);
    if needs == values.is_empty() || *kind == Expected::Unrelated {
        return Some(format!("`{question}` has values that do not fit the kind of its answer"));
    }
    let values = values.iter().map(text);
    let is_number = |value: &str| value.parse::<f64>().is_ok_and(f64::is_finite);
    // Held to what was printed as an answer is to it.
    let is_printed = |value: &str| {
        let value = Checker { kind: Expected::Text, values: vec![value.to_owned()] };
        printed.iter().any(|text| value.right(text, &[]) == Some(true))
    };
    values.into_iter().find_map(|value| match kind {
        Expected::Number if !is_number(&value) => {
            Some(format!("`{question}` is answered by `{value}`, which is no number"))
        }
        Expected::Number | Expected::Text if !is_printed(&value) => {
            Some(format!("`{question}` is answered by `{value}`, which no cell printed"))
        }
        _ => None,
    })
}

/// A task of this name alone: what it asks, and of which files.
fn order(draft: Draft, files: &Files) -> Order {
    let Draft { question, answer: Right { kind, values }, reads, makes } = draft;
    let names = files.0.iter().map(|file| &*file.name).collect::<Vec<_>>().join("\n");
    let hash = source_sha(&format!("{question}\n{names}"));
    let id = format!("asked-{}", hash.get(..12).unwrap_or_default());
    let checker = Some(Checker { kind, values: values.iter().map(text).collect() });
    let checklist = Checklist { reads, changes: makes, ..Checklist::default() };
    let task = Task { id, prompt: question, checker, checklist, ..Task::default() };
    let file = |file: &DataFile| FileOrder {
        name: file.name.clone(),
        content: Content::Path(file.way.clone()),
    };
    Order::of(task, files.0.iter().map(file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(question: &str, kind: &str, values: &str, reads: &str, makes: &str) -> Draft {
        let text = format!(
            r#"As [asked]: [{{"question": "{question}", "answer": {{"kind": "{kind}", "values": {values}}}, "reads": {reads}, "makes": {makes}}}] "#
        );
        drafts(&text).remove(0).unwrap()
    }

    #[test]
    fn a_task_is_taken_if_it_is_new_and_its_answer_was_printed() {
        let check = |draft: Draft, expected: Option<&str>| {
            let known = [String::from("How many rows?")];
            let (name, path) = (String::from("a.csv"), PathBuf::new());
            let files = Files(vec![DataFile { name, way: path.clone(), path }]);
            let printed = [String::from("220.5\n3\nNorth\n")];
            let found = fault(&draft, &files, &printed, &known);
            match (&found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
                _ => panic!("{draft:?}: {found:?}"),
            }
        };
        check(draft("Total?", "number", r#"["220.5"]"#, r#"["a.csv"]"#, "[]"), None);
        check(draft("Total?", "number", "[220.5, 3]", "[]", "[]"), None);
        check(draft("Best?", "text", r#"["north"]"#, "[]", "[]"), None);
        check(draft("Why?", "report", "[]", "[]", r#"["b.csv"]"#), None);
        check(draft(" ", "report", "[]", "[]", "[]"), Some("a question was empty"));
        check(draft("how many rows?", "number", "[3]", "[]", "[]"), Some("there already"));
        check(draft("Total?", "number", "[3]", r#"["b.csv"]"#, "[]"), Some("no file here"));
        check(draft("Total?", "number", "[3]", "[]", r#"["a.csv"]"#), Some("writes over"));
        check(draft("Total?", "number", "[]", "[]", "[]"), Some("do not fit"));
        check(draft("Total?", "refusal", "[3]", "[]", "[]"), Some("do not fit"));
        check(draft("Total?", "number", r#"["3 kg"]"#, "[]", "[]"), Some("is no number"));
        check(draft("Total?", "number", r#"["NaN"]"#, "[]", "[]"), Some("is no number"));
        for value in ["317.25", "2", "2024"] {
            let values = format!("[{value}]");
            check(draft("Total?", "number", &values, "[]", "[]"), Some("no cell printed"));
        }
        check(draft("Best?", "text", r#"[""]"#, "[]", "[]"), Some("no cell printed"));
    }

    #[test]
    fn tasks_are_read_one_by_one() {
        assert!(drafts("I cannot [yet].").is_empty());
        let found = drafts(
            r#"[{"question": "Total?"}, {"question": "Why?", "answer": {"kind": "report"}}]"#,
        );
        assert_eq!(found[0].as_ref().unwrap_err(), "of one missing field `answer`");
        assert_eq!(found[1].as_ref().unwrap().question, "Why?");
    }

    #[test]
    fn a_prompt_says_what_is_there_already_and_what_was_wrong() {
        assert!(prompt(3, &[], None).contains("already: there is none yet"));
        assert!(prompt(3, &[String::from("Total?")], None).contains("already: \n  - Total?"));
        assert!(prompt(3, &[], Some("it was empty")).ends_with("taken: it was empty."));
        assert!(!prompt(3, &[], None).contains("{c"));
    }
}
