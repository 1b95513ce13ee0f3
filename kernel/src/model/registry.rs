//! Models that have names: one file in the user's data folder, which people can read, written whole or not at all.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::EndpointArgs;
use crate::disk::{self, Seen, WriteError};

/// The name of the small model in this program.
pub const EMBEDDED: &str = "embedded";

/// In the user's data folder.
const FILE: &str = "datarus/models.json";

/// Of the file.
const VERSION: u64 = 1;

/// How often a change is made anew because somebody else changed the file.
const ATTEMPTS: usize = 64;

/// The models that have names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    /// By name.
    pub entries: BTreeMap<String, Entry>,
}

/// A model that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// On this machine.
    File(File),
    /// Computed by a server.
    Server(Server),
}

/// A model on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// A GGUF file or a folder with safetensors, absolute.
    pub path: PathBuf,
    /// Lower-case hex, of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where `add` fetched it from; without it the files are the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Origin>,
}

/// Where a model was fetched from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `owner/name`.
    pub repository: String,
    /// What of it, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// As it was asked for.
    pub revision: String,
    /// What that was.
    pub commit: String,
}

impl Origin {
    /// Whether it is this part of this repository, of whatever commit.
    pub fn is_of(&self, repository: &str, part: Option<&str>) -> bool {
        self.repository == repository && self.part.as_deref() == part
    }
}

/// A model that a server computes. Its key is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Of the server, with `/v1` where it has that.
    pub address: String,
    /// Its name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens that it takes in one chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<usize>,
    /// Seconds in which nothing may arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

impl Server {
    /// How it is asked: what is said now wins over what was said when it was added.
    pub fn settings(&self, now: &EndpointArgs) -> EndpointArgs {
        EndpointArgs {
            endpoint_model: now.endpoint_model.clone().or_else(|| self.model.clone()),
            endpoint_timeout: now.endpoint_timeout.or(self.timeout),
            context_length: now.context_length.or(self.context_length),
        }
    }
}

/// As the file has it.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u64,
    models: BTreeMap<String, Entry>,
}

/// Why the names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file cannot be read.
    #[error("cannot read the list of models `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program writes.
    #[error("expected a list of models of version {VERSION} in `{}`, found {found}: mend it or delete it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// It cannot be written.
    #[error("cannot write the list of models `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
    /// No model can be called so.
    #[error(
        "expected a name of at most 64 letters, digits, `-`, `_` and `.`, which does not begin with `-` or `.`, does \
         not end in `.gguf` and is not `{EMBEDDED}`, the model in this program, found `{0}`: give another with \
         `--name NAME`"
    )]
    Name(String),
    /// Another model is called so.
    #[error(
        "there is another model of the name `{0}`: give this one another with `--name NAME`, or remove that one"
    )]
    Taken(String),
    /// None is called so.
    #[error("no model of the name `{0}`: `datarus model list` shows those that were added")]
    Unknown(String),
}

impl Registry {
    /// The names in the user's data folder; none where no model was ever added.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(data: &Path) -> Result<Self, RegistryError> {
        Ok(Self::look(&data.join(FILE))?.0)
    }

    /// Whether a model may be called so: nothing is, or `is_it` says that it is the same model.
    ///
    /// # Errors
    /// When the name cannot be one or is another model's.
    pub fn require_free(
        &self,
        name: &str,
        is_it: impl FnOnce(&Entry) -> bool,
    ) -> Result<(), RegistryError> {
        if !is_name(name) || name == EMBEDDED {
            return Err(RegistryError::Name(name.to_owned()));
        }
        match self.entries.get(name) {
            Some(other) if !is_it(other) => Err(RegistryError::Taken(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Gives a model a name; gives what that stood for before. The same model may be added again, of another commit too.
    ///
    /// # Errors
    /// When the name cannot be one or is another model's, or the file cannot be written.
    pub fn add(data: &Path, name: &str, entry: &Entry) -> Result<Option<Entry>, RegistryError> {
        Self::change(data, |registry| {
            registry.require_free(name, |other| is_same(other, entry))?;
            Ok(registry.entries.insert(name.to_owned(), entry.clone()))
        })
    }

    /// Forgets a name; gives what it stood for.
    ///
    /// # Errors
    /// When there is no such name, or the file cannot be written.
    pub fn remove(data: &Path, name: &str) -> Result<Entry, RegistryError> {
        Self::change(data, |registry| {
            let gone = registry.entries.remove(name);
            gone.ok_or_else(|| RegistryError::Unknown(name.to_owned()))
        })
    }

    /// Changes the file; anew when somebody else has changed it meanwhile.
    fn change<T>(
        data: &Path,
        mut change: impl FnMut(&mut Self) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let path = data.join(FILE);
        let write = |source| RegistryError::Write { path: path.clone(), source };
        std::fs::create_dir_all(path.parent().unwrap_or(data))
            .map_err(|error| write(error.into()))?;
        let mut left = ATTEMPTS;
        loop {
            let (mut registry, seen) = Self::look(&path)?;
            let done = change(&mut registry)?;
            let stored = Stored { v: VERSION, models: registry.entries };
            let text = serde_json::to_string_pretty(&stored).unwrap_or_default() + "\n";
            left -= 1;
            match disk::write(&path, text.as_bytes(), Some(seen)) {
                Ok(()) => return Ok(done),
                Err(WriteError::Changed) if left > 0 => {}
                Err(error) => return Err(write(error)),
            }
        }
    }

    fn look(path: &Path) -> Result<(Self, Seen), RegistryError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Self::default(), Seen::NOTHING));
            }
            Err(source) => return Err(RegistryError::Read { path: path.to_owned(), source }),
        };
        let wrong = |found: String| RegistryError::Format { path: path.to_owned(), found };
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if value["v"] != VERSION {
            return Err(wrong(format!("version {}", value["v"])));
        }
        let stored: Stored =
            serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        Ok((Self { entries: stored.models }, Seen::of(&text)))
    }
}

