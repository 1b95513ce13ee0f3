use serde_json::Value;

use super::*;

fn key() -> SigningKey {
    SigningKey::new("secret")
}

/// A signed `execute_request` from one client.
fn request(code: &str) -> Multipart {
    let header =
        r#"{"msg_id":"m","msg_type":"execute_request","session":"s","subshell_id":null,"x":[1]}"#;
    let content = format!(r#"{{"code":"{code}"}}"#);
    Frames::sign_new(&key(), header.into(), "{}".into(), "{}".into(), content.into())
        .with_identities(vec!["routing-id".into()])
        .into_multipart()
}

fn verify(multipart: Multipart) -> Result<Frames, WireError> {
    Frames::parse_verified(multipart, &key(), &mut ReplayGuard::default())
}

#[track_caller]
fn refused(multipart: Multipart) -> String {
    verify(multipart).unwrap_err().to_string()
}

fn with_signature(signature: &'static [u8]) -> Multipart {
    let mut multipart = request("1");
    multipart[2] = Bytes::from_static(signature);
    multipart
}

#[test]
fn a_signature_of_jupyter_client_is_ours() {
    // hmac.new(b"secret", b'{"a":1}{}{}{"b":2}', hashlib.sha256).hexdigest()
    let frames = Frames::sign_new(
        &key(),
        Bytes::from_static(br#"{"a":1}"#),
        Bytes::from_static(b"{}"),
        Bytes::from_static(b"{}"),
        Bytes::from_static(br#"{"b":2}"#),
    );
    let expected = "9b14d94617bffb278285cea390d9dc17e01ec3188dba313f9548021906557a7b";
    assert_eq!(frames.signature, expected);
}

#[test]
fn frames_pass_through_unchanged() {
    let mut multipart = request("1");
    // What no parser of ours would take apart: binary buffers, bytes that are no UTF-8, surrogates.
    multipart.extend([Bytes::from_static(b"\x00\xff\x80"), Bytes::new()]);
    let frames = verify(multipart.clone()).unwrap();
    assert_eq!(frames.identities, ["routing-id"]);
    assert_eq!(frames.buffers.len(), 2);
    assert_eq!(frames.into_multipart(), multipart);
    let odd = [&b"id"[..], DELIMITER, b"", b"\xff", b"\"\\ud83d\"", b"[", b"\x80"];
    let odd: Multipart = odd.iter().map(|frame| Bytes::copy_from_slice(frame)).collect();
    assert_eq!(Frames::parse(odd.clone()).unwrap().into_multipart(), odd);
}

#[test]
fn every_short_length_is_refused_and_counted() {
    let whole = request("1");
    for length in 0..whole.len() {
        let short = whole[..length].to_vec();
        let expected = match length {
            0 | 1 => format!(
                "expected the delimiter `<IDS|MSG>` among the frames, found {length} frames without it"
            ),
            _ => format!(
                "expected a signature and 4 frames after the delimiter, found {} frames",
                length - 2
            ),
        };
        assert_eq!(refused(short), expected);
    }
    assert!(verify(whole).is_ok());
}

#[test]
fn only_a_right_signature_in_its_one_spelling_passes() {
    let bad = "the signature does not match the message; the peer uses another key";
    assert_eq!(refused(with_signature(&[b'0'; 64])), bad);
    let spelling = |found| {
        format!("expected a signature of 64 lower-case hexadecimal digits, found {found} bytes")
    };
    assert_eq!(refused(with_signature(b"")), spelling(0));
    assert_eq!(refused(with_signature(&[b'g'; 64])), spelling(64));
    assert_eq!(refused(with_signature(&[b'0'; 65])), spelling(65));
    let mut upper = request("1");
    upper[2] = upper[2].to_ascii_uppercase().into();
    assert_eq!(refused(upper), spelling(64));
}

#[test]
fn a_change_to_any_signed_frame_is_refused() {
    for frame in 3..7 {
        let mut changed = request("1");
        changed[frame] = [&changed[frame][..], b" "].concat().into();
        assert!(matches!(verify(changed), Err(WireError::BadSignature)), "frame {frame}");
    }
    let mut moved = request("1");
    moved.swap(4, 6);
    assert!(verify(moved).is_err());
}

#[test]
fn a_replay_is_refused_and_a_forgery_does_not_spoil_the_original() {
    let mut guard = ReplayGuard::default();
    let mut receive = |multipart| Frames::parse_verified(multipart, &key(), &mut guard);
    // The right signature over a wrong message comes first; it must not be remembered.
    let mut forged = request("1");
    forged[6] = "{}".into();
    assert!(matches!(receive(forged), Err(WireError::BadSignature)));
    assert!(receive(request("1")).is_ok());
    assert!(matches!(receive(request("1")), Err(WireError::Replay)));
    // Other identities and buffers are not signed; the replay stays one.
    let mut elsewhere = request("1");
    elsewhere[0] = "other".into();
    assert!(matches!(receive(elsewhere), Err(WireError::Replay)));
}

#[test]
fn the_guard_forgets_the_oldest_first() {
    let mut guard = ReplayGuard::default();
    let digest = |n: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        digest
    };
    for n in 0..REPLAY_HISTORY {
        assert!(guard.admit(digest(n)));
    }
    assert!(!guard.admit(digest(0)), "the whole history is known");
    assert!(guard.admit(digest(REPLAY_HISTORY)));
    assert!(!guard.admit(digest(1)));
    assert!(guard.admit(digest(0)), "the oldest has made room");
    assert_eq!((guard.seen.len(), guard.order.len()), (REPLAY_HISTORY, REPLAY_HISTORY));
}

#[test]
fn without_a_key_nothing_is_signed_and_nothing_refused() {
    let key = SigningKey::new("");
    let frames = Frames::sign_new(&key, "{}".into(), "{}".into(), "{}".into(), "{}".into());
    assert_eq!(frames.signature, "");
    let mut guard = ReplayGuard::default();
    for _ in 0..2 {
        let multipart = frames.clone().into_multipart();
        assert!(Frames::parse_verified(multipart, &key, &mut guard).is_ok());
    }
}

#[test]
fn a_header_is_read_where_it_has_an_id_and_a_type() {
    let header = verify(request("1")).unwrap().header().unwrap();
    assert_eq!((&header.msg_id[..], &header.msg_type[..]), ("m", "execute_request"));
    assert_eq!((&header.session[..], header.subshell_id), ("s", None));
    let frames = |header: &str| {
        Frames::sign_new(&key(), header.to_owned().into(), "{}".into(), "{}".into(), "{}".into())
    };
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    for header in
        ["", "[]", "{}", "3", r#"{"msg_id":"m"}"#, r#"{"msg_id":1,"msg_type":"x"}"#, &deep]
    {
        let error = frames(header).header().unwrap_err();
        assert_eq!(error.to_string(), "expected a header with `msg_id` and `msg_type`");
    }
    assert!(frames("{}").parent().is_err(), "`{{}}` is no parent");
}

#[test]
fn content_is_read_leniently_and_refused_with_its_reason() {
    let content = |content: &'static [u8]| {
        let empty = Bytes::from_static(b"{}");
        let content = Bytes::from_static(content);
        Frames::sign_new(&key(), empty.clone(), empty.clone(), empty, content).content::<Value>()
    };
    assert_eq!(content(b"{\"text\":\"a\x80\"}").unwrap()["text"], "a\u{FFFD}");
    assert_eq!(content(br#"{"code":"\ud800"}"#).unwrap()["code"], "\u{FFFD}");
    let error = content(b"{").unwrap_err();
    assert_eq!(error.to_string(), "the content does not fit its message type");
    let deep = Bytes::from("[".repeat(100_000));
    let frames = Frames { content: deep, ..verify(request("1")).unwrap() };
    assert!(frames.content::<Value>().is_err(), "depth is bounded");
}

#[test]
fn a_log_shows_neither_code_nor_key_nor_signature() {
    let frames = verify(request("private")).unwrap();
    let shown = format!("{frames:?} {:?}", key());
    assert!(!shown.contains("private") && !shown.contains("secret"), "{shown}");
}

/// The fuzz target's loop with a fixed seed: what arrives is never more than an error.
#[test]
fn mutated_messages_are_refused_not_panicked_on() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..20_000 {
        let mut multipart = request("1");
        for _ in 0..=random(3) {
            mutate(&mut multipart, &mut random);
        }
        if let Ok(frames) = Frames::parse(multipart.clone()) {
            let _ = (frames.header(), frames.parent(), frames.content::<Value>());
            assert_eq!(frames.into_multipart(), multipart);
        }
        let _ = verify(multipart);
    }
}

fn mutate(multipart: &mut Multipart, random: &mut impl FnMut(usize) -> usize) {
    if multipart.is_empty() {
        return;
    }
    let place = random(multipart.len());
    let frame = multipart[place].to_vec();
    match random(5) {
        0 => drop(multipart.remove(place)),
        1 => multipart.insert(place, DELIMITER.into()),
        2 => multipart.swap(place, 0),
        3 => multipart[place] = frame[..random(frame.len() + 1)].to_vec().into(),
        _ => {
            let mut frame = frame;
            if !frame.is_empty() {
                let at = random(frame.len());
                frame[at] = u8::try_from(random(256)).unwrap();
            }
            multipart[place] = frame.into();
        }
    }
}
