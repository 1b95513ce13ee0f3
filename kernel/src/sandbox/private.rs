//! What a companion in a sandbox has for itself: a folder for temporary files, a home, and its history.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::Settings;
use crate::cells::hex;

/// Folders of a home that programs write to; the companion has its own of each.
pub(super) const OF_HOME: &[&str] = &[".cache", ".config", ".local", ".ipython"];

/// Larger files are not copied into the private home, in bytes.
const LARGEST: u64 = 4 << 20;

/// The private folders, removed when this is dropped; the history stays.
#[derive(Debug)]
pub(crate) struct Private {
    folder: TempDir,
    user_home: PathBuf,
    history: Option<PathBuf>,
}

impl Private {
    /// Makes the folders, with the user's own settings of IPython and matplotlib in them.
    ///
    /// # Errors
    /// One sentence, when the disk refuses.
    pub(crate) fn create(settings: &Settings, workspace: &Path) -> Result<Private, String> {
        let made = || -> io::Result<Private> {
            let folder = tempfile::Builder::new()
                .prefix("datarus-private-")
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(real_temporary_folder())?;
            let history = settings.history.as_ref().map(|all| all.join(name_of(workspace)));
            let private = Private { folder, user_home: user_home(), history };
            fs::create_dir(private.temporary())?;
            fs::create_dir(private.nothing())?;
            for name in OF_HOME {
                fs::create_dir_all(private.home().join(name))?;
            }
            if let Some(history) = &private.history {
                fs::create_dir_all(history)?;
                fs::set_permissions(history, Permissions::from_mode(0o700))?;
            }
            private.copy_settings();
            Ok(private)
        };
        made().map_err(|error| format!("cannot make the companion's private folder: {error}"))
    }

    /// All of it, but the history.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// For temporary files.
    pub(super) fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// The home.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// An empty folder, which stands for those that are hidden.
    pub(super) fn nothing(&self) -> PathBuf {
        self.folder.path().join("nothing")
    }

    /// The user's own home, which the companion does not see but for what is granted in it.
    pub(super) fn user_home(&self) -> &Path {
        &self.user_home
    }

    /// The folder of the history, if it is kept.
    pub(super) fn history(&self) -> Option<&Path> {
        self.history.as_deref()
    }

    /// What tells ipykernel where its history is.
    pub(crate) fn history_argument(&self) -> Option<String> {
        let file = self.history.as_ref()?.join("history.sqlite");
        Some(format!("--HistoryManager.hist_file={}", file.display()))
    }

    /// Copies what IPython and matplotlib read at their start. The list of fonts takes matplotlib seconds to make.
    /// Copies, not links: what a cell writes to them ends with the session.
    fn copy_settings(&self) {
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let of_home =
            |name: &str, usual: &str| set(name).unwrap_or_else(|| self.user_home.join(usual));
        let ipython = set("IPYTHONDIR").unwrap_or_else(|| self.user_home.join(".ipython"));
        let profile = Path::new("profile_default");
        let own = self.home().join(".ipython").join(profile);
        copy(&ipython.join(profile), &own, |name| {
            matches!(name, "ipython_config.py" | "ipython_kernel_config.py")
        });
        copy(&ipython.join(profile).join("startup"), &own.join("startup"), |_| true);
        let caches = of_home("XDG_CACHE_HOME", ".cache");
        let named = set("MPLCONFIGDIR");
        let places = [
            Some(caches.join("datarus/matplotlib")),
            Some(caches.join("matplotlib")),
            Some(of_home("XDG_CONFIG_HOME", ".config").join("matplotlib")),
            named,
        ];
        for place in places.into_iter().flatten() {
            copy(&place, &self.home().join(".cache/matplotlib"), |name| {
                name.starts_with("fontlist-")
            });
            copy(&place, &self.home().join(".config/matplotlib"), |name| name == "matplotlibrc");
        }
    }
}

/// The user's own home.
pub(super) fn user_home() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    home.filter(|home| home.is_absolute()).unwrap_or_else(|| PathBuf::from("/nonexistent"))
}

/// Copies files of one folder whose names fit. What cannot be copied is done without.
fn copy(from: &Path, to: &Path, fits: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let small = fs::metadata(entry.path())
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST);
        if small && fits(&entry.file_name().to_string_lossy()) && fs::create_dir_all(to).is_ok() {
            let _ = fs::copy(entry.path(), to.join(entry.file_name()));
        }
    }
}

/// A name for a workspace's folder of history.
fn name_of(workspace: &Path) -> String {
    let hash = Sha256::digest(workspace.as_os_str().as_encoded_bytes());
    hex(&hash).chars().take(16).collect()
}

fn real_temporary_folder() -> PathBuf {
    let folder = std::env::temp_dir();
    fs::canonicalize(&folder).unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_folders_are_private_and_go_but_the_history_stays() {
        let state = tempfile::tempdir().unwrap();
        let settings = Settings { history: Some(state.path().into()), ..Settings::default() };
        let private = Private::create(&settings, Path::new("/some/workspace")).unwrap();
        let path = private.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let history = private.history().unwrap().to_owned();
        assert!(private.history_argument().unwrap().ends_with("/history.sqlite"));
        drop(private);
        assert!(!path.exists() && history.exists());
        let other = Private::create(&settings, Path::new("/other")).unwrap();
        assert_ne!(other.history().unwrap(), history, "each workspace has its own");
    }
}
