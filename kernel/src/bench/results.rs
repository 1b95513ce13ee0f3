//! What came of the questions: one line of a file each, on the disk before the next is asked, so that a run that is
//! killed goes on where it was.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::Copy;
use super::score::Grade;
use crate::disk::{self, WriteError};
use crate::headless::session::Asked;

/// In the folder of a run: what was asked of whom.
const RUN: &str = "run.json";

/// In the folder of a run: what came of it.
const RESULTS: &str = "results.jsonl";

/// What a run asks of whom. Two runs with the same are one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Of this file.
    pub v: u64,
    /// Version of this program.
    pub datarus: String,
    /// The question set.
    pub suite: String,
    /// Which copy of it.
    pub copy: Copy,
    /// The model: its name, hash, and where it is served.
    pub model: Value,
    /// Seed, sampling, bounds.
    pub settings: Value,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// As the set names it.
    pub id: String,
    /// The session that it belongs to.
    pub session: String,
    /// As the set tells how hard it is.
    pub level: String,
    /// Whether it was answered right; none where nobody but the publisher knows.
    pub right: Option<bool>,
    /// The share of its parts that were, 0 to 1.
    pub share: Option<f64>,
    /// Each part, and whether it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<(String, bool)>,
    /// What the analyst did.
    #[serde(flatten)]
    pub asked: Asked,
}

impl Line {
    /// Notes a grade.
    pub fn graded(&mut self, grade: Grade) {
        (self.right, self.share) = (Some(grade.is_right()), Some(grade.share()));
        self.parts = grade.parts;
    }

    /// Whether it is to be asked again by the next run: the model or the kernel failed, not the answer.
    pub fn is_open(&self) -> bool {
        matches!(self.asked.status.as_str(), "failed" | "interrupted")
    }
}

/// Why a folder of results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// It cannot be read or written.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("`{}` is no folder of results: {reason}", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It holds another run.
    #[error(
        "`{}` holds a run with another {what}: {there} there, {now} now; name another folder with `--output`", path.display()
    )]
    Other {
        /// The folder.
        path: PathBuf,
        /// In what it differs.
        what: &'static str,
        /// There.
        there: String,
        /// Now.
        now: String,
    },
}

/// A folder of results, open for more.
pub struct Results {
    folder: PathBuf,
    file: File,
    lines: BTreeMap<String, Line>,
}

impl Results {
    /// Takes up a run in a folder, or begins it there.
    ///
    /// # Errors
    /// When the folder holds another run, or cannot be written.
    pub fn open(folder: &Path, run: &Run) -> Result<Self, ResultsError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ResultsError::Io { path, source }
        };
        std::fs::create_dir_all(folder.join("notebooks")).map_err(failed(folder))?;
        let path = folder.join(RUN);
        if path.exists() {
            is_same(folder, &read_run(folder)?, run)?;
        } else {
            let text = serde_json::to_string_pretty(run).unwrap_or_default() + "\n";
            disk::write(&path, text.as_bytes(), None).map_err(|error| match error {
                WriteError::Io(source) => failed(&path)(source),
                changed @ WriteError::Changed => failed(&path)(io::Error::other(changed)),
            })?;
        }
        let path = folder.join(RESULTS);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(failed(&path))?;
        file.try_lock().map_err(|_| ResultsError::Format {
            path: folder.to_owned(),
            reason: String::from("another run writes to it now"),
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed(&path))?;
        let (lines, whole) = read_lines(folder, &text)?;
        // What a run that was killed had begun to write.
        file.set_len(whole).map_err(failed(&path))?;
        file.seek(SeekFrom::End(0)).map_err(failed(&path))?;
        Ok(Self { folder: folder.to_owned(), file, lines })
    }

    /// Where the notebooks are.
    pub fn notebooks(&self) -> PathBuf {
        self.folder.join("notebooks")
    }

    /// What came of all questions, by their ids.
    pub fn lines(&self) -> &BTreeMap<String, Line> {
        &self.lines
    }

    /// What came of a question, if it was answered.
    pub fn get(&self, id: &str) -> Option<&Line> {
        self.lines.get(id)
    }

    /// Keeps what came of questions; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&mut self, lines: Vec<Line>) -> Result<(), ResultsError> {
        let mut text = String::new();
        for line in &lines {
            text.push_str(&serde_json::to_string(line).unwrap_or_default());
            text.push('\n');
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|source| ResultsError::Io { path: self.folder.join(RESULTS), source })?;
        self.lines.extend(lines.into_iter().map(|line| (line.id.clone(), line)));
        Ok(())
    }
}

/// Reads a finished or unfinished run.
///
/// # Errors
/// When the folder holds none.
pub fn read(folder: &Path) -> Result<(Run, BTreeMap<String, Line>), ResultsError> {
    let run = read_run(folder)?;
    let path = folder.join(RESULTS);
    let text = std::fs::read(&path).map_err(|source| ResultsError::Io { path, source })?;
    Ok((run, read_lines(folder, &text)?.0))
}

fn read_run(folder: &Path) -> Result<Run, ResultsError> {
    let path = folder.join(RUN);
    let text =
        std::fs::read(&path).map_err(|source| ResultsError::Io { path: path.clone(), source })?;
    serde_json::from_slice(&text).map_err(|error| ResultsError::Format {
        path: folder.to_owned(),
        reason: format!("`{RUN}`: {error}"),
    })
}

