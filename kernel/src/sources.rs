//! Data files beside a notebook, and databases that the user named: which there are, what they hold, which files are new
//! since the last question.
//!
//! The kernel itself looks at names, sizes and times alone. What is in a file is read in the companion
//! (`companion/profile`), once: its profile is kept here, by the hash of its content, for as long as this kernel runs. It
//! is not kept on disk, since it holds values of the data, which would then outlive them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, SystemTime};

use datarus_agent::agent::{DataNotes, FileInfo};

use crate::database::Database;

mod links;
mod made;
mod profile;
mod told;

pub(crate) use made::Snapshot;
pub(crate) use profile::Source;

/// How many files are named at most.
const MAX_FILES: usize = 64;

/// Endings of files that a question may be about. `companion/profile/formats.py` has a reader for each.
const KINDS: [&str; 20] = [
    "csv", "tsv", "txt", "md", "markdown", "pdf", "json", "jsonl", "ndjson", "yaml", "yml", "xml",
    "xlsx", "parquet", "feather", "sqlite", "sqlite3", "db", "duckdb", "zip",
];

/// Those of them that the embedded model has learnt to expect in its prompt.
const LEARNT: [&str; 6] = ["csv", "tsv", "xlsx", "parquet", "json", "txt"];

/// How long ago a file must have been written for its time to tell that it is the same: two changes within the grain of a
/// file system's clock bear one time.
const SETTLED: Duration = Duration::from_secs(2);

/// The data files in a folder, by name.
pub(crate) fn data_files(folder: &Path) -> Vec<FileInfo> {
    files_of(folder, &KINDS)
}

/// Those of kinds that every model knows.
pub(crate) fn learnt_files(folder: &Path) -> Vec<FileInfo> {
    files_of(folder, &LEARNT)
}

/// Whether a file of this name is one that a question may be about.
pub(crate) fn is_data(name: &str) -> bool {
    has_ending(name, &KINDS)
}

fn files_of(folder: &Path, kinds: &[&str]) -> Vec<FileInfo> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> =
        entries.flatten().filter_map(|entry| data_file(&entry, kinds)).collect();
    files.sort_by(|left, right| left.name.cmp(&right.name));
    files.truncate(MAX_FILES);
    files
}

fn data_file(entry: &std::fs::DirEntry, kinds: &[&str]) -> Option<FileInfo> {
    let name = entry.file_name().into_string().ok()?;
    // Through links: data is often linked in.
    let metadata = std::fs::metadata(entry.path()).ok()?;
    let fits = has_ending(&name, kinds) && metadata.is_file() && !name.starts_with('.');
    fits.then_some(FileInfo { name, bytes: metadata.len() })
}

fn has_ending(name: &str, kinds: &[&str]) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| kinds.contains(&ending.as_str()))
}

/// What tells quickly that a file is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Stamp { bytes: metadata.len(), modified: metadata.modified().ok() })
    }

    /// Whether a later change would show.
    fn is_settled(self, now: SystemTime) -> bool {
        let age = self.modified.and_then(|modified| now.duration_since(modified).ok());
        age.is_some_and(|age| age > SETTLED)
    }
}

/// A file whose content was read.
#[derive(Debug, Clone)]
struct Known {
    stamp: Stamp,
    /// Whether the stamp is enough to know it again.
    is_settled: bool,
    content: Content,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// Of this hash and kind.
    Hashed(String),
    /// Too large to be hashed, or not read: it is the same while its stamp is.
    Stamped(Stamp),
}

/// A look at the files, before any of them is read.
#[derive(Debug)]
pub(crate) struct Look {
    /// All files.
    pub(crate) files: Vec<FileInfo>,
    stamps: BTreeMap<String, Stamp>,
    at: SystemTime,
    /// Names of those to be read, and of databases, which are asked each time whether they are the same.
    pub(crate) unread: Vec<String>,
    /// Databases by name, with what is said of each whether it was read or not. No file has such a name: theirs end.
    databases: BTreeMap<String, String>,
}

/// What this kernel knows of data files.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Files by name.
    known: HashMap<String, Known>,
    /// Profiles by what tells a content; of what has no hash, by name.
    profiles: HashMap<String, Source>,
    /// Where the profile of a database is, by its name.
    of_databases: HashMap<String, String>,
    /// What was there at the last question.
    seen: Option<BTreeMap<String, Content>>,
}

impl Sources {
    /// Looks at `files` in `folder` and says which of them, and of `databases`, are to be read.
    pub(crate) fn look(&self, folder: &Path, files: Vec<FileInfo>, databases: &[Database]) -> Look {
        let stamp =
            |file: &FileInfo| Some((file.name.clone(), Stamp::of(&folder.join(&file.name))?));
        let stamps: BTreeMap<_, _> = files.iter().filter_map(stamp).collect();
        let is_unread = |(name, stamp): &(&String, &Stamp)| {
            !self.known.get(*name).is_some_and(|known| known.is_settled && known.stamp == **stamp)
        };
        let unread = stamps.iter().filter(is_unread).map(|(name, _)| name.clone());
        let names = databases.iter().map(|database| database.name.clone());
        let unread = unread.chain(names).collect();
        let databases = databases.iter().map(|all| (all.name.clone(), usage(all))).collect();
        Look { files, stamps, at: SystemTime::now(), unread, databases }
    }

