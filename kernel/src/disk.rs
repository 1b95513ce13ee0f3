//! Files that are written whole or not at all, and never over what somebody else wrote meanwhile.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::cells::hex;

/// What a file was when it was looked at: the hash of its bytes, or that there was none.
///
/// Not its time: tools touch files that they do not change, and two changes may bear one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(Option<[u8; 32]>);

impl Seen {
    /// No file.
    pub const NOTHING: Seen = Seen(None);

    /// What is there now.
    ///
    /// # Errors
    /// When there is something that cannot be read.
    pub fn now(path: &Path) -> io::Result<Seen> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Seen::of(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen(None)),
            Err(error) => Err(error),
        }
    }

    /// A file of these bytes.
    pub fn of(bytes: &[u8]) -> Seen {
        Seen(Some(Sha256::digest(bytes).into()))
    }
}

/// Why a file was not written. What was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what it was any more.
    #[error("somebody else has changed it meanwhile")]
    Changed,
}

/// Writes a file in one step: a temporary file beside it, flushed to the disk, then put in its place. A link is
/// followed; the permissions of a file that exists are kept. With `seen`, only if it is still what it was.
///
/// # Errors
/// When the folder cannot be written to, or the file has changed.
pub fn write(path: &Path, bytes: &[u8], seen: Option<Seen>) -> Result<(), WriteError> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let fresh = temporary(&target, bytes)?;
    match seen {
        None => drop(fresh.persist(&target).map_err(|error| error.error)?),
        Some(Seen(None)) => put_first(fresh, &target)?,
        Some(seen) => exchange(fresh, Seen::of(bytes), &target, seen)?,
    }
    File::open(folder_of(&target))?.sync_all()?;
    Ok(())
}

/// Writes a file in one step into an open folder that cells may write to as well: what bears its name gives way, and a
/// link is replaced, never followed.
///
/// # Errors
/// When the folder cannot be written to, or a folder bears the name.
pub(crate) fn put_inside(folder: impl AsFd, name: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = format!(".{}.datarus", uuid::Uuid::new_v4().simple());
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file: File = openat(&folder, &fresh, new, Mode::from_raw_mode(0o666))?.into();
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| Ok(renameat(&folder, &fresh, &folder, name)?));
    if placed.is_err() {
        // It is ours, and of no use.
        let _ = unlinkat(&folder, &fresh, AtFlags::empty());
    }
    placed
}

/// Opens a folder below an open one, made if it is not there; not through a link.
///
/// # Errors
/// When something else bears its name, a link also.
pub(crate) fn folder_inside(folder: impl AsFd, name: &Path) -> io::Result<OwnedFd> {
    match mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let into = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(&folder, name, into, Mode::empty())?)
}

/// The SHA-256 of a file, lower-case hex; it is read piece by piece.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(block.get(..count).unwrap_or_default()),
        }
    }
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file beside `target` with its permissions, on the disk.
fn temporary(target: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let permissions = std::fs::metadata(target).ok().map(|metadata| metadata.permissions());
    let fresh: Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".datarus-").permissions(permissions.clone().unwrap_or(fresh));
    let mut file = builder.tempfile_in(folder_of(target))?;
    if let Some(permissions) = permissions {
        // Creation masks the bits, this does not.
        file.as_file().set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Where there was no file, there must be none.
fn put_first(fresh: NamedTempFile, target: &Path) -> Result<(), WriteError> {
    match fresh.persist_noclobber(target) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(WriteError::Changed)
        }
        Err(error) => Err(error.error.into()),
    }
}

/// The two files change places, and only then is looked at what was there: between a look and a rename another writer
/// would have time.
fn exchange(fresh: NamedTempFile, ours: Seen, target: &Path, seen: Seen) -> Result<(), WriteError> {
    if Seen::now(target)? != seen {
        return Err(WriteError::Changed);
    }
    if swap(fresh.path(), target).is_err() {
        // A file system that cannot.
        fresh.persist(target).map_err(|error| error.error)?;
        return Ok(());
    }
    if Seen::now(fresh.path())? == seen {
        return Ok(());
    }
    swap(fresh.path(), target)?;
    if Seen::now(fresh.path())? != ours {
        // A third writer came between the two: what it wrote must not go with our temporary file.
        fresh.keep().map_err(|error| error.error)?;
    }
    Err(WriteError::Changed)
}

