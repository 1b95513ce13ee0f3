//! Fetches a model from a hub into the user's data folder: once, whoever asks at the same time, and as far as the disk
//! has room.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use datarus_agent::llm::hub::{Check, Hub, HubError, Listing, Selection, Wanted};

use super::registry::{Entry, File as Named, Origin, Registry};
use crate::disk;
use crate::headless::Progress;

/// In the user's data folder.
pub const FOLDER: &str = "datarus/models";

/// Left free beside the model, in bytes.
const SPARE: u64 = 64 << 20;

/// Between two lines on a terminal, in seconds.
const REFRESH: f64 = 0.2;

/// What is to be fetched.
#[derive(Debug)]
pub struct Order<'a> {
    /// Of which repository.
    pub wanted: &'a Wanted,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// Whom to ask; nobody when only what was fetched before is wanted.
    pub hub: Option<&'a Hub>,
    /// The user's data folder.
    pub data: &'a Path,
}

/// Why a model was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// By the hub, or on the way.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// Nobody was to be asked.
    #[error("`{wanted}` was not fetched before ({missing}): leave `--offline` out to fetch it")]
    Offline {
        /// What was wanted.
        wanted: String,
        /// What is missing.
        missing: String,
    },
}

/// A repository's folder that nobody else changes, until this is gone or the process is.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

