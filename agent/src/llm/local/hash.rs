//! The SHA-256 of a model file, without waiting for it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use crate::llm::workers;

/// Files up to this size are hashed at once, in a few hundredths of a second.
const AT_ONCE: u64 = 64 << 20;

/// A hash that is known, or being computed on a thread of its own.
pub(super) enum FileHash {
    /// As it stands in the model's info, if there is one.
    Known(Option<String>),
    /// Of a large file.
    Running(JoinHandle<Option<String>>),
}

impl FileHash {
    /// Of a file.
    pub(super) fn of_file(path: &Path) -> Self {
        let small = std::fs::metadata(path).is_ok_and(|data| data.len() <= AT_ONCE);
        if small {
            return Self::Known(hash_file(path));
        }
        let path = path.to_path_buf();
        let thread = std::thread::Builder::new().name(String::from("model-hash"));
        thread.spawn(move || hash_in_background(&path)).map_or(Self::Known(None), Self::Running)
    }

    /// Of bytes in memory.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self::Known(Some(hex(&Sha256::digest(bytes))))
    }

    /// The hash, if it is known by now; asked again, it says the same.
    pub(super) fn finished(&mut self) -> Option<String> {
        if matches!(self, Self::Running(thread) if thread.is_finished())
            && let Self::Running(thread) = std::mem::replace(self, Self::Known(None))
        {
            *self = Self::Known(thread.join().ok().flatten());
        }
        match self {
            Self::Known(hash) => hash.clone(),
            Self::Running(_) => None,
        }
    }
}

fn hash_in_background(path: &Path) -> Option<String> {
    workers::yield_to_others();
    hash_file(path)
}

fn hash_file(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut sha = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let n_read = file.read(&mut block).ok()?;
        match block.get(..n_read) {
            Some([]) | None => return Some(hex(&sha.finalize())),
            Some(read) => sha.update(read),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, FIPS 180-4.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn files_and_bytes_have_the_standard_hash() {
        assert_eq!(FileHash::of_bytes(b"abc").finished().as_deref(), Some(ABC));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(FileHash::of_file(&path).finished().as_deref(), Some(ABC));
    }
}
