//! What turns have made, on disk until the notebook that it belongs to was saved with it.
//!
//! One file for each notebook, one line for each finished step: a page that was closed, a server or a kernel that was
//! killed loses no finished step. Writing never fails a turn; what cannot be read is passed over and logged.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cells::kept::fill_in;
use crate::cells::{AskedRecord, End, StepRecord, TurnRecord, source_sha};
use crate::disk::private_folder;

/// In the names of the files, so that those of another version are left alone.
const VERSION: u32 = 1;

/// How large a file may become, in bytes; then the oldest turns go.
const MAX_BYTES: u64 = 32 << 20;

/// How large the outputs of one step may be, in bytes as written.
const MAX_LINE: usize = 8 << 20;

/// How many turns of one notebook are kept.
const MAX_TURNS: usize = 32;

/// How many notebooks are kept; the one that was written to longest ago goes.
const MAX_FILES: usize = 100;

/// The journals of all notebooks.
#[derive(Debug)]
pub(crate) struct Journals {
    folder: Option<PathBuf>,
    /// Why something was not kept, until the user is told.
    trouble: RefCell<Option<String>>,
}

/// A turn as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeptTurn {
    /// The cell that asked, without outputs.
    pub(crate) prompt: Value,
    /// Cells of an earlier answer that gave way to it.
    pub(crate) removed: Vec<String>,
    /// What was done, and how it ended.
    pub(crate) record: TurnRecord,
    /// The prompt's outputs.
    pub(crate) outputs: Vec<Value>,
}

/// How a turn ended.
#[derive(Debug, Default)]
pub(crate) struct TurnEnd {
    /// None, when it could not be done.
    pub(crate) end: Option<End>,
    /// The prompt's outputs.
    pub(crate) outputs: Vec<Value>,
    /// What ran of its failed steps, see [`crate::cells::kept`].
    pub(crate) kept: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    Begin {
        turn: String,
        #[serde(default)]
        pass: u32,
        prompt: Value,
        #[serde(default)]
        removed: Vec<String>,
    },
    Step {
        turn: String,
        step: StepRecord,
    },
    Asked {
        turn: String,
        asked: AskedRecord,
    },
    End {
        turn: String,
        end: Option<Box<End>>,
        outputs: Vec<Value>,
        /// See [`crate::cells::kept`].
        #[serde(default)]
        kept: Value,
    },
}

impl Line {
    fn turn(&self) -> &str {
        match self {
            Line::Begin { turn, .. }
            | Line::Step { turn, .. }
            | Line::Asked { turn, .. }
            | Line::End { turn, .. } => turn,
        }
    }
}

impl Journals {
    /// Journals in a folder, which is made when it is needed; or none at all.
    pub(crate) fn new(folder: Option<PathBuf>) -> Journals {
        Journals { folder, trouble: RefCell::default() }
    }

    /// Why something of the turns was not kept since this was last asked.
    pub(crate) fn take_trouble(&self) -> Option<String> {
        self.trouble.take()
    }

    /// Notes that a turn begins, with the steps that it goes on from, in the place of the cells `removed`. What was
    /// noted of it before is void.
    pub(crate) fn begin(
        &self,
        notebook: &str,
        record: TurnRecord,
        prompt: Value,
        removed: Vec<String>,
    ) {
        if let Err(error) = self.prune() {
            tracing::warn!(%error, "cannot look through the journals");
        }
        let TurnRecord { turn, pass, steps, asked, .. } = record;
        self.add(notebook, &Line::Begin { turn: turn.clone(), pass, prompt, removed });
        for step in steps {
            self.step(notebook, &turn, step);
        }
        for asked in asked {
            self.asked(notebook, &turn, asked);
        }
    }

    /// Notes a finished step.
    pub(crate) fn step(&self, notebook: &str, turn: &str, step: StepRecord) {
        self.add(notebook, &Line::Step { turn: turn.to_owned(), step });
    }

