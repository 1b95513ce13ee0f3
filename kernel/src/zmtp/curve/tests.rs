use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::super::codec::{Encoded, Incoming};
use super::fuzzing::{connected, server_key};
use super::*;

mod client;
mod sockets;

use client::Client;

const DEALER: &[u8] = b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me";

fn ours() -> ServerKey {
    server_key([7; 32])
}

/// The body of a command: its header is one or, above 255 bytes, eight bytes and the flags.
fn body(command: &[u8]) -> &[u8] {
    &command[if command[0] & 2 == 0 { 2 } else { 9 }..]
}

fn frame(more: bool, is_command: bool, body: &'static [u8]) -> Encoded {
    Encoded { is_command, more, body: Bytes::from_static(body), size: 0 }
}

/// A frame as it arrives, sealed.
fn sealed(sealer: &mut Sealer, frame: &Encoded) -> Bytes {
    let mut bytes = BytesMut::new();
    sealer.seal(frame, &mut bytes).unwrap();
    Bytes::copy_from_slice(body(&bytes))
}

fn message(frame: &Bytes) -> Incoming {
    Incoming::Message(vec![frame.clone()])
}

#[track_caller]
fn refused<T>(result: Result<T, ZmtpError>, expected: &str) {
    let error = result.err().expect("a refusal").to_string();
    assert_eq!(error, format!("expected {expected} from the peer"));
}

const HELLO: &str = "a HELLO of CURVE that is sealed for our key";
const INITIATE: &str = "an INITIATE of CURVE for our WELCOME";
const MESSAGE: &str = "a sealed MESSAGE with a higher number";

#[test]
fn a_handshake_tells_both_sides_who_the_other_is() {
    let key = ours();
    let client = Client::new(&key);
    let (welcomed, welcome) = Welcomed::hear(&client.hello(), &key).unwrap();
    let (initiate, cipher) = client.initiate(body(&welcome), DEALER, |_| ());
    let (peer, mut sealer, mut opener) = welcomed.admit(&initiate, &key).unwrap();
    assert_eq!((&peer.socket_type[..], &peer.identity[..]), (&b"DEALER"[..], &b"me"[..]));
    let ready = sealer.ready("ROUTER").unwrap();
    let (server, mut theirs, mut heard) = client.ready(body(&ready), cipher);
    assert_eq!((&server.socket_type[..], &server.identity[..]), (&b"ROUTER"[..], &b""[..]));

    let question = sealed(&mut theirs, &frame(false, false, b"?"));
    let expected = Incoming::Message(vec!["?".into()]);
    assert_eq!(opener.open(message(&question)).unwrap(), Some(expected));
    let answer = sealed(&mut sealer, &frame(false, false, b"!"));
    let expected = Incoming::Message(vec!["!".into()]);
    assert_eq!(heard.open(message(&answer)).unwrap(), Some(expected));
}

#[test]
fn a_hello_that_is_cut_changed_or_for_another_key_is_refused() {
    let key = ours();
    let hello = Client::new(&key).hello();
    assert_eq!(hello.len(), 200);
    for length in 0..hello.len() {
        refused(Welcomed::hear(&hello[..length], &key), HELLO);
    }
    // All but the padding counts.
    for place in (0..8).chain(80..hello.len()) {
        let mut changed = hello.clone();
        changed[place] ^= 1;
        refused(Welcomed::hear(&changed, &key), HELLO);
    }
    refused(Welcomed::hear(&[&hello[..], b"x"].concat(), &key), HELLO);
    refused(Welcomed::hear(&hello, &server_key([8; 32])), HELLO);
    let mut unnumbered = Client::new(&key);
    unnumbered.first = 0;
    refused(Welcomed::hear(&unnumbered.hello(), &key), HELLO);
}

