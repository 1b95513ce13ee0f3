//! The first words with a kernel elsewhere: whether it is one of Python, that its outputs reach us, and the module that
//! the launcher gives to one of ours.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Line;
use super::ledger::Ledger;
use crate::companion::runtime::module_files;
use crate::connection::Channel;
use crate::wire::Frames;

/// How long a kernel may take for its first answers: a cluster's takes a while to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is asked again: a subscription counts some time after it was sent.
const AGAIN: Duration = Duration::from_secs(1);

/// What brings the module there.
const SETTLE: &str = include_str!("settle.py");

/// What was found out of a kernel elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// The version of Python, such as `3.12.3`.
    pub(crate) python_version: String,
    /// Whether the notebook's folder is there what it is here.
    pub(crate) shares_folder: bool,
    /// Whether it speaks the debugger's protocol.
    pub(crate) debugger: bool,
    /// Its `supported_features`.
    pub(crate) features: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Info {
    #[serde(default, rename = "language_info")]
    language: Value,
    #[serde(default)]
    debugger: bool,
    #[serde(default)]
    supported_features: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Settled {
    python: String,
    shares_folder: bool,
}

/// Makes a kernel ready to be a companion. `is_ours` has it run in the notebook's folder, where that is the same.
///
/// # Errors
/// One sentence.
pub(super) async fn settle(
    line: &mut Line,
    ledger: &mut Ledger,
    folder: &Path,
    is_ours: bool,
) -> Result<Found, String> {
    let talk = async {
        let info = greet(line, ledger).await?;
        let language = info.language["name"].as_str().unwrap_or_default();
        if !language.eq_ignore_ascii_case("python") {
            return Err(format!("cells are Python, and the kernel speaks `{language}`"));
        }
        let settled = ask_to_settle(line, ledger, folder, is_ours).await?;
        Ok(Found {
            python_version: settled.python,
            shares_folder: settled.shares_folder,
            debugger: info.debugger,
            features: info.supported_features,
        })
    };
    let silent = || {
        let seconds = PATIENCE.as_secs();
        format!(
            "the kernel did not answer within {seconds} seconds: it may be busy with something else"
        )
    };
    tokio::time::timeout(PATIENCE, talk).await.map_err(|_| silent())?
}

/// Asks until an answer comes, and something is published to us.
async fn greet(line: &mut Line, ledger: &mut Ledger) -> Result<Info, String> {
    let mut ticks = tokio::time::interval(AGAIN);
    let (mut published, mut info) = (false, None);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let frames = ledger.message("kernel_info_request", &json!({}));
                line.send(Channel::Shell, ledger.send(Channel::Shell, frames));
            }
            said = line.next() => {
                let (channel, frames) = said?;
                if ledger.is_own(&frames) {
                    published |= channel == Channel::IoPub;
                    if channel == Channel::Shell {
                        info = Some(frames.content::<Info>().unwrap_or_default());
                    }
                }
                ledger.receive(channel, frames);
            }
        }
        if let (true, Some(info)) = (published, info.as_mut()) {
            return Ok(std::mem::take(info));
        }
    }
}

async fn ask_to_settle(
    line: &mut Line,
    ledger: &mut Ledger,
    folder: &Path,
    is_ours: bool,
) -> Result<Settled, String> {
    let content = json!({
        "code": "",
        "silent": true,
        "store_history": false,
        "user_expressions": { "datarus": expression(folder, is_ours) },
        "allow_stdin": false,
        "stop_on_error": false,
    });
    let frames = ledger.message("execute_request", &content);
    let id = frames.header().map(|header| header.msg_id).unwrap_or_default();
    line.send(Channel::Shell, ledger.send(Channel::Shell, frames));
    loop {
        let (channel, frames) = line.next().await?;
        let is_answer = frames.parent().is_ok_and(|parent| parent.msg_id == id);
        if channel == Channel::Shell && is_answer {
            ledger.receive(channel, frames.clone());
            return answer(&frames);
        }
        ledger.receive(channel, frames);
    }
}

/// One expression, so that no name is left in the user's namespace.
fn expression(folder: &Path, is_ours: bool) -> String {
    let files: Vec<_> = module_files().collect();
    let mut digest = Sha256::new();
    for (name, text) in &files {
        digest.update(name);
        digest.update(text);
    }
    let version = crate::cells::hex(&digest.finalize());
    let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let found = std::fs::metadata(&path).ok();
    let scope = json!({
        "CODE": SETTLE,
        "FILES": files.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "VERSION": version,
        "FOLDER": {
            "path": path.to_string_lossy(),
            "number": found.as_ref().map(std::fs::Metadata::ino),
            "changed": found.as_ref().map(std::fs::Metadata::mtime),
        },
        "OURS": is_ours,
    });
    // A string of JSON is one of Python's.
    let scope = json!(scope.to_string());
    format!(
        "(lambda scope: (exec(scope['CODE'], scope), scope['settle']())[1])(__import__('json').loads({scope}))"
    )
}

fn answer(frames: &Frames) -> Result<Settled, String> {
    let reply = frames.content::<Value>().unwrap_or_default();
    let asked = &reply["user_expressions"]["datarus"];
    let text = asked.pointer("/data/text~1plain").and_then(Value::as_str);
    if let Some(settled) = text.and_then(|text| serde_json::from_str(text).ok()) {
        return Ok(settled);
    }
    let of =
        |name: &str| asked[name].as_str().or(reply[name].as_str()).unwrap_or_default().to_owned();
    let failed = crate::terminal::terminal_line(&format!("{}: {}", of("ename"), of("evalue")));
    Err(format!("the kernel cannot be made ready ({failed}): it has to run IPython"))
}
