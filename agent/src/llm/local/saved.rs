//! KV-caches that outlive the process: a notebook whose kernel was restarted does not compute its beginning again.
//!
//! No notebook is named. A chat that begins like a saved one takes it up, whatever it belongs to, and what goes on from
//! most of a file is saved in its place.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use candle_core::Device;
use sha2::{Digest as _, Sha256};

use super::LocalModel;
use super::generation::{common, require_room};
use crate::llm::Interrupt;
use crate::llm::config::Config;
use crate::llm::device;
use crate::llm::kv_cache::KvCache;
use crate::llm::packed;
use crate::llm::weights_cache::folder;

mod file;

#[cfg(test)]
mod tests;

use file::Saved;

/// How a file's name ends.
const ENDING: &str = "kv";

/// How the name of a file that is being written ends.
const UNFINISHED: &str = "kv-new";

/// An unfinished file of this age was left behind by a process that ended.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Tokens that a file does not hold yet, for which it is written anew.
const WORTH_WRITING: usize = 128;

/// Space of the disk that is left to others, in bytes.
const MIN_FREE: u64 = 1 << 30;

/// How much of the beginning and of the end of a model file tells it from others, in bytes.
const TELLING: u64 = 1 << 20;

/// Which model, which version of this program, and how this machine computes: a hash.
type ModelId = [u8; 32];

/// Where KV-caches are saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// A folder for them alone; it is made when it is needed, for its owner's eyes only.
    pub folder: PathBuf,
    /// How many bytes all of them may take; those used longest ago go first.
    pub max_bytes: u64,
    /// A shorter one is computed sooner than it is worth a file.
    pub min_tokens: usize,
}

/// The saved caches of one model, and which of them is this process's.
pub(super) struct Keeper {
    shelf: Shelf,
    model: ModelId,
    /// The file of this process.
    own: PathBuf,
    /// The tokens that it holds.
    held: Vec<u32>,
    /// Tokens at the beginning of the cache that were restored since the last completion.
    n_restored: usize,
}

impl LocalModel {
    /// From now on saves its KV-cache when it [rests](crate::llm::Model::rest), and takes up saved ones. `path` is what
    /// it was loaded from.
    #[must_use]
    pub fn saving(mut self, place: Shelf, path: &Path) -> Self {
        self.keeper = model_id(path, self.model.device(), self.model.config())
            .map(|model| Keeper::new(place, model))
            .inspect_err(|error| tracing::warn!(%error, "cannot save KV-caches"))
            .ok();
        self
    }

    /// Fills an empty cache with the saved one that has most in common with `sequence`.
    pub(super) fn restore(&mut self, sequence: &[u32]) {
        let config = self.model.config();
        let Some(keeper) = self.keeper.as_mut().filter(|_| self.cache.len() == 0) else { return };
        let Some((path, saved, n_tokens)) = keeper.best(sequence, config) else { return };
        let room = require_room(&self.model, &self.cache, n_tokens).is_ok()
            && self.cache.reserve(n_tokens, config.n_layers).is_ok();
        if !room {
            return;
        }
        match saved.restore(n_tokens, config, &mut self.cache) {
            Ok(()) => keeper.took(&path, n_tokens),
            Err(error) => {
                remove_damaged(&path, &error);
                self.cache = KvCache::new(config, self.model.device());
            }
        }
    }

    /// Saves the cache, unless the interrupt is set meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn save(&mut self, interrupt: &Interrupt) -> io::Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        keeper.save(&self.cache, self.model.config(), interrupt)
    }
}

