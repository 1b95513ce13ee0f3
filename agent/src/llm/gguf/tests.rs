//! Headers made to do harm.

use std::io::Cursor;
use std::path::Path;

use super::*;

/// A header in the making.
#[derive(Clone, Default)]
struct Header {
    n_tensors: u64,
    n_pairs: u64,
    body: Vec<u8>,
}

impl Header {
    fn text(mut self, text: &str) -> Self {
        self.body.extend((text.len() as u64).to_le_bytes());
        self.body.extend(text.as_bytes());
        self
    }

    fn u32(mut self, number: u32) -> Self {
        self.body.extend(number.to_le_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Self {
        self.body.extend(number.to_le_bytes());
        self
    }

    /// A pair with an unsigned 32-bit value.
    fn pair(mut self, key: &str, value: u32) -> Self {
        self.n_pairs += 1;
        self.text(key).u32(4).u32(value)
    }

    /// A tensor's entry.
    fn tensor(mut self, name: &str, dims: &[u64], dtype: u32, offset: u64) -> Self {
        self.n_tensors += 1;
        let header = self.text(name).u32(u32::try_from(dims.len()).unwrap());
        let header = dims.iter().fold(header, |header, &dim| header.u64(dim));
        header.u32(dtype).u64(offset)
    }

    /// The whole file, with `data` bytes behind the header.
    fn file(&self, data: usize) -> Vec<u8> {
        let counts = [self.n_tensors.to_le_bytes(), self.n_pairs.to_le_bytes()].concat();
        let mut file = [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &counts, &self.body].concat();
        file.resize(file.len().next_multiple_of(32) + data, 0);
        file
    }
}

fn open(file: Vec<u8>) -> Result<Gguf, Refusal> {
    Gguf::open(Box::new(Cursor::new(file)))
}

#[track_caller]
fn check(file: Vec<u8>, expected: &str) {
    let reason = match open(file) {
        Ok(_) => String::from("accepted"),
        Err(refusal) => refusal.at(Path::new("m.gguf")).to_string(),
    };
    assert!(reason.contains(expected), "{reason}");
}

#[test]
fn impossible_headers_are_refused_with_the_reason() {
    let header = Header::default;
    check(b"GGML\x03\0\0\0".to_vec(), "begins with `GGUF`");
    check([b"GGUF".as_slice(), &1_u32.to_le_bytes(), &[0; 16]].concat(), "found 1");
    check(b"GGUF\x03\0\0\0\x01".to_vec(), "ends too early");
    for alignment in [0, 3, 1 << 21] {
        check(header().pair("general.alignment", alignment).file(64), "power of two");
    }
    check(Header { n_tensors: u64::MAX, ..header() }.file(64), "tensors, the file has");
    check(Header { n_pairs: 1 << 40, ..header() }.file(64), "settings, the file has");
    check(header().pair("a", 1).pair("a", 2).file(0), "twice");
    let text = Header { n_pairs: 1, ..header() };
    check(text.clone().u64(1 << 62).file(64), "bytes of text");
    check(text.clone().text("k").u32(13).file(64), "type number 13");
    check(text.clone().text("k").u32(9).u32(9).u64(1).file(64), "elements of type number 9");
    check(text.clone().text("k").u32(9).u32(0).u64(1 << 50).file(64), "array elements");
    check(text.text("k").u32(9).u32(8).u64(1 << 30).file(64), "array elements");
}

#[test]
fn impossible_tensors_are_refused_with_the_reason() {
    let header = Header::default;
    check(header().tensor("w", &[1 << 40, 1 << 40], 0, 0).file(64), "impossible dimensions");
    check(header().tensor("w", &[4, 0], 0, 0).file(64), "impossible dimensions");
    check(header().tensor("w", &[], 0, 0).file(64), "0 dimensions");
    check(header().tensor("w", &[1; 5], 0, 0).file(64), "5 dimensions");
    check(header().tensor("w", &[8], 4, 0).file(64), "type number 4");
    check(header().tensor("w", &[8, 32], 8, 0).file(1024), "multiple of 32");
    check(header().tensor("w", &[16], 0, 0).file(63), "cut short");
    check(header().tensor("w", &[16], 0, u64::MAX - 31).file(64), "cut short");
    check(header().tensor("w", &[16], 0, 8).file(128), "multiple of 32");
    check(header().tensor("a", &[16], 0, 0).tensor("b", &[16], 0, 32).file(128), "overlaps");
    check(header().tensor("a", &[8], 0, 0).tensor("a", &[8], 0, 32).file(128), "there twice");
    check(header().tensor("a", &[8], 0, 0).tensor("b", &[8], 0, 32).file(64), "accepted");
}

/// Reads everything that the header promises.
fn read_all(bytes: &[u8]) {
    if let Ok(file) = open(bytes.to_vec()) {
        for entry in file.tensors.clone().values() {
            assert!(entry.bytes <= bytes.len() as u64);
            let _ = file.load(entry, &Device::Cpu);
        }
    }
}

#[test]
fn a_damaged_file_never_panics() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models");
    let whole = std::fs::read(fixtures.join("qwen2-q8_0.gguf")).unwrap();
    for length in (0..whole.len()).step_by(whole.len() / 200) {
        read_all(&whole[..length]);
    }
    let header = whole.len() - 90_000;
    for position in (0..header).step_by(header / 500) {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[position] ^= flip;
            read_all(&damaged);
        }
    }
}

#[test]
fn a_header_damaged_at_any_byte_or_cut_anywhere_never_panics() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models");
    let whole = std::fs::read(fixtures.join("qwen2-q8_0.gguf")).unwrap();
    let header = whole.len() - 90_000;
    // Not read as it stands: as a file of this length whose data are not looked at.
    let read = |bytes: &[u8]| {
        let length = whole.len() as u64;
        let mut source = Cursor::new(bytes);
        header::read(&mut source, length).is_ok()
    };
    assert!(read(&whole));
    let mut damaged = whole.clone();
    for position in 0..header {
        damaged[position] ^= 0xff;
        read(&damaged);
        damaged[position] ^= 0xff;
    }
    let refused = (0..1_000).filter(|part| !read(&whole[..header * part / 1_000])).count();
    assert_eq!(refused, 1_000, "no beginning of a header is a header");
}
