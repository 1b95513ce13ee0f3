//! What holds for whatever strangers send: the properties that `tests/fuzz` tries and the tests of its corpus check.
//!
//! Each takes any bytes, and panics where the crate breaks its promise.

use bytes::Bytes;
use serde_json::Value;

use crate::cells::{answer_stands, turn_below};
use crate::markdown::{restored, sanitized};
use crate::notebook::Notebook;
use crate::page::guard::reasons;
use crate::page::{CellState, GoOn, Open, ToKernel};
use crate::route::{Route, route};
use crate::session::{History, Standing};
use crate::wire::{DELIMITER, Frames, ReplayGuard, SigningKey, WireError};
use crate::zmtp::Multipart;

pub use crate::zmtp::fuzzing::stream;

/// A multipart: its frames come back as they were; nobody guesses a signature; a signed one passes once.
pub fn frames(bytes: &[u8]) {
    let multipart = multipart(bytes);
    let Ok(frames) = Frames::parse(multipart.clone()) else { return };
    let _ = (frames.header(), frames.parent(), frames.metadata::<Value>());
    let _ = frames.content::<Value>();
    assert_eq!(frames.clone().into_multipart(), multipart);

    let (key, mut guard) = (SigningKey::new("key"), ReplayGuard::default());
    let forged = Frames::parse_verified(multipart, &key, &mut guard);
    assert!(forged.is_err(), "nobody guesses a signature");
    let signed = frames.resigned(&key).into_multipart();
    let passed = Frames::parse_verified(signed.clone(), &key, &mut guard);
    assert!(passed.is_ok_and(|frames| frames.into_multipart() == signed));
    let again = Frames::parse_verified(signed, &key, &mut guard);
    assert!(matches!(again, Err(WireError::Replay)));
}

/// A byte of length, then so many bytes, and so on; 255 stands for the frame that is hard to guess.
fn multipart(bytes: &[u8]) -> Multipart {
    let mut multipart = Vec::new();
    let mut rest = bytes;
    while let Some((&length, tail)) = rest.split_first() {
        if length == 0xFF {
            multipart.push(Bytes::from_static(DELIMITER));
            rest = tail;
            continue;
        }
        let (frame, tail) = tail.split_at(tail.len().min(usize::from(length)));
        multipart.push(Bytes::copy_from_slice(frame));
        rest = tail;
    }
    multipart
}

/// A cell: a text is never lost on the way to the agent, and reasons to ask before it runs are found without harm.
pub fn cell(bytes: &[u8]) {
    let code = String::from_utf8_lossy(bytes);
    if let Route::PromptUnlessDefined { prompt, .. } = route(&code, None) {
        assert_eq!(prompt.text, code.trim());
    }
    reasons(&code);
}

/// A notebook file: refused with a reason, or written and read again it is the same.
pub fn notebook(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let read = match Notebook::parse(&text) {
        Ok(read) => read,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let written = read.to_json();
    let again = Notebook::parse(&written).expect("what was written is a notebook");
    assert_eq!(again.cells.len(), read.cells.len());
    for (again, read) in again.cells.iter().zip(&read.cells) {
        assert_eq!(again, read, "written and read again");
    }
    let metadata = |notebook: &Notebook| Value::Object(notebook.metadata.clone());
    assert_eq!(metadata(&again), metadata(&read));
}

/// What a page says: each message on its own, then the notebook that a `state` and a `texts` describe.
pub fn comm(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let messages = match value {
        Value::Array(messages) => messages,
        message => vec![message],
    };
    let (mut notebook, mut turn) = (Standing::default(), String::new());
    for message in messages {
        let _ = serde_json::from_value::<Open>(message.clone());
        let _ = serde_json::from_value::<GoOn>(message.clone());
        let Ok(message) = serde_json::from_value::<ToKernel>(message) else { continue };
        let written = serde_json::to_value(&message).expect("a message is JSON");
        assert_eq!(serde_json::from_value::<ToKernel>(written).ok(), Some(message.clone()));
        match message {
            ToKernel::State { turn: named, cells, .. } => (turn, notebook.cells) = (named, cells),
            ToKernel::Texts { cells, .. } => notebook.texts = cells,
            _ => {}
        }
    }
    stands(&notebook, &turn);
}

/// What is asked of a notebook when a turn begins or goes on.
fn stands(notebook: &Standing, turn: &str) {
    let history = History::default();
    let unknown = history.unknown(&notebook.cells);
    assert!(unknown.len() <= notebook.cells.len());
    for (at, cell) in notebook.cells.iter().enumerate() {
        let above = history.above(notebook, &cell.id);
        assert!(above.len() <= at, "no more stands above a cell than cells");
        if let Some(kept) = history.kept(notebook, turn, &cell.id) {
            assert!(kept.cells.len() <= notebook.cells.len());
        }
        let cells: Vec<_> = notebook.cells.iter().map(as_cell).collect();
        assert!(turn_below(&cells, at).end <= cells.len());
        answer_stands(&cells, at);
    }
}

fn as_cell(cell: &CellState) -> Value {
    let facts = serde_json::json!({"role": cell.role, "turn": cell.turn, "step": cell.step});
    serde_json::json!({"id": cell.id, "cell_type": cell.cell_type, "metadata": {"datarus": facts}})
}

/// Markdown of a model: nothing in it makes a page load something, however often it is gone over.
pub fn markdown(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = sanitized(&text);
    assert!(!shown.contains("!["), "no image");
    for (at, _) in shown.match_indices('$') {
        assert!(shown[..at].ends_with('\\'), "no mathematics");
    }
    for (at, _) in shown.match_indices('<') {
        let after = &shown[at + 1..];
        let (element, closes) = after.strip_prefix('/').map_or((after, false), |name| (name, true));
        let end = element.find('>').unwrap_or(element.len());
        let bare = element[..end].trim().trim_end_matches('/');
        let harmless =
            bare.trim().chars().all(|c| c.is_ascii_alphanumeric()) && end < element.len();
        // What a `</` begins without a letter is a comment up to the next `>`, whatever it looks like.
        let begins = element.starts_with(|c: char| c.is_ascii_alphabetic())
            || !closes && element.starts_with(['!', '?']);
        assert!(harmless || !begins, "no element with attributes: {}", &shown[at..]);
    }
    sanitized(&restored(&shown));
}

/// A target: its name, and what holds.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("frames", frames),
    ("stream", stream),
    ("cell", cell),
    ("notebook", notebook),
    ("comm", comm),
    ("markdown", markdown),
];

#[cfg(test)]
mod tests;
