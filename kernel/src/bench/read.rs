//! Reads the user's copy of a question set, and says whether it is the one that was published.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Session;
use super::suite::{Facts, Suite};
use crate::cells::hex;
use crate::disk::sha256;

mod dabench;
mod dabstep;
mod ds1000;
mod dseval;
mod questions;
mod wikitq;

/// A question set that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its sessions, in its order.
    pub sessions: Vec<Session>,
    /// What was read.
    pub copy: Copy,
}

/// Which copy of a set it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// SHA-256 of the files with questions and answers, by their names.
    pub sha256: Vec<(String, String)>,
    /// Number of questions.
    pub questions: usize,
    /// In what it differs from what was published, as far as that is known.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub differs: Vec<String>,
}

/// Why a set cannot be read. Each says what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is missing.
    #[error("cannot read `{}`: {source}; expected `--data` to be {expected}, as published in {published}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What the folder is to be.
        expected: &'static str,
        /// Where it is published.
        published: &'static str,
    },
    /// A line is not what it should be.
    #[error("`{}`, line {line}: expected {expected}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In words.
        expected: String,
    },
    /// Two questions would be taken for one.
    #[error("`{}`: expected an id of its own for each question, found `{id}` twice", data.display())]
    Twice {
        /// The copy.
        data: PathBuf,
        /// The id.
        id: String,
    },
    /// There is no such split.
    #[error("expected a split as {known}, found `{found}`: name one with `--split`")]
    Split {
        /// Known ones.
        known: String,
        /// What was named.
        found: String,
    },
}

/// Reads a set from a file or folder.
///
/// # Errors
/// When a file is missing, a line is not what it should be, or two questions have one id.
pub fn read(suite: Suite, data: &Path, split: Option<&str>) -> Result<Set, ReadError> {
    let facts = suite.facts();
    let split = split.or(facts.split);
    if let Some(found) = split.filter(|split| split.contains(['/', '\\'])) {
        let known: Vec<&str> = facts.counts.iter().map(|(name, _)| *name).collect();
        return Err(ReadError::Split { known: known.join(", "), found: found.to_owned() });
    }
    let mut source = Source { data, facts, read: Vec::new() };
    let sessions = match suite {
        Suite::Dabench => dabench::read(&mut source)?,
        Suite::Dabstep => dabstep::read(&mut source, split.unwrap_or_default())?,
        Suite::Ds1000 => ds1000::read(&mut source)?,
        Suite::Dseval => dseval::read(&mut source, split.unwrap_or_default())?,
        Suite::Wikitq => wikitq::read(&mut source, split.unwrap_or_default())?,
        Suite::Questions => questions::read(&mut source)?,
    };
    require_own_ids(data, &sessions)?;
    let questions = sessions.iter().map(|session| session.questions.len()).sum();
    let split = split.map(str::to_owned);
    let differs = differs(&facts, split.as_deref(), &source.read, questions);
    Ok(Set { sessions, copy: Copy { split, sha256: source.read, questions, differs } })
}

/// Results are known by the ids of their questions.
fn require_own_ids(data: &Path, sessions: &[Session]) -> Result<(), ReadError> {
    let mut known = BTreeSet::new();
    for question in sessions.iter().flat_map(|session| &session.questions) {
        if !known.insert(&question.id) {
            return Err(ReadError::Twice { data: data.to_owned(), id: question.id.clone() });
        }
    }
    Ok(())
}

/// In what a copy differs from what was published.
fn differs(
    facts: &Facts,
    split: Option<&str>,
    read: &[(String, String)],
    questions: usize,
) -> Vec<String> {
    let known = |name: &str| facts.hashes.iter().find(|(known, _)| *known == name);
    let other =
        read.iter().filter(|(name, sha)| known(name).is_some_and(|(_, known)| known != sha));
    let mut differs: Vec<String> =
        other.map(|(name, _)| format!("`{name}` is not the file that was published")).collect();
    let expected = facts.counts.iter().find(|(name, _)| *name == split.unwrap_or_default());
    if let Some((_, expected)) = expected.filter(|(_, expected)| *expected != questions) {
        differs.push(format!("{questions} questions, {expected} were published"));
    }
    differs
}

