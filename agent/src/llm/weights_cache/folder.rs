//! Folders for what is kept between starts, rearranged weights and KV-caches: the user's own, where nobody else writes.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

/// The ending of a file's name.
pub(super) const WHOLE: &str = "weights";
/// That of one that is being written.
pub(super) const PART: &str = "part";

/// Makes the folder where there is none.
///
/// # Errors
/// When it cannot be made, or somebody else could write there.
pub(in crate::llm) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && is_private(&found) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "expected `{}` to be a folder of yours that nobody else writes to: `chmod 700` it, or remove it",
        folder.display()
    )))
}

fn is_private(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}

/// Opens a file of the folder, not what a link leads to.
///
/// # Errors
/// When it is not there, or no file of the user's that nobody else writes to.
pub(in crate::llm) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Nor may it wait for somebody to write into what is no file.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)?;
    let found = file.metadata()?;
    if found.is_file() && is_private(&found) {
        return Ok(file);
    }
    Err(io::Error::other("expected a file of yours that nobody else writes to"))
}

/// Opens the file that is to be written, and locks it until it is closed.
///
/// # Errors
/// When somebody else writes it now.
pub(super) fn open_part(path: &Path) -> io::Result<File> {
    let file = open(path, File::options().read(true).write(true).create(true).truncate(false))?;
    file.try_lock()?;
    // Who held it before may have given it its name meanwhile.
    let (own, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    if (own.dev(), own.ino()) == (there.dev(), there.ino()) {
        return Ok(file);
    }
    Err(io::Error::from(io::ErrorKind::WouldBlock))
}

/// Removes what dead processes left half done, and of whole files but that at `own` those that were used the longest
/// ago, until the rest takes at most `most` bytes.
pub(super) fn sweep(folder: &Path, own: &Path, most: u64) {
    let paths = || fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let ends = |path: &PathBuf, ending: &str| path.extension().is_some_and(|found| found == ending);
    for path in paths().filter(|path| ends(path, PART)) {
        // Whoever writes it holds it locked.
        if let Ok(held) = open_part(&path) {
            let _ = fs::remove_file(&path);
            drop(held);
        }
    }
    let used = |found: &Metadata| found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let whole = paths().filter(|path| ends(path, WHOLE) && path != own);
    let mut whole: Vec<_> = whole
        .filter_map(|path| Some((fs::symlink_metadata(&path).ok()?, path)))
        .map(|(found, path)| (used(&found), found.len(), path))
        .collect();
    whole.sort();
    let mut sum: u64 = whole.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in whole {
        if sum <= most {
            break;
        }
        // A kernel that has it mapped keeps what it has.
        if fs::remove_file(&path).is_ok() {
            sum -= length;
        }
    }
}
