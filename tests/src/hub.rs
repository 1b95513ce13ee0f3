//! A stand-in for a hub of models, with the host beside it that large files come from. It speaks the part of the
//! protocol that fetches models, as `huggingface_hub` does; `tests/conformance/test_hub.py` asks it with that.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::http::{header, http_head};

/// The commit of all its repositories.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The account that may see what is gated.
pub const TOKEN: &str = "hf_stand_in_secret";

/// A repository.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    /// `owner/name`.
    pub name: String,
    /// Path, contents, and whether it is a large file, which comes from the other host.
    pub files: Vec<(String, Vec<u8>, bool)>,
    /// Whether only [`TOKEN`] sees its files.
    pub is_gated: bool,
    /// What its model is, if the hub is to say so.
    pub architecture: Option<String>,
}

/// What goes wrong with one request for a large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends after so many bytes.
    Cut(usize),
    /// The connection ends after so many bytes, which are not announced.
    Short(usize),
    /// Another byte at the end.
    Spoilt,
    /// The whole file, whatever was asked for.
    NoRange,
    /// A refusal that passes.
    Busy,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whether the host of large files was asked.
    pub of_blobs: bool,
    /// Method and path.
    pub line: String,
    /// `Authorization`.
    pub authorization: Option<String>,
    /// `Range`.
    pub range: Option<String>,
}

/// A hub on a port of its own, and the host of large files on another.
pub struct StandInHub {
    /// The hub's address.
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    blobs: String,
    repositories: Vec<Repository>,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<Asked>>,
}

impl StandInHub {
    /// A hub with these repositories; the first requests for large files meet these faults.
    pub fn start(repositories: Vec<Repository>, faults: Vec<Fault>) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (hub, blobs) = (listen(), listen());
        let address = |of: &TcpListener| format!("http://{}", of.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            blobs: address(&blobs),
            repositories,
            faults: Mutex::new(faults.into()),
            asked: Mutex::default(),
        });
        let address = address(&hub);
        for (listener, of_blobs) in [(hub, false), (blobs, true)] {
            let shared = Arc::clone(&shared);
            // It ends with the test's process.
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.serve(stream, of_blobs));
                }
            });
        }
        Self { address, shared }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic holds it").clone()
    }
}

/// An answer: status, headers, body.
struct Answer(&'static str, Vec<(&'static str, String)>, Vec<u8>);