/// The user's copy.
struct Source<'a> {
    data: &'a Path,
    facts: Facts,
    /// Name and hash of what was read.
    read: Vec<(String, String)>,
}

impl Source<'_> {
    fn failed(&self, path: &Path) -> impl Fn(io::Error) -> ReadError + use<> {
        let (path, Facts { data: expected, published, .. }) = (path.to_owned(), self.facts);
        move |source| ReadError::File { path: path.clone(), source, expected, published }
    }

    /// The lines of a file, with their numbers from 1; empty ones left out. Its hash is noted.
    fn lines(&mut self, name: &str) -> Result<Vec<(usize, String)>, ReadError> {
        let path = if self.data.is_file() { self.data.to_owned() } else { self.data.join(name) };
        let failed = self.failed(&path);
        let sha = sha256(&path).map_err(&failed)?;
        self.read.push((name.to_owned(), sha));
        let file = io::BufReader::new(std::fs::File::open(&path).map_err(&failed)?);
        let lines = file.lines().enumerate().map(|(at, line)| Ok((at + 1, line?)));
        let lines: Result<Vec<_>, io::Error> = lines.collect();
        let full = |(_, line): &(usize, String)| !line.trim().is_empty();
        Ok(lines.map_err(&failed)?.into_iter().filter(full).collect())
    }

    /// The texts of all files in a folder with this ending, but for those whose names begin with `_`, in the order of
    /// their names. The hash of all together is noted.
    fn texts(&mut self, folder: &str, ending: &str) -> Result<Vec<(PathBuf, String)>, ReadError> {
        let path = self.data.join(folder);
        let failed = self.failed(&path);
        let entries: Result<Vec<_>, io::Error> =
            std::fs::read_dir(&path).map_err(&failed)?.collect();
        let mut paths: Vec<PathBuf> =
            entries.map_err(&failed)?.iter().map(std::fs::DirEntry::path).collect();
        let is_wanted = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.extension().is_some_and(|found| found == ending) && !name.starts_with('_')
        };
        paths.retain(is_wanted);
        paths.sort();
        let (mut texts, mut all) = (Vec::new(), Sha256::new());
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(self.failed(&path))?;
            all.update(text.as_bytes());
            texts.push((path, text));
        }
        self.read.push((format!("{folder}/*.{ending}"), hex(&all.finalize())));
        Ok(texts)
    }

    /// The objects of a file with one in each line.
    fn objects(&mut self, name: &str) -> Result<Vec<Fields>, ReadError> {
        let path = self.data.join(name);
        let lines = self.lines(name)?;
        let object = |(line, text): (usize, String)| match serde_json::from_str(&text) {
            Ok(value @ Value::Object(_)) => Ok(Fields { path: path.clone(), line, value }),
            _ => Err(ReadError::Line {
                path: path.clone(),
                line,
                expected: String::from("a JSON object"),
            }),
        };
        lines.into_iter().map(object).collect()
    }
}

/// An object, and where it stands.
struct Fields {
    path: PathBuf,
    line: usize,
    value: Value,
}

impl Fields {
    fn wrong(&self, expected: &str) -> ReadError {
        let (path, line) = (self.path.clone(), self.line);
        ReadError::Line { path, line, expected: expected.to_owned() }
    }

    /// A text, or a number as text.
    fn text(&self, name: &str) -> Result<String, ReadError> {
        self.optional(name).ok_or_else(|| self.wrong(&format!("`{name}` with a text")))
    }

    fn optional(&self, name: &str) -> Option<String> {
        match &self.value[name] {
            Value::String(text) => Some(text.clone()),
            number @ Value::Number(_) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// A path that stays below the folder that it is joined to.
fn is_below(path: &str) -> bool {
    let is_plain = |part| matches!(part, std::path::Component::Normal(_));
    !path.is_empty() && Path::new(path).components().all(is_plain)
}

/// The last part of a path.
fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests;