/// Whether two entries mean the same model, whatever is known of it.
fn is_same(one: &Entry, other: &Entry) -> bool {
    match (one, other) {
        (Entry::File(one), Entry::File(other)) => match (&one.from, &other.from) {
            (Some(one), Some(other)) => one.is_of(&other.repository, other.part.as_deref()),
            _ => one.path == other.path,
        },
        (Entry::Server(one), Entry::Server(other)) => {
            (&one.address, &one.model) == (&other.address, &other.model)
        }
        _ => false,
    }
}

/// Whether a text can be the name of a model; a path with a folder in it, or to a GGUF file, cannot.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.starts_with(['-', '.'])
        && !text.to_ascii_lowercase().ends_with(".gguf")
}

/// A text as a name: what no name holds becomes a hyphen.
pub fn name_of(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix(".gguf").unwrap_or(&text);
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(fits).take(64).collect();
    name.trim_start_matches(['-', '.']).trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Entry {
        Entry::File(File { path: path.into(), sha256: None, from: None })
    }

    fn fetched(commit: &str) -> Entry {
        let origin = Origin {
            repository: String::from("a/b"),
            part: Some(String::from("Q8_0")),
            revision: String::from("main"),
            commit: commit.to_owned(),
        };
        let path = PathBuf::from(format!("/data/{commit}/m.gguf"));
        Entry::File(File { path, sha256: Some(String::from("00")), from: Some(origin) })
    }

    #[test]
    fn what_is_added_is_there_and_what_is_removed_is_not() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        assert_eq!(Registry::read(data).unwrap(), Registry::default());
        Registry::add(data, "one", &file("/one")).unwrap();
        Registry::add(data, "one", &file("/one")).unwrap();
        let taken = Registry::add(data, "one", &file("/other")).unwrap_err().to_string();
        assert!(taken.contains("another model of the name `one`"), "{taken}");
        Registry::add(data, "new", &fetched("1")).unwrap();
        let before = Registry::add(data, "new", &fetched("2")).unwrap();
        assert_eq!(before, Some(fetched("1")));
        let server = Server {
            address: String::from("http://127.0.0.1:1/v1"),
            model: None,
            context_length: Some(7),
            timeout: None,
        };
        Registry::add(data, "server", &Entry::Server(server)).unwrap();
        let read = Registry::read(data).unwrap();
        assert_eq!(read.entries.keys().collect::<Vec<_>>(), ["new", "one", "server"]);
        assert_eq!(read.entries["new"], fetched("2"));
        assert_eq!(Registry::remove(data, "one").unwrap(), file("/one"));
        assert_eq!(Registry::read(data).unwrap().entries.len(), 2);
        let unknown = Registry::remove(data, "one").unwrap_err().to_string();
        assert!(unknown.starts_with("no model of the name `one`"), "{unknown}");
    }

    #[test]
    fn of_many_that_add_at_once_nothing_is_lost() {
        let data = tempfile::tempdir().unwrap();
        let add = |from: usize| {
            for at in from..from + 8 {
                Registry::add(data.path(), &format!("m{at}"), &file("/x")).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for from in [0, 8, 16] {
                scope.spawn(move || add(from));
            }
        });
        assert_eq!(Registry::read(data.path()).unwrap().entries.len(), 24);
    }

    #[test]
    fn a_damaged_or_newer_list_is_named_and_kept() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for (text, words) in [
            ("{", "EOF while parsing"),
            ("{\"v\": 2, \"models\": {}}", "found version 2"),
            ("{\"v\": 1, \"models\": {\"a\": {\"kind\": \"cloud\"}}}", "unknown variant `cloud`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Registry::add(data.path(), "a", &file("/a")).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("mend it or delete it"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_name_is_no_path_and_no_address() {
        let data = tempfile::tempdir().unwrap();
        for name in ["", "a/b", "m.gguf", "M.GGUF", "-a", ".a", "a b", "é", "http://x", EMBEDDED] {
            let refused = Registry::add(data.path(), name, &file("/x"));
            assert!(matches!(refused, Err(RegistryError::Name(_))), "{name}");
            let told = refused.unwrap_err().to_string();
            assert!(told.contains("is not `embedded`, the model in this program"), "{told}");
        }
        for (text, name) in [
            ("Qwen2.5-7B-Instruct-Q4_K_M.gguf", "qwen2.5-7b-instruct-q4_k_m"),
            ("my model é", "my-model"),
            ("..x", "x"),
            ("127.0.0.1:8080", "127.0.0.1-8080"),
        ] {
            assert_eq!(name_of(text), name);
            assert!(is_name(name));
        }
    }
}
