//! The messages that the kernel itself makes: headers, contents, signatures.
//!
//! What the companion says passes unchanged, see [`crate::wire`]. Contents are structs of our own
//! where `jupyter-protocol` would drop or change a field that clients read (`supported_features`,
//! `execution_count` of an aborted reply).
//!
//! # Source
//! <https://jupyter-client.readthedocs.io/en/stable/messaging.html>.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::wire::{Frames, SigningKey};

pub mod content;

/// The version of the message protocol that we speak.
pub const PROTOCOL_VERSION: &str = "5.4";

/// The parent header of a message that no request caused.
pub const NO_PARENT: Bytes = Bytes::from_static(b"{}");

/// Makes messages, all under one session id: `JupyterLab` drops what it was about to handle when two
/// ids alternate.
#[derive(Debug, Clone)]
pub struct Session {
    /// The id of this kernel's session, in every header.
    pub id: String,
    /// The user name in every header.
    pub username: String,
    key: SigningKey,
}

#[derive(Serialize)]
struct NewHeader<'a> {
    msg_id: String,
    msg_type: &'a str,
    username: &'a str,
    session: &'a str,
    date: String,
    version: &'a str,
}

impl Session {
    /// A session with a new random id.
    pub fn new(key: SigningKey) -> Session {
        let username = std::env::var("USER").unwrap_or_else(|_| "username".into());
        Session { id: Uuid::new_v4().to_string(), username, key }
    }

    /// A signed message of any type, without identities.
    ///
    /// `parent_header` is the raw header of the request, or [`NO_PARENT`].
    pub fn message(
        &self,
        msg_type: &str,
        parent_header: &Bytes,
        content: &impl Serialize,
        metadata: &impl Serialize,
    ) -> Frames {
        let header = NewHeader {
            msg_id: format!("{}_{}", self.id, Uuid::new_v4().simple()),
            msg_type,
            username: &self.username,
            session: &self.id,
            date: now(),
            version: PROTOCOL_VERSION,
        };
        let (header, metadata, content) = (to_json(&header), to_json(metadata), to_json(content));
        Frames::sign_new(&self.key, header, parent_header.clone(), metadata, content)
    }

    /// A message with empty metadata.
    fn plain(&self, msg_type: &str, parent_header: &Bytes, content: &impl Serialize) -> Frames {
        self.message(msg_type, parent_header, content, &Map::new())
    }

    /// `status`.
    pub fn status(&self, parent_header: &Bytes, state: content::ExecutionState) -> Frames {
        self.plain("status", parent_header, &json!({ "execution_state": state }))
    }

    /// `execute_input`: what runs now, and under which number.
    pub fn execute_input(&self, parent_header: &Bytes, code: &str, count: u64) -> Frames {
        let content = json!({ "code": code, "execution_count": count });
        self.plain("execute_input", parent_header, &content)
    }

    /// `stream`.
    pub fn stream(&self, parent_header: &Bytes, name: content::StreamName, text: &str) -> Frames {
        self.plain("stream", parent_header, &json!({ "name": name, "text": text }))
    }

    /// `display_data`.
    pub fn display_data(&self, parent_header: &Bytes, content: &content::Display) -> Frames {
        self.plain("display_data", parent_header, content)
    }

    /// `update_display_data`: replaces what was shown under the same `display_id`.
    pub fn update_display_data(&self, parent_header: &Bytes, content: &content::Display) -> Frames {
        self.plain("update_display_data", parent_header, content)
    }

    /// `error` on `IOPub`.
    pub fn error(&self, parent_header: &Bytes, error: &content::ErrorContent) -> Frames {
        self.plain("error", parent_header, error)
    }

    /// `execute_reply`; `started` is when the request began to run.
    pub fn execute_reply(
        &self,
        parent_header: &Bytes,
        content: &content::ExecuteReply,
        started: Timestamp,
    ) -> Frames {
        let metadata = json!({
            "started": started.to_string(),
            "dependencies_met": true,
            "engine": self.id,
            "status": content.status(),
        });
        self.message("execute_reply", parent_header, content, &metadata)
    }

    /// A reply of any type with status `ok` and nothing else.
    pub fn ok_reply(&self, msg_type: &str, parent_header: &Bytes) -> Frames {
        self.plain(msg_type, parent_header, &json!({ "status": "ok" }))
    }

    /// A reply of any type with status `error`: also to a request that is signed but malformed.
    pub fn error_reply(
        &self,
        msg_type: &str,
        parent_header: &Bytes,
        error: &content::ErrorContent,
    ) -> Frames {
        self.plain(msg_type, parent_header, &content::Failed::new(error))
    }

    /// `kernel_info_reply`.
    pub fn kernel_info_reply(&self, parent_header: &Bytes, info: &content::KernelInfo) -> Frames {
        self.plain("kernel_info_reply", parent_header, info)
    }

    /// `shutdown_reply`.
    pub fn shutdown_reply(&self, parent_header: &Bytes, restart: bool) -> Frames {
        let content = json!({ "status": "ok", "restart": restart });
        self.plain("shutdown_reply", parent_header, &content)
    }

    /// `iopub_welcome` under its topic, ready for the publisher; `None` for a topic that is no
    /// UTF-8 (JEP 65).
    pub fn iopub_welcome(&self, subscription: &[u8]) -> Option<Frames> {
        let topic = std::str::from_utf8(subscription).ok()?;
        let content = json!({ "subscription": topic });
        let welcome = self.plain("iopub_welcome", &NO_PARENT, &content);
        Some(welcome.with_identities(vec![Bytes::copy_from_slice(subscription)]))
    }

    /// `comm_close`: also the answer to a comm whose target nobody knows.
    pub fn comm_close(&self, parent_header: &Bytes, comm_id: &str) -> Frames {
        let content = json!({ "comm_id": comm_id, "data": Value::Object(Map::new()) });
        self.plain("comm_close", parent_header, &content)
    }

    /// `input_request` on stdin.
    pub fn input_request(&self, parent_header: &Bytes, prompt: &str, password: bool) -> Frames {
        let content = json!({ "prompt": prompt, "password": password });
        self.plain("input_request", parent_header, &content)
    }

    /// The message signed again, after a part was changed.
    pub fn resign(&self, frames: Frames) -> Frames {
        frames.resigned(&self.key)
    }
}

fn to_json(part: &impl Serialize) -> Bytes {
    serde_json::to_vec(part).expect("parts of our messages have keys that are strings").into()
}

/// The moment in ISO 8601, to the microsecond, as `jupyter_client` writes it.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

#[cfg(test)]
mod tests;
