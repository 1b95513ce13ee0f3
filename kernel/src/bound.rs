//! How much text is taken, and how much of a stream is shown: its beginning and its end. Pure; what is left out is
//! counted, and kept by the caller.
//!
//! A cell that prints a gigabyte would otherwise be held in memory here and by every client, be saved with the
//! notebook, and stop the page. A cell of the user's shows all that people print on purpose: the default lets
//! 8 MiB of a stream pass, a hundred times the longest that a reader scrolls through, and a fifth of what stops
//! JupyterLab. A step of the agent shows 64 KiB, since nobody asked for that text and it stands in the answer's way.

use std::fmt;
use std::str::FromStr;

/// How much of a stream's end is shown, in bytes.
const END: usize = 64 << 10;

/// How much of a stream's beginning is shown, or how long a cell may be, in bytes; `off` sets no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxText(pub Option<usize>);

impl MaxText {
    /// Of a cell of the user's.
    pub const CELL: MaxText = MaxText(Some(8 << 20));
    /// Of a step of the agent.
    pub const STEP: MaxText = MaxText(Some(64 << 10));
    /// Of a cell's own text: Python takes minutes and a gigabyte for a hundred megabytes of it.
    pub const SOURCE: MaxText = MaxText(Some(8 << 20));

    /// Whether so many bytes are within the bound.
    pub(crate) fn holds(self, bytes: usize) -> bool {
        self.0.is_none_or(|most| bytes <= most)
    }
}

impl Default for MaxText {
    fn default() -> MaxText {
        MaxText::CELL
    }
}

impl FromStr for MaxText {
    type Err = String;

    fn from_str(text: &str) -> Result<MaxText, String> {
        let refuse = || {
            format!(
                "expected a number of bytes, such as 65536, 64K or 8M, or `off`, found `{text}`"
            )
        };
        let text = text.trim();
        if matches!(text, "off" | "0") {
            return Ok(MaxText(None));
        }
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
            Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        let number: usize = digits.parse().map_err(|_| refuse())?;
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
        bytes.map(|bytes| MaxText(Some(bytes))).ok_or_else(refuse)
    }
}

impl fmt::Display for MaxText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("off"),
            Some(bytes) if bytes.is_multiple_of(1 << 20) => write!(f, "{}M", bytes >> 20),
            Some(bytes) if bytes.is_multiple_of(1 << 10) => write!(f, "{}K", bytes >> 10),
            Some(bytes) => write!(f, "{bytes}"),
        }
    }
}

/// One stream of one cell.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// How much has been shown of its beginning, in bytes.
    shown: usize,
    is_cut: bool,
    /// What follows the cut, as far as it is not left out yet.
    end: String,
    left_out: u64,
}

impl Bound {
    /// Whether a message of this size passes unchanged; then it counts as shown.
    pub(crate) fn passes(&mut self, bytes: usize, most: usize) -> bool {
        let passes = !self.is_cut && self.shown + bytes <= most;
        self.shown += if passes { bytes } else { 0 };
        passes
    }

    /// What of a text is still shown, and what is not. None is shown after the first cut.
    pub(crate) fn cut<'t>(&mut self, text: &'t str, most: usize) -> (&'t str, &'t str) {
        let room = if self.is_cut { 0 } else { most.saturating_sub(self.shown) };
        let (shown, rest) = text.split_at(floor_char_boundary(text, room));
        self.is_cut |= !rest.is_empty();
        self.shown += shown.len();
        self.end.push_str(rest);
        // Cut at twice the bound, so that each character is moved once.
        if self.end.len() > 2 * END {
            self.leave_out();
        }
        (shown, rest)
    }

    /// Whether something of it was not shown.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Its end, which is shown now, and how many bytes were left out before it. None, when nothing follows the cut.
    pub(crate) fn take_end(&mut self) -> Option<(u64, String)> {
        if self.end.is_empty() {
            return None;
        }
        self.leave_out();
        Some((std::mem::take(&mut self.left_out), std::mem::take(&mut self.end)))
    }

    /// What was shown has been taken away: there is room again.
    pub(crate) fn clear(&mut self) {
        *self = Bound::default();
    }

    fn leave_out(&mut self) {
        let surplus = self.end.len().saturating_sub(END);
        let surplus = floor_char_boundary(&self.end, surplus);
        self.end.drain(..surplus);
        self.left_out += surplus as u64;
    }
}