/// Fetches a model. Blocks until it is there; tells on stderr how far it is. Its folder is held until it has a name: what
/// has none may be deleted.
///
/// # Errors
/// When it cannot be had.
pub fn fetch(order: &Order<'_>) -> Result<(Entry, Held), DownloadError> {
    let Wanted { repository, part } = order.wanted;
    let folder = order.data.join(FOLDER).join(repository.replace('/', "--"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| HubError::Disk { path, source }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let mut progress = Progress::on_stderr();
    let held = held(&folder, &mut progress).map_err(failed(&folder))?;
    let listing = listing(order, &folder)?;
    let choice = |reason| HubError::Choice { repository: repository.clone(), reason };
    let selection = listing.choose(part.as_deref()).map_err(choice)?;
    let into = folder.join(&listing.commit);
    match order.hub {
        Some(hub) => {
            sweep(order.data, &folder, &into).map_err(failed(&folder))?;
            bring(hub, order, &listing, &selection, &into, &mut progress)?;
        }
        None => {
            if let Some(file) = selection.files().iter().find(|file| missing(&into, file) > 0) {
                let wanted = order.wanted.to_string();
                let missing = format!("`{}` is missing", file.path);
                return Err(DownloadError::Offline { wanted, missing });
            }
        }
    }
    let sha256 = match &selection {
        Selection::Gguf(file) => match &file.check {
            Check::Sha256(sha256) => Some(sha256.clone()),
            Check::GitBlob(_) => None,
        },
        Selection::Folder(_) => None,
    };
    let origin = Origin {
        repository: repository.clone(),
        part: part.clone(),
        revision: order.revision.to_owned(),
        commit: listing.commit.clone(),
    };
    let file = Named { path: selection.model_in(&into), sha256, from: Some(origin) };
    Ok((Entry::File(file), held))
}

/// Waits until nobody else changes the folder of a repository.
fn held(folder: &Path, progress: &mut Progress) -> io::Result<Held> {
    let path = folder.join(".lock");
    // Held until the file is closed, by whatever ends this process.
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => return Ok(Held { _lock: file }),
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {}
    }
    progress.tell("another datarus fetches from the same repository: waiting for it");
    file.lock()?;
    Ok(Held { _lock: file })
}

/// Deletes what was fetched for a model, unless one that has a name needs it; gives what was deleted. Waits until nobody
/// fetches from the same repository, which must not be held here.
///
/// # Errors
/// When the system refuses, or the names cannot be read.
pub fn delete_fetched(data: &Path, model: &Named) -> io::Result<Option<PathBuf>> {
    let folder = data.join(FOLDER);
    // Whatever the list says, nothing else is deleted.
    let below = model.from.as_ref().and_then(|_| model.path.strip_prefix(&folder).ok());
    let Some(below) = below else { return Ok(None) };
    let parts: Option<Vec<&Path>> = below
        .components()
        .map(|part| match part {
            Component::Normal(name) => Some(Path::new(name)),
            _ => None,
        })
        .collect();
    let Some(&[repository, commit, ..]) = parts.as_deref() else { return Ok(None) };
    let repository = folder.join(repository);
    let commit = repository.join(commit);
    if !commit.is_dir() {
        return Ok(None);
    }
    let _held = held(&repository, &mut Progress::on_stderr())?;
    let path = model.path.as_path();
    let others = named_below(data, &commit)?;
    if others.is_empty() {
        fs::remove_dir_all(&commit)?;
        return Ok(Some(commit));
    }
    if others.iter().any(|other| other == path) || !path.is_file() {
        return Ok(None);
    }
    fs::remove_file(path)?;
    Ok(Some(path.to_owned()))
}

/// Deletes what was begun or fetched of other commits than the one that lies in `current`, and has no name.
fn sweep(data: &Path, repository: &Path, current: &Path) -> io::Result<()> {
    let named = named_below(data, repository)?;
    for entry in fs::read_dir(repository)? {
        let path = entry?.path();
        let is_needed = path == current || named.iter().any(|model| model.starts_with(&path));
        if path.is_dir() && !is_needed {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Where models with a name lie below a folder.
fn named_below(data: &Path, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = Registry::read(data).map_err(io::Error::other)?.entries.into_values();
    let below = entries.filter_map(|entry| match entry {
        Entry::File(file) if file.path.starts_with(folder) => Some(file.path),
        Entry::File(_) | Entry::Server(_) => None,
    });
    Ok(below.collect())
}

/// What the repository holds: asked, and kept for when nobody can be asked.
fn listing(order: &Order<'_>, folder: &Path) -> Result<Listing, DownloadError> {
    let name: String = order
        .revision
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '+' })
        .collect();
    let kept = folder.join(format!("listing-{name}.json"));
    let Some(hub) = order.hub else {
        let text = fs::read(&kept).ok();
        let listing = text.and_then(|text| serde_json::from_slice(&text).ok());
        return listing.ok_or_else(|| DownloadError::Offline {
            wanted: order.wanted.to_string(),
            missing: format!("nothing is known of its revision `{}`", order.revision),
        });
    };
    let listing = hub.list(&order.wanted.repository, order.revision)?;
    let text = serde_json::to_vec(&listing).unwrap_or_default();
    disk::write(&kept, &text, None)
        .map_err(|error| HubError::Disk { path: kept.clone(), source: io::Error::other(error) })?;
    Ok(listing)
}

/// Fetches the files that are not there.
fn bring(
    hub: &Hub,
    order: &Order<'_>,
    listing: &Listing,
    selection: &Selection,
    into: &Path,
    progress: &mut Progress,
) -> Result<(), HubError> {
    fs::create_dir_all(into).map_err(|source| HubError::Disk { path: into.to_owned(), source })?;
    let needed: u64 = selection.files().iter().map(|file| missing(into, file)).sum();
    require_space(into, needed)?;
    let total: u64 = selection.files().iter().map(|file| file.bytes).sum();
    let mut before = 0;
    for file in selection.files() {
        let mut meter = Meter::new(&file.path, before, total);
        let mut tell = |there| meter.tell(there, progress);
        hub.fetch(&order.wanted.repository, &listing.commit, file, into, &mut tell)?;
        before += file.bytes;
    }
    progress.tell(&format!("{} MiB are there, as the hub has them", total.div_ceil(1 << 20)));
    Ok(())
}

/// Bytes of a file that have not come yet.
fn missing(into: &Path, file: &datarus_agent::llm::hub::File) -> u64 {
    let length = |path: PathBuf| fs::metadata(path).map_or(0, |found| found.len());
    let whole = into.join(&file.path);
    let there = length(whole.clone());
    if there == file.bytes && whole.exists() {
        return 0;
    }
    file.bytes.saturating_sub(length(PathBuf::from(format!("{}.part", whole.display()))))
}

fn require_space(folder: &Path, needed: u64) -> Result<(), HubError> {
    let disk = rustix::fs::statvfs(folder)
        .map_err(|source| HubError::Disk { path: folder.to_owned(), source: source.into() })?;
    let available = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed > 0 && needed.saturating_add(SPARE) > available {
        return Err(HubError::Space {
            needed_mib: (needed + SPARE).div_ceil(1 << 20),
            available_mib: available >> 20,
            folder: folder.to_owned(),
        });
    }
    Ok(())
}

/// Says how far it is: on a terminal in a line that passes, elsewhere at each tenth of a large file.
struct Meter<'a> {
    name: &'a str,
    /// Bytes of files before this one, and of all.
    before: u64,
    total: u64,
    begun: Instant,
    /// What was there at the beginning.
    from: Option<u64>,
    shown: f64,
    tenths: u64,
}

impl<'a> Meter<'a> {
    fn new(name: &'a str, before: u64, total: u64) -> Self {
        Self { name, before, total, begun: Instant::now(), from: None, shown: -1.0, tenths: 0 }
    }

    fn tell(&mut self, there: u64, progress: &mut Progress) {
        let from = *self.from.get_or_insert(there);
        let seconds = self.begun.elapsed().as_secs_f64();
        let line =
            line(self.name, self.before + there, self.total, there - from.min(there), seconds);
        let tenths = (self.before + there) * 10 / self.total.max(1);
        if tenths > self.tenths && !progress.is_terminal() {
            progress.tell(&line);
        } else if seconds >= self.shown + REFRESH {
            progress.pass(&line);
            self.shown = seconds;
        }
        self.tenths = tenths;
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn line(name: &str, there: u64, total: u64, came: u64, seconds: f64) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let speed = if seconds > 0.0 { mib(came) / seconds } else { 0.0 };
    let left = if speed > 0.0 { mib(total - there.min(total)) / speed } else { 0.0 };
    format!(
        "{name}: {:.1} of {:.1} MiB, {speed:.1} MiB a second, {left:.0} s left",
        mib(there),
        mib(total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_how_long() {
        let found = line("m.gguf", 3 << 20, 8 << 20, 2 << 20, 4.0);
        assert_eq!(found, "m.gguf: 3.0 of 8.0 MiB, 0.5 MiB a second, 10 s left");
        assert!(line("m", 0, 0, 0, 0.0).ends_with("0 s left"));
    }

    fn fetched(path: &Path) -> Named {
        let origin = Origin {
            repository: String::from("a/b"),
            part: None,
            revision: String::from("main"),
            commit: String::from("1234"),
        };
        Named { path: path.to_owned(), sha256: None, from: Some(origin) }
    }

    #[test]
    fn only_what_was_fetched_and_nobody_needs_is_deleted() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        let folder = data.join(FOLDER);
        let commit = folder.join("a--b/1234");
        fs::create_dir_all(&commit).unwrap();
        let (one, other) = (commit.join("one.gguf"), commit.join("other.gguf"));
        let mine = data.join("mine.gguf");
        for file in [&one, &other, &mine] {
            fs::write(file, "").unwrap();
        }
        let delete = |path: &Path| delete_fetched(data, &fetched(path)).unwrap();
        Registry::add(data, "other", &Entry::File(fetched(&other))).unwrap();
        let own = Named { from: None, ..fetched(&one) };
        assert_eq!(delete_fetched(data, &own).unwrap(), None, "a file that the user has put there");
        assert_eq!([delete(&mine), delete(&other), delete(&commit)], [None, None, None]);
        assert_eq!(delete(&one), Some(one.clone()));
        assert!(mine.exists() && other.exists() && !one.exists());
        Registry::remove(data, "other").unwrap();
        assert_eq!(delete(&other), Some(commit.clone()));
        assert!(!commit.exists() && folder.exists());
        assert_eq!(delete(&other), None, "it is gone already");
    }

    #[test]
    fn a_path_that_leads_out_of_the_folder_deletes_nothing() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        let folder = data.join(FOLDER);
        let kept = folder.join("a--b/1234/m.gguf");
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(&kept, "").unwrap();
        for path in
            ["../..", "../../x", "a--b/..", "a--b/../..", "a--b/1234/../../../x", "a--b", ""]
        {
            let found = delete_fetched(data, &fetched(&folder.join(path))).unwrap();
            assert_eq!(found, None, "{path}");
        }
        assert!(kept.exists());
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_before() {
        let folder = tempfile::tempdir().unwrap();
        assert!(require_space(folder.path(), 0).is_ok());
        let error = require_space(folder.path(), 1 << 60).unwrap_err().to_string();
        assert!(error.starts_with("expected room for 109951"), "{error}");
    }

    #[test]
    fn what_is_there_in_part_is_not_needed_again() {
        let folder = tempfile::tempdir().unwrap();
        let check = Check::Sha256(String::new());
        let file = datarus_agent::llm::hub::File { path: String::from("m"), bytes: 10, check };
        assert_eq!(missing(folder.path(), &file), 10);
        fs::write(folder.path().join("m.part"), [0; 4]).unwrap();
        assert_eq!(missing(folder.path(), &file), 6);
        fs::write(folder.path().join("m"), [0; 10]).unwrap();
        assert_eq!(missing(folder.path(), &file), 0);
    }
}
