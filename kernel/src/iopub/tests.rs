use super::*;
use crate::message::content::{ExecutionState, StreamName};
use crate::wire::{ReplayGuard, SigningKey};

/// One message of a conversation: when in milliseconds, and what.
struct Step(u64, Frames);

fn companion() -> Session {
    Session::new(SigningKey::new("key"))
}

fn text(parent: &str, name: StreamName, text: &str) -> Frames {
    let parent = Bytes::from(format!(r#"{{"msg_id":"{parent}","msg_type":"execute_request"}}"#));
    companion().stream(&parent, name, text).with_identities(vec!["topic".into()])
}

fn out(text_: &str) -> Frames {
    text("p", StreamName::Stdout, text_)
}

fn idle() -> Frames {
    companion().status(&Bytes::from_static(b"{}"), ExecutionState::Idle)
}

/// What goes out, as text: `time:text`, and `time:.` for anything that is no stream.
fn run(steps: Vec<Step>) -> Vec<String> {
    let start = Instant::now();
    let mut gatherer = StreamGatherer::new(companion());
    let mut sent = Vec::new();
    let shown = |at: u64, frames: &Frames| {
        let text = frames.content::<Value>().unwrap()["text"].as_str().map(str::to_owned);
        format!("{at}:{}", text.unwrap_or_else(|| ".".into()))
    };
    for Step(at, frames) in steps {
        let now = start + Duration::from_millis(at);
        while let Some(deadline) = gatherer.deadline().filter(|deadline| *deadline <= now) {
            let due = u64::try_from((deadline - start).as_millis()).unwrap();
            sent.extend(gatherer.flush().iter().map(|frames| shown(due, frames)));
        }
        sent.extend(gatherer.push(now, frames).iter().map(|frames| shown(at, frames)));
    }
    sent.extend(gatherer.flush().iter().map(|frames| shown(9999, frames)));
    assert_eq!(gatherer.deadline(), None);
    sent
}

#[test]
fn the_first_text_goes_at_once_and_what_follows_soon_is_joined() {
    let sent =
        run(vec![Step(0, out("a")), Step(1, out("b")), Step(2, out("c")), Step(50, out("d"))]);
    assert_eq!(sent, ["0:a", "41:bc", "9999:d"]);
}

#[test]
fn text_that_comes_slowly_is_never_held() {
    let sent = run(vec![Step(0, out("a")), Step(100, out("b")), Step(200, out("c"))]);
    assert_eq!(sent, ["0:a", "100:b", "200:c"]);
}

#[test]
fn anything_else_flushes_first_so_the_order_is_kept() {
    let sent = run(vec![Step(0, out("a")), Step(1, out("b")), Step(2, idle()), Step(3, out("c"))]);
    assert_eq!(sent, ["0:a", "2:b", "2:.", "3:c"]);
}

#[test]
fn streams_and_requests_are_not_mixed() {
    let error = text("p", StreamName::Stderr, "e");
    let other = text("q", StreamName::Stdout, "q");
    let sent = run(vec![
        Step(0, out("a")),
        Step(1, out("b")),
        Step(2, error),
        Step(3, out("c")),
        Step(4, other),
    ]);
    assert_eq!(sent, ["0:a", "2:b", "2:e", "3:c", "4:q"]);
}

#[test]
fn what_is_held_is_bounded_in_bytes() {
    let large = "x".repeat(MAX_HELD / 2 + 1);
    let sent = run(vec![Step(0, out("a")), Step(1, out(&large)), Step(2, out(&large))]);
    assert_eq!(sent.len(), 2);
    assert!(sent[1].starts_with("2:xx") && sent[1].len() > MAX_HELD);
}

#[test]
fn a_lone_message_passes_byte_for_byte_and_a_joined_one_is_signed_by_us() {
    let now = Instant::now();
    let session = companion();
    let mut gatherer = StreamGatherer::new(session.clone());
    let (first, second, third) = (out("a"), out("b"), out("c"));
    assert_eq!(gatherer.push(now, first.clone()), std::slice::from_ref(&first));
    assert!(gatherer.push(now, second.clone()).is_empty());
    assert_eq!(gatherer.flush(), std::slice::from_ref(&second));
    assert!(gatherer.push(now, second.clone()).is_empty());
    assert!(gatherer.push(now, third).is_empty());
    let joined = gatherer.flush().remove(0).into_multipart();
    let key = SigningKey::new("key");
    let joined = Frames::parse_verified(joined, &key, &mut ReplayGuard::default()).unwrap();
    assert_eq!(joined.identities, ["topic"]);
    assert_eq!(joined.parent_header, second.parent_header);
    assert_eq!(joined.header().unwrap().session, session.id);
    assert_eq!(joined.content::<Value>().unwrap(), json!({"name": "stdout", "text": "bc"}));
}

#[test]
fn text_that_is_no_unicode_passes_unchanged() {
    let now = Instant::now();
    let mut gatherer = StreamGatherer::new(companion());
    let raw = Bytes::from_static(b"{\"name\":\"stdout\",\"text\":\"\x80\"}");
    let odd = Frames { content: raw, ..out("") };
    let more = Frames {
        content: Bytes::from_static(b"{\"name\":\"stdout\",\"text\":\"x\",\"more\":1}"),
        ..out("")
    };
    assert_eq!(gatherer.push(now, out("a")).len(), 1);
    for frames in [odd, more] {
        assert_eq!(gatherer.push(now, frames.clone()), [frames]);
    }
}
