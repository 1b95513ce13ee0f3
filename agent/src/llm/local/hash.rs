//! The SHA-256 of a model file, without waiting for it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::llm::weights_cache::{Kept, hex};
use crate::llm::workers;

/// Files up to this size are hashed at once, in a few hundredths of a second.
const AT_ONCE: u64 = 64 << 20;

type Hash = [u8; 32];

/// A hash that is known, or being computed on a thread of its own; for ever unknown where there is no file.
#[derive(Default)]
pub(super) struct FileHash(Arc<OnceLock<Hash>>);

impl FileHash {
    /// Of a file, whose rearranged weights are `kept`: what is left to do with those is done, too.
    pub(super) fn of_file(file: File, kept: Option<Kept>) -> Self {
        let known = Arc::new(OnceLock::new());
        let is_small = file.metadata().is_ok_and(|found| found.len() <= AT_ONCE);
        let at_once = kept.as_ref().and_then(Kept::hash_of_model);
        if let Some(hash) = at_once.or_else(|| is_small.then(|| hash_file(&file)).flatten()) {
            let _ = known.set(hash);
        }
        if known.get().is_none() || kept.is_some() {
            let to_know = Arc::clone(&known);
            let thread = std::thread::Builder::new().name(String::from("model-hash"));
            // Without the thread neither is known.
            let _ = thread.spawn(move || in_background(&file, kept, &to_know));
        }
        Self(known)
    }

    /// Of bytes in memory.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(Arc::new(OnceLock::from(Hash::from(Sha256::digest(bytes)))))
    }

    /// The hash, if it is known by now.
    pub(super) fn finished(&self) -> Option<String> {
        self.0.get().map(|hash| hex(hash))
    }
}

/// Computes the hash and, as long as nothing fails, what is left to do with kept weights.
fn in_background(file: &File, kept: Option<Kept>, known: &OnceLock<Hash>) {
    workers::yield_to_others();
    let kept = kept.and_then(|mut kept| match kept.put_in_place() {
        Ok(()) => Some(kept),
        Err(error) => {
            tracing::info!(%error, "weights are not kept");
            None
        }
    });
    let hash = known.get().copied().or_else(|| hash_file(file));
    let Some(hash) = hash else { return };
    let _ = known.set(hash);
    if let Some(Err(error)) = kept.map(|mut kept| kept.seal_or_verify(hash)) {
        tracing::warn!(%error, "weights on disk");
    }
}

fn hash_file(file: &File) -> Option<Hash> {
    let mut sha = Sha256::new();
    let mut block = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        // Its own place, not that of the file: whoever loads the model moves that.
        let n_read = file.read_at(&mut block, at).ok()?;
        match block.get(..n_read) {
            Some([]) | None => return Some(sha.finalize().into()),
            Some(read) => sha.update(read),
        }
        at += n_read as u64;
    }
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
        assert_eq!(
            FileHash::of_file(File::open(path).unwrap(), None).finished().as_deref(),
            Some(ABC)
        );
    }
}
