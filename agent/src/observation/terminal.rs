//! What a terminal would show: escape sequences and overwritten text are gone.

use std::iter::Peekable;
use std::str::Chars;

/// `text` without escape sequences and control characters, each line as its last `\r` left it.
pub fn plain(text: &str) -> String {
    let visible = without_escapes(text).replace("\r\n", "\n");
    let lines: Vec<&str> = visible.split('\n').map(last_state).collect();
    lines.join("\n").chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t').collect()
}

/// A progress bar writes its line again and again; only the last state counts.
fn last_state(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit('\r').next().unwrap_or(line)
}

fn without_escapes(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\u{9b}' => skip_csi(&mut characters),
            _ => visible.push(character),
        }
    }
    visible
}

/// # Source
/// ECMA-48, sections 5.3 to 5.6: CSI, control strings, two-character escapes.
fn skip_escape(characters: &mut Peekable<Chars<'_>>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            skip_csi(characters);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => skip_control_string(characters),
        Some(' '..='/') => {
            while characters.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            characters.next_if(|c| matches!(c, '0'..='~'));
        }
        Some('0'..='~') => {
            characters.next();
        }
        _ => {}
    }
}

fn skip_csi(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    characters.next_if(|c| matches!(c, '@'..='~'));
}

/// Up to BEL or `ESC \`, but never past the line: an unfinished one must not swallow the rest of an output.
fn skip_control_string(characters: &mut Peekable<Chars<'_>>) {
    while let Some(character) = characters.next_if(|&c| c != '\n') {
        match character {
            '\u{7}' => return,
            '\u{1b}' => {
                characters.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}
