use super::super::fuzzing::in_pieces;
use super::*;

fn frames(parts: &[&[u8]]) -> Multipart {
    parts.iter().map(|part| Bytes::copy_from_slice(part)).collect()
}

/// All that `bytes` hold, when they arrive in pieces of `size` bytes.
fn decode(bytes: &[u8], size: usize) -> Result<Vec<Incoming>, ZmtpError> {
    match in_pieces(bytes, &[size]) {
        (found, ZmtpError::Io(_)) => Ok(found),
        (_, error) => Err(error),
    }
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let error = decode(bytes, bytes.len()).unwrap_err();
    assert_eq!(error.to_string(), format!("expected {expected} from the peer"));
}

#[test]
fn what_is_encoded_is_decoded_however_it_is_cut() {
    let large = vec![7; COPIED + 1];
    let messages = [
        frames(&[b""]),
        frames(&[b"a", b"", &[1; 255], &[2; 256]]),
        frames(&[b"topic", &large, b"end"]),
    ];
    let mut bytes: Vec<u8> = messages.iter().flat_map(|message| encode(message).concat()).collect();
    bytes.extend_from_slice(&encode_command("PING", b"\0\0x"));
    let mut expected: Vec<_> = messages.into_iter().map(Incoming::Message).collect();
    expected.push(Incoming::Command(Bytes::from_static(b"\x04PING\0\0x")));
    for size in [1, 2, 3, 7, 64, bytes.len()] {
        assert_eq!(decode(&bytes, size).unwrap(), expected, "in pieces of {size}");
    }
}

#[test]
fn a_large_frame_arrives_whole_between_others() {
    let large: Vec<u8> = (0..LARGE + 3).map(|n| n.to_be_bytes()[7]).collect();
    let message = frames(&[b"t", &large, &large[..LARGE], b"end"]);
    let bytes = [encode(&message).concat(), encode(&message).concat()].concat();
    let expected = [Incoming::Message(message.clone()), Incoming::Message(message)];
    for size in [1_000, 65_536, 1 << 20, bytes.len()] {
        assert_eq!(decode(&bytes, size).unwrap(), expected, "in pieces of {size}");
    }
}

#[test]
fn a_large_frame_is_sent_from_where_it_is() {
    let large = Bytes::from(vec![7; COPIED + 1]);
    let chunks = encode(&[Bytes::from_static(b"t"), large.clone(), Bytes::from_static(b"e")]);
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks[1].as_ptr(), large.as_ptr());
}

#[test]
fn what_waits_is_taken_frame_by_frame_large_ones_from_where_they_are() {
    let large = Bytes::from(vec![7; COPIED + 1]);
    let message = [Bytes::from("t"), large.clone(), Bytes::new(), Bytes::from("e")];
    let mut chunks: VecDeque<_> = encode(&message).into();
    chunks.push_back(encode_command("PONG", b"x"));
    chunks.extend(encode(&[Bytes::new()]));
    let mut next =
        || take_encoded(&mut chunks).map(|frame| (frame.more, frame.is_command, frame.body));
    assert_eq!(next(), Some((true, false, "t".into())));
    let (more, _, body) = next().unwrap();
    assert_eq!((more, body.as_ptr()), (true, large.as_ptr()));
    assert_eq!(next(), Some((true, false, "".into())));
    assert_eq!(next(), Some((false, false, "e".into())));
    assert_eq!(next(), Some((false, true, "\x04PONGx".into())));
    assert_eq!(next(), Some((false, false, "".into())));
    assert_eq!(next(), None);
}

#[test]
fn sizes_and_flags_out_of_bounds_are_refused_at_the_header() {
    let long = |flags: u8, size: u64| [&[flags | LONG][..], &size.to_be_bytes()].concat();
    refused(&long(0, 1 << 46), "a message of at most 256 MiB");
    refused(&long(0, u64::MAX), "a message of at most 256 MiB");
    refused(&long(COMMAND, 5_000), "a command of at most 4 KiB");
    refused(&[0x08, 0], "known flags of a frame");
    refused(&[MORE | COMMAND, 0], "known flags of a frame");
    refused(&[MORE, 0].repeat(MAX_FRAMES + 1), "a message of at most 65,536 frames");
    let rest = [&b"\x01\x01x"[..], &long(0, MAX_MESSAGE as u64)].concat();
    refused(&rest, "a message of at most 256 MiB");
    assert_eq!(decode(&long(0, MAX_MESSAGE as u64), 9).unwrap(), []);
}

#[test]
fn a_greeting_is_checked() {
    assert!(check_greeting(GREETING, Mechanism::Null).is_ok());
    let changed = |place: usize, value: u8| {
        let mut greeting = GREETING;
        greeting[place] = value;
        check_greeting(greeting, Mechanism::Null)
    };
    assert!(changed(11, 1).is_ok(), "version 3.1");
    assert!(changed(5, 9).is_ok(), "padding");
    for (place, value) in [(0, 0), (9, 0), (10, 2), (12, b'C'), (16, b'X')] {
        assert!(changed(place, value).is_err(), "{place}");
    }
    assert!(check_greeting(CURVE_GREETING, Mechanism::Curve).is_ok());
    assert!(check_greeting(CURVE_GREETING, Mechanism::Null).is_err(), "not what we offer");
    assert!(check_greeting(GREETING, Mechanism::Curve).is_err(), "no downgrade");
}

#[test]
fn ready_is_read_and_its_properties_must_fit() {
    let body = |text: &'static [u8]| Bytes::from_static(text);
    let whole =
        body(b"\x05READY\x0bsocket-TYPE\0\0\0\x06DEALER\x08Identity\0\0\0\x02me\x01x\0\0\0\0");
    let ready = parse_ready(whole.clone()).unwrap();
    assert_eq!((&ready.socket_type[..], &ready.identity[..]), (&b"DEALER"[..], &b"me"[..]));
    for length in 0..whole.len() {
        // A cut after a whole property is fine, any other is not.
        let expected = [6, 28, 43].contains(&length);
        assert_eq!(parse_ready(whole.slice(..length)).is_ok(), expected, "{length}");
    }
    assert!(parse_ready(body(b"\x05READY\x01x\xff\xff\xff\xff")).is_err());
    assert!(parse_ready(body(b"\x05ERROR\x01x")).is_err());
}

#[test]
fn ours_is_as_the_protocol_writes_it() {
    assert_eq!(GREETING[..20], *b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\0NULL\0\0\0\0");
    assert_eq!(CURVE_GREETING[10..18], *b"\x03\0CURVE\0");
    assert_eq!((GREETING[32], CURVE_GREETING[32]), (0, 1), "as server");
    assert_eq!(ready("ROUTER"), &b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"[..]);
}

#[test]
fn random_bytes_are_refused_or_wait_for_more() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let mut bytes = encode(&frames(&[b"id", b"<IDS|MSG>", &[3; 40]])).concat();
        for _ in 0..=random() % 4 {
            let place = usize::try_from(random()).unwrap() % bytes.len();
            bytes[place] = random().to_be_bytes()[0];
        }
        let size = 1 + usize::try_from(random() % 60).unwrap();
        let _ = decode(&bytes, size);
        let _ = parse_ready(bytes.into());
    }
}
