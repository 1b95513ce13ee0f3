//! The companion's process: started in a group of its own, watched to its end, swept up after.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use super::gate::Gate;
use super::link::{self, Readers};
use super::proxy::Proxy;
use super::runtime::RuntimeFolder;
use super::talk;
use super::tree::{self, Descendant};
use super::{Launch, News, Reporter, Up};
use crate::sandbox::{Private, Sandbox, proxy_in};

/// What the guard does when the kernel, which holds the other end of its standard input, is gone without a word.
///
/// `-s KILL` is the one form that all shells read with a group's negative number.
const GUARD: &str = r#"read -r _; kill -s KILL -- "-$1"; shift; rm -rf -- "$@""#;

/// How long a launcher that has ended may take to have its last words read.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The sending end of signals to the companion's process group; dropping it kills the group.
#[derive(Debug)]
pub(super) struct Signals(mpsc::UnboundedSender<Signal>);

impl Signals {
    /// Signals to whoever has the other end; that end is told of the drop by its closing.
    pub(super) fn new(sender: mpsc::UnboundedSender<Signal>) -> Signals {
        Signals(sender)
    }

    /// Sends a signal to the companion and to its children.
    pub(super) fn send(&self, signal: Signal) {
        // It fails only when the process has ended already.
        let _ = self.0.send(signal);
    }
}

/// Starts Python in its sandbox, and a task that watches it and reports. Says in one sentence why it cannot be started.
pub(super) fn spawn(
    launch: &Launch,
    sandbox: &Sandbox,
    folder: RuntimeFolder,
    reporter: Reporter,
) -> Result<Signals, String> {
    let up = UnixListener::bind(folder.path().join("up"))
        .map_err(|error| format!("cannot listen for the companion: {error}"))?;
    let proxy = sandbox.hosts().map(|hosts| Proxy::start(&proxy_in(folder.path()), hosts.clone()));
    let proxy = proxy.transpose().map_err(|error| format!("cannot start the proxy: {error}"))?;
    let gate =
        (!launch.databases.is_empty()).then(|| Gate::start(folder.path(), &launch.databases));
    let gate = gate.transpose().map_err(|error| format!("cannot listen for databases: {error}"))?;
    let (command, private) =
        sandbox.prepare(launch.inmate(folder.path()), arguments(launch, &folder))?;
    let (child, talk) = start(command, private.is_some()).map_err(|error| {
        let python = launch.python.display();
        format!("cannot start Python as `{python}` ({error}): name one that has ipykernel")
    })?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let folders: Vec<_> = [Some(folder.path()), private.as_ref().map(Private::path)].into();
    let guard = guard(group, folders.into_iter().flatten());
    let (sender, signals) = mpsc::unbounded_channel();
    let hidden = sandbox.hides_processes();
    let left = Vec::new();
    let process = Process { child, group, hidden, inside: None, signals, left };
    let watch =
        Watch { process, guard, talk, folder, private, up, _proxy: proxy, _gate: gate, reporter };
    tokio::spawn(watch.until_the_end());
    Ok(Signals(sender))
}

fn arguments(launch: &Launch, folder: &RuntimeFolder) -> Vec<OsString> {
    let files =
        [folder.path().join("launch.py"), "-f".into(), folder.path().join("connection.json")];
    let mut arguments: Vec<OsString> = files.into_iter().map(OsString::from).collect();
    arguments.push(format!("--Session.session={}", launch.session_id).into());
    arguments.extend(launch.args.iter().map(OsString::from));
    arguments
}

/// Starts the process, and the thread that hands on what it says outside of cells: our standard output is for data, so
/// that is talk. A sandboxed one does not get our own standard error, which may be a terminal, from which it could
/// read.
fn start(
    command: std::process::Command,
    sandboxed: bool,
) -> io::Result<(Child, Option<oneshot::Receiver<()>>)> {
    let mut command = Command::from(command);
    // ipykernel interrupts its children too, but only as the leader of a process group.
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    if !sandboxed {
        command.stdout(io::stderr());
        return Ok((command.spawn()?, None));
    }
    let (pipe, ended) = talk::hand_on()?;
    command.stdout(pipe.try_clone()?).stderr(pipe);
    Ok((command.spawn()?, Some(ended)))
}

