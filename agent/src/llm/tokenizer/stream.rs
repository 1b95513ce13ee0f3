//! Token ids to text while they come, byte for byte.

use super::Tokenizer;

/// Stands before a letter that was a capital, in tokenizers that fold case.
pub(super) const MARKER: char = '\u{1}';

/// Holds back what is not yet certain: an incomplete UTF-8 sequence, or a marker whose letter is to come.
///
/// What it has given out never changes, and all of it together equals the decoding of all ids at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextStream {
    bytes: Vec<u8>,
    marker: bool,
}

impl TextStream {
    /// Takes the next token and appends to `text` what is now certain.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, id: u32, text: &mut String) {
        self.bytes.extend(tokenizer.bytes_of(id));
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => return self.unfold(tokenizer, valid, text),
                Err(error) => {
                    let (valid, broken) = rest.split_at(error.valid_up_to());
                    // The prefix was just found valid, so nothing is lost by the lossy conversion.
                    self.unfold(tokenizer, &String::from_utf8_lossy(valid), text);
                    let Some(length) = error.error_len() else {
                        self.bytes = broken.to_vec();
                        return;
                    };
                    self.unfold(tokenizer, "\u{fffd}", text);
                    rest = broken.get(length..).unwrap_or_default();
                }
            }
        }
    }

    /// Whether nothing is held back.
    pub(crate) fn is_settled(&self) -> bool {
        self.bytes.is_empty() && !self.marker
    }

    /// Appends what is still held back, when no more tokens come.
    pub(crate) fn finish(&mut self, text: &mut String) {
        if std::mem::take(&mut self.marker) {
            text.push(MARKER);
        }
        text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.bytes)));
    }

    /// Replaces markers and their letters.
    fn unfold(&mut self, tokenizer: &Tokenizer, valid: &str, text: &mut String) {
        if tokenizer.escapes.is_empty() {
            text.push_str(valid);
            return;
        }
        for character in valid.chars() {
            if std::mem::take(&mut self.marker) {
                if let Some(replacement) = tokenizer.escapes.get(&character) {
                    text.push_str(replacement);
                    continue;
                }
                text.push(MARKER);
            }
            if character == MARKER {
                self.marker = true;
            } else {
                text.push(character);
            }
        }
    }
}
