use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::*;

/// An eighth of what may wait; a clone costs nothing.
fn eighth() -> Bytes {
    Bytes::from(vec![0; CAPACITY / 8])
}

#[test]
fn what_waits_for_a_peer_is_bounded_in_bytes() {
    let outbox = Outbox::default();
    let message = [eighth()];
    for _ in 0..20 {
        outbox.push(&message);
    }
    let state = outbox.lock();
    assert_eq!((state.waiting, state.chunks.len(), state.dropping), (CAPACITY, 8, true));
}

#[test]
fn one_message_of_any_size_fits_into_an_empty_outbox() {
    let outbox = Outbox::default();
    outbox.push(&vec![eighth(); 9]);
    assert_eq!(outbox.lock().waiting, CAPACITY / 8 * 9);
    outbox.push(&[Bytes::from_static(b"late")]);
    assert_eq!(outbox.lock().chunks.len(), 9, "what does not fit is left out whole");
}

#[tokio::test]
async fn a_peer_that_reads_again_gets_what_comes_then() {
    let outbox = Arc::new(Outbox::default());
    outbox.push(&[Bytes::from_static(b"first")]);
    outbox.push(&vec![eighth(); 9]);
    assert!(outbox.lock().dropping);
    let (mut near, mut far) = tokio::io::duplex(64);
    let writer = Arc::clone(&outbox);
    let writing = tokio::spawn(async move { writer.write_to(&mut near, None).await });
    outbox.drained().await;
    outbox.push(&[Bytes::from_static(b"again")]);
    assert!(!outbox.lock().dropping);
    let mut text = [0; 10];
    far.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"firstagain");
    outbox.close();
    assert_eq!(writing.await.unwrap().kind(), io::ErrorKind::ConnectionAborted);
    outbox.push(&[Bytes::from_static(b"gone")]);
    outbox.drained().await;
}

#[test]
fn pieces_are_taken_off_the_front() {
    let mut chunks: VecDeque<_> = ["ab", "", "cde"].map(Bytes::from).into();
    advance(&mut chunks, 1);
    assert_eq!(chunks, ["b", "", "cde"]);
    advance(&mut chunks, 3);
    assert_eq!(chunks, ["e"]);
    advance(&mut chunks, 1);
    assert!(chunks.is_empty());
}
