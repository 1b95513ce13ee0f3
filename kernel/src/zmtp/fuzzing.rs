//! What holds for whatever bytes a peer sends, in whatever pieces they arrive.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::ZmtpError;
use super::codec::{self, Decoder, Incoming, Mechanism};
use super::curve::Welcomed;
use super::curve::fuzzing::{connected, server_key};

/// The bytes of a connection: what comes of them does not depend on where they are cut, and messages leave as they came.
/// The first byte says how the third reading is cut.
pub fn stream(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let whole = decode(bytes, &[usize::MAX]);
    assert_eq!(decode(bytes, &[1]), whole, "byte by byte");
    let cut = usize::from(cut);
    assert_eq!(decode(bytes, &[cut % 7 + 1, cut % 61 + 1, 1, cut + 1]), whole, "in pieces");
    for incoming in &whole.0 {
        let (_, (_, mut opener)) = connected();
        assert!(opener.open(incoming.clone()).is_err(), "nobody guesses a tag");
        match incoming {
            Incoming::Message(message) => {
                is_sent_as_it_came(message);
                is_sealed_and_opened(message);
            }
            Incoming::Command(command) => {
                let _ = codec::parse_ready(command.clone());
                let _ = codec::split_command(command);
                let heard = Welcomed::hear(command, &server_key([7; 32]));
                assert!(heard.is_err(), "nobody guesses a key");
            }
        }
    }
    if let Some(greeting) = bytes.first_chunk() {
        let accepted = [Mechanism::Null, Mechanism::Curve]
            .map(|mechanism| codec::check_greeting(*greeting, mechanism).is_ok());
        assert_ne!(accepted, [true; 2], "a greeting names one mechanism");
    }
}

fn is_sent_as_it_came(message: &[bytes::Bytes]) {
    let sent = codec::encode(message).concat();
    let (again, _) = decode(&sent, &[usize::MAX]);
    assert_eq!(again, [Incoming::Message(message.to_vec())]);
}

fn is_sealed_and_opened(message: &[bytes::Bytes]) {
    let ((mut client, _), (_, mut server)) = connected();
    let (mut plain, mut sealed) = (VecDeque::from(codec::encode(message)), BytesMut::new());
    while let Some(frame) = codec::take_encoded(&mut plain) {
        client.seal(&frame, &mut sealed).expect("there are numbers left");
    }
    assert!(plain.is_empty(), "all of it was taken");
    let (sealed, _) = decode(&sealed, &[usize::MAX]);
    let opened = sealed.into_iter().filter_map(|frame| server.open(frame).expect("it is ours"));
    assert_eq!(opened.collect::<Vec<_>>(), [Incoming::Message(message.to_vec())]);
}

/// All that `bytes` hold when they arrive in pieces of these sizes, over and over, and what ended it.
fn decode(bytes: &[u8], sizes: &[usize]) -> (Vec<Incoming>, String) {
    let (found, error) = in_pieces(bytes, sizes);
    (found, error.to_string())
}

/// The same, with the error itself.
pub(super) fn in_pieces(bytes: &[u8], sizes: &[usize]) -> (Vec<Incoming>, ZmtpError) {
    let mut found = Vec::new();
    let pieces = Pieces { rest: bytes, sizes, next: 0 };
    // Such a stream never waits.
    let mut context = Context::from_waker(Waker::noop());
    let ended = pin!(read_all(pieces, &mut found)).poll(&mut context);
    match ended {
        Poll::Ready(error) => (found, error),
        Poll::Pending => panic!("expected the stream to end"),
    }
}

async fn read_all(mut stream: Pieces<'_>, found: &mut Vec<Incoming>) -> ZmtpError {
    let mut decoder = Decoder::default();
    loop {
        let result = match decoder.next() {
            Ok(Some(incoming)) => {
                found.push(incoming);
                continue;
            }
            Ok(None) => decoder.fill(&mut stream).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            return error;
        }
    }
}

/// A stream that gives so many bytes at once.
struct Pieces<'a> {
    rest: &'a [u8],
    sizes: &'a [usize],
    next: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.sizes.get(self.next % self.sizes.len()).copied().unwrap_or(1);
        let size = size.min(self.rest.len()).min(room.remaining());
        self.next += 1;
        let (piece, rest) = self.rest.split_at(size);
        room.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}
