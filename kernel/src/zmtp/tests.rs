use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use zeromq::util::PeerIdentity;
use zeromq::{DealerSocket, ReqSocket, SubSocket};
use zeromq::{Socket as _, SocketOptions, SocketRecv, SocketSend, ZmqMessage};

use super::*;

const ANY: &str = "tcp://127.0.0.1:0";

/// The most that a flush in these tests may take; only a failing test waits for it.
const LONG: Duration = Duration::from_secs(30);

fn message(frames: &[&[u8]]) -> ZmqMessage {
    let frames: Vec<Bytes> = frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect();
    ZmqMessage::try_from(frames).unwrap()
}

async fn router(endpoint: &str) -> (Socket, UnboundedReceiver<Multipart>) {
    let (sender, heard) = mpsc::unbounded_channel();
    let on_message = move |frames| sender.send(frames).unwrap();
    (Socket::bind(endpoint, Kind::Router, &Security::Null, on_message).await.unwrap(), heard)
}

async fn publisher() -> Socket {
    let welcome = |topic: &[u8]| Some(vec![Bytes::copy_from_slice(topic), "welcome".into()]);
    let kind = Kind::Publisher { welcome: Box::new(welcome) };
    Socket::bind(ANY, kind, &Security::Null, |_| ()).await.unwrap()
}

async fn echo() -> Socket {
    Socket::bind(ANY, Kind::Echo, &Security::Null, |_| ()).await.unwrap()
}

async fn dealer(socket: &Socket) -> DealerSocket {
    let mut dealer = DealerSocket::new();
    dealer.connect(socket.endpoint()).await.unwrap();
    dealer
}

async fn subscriber(socket: &Socket, topic: &str) -> SubSocket {
    let mut subscriber = SubSocket::new();
    subscriber.connect(socket.endpoint()).await.unwrap();
    subscriber.subscribe(topic).await.unwrap();
    subscriber
}

/// A connection of raw bytes.
async fn raw(socket: &Socket) -> TcpStream {
    TcpStream::connect(socket.endpoint().trim_start_matches("tcp://")).await.unwrap()
}

/// A raw connection after its handshake as `socket_type`.
async fn shaken(socket: &Socket, socket_type: &str) -> TcpStream {
    let mut stream = raw(socket).await;
    stream.write_all(&codec::GREETING).await.unwrap();
    stream.write_all(&codec::ready(socket_type)).await.unwrap();
    let mut greeting = [0; 64];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, codec::GREETING);
    let ready = frame(&mut stream).await;
    assert!(codec::parse_ready(ready).unwrap().identity.is_empty(), "clients reject an identity");
    stream
}

/// Reads one short frame.
async fn frame(stream: &mut TcpStream) -> Bytes {
    let mut header = [0; 2];
    stream.read_exact(&mut header).await.unwrap();
    let mut body = vec![0; usize::from(header[1])];
    stream.read_exact(&mut body).await.unwrap();
    body.into()
}

/// Waits until the other side has closed the connection.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A connection that is reset is closed too.
    let _ = stream.read_to_end(&mut rest).await;
}

