//! The companion's process: started in a group of its own, watched to its end, swept up after.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::link::{self, Readers};
use super::runtime::RuntimeFolder;
use super::{Launch, News, Reporter, Up};

/// What the guard does when the kernel, which holds the other end of its standard input, is gone without a word.
///
/// `-s KILL` is the one form that all shells read with a group's negative number.
const GUARD: &str = r#"read -r _; kill -s KILL -- "-$1"; rm -rf -- "$2""#;

/// How long a launcher that has ended may take to have its last words read.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The sending end of signals to the companion's process group; dropping it kills the group.
#[derive(Debug)]
pub(super) struct Signals(mpsc::UnboundedSender<Signal>);

impl Signals {
    /// Sends a signal to the companion and to its children.
    pub(super) fn send(&self, signal: Signal) {
        // It fails only when the process has ended already.
        let _ = self.0.send(signal);
    }
}

/// Starts Python and a task that watches it and reports. Says in one sentence why it cannot be started.
pub(super) fn spawn(launch: Arc<Launch>, reporter: Reporter) -> Result<Signals, String> {
    let folder = RuntimeFolder::create().map_err(|error| error.to_string())?;
    let up = UnixListener::bind(folder.path().join("up"))
        .map_err(|error| format!("cannot listen for the companion: {error}"))?;
    let child = python(&launch, &folder).spawn().map_err(|error| {
        let python = launch.python.display();
        format!("cannot start Python as `{python}` ({error}): name one that has ipykernel")
    })?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let guard = guard(group, &folder);
    let (sender, signals) = mpsc::unbounded_channel();
    let watch = Watch { process: Process { child, group, signals }, guard, folder, up, reporter };
    tokio::spawn(watch.until_the_end());
    Ok(Signals(sender))
}

fn python(launch: &Launch, folder: &RuntimeFolder) -> Command {
    let mut command = Command::new(&launch.python);
    command
        .arg(folder.path().join("launch.py"))
        .arg("-f")
        .arg(folder.path().join("connection.json"))
        .arg(format!("--Session.session={}", launch.session_id))
        .args(&launch.args)
        .current_dir(&launch.folder)
        // ipykernel ends itself when this is no longer its parent.
        .env("JPY_PARENT_PID", std::process::id().to_string())
        .stdin(Stdio::null())
        // Our standard output is for data; what the companion prints outside of cells is talk.
        .stdout(io::stderr())
        // ipykernel interrupts its children too, but only as the leader of a process group.
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// A shell that sleeps until we are gone. `kill -9` of the kernel reaches neither destructors nor handlers, and
/// a signal on the death of the parent reaches the companion but not its children: this reaches all, and the folder.
fn guard(group: Option<Pid>, folder: &RuntimeFolder) -> Option<Child> {
    Command::new("/bin/sh")
        .args(["-c", GUARD, "datarus-guard", &group?.to_string()])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .inspect_err(|error| tracing::warn!(%error, "no guard for the companion"))
        .ok()
}

/// What the launcher says over the socket `up`, one line of JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Python(String),
    Error(String),
}

/// The process while it has not been reaped: until then its group's number is its own.
struct Process {
    child: Child,
    group: Option<Pid>,
    signals: mpsc::UnboundedReceiver<Signal>,
}

impl Process {
    /// Waits for the end and passes signals on meanwhile.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = self.child.wait() => {
                    // What the companion left running goes with it.
                    self.signal(Signal::KILL);
                    return status;
                }
                signal = self.signals.recv(), if !self.signals.is_closed() => {
                    self.signal(signal.unwrap_or(Signal::KILL));
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It fails only when nobody is left in the group.
            let _ = kill_process_group(group, signal);
        }
    }
}

struct Watch {
    process: Process,
    guard: Option<Child>,
    folder: RuntimeFolder,
    up: UnixListener,
    reporter: Reporter,
}

impl Watch {
    async fn until_the_end(mut self) {
        let reason = match self.until_up().await {
            Ok(readers) => {
                let status = self.process.ended().await;
                readers.drain().await;
                described(status)
            }
            Err(reason) => {
                self.process.signal(Signal::KILL);
                let _ = self.process.ended().await;
                reason
            }
        };
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill().await;
        }
        drop(self.folder);
        self.reporter.tell(News::Gone(reason)).await;
    }

    async fn until_up(&mut self) -> Result<Readers, String> {
        let said = tokio::select! {
            said = listen(&self.up) => said,
            status = self.process.ended() => {
                let said = tokio::time::timeout(LAST_WORDS, listen(&self.up)).await;
                said.unwrap_or_else(|_| Err(described(status)))
            }
        };
        let python_version = match said? {
            Said::Python(version) => version,
            Said::Error(reason) => return Err(reason),
        };
        let connected = tokio::select! {
            connected = link::connect(&self.folder.connection, &self.reporter) => {
                connected.map_err(|error| format!("cannot connect to ipykernel: {error}"))
            }
            status = self.process.ended() => Err(described(status)),
        };
        let (link, readers) = connected?;
        self.reporter.tell(News::Up(Up { link, python_version })).await;
        Ok(readers)
    }
}

async fn listen(up: &UnixListener) -> Result<Said, String> {
    let unheard = |error: io::Error| format!("the companion's launcher was not heard: {error}");
    let (mut line, _) = up.accept().await.map_err(unheard)?;
    let mut text = Vec::new();
    line.read_to_end(&mut text).await.map_err(unheard)?;
    serde_json::from_slice(&text).map_err(|error| unheard(error.into()))
}

fn described(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("the Python process ended ({status})"),
        Err(error) => format!("the Python process is lost: {error}"),
    }
}
