//! JSON as Python writes it: text that is no Unicode is read, not refused.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Reads JSON; where that fails on its text, reads it again with raw bytes that are no UTF-8 and
/// escaped lone surrogates replaced by U+FFFD.
///
/// # Errors
/// Of the first try when there was nothing to replace, of the second otherwise.
///
/// # Source
/// `jupyter_client` packs with `errors="surrogateescape"`, and `json.dumps` escapes lone surrogates.
pub(super) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let strict = match serde_json::from_slice(json) {
        Err(error) => error,
        read => return read,
    };
    let text = String::from_utf8_lossy(json);
    match replace_lone_surrogates(&text) {
        Cow::Borrowed(_) if matches!(text, Cow::Borrowed(_)) => Err(strict),
        text => serde_json::from_str(&text),
    }
}

/// Replaces `\ud800`-like escapes that form no pair. A backslash occurs in JSON only inside
/// strings, where it begins an escape, so no parser is needed.
fn replace_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut replaced = String::new();
    let (mut rest, mut kept) = (json, 0);
    while let Some(at) = rest.find('\\') {
        let (_, escape) = rest.split_at(at);
        let start = json.len() - escape.len();
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                replaced.push_str(json.get(kept..start).unwrap_or_default());
                replaced.push('\u{FFFD}');
                kept = start + 6;
                6
            }
            // Two characters, so that an escaped backslash does not begin an escape.
            _ => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    replaced.push_str(json.get(kept..).unwrap_or_default());
    Cow::Owned(replaced)
}

/// The UTF-16 unit of an escape `\uXXXX` at the start of `text`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &[u8], expected: &str) {
        assert_eq!(from_slice::<String>(json).unwrap(), expected);
    }

    #[test]
    fn text_that_is_no_unicode_is_read_with_replacements() {
        check(br#""plain""#, "plain");
        check(b"\"a\x80b\"", "a\u{FFFD}b");
        check(br#""\ud83d""#, "\u{FFFD}");
        check(br#""\ud83d\ude00""#, "😀");
        check(br#""x\udc80\ud83d\ude00\ud800y""#, "x\u{FFFD}😀\u{FFFD}y");
        check(br#""\\ud800 \udc00""#, "\\ud800 \u{FFFD}");
        check("\"\\\\é\\ud800\"".as_bytes(), "\\é\u{FFFD}");
    }

    #[test]
    fn broken_json_stays_an_error() {
        for json in [&b"\"\\ud800"[..], b"{", b"", b"\xff", b"\"\\u12", b"\\"] {
            assert!(from_slice::<String>(json).is_err(), "{json:?}");
        }
    }
}