async fn without_peers(socket: &Socket) {
    while socket.hub.peer_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_router_hears_under_a_routing_id_and_replies_to_it() {
    let (socket, mut heard) = router(ANY).await;
    let mut dealer = dealer(&socket).await;
    dealer.send(message(&[b"a", b"", b"b"])).await.unwrap();
    let mut frames = heard.recv().await.unwrap();
    assert_eq!(frames[1..], ["a", "", "b"]);
    frames.truncate(1);
    frames.extend([Bytes::from(vec![7; 1 << 20]), Bytes::from("end")]);
    socket.send(frames);
    let reply = dealer.recv().await.unwrap();
    assert_eq!(reply.get(0).unwrap(), &vec![7; 1 << 20]);
    assert_eq!(reply.get(1).unwrap(), "end");
    socket.send(vec!["nobody".into(), "x".into()]);
    socket.send(Vec::new());
}

#[tokio::test]
async fn replies_find_their_peer_among_others() {
    let (socket, mut heard) = router(ANY).await;
    let mut dealers = Vec::new();
    for number in 0..10_u8 {
        let mut dealer = dealer(&socket).await;
        dealer.send(message(&[&[number]])).await.unwrap();
        dealers.push(dealer);
    }
    for _ in 0..10 {
        socket.send(heard.recv().await.unwrap());
    }
    for (number, dealer) in dealers.iter_mut().enumerate() {
        assert_eq!(
            dealer.recv().await.unwrap().get(0).unwrap()[..],
            [u8::try_from(number).unwrap()]
        );
    }
}

#[tokio::test]
async fn the_newest_connection_takes_over_an_identity_fifty_times() {
    let (socket, mut heard) = router(ANY).await;
    let mut earlier = Vec::new();
    for _ in 0..50 {
        let mut options = SocketOptions::default();
        options.peer_identity(PeerIdentity::try_from(b"me".to_vec()).unwrap());
        let mut dealer = DealerSocket::with_options(options);
        dealer.connect(socket.endpoint()).await.unwrap();
        dealer.send(message(&[b"x"])).await.unwrap();
        let frames = heard.recv().await.unwrap();
        assert_eq!(frames, ["me", "x"]);
        socket.send(frames);
        assert_eq!(dealer.recv().await.unwrap().get(0).unwrap(), "x");
        earlier.push(dealer);
    }
    assert_eq!(socket.hub.peer_count(), 1);
}

#[tokio::test]
async fn the_welcome_comes_before_anything_else() {
    let socket = publisher().await;
    let mut stream = shaken(&socket, "SUB").await;
    socket.send(vec!["status".into(), "nobody asked".into()]);
    stream.write_all(b"\x00\x01\x01").await.unwrap();
    assert_eq!(frame(&mut stream).await, "");
    assert_eq!(frame(&mut stream).await, "welcome");
    socket.send(vec!["status".into(), "busy".into()]);
    assert_eq!(frame(&mut stream).await, "status");
    assert_eq!(frame(&mut stream).await, "busy");
}

#[tokio::test]
async fn our_own_subscriber_reads_messages_large_and_small() {
    let socket = publisher().await;
    let mut subscriber = Subscriber::connect(socket.endpoint()).await.unwrap();
    assert_eq!(subscriber.recv().await.unwrap(), ["", "welcome"]);
    subscriber.nudge().await.unwrap();
    let large = Bytes::from(vec![7; 5 << 20]);
    socket.send(vec!["t".into(), large.clone(), "end".into()]);
    socket.send(vec!["t".into(), "small".into()]);
    assert_eq!(subscriber.recv().await.unwrap(), [Bytes::from("t"), large, Bytes::from("end")]);
    assert_eq!(subscriber.recv().await.unwrap(), ["t", "small"]);
    let endpoint = socket.endpoint().to_owned();
    drop(socket);
    assert!(matches!(subscriber.recv().await, Err(ZmtpError::Io(_))));
    assert!(Subscriber::connect(&endpoint).await.is_err(), "nobody listens");
    let wrong = Subscriber::connect(echo().await.endpoint()).await.err().unwrap();
    assert_eq!(wrong.to_string(), "expected a publisher from the peer");
}

#[tokio::test]
async fn a_subscriber_gets_what_it_asked_for_and_no_more() {
    let socket = publisher().await;
    let mut stream = shaken(&socket, "SUB").await;
    // Subscribe to `a` and `ab`, as messages and as commands of version 3.1.
    stream.write_all(b"\x00\x02\x01a").await.unwrap();
    stream.write_all(&codec::encode_command("SUBSCRIBE", b"ab")).await.unwrap();
    for topic in ["a", "ab"] {
        assert_eq!(frame(&mut stream).await, topic);
        assert_eq!(frame(&mut stream).await, "welcome");
    }
    socket.send(vec!["b".into(), "unwanted".into()]);
    socket.send(vec!["abc".into(), "once".into()]);
    assert_eq!(frame(&mut stream).await, "abc");
    assert_eq!(frame(&mut stream).await, "once");
    // Take one back; the answer to a PING tells that it was heard.
    stream.write_all(b"\x00\x02\x00a").await.unwrap();
    stream.write_all(&codec::encode_command("PING", b"\0\x0A?")).await.unwrap();
    assert_eq!(frame(&mut stream).await, "\x04PONG?");
    socket.send(vec!["a".into(), "unwanted".into()]);
    socket.send(vec!["ab".into(), "wanted".into()]);
    assert_eq!(frame(&mut stream).await, "ab");
    assert_eq!(frame(&mut stream).await, "wanted");
}

#[tokio::test]
async fn a_stalled_subscriber_delays_nobody_else() {
    let socket = publisher().await;
    let mut stalled = shaken(&socket, "SUB").await;
    stalled.write_all(b"\x00\x01\x01").await.unwrap();
    assert_eq!(frame(&mut stalled).await, "");
    let mut reader = subscriber(&socket, "").await;
    assert_eq!(reader.recv().await.unwrap().get(1).unwrap(), "welcome");
    let output = Bytes::from(vec![7; 1 << 20]);
    for number in 0..300_u16 {
        let number = Bytes::copy_from_slice(&number.to_be_bytes());
        socket.send(vec!["stream".into(), number.clone(), output.clone()]);
        let received = reader.recv().await.unwrap();
        assert_eq!(received.get(1).unwrap(), &number);
        assert_eq!(received.get(2).unwrap().len(), 1 << 20);
    }
}

#[tokio::test]
async fn an_echo_sends_back_what_comes() {
    let socket = echo().await;
    let mut request = ReqSocket::new();
    request.connect(socket.endpoint()).await.unwrap();
    for _ in 0..3 {
        request.send(message(&[b"ping"])).await.unwrap();
        assert_eq!(request.recv().await.unwrap().get(0).unwrap(), "ping");
    }
}

#[tokio::test]
async fn two_hundred_subscribers_come_and_go_and_leave_nothing() {
    let socket = publisher().await;
    for _ in 0..200 {
        let mut subscriber = subscriber(&socket, "").await;
        assert_eq!(subscriber.recv().await.unwrap().get(1).unwrap(), "welcome");
    }
    without_peers(&socket).await;
}

#[tokio::test]
async fn what_is_queued_is_on_the_wire_after_a_flush() {
    let (socket, mut heard) = router(ANY).await;
    let mut dealer = dealer(&socket).await;
    dealer.send(message(&[b"x"])).await.unwrap();
    let id = heard.recv().await.unwrap().remove(0);
    let reading = tokio::spawn(async move {
        for _ in 0..20 {
            assert_eq!(dealer.recv().await.unwrap().get(0).unwrap().len(), 1 << 20);
        }
    });
    for _ in 0..20 {
        socket.send(vec![id.clone(), Bytes::from(vec![1; 1 << 20])]);
    }
    socket.flush(LONG).await;
    drop(socket);
    reading.await.unwrap();
}

#[tokio::test]
async fn a_flush_ends_at_its_deadline_when_a_peer_does_not_read() {
    let socket = publisher().await;
    let mut stalled = shaken(&socket, "SUB").await;
    stalled.write_all(b"\x00\x01\x01").await.unwrap();
    assert_eq!(frame(&mut stalled).await, "");
    for _ in 0..64 {
        socket.send(vec!["stream".into(), Bytes::from(vec![1; 1 << 20])]);
    }
    socket.flush(Duration::from_millis(1)).await;
    drop(socket);
    closed(stalled).await;
}

/// One header that promises 2^46 bytes ended processes that reserve what is promised.
#[tokio::test]
async fn a_huge_frame_header_costs_its_sender_the_connection_and_nothing_else() {
    let huge = [&b"\x02"[..], &(1_u64 << 46).to_be_bytes()].concat();
    let (routing, mut heard) = router(ANY).await;
    let (publishing, echoing) = (publisher().await, echo().await);
    for (socket, socket_type) in [(&routing, "DEALER"), (&publishing, "SUB"), (&echoing, "REQ")] {
        let mut stream = shaken(socket, socket_type).await;
        stream.write_all(&huge).await.unwrap();
        closed(stream).await;
        let mut stream = raw(socket).await;
        stream.write_all(&codec::GREETING).await.unwrap();
        stream.write_all(&huge).await.unwrap();
        closed(stream).await;
    }
    let mut dealer = dealer(&routing).await;
    dealer.send(message(&[b"alive"])).await.unwrap();
    assert_eq!(heard.recv().await.unwrap()[1], "alive");
}

#[tokio::test]
async fn garbage_and_half_open_handshakes_harm_nobody() {
    let (socket, mut heard) = router(ANY).await;
    let mut half_open = Vec::new();
    for _ in 0..50 {
        half_open.push(raw(&socket).await);
    }
    let garbage: Vec<u8> =
        (0..65_536_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for start in [&b""[..], &codec::GREETING, &codec::GREETING[..40]] {
        let mut stream = raw(&socket).await;
        // The other side may close before it has read all.
        let _ = stream.write_all(&[start, &garbage].concat()).await;
        closed(stream).await;
    }
    for wrong in ["SUB", "REP", "", "DEALER2"] {
        let mut stream = raw(&socket).await;
        stream.write_all(&codec::GREETING).await.unwrap();
        stream.write_all(&codec::ready(wrong)).await.unwrap();
        closed(stream).await;
    }
    let mut dealer = dealer(&socket).await;
    dealer.send(message(&[b"alive"])).await.unwrap();
    assert_eq!(heard.recv().await.unwrap()[1], "alive");
    assert_eq!(socket.hub.peer_count(), 1);
}

#[tokio::test]
async fn a_socket_file_is_private_replaced_when_stale_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s-1");
    let endpoint = format!("ipc://{}", path.display());
    // What a killed process leaves behind.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (socket, mut heard) = router(&endpoint).await;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut dealer = dealer(&socket).await;
    dealer.send(message(&[b"x"])).await.unwrap();
    assert_eq!(heard.recv().await.unwrap()[1], "x");
    let taken = Socket::bind(&endpoint, Kind::Echo, &Security::Null, |_| ()).await.err().unwrap();
    assert_eq!(taken.to_string(), format!("cannot listen on `{endpoint}`"));
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn endpoints_that_cannot_be_bound_are_refused() {
    let refused = async |endpoint: &str| {
        Socket::bind(endpoint, Kind::Echo, &Security::Null, |_| ()).await.err().unwrap().to_string()
    };
    for endpoint in ["", "ipc://", "udp://127.0.0.1:1"] {
        let expected =
            format!("expected an endpoint `tcp://HOST:PORT` or `ipc://PATH`, found `{endpoint}`");
        assert_eq!(refused(endpoint).await, expected);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let endpoint = format!("ipc://{}", file.path().display());
    assert_eq!(refused(&endpoint).await, format!("cannot listen on `{endpoint}`"));
    assert!(Path::new(file.path()).exists(), "a file that is no socket is not removed");
}