impl Shared {
    fn serve(&self, mut stream: TcpStream, of_blobs: bool) {
        let head = String::from_utf8_lossy(&http_head(&mut stream)).into_owned();
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let asked = Asked {
            of_blobs,
            line: format!("{method} {target}"),
            authorization: header(&head, "authorization"),
            range: header(&head, "range"),
        };
        self.asked.lock().expect("no panic holds it").push(asked.clone());
        let path = target.split('?').next().unwrap_or_default();
        if of_blobs {
            self.send_blob(&mut stream, path, asked.range.as_deref());
        } else {
            let Answer(status, headers, body) = self.answer(path, asked.authorization.as_deref());
            send(
                &mut stream,
                status,
                &headers,
                body.len(),
                if method == "HEAD" { &[] } else { &body },
            );
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn answer(&self, path: &str, authorization: Option<&str>) -> Answer {
        let refused =
            |status, code: &str| Answer(status, vec![("x-error-code", code.to_owned())], vec![]);
        if authorization.is_some_and(|value| value != format!("Bearer {TOKEN}")) {
            let message = String::from("Invalid credentials in Authorization header");
            return Answer("401 Unauthorized", vec![("x-error-message", message)], vec![]);
        }
        let (name, rest) = match path.strip_prefix("/api/models/") {
            Some(rest) => rest.split_once("/revision/").unwrap_or((rest, "main")),
            None => path.trim_start_matches('/').split_once("/resolve/").unwrap_or_default(),
        };
        let Some(repository) = self.repositories.iter().find(|found| found.name == name) else {
            return refused("401 Unauthorized", "RepoNotFound");
        };
        let (revision, file) = rest.split_once('/').unwrap_or((rest, ""));
        if !["main", COMMIT].contains(&revision) {
            return refused("404 Not Found", "RevisionNotFound");
        }
        if path.starts_with("/api/") {
            return json_answer(&listing(repository));
        }
        if repository.is_gated && authorization.is_none() {
            return refused("401 Unauthorized", "GatedRepo");
        }
        let Some((_, bytes, is_large)) = repository.files.iter().find(|(path, ..)| path == file)
        else {
            return refused("404 Not Found", "EntryNotFound");
        };
        let commit = ("x-repo-commit", COMMIT.to_owned());
        if *is_large {
            let (sha, size) = (sha256(bytes), bytes.len().to_string());
            let location = format!("{}/{sha}?signature=x", self.blobs);
            let headers = vec![
                commit,
                ("x-linked-etag", format!("\"{sha}\"")),
                ("x-linked-size", size),
                ("location", location),
            ];
            return Answer("302 Found", headers, vec![]);
        }
        Answer("200 OK", vec![commit, ("etag", format!("\"{}\"", git_blob(bytes)))], bytes.clone())
    }

    fn send_blob(&self, stream: &mut TcpStream, path: &str, range: Option<&str>) {
        let files = self.repositories.iter().flat_map(|repository| &repository.files);
        let mut large = files.filter(|(.., is_large)| *is_large);
        let Some((_, bytes, _)) = large.find(|(_, bytes, _)| path[1..] == sha256(bytes)) else {
            return send(stream, "404 Not Found", &[], 0, &[]);
        };
        let fault = self.faults.lock().expect("no panic holds it").pop_front();
        if fault == Some(Fault::Busy) {
            return send(stream, "503 Service Unavailable", &[], 4, b"busy");
        }
        let mut bytes = bytes.clone();
        if fault == Some(Fault::Spoilt) {
            *bytes.last_mut().expect("a byte") ^= 1;
        }
        let total = bytes.len();
        let from =
            range.and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
        let from = from.filter(|_| fault != Some(Fault::NoRange)).unwrap_or(0_usize);
        let rest = &bytes[from..];
        let sent = match fault {
            Some(Fault::Cut(at) | Fault::Short(at)) => &rest[..at.min(rest.len())],
            _ => rest,
        };
        let announced =
            if matches!(fault, Some(Fault::Short(_))) { sent.len() } else { rest.len() };
        if from > 0 {
            let range = format!("bytes {from}-{}/{total}", total - 1);
            send(stream, "206 Partial Content", &[("content-range", range)], announced, sent);
        } else {
            send(stream, "200 OK", &[], announced, sent);
        }
    }
}

fn send(
    stream: &mut TcpStream,
    status: &str,
    headers: &[(&str, String)],
    length: usize,
    body: &[u8],
) {
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    // Until the other side has all of it, so that nothing is lost.
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read(&mut [0; 1]);
}

fn json_answer(value: &Value) -> Answer {
    let kind = ("content-type", String::from("application/json"));
    Answer("200 OK", vec![kind], value.to_string().into_bytes())
}

fn listing(repository: &Repository) -> Value {
    let file = |(path, bytes, is_large): &(String, Vec<u8>, bool)| {
        let mut file = json!({"rfilename": path, "size": bytes.len(), "blobId": git_blob(bytes)});
        if *is_large {
            file["lfs"] = json!({"sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 130});
        }
        file
    };
    let files: Vec<Value> = repository.files.iter().map(file).collect();
    let mut listing = json!({"id": repository.name, "sha": COMMIT, "siblings": files, "private": false,
        "gated": if repository.is_gated { json!("manual") } else { json!(false) }, "tags": [], "downloads": 0,
        "likes": 0});
    if let Some(architecture) = &repository.architecture {
        listing["config"] = json!({"model_type": architecture});
    }
    listing
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn git_blob(bytes: &[u8]) -> String {
    hex(&Sha1::new().chain_update(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
}

fn hex(bytes: &[u8]) -> String {
    datarus_kernel::cells::hex(bytes)
}
