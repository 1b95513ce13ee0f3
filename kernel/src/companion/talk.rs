//! What the companion says outside of cells, handed on to our standard error.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};

use tokio::sync::oneshot;

/// How much is read at once, in bytes.
const BLOCK: usize = 1 << 13;

/// Hands on what is written into the pipe. The receiver hears when nobody holds the writing end any longer.
///
/// A thread, since our standard error may be slow, and the event loop must not wait for it.
pub(super) fn hand_on() -> io::Result<(PipeWriter, oneshot::Receiver<()>)> {
    let (reader, writer) = io::pipe()?;
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new().name("talk".into()).spawn(move || {
        copy(reader);
        // Nobody waits when the kernel has ended.
        let _ = end.send(());
    })?;
    Ok((writer, ended))
}

fn copy(mut reader: PipeReader) {
    let mut block = vec![0; BLOCK];
    while let Ok(count @ 1..) = reader.read(&mut block) {
        let said = harmless(block.get(..count).unwrap_or_default());
        // Nobody may be listening; the companion must go on all the same.
        let _ = io::stderr().write_all(&said);
    }
}

/// Text without what a terminal would obey.
fn harmless(said: &[u8]) -> Vec<u8> {
    let obeyed = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t' | b'\r');
    said.iter().map(|byte| if obeyed(byte) { b'?' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_that_it_would_obey() {
        assert_eq!(
            harmless(b"a\x1b]52;c;eA==\x07\tb\r\n\xc3\xa4"),
            b"a?]52;c;eA==?\tb\r\n\xc3\xa4"
        );
    }
}