    /// Notes what the model asked the user, and what was answered.
    pub(crate) fn asked(&self, notebook: &str, turn: &str, asked: AskedRecord) {
        self.add(notebook, &Line::Asked { turn: turn.to_owned(), asked });
    }

    /// Notes the end of a turn, with the prompt's outputs.
    pub(crate) fn end(&self, notebook: &str, turn: &str, end: TurnEnd) {
        let TurnEnd { end, outputs, kept } = end;
        let (turn, end) = (turn.to_owned(), end.map(Box::new));
        self.add(notebook, &Line::End { turn, end, outputs, kept });
    }

    /// Forgets a turn; with its last one the file goes.
    pub(crate) fn forget(&self, notebook: &str, turn: &str) {
        let Some(file) = self.file(notebook) else { return };
        let lines = read(&file);
        if !lines.iter().any(|line| line.turn() == turn) {
            return;
        }
        let kept: Vec<_> = lines.into_iter().filter(|line| line.turn() != turn).collect();
        if let Err(error) = rewrite(&file, &kept) {
            tracing::warn!(%error, file = %file.display(), "cannot write a journal");
        }
    }

    /// The turns of a notebook, oldest first.
    pub(crate) fn turns(&self, notebook: &str) -> Vec<KeptTurn> {
        let mut turns: Vec<KeptTurn> = Vec::new();
        let Some(file) = self.file(notebook) else { return turns };
        for line in read(&file) {
            let of = |kept: &&mut KeptTurn| kept.record.turn == line.turn();
            let known = turns.iter_mut().find(of);
            match (line, known) {
                (Line::Begin { turn, pass, prompt, removed }, known) => {
                    let record = TurnRecord { pass, ..TurnRecord::new(&turn) };
                    let begun = KeptTurn { prompt, removed, record, outputs: Vec::new() };
                    match known {
                        // It went on from one of its steps, and was noted anew from its beginning.
                        Some(kept) => *kept = begun,
                        None => turns.push(begun),
                    }
                }
                (Line::Step { step, .. }, Some(kept)) => kept.record.steps.push(step),
                (Line::Asked { asked, .. }, Some(kept)) => kept.record.asked.push(asked),
                (Line::End { end, outputs, kept: ran, .. }, Some(kept)) => {
                    kept.record.end = end.map(|end| *end);
                    fill_in(&mut kept.record, &ran);
                    kept.outputs = outputs;
                }
                // The line before it is damaged.
                (Line::Step { .. } | Line::Asked { .. } | Line::End { .. }, None) => {}
            }
        }
        turns
    }

    /// The file of a notebook; none without a folder, or for a page that does not say which notebook it is.
    ///
    /// The kernel's own folder tells apart notebooks of the same name in servers with different roots.
    fn file(&self, notebook: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref().filter(|_| !notebook.is_empty())?;
        let here = std::env::current_dir().unwrap_or_default();
        let name = source_sha(&format!("{}\n{notebook}", here.display()));
        Some(folder.join(format!("{}.v{VERSION}.jsonl", name.get(..32)?)))
    }

    fn add(&self, notebook: &str, line: &Line) {
        let Some(file) = self.file(notebook) else { return };
        let added = append(&file, line).and_then(|written| match line {
            // Nothing was done yet that could be lost.
            Line::Begin { .. } => Ok(()),
            Line::Step { .. } | Line::Asked { .. } | Line::End { .. } => secure(written),
        });
        if let Err(error) = added {
            tracing::warn!(%error, file = %file.display(), "cannot write a journal");
            self.trouble.replace(Some(error.to_string()));
        }
    }

    fn prune(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let listed = match std::fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let dated = |entry: std::fs::DirEntry| {
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        };
        let mut files: Vec<_> = listed.flatten().filter_map(dated).collect();
        files.sort();
        let too_many = files.len().saturating_sub(MAX_FILES);
        files.iter().take(too_many).try_for_each(|(_, file)| std::fs::remove_file(file))
    }
}

