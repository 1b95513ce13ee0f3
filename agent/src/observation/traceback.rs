//! An exception as its cause: the lines of the cell that led to it, and its message.

use super::terminal::plain;
use crate::llm::Profile;

/// How `IPython` opens a frame that lies in a cell.
const CELL_FRAME: &str = "Cell In[";

/// Frames of the cell that a large model is shown, from the end.
const N_FRAMES: usize = 3;

/// Longest message of an exception in the compact profile, in characters.
const COMPACT_MESSAGE: usize = 300;

/// Longest message of an exception in the full profile, in characters.
const FULL_MESSAGE: usize = 2_000;

/// The text of an exception that ended the cell `code`, whose number was `count`.
pub(super) fn render(
    code: &str,
    count: Option<u64>,
    ename: &str,
    evalue: &str,
    traceback: &[String],
    profile: Profile,
) -> String {
    let frames = cell_frames(&plain(&traceback.join("\n")), count);
    // A class may be called anything, and code may hold what a string of it holds.
    let (code, ename, evalue) = (plain(code), plain(ename), plain(evalue));
    let message = without_temporary_file(&evalue);
    match profile {
        Profile::Compact => compact(&code, &frames, &ename, message),
        Profile::Full => full(&frames, &ename, message),
    }
}

/// The message of a syntax error without ` (3056198627.py, line 1)`: the file is `IPython`'s, and the line is told.
fn without_temporary_file(message: &str) -> &str {
    let parts = message.rsplit_once(" (");
    let is_temporary = |place: &str| {
        let number = place.split_once(".py, line ").map_or("", |(number, _)| number);
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    parts.filter(|(_, place)| is_temporary(place)).map_or(message, |(message, _)| message)
}

/// A frame of the cell.
struct Frame {
    /// From 1; 0 if it could not be read.
    line: usize,
    /// Its header and the source lines under it.
    text: String,
}

fn compact(code: &str, frames: &[Frame], ename: &str, evalue: &str) -> String {
    let first_line = evalue.lines().next().unwrap_or_default();
    let message: String = first_line.chars().take(COMPACT_MESSAGE).collect();
    let source = |line: usize| Some((line, code.lines().nth(line.checked_sub(1)?)?.trim()));
    match frames.last().and_then(|frame| source(frame.line)) {
        Some((line, source)) => format!("line {line}: {source}\n{}", named(ename, &message)),
        None => named(ename, &message),
    }
}

fn full(frames: &[Frame], ename: &str, evalue: &str) -> String {
    let message = super::shorten(evalue.trim_end(), FULL_MESSAGE);
    let shown = frames.iter().skip(frames.len().saturating_sub(N_FRAMES));
    let mut lines: Vec<&str> = shown.map(|frame| frame.text.trim_end()).collect();
    let named = named(ename, &message);
    lines.push(&named);
    lines.join("\n")
}

fn named(ename: &str, message: &str) -> String {
    if message.is_empty() { ename.to_owned() } else { format!("{ename}: {message}") }
}

/// The frames of the cell's own code, outermost first; those of libraries and of other cells are left out.
fn cell_frames(traceback: &str, count: Option<u64>) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut inside = false;
    for line in traceback.lines() {
        let header = line.trim_start().strip_prefix(CELL_FRAME).and_then(cell_and_line);
        match header {
            Some((cell, number)) => {
                inside = count.is_none_or(|count| count == cell);
                if inside {
                    frames.push(Frame { line: number, text: format!("{}\n", line.trim_start()) });
                }
            }
            None if is_source(line) && inside => {
                if let Some(frame) = frames.last_mut() {
                    frame.text.push_str(line);
                    frame.text.push('\n');
                }
            }
            None => inside = false,
        }
    }
    frames
}

/// `3], line 12, in f(x)` → cell 3, line 12.
fn cell_and_line(rest: &str) -> Option<(u64, usize)> {
    let (cell, rest) = rest.split_once("], line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((cell.parse().ok()?, digits.parse().unwrap_or(0)))
}

/// Source lines are indented or carry `IPython`'s arrow; headers and messages stand at the margin.
fn is_source(line: &str) -> bool {
    line.starts_with("--") || line.starts_with(' ')
}