/// The last line of each question, and how many bytes of whole lines there are: one that does not end is what a run that
/// was killed had begun to write, in the middle of a letter perhaps.
fn read_lines(folder: &Path, text: &[u8]) -> Result<(BTreeMap<String, Line>, u64), ResultsError> {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = BTreeMap::new();
    for (at, line) in text.get(..whole).unwrap_or_default().split(|&byte| byte == b'\n').enumerate()
    {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let read: Line = serde_json::from_slice(line).map_err(|error| ResultsError::Format {
            path: folder.to_owned(),
            reason: format!(
                "expected the result of a question in line {} of `{RESULTS}`, found another thing ({error}): mend that line \
                 or delete it",
                at + 1
            ),
        })?;
        lines.insert(read.id.clone(), read);
    }
    Ok((lines, whole as u64))
}

/// Refuses to mix two runs. Another version of this program is another run, too: its prompts may differ.
fn is_same(folder: &Path, there: &Run, now: &Run) -> Result<(), ResultsError> {
    let differs = |what, there: &Value, now: &Value| {
        if there == now {
            return Ok(());
        }
        let path = folder.to_owned();
        Err(ResultsError::Other { path, what, there: there.to_string(), now: now.to_string() })
    };
    let text = |text: &str| Value::from(text);
    differs("question set", &text(&there.suite), &text(&now.suite))?;
    differs("copy of the question set", &value(&there.copy), &value(&now.copy))?;
    differs("model", &there.model, &now.model)?;
    differs("setting", &there.settings, &now.settings)?;
    differs("version of datarus", &text(&there.datarus), &text(&now.datarus))
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// What came of a question that was answered.
    pub(in crate::bench) fn line(id: &str, right: bool) -> Line {
        let asked = Asked {
            status: String::from("done"),
            answer: String::from("@a[1]"),
            steps: 2,
            failed_steps: 1,
            tokens: [100, 10],
            seconds: 1.5,
            numbers: [1, 0],
        };
        let mut line = Line {
            id: id.to_owned(),
            session: id.to_owned(),
            level: String::from("easy"),
            right: None,
            share: None,
            parts: Vec::new(),
            asked,
        };
        line.graded(Grade::of(right));
        line
    }

    pub(in crate::bench) fn run() -> Run {
        Run {
            v: 1,
            datarus: String::from("0"),
            suite: String::from("questions"),
            copy: Copy { split: None, sha256: vec![], questions: 3, differs: vec![] },
            model: json!({"name": "m"}),
            settings: json!({"seed": 0}),
        }
    }

    #[test]
    fn a_run_that_was_killed_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut results = Results::open(folder, &run()).unwrap();
        results.keep(vec![line("1", true), line("2", false)]).unwrap();
        results.keep(vec![line("2", true)]).unwrap();
        drop(results);
        let path = folder.join(RESULTS);
        let whole = std::fs::read_to_string(&path).unwrap();
        // Killed in the middle of a line, at any byte of it.
        let mut third = line("3", true);
        third.asked.answer = String::from("Käse, 乳酪");
        let begun = serde_json::to_vec(&third).unwrap();
        for cut in 1..=begun.len() {
            std::fs::write(&path, [whole.as_bytes(), &begun[..cut]].concat()).unwrap();
            // A process that another test starts holds the lock until it has become its program.
            let mut results = (0..10_000).find_map(|_| Results::open(folder, &run()).ok()).unwrap();
            assert_eq!(results.get("1"), Some(&line("1", true)));
            assert_eq!(results.get("2"), Some(&line("2", true)), "the last one counts");
            assert_eq!(results.get("3"), None);
            results.keep(vec![line("3", false)]).unwrap();
            drop(results);
            let (_, lines) = read(folder).unwrap();
            assert_eq!((lines.len(), &lines["3"]), (3, &line("3", false)));
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_nothing_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut results = Results::open(folder, &run()).unwrap();
        results.keep(vec![line("1", true)]).unwrap();
        drop(results);
        let path = folder.join(RESULTS);
        let one = std::fs::read_to_string(&path).unwrap();
        let two = one.replace("\"1\"", "\"2\"");
        let damaged = [one.as_bytes(), b"\n \n{\"id\": \xff}\n", two.as_bytes()].concat();
        std::fs::write(&path, &damaged).unwrap();
        for error in [Results::open(folder, &run()).err(), read(folder).err()] {
            let error = error.unwrap().to_string();
            assert!(error.contains("line 4 of `results.jsonl`"), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
        // Lines that are empty say nothing.
        let text = format!("{one}\n \n{two}\n");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(Results::open(folder, &run()).unwrap().lines().len(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn two_runs_are_never_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let open = |run: &Run| Results::open(folder.path(), run).map(drop);
        open(&run()).unwrap();
        open(&run()).unwrap();
        let check = |change: fn(&mut Run), words: &str| {
            let mut other = run();
            change(&mut other);
            let error = open(&other).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("name another folder"), "{error}");
        };
        check(|run| run.suite = String::from("dabench"), "another question set");
        check(|run| run.copy.questions = 4, "another copy of the question set");
        check(|run| run.model = json!({"name": "n"}), "another model: {\"name\":\"m\"} there");
        check(|run| run.settings = json!({"seed": 1}), "another setting");
        check(|run| run.datarus = String::from("1"), "another version of datarus");
        let _first = Results::open(folder.path(), &run()).unwrap();
        let second = open(&run()).unwrap_err().to_string();
        assert!(second.contains("another run writes to it now"), "{second}");
    }
}
