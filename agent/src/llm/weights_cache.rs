//! Rearranged weights on disk: written at a model's first start, mapped at later ones, and shared by kernels through
//! the system's page cache.
//!
//! There is one file for each path of a model: a [`header`], then the tiles of each matrix where [`Layout`] says. It is
//! written while the model loads, by whoever holds its [`folder::PART`] locked, and mapped for reading alone, so that
//! no process has weights in memory of its own. A thread that nobody waits for gives it its name once the disk holds
//! it, and later [seals](header::Seal) it, or compares it with its seal.
//!
//! Whatever is wrong with a file, the folder or the disk, the model does without. No content of a file does more than
//! compute other numbers. One that somebody cuts short while it is mapped ends the process, as a program's own would.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use memmap2::Mmap;
use rustix::fs::FallocateFlags;
use sha2::{Digest as _, Sha256};

use crate::llm::memory;

pub(super) mod folder;
mod header;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use header::VERSION;
use header::{Hash, Header, Seal};

/// Where rearranged weights are kept between starts, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsCache {
    /// A folder of the user's own; it is made where there is none.
    pub folder: PathBuf,
    /// All files together take at most so much; those used the longest ago give way.
    pub most_bytes: u64,
}

/// After a file was made, so many times its size must be left on the disk.
const LEFT: u64 = 2;

/// Which model a file is made of.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    name: String,
    hash: Hash,
}

impl Identity {
    /// Of the open model file that is at `path`, whose GGUF header is `header`.
    ///
    /// The system changes `ctime` with every change of a file, and lets nobody set it. Numbers of devices are left
    /// out: those of some file systems are new after each start of the machine.
    ///
    /// # Errors
    /// When the path cannot be followed.
    pub(crate) fn new(path: &Path, found: &Metadata, header: &[u8]) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        let name = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let mut hash = Sha256::new();
        for number in [found.size(), found.ino()] {
            hash.update(number.to_le_bytes());
        }
        for number in [found.ctime(), found.ctime_nsec()] {
            hash.update(number.to_le_bytes());
        }
        hash.update(Sha256::digest(header));
        Ok(Self { name: hex(&name[..16]), hash: hash.finalize().into() })
    }
}

/// Where the tiles of each matrix lie in a file.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    starts: BTreeMap<String, usize>,
    end: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { starts: BTreeMap::new(), end: header::LENGTH }
    }
}

impl Layout {
    /// Adds a matrix that takes `bytes`.
    pub(crate) fn add(&mut self, name: &str, bytes: usize) {
        // Pages, so that a matrix's own can be told apart from others'.
        let start = self.end.next_multiple_of(header::LENGTH);
        self.starts.insert(String::from(name), start);
        self.end = start + bytes;
    }
}

/// The rearranged weights of a model, on disk.
pub(crate) struct Kept {
    file: File,
    map: Arc<Mmap>,
    layout: Layout,
    path: PathBuf,
    model: Hash,
    state: State,
    /// Whether a matrix could not be written.
    is_spoilt: AtomicBool,
}

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is written while the model loads.
    Part,
    /// It was there.
    Whole(Option<Seal>),
}

/// The tiles of one matrix.
#[derive(Clone)]
pub(crate) struct Tiles {
    map: Arc<Mmap>,
    start: usize,
}

impl Tiles {
    /// Their bytes, and what follows.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.get(self.start..).unwrap_or_default()
    }
}

impl WeightsCache {
    /// The kept weights of a model, or a file to keep them in; none where that cannot be.
    pub(crate) fn open(&self, model: &Identity, layout: Layout) -> Option<Kept> {
        if layout.starts.is_empty() {
            return None;
        }
        let kept = self.find_or_make(model, layout);
        kept.inspect_err(|error| tracing::info!(%error, "weights are not kept")).ok()
    }

