//! `DSEval`: each file of a benchmark is a session of problems, cells of Python behind `# %%`. A cell that begins with a
//! text in triple quotes is a problem: the text is YAML with the question and the rules, what follows is the reference.
//! The other cells are the context.
//!
//! # Source
//! `dseval/problem.py` and `dseval/loop.py` of the benchmark's repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{ReadError, Source, is_below};
use crate::bench::reference::Reference;
use crate::bench::{Question, Rule, Session};

/// Behind the name of a benchmark: a question sees the code that was submitted before, right or wrong, and not that of
/// the reference.
const PROPAGATED: &str = "-propagated";

/// Where the code of a set finds its data.
const INPUTS: &str = "inputs";

/// Said behind each question: the published rules look at one piece of code, and here there are steps.
const RESULT: &str = "Work with the variables that exist, and change none that the question does not name. If it asks \
                      for a value, leave that as the last line of your last step, unprinted: that is what is looked at.";

/// What stands above the reference of a problem. What there is beside it is not known.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    question: Option<String>,
    #[serde(default)]
    validator: Value,
    /// Files that are to be fetched, with their addresses.
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    execution: Execution,
}

#[derive(Debug, Default, Deserialize)]
struct Execution {
    #[serde(default)]
    forbid_names: Vec<String>,
}

/// A cell of a session.
struct Section {
    /// The line that it begins in, from 1.
    line: usize,
    setup: Setup,
    code: String,
}

pub(super) fn read(source: &mut Source<'_>, split: &str) -> Result<Vec<Session>, ReadError> {
    let name = split.strip_suffix(PROPAGATED).unwrap_or(split);
    let folder = source.data.join(name);
    let mut sessions = Vec::new();
    for (path, text) in source.texts(name, "py")? {
        let sections = sections(&path, &text)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let files = data(source, &folder, &path, &sections)?;
        if name == split {
            sessions.extend(apart(&stem, name, &files, &sections));
        } else {
            sessions.push(together(&stem, name, files, sections));
        }
    }
    Ok(sessions)
}

/// Each problem in a session of its own, behind the context and the references of those before it.
fn apart(
    stem: &str,
    level: &str,
    files: &[(PathBuf, String)],
    sections: &[Section],
) -> Vec<Session> {
    let mut before: Vec<String> = Vec::new();
    let mut sessions = Vec::new();
    for section in sections {
        if section.setup.question.is_some() {
            let id = format!("{stem}-{}", sessions.len() + 1);
            let question = question(section, id.clone(), level, before.clone());
            sessions.push(Session { id, files: files.to_vec(), questions: vec![question] });
        }
        before.push(section.code.clone());
    }
    sessions
}

/// All problems in one session, whose namespace is that of the reference before each.
fn together(
    stem: &str,
    level: &str,
    files: Vec<(PathBuf, String)>,
    sections: Vec<Section>,
) -> Session {
    let mut context: Vec<String> = Vec::new();
    let mut questions = Vec::new();
    for section in sections {
        if section.setup.question.is_some() {
            let id = format!("{stem}-{}", questions.len() + 1);
            questions.push(question(&section, id, level, std::mem::take(&mut context)));
        } else {
            context.push(section.code);
        }
    }
    Session { id: stem.to_owned(), files, questions }
}

fn question(section: &Section, id: String, level: &str, setup: Vec<String>) -> Question {
    let asked = section.setup.question.as_deref().unwrap_or_default();
    Question {
        id,
        text: format!("{}\n\n{RESULT}", asked.trim()),
        level: level.to_owned(),
        setup,
        rule: Rule::Reference(Reference {
            code: section.code.clone(),
            rules: section.setup.validator.clone(),
            forbid: section.setup.execution.forbid_names.clone(),
        }),
    }
}

/// The cells of a file; what stands before the first mark is none.
fn sections(path: &Path, text: &str) -> Result<Vec<Section>, ReadError> {
    let text = text.replace("\r\n", "\n");
    let mut line = 1;
    let mut sections = Vec::new();
    for (at, part) in text.split("# %%\n").enumerate() {
        let begins = line;
        line += part.matches('\n').count() + 1;
        let code = part.trim();
        if at == 0 || code.is_empty() {
            continue;
        }
        let wrong = |why: String| ReadError::Line {
            path: path.to_owned(),
            line: begins,
            expected: format!("a problem as DSEval writes it; {why}"),
        };
        let Some((above, code)) = divided(code) else {
            sections.push(Section { line: begins, setup: Setup::default(), code: code.to_owned() });
            continue;
        };
        let setup: Setup =
            serde_saphyr::from_str(above).map_err(|error| wrong(error.to_string()))?;
        sections.push(Section { line: begins, setup, code: code.trim().to_owned() });
    }
    Ok(sections)
}

/// The text in triple quotes that a cell begins with, and what follows it.
fn divided(code: &str) -> Option<(&str, &str)> {
    let text = code.strip_prefix('r').unwrap_or(code).strip_prefix("\"\"\"")?;
    text.split_once("\"\"\"\n").filter(|(_, code)| !code.trim().is_empty())
}

/// The files of a session: those in `_inputs/NAME`, or else all in `_inputs`. What a problem would fetch is to be there.
fn data(
    source: &Source<'_>,
    folder: &Path,
    path: &Path,
    sections: &[Section],
) -> Result<Vec<(PathBuf, String)>, ReadError> {
    let all = folder.join("_inputs");
    let own = all.join(path.file_stem().unwrap_or_default());
    let from = if own.is_dir() { own } else { all };
    let mut files = Vec::new();
    if from.is_dir() {
        below(&from, Path::new(INPUTS), &mut files).map_err(source.failed(&from))?;
    }
    for section in sections {
        for (name, address) in &section.setup.data {
            let there = format!("{INPUTS}/{name}");
            if is_below(name) && files.iter().any(|(_, known)| *known == there) {
                continue;
            }
            return Err(ReadError::Line {
                path: path.to_owned(),
                line: section.line,
                expected: format!(
                    "the file `{}`: fetch it from {address}",
                    from.join(name).display()
                ),
            });
        }
    }
    Ok(files)
}

/// All files in a folder and those in it, by their names under `at`, in order.
fn below(folder: &Path, at: &Path, files: &mut Vec<(PathBuf, String)>) -> std::io::Result<()> {
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder)?.collect();
    let mut entries = entries?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), at.join(entry.file_name()));
        if path.is_dir() {
            below(&path, &name, files)?;
        } else {
            files.push((path, name.to_string_lossy().into_owned()));
        }
    }
    Ok(())
}
