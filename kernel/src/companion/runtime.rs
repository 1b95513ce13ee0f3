//! The private folder of a companion: its sockets, its connection file, its Python files.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::connection::{ConnectionError, ConnectionInfo};
use crate::database::Database;

const LAUNCH: &str = include_str!("launch.py");
const INSIDE: &str = include_str!("inside.py");
const DATABASES: &str = include_str!("databases.py");
const FIGURES: &str = include_str!("figures.py");
const FORWARD: &str = include_str!("forward.py");
const PACKING: &str = include_str!("packing.py");
const STREAMS: &str = include_str!("streams.py");

/// What describes data files, as a package of its own.
const PROFILE: [(&str, &str); 12] = [
    ("__init__.py", include_str!("profile/__init__.py")),
    ("archive.py", include_str!("profile/archive.py")),
    ("child.py", include_str!("profile/child.py")),
    ("columns.py", include_str!("profile/columns.py")),
    ("databases.py", include_str!("profile/databases.py")),
    ("formats.py", include_str!("profile/formats.py")),
    ("lines.py", include_str!("profile/lines.py")),
    ("markup.py", include_str!("profile/markup.py")),
    ("servers.py", include_str!("profile/servers.py")),
    ("tables.py", include_str!("profile/tables.py")),
    ("text.py", include_str!("profile/text.py")),
    ("trees.py", include_str!("profile/trees.py")),
];

/// The files of the module `datarus_companion`, by their paths in it.
pub(super) fn module_files() -> impl Iterator<Item = (String, &'static str)> {
    let plain = [
        ("__init__.py", INSIDE),
        ("databases.py", DATABASES),
        ("figures.py", FIGURES),
        ("packing.py", PACKING),
        ("streams.py", STREAMS),
        ("forward.py", FORWARD),
    ];
    let profile = PROFILE.into_iter().map(|(name, text)| (format!("profile/{name}"), text));
    plain.into_iter().map(|(name, text)| (name.to_owned(), text)).chain(profile)
}

/// Longest folder whose socket files keep to the 103 bytes of macOS (107 of Linux).
const LONGEST_FOLDER: usize = 72;

/// Why the folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum RuntimeError {
    /// The file system refuses.
    #[error("cannot make the companion's runtime folder: {0}")]
    Io(#[from] io::Error),
    /// The connection file cannot be made.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// A folder of mode 0700 that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct RuntimeFolder {
    folder: TempDir,
    /// Where the companion's sockets are.
    pub(super) connection: ConnectionInfo,
}

impl RuntimeFolder {
    /// Makes the folder and all that the companion needs in it, names of `databases` included, and nothing secret.
    pub(super) fn create(databases: &[Database]) -> Result<RuntimeFolder, RuntimeError> {
        let folder = tempfile::Builder::new()
            .prefix("datarus-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(base_folder())?;
        let connection = ConnectionInfo::new_ipc(folder.path())?.without_key();
        connection.write(&folder.path().join("connection.json"))?;
        fs::write(folder.path().join("launch.py"), LAUNCH)?;
        let module = folder.path().join("datarus_companion");
        fs::create_dir_all(module.join("profile"))?;
        fs::write(module.join("databases.json"), described(databases, folder.path()).to_string())?;
        for (name, text) in module_files() {
            fs::write(module.join(name), text)?;
        }
        Ok(RuntimeFolder { folder, connection })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The socket of the gate to a database. Its name is the one that libpq looks for, which makes it of a folder and a port.
pub(super) fn database_socket(runtime: &Path, at: usize) -> PathBuf {
    runtime.join(format!(".s.PGSQL.{}", at + 1))
}

/// What Python is told of databases.
fn described(databases: &[Database], runtime: &Path) -> Value {
    let described = databases.iter().enumerate().map(|(at, database)| {
        let socket = database_socket(runtime, at);
        json!({
            "name": database.name,
            "dialect": database.dialect,
            "writable": database.writable,
            "socket": socket,
            "port": at + 1,
        })
    });
    described.collect()
}

/// The user's own runtime folder where there is one, since the sockets in it end with the login.
fn base_folder() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .into_iter()
        .chain([std::env::temp_dir()])
        .find(|folder| folder.is_dir() && folder.as_os_str().len() <= LONGEST_FOLDER)
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_short_and_removed() {
        let runtime = RuntimeFolder::create(&[]).unwrap();
        let path = runtime.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(runtime.connection.endpoint(crate::connection::Channel::IoPub).len() < 113);
        drop(runtime);
        assert!(!path.exists());
    }
}
