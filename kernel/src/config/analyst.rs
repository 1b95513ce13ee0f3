//! How the analyst works, as the command line and the user's folder say.

use std::io::ErrorKind;
use std::path::Path;

use datarus_agent::dialect::Dialect;
use datarus_agent::executor::Namespace;

use super::{ConfigError, user_config_dir};
use crate::cli::{DialectName, EngineArgs};

/// The most of the user's instructions that a model is told, in characters.
const LONGEST: usize = 20_000;

/// How the analyst works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Analyst {
    /// How the model writes; `None` is as the model says.
    pub dialect: Option<Dialect>,
    /// What a step finds when it begins.
    pub namespace: Namespace,
    /// Whether data files are told by name and size alone.
    pub no_profile: bool,
    /// The user's standing instructions; may be empty.
    pub instructions: String,
}

impl Analyst {
    /// # Errors
    /// When the file with instructions that was named cannot be read.
    pub(super) fn resolve(args: &EngineArgs) -> Result<Self, ConfigError> {
        Ok(Self {
            dialect: args.dialect.map(Dialect::from),
            namespace: if args.stateless { Namespace::Fresh } else { Namespace::Kept },
            no_profile: args.no_profile,
            instructions: instructions(args.instructions.as_deref())?,
        })
    }
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Datarus => Self::Datarus,
            DialectName::DeepAnalyze => Self::DeepAnalyze,
            DialectName::Markdown => Self::Markdown,
        }
    }
}

/// The text of the file that is named, else of the one in the user's folder, if there is one.
fn instructions(named: Option<&Path>) -> Result<String, ConfigError> {
    let usual = user_config_dir().map(|folder| folder.join("datarus/instructions.md"));
    let Some(path) = named.or(usual.as_deref()) else { return Ok(String::new()) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().chars().take(LONGEST).collect()),
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ConfigError::Instructions { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read_from_the_file_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.md");
        std::fs::write(&file, "\nAnswer in French.\n").unwrap();
        assert_eq!(instructions(Some(&file)).unwrap(), "Answer in French.");
        let missing = instructions(Some(&folder.path().join("no.md"))).unwrap_err().to_string();
        assert!(missing.contains("name a text file with `--instructions FILE`"), "{missing}");
    }

    #[test]
    fn the_dialect_that_is_set_is_the_one_of_its_name() {
        for name in [DialectName::Datarus, DialectName::DeepAnalyze, DialectName::Markdown] {
            let args = EngineArgs { dialect: Some(name), ..EngineArgs::default() };
            let spoken = Analyst::resolve(&args).unwrap().dialect.unwrap();
            let typed = clap::ValueEnum::to_possible_value(&name).unwrap();
            assert_eq!(typed.get_name(), spoken.name());
        }
    }
}