#[cfg(target_os = "linux")]
fn swap(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn swap(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes a folder that other users cannot look into, and those that it stands in.
///
/// # Errors
/// When the system refuses.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Opens a file to read it, with flags for how: [`OFlags::NOFOLLOW`] where a cell may have made a link of it.
///
/// # Errors
/// When it cannot be opened, or is none: nobody waits here for what another may write into a pipe.
pub(crate) fn open_regular(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Writes a file where it was asked for, or else where it is safe, see [`Kept`]: to `draft`, or under a name of its own
/// among temporary files, where others could have laid a link under any name that they know.
///
/// # Errors
/// When it cannot be written anywhere.
pub(crate) fn write_somewhere(
    path: &Path,
    bytes: &[u8],
    seen: Option<Seen>,
    draft: Option<&Path>,
) -> Result<Kept, WriteError> {
    let Err(why) = write(path, bytes, seen) else { return Ok(Kept::There) };
    let drafted = draft.and_then(|draft| {
        private_folder(folder_of(draft)).ok()?;
        write(draft, bytes, None).is_ok().then(|| draft.to_owned())
    });
    match drafted.map_or_else(|| write_aside(path, bytes), Ok) {
        Ok(path) => Ok(Kept::Elsewhere { path, why: why.to_string() }),
        Err(_) => Err(why),
    }
}

fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(&format!("{name}-")).suffix(".ipynb").tempfile()?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file.keep()?.1)
}

/// Where a file was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Where it was asked for.
    There,
    /// Somewhere safe.
    Elsewhere {
        /// Where.
        path: PathBuf,
        /// Why not where it was asked for.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_hashed_as_sha256sum_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "abc").unwrap();
        assert_eq!(
            sha256(&file).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_permissions_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for seen in [None, Some(Seen::of(b"new"))] {
            write(&link, b"new", seen).unwrap();
            assert!(link.is_symlink());
            assert_eq!(std::fs::read(&file).unwrap(), b"new");
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o664);
            assert_eq!(names(folder.path()), ["a", "b"], "no temporary file stays");
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let check = |seen: Seen, theirs: &str| {
            std::fs::write(&file, theirs).unwrap();
            let refused = write(&file, b"ours", Some(seen)).unwrap_err();
            assert!(matches!(refused, WriteError::Changed), "{refused}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs);
            assert_eq!(names(folder.path()), ["a"]);
        };
        check(Seen::now(&file).unwrap(), "new");
        check(Seen::of(b"old"), "new");
        write(&file, b"ours", Some(Seen::of(b"new"))).unwrap();
        std::fs::remove_file(&file).unwrap();
        let gone = write(&file, b"ours", Some(Seen::of(b"ours")));
        assert!(matches!(gone, Err(WriteError::Changed)), "{gone:?}");
    }

    // Elsewhere files cannot change places, and there is a moment between look and rename.
    #[test]
    #[cfg(target_os = "linux")]
    fn of_two_writers_at_once_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "0").unwrap();
        // Each counts up by one, and again when it is told that somebody else did.
        let count = || {
            for _ in 0..40 {
                loop {
                    let text = std::fs::read_to_string(&file).unwrap();
                    let next = (text.parse::<u32>().unwrap() + 1).to_string();
                    match write(&file, next.as_bytes(), Some(Seen::of(text.as_bytes()))) {
                        Ok(()) => break,
                        Err(WriteError::Changed) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(count);
            scope.spawn(count);
        });
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "80");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn what_cannot_be_written_is_written_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let safe = folder.path().join("deep/er/a");
        // Nobody can make a file there, not even root.
        let there = Path::new("/proc/self/a");
        let elsewhere = |draft: &Path| match write_somewhere(there, b"1", None, Some(draft)) {
            Ok(Kept::Elsewhere { path, why }) if !why.is_empty() => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(elsewhere(&safe), safe);
        assert_eq!(std::fs::read(&safe).unwrap(), b"1");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(safe.parent().unwrap()), 0o700);
        let aside = elsewhere(Path::new("/proc/b/draft"));
        assert_eq!((std::fs::read(&aside).unwrap(), mode(&aside)), (b"1".to_vec(), 0o600));
        std::fs::remove_file(aside).unwrap();
        let file = folder.path().join("a");
        assert_eq!(write_somewhere(&file, b"1", None, Some(&safe)).unwrap(), Kept::There);
    }
}
