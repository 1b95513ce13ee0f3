//! A stand-in for a model server: it says what a test has written down, and breaks off, stalls or talks nonsense where
//! the test says so. No model is in it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{header, http_head};

/// How it answers one request for a completion.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes, then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, then nothing until the client closes the connection.
    Hold(Vec<u8>),
    /// The first bytes, then the others again and again until the client closes the connection.
    Drip(Vec<u8>, Vec<u8>),
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its head.
    pub head: String,
    /// Its body.
    pub body: Value,
}

/// A server on a port of its own.
#[derive(Debug)]
pub struct StandIn {
    /// Its address, with `/v1`.
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// A word for each [`Answer::Hold`] that was written.
    pub held: Receiver<()>,
    /// A word for each of these connections that the client closed.
    pub closed: Receiver<()>,
}

/// What it says to a request for a completion.
enum Answers {
    /// These in turn, and the last of them again and again.
    InTurn(Mutex<VecDeque<Answer>>),
    /// What follows from the body.
    Of(Box<dyn Fn(&Value) -> Answer + Send + Sync>),
}

struct Server {
    models: Answer,
    answers: Answers,
    asked: Arc<Mutex<Vec<Asked>>>,
    held: Sender<()>,
    closed: Sender<()>,
}

impl StandIn {
    /// A server with one model, `datarus-stand-in`, that gives these answers in turn, and the last of them again and again.
    pub fn start(answers: Vec<Answer>) -> Self {
        Self::with_models(one_model(), answers)
    }

    /// A server whose answer to a request for a completion follows from its body.
    pub fn answering(answer: impl Fn(&Value) -> Answer + Send + Sync + 'static) -> Self {
        Self::listening(one_model(), Answers::Of(Box::new(answer)))
    }

    /// A server that answers so when it is asked for its models.
    pub fn with_models(models: Answer, answers: Vec<Answer>) -> Self {
        Self::listening(models, Answers::InTurn(Mutex::new(answers.into())))
    }

    fn listening(models: Answer, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ((held, is_held), (closed, is_closed)) = (channel(), channel());
        let server = Server { models, answers, asked: Arc::clone(&asked), held, closed };
        let server = Arc::new(server);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                std::thread::spawn(move || server.serve(stream));
            }
        });
        let address = format!("http://{address}/v1");
        Self { address, asked, held: is_held, closed: is_closed }
    }

    /// The requests for completions so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic holds it").clone()
    }
}

impl Server {
    fn serve(&self, mut stream: TcpStream) {
        let head = String::from_utf8_lossy(&http_head(&mut stream)).into_owned();
        let mut body = vec![0; length(&head)];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let answer = if head.starts_with("POST /v1/chat/completions ") {
            let body = serde_json::from_slice(&body).expect("JSON");
            let answer = self.next_answer(&body);
            self.asked.lock().expect("no panic holds it").push(Asked { head, body });
            answer
        } else {
            self.models.clone()
        };
        let (Answer::Bytes(bytes) | Answer::Hold(bytes) | Answer::Drip(bytes, _)) = &answer;
        // In pieces that fit nothing, so that characters and events are cut.
        for piece in bytes.chunks(7) {
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        if matches!(answer, Answer::Hold(_)) {
            let _ = self.held.send(());
            while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
            let _ = self.closed.send(());
        }
        if let Answer::Drip(_, drop) = &answer {
            drip(&mut stream, drop);
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn next_answer(&self, body: &Value) -> Answer {
        let answers = match &self.answers {
            Answers::Of(answer) => return answer(body),
            Answers::InTurn(answers) => answers,
        };
        let mut answers = answers.lock().expect("no panic holds it");
        let last = answers.len() == 1;
        let next = if last { answers.front().cloned() } else { answers.pop_front() };
        next.expect("a test gives at least one answer")
    }
}

fn one_model() -> Answer {
    answer(&json!({"data": [{"id": "datarus-stand-in"}]}))
}

/// Writes a drop whenever the client has been silent for a moment, until it closes the connection.
fn drip(stream: &mut TcpStream, drop: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a time above zero");
    loop {
        match stream.read(&mut [0; 64]) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stream.write_all(drop).is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => return,
        }
    }
}

/// The length of a request's body.
fn length(head: &str) -> usize {
    header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// An answer of HTTP.
pub fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n{body}").into_bytes()
}

/// A whole reply in JSON.
pub fn answer(value: &Value) -> Answer {
    let body = value.to_string();
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    Answer::Bytes(http("200 OK", &headers, &body))
}

/// A refusal.
pub fn refusal(status: &str, body: &str) -> Answer {
    Answer::Bytes(http(status, &format!("content-length: {}\r\n", body.len()), body))
}

/// The beginning of a stream of events, without its end.
pub fn stream(events: &[Value]) -> Vec<u8> {
    let events: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    http("200 OK", "content-type: text/event-stream\r\n", &events.concat())
}

/// An event with text.
pub fn says(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
}

/// The event that ends a message.
pub fn finishes(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// A stream that writes `text` letter by letter, counts, and ends as it should.
pub fn writes(text: &str, reason: &str) -> Answer {
    let mut events: Vec<Value> = text.chars().map(|letter| says(&letter.to_string())).collect();
    events.push(finishes(reason));
    events.push(json!({"choices": [], "usage": {"prompt_tokens": 321, "completion_tokens": 12}}));
    let mut bytes = stream(&events);
    bytes.extend(b"data: [DONE]\n\n");
    Answer::Bytes(bytes)
}