#[test]
fn a_key_that_makes_the_same_secret_with_everybody_is_refused() {
    let minus_one = {
        let mut bytes = [0xFF; 32];
        (bytes[0], bytes[31]) = (0xEC, 0x7F);
        bytes
    };
    let one = [&[1][..], &[0; 31]].concat().try_into().unwrap();
    for point in [[0; 32], one, minus_one] {
        assert!(contributing(point).is_none());
        // Whoever it meets, the secret is that of zero.
        let cipher = SalsaBox::new(&PublicKey::from(point), &SecretKey::from([9; 32]));
        let sealed = seal(&cipher, &numbered(b"CurveZMQHELLO---", 1), &[0; 64]);
        let number = 1_u64.to_be_bytes();
        let hello = [&b"\x05HELLO\x01\x00"[..], &[0; 72], &point, &number, &sealed[..]].concat();
        refused(Welcomed::hear(&hello, &ours()), HELLO);
    }
}

#[test]
fn an_initiate_that_is_cut_changed_or_for_another_welcome_is_refused() {
    let key = ours();
    let client = Client::new(&key);
    let admit = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let (welcomed, welcome) = Welcomed::hear(&client.hello(), &key).unwrap();
        let (initiate, _) = client.initiate(body(&welcome), DEALER, |_| ());
        welcomed.admit(&change(initiate), &key)
    };
    assert!(admit(&|initiate| initiate).is_ok());
    let (_, earlier) = Welcomed::hear(&client.hello(), &key).unwrap();
    let (earlier, _) = client.initiate(body(&earlier), DEALER, |_| ());
    let whole = earlier.len();
    refused(admit(&|_| earlier.clone()), INITIATE);
    for length in 0..whole {
        refused(admit(&|initiate| initiate[..length].to_vec()), INITIATE);
    }
    for place in 0..whole {
        let changed = |mut initiate: Vec<u8>| {
            initiate[place] ^= 1;
            initiate
        };
        refused(admit(&changed), INITIATE);
    }
}

#[test]
fn a_client_vouches_for_its_own_key_and_for_ours() {
    let key = ours();
    let client = Client::new(&key);
    for place in 0..64 {
        let (welcomed, welcome) = Welcomed::hear(&client.hello(), &key).unwrap();
        let change = |vouch: &mut [u8]| vouch[place] ^= 1;
        let (initiate, _) = client.initiate(body(&welcome), DEALER, change);
        refused(welcomed.admit(&initiate, &key), INITIATE);
    }
}

#[test]
fn properties_that_do_not_fit_are_refused_though_they_are_sealed() {
    let key = ours();
    let client = Client::new(&key);
    for length in [1, 12, DEALER.len() - 1] {
        let (welcomed, welcome) = Welcomed::hear(&client.hello(), &key).unwrap();
        let (initiate, _) = client.initiate(body(&welcome), &DEALER[..length], |_| ());
        refused(welcomed.admit(&initiate, &key), "whole properties in its handshake");
    }
}

#[test]
fn a_message_that_is_cut_changed_replayed_or_turned_round_is_refused() {
    let ((mut client, _), (mut server, mut opener)) = connected();
    let first = sealed(&mut client, &frame(false, false, b"first"));
    for length in 0..first.len() {
        refused(opener.open(message(&first.slice(..length))), MESSAGE);
    }
    for place in 0..first.len() {
        let mut changed = first.to_vec();
        changed[place] ^= 1;
        refused(opener.open(message(&changed.into())), MESSAGE);
    }
    let second = sealed(&mut client, &frame(false, false, b"second"));
    assert!(opener.open(message(&second)).unwrap().is_some());
    refused(opener.open(message(&second)), MESSAGE);
    refused(opener.open(message(&first)), MESSAGE);
    // What we said ourselves comes back.
    for _ in 0..5 {
        let own = sealed(&mut server, &frame(false, false, b"own"));
        refused(opener.open(message(&own)), MESSAGE);
    }
    refused(opener.open(Incoming::Message(vec!["plain".into()])), MESSAGE);
    refused(opener.open(Incoming::Command("\x04PING\0\0".into())), MESSAGE);
    let third = sealed(&mut client, &frame(false, false, b"third"));
    refused(opener.open(Incoming::Message(vec![third.clone(), third.clone()])), MESSAGE);
    assert!(opener.open(Incoming::Command(third)).unwrap().is_some(), "either kind of frame");
}