    fn find_or_make(&self, model: &Identity, layout: Layout) -> io::Result<Kept> {
        folder::make(&self.folder)?;
        let path = self.folder.join(&model.name).with_extension(folder::WHOLE);
        let (file, state) = Self::find(&path, model, &layout).or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::info!(%error, "kept weights are made anew");
            }
            self.make(&path, model, &layout)
        })?;
        let map = Arc::new(memory::map(&file)?);
        let is_spoilt = AtomicBool::new(false);
        Ok(Kept { file, map, layout, path, model: model.hash, state, is_spoilt })
    }

    /// The whole file that is there.
    fn find(path: &Path, model: &Identity, layout: &Layout) -> io::Result<(File, State)> {
        let file = folder::open(path, File::options().read(true).write(true))?;
        let mut page = [0; header::LENGTH];
        file.read_exact_at(&mut page, 0)?;
        let found = Header::from_bytes(&page).filter(|header| header.model == model.hash);
        let length = layout.end as u64;
        match found {
            Some(header) if header.length == length && file.metadata()?.len() == length => {
                // Of those that did not get so far, since their process was killed.
                if let Some(folder) = path.parent() {
                    folder::sweep(folder, path, u64::MAX);
                }
                // What says which files are in use; without it this one goes the sooner.
                let _ = file.set_modified(SystemTime::now());
                Ok((file, State::Whole(header.seal)))
            }
            _ => Err(io::Error::other("expected weights of this model and this version")),
        }
    }

    /// A file to write, with all its room on the disk taken: else writing might find it full.
    fn make(&self, path: &Path, model: &Identity, layout: &Layout) -> io::Result<(File, State)> {
        let length = layout.end as u64;
        let Some(others) = self.most_bytes.checked_sub(length) else {
            return Err(io::Error::other("they are larger than all that may be kept"));
        };
        folder::sweep(&self.folder, path, others);
        let file = folder::open_part(&path.with_extension(folder::PART))?;
        let disk = rustix::fs::fstatvfs(&file)?;
        let made = if disk.f_bavail.saturating_mul(disk.f_frsize) / (LEFT + 1) < length {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            let header = Header { model: model.hash, length, seal: None };
            file.set_len(0)
                .and_then(|()| file.set_len(length))
                .and_then(|()| {
                    Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length)?)
                })
                .and_then(|()| file.write_all_at(&header.to_bytes(), 0))
        };
        if made.is_err() {
            let _ = fs::remove_file(path.with_extension(folder::PART));
        }
        made.map(|()| (file, State::Part))
    }
}

impl Drop for Kept {
    /// A file without its name, as of a model that was refused, is of use to nobody.
    fn drop(&mut self) {
        if self.state == State::Part {
            let _ = fs::remove_file(self.path.with_extension(folder::PART));
        }
    }
}

impl Kept {
    /// The tiles of a matrix, and whether they are there or to be [written](Kept::write).
    pub(crate) fn tiles(&self, name: &str) -> Option<(Tiles, bool)> {
        let start = *self.layout.starts.get(name)?;
        Some((Tiles { map: Arc::clone(&self.map), start }, self.state != State::Part))
    }

    /// Writes tiles of a matrix from the byte `at` on.
    ///
    /// # Errors
    /// When the disk fails; the file will not be kept.
    pub(crate) fn write(&self, tiles: &Tiles, at: usize, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all_at(bytes, (tiles.start + at) as u64);
        written.inspect_err(|_| self.spoil())
    }

    /// Sees to it that the file is not kept: some of it was not written.
    pub(crate) fn spoil(&self) {
        self.is_spoilt.store(true, Ordering::Relaxed);
    }

    /// The hash of the model's file, where it is known.
    pub(crate) fn hash_of_model(&self) -> Option<Hash> {
        match self.state {
            State::Whole(seal) => seal.map(|seal| seal.file),
            State::Part => None,
        }
    }

    /// Gives a file that was written its name, once the disk holds all of it.
    ///
    /// # Errors
    /// When the disk fails, or did before; the file is gone then.
    pub(crate) fn put_in_place(&mut self) -> io::Result<()> {
        if self.state != State::Part {
            return Ok(());
        }
        let part = self.path.with_extension(folder::PART);
        let written = if self.is_spoilt.load(Ordering::Relaxed) {
            Err(io::Error::other("it could not be written"))
        } else {
            self.file.sync_data().and_then(|()| fs::rename(&part, &self.path))
        };
        if written.is_err() {
            let _ = fs::remove_file(part);
        }
        self.state = State::Whole(None);
        written
    }

    /// Reads all of it: to seal it where that was not done, `file` being the hash of the model's file, else to find
    /// out whether it is what was sealed. What is damaged is removed, and made anew at the next start.
    ///
    /// # Errors
    /// When it is damaged, or cannot be sealed.
    pub(crate) fn seal_or_verify(&mut self, file: Hash) -> io::Result<()> {
        let tiles = self.map.get(header::LENGTH..).unwrap_or_default();
        let tiles: Hash = Sha256::digest(tiles).into();
        match self.state {
            State::Whole(Some(seal)) if seal.tiles != tiles => {
                let _ = fs::remove_file(&self.path);
                Err(io::Error::other(
                    "kept weights were damaged, and are made anew at the next start",
                ))
            }
            State::Whole(Some(_)) | State::Part => Ok(()),
            State::Whole(None) => {
                let seal = Some(Seal { file, tiles });
                let header = Header { model: self.model, length: self.layout.end as u64, seal };
                self.file.write_all_at(&header.to_bytes(), 0)?;
                self.state = State::Whole(seal);
                Ok(())
            }
        }
    }
}

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