    /// The contents of which there is a profile.
    pub(crate) fn contents(&self) -> Vec<&str> {
        self.profiles.keys().map(String::as_str).collect()
    }

    /// Takes what was read, in the order of [`Look::unread`]; nothing where nobody read.
    pub(crate) fn learn(&mut self, look: &Look, read: Vec<Source>) {
        for (name, source) in look.unread.iter().zip(read) {
            let hash = source.content.clone();
            if look.databases.contains_key(name) {
                self.learn_database(name, hash, source);
                continue;
            }
            let Some(&stamp) = look.stamps.get(name) else { continue };
            let place = hash.clone().unwrap_or_else(|| name.clone());
            if !source.is_empty() {
                self.profiles.insert(place, source);
            }
            let content = hash.map_or(Content::Stamped(stamp), Content::Hashed);
            let is_settled = stamp.is_settled(look.at);
            self.known.insert(name.clone(), Known { stamp, is_settled, content });
        }
        self.known.retain(|name, _| look.stamps.contains_key(name));
        self.of_databases.retain(|name, _| look.databases.contains_key(name));
        let files = self.known.iter().map(|(name, known)| place(name, &known.content));
        let used: Vec<_> = files.chain(self.of_databases.values().map(String::as_str)).collect();
        self.profiles.retain(|at, _| used.contains(&at.as_str()));
    }

    fn learn_database(&mut self, name: &str, hash: Option<String>, source: Source) {
        let place = hash.unwrap_or_else(|| name.to_owned());
        if !source.is_empty() {
            self.profiles.insert(place.clone(), source);
        }
        self.of_databases.insert(name.to_owned(), place);
    }

    /// What a model is told of the files, and from then on is no news.
    pub(crate) fn notes(&mut self, look: &Look) -> DataNotes {
        let now = self.contents_of(look);
        let databases = self.databases_of(look);
        let databases = databases.iter().map(|(name, source)| (name.clone(), source));
        let described: Vec<_> = self.described(&now).into_iter().chain(databases).collect();
        let profiles = told::profiles(&described);
        let changes = self.seen.as_ref().map(|seen| changes(seen, &now)).unwrap_or_default();
        self.seen = Some(now);
        DataNotes { changes, profiles }
    }

    /// Columns of the files, and values of those that have few.
    pub(crate) fn held(&self, look: &Look) -> BTreeMap<String, Vec<String>> {
        let described = self.described(&self.contents_of(look));
        described.into_iter().map(|(name, source)| (name, source.words())).collect()
    }

    /// The databases, with how Python reads them before all else.
    fn databases_of(&self, look: &Look) -> Vec<(String, Source)> {
        let database = |(name, usage): (&String, &String)| {
            let profile = self.of_databases.get(name).and_then(|place| self.profiles.get(place));
            let source = profile.cloned().unwrap_or_default();
            (name.clone(), source.with_first_note(usage))
        };
        look.databases.iter().map(database).collect()
    }

    fn contents_of(&self, look: &Look) -> BTreeMap<String, Content> {
        let content = |(name, stamp): (&String, &Stamp)| {
            let known = self.known.get(name).filter(|known| known.stamp == *stamp);
            let content = known.map_or(Content::Stamped(*stamp), |known| known.content.clone());
            (name.clone(), content)
        };
        look.stamps.iter().map(content).collect()
    }

    fn described(&self, contents: &BTreeMap<String, Content>) -> Vec<(String, &Source)> {
        let profile = |(name, content): (&String, &Content)| {
            Some((name.clone(), self.profiles.get(place(name, content))?))
        };
        contents.iter().filter_map(profile).collect()
    }
}

/// How Python reads a database, in fewer characters than a note may have.
fn usage(database: &Database) -> String {
    let Database { name, dialect, writable, .. } = database;
    let rights = if *writable { "" } else { ", read only" };
    format!(
        "{dialect}{rights}; the SQLAlchemy engine `{name}` reads it: `pd.read_sql(\"SELECT …\", {name})`"
    )
}

/// Where the profile of a file is kept.
fn place<'a>(name: &'a str, content: &'a Content) -> &'a str {
    match content {
        Content::Hashed(hash) => hash,
        Content::Stamped(_) => name,
    }
}

/// Which files are new, changed and gone, in words.
fn changes(before: &BTreeMap<String, Content>, now: &BTreeMap<String, Content>) -> String {
    let new = now.keys().filter(|name| !before.contains_key(*name));
    let changed = now
        .iter()
        .filter(|(name, content)| before.get(*name).is_some_and(|before| before != *content));
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    let said = [
        ("new", listed(new)),
        ("changed", listed(changed.map(|(name, _)| name))),
        ("gone", listed(gone)),
    ];
    let said: Vec<_> = said
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(how, names)| format!("{how}: {names}"))
        .collect();
    if said.is_empty() {
        return String::new();
    }
    format!("Files since the last question: {}.", said.join("; "))
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
