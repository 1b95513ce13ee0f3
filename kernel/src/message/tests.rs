use serde_json::Value;

use super::content::{ErrorContent, ExecuteReply, ExecutionState, StreamName};
use super::*;
use crate::wire::ReplayGuard;

fn session() -> Session {
    Session::new(SigningKey::new("key"))
}

fn content(frames: &Frames) -> Value {
    frames.content().unwrap()
}

#[test]
fn every_message_is_signed_and_bears_the_one_session() {
    let session = session();
    let mut guard = ReplayGuard::default();
    let parent = Bytes::from_static(br#"{"msg_id": "p", "msg_type": "execute_request", "x": 1}"#);
    for frames in [
        session.status(&parent, ExecutionState::Busy),
        session.stream(&parent, StreamName::Stderr, "text"),
        session.shutdown_reply(&parent, true),
        session.ok_reply("interrupt_reply", &parent),
    ] {
        let key = SigningKey::new("key");
        let frames = Frames::parse_verified(frames.into_multipart(), &key, &mut guard).unwrap();
        let header = frames.header().unwrap();
        assert_eq!((header.session, header.version.as_str()), (session.id.clone(), "5.4"));
        assert!(header.date.ends_with('Z') && header.date.len() == 27, "{}", header.date);
        assert_eq!(frames.parent_header, parent);
    }
}

#[test]
fn contents_have_the_fields_of_the_protocol() {
    let (session, parent) = (session(), NO_PARENT);
    let status = session.status(&parent, ExecutionState::Idle);
    assert_eq!(content(&status), json!({"execution_state": "idle"}));
    let error = ErrorContent::new("ValueError", "no");
    let failed = session.error_reply("complete_reply", &parent, &error);
    let expected = json!({"status": "error", "ename": "ValueError", "evalue": "no",
        "traceback": ["ValueError: no"]});
    assert_eq!(content(&failed), expected);
    let reply = session.execute_reply(&parent, &ExecuteReply::ok(3), Timestamp::UNIX_EPOCH);
    let expected = json!({"status": "ok", "execution_count": 3, "user_expressions": {},
        "payload": []});
    assert_eq!(content(&reply), expected);
    assert_eq!(reply.metadata::<Value>().unwrap()["started"], "1970-01-01T00:00:00Z");
    let reply = session.execute_reply(&parent, &ExecuteReply::Aborted, Timestamp::UNIX_EPOCH);
    assert_eq!(content(&reply), json!({"status": "aborted"}));
}

#[test]
fn a_welcome_goes_under_its_own_topic_and_has_no_parent() {
    let welcome = session().iopub_welcome(b"stream").unwrap();
    assert_eq!(welcome.identities, ["stream"]);
    assert_eq!(welcome.parent_header, "{}");
    assert_eq!(content(&welcome), json!({"subscription": "stream"}));
    assert!(session().iopub_welcome(b"\xff").is_none());
}
