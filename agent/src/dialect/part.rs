//! The text of one part of a step while it is being written: blanks around it are left out, fences too.

use crate::python::Scanner;

/// A thought or an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct ProseText {
    text: String,
    /// Blanks that count only if something follows.
    pending: String,
}

impl ProseText {
    pub(super) fn push(&mut self, character: char, on_text: &mut dyn FnMut(&str)) {
        if character.is_whitespace() {
            if !self.text.is_empty() {
                self.pending.push(character);
            }
            return;
        }
        self.pending.push(character);
        on_text(&self.pending);
        self.text.push_str(&self.pending);
        self.pending.clear();
    }

    /// Puts a second block of the same part on a line of its own.
    pub(super) fn separate(&mut self) {
        if !self.text.is_empty() {
            self.pending.push('\n');
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Code: lines that are Markdown fences, and blank lines around it, are left out; its indentation stays.
#[derive(Debug, Clone, Default)]
pub(super) struct CodeText {
    text: String,
    pending: String,
    /// The start of a line that may be a fence; `None` within a line that is none.
    line: LineStart,
    scanner: Scanner,
}

/// What the current line has shown so far.
#[derive(Debug, Clone)]
enum LineStart {
    /// Blanks and back-ticks alone: it may be a fence.
    Open(String),
    /// It is a fence.
    Fence,
    /// It is code.
    Code,
}

impl Default for LineStart {
    fn default() -> Self {
        Self::Open(String::new())
    }
}

impl CodeText {
    pub(super) fn push(&mut self, character: char, on_text: &mut dyn FnMut(&str)) {
        match &mut self.line {
            LineStart::Code => self.certain(character, on_text),
            LineStart::Fence => {
                if character == '\n' {
                    self.line = LineStart::default();
                }
            }
            LineStart::Open(start) => {
                start.push(character);
                let start = start.clone();
                self.at_start(&start, character, on_text);
            }
        }
    }

    /// Whether the next character would belong to a Python string.
    pub(super) fn in_string(&self) -> bool {
        self.scanner.in_string()
    }

    /// Whether the line has nothing but blanks, or a fence, so far.
    pub(super) fn at_line_start(&self) -> bool {
        match &self.line {
            LineStart::Open(start) => start.trim().is_empty(),
            LineStart::Fence => true,
            LineStart::Code => self.text.is_empty() || (self.pending.contains('\n')),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn at_start(&mut self, start: &str, character: char, on_text: &mut dyn FnMut(&str)) {
        let ticks = start.trim_start_matches([' ', '\t']);
        if ticks == "```" {
            self.line = LineStart::Fence;
        } else if character == '\n' || !"```".starts_with(ticks) {
            self.line = LineStart::Code;
            start.chars().for_each(|character| self.certain(character, on_text));
        }
    }

    /// A character that is code, not fence.
    fn certain(&mut self, character: char, on_text: &mut dyn FnMut(&str)) {
        self.scanner.push(character);
        if character == '\n' {
            let may_be_fence = !self.scanner.in_string();
            self.line = if may_be_fence { LineStart::default() } else { LineStart::Code };
        }
        if self.text.is_empty() && character == '\n' {
            self.pending.clear();
        } else {
            self.pending.push(character);
        }
        if !character.is_whitespace() {
            on_text(&self.pending);
            self.text.push_str(&self.pending);
            self.pending.clear();
        }
    }
}