/// The last place up to `at` where a text can be cut.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
}

/// What stands where a stream is cut. `file` keeps what is left out.
pub(crate) fn cut_note(most: usize, file: Option<&str>) -> String {
    let rest = file.map_or("is left out".to_owned(), |file| format!("is kept in {file}"));
    let most = match most {
        most if most.is_multiple_of(1 << 20) => format!("{} MiB", most >> 20),
        most if most.is_multiple_of(1 << 10) => format!("{} KiB", most >> 10),
        most => format!("{most} bytes"),
    };
    format!("\n… [longer than {most}: the rest {rest}, its end will stand below] …\n")
}

/// What stands before the end of a stream. `lost` says why not all of what was left out could be kept.
pub(crate) fn end_note(left_out: u64, lost: Option<&str>) -> String {
    let lost =
        lost.map_or(String::new(), |why| format!(", and not all of it could be kept: {why}"));
    format!("\n… [{left_out} bytes left out{lost}] …\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<MaxText>().map(|most| most.0);
        assert_eq!(read("64K"), Ok(Some(65536)));
        assert_eq!(read(" 8m "), Ok(Some(8 << 20)));
        assert_eq!(read("100"), Ok(Some(100)));
        assert_eq!((read("off"), read("0")), (Ok(None), Ok(None)));
        for wrong in ["", "K", "-1", "8MB", "99999999999999999999G", "ä"] {
            assert!(read(wrong).unwrap_err().contains("expected a number of bytes"), "{wrong}");
        }
        for most in [MaxText::CELL, MaxText::STEP, MaxText(None), MaxText(Some(7))] {
            assert_eq!(most.to_string().parse(), Ok(most));
        }
    }

    /// What is shown of the pieces, with the number of bytes left out.
    fn shown(pieces: &[&str], most: usize) -> (String, Option<u64>) {
        let mut bound = Bound::default();
        let mut shown = String::new();
        let mut kept = String::new();
        for piece in pieces {
            if bound.passes(piece.len(), most) {
                shown.push_str(piece);
                continue;
            }
            let (begins, rest) = bound.cut(piece, most);
            shown.push_str(begins);
            kept.push_str(rest);
        }
        assert_eq!(shown.clone() + &kept, pieces.concat(), "no byte is lost");
        let end = bound.take_end();
        shown.extend(end.iter().map(|(_, end)| end.as_str()));
        (shown, end.map(|(left_out, _)| left_out))
    }

    #[test]
    fn a_short_stream_is_shown_whole() {
        assert_eq!(shown(&["ab", "cd"], 4), ("abcd".into(), None));
    }

    #[test]
    fn a_long_stream_shows_its_beginning_and_its_end() {
        assert_eq!(shown(&["abc", "def", "ghi"], 5), ("abcdefghi".into(), Some(0)));
        let line = "zeile äöü\n".repeat(50);
        let pieces = vec![&*line; 1000];
        let (text, left_out) = shown(&pieces, 10_000);
        let bytes = line.len() * 1000;
        assert!(text.len() <= 10_000 + END + 4 && text.len() > 9_000 + END);
        assert_eq!(text.len() as u64 + left_out.unwrap(), bytes as u64);
    }

    #[test]
    fn a_character_is_never_cut_in_two() {
        for most in 0..8 {
            assert_eq!(shown(&["äöü", "ß"], most).0, "äöüß");
        }
    }

    #[test]
    fn after_its_end_was_shown_only_new_text_is_left() {
        let mut bound = Bound::default();
        bound.cut("abc", 1);
        assert_eq!(bound.take_end(), Some((0, "bc".into())));
        assert_eq!(bound.take_end(), None);
        bound.cut("d", 1);
        assert_eq!(bound.take_end(), Some((0, "d".into())));
    }
}
