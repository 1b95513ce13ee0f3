//! What waits to be sent to one peer, bounded in bytes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tracing::warn;

use super::codec;
use super::curve::Sealer;

/// The most that may wait for one peer, in bytes.
pub(super) const CAPACITY: usize = 512 << 20;

/// How many pieces go out in one system call.
const PIECES: usize = 64;

/// How many sealed bytes are gathered for one system call, at least where so many wait.
const SEALED: usize = 64 << 10;

/// What waits to be sent to one peer. Any thread pushes, one task writes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`, and those that the writer has taken and not yet written.
    waiting: usize,
    dropping: bool,
    closed: bool,
}

impl Outbox {
    /// Queues the bytes of one message, or drops it where the peer has let too much wait; the log
    /// says so once, until the peer reads again.
    pub(super) fn push(&self, chunks: &[Bytes]) {
        let size: usize = chunks.iter().map(Bytes::len).sum();
        let mut state = self.lock();
        if state.closed {
            return;
        }
        // One message always fits into an empty queue, whatever its size.
        if state.waiting > 0 && state.waiting + size > CAPACITY {
            if !state.dropping {
                warn!(
                    waiting_bytes = state.waiting,
                    "a peer does not read; its messages are dropped"
                );
            }
            state.dropping = true;
            return;
        }
        state.dropping = false;
        state.waiting += size;
        state.chunks.extend(chunks.iter().cloned());
        drop(state);
        self.filled.notify_one();
    }

    /// Writes what is queued, as it comes, until the connection breaks or the outbox is closed; sealed, where there
    /// is a `sealer`.
    pub(super) async fn write_to(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        mut sealer: Option<Sealer>,
    ) -> io::Error {
        loop {
            let (chunks, closed) = self.take();
            if closed {
                return io::ErrorKind::ConnectionAborted.into();
            }
            let written = match &mut sealer {
                _ if chunks.is_empty() => {
                    self.filled.notified().await;
                    Ok(())
                }
                None => self.write_all(stream, chunks).await,
                Some(sealer) => self.write_sealed(stream, chunks, sealer).await,
            };
            if let Err(error) = written {
                return error;
            }
        }
    }

    fn take(&self) -> (VecDeque<Bytes>, bool) {
        let mut state = self.lock();
        (std::mem::take(&mut state.chunks), state.closed)
    }

    async fn write_all(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        mut chunks: VecDeque<Bytes>,
    ) -> io::Result<()> {
        while !chunks.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = pieces
                .iter_mut()
                .zip(&chunks)
                .map(|(piece, chunk)| *piece = IoSlice::new(chunk))
                .count();
            let written = stream.write_vectored(pieces.get(..count).unwrap_or_default()).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            advance(&mut chunks, written);
            self.wrote(written);
        }
        Ok(())
    }

    /// Seals only what is about to be written: what waits is held once for all peers, and what is dropped costs
    /// nothing.
    async fn write_sealed(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        mut chunks: VecDeque<Bytes>,
        sealer: &mut Sealer,
    ) -> io::Result<()> {
        let (mut bytes, mut plain) = (BytesMut::new(), 0);
        while let Some(frame) = codec::take_encoded(&mut chunks) {
            sealer.seal(&frame, &mut bytes)?;
            plain += frame.size;
            if bytes.len() >= SEALED || chunks.is_empty() {
                stream.write_all(&bytes).await?;
                bytes.clear();
                self.wrote(std::mem::take(&mut plain));
            }
        }
        Ok(())
    }

    fn wrote(&self, bytes: usize) {
        let mut state = self.lock();
        state.waiting = state.waiting.saturating_sub(bytes);
        if state.waiting == 0 {
            self.drained.notify_waiters();
        }
    }

    /// Forgets what is queued and takes nothing more: the peer is gone, or is to go.
    pub(super) fn close(&self) {
        *self.lock() = State { closed: true, ..State::default() };
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Returns when nothing waits.
    pub(super) async fn drained(&self) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            // Registered before the look, so that no wake-up falls between the two.
            drained.as_mut().enable();
            if self.lock().waiting == 0 {
                return;
            }
            drained.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state half changed: nothing in the critical sections panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes `written` bytes off the front.
fn advance(chunks: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(chunk) = chunks.front_mut() {
        if written < chunk.len() {
            chunk.advance(written);
            return;
        }
        written -= chunk.len();
        chunks.pop_front();
    }
}

#[cfg(test)]
mod tests;
