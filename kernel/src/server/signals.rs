//! What the process around the kernel tells it: signals, the death of its parent, the version of Python.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::getppid;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tokio::sync::mpsc;

use crate::event::{Event, Signal};

/// Set by `jupyter_client`: it wants its kernels to end with it.
const PARENT: &str = "JPY_PARENT_PID";

/// How often it is looked whether the parent still lives.
const PARENT_POLL: Duration = Duration::from_secs(1);

/// What is said of Python before the companion has told its version.
const USUAL_PYTHON: &str = "3.12.0";

/// Turns signals and the parent's death into events.
pub(super) fn listen(events: &mpsc::UnboundedSender<Event>) -> io::Result<()> {
    let interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(forward(interrupt, Signal::Interrupt, events.clone()));
    let terminate = signal(SignalKind::terminate())?;
    tokio::spawn(forward(terminate, Signal::Terminate, events.clone()));
    if std::env::var_os(PARENT).is_some() {
        tokio::spawn(watch_parent(events.clone()));
    }
    Ok(())
}

async fn forward(mut from: Listener, signal: Signal, events: mpsc::UnboundedSender<Event>) {
    while from.recv().await.is_some() && events.send(Event::Signal(signal)).is_ok() {}
}

/// A server that was killed sends no shutdown request. Its children get another parent then.
async fn watch_parent(events: mpsc::UnboundedSender<Event>) {
    let parent = getppid();
    while getppid() == parent {
        tokio::time::sleep(PARENT_POLL).await;
    }
    let _ = events.send(Event::ParentGone);
}

/// The version of an interpreter as its virtual environment states it, or a usual one: `kernel_info` is answered
/// before the companion is up.
pub(super) fn python_version(python: &Path) -> String {
    let environment = python.parent().and_then(Path::parent);
    environment
        .and_then(|folder| std::fs::read_to_string(folder.join("pyvenv.cfg")).ok())
        .and_then(|text| version_in(&text))
        .unwrap_or_else(|| USUAL_PYTHON.to_owned())
}

fn version_in(pyvenv: &str) -> Option<String> {
    let values = pyvenv.lines().filter_map(|line| line.split_once('='));
    let (_, version) = values
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| matches!(*key, "version" | "version_info"))?;
    Some(version.split('.').take(3).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_environment() {
        assert_eq!(version_in("home = /usr\nversion = 3.11.7\n").as_deref(), Some("3.11.7"));
        assert_eq!(version_in("version_info = 3.13.0.final.0").as_deref(), Some("3.13.0"));
        assert_eq!(version_in("home = /usr"), None);
        assert_eq!(python_version(Path::new("python3")), USUAL_PYTHON);
    }
}
