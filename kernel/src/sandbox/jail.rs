//! Our own program inside the sandbox: it gives up what it has left, then becomes Python.
//!
//! `datarus __jail SPEC [PYTHON ARGUMENTS]`, with the [`Spec`] as JSON; without a Python it only tries. It runs before
//! anything else of the program, with one thread. What fails is told over the socket of the companion, so that the
//! user reads it in the cell.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
mod linux;

/// The hidden command.
pub const COMMAND: &str = "__jail";

/// The variable that tells the launcher which descriptor its line to the kernel is.
const LINE: &str = "DATARUS_UP";

/// What is to be given up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The socket on which the kernel waits for word, if Python is to run.
    pub(super) up: Option<PathBuf>,
    /// Whether the network is left open.
    pub(super) network: bool,
    /// Bytes of memory for each process; `None` is three quarters of the machine's.
    pub(super) memory: Option<u64>,
    /// What Landlock leaves open; `None` where namespaces do it.
    pub(super) fence: Option<Fence>,
}

/// What can be reached of the file system.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fence {
    /// Files, and folders with all in them, that can be read and run.
    pub(super) readable: Vec<PathBuf>,
    /// Those that can also be changed.
    pub(super) writable: Vec<PathBuf>,
}

/// Runs the hidden command, if it is what was typed; returns why it failed.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> Option<Result<(), String>> {
    let _program = arguments.next();
    if arguments.next()? != COMMAND {
        return None;
    }
    let spec = arguments.next().unwrap_or_default();
    let spec = serde_json::from_slice(spec.as_encoded_bytes());
    Some(spec.map_err(|error| error.to_string()).and_then(|spec| become_python(&spec, arguments)))
}

fn become_python(spec: &Spec, mut arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
    let mut line = match &spec.up {
        // Before the filter is in place, which may forbid it.
        Some(up) => Some(UnixStream::connect(up).map_err(|error| error.to_string())?),
        None => None,
    };
    let entered = enter(spec).and_then(|()| {
        let Some(python) = arguments.next() else { return Ok(()) };
        let mut command = Command::new(&python);
        command.args(arguments);
        if let Some(line) = &line {
            rustix::io::fcntl_setfd(line, FdFlags::empty()).map_err(|error| error.to_string())?;
            command.env(LINE, line.as_raw_fd().to_string());
        }
        let error = command.exec();
        let python = python.to_string_lossy();
        Err(format!("cannot start Python as `{python}` ({error}): name one that has ipykernel"))
    });
    if let (Err(reason), Some(line)) = (&entered, &mut line) {
        let _ = writeln!(line, "{}", serde_json::json!({ "error": reason }));
    }
    entered
}

#[cfg(target_os = "linux")]
use linux::enter;

/// The profile of `sandbox-exec` holds all of it.
#[cfg(not(target_os = "linux"))]
fn enter(spec: &Spec) -> Result<(), String> {
    if spec.fence.is_some() {
        return Err("Landlock is of Linux alone".to_owned());
    }
    // A leader already, it cannot have a session of its own.
    let _ = rustix::process::setsid();
    Ok(())
}
