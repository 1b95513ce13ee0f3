//! Feeds the reader of messages with any frames: a byte of length, then so many bytes, and so on.

#![no_main]

use bytes::Bytes;
use datarus_kernel::wire::{DELIMITER, Frames, ReplayGuard, SigningKey};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut multipart = Vec::new();
    let mut rest = bytes;
    while let Some((&length, tail)) = rest.split_first() {
        // The one frame that is hard to guess.
        if length == 0xFF {
            multipart.push(Bytes::from_static(DELIMITER));
            rest = tail;
            continue;
        }
        let (frame, tail) = tail.split_at(tail.len().min(usize::from(length)));
        multipart.push(Bytes::copy_from_slice(frame));
        rest = tail;
    }
    if let Ok(frames) = Frames::parse(multipart.clone()) {
        let _ = (frames.header(), frames.parent(), frames.content::<serde_json::Value>());
        assert_eq!(frames.into_multipart(), multipart);
    }
    let signed = Frames::parse_verified(multipart, &SigningKey::new("key"), &mut ReplayGuard::default());
    assert!(signed.is_err(), "nobody guesses a signature");
});