impl Keeper {
    fn new(shelf: Shelf, model: ModelId) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}-{}.{ENDING}", now.as_nanos(), std::process::id());
        let own = shelf.folder.join(name);
        Self { shelf, model, own, held: Vec::new(), n_restored: 0 }
    }

    /// Of a model without a name, in a folder without bounds.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self::new(Shelf { folder, max_bytes: u64::MAX, min_tokens: 0 }, ModelId::default())
    }

    /// How many tokens were restored since this was last asked.
    pub(super) fn take_restored(&mut self) -> usize {
        std::mem::take(&mut self.n_restored)
    }

    /// The file with the longest beginning of `sequence`, if that is long enough. Damaged files are removed.
    fn best(&self, sequence: &[u32], config: &Config) -> Option<(PathBuf, Saved, usize)> {
        let mut best: Option<(PathBuf, Saved, usize)> = None;
        let least = self.shelf.min_tokens.max(1);
        for path in files(&self.shelf.folder, ENDING).into_iter().map(|(path, ..)| path) {
            match Saved::open(&path, &self.model, config) {
                Ok(Some(saved)) => {
                    let n_tokens = common(saved.tokens(), sequence);
                    if n_tokens >= best.as_ref().map_or(least, |(.., most)| most + 1) {
                        best = Some((path, saved, n_tokens));
                    }
                }
                Ok(None) => {}
                Err(error) => remove_damaged(&path, &error),
            }
        }
        best
    }

    /// Notes that the first `n_tokens` of a file are in the cache.
    fn took(&mut self, path: &Path, n_tokens: usize) {
        tracing::info!(n_tokens, "took up a saved KV-cache");
        // Those used longest ago go first. It matters little if it cannot be noted.
        let _ = File::options()
            .append(true)
            .open(path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        self.n_restored = n_tokens;
    }

    /// Makes a file this process's own whose tokens are for the most part the beginning of `tokens`; one that has only
    /// the instructions in common belongs to another notebook.
    fn adopt(&mut self, tokens: &[u32], config: &Config) {
        if let Some((path, saved, n_tokens)) = self.best(tokens, config)
            && n_tokens * 2 >= saved.tokens().len()
        {
            (self.own, self.held) = (path, saved.tokens().to_vec());
        }
    }

    fn save(&mut self, cache: &KvCache, config: &Config, interrupt: &Interrupt) -> io::Result<()> {
        let tokens = cache.tokens().get(..cache.n_reusable()).unwrap_or_default();
        let bytes = file::file_bytes(config, tokens.len());
        if tokens.len() < self.shelf.min_tokens || bytes > self.shelf.max_bytes {
            return Ok(());
        }
        if self.held.is_empty() {
            self.adopt(tokens, config);
        }
        if tokens.len() - common(&self.held, tokens) < WORTH_WRITING {
            return Ok(());
        }
        folder::make(&self.shelf.folder)?;
        self.make_room(bytes);
        let disk = rustix::fs::statvfs(&self.shelf.folder)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes.saturating_add(MIN_FREE) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Another process may have taken up the same file.
        let name = format!("{}.{UNFINISHED}", std::process::id());
        let unfinished = self.own.with_extension(name);
        let file =
            folder::open(&unfinished, File::options().write(true).create(true).truncate(true));
        let written = file
            .and_then(|mut file| {
                file::write(&mut file, &self.model, config, cache, tokens, interrupt)
            })
            // It is not flushed, which can take seconds: what a power cut leaves has not the right hash.
            .and_then(|whole| {
                if whole {
                    std::fs::rename(&unfinished, &self.own)
                } else {
                    Err(io::ErrorKind::Interrupted.into())
                }
            });
        match written {
            Ok(()) => {
                self.held = tokens.to_vec();
                tracing::info!(n_tokens = self.held.len(), bytes, "saved the KV-cache");
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_file(&unfinished);
                if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Removes files until so many bytes more may be written, those used longest ago first.
    fn make_room(&self, bytes: u64) {
        for (path, _, used) in files(&self.shelf.folder, UNFINISHED) {
            if used.elapsed().is_ok_and(|age| age > ABANDONED) {
                let _ = std::fs::remove_file(path);
            }
        }
        let mut others = files(&self.shelf.folder, ENDING);
        others.retain(|(path, ..)| *path != self.own);
        others.sort_by_key(|(.., used)| *used);
        let mut taken: u64 = others.iter().map(|(_, bytes, _)| bytes).sum();
        for (path, size, _) in others {
            if taken.saturating_add(bytes) <= self.shelf.max_bytes {
                break;
            }
            if std::fs::remove_file(path).is_ok() {
                taken -= size;
            }
        }
    }
}

/// The ordinary files of a folder with this ending: size, and when they were used last.
fn files(folder: &Path, ending: &str) -> Vec<(PathBuf, u64, SystemTime)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let described = |entry: std::fs::DirEntry| {
        let path = entry.path();
        // Of the entry, not of what a link leads to.
        let data = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        (path.extension()? == ending).then_some((path, data.len(), data.modified().ok()?))
    };
    entries.filter_map(described).collect()
}

/// Removes a file that is not what it should be; one that cannot be read now may be read later.
fn remove_damaged(path: &Path, error: &io::Error) {
    let damaged = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
    tracing::warn!(%error, damaged, "cannot take up a saved KV-cache");
    if damaged {
        let _ = std::fs::remove_file(path);
    }
}

/// Tells a model from others without reading all of it: its files' sizes, times, beginnings and ends.
fn model_id(path: &Path, device: &Device, config: &Config) -> io::Result<ModelId> {
    let mut hash = Sha256::new().chain_update(env!("CARGO_PKG_VERSION"));
    // A home may be shared by machines.
    hash.update(packed::arithmetic());
    if !device.is_cpu() {
        hash.update(device::name(device));
    }
    if config.narrow_cache {
        hash.update("8 bits");
    }
    let mut parts = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path)?.flatten().map(|entry| entry.path());
        parts = entries.filter(|path| path.is_file()).collect();
        parts.sort();
    }
    for part in parts {
        let mut file = File::open(part)?;
        let data = file.metadata()?;
        let time = data.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        hash.update(data.len().to_le_bytes());
        hash.update(time.as_nanos().to_le_bytes());
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(TELLING).read_to_end(&mut bytes)?;
        file.seek(SeekFrom::Start(data.len().saturating_sub(TELLING)))?;
        file.take(TELLING).read_to_end(&mut bytes)?;
        hash.update(bytes);
    }
    Ok(hash.finalize().into())
}
