//! What a companion in a sandbox has for itself: a folder for temporary files, a home, and its history.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::Settings;
use crate::cells::hex;
use crate::disk::open_regular;

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

    fn fonts(&self) -> PathBuf {
        self.home().join(".cache/matplotlib")
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
        copy(&ipython.join(profile), Owner::User, &own, |name| {
            matches!(name, "ipython_config.py" | "ipython_kernel_config.py")
        });
        copy(&ipython.join(profile).join("startup"), Owner::User, &own.join("startup"), |_| true);
        let caches = of_home("XDG_CACHE_HOME", ".cache");
        let named = set("MPLCONFIGDIR");
        let places = [
            Some(caches.join("datarus/matplotlib")),
            Some(caches.join("matplotlib")),
            Some(of_home("XDG_CONFIG_HOME", ".config").join("matplotlib")),
            named,
        ];
        for place in places.into_iter().flatten() {
            copy(&place, Owner::User, &self.fonts(), is_font_list);
            let settings = self.home().join(".config/matplotlib");
            copy(&place, Owner::User, &settings, |name| name == "matplotlibrc");
        }
        if let Some(history) = &self.history {
            copy(history, Owner::Cells, &self.fonts(), is_font_list);
        }
    }
}

/// The user's own home.
pub(super) fn user_home() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    home.filter(|home| home.is_absolute()).unwrap_or_else(|| PathBuf::from("/nonexistent"))
}

/// A list of fonts that was made in a session serves the next one of the same workspace, no other: a cell may have
/// written it.
impl Drop for Private {
    fn drop(&mut self) {
        if let Some(history) = &self.history {
            copy(&self.fonts(), Owner::Cells, history, is_font_list);
        }
    }
}

fn is_font_list(name: &str) -> bool {
    name.starts_with("fontlist-")
}

/// Whose a folder is: in the user's own a link is followed. One that a cell may have made would lead to any file of the
/// user's, and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    User,
    Cells,
}

/// Copies files of one folder whose names fit. What cannot be copied is done without.
fn copy(from: &Path, owner: Owner, to: &Path, fits: impl Fn(&str) -> bool) {
    let names = fs::read_dir(from).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in names.filter(|name| fits(&name.to_string_lossy())) {
        // Neither must the file that is written be one that a link leads to.
        let _ = read(&from.join(&name), owner).and_then(|bytes| {
            fs::create_dir_all(to)?;
            let mut file = fs::File::create_new(to.join(&name))?;
            file.write_all(&bytes)
        });
    }
}

fn read(path: &Path, owner: Owner) -> io::Result<Vec<u8>> {
    let file = open_regular(
        path,
        match owner {
            Owner::User => OFlags::empty(),
            Owner::Cells => OFlags::NOFOLLOW,
        },
    )?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    let small = u64::try_from(bytes.len()).is_ok_and(|size| size <= LARGEST);
    if small { Ok(bytes) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

/// A name for what belongs to a path, such as a workspace's folder of history.
pub(super) fn name_of(workspace: &Path) -> String {
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

    #[test]
    fn a_list_of_fonts_stays_for_the_next_session_and_a_link_of_a_cell_is_not_followed() {
        let state = tempfile::tempdir().unwrap();
        let secret = state.path().join("secret");
        fs::write(&secret, "the secret").unwrap();
        let settings = Settings { history: Some(state.path().into()), ..Settings::default() };
        let create = || Private::create(&settings, Path::new("/some/workspace")).unwrap();
        let private = create();
        let (fonts, history) = (private.fonts(), private.history().unwrap().to_owned());
        fs::create_dir_all(&fonts).unwrap();
        fs::write(fonts.join("fontlist-1.json"), "{}").unwrap();
        std::os::unix::fs::symlink(&secret, fonts.join("fontlist-2.json")).unwrap();
        let made = state.path().join("made");
        fs::write(fonts.join("fontlist-3.json"), "{}").unwrap();
        std::os::unix::fs::symlink(&made, history.join("fontlist-3.json")).unwrap();
        std::os::unix::fs::symlink(&secret, history.join("fontlist-4.json")).unwrap();
        drop(private);
        assert!(
            history.join("fontlist-1.json").exists() && !history.join("fontlist-2.json").exists()
        );
        assert!(!made.exists(), "a link that leads to no file makes none");
        let next = create();
        let fonts = next.fonts();
        assert!(fonts.join("fontlist-1.json").exists() && !fonts.join("fontlist-4.json").exists());
    }
}