#[test]
fn frames_and_commands_come_out_as_they_went_in() {
    let ((mut client, _), (_, mut opener)) = connected();
    let mut pass = |frame: Encoded| opener.open(message(&sealed(&mut client, &frame))).unwrap();
    assert_eq!(pass(frame(true, false, b"id")), None);
    assert_eq!(pass(frame(true, false, b"")), None);
    let whole = Incoming::Message(vec!["id".into(), "".into(), "end".into()]);
    assert_eq!(pass(frame(false, false, b"end")), Some(whole));
    let ping = frame(false, true, b"\x04PING\0\0");
    assert_eq!(pass(ping), Some(Incoming::Command("\x04PING\0\0".into())));
    assert_eq!(pass(frame(false, false, b"")), Some(Incoming::Message(vec!["".into()])));
}

#[test]
fn a_message_of_too_many_sealed_frames_is_refused() {
    let ((mut client, _), (_, mut opener)) = connected();
    let more = frame(true, false, b"");
    for _ in 0..codec::MAX_FRAMES {
        assert_eq!(opener.open(message(&sealed(&mut client, &more))).unwrap(), None);
    }
    let last = sealed(&mut client, &frame(false, false, b""));
    refused(opener.open(message(&last)), "a message of at most 65,536 frames");
    let ((mut client, _), (_, mut opener)) = connected();
    let both = sealed(&mut client, &frame(true, true, b""));
    refused(opener.open(message(&both)), "known flags in a MESSAGE");
}

/// A connection to our side of a handshake, which gives how that ends.
fn shaking() -> (DuplexStream, tokio::task::JoinHandle<Result<(), ZmtpError>>) {
    let (far, mut near) = duplex(1 << 16);
    let ended = tokio::spawn(async move {
        handshake(&mut near, &mut Decoder::default(), &ours(), "ROUTER").await.map(|_| ())
    });
    (far, ended)
}

#[tokio::test]
async fn a_peer_that_speaks_out_of_turn_is_refused_at_its_header() {
    let first = "the commands of a handshake first";
    let client = Client::new(&ours());
    let hello = codec::encode_command("HELLO", &client.hello()[6..]);
    let huge = [&[2][..], &(1_u64 << 46).to_be_bytes()].concat();
    let curve = "the mechanism CURVE, since the connection file has its keys,";
    for (said, expected) in [
        (&codec::GREETING[..], curve),
        (&[&codec::CURVE_GREETING[..], &codec::ready("DEALER")].concat(), HELLO),
        (&[&codec::CURVE_GREETING[..], b"\x00\x01"].concat(), first),
        (&[&codec::CURVE_GREETING[..], &huge].concat(), "a message of at most 256 MiB"),
        (
            &[&codec::CURVE_GREETING[..], b"\x06\0\0\0\0\0\0\x20\0"].concat(),
            "a command of at most 4 KiB",
        ),
        (&[&codec::CURVE_GREETING[..], &hello, &hello].concat(), INITIATE),
        (&[&codec::CURVE_GREETING[..], &hello, b"\x01\x01"].concat(), first),
    ] {
        let (mut far, ended) = shaking();
        far.write_all(said).await.unwrap();
        refused(ended.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_handshake_that_breaks_off_at_any_byte_ends() {
    let client = Client::new(&ours());
    let hello = codec::encode_command("HELLO", &client.hello()[6..]);
    let whole = [&codec::CURVE_GREETING[..], &hello].concat();
    for length in 0..=whole.len() {
        let (mut far, ended) = shaking();
        far.write_all(&whole[..length]).await.unwrap();
        far.shutdown().await.unwrap();
        assert!(matches!(ended.await.unwrap(), Err(ZmtpError::Io(_))), "after {length} bytes");
        let mut said = Vec::new();
        far.read_to_end(&mut said).await.unwrap();
        let expected = if length < whole.len() { 64 } else { 64 + 2 + 168 };
        assert_eq!(said.len(), expected, "nothing is said before its turn");
    }
}
