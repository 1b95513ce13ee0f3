//! The byte-level alphabet: every byte has a printable character, so that tokens can be written as text.

/// The bytes that a token's spelling stands for.
///
/// Added tokens are spelled as they are; a spelling with a character outside the alphabet is taken by its UTF-8.
///
/// # Source
/// `bytes_to_unicode` of GPT-2, <https://github.com/openai/gpt-2/blob/master/src/encoder.py>
pub(super) fn of_token(token: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(byte_of).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The byte of a character of the alphabet: printable Latin-1 stands for itself, U+0100 and on for the rest in order.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => u8::try_from(code).ok(),
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_exactly_one_character() {
        let mut seen = [0; 256];
        for code in 0..0x200 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of) {
                seen[usize::from(byte)] += 1;
            }
        }
        assert_eq!(seen, [1; 256]);
    }

    #[test]
    fn known_spellings_are_read() {
        let check = |token, expected: &[u8]| assert_eq!(of_token(token), expected, "{token}");
        check("Ġthe", b" the");
        check("Ċ", b"\n");
        check("Ã¤", "ä".as_bytes());
        check("<step>", b"<step>");
        check("<｜User｜>", "<｜User｜>".as_bytes());
    }
}
