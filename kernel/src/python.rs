//! Asks a Python what it is and what it has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::config::{API_KEY, COMPANION, COMPANION_TOKEN, DATABASE, TOKEN};

/// What the companion cannot do without, with the lowest version that works.
pub const REQUIRED: &[(&str, Version)] = &[("ipykernel", Version(7, 3)), ("pandas", Version(2, 0))];

/// What analyses commonly use.
pub const RECOMMENDED: &[&str] = &["matplotlib", "scikit-learn", "pyarrow", "openpyxl"];

/// The lowest Python that works: ipykernel 7.3 asks for it, newer ones for 3.11.
pub const PYTHON: Version = Version(3, 10);

/// Prints what [`Probe`] holds. Reads metadata alone: importing pandas takes a second.
const SCRIPT: &str = r#"
import importlib.metadata as m, json, platform, sys
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({
    "version": platform.python_version(),
    "prefix": sys.prefix,
    "packages": {name: version(name) for name in sys.argv[1:]},
}))
"#;

/// Major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// Reads the first two numbers of `3.11.7` or `7.4.0.dev1`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        Some(Self(parts.next()??, parts.next().flatten().unwrap_or(0)))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What a Python says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Such as `3.11.7`.
    pub version: String,
    /// The environment's folder.
    pub prefix: PathBuf,
    /// Version by package, `None` when it is not there.
    pub packages: BTreeMap<String, Option<String>>,
}

/// Why a Python cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It does not start.
    #[error("cannot start the Python `{}`: {source}", path.display())]
    Start {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something else.
    #[error("expected a Python at `{}`, found a program that answers: {answer}", path.display())]
    Answer {
        /// Its path.
        path: PathBuf,
        /// What it printed.
        answer: String,
    },
}

/// Begins a command that runs a Python, which gets none of our keys.
pub(crate) fn command(python: &Path) -> Command {
    let mut command = Command::new(python);
    for secret in [API_KEY, DATABASE, TOKEN, COMPANION, COMPANION_TOKEN] {
        command.env_remove(secret);
    }
    command
}

/// Asks the Python at `path`, about a tenth of a second.
///
/// # Errors
/// When it does not start or is no Python 3.
pub fn probe(path: &Path) -> Result<Probe, ProbeError> {
    let names = REQUIRED.iter().map(|(name, _)| *name).chain(RECOMMENDED.iter().copied());
    let output = command(path)
        .arg("-c")
        .arg(SCRIPT)
        .args(names)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ProbeError::Start { path: path.to_owned(), source })?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = [&*output.stdout, &*output.stderr].concat();
        let answer = String::from_utf8_lossy(&said).lines().last().unwrap_or_default().to_owned();
        ProbeError::Answer { path: path.to_owned(), answer }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(Version::parse("7.4.0"), Some(Version(7, 4)));
        assert_eq!(Version::parse("3.10rc1"), Some(Version(3, 10)));
        assert_eq!(Version::parse("3"), Some(Version(3, 0)));
        assert_eq!(Version::parse("x.1"), None);
        assert!(Version(3, 9) < Version(3, 10));
    }

    #[test]
    fn a_program_that_is_no_python_is_named_with_what_it_said() {
        let shell = crate::config::on_path(Path::new("sh")).unwrap();
        let error = probe(&shell).unwrap_err().to_string();
        assert!(error.starts_with("expected a Python at"), "{error}");
        assert!(matches!(probe(Path::new("/no/such")), Err(ProbeError::Start { .. })));
    }
}
