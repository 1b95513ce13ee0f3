//! Sockets that demand CURVE, over TCP.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::*;
use crate::zmtp::{Kind, Multipart, Security, Socket};

const ANY: &str = "tcp://127.0.0.1:0";

/// A client whose handshake is done.
struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    sealer: Sealer,
    opener: Opener,
}

impl Peer {
    async fn connect(socket: &Socket, properties: &[u8]) -> Peer {
        let (client, mut decoder) = (Client::new(&ours()), Decoder::default());
        let mut stream = raw(socket).await;
        peer::greet(&mut stream, &codec::CURVE_GREETING, Mechanism::Curve).await.unwrap();
        stream.write_all(&command(&client.hello())).await.unwrap();
        let welcome = peer::command(&mut stream, &mut decoder).await.unwrap();
        let (initiate, cipher) = client.initiate(&welcome, properties, |_| ());
        stream.write_all(&command(&initiate)).await.unwrap();
        let ready = peer::command(&mut stream, &mut decoder).await.unwrap();
        let (_, sealer, opener) = client.ready(&ready, cipher);
        Peer { stream, decoder, sealer, opener }
    }

    async fn send(&mut self, plain: Vec<Bytes>) {
        let (mut plain, mut sealed) = (VecDeque::from(plain), BytesMut::new());
        while let Some(frame) = codec::take_encoded(&mut plain) {
            self.sealer.seal(&frame, &mut sealed).unwrap();
        }
        self.stream.write_all(&sealed).await.unwrap();
    }

    async fn recv(&mut self) -> Incoming {
        loop {
            match self.decoder.next().unwrap() {
                None => self.decoder.fill(&mut self.stream).await.unwrap(),
                Some(sealed) => {
                    if let Some(incoming) = self.opener.open(sealed).unwrap() {
                        return incoming;
                    }
                }
            }
        }
    }
}

/// A command with this body.
fn command(body: &[u8]) -> Bytes {
    let (name, rest) = codec::split_command(body).unwrap();
    codec::encode_command(std::str::from_utf8(name).unwrap(), rest)
}

async fn raw(socket: &Socket) -> TcpStream {
    TcpStream::connect(socket.endpoint().trim_start_matches("tcp://")).await.unwrap()
}

fn curve() -> Security {
    Security::Curve(Arc::new(ours()))
}

async fn router(security: &Security) -> (Socket, mpsc::UnboundedReceiver<Multipart>) {
    let (sender, heard) = mpsc::unbounded_channel();
    let on_message = move |frames| sender.send(frames).unwrap();
    (Socket::bind(ANY, Kind::Router, security, on_message).await.unwrap(), heard)
}

#[tokio::test]
async fn messages_large_and_small_pass_both_ways() {
    let (socket, mut heard) = router(&curve()).await;
    let mut peer = Peer::connect(&socket, DEALER).await;
    let large: Bytes = (0..3 << 20).map(|n: u32| n.to_be_bytes()[2]).collect::<Vec<_>>().into();
    let message = vec![Bytes::from("a"), large, Bytes::new(), Bytes::from(vec![7; 70_000])];
    for _ in 0..2 {
        peer.send(codec::encode(&message)).await;
        let mut frames = heard.recv().await.unwrap();
        assert_eq!(frames[0], "me");
        assert!(frames[1..] == message);
        frames.push("end".into());
        socket.send(frames);
        let expected = [&message[..], &["end".into()]].concat();
        assert!(peer.recv().await == Incoming::Message(expected));
    }
    for number in 0..300_u16 {
        socket.send(vec!["me".into(), Bytes::copy_from_slice(&number.to_be_bytes())]);
    }
    for number in 0..300_u16 {
        let expected = Bytes::copy_from_slice(&number.to_be_bytes());
        assert_eq!(peer.recv().await, Incoming::Message(vec![expected]));
    }
    socket.flush(std::time::Duration::from_secs(30)).await;
}

#[tokio::test]
async fn a_subscriber_is_welcomed_and_its_commands_are_obeyed() {
    let welcome = |topic: &[u8]| Some(vec![Bytes::copy_from_slice(topic), "welcome".into()]);
    let kind = Kind::Publisher { welcome: Box::new(welcome) };
    let socket = Socket::bind(ANY, kind, &curve(), |_| ()).await.unwrap();
    let mut peers = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::connect(&socket, b"\x0bSocket-Type\0\0\0\x03SUB").await;
        peer.send(vec![codec::encode_command("SUBSCRIBE", b"t")]).await;
        assert_eq!(peer.recv().await, Incoming::Message(vec!["t".into(), "welcome".into()]));
        peer.send(vec![codec::encode_command("PING", b"\0\x0A?")]).await;
        assert_eq!(peer.recv().await, Incoming::Command("\x04PONG?".into()));
        peers.push(peer);
    }
    socket.send(vec!["t".into(), "to both".into()]);
    for peer in &mut peers {
        assert_eq!(peer.recv().await, Incoming::Message(vec!["t".into(), "to both".into()]));
    }
}

/// What a socket says to a peer that says `said`, until it closes the connection.
async fn answers(socket: &Socket, said: &[u8]) -> Vec<u8> {
    let mut stream = raw(socket).await;
    stream.write_all(said).await.unwrap();
    let mut answers = Vec::new();
    // A connection that is reset is closed too.
    let _ = stream.read_to_end(&mut answers).await;
    answers
}

#[tokio::test]
async fn a_peer_without_curve_hears_a_greeting_and_no_more() {
    let (socket, mut heard) = router(&curve()).await;
    let plain = [codec::ready("DEALER"), codec::encode(&["x".into()]).concat().into()].concat();
    for greeting in [codec::GREETING, codec::CURVE_GREETING] {
        let said = [&greeting[..], &plain].concat();
        assert_eq!(answers(&socket, &said).await, codec::CURVE_GREETING);
    }
    drop(socket);
    assert_eq!(heard.recv().await, None);
}

#[tokio::test]
async fn a_peer_with_curve_hears_a_greeting_and_no_more_where_there_are_no_keys() {
    let (socket, _heard) = router(&Security::Null).await;
    let hello = command(&Client::new(&ours()).hello());
    let said = [&codec::CURVE_GREETING[..], &hello].concat();
    assert_eq!(answers(&socket, &said).await, codec::GREETING);
}

#[tokio::test]
async fn a_peer_that_says_something_in_the_clear_later_is_dropped() {
    let (socket, mut heard) = router(&curve()).await;
    let mut peer = Peer::connect(&socket, DEALER).await;
    peer.send(codec::encode(&["sealed".into()])).await;
    assert_eq!(heard.recv().await.unwrap(), ["me", "sealed"]);
    peer.stream.write_all(b"\x00\x05plain").await.unwrap();
    let mut rest = Vec::new();
    let _ = peer.stream.read_to_end(&mut rest).await;
    drop(socket);
    assert_eq!(heard.recv().await, None);
}