/// Has the disk hold what was written. A kernel that is killed loses nothing without, but a machine without power loses
/// what the system had not written yet, half a minute of it, and a step may have taken hours. On a thread of its own:
/// a disk may take seconds, and the event loop must not wait for it.
fn secure(written: File) -> io::Result<()> {
    let sync = move || {
        if let Err(error) = written.sync_data() {
            tracing::warn!(%error, "the disk does not hold a journal");
        }
    };
    std::thread::Builder::new().name("journal".into()).spawn(sync).map(drop)
}

/// Adds a line and gives back the file.
fn append(path: &Path, line: &Line) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        private_folder(folder)?;
    }
    let text = as_text(line)?;
    let mut file = open(path)?;
    if file.metadata()?.len() + text.len() as u64 > MAX_BYTES {
        rewrite(path, &without_oldest(read(path), text.len()))?;
        file = open(path)?;
    }
    // What a killed kernel left in the middle of a line must not swallow this one.
    let torn = file.seek(SeekFrom::End(-1)).is_ok() && {
        let mut last = [0];
        file.read_exact(&mut last)?;
        last != *b"\n"
    };
    let text = if torn { format!("\n{text}") } else { text };
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// One line. Outputs that are too large are named instead.
fn as_text(line: &Line) -> io::Result<String> {
    let mut text = serde_json::to_string(line)?;
    if text.len() > MAX_LINE
        && let Line::Step { turn, step } = line
    {
        let note = "[the outputs were too large to be kept]\n";
        let outputs = vec![json!({"output_type": "stream", "name": "stderr", "text": note})];
        let step = StepRecord { outputs, ..step.clone() };
        text = serde_json::to_string(&Line::Step { turn: turn.clone(), step })?;
    }
    Ok(text + "\n")
}

/// The lines that can be read. A line that cannot is logged, not told: the others are what matters.
fn read(path: &Path) -> Vec<Line> {
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(2 * MAX_BYTES).read_to_end(&mut bytes));
    match opened {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => tracing::warn!(%error, file = %path.display(), "cannot read a journal"),
    }
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut damaged = 0;
    let mut read: Vec<Line> = Vec::new();
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(line) => read.push(line),
            Err(_) => damaged += 1,
        }
    }
    if damaged > 0 {
        tracing::warn!(damaged, file = %path.display(), "passed over damaged lines of a journal");
    }
    let begun = read.iter().filter(|line| matches!(line, Line::Begin { .. })).count();
    if begun > MAX_TURNS { without_turns(read, begun - MAX_TURNS) } else { read }
}

/// Drops whole turns, oldest first, until half of the room is free.
fn without_oldest(mut lines: Vec<Line>, coming: usize) -> Vec<Line> {
    let size = |lines: &[Line]| {
        lines
            .iter()
            .filter_map(|line| as_text(line).ok())
            .map(|text| text.len() as u64)
            .sum::<u64>()
    };
    while !lines.is_empty() && size(&lines) + coming as u64 > MAX_BYTES / 2 {
        lines = without_turns(lines, 1);
    }
    lines
}

fn without_turns(lines: Vec<Line>, n_turns: usize) -> Vec<Line> {
    let mut dropped: Vec<String> = Vec::new();
    for line in &lines {
        if dropped.len() < n_turns && !dropped.iter().any(|turn| turn == line.turn()) {
            dropped.push(line.turn().to_owned());
        }
    }
    lines.into_iter().filter(|line| !dropped.iter().any(|turn| turn == line.turn())).collect()
}

/// Replaces the file as a whole; without lines it goes.
fn rewrite(path: &Path, lines: &[Line]) -> io::Result<()> {
    if lines.is_empty() {
        return std::fs::remove_file(path);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    // Private by itself: only its owner can read a temporary file.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    for line in lines {
        file.write_all(as_text(line)?.as_bytes())?;
    }
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
