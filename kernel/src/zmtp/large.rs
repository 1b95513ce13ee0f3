//! Memory for a large frame.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use memmap2::{Advice, MmapMut};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// The most memory that is kept for the next large frame, in bytes.
const MAX_SPARE: usize = 64 << 20;

/// How long it is kept.
const SPARE_TIME: Duration = Duration::from_secs(5);

/// What the last large frame of a connection left, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Option<(MmapMut, Instant)>>>);

/// A large frame while it arrives. Its memory is mapped, so that a page costs nothing before bytes
/// arrive in it, and goes back to the system soon after the last reader is done.
///
/// Not at once: that a system clears fresh pages is half of what a relay of fifty megabytes costs,
/// and large outputs seldom come alone. Huge pages are asked for, where the system has them.
#[derive(Debug)]
pub(super) struct LargeFrame {
    memory: Memory,
    /// How many bytes have arrived.
    pub(super) filled: usize,
}

impl LargeFrame {
    /// Memory for `size` bytes, of which `arrived` are there; from `spare`, where that is large
    /// enough and no more than twice that, since all of it is held as long as the frame is.
    ///
    /// # Errors
    /// When the system has not so much memory to give.
    pub(super) fn new(size: usize, arrived: &[u8], spare: &Spare) -> io::Result<LargeFrame> {
        let map = match spare.take(size) {
            Some(map) => map,
            None => map(size)?,
        };
        let mut memory = Memory { map: Some(map), size, spare: spare.clone() };
        if let Some(start) = memory.bytes_mut().get_mut(..arrived.len()) {
            start.copy_from_slice(arrived);
        }
        Ok(LargeFrame { memory, filled: arrived.len() })
    }

    /// Where the next bytes go.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.memory.bytes_mut().get_mut(self.filled..).unwrap_or_default()
    }

    /// Whether all has arrived. What stood in the memory before is then overwritten.
    pub(super) fn is_whole(&self) -> bool {
        self.filled >= self.memory.size
    }

    /// The frame, without a copy.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.memory)
    }
}

fn map(size: usize) -> io::Result<MmapMut> {
    let map = MmapMut::map_anon(size)?;
    #[cfg(target_os = "linux")]
    // Ordinary pages do as well; they are only slower.
    let _ = map.advise(Advice::HugePage);
    Ok(map)
}

/// Mapped memory, of which the first `size` bytes are in use.
#[derive(Debug)]
struct Memory {
    /// Taken when it is dropped.
    map: Option<MmapMut>,
    size: usize,
    spare: Spare,
}

impl Memory {
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().and_then(|map| map.get_mut(..self.size)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self.map.as_deref().and_then(|map| map.get(..self.size)).unwrap_or_default()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(map) = self.map.take().filter(|map| map.len() <= MAX_SPARE) {
            self.spare.keep(map);
        }
    }
}

impl Spare {
    fn take(&self, size: usize) -> Option<MmapMut> {
        let fits = |map: &MmapMut| (size..=2 * size).contains(&map.len());
        self.lock().take_if(|(map, _)| fits(map)).map(|(map, _)| map)
    }

    fn keep(&self, map: MmapMut) {
        // Without a clock nothing would give it back.
        let Ok(runtime) = Handle::try_current() else { return };
        *self.lock() = Some((map, Instant::now()));
        let spare = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(SPARE_TIME).await;
            spare.lock().take_if(|(_, since)| since.elapsed() >= SPARE_TIME);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Option<(MmapMut, Instant)>> {
        // Nothing in the critical sections panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_when_all_of_it_has_arrived() {
        let mut frame = LargeFrame::new(5, b"abc", &Spare::default()).unwrap();
        assert!(!frame.is_whole());
        frame.room().copy_from_slice(b"de");
        frame.filled += 2;
        assert!(frame.is_whole());
        assert_eq!(frame.into_bytes(), "abcde");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_serves_the_next_frame_that_fits_and_then_goes_back_to_the_system() {
        let spare = Spare::default();
        let frame = |arrived: &[u8]| LargeFrame::new(arrived.len(), arrived, &spare).unwrap();
        let kept = || spare.lock().as_ref().map(|(map, _)| map.len());
        drop(frame(b"12345678").into_bytes());
        assert_eq!(kept(), Some(8));
        let smaller = frame(b"abcdef").into_bytes();
        assert_eq!((smaller.as_ref(), kept()), (&b"abcdef"[..], None));
        drop(smaller);
        // All of it would be held as long as the small one is.
        drop(frame(b"abc"));
        assert_eq!(kept(), Some(3));
        tokio::time::sleep(SPARE_TIME / 2).await;
        drop(frame(b"123456789"));
        assert_eq!(kept(), Some(9));
        tokio::time::sleep(SPARE_TIME / 2).await;
        assert_eq!(kept(), Some(9));
        tokio::time::sleep(SPARE_TIME).await;
        assert_eq!(kept(), None);
    }
}