/// A shell that sleeps until we are gone. `kill -9` of the kernel reaches neither destructors nor handlers, and
/// a signal on the death of the parent reaches the companion but not its children: this reaches all, and the folders.
pub(super) fn guard<'a>(
    group: Option<Pid>,
    folders: impl Iterator<Item = &'a Path>,
) -> Option<Child> {
    Command::new("/bin/sh")
        .args(["-c", GUARD, "datarus-guard", &group?.to_string()])
        .args(folders)
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
    /// Whether Python is in a namespace of its own, with a group of its own.
    hidden: bool,
    /// That group, once it is known.
    inside: Option<Pid>,
    signals: mpsc::UnboundedReceiver<Signal>,
    /// What ran below it when it was told to end.
    left: Vec<Descendant>,
}

impl Process {
    /// Waits for the end and passes signals on meanwhile.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = self.child.wait() => {
                    // What the companion left running goes with it.
                    self.signal(Signal::KILL);
                    tree::kill(&self.left);
                    return status;
                }
                signal = self.signals.recv(), if !self.signals.is_closed() => {
                    self.signal(signal.unwrap_or(Signal::KILL));
                }
            }
        }
    }

    /// Python's own group gets what asks it to do something, the one that we started what ends it: a namespace ends
    /// with the process that made it.
    fn signal(&mut self, signal: Signal) {
        // Once the process has ended, who descends from it is not known any more.
        if matches!(signal, Signal::TERM | Signal::KILL) {
            self.left.extend(self.group.map(tree::descendants).unwrap_or_default());
        }
        let group = match signal {
            Signal::KILL => self.group,
            _ => self.inside.filter(|_| self.hidden).or(self.group),
        };
        if let Some(group) = group {
            // It fails only when nobody is left in the group.
            let _ = kill_process_group(group, signal);
        }
    }
}

struct Watch {
    process: Process,
    guard: Option<Child>,
    talk: Option<oneshot::Receiver<()>>,
    folder: RuntimeFolder,
    private: Option<Private>,
    up: UnixListener,
    _proxy: Option<Proxy>,
    _gate: Option<Gate>,
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
        if let Some(talk) = self.talk.take() {
            // All its writers have ended; what they said last is there to be read.
            let _ = tokio::time::timeout(LAST_WORDS, talk).await;
        }
        drop(self.folder);
        drop(self.private);
        self.reporter.tell(News::Gone(reason)).await;
    }

    async fn until_up(&mut self) -> Result<Readers, String> {
        // One and the same conversation: whoever hung up on a launcher that has ended would never hear its last words.
        let mut hearing = pin!(listen(&self.up));
        let said = tokio::select! {
            said = &mut hearing => said?,
            status = self.process.ended() => {
                let said = tokio::time::timeout(LAST_WORDS, hearing).await.unwrap_or(Ok(None))?;
                Some(said.ok_or_else(|| described(status))?)
            }
        };
        let Some((said, process)) = said else {
            let ended = tokio::time::timeout(LAST_WORDS, self.process.ended()).await;
            return Err(
                ended.map_or_else(|_| "the companion's launcher fell silent".into(), described)
            );
        };
        self.process.inside = process;
        let python_version = match said {
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
        self.reporter.tell(News::Up(Up { link, python_version, elsewhere: None })).await;
        Ok(readers)
    }
}

/// What the launcher says, and which process says it: its number here, whatever it is in a namespace. `None` if it ends
/// without a word.
async fn listen(up: &UnixListener) -> Result<Option<(Said, Option<Pid>)>, String> {
    let unheard = |error: io::Error| format!("the companion's launcher was not heard: {error}");
    let (mut line, _) = up.accept().await.map_err(unheard)?;
    let process = line.peer_cred().map_err(unheard)?.pid().and_then(Pid::from_raw);
    let mut text = Vec::new();
    line.read_to_end(&mut text).await.map_err(unheard)?;
    if text.is_empty() {
        return Ok(None);
    }
    let said = serde_json::from_slice(&text).map_err(|error| unheard(error.into()))?;
    Ok(Some((said, process)))
}

/// How a process ended, in words.
pub(super) fn described(status: io::Result<ExitStatus>) -> String {
    // As shells do, bubblewrap ends with 128 and the number of the signal that ended what it held.
    let of_signal =
        |code: i32| (code > 128 && code < 160).then(|| ExitStatus::from_raw(code - 128));
    let status = status.map(|status| status.code().and_then(of_signal).unwrap_or(status));
    match status {
        Ok(status) => format!("the Python process ended ({status})"),
        Err(error) => format!("the Python process is lost: {error}"),
    }
}
