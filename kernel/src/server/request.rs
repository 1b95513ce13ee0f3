//! A client's request, and what is read of its content before it passes on.

use std::path::Path;

use bytes::Bytes;
use datarus_agent::agent::FileInfo;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cells::reading::Told;
use crate::connection::Channel;
use crate::message::content::ErrorContent;
use crate::page::GoOn;
use crate::route::Role;
use crate::wire::{Frames, Header};

/// A verified request.
#[derive(Debug)]
pub(super) struct Request {
    /// Where it came in, and where its reply goes out.
    pub(super) channel: Channel,
    /// What was read of its header.
    pub(super) header: Header,
    /// As it came.
    pub(super) frames: Frames,
}

impl Request {
    /// Its raw header: the parent header of all that it causes.
    pub(super) fn parent(&self) -> &Bytes {
        &self.frames.header
    }

    /// Says what is wrong with a content that lacks what its type needs.
    ///
    /// ipykernel does not answer such a request at all, and the client waits for ever.
    pub(super) fn defect(&self) -> Option<ErrorContent> {
        let content = match self.frames.content::<Map<String, Value>>() {
            Ok(content) => content,
            Err(error) => return Some(malformed(&self.header.msg_type, &error.to_string())),
        };
        let missing = required(&self.header.msg_type)
            .iter()
            .find(|(name, fits)| !content.get(*name).is_some_and(fits));
        let (name, _) = missing?;
        Some(malformed(&self.header.msg_type, &format!("`{name}` is missing or of another type")))
    }

    /// The same cell, whose failure stops nothing that waits behind it. Its signature is no longer true.
    pub(super) fn stopping_nothing(mut self) -> Request {
        if let Ok(mut content) = self.frames.content::<Map<String, Value>>() {
            content.insert("stop_on_error".into(), Value::Bool(false));
            self.frames.content = serde_json::to_vec(&content).expect("keys are strings").into();
        }
        self
    }

    /// Reads the content of an `execute_request`.
    pub(super) fn execute(&self) -> Option<ExecuteContent> {
        self.frames.content().ok()
    }

    /// Reads what a front end says about the cell.
    pub(super) fn cell(&self) -> CellMetadata {
        self.frames.metadata().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn for_test(msg_id: &str) -> Request {
        let header = format!(r#"{{"msg_id": "{msg_id}", "msg_type": "execute_request"}}"#);
        let key = crate::wire::SigningKey::new("");
        let empty = Bytes::from_static(b"{}");
        let frames =
            Frames::sign_new(&key, header.into(), empty.clone(), empty.clone(), empty.clone());
        let header = frames.header().unwrap();
        Request { channel: Channel::Shell, header, frames }
    }
}

/// `complete_request` → `complete_reply`.
pub(super) fn reply_type(msg_type: &str) -> String {
    format!("{}_reply", msg_type.strip_suffix("_request").unwrap_or(msg_type))
}

fn malformed(msg_type: &str, what: &str) -> ErrorContent {
    ErrorContent::new(
        "MalformedRequest",
        &format!("the content of this {msg_type} is not valid: {what}"),
    )
}

type Field = (&'static str, fn(&Value) -> bool);

/// The fields without which ipykernel cannot handle a request.
///
/// # Source
/// <https://jupyter-client.readthedocs.io/en/stable/messaging.html#messages-on-the-shell-router-dealer-channel>.
fn required(msg_type: &str) -> &'static [Field] {
    const CODE: Field = ("code", Value::is_string);
    match msg_type {
        "execute_request" | "is_complete_request" => &[CODE],
        "complete_request" | "inspect_request" => &[CODE, ("cursor_pos", Value::is_u64)],
        "history_request" => &[("hist_access_type", Value::is_string)],
        "comm_open" | "comm_msg" | "comm_close" => &[("comm_id", Value::is_string)],
        _ => &[],
    }
}

/// The content of an `execute_request`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct ExecuteContent {
    /// The cell.
    pub(super) code: String,
    /// Leave no trace.
    #[serde(default)]
    pub(super) silent: bool,
    /// Whether the user can be asked.
    #[serde(default)]
    pub(super) allow_stdin: bool,
    /// Do not run what waits behind this cell if it fails.
    #[serde(default = "yes")]
    pub(super) stop_on_error: bool,
}

fn yes() -> bool {
    true
}

/// The metadata of an `execute_request`, as JupyterLab and VS Code send it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CellMetadata {
    /// Id of the cell in the notebook.
    #[serde(default, rename = "cellId")]
    pub(super) cell_id: Option<String>,
    #[serde(default)]
    datarus: Option<Value>,
}

/// Whether this is how we name a turn.
fn is_turn(name: &str) -> bool {
    let is_ours =
        |digits: &str| digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    name.strip_prefix("t_").is_some_and(is_ours)
}

impl CellMetadata {
    /// What the front end says the cell is.
    pub(super) fn role(&self) -> Option<Role> {
        Role::named(self.datarus.as_ref()?.get("role")?.as_str()?)
    }

    /// Whether the model wrote the cell. One of a turn that lost its metadata is still known by its name.
    pub(super) fn is_step(&self) -> bool {
        let of_turn = self.datarus.as_ref().is_some_and(|facts| facts.get("turn").is_some());
        let named = self.cell_id.as_deref().and_then(|id| id.split_once('-'));
        of_turn && self.role() == Some(Role::Code) || named.is_some_and(|(turn, _)| is_turn(turn))
    }

    /// The step that a prompt's turn is to go on from.
    pub(super) fn go_on(&self) -> Option<GoOn> {
        let go_on: GoOn = serde_json::from_value(self.datarus.clone()?).ok()?;
        // Names become ids of cells and of displays: a name of another form is none of ours.
        is_turn(&go_on.turn).then_some(go_on)
    }

    /// The notebook's standing instructions, where the client tells them with the cell.
    pub(super) fn instructions(&self) -> Option<String> {
        Some(self.datarus.as_ref()?.get("instructions")?.as_str()?.to_owned())
    }

    /// What the notebook above asks and answers, where the client tells it with the cell.
    pub(super) fn above(&self) -> Vec<Told> {
        let above = self.datarus.as_ref().and_then(|facts| facts.get("above").cloned());
        above.and_then(|above| serde_json::from_value(above).ok()).unwrap_or_default()
    }

    /// The files that the question is about, as paths from `folder`, the working folder, where the client names them.
    pub(super) fn files(&self, folder: &Path) -> Option<Vec<FileInfo>> {
        let names = self.datarus.as_ref()?.get("files")?.as_array()?;
        let file = |name: &Value| {
            let name = name.as_str()?.to_owned();
            let bytes = std::fs::metadata(folder.join(&name)).ok()?.len();
            Some(FileInfo { name, bytes })
        };
        Some(names.iter().filter_map(file).collect())
    }
}
