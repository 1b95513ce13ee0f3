//! A notebook in the making: what is done so far is kept beside, and nothing that somebody else wrote is written over.
//!
//! The draft lies in the user's state folder (`recover`) from the first finished cell until the notebook is saved. A
//! run that is killed leaves it there, and the next run of that notebook names it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

use super::{HeadlessError, Progress};
use crate::cells::{STEP_MIME, source_sha};
use crate::disk::{self, Kept, Seen, WriteError, private_folder, write_somewhere};
use crate::notebook::{Notebook, NotebookError};

/// Up to this size, in bytes, a draft is written each time, however long a busy disk takes for it.
const SMALL: usize = 4 << 20;

/// A larger one is not written before so many times its cost have passed: hundreds of megabytes take seconds.
const SPARING: u32 = 10;

/// Where a notebook goes, and where it is safe until then.
#[derive(Debug)]
pub(super) struct Safe {
    output: PathBuf,
    seen: Seen,
    /// In the recovery folder; none without a state folder.
    draft: Option<PathBuf>,
    /// Before this moment no draft is written.
    next: Instant,
}

/// Where a notebook was saved.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Saved {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Why it is not where it was asked for.
    pub(super) unsaved: Option<String>,
}

impl Safe {
    /// Looks at what is where the notebook will be written; `output` is absolute. Tells of drafts that runs left which
    /// were cut off.
    ///
    /// # Errors
    /// When there is something that is no file.
    pub(super) fn begin(
        output: &Path,
        state: Option<&Path>,
        progress: &mut Progress,
    ) -> Result<Safe, HeadlessError> {
        let seen = Seen::now(output).map_err(|source| NotebookError::Write {
            path: output.to_owned(),
            source: WriteError::Io(source),
        })?;
        let names = names_of(output);
        let folder = state.map(|state| state.join("recover"));
        for left in folder.iter().flat_map(|folder| left_in(folder, &names)) {
            progress.tell(&format!("a run that was cut off had come to {}", left.display()));
        }
        let draft =
            folder.map(|folder| folder.join(format!("{names}{}.ipynb", std::process::id())));
        Ok(Safe { output: output.to_owned(), seen, draft, next: Instant::now() })
    }

    /// Keeps what is done so far. That it cannot be kept fails nothing.
    pub(super) fn keep(&mut self, so_far: impl FnOnce() -> Notebook) {
        let (Some(draft), begun) = (&self.draft, Instant::now()) else { return };
        if begun < self.next {
            return;
        }
        let text = so_far().to_json();
        let made = draft.parent().map_or(Ok(()), private_folder).map_err(WriteError::Io);
        if let Err(error) = made.and_then(|()| disk::write(draft, text.as_bytes(), None)) {
            tracing::warn!(%error, "cannot keep what is done so far");
        }
        if text.len() > SMALL {
            self.next = begun + begun.elapsed().min(Duration::from_secs(60)) * SPARING;
        }
    }

    /// Takes the draft away: nothing worth keeping was done.
    pub(super) fn discard(&self) {
        if let Some(draft) = &self.draft {
            // There may be none.
            let _ = std::fs::remove_file(draft);
        }
    }

    /// Says where what was done is, when the notebook cannot be made.
    pub(super) fn tell_kept(&self, progress: &mut Progress) {
        if let Some(draft) = self.draft.as_ref().filter(|draft| draft.exists()) {
            progress.tell(&format!("what was done until then is in {}", draft.display()));
        }
    }

    /// Saves the notebook where it was asked for, or else where it is safe.
    ///
    /// # Errors
    /// When it cannot be written anywhere.
    pub(super) fn save(
        mut self,
        notebook: &Notebook,
        progress: &mut Progress,
    ) -> Result<Saved, HeadlessError> {
        let saved = self.save_so_far(notebook, progress)?;
        if saved.unsaved.is_none() {
            progress.tell(&format!("wrote {}", self.output.display()));
        }
        Ok(saved)
    }

