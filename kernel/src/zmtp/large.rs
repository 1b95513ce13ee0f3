//! Memory for a large frame.

use std::io;

use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// A large frame while it arrives. Its memory is mapped, so that a page costs nothing before bytes
/// arrive in it, and all of it goes back to the system when the last reader is done.
///
/// Fifty megabytes of ordinary pages are 12,000 page faults, a third of what a relay of them costs;
/// huge pages are asked for, where the system has them.
#[derive(Debug)]
pub(super) struct LargeFrame {
    map: MmapMut,
    /// How many bytes have arrived.
    pub(super) filled: usize,
}

impl LargeFrame {
    /// Memory for `size` bytes, of which `arrived` are there.
    ///
    /// # Errors
    /// When the system has not so much memory to give.
    pub(super) fn new(size: usize, arrived: &[u8]) -> io::Result<LargeFrame> {
        let mut map = MmapMut::map_anon(size)?;
        #[cfg(target_os = "linux")]
        // Ordinary pages do as well; they are only slower.
        let _ = map.advise(Advice::HugePage);
        if let Some(start) = map.get_mut(..arrived.len()) {
            start.copy_from_slice(arrived);
        }
        Ok(LargeFrame { map, filled: arrived.len() })
    }

    /// Where the next bytes go.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.map.get_mut(self.filled..).unwrap_or_default()
    }

    /// Whether all has arrived.
    pub(super) fn is_whole(&self) -> bool {
        self.filled >= self.map.len()
    }

    /// The frame, without a copy.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.map)
    }
}
