//! Which databases cells get: those that are named, else all of the user's own file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{ConfigError, user_config_dir};
use crate::cli::EngineArgs;
use crate::database::{Database, Typed};

/// The databases that the command line names. Where cells run elsewhere there are none: they are reached through sockets
/// of this machine.
///
/// # Errors
/// When one cannot be read, or one is named for cells that run elsewhere.
pub(super) fn named(args: &EngineArgs) -> Result<Vec<Database>, ConfigError> {
    match (&args.companion, args.database.as_slice()) {
        (None, typed) => databases(typed),
        (Some(_), []) => Ok(Vec::new()),
        (Some(_), _) => Err(ConfigError::Database(String::from(
            "cells that run elsewhere (`--companion`) cannot reach databases of this machine: leave one of the two out",
        ))),
    }
}

/// The databases that `typed` names, by a connection string of its own or by that of the user's file. Where nothing is
/// named, all of that file.
///
/// # Errors
/// When one cannot be read. No error holds a connection string.
pub(super) fn databases(typed: &[Typed]) -> Result<Vec<Database>, ConfigError> {
    let path = user_config_dir().map(|folder| folder.join("datarus/databases"));
    let kept = path.as_deref().map(read_file).transpose()?.unwrap_or_default();
    let unread = ConfigError::Database;
    if typed.iter().all(|typed| typed.parts().0.is_empty()) {
        let read = kept.iter().map(|(name, url)| Database::read(name, url));
        return read.collect::<Result<_, _>>().map_err(unread);
    }
    let mut databases: Vec<Database> = Vec::new();
    for typed in typed {
        let (name, url) = typed.parts();
        let kept = kept.iter().find(|(kept, _)| kept == name).map(|(_, url)| url.as_str());
        let url = url.or(kept).ok_or_else(|| unread(not_kept(name, path.as_ref())))?;
        let database = Database::read(name, url).map_err(unread)?;
        databases.retain(|other| other.name != database.name);
        databases.push(database);
    }
    Ok(databases)
}

/// What is said of a name that stands nowhere. Whoever forgets the name may have typed the string alone.
fn not_kept(name: &str, path: Option<&PathBuf>) -> String {
    if !crate::database::is_name(name) {
        return String::from(
            "expected `--database NAME=URL` with a name that a variable of Python can have",
        );
    }
    let file = path.map(|path| path.display().to_string()).unwrap_or_default();
    format!(
        "no database `{name}` in `{file}`: write a line `{name} = postgresql://…` there, or name it as `{name}=URL`"
    )
}

/// Lines `name = url`; what begins with `#` is a remark.
fn read_file(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let wrong = |problem: String| ConfigError::Database(format!("`{}`: {problem}", path.display()));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(wrong(source.to_string())),
    };
    if others_may_read(path) {
        let said = "others can read it: `chmod 600` makes it yours alone";
        return Err(wrong(said.to_owned()));
    }
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    told.map(|(number, line)| {
        let (name, url) = line
            .split_once('=')
            .ok_or_else(|| wrong(format!("expected `name = url` in line {number}")))?;
        Ok((name.trim().to_owned(), url.trim().to_owned()))
    })
    .collect()
}

fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_databases_is_read_if_it_is_the_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("databases");
        assert!(read_file(&path).unwrap().is_empty());
        std::fs::write(&path, "# mine\n\n sales = mysql://me:a=b@h/d \n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o600);
        assert_eq!(read_file(&path).unwrap(), [("sales".into(), "mysql://me:a=b@h/d".into())]);
        mode(0o640);
        assert!(read_file(&path).unwrap_err().to_string().contains("chmod 600"));
        mode(0o600);
        std::fs::write(&path, "mysql://me:hunter2@h/d").unwrap();
        let said = read_file(&path).unwrap_err().to_string();
        assert!(said.contains("in line 1") && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_string_without_a_name_is_refused_and_not_shown() {
        for text in ["postgresql://me:hunter2@h/d", "mysql://me:hunter2@h/d?write=on"] {
            let said = databases(&[text.parse().unwrap()]).unwrap_err().to_string();
            assert!(said.contains("NAME=URL") && !said.contains("hunter2"), "{said}");
        }
    }
}