    /// As [`Safe::save`], of a notebook that grows on.
    pub(super) fn save_so_far(
        &mut self,
        notebook: &Notebook,
        progress: &mut Progress,
    ) -> Result<Saved, HeadlessError> {
        let (bytes, draft) = (notebook.to_json(), self.draft.as_deref());
        let kept = write_somewhere(&self.output, bytes.as_bytes(), Some(self.seen), draft)
            .map_err(|source| NotebookError::Write { path: self.output.clone(), source })?;
        match kept {
            Kept::There => {
                if let Some(draft) = &self.draft {
                    // There is none of a notebook without a finished cell.
                    let _ = std::fs::remove_file(draft);
                }
                self.seen = Seen::of(bytes.as_bytes());
                Ok(Saved { path: self.output.clone(), unsaved: None })
            }
            Kept::Elsewhere { path, why } => {
                let (output, safe) = (self.output.display(), path.display());
                progress.tell(&format!("could not write {output} ({why}): it is in {safe}"));
                Ok(Saved { path, unsaved: Some(why) })
            }
        }
    }

    /// The notebook that is there now, if it is not the one that was seen or saved last: somebody edited it. From now on
    /// it counts as seen. One that cannot be read as a notebook stays unseen, and is not written over.
    pub(super) fn edited(&mut self) -> Option<Notebook> {
        let text = std::fs::read_to_string(&self.output).ok()?;
        let seen = Seen::of(text.as_bytes());
        let notebook = Notebook::parse(&text).ok().filter(|_| seen != self.seen)?;
        self.seen = seen;
        Some(notebook)
    }
}

/// What the names of a notebook's drafts begin with; the rest is the number of the process.
fn names_of(output: &Path) -> String {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    let stem: String = stem.chars().take(60).collect();
    let sha = source_sha(&output.to_string_lossy());
    format!("{stem}-{}-", sha.get(..8).unwrap_or_default())
}

/// The drafts of processes that do not run any more.
fn left_in(folder: &Path, names: &str) -> Vec<PathBuf> {
    let runs = |pid: &str| {
        let pid = pid.parse().ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid).is_ok())
    };
    let is_left = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let pid = name.strip_prefix(names).and_then(|rest| rest.strip_suffix(".ipynb"));
        pid.is_some_and(|pid| !runs(pid))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_left).collect()
}

/// Whether a message says that a step of the agent has ended.
pub(super) fn ends_step(msg_type: &str, content: &Value) -> bool {
    let is_display = matches!(msg_type, "display_data" | "update_display_data");
    is_display && content["data"][STEP_MIME]["state"] == "done"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn drafts_of_a_process_that_is_gone_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let names = names_of(Path::new("/here/sales.ipynb"));
        assert!(names.starts_with("sales-") && names.len() == "sales-12345678-".len());
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        for name in [
            format!("{names}{}.ipynb", gone.id()),
            format!("{names}{}.ipynb", std::process::id()),
            format!("{}{}.ipynb", names_of(Path::new("/there/sales.ipynb")), gone.id()),
            "notes.txt".into(),
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let expected = [folder.path().join(format!("{names}{}.ipynb", gone.id()))];
        assert_eq!(left_in(folder.path(), &names), expected);
        assert!(left_in(&folder.path().join("none"), &names).is_empty());
    }

    #[test]
    fn of_a_small_notebook_each_cell_is_kept_as_soon_as_it_has_run() {
        let folder = tempfile::tempdir().unwrap();
        let draft = folder.path().join("recover/a.ipynb");
        let mut safe = Safe {
            output: folder.path().join("a.ipynb"),
            seen: Seen::now(&folder.path().join("a.ipynb")).unwrap(),
            draft: Some(draft.clone()),
            next: Instant::now(),
        };
        for count in 1..4 {
            let cell = json!({"cell_type": "raw", "id": "a", "metadata": {}, "source": ""});
            let mut so_far = Notebook::default();
            so_far.cells.extend(vec![cell; count]);
            safe.keep(|| so_far);
            assert_eq!(Notebook::read(&draft).unwrap().cells.len(), count);
        }
    }

    #[test]
    fn a_step_ends_with_its_display() {
        let display = |state: &str| json!({"data": {STEP_MIME: {"state": state}}});
        assert!(ends_step("update_display_data", &display("done")));
        assert!(!ends_step("update_display_data", &display("running")));
        assert!(!ends_step("stream", &json!({"text": "done"})));
    }
}
