//! Pictures of a notebook: what they are, how large. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::tree::Figure;

/// MIME types, the first that a bundle has being taken: pictures of points show the same in every format.
const TAKEN: [&str; 5] = ["image/png", "image/jpeg", "image/svg+xml", "image/webp", "image/gif"];

/// The picture of a MIME bundle that has passed `sieve`, without words for it.
pub(super) fn of_bundle(data: &Value) -> Option<Figure> {
    TAKEN.iter().find_map(|mime| {
        let text = data.get(mime)?.as_str()?;
        let bytes = match *mime {
            "image/svg+xml" => text.as_bytes().to_vec(),
            _ => decoded(text)?,
        };
        figure(mime, bytes)
    })
}

/// The picture in an address that holds one itself.
pub(super) fn of_data_url(address: &str) -> Option<Figure> {
    let (mime, data) = address.strip_prefix("data:")?.split_once(";base64,")?;
    let mime = TAKEN.iter().find(|known| **known == mime && mime != "image/svg+xml")?;
    figure(mime, decoded(data)?)
}

fn figure(mime: &str, bytes: Vec<u8>) -> Option<Figure> {
    let size = size(mime, &bytes);
    let (mime, alt, caption) = (mime.to_owned(), String::new(), Vec::new());
    (!bytes.is_empty()).then_some(Figure { mime, bytes, size, alt, number: 0, caption })
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    let text: String = base64.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// As the address of an `img`.
pub(super) fn data_url(figure: &Figure) -> String {
    format!("data:{};base64,{}", figure.mime, STANDARD.encode(&figure.bytes))
}

/// Width and height in pixels, from the file's own header; none where it tells none within reason.
fn size(mime: &str, bytes: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let little =
        |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
    let (width, height) = match mime {
        "image/png" => (big(16)?, big(20)?),
        "image/gif" => (little(6)?, little(8)?),
        "image/jpeg" => jpeg_size(bytes)?,
        _ => return None,
    };
    let is_sound = |length: u32| (1..=20_000).contains(&length);
    (is_sound(width) && is_sound(height)).then_some((width, height))
}

/// From the frame header.
///
/// # Source
/// ITU-T T.81, B.2.2: markers `FFC0` to `FFCF` but for `C4`, `C8` and `CC` begin a frame.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let two =
        |at: usize| Some(u32::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
    let mut at = 2;
    loop {
        let marker = bytes.get(at + 1)?;
        if (0xC0..=0xCF).contains(marker) && ![0xC4, 0xC8, 0xCC].contains(marker) {
            return Some((two(at + 7)?, two(at + 5)?));
        }
        at += 2 + usize::try_from(two(at + 2)?).ok()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_tells_its_size_and_broken_ones_none() {
        let png =
            [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[0, 0, 2, 128], &[0, 0, 1, 224]].concat();
        assert_eq!(size("image/png", &png), Some((640, 480)));
        assert_eq!(size("image/gif", b"GIF89a\x02\0\x03\0"), Some((2, 3)));
        let jpeg = [&[0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0], &[0xFF, 0xC2, 0, 11, 8, 0, 9, 0, 7][..]]
            .concat();
        assert_eq!(size("image/jpeg", &jpeg), Some((7, 9)));
        for broken in [&b""[..], &png[..20], &[0xFF; 40]] {
            for mime in TAKEN {
                assert_eq!(size(mime, broken), None, "{mime}");
            }
        }
    }
}
