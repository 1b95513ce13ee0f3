//! How much memory there is, so that a model too large is refused instead of killing the machine.

use std::fs::File;

use memmap2::Mmap;

use crate::llm::ModelError;
use crate::llm::refusal::Refusal;

/// Bytes of a mebibyte.
pub(crate) const MIB: u64 = 1 << 20;

/// More was needed than there is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    needed_mib: u64,
    available_mib: u64,
}

impl From<Shortage> for Refusal {
    fn from(Shortage { needed_mib, available_mib }: Shortage) -> Self {
        Self::Memory { needed_mib, available_mib }
    }
}

impl From<Shortage> for ModelError {
    fn from(Shortage { needed_mib, available_mib }: Shortage) -> Self {
        Self::Memory { needed_mib, available_mib }
    }
}

/// Refuses when the machine says that it has less than `bytes` available.
///
/// # Errors
/// The [`Shortage`]. Where the machine does not say (other systems than Linux), nothing is refused.
pub(crate) fn require(bytes: u64) -> Result<(), Shortage> {
    match available_bytes() {
        Some(available) if available < bytes => {
            Err(Shortage { needed_mib: bytes.div_ceil(MIB), available_mib: available / MIB })
        }
        _ => Ok(()),
    }
}

/// Gives back to the system what was freed, as after loading: the C library keeps it for later, tens of megabytes of
/// a vocabulary.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a function of the C library")]
pub(crate) fn give_back() {
    // SAFETY: it takes a number, and frees nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries keep less.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}

/// Maps a file for reading, and has the system fetch it from the disk meanwhile.
///
/// # Errors
/// When the system refuses.
#[expect(unsafe_code, reason = "bytes may change under whoever reads them")]
pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the bytes are numbers, any of which will do; who writes them has written before anybody reads.
    let map = unsafe { Mmap::map(file) }?;
    let _ = map.advise(memmap2::Advice::WillNeed);
    Ok(map)
}

/// `MemAvailable` of Linux: what can be taken without swapping.
pub(crate) fn available_bytes() -> Option<u64> {
    available_in(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_from_meminfo() {
        let check = |text, expected| assert_eq!(available_in(text), expected, "{text:?}");
        check("MemTotal:  10 kB\nMemAvailable:    2048 kB\n", Some(2 * MIB));
        check("MemTotal:  10 kB\n", None);
        check("MemAvailable: much kB\n", None);
    }

    #[test]
    fn more_than_any_machine_has_is_refused_with_figures() {
        if available_bytes().is_some() {
            let refused = require(1 << 60);
            assert!(matches!(refused, Err(Shortage { needed_mib: 1_099_511_627_776, .. })));
        }
    }
}
