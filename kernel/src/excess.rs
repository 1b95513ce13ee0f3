//! Text that is not shown, kept in files under the user's state folder.
//!
//! Keeping it must never fill a disk: a file ends where space becomes scarce, and old ones give way.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::disk::private_folder;

/// How large one file may become, in bytes.
const MAX_FILE: u64 = 2 << 30;

/// How much all older files may take when a new one is begun.
const MAX_OLD: u64 = 2 << 30;

/// How many older files are kept.
const MAX_FILES: usize = 50;

/// How much space of the disk is left to others.
const MIN_FREE: u64 = 256 << 20;

/// After so many bytes the disk is looked at again.
const LOOK: u64 = 16 << 20;

/// The text of one stream of one cell that is not shown.
#[derive(Debug)]
pub(crate) struct Excess {
    path: PathBuf,
    file: File,
    written: u64,
    looked_at: u64,
    /// Why nothing more is written.
    ended: Option<String>,
}

impl Excess {
    /// Begins a file in `folder`, which is made when it is needed. `name` says whose text it is.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub(crate) fn begin(folder: &Path, name: &str) -> io::Result<Excess> {
        private_folder(folder)?;
        prune(folder)?;
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%6f");
        let path = folder.join(format!("{now}-{name}.txt"));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Excess { path, file, written: 0, looked_at: 0, ended: enough_space(folder).err() })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a text.
    pub(crate) fn write(&mut self, text: &str) {
        if self.ended.is_none() {
            self.ended = self.try_write(text).err();
        }
    }

    /// Why not all could be written.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    fn try_write(&mut self, text: &str) -> Result<(), String> {
        if self.written + text.len() as u64 > MAX_FILE {
            return Err(format!("its file would be larger than {} GiB", MAX_FILE >> 30));
        }
        if self.written - self.looked_at > LOOK {
            enough_space(self.path.parent().unwrap_or(Path::new(".")))?;
            self.looked_at = self.written;
        }
        self.file.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
        self.written += text.len() as u64;
        Ok(())
    }
}

fn enough_space(folder: &Path) -> Result<(), String> {
    // What cannot be asked is found out by writing.
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let scarce = || format!("the disk has only {} MiB left", free >> 20);
    if free >= MIN_FREE { Ok(()) } else { Err(scarce()) }
}

/// Removes the oldest files; their names begin with the time.
fn prune(folder: &Path) -> io::Result<()> {
    let entries = std::fs::read_dir(folder)?.flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.len())))
        .collect();
    files.sort();
    let mut size: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let mut count = files.len();
    for (name, bytes) in files {
        if size <= MAX_OLD && count < MAX_FILES {
            break;
        }
        std::fs::remove_file(folder.join(name))?;
        (size, count) = (size - bytes, count - 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_holds_all_that_was_written() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("output");
        let mut excess = Excess::begin(&folder, "stdout").unwrap();
        excess.write("a");
        excess.write("b\n");
        assert_eq!(std::fs::read_to_string(excess.path()).unwrap(), "ab\n");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(excess.path())), (0o700, 0o600));
        assert_eq!(excess.lost(), None);
    }

    #[test]
    fn old_files_give_way() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..MAX_FILES + 5)
            .map(|_| Excess::begin(folder.path(), "stdout").unwrap().path().to_owned())
            .collect();
        assert!(!names[0].exists() && names[names.len() - 1].exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), MAX_FILES);
    }

    #[test]
    fn a_file_that_cannot_be_written_says_so() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (path, ended) = (PathBuf::from("/dev/full"), None);
        let mut excess = Excess { path, file: full, written: 0, looked_at: 0, ended };
        excess.write("a");
        excess.write("b");
        assert!(excess.lost().unwrap().contains("No space left"), "{:?}", excess.lost());
    }
}
