//! Foreign text among our own words. Pure.

use std::fmt::Write as _;

/// Whether a mark turns the order of the text that follows: it would do so beyond the text that it came in.
pub(crate) fn turns_order(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of a notebook or of a program as one line that says to a terminal nothing but itself: line ends are blanks,
/// other control characters, escape sequences among them, signs that something stood there, and marks that turn the
/// order of text are named.
pub(crate) fn terminal_line(text: &str) -> String {
    terminal_text(&text.replace(['\n', '\r', '\t'], " "))
}

/// The same of a text of several lines, whose line ends and tabs stay.
pub(crate) fn terminal_text(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => plain.push(c),
            c if c.is_control() => plain.push('\u{fffd}'),
            c if turns_order(c) => {
                let _ = write!(plain, "[U+{:04X}]", u32::from(c));
            }
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_a_terminal_moves_no_cursor_and_turns_no_text() {
        let check = |text: &str, expected: &str| assert_eq!(terminal_line(text), expected);
        check("a\u{1b}[2Jb\u{9b}31mc\u{7}", "a\u{fffd}[2Jb\u{fffd}31mc\u{fffd}");
        check("data\rholds\nall\tof it", "data holds all of it");
        check("gpj.\u{202e}exe\u{2069}", "gpj.[U+202E]exe[U+2069]");
        assert_eq!(terminal_text("a\n\tb\r\u{1b}c"), "a\n\tb\u{fffd}\u{fffd}c");
        check("Größe, 平均, المتوسط ✅", "Größe, 平均, المتوسط ✅");
    }
}
