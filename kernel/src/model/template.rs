//! The chat template of a foreign model file, in a process of our own program that gets little memory and time.
//!
//! `datarus __template`: a job on stdin, its answer on stdout. No rule inside a process holds what a template takes, so
//! the system does. It runs before anything else of the program, with one thread.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use datarus_agent::llm::chat_template::{MAX_ANSWER, Renderer, answer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The hidden command.
pub const COMMAND: &str = "__template";

/// Bytes of address space, the program's own included; the largest of real templates takes some MiB beside it.
const MEMORY: u64 = 512 << 20;

/// Bytes of it beside the program's own at least: a build for a GPU maps libraries of hundreds of MiB when it starts.
const BESIDE: u64 = 256 << 20;

/// Seconds of computing time; real templates take thousandths.
const COMPUTING: u64 = 2;

/// How long an answer is waited for, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a template is refused with that the limits ended.
const TOO_MUCH: &str = "it takes too much memory or time";

/// Runs the hidden command, if it is what was typed; returns why it failed.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> Option<Result<(), String>> {
    let _program = arguments.next();
    (arguments.next()? == COMMAND)
        .then(|| limit().and_then(|()| converse()).map_err(|error| error.to_string()))
}

fn limit() -> std::io::Result<()> {
    // The system's choice when memory is out, rather than the kernel that waits. No matter if it fails.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let memory = MEMORY.max(own_bytes().unwrap_or_default() + BESIDE);
    for (resource, limit) in
        [(Resource::Core, 0), (Resource::As, memory), (Resource::Cpu, COMPUTING)]
    {
        let now = getrlimit(resource);
        let lower = |value: Option<u64>| Some(value.map_or(limit, |value| value.min(limit)));
        let done = setrlimit(
            resource,
            Rlimit { current: lower(now.current), maximum: lower(now.maximum) },
        );
        // macOS knows no such limit of memory; there the time alone bounds it.
        if cfg!(target_os = "linux") || resource != Resource::As {
            done?;
        }
    }
    Ok(())
}

/// Address space that this process has, where the system tells: `VmSize` of Linux.
fn own_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn converse() -> std::io::Result<()> {
    let mut job = Vec::new();
    std::io::stdin().read_to_end(&mut job)?;
    std::io::stdout().write_all(&answer(&job))
}

/// Has templates rendered by `program`, which has the hidden command.
pub fn apart(program: PathBuf) -> Renderer {
    Renderer::Apart(Box::new(move |job| ask(&program, job, PATIENCE)))
}

fn ask(program: &Path, job: &[u8], patience: Duration) -> Result<Vec<u8>, String> {
    let mut child = Command::new(program)
        .arg(COMMAND)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // What interrupts us by a terminal is not meant for it.
        .process_group(0)
        .spawn()
        .map_err(|error| {
            format!("`{}`, which is to render it, cannot be started ({error})", program.display())
        })?;
    let heard = hear(&mut child, job.to_vec(), patience);
    if heard.is_none() {
        let _ = child.kill();
    }
    // Else it has closed its end, or is about to find ours closed, and then ends.
    let status = child.wait().map_err(|error| error.to_string())?;
    match heard {
        Some(answer) if status.success() => Ok(answer),
        Some(_) if status.signal().is_none() => Err(format!("what rendered it failed ({status})")),
        _ => Err(String::from(TOO_MUCH)),
    }
}

/// What the child says until it ends, if that is soon.
fn hear(child: &mut Child, job: Vec<u8>, patience: Duration) -> Option<Vec<u8>> {
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let (sender, receiver) = mpsc::channel();
    // It ends when the child does.
    let thread = std::thread::Builder::new().name(String::from("template"));
    let spawned = thread.spawn(move || {
        // A child that does not read tells why by its end.
        let _ = stdin.write_all(&job);
        drop(stdin);
        let mut answer = Vec::new();
        let _ = stdout.take(MAX_ANSWER).read_to_end(&mut answer);
        let _ = sender.send(answer);
    });
    spawned.ok()?;
    receiver.recv_timeout(patience).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[track_caller]
    fn check(script: &str, patience: Duration, expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        // A test beside this one that starts a process while the program is written holds it open for a moment.
        let is_held = |said: &Result<_, String>| {
            said.as_ref().is_err_and(|said| said.contains("os error 26"))
        };
        let found = std::iter::repeat_with(|| ask(&program, b"a job", patience))
            .find(|said| !is_held(said))
            .unwrap()
            .map(|said| String::from_utf8(said).unwrap());
        match expected {
            Ok(said) => assert_eq!(found.as_deref(), Ok(said)),
            Err(reason) => assert!(found.as_ref().unwrap_err().contains(reason), "{found:?}"),
        }
    }

    #[test]
    fn a_child_that_ends_badly_says_nothing_or_never_ends_is_an_error() {
        check("exec cat", PATIENCE, Ok("a job"));
        check("echo ${HOME-none}", PATIENCE, Ok("none\n"));
        check("kill -9 $$", PATIENCE, Err(TOO_MUCH));
        check("echo; exit 3", PATIENCE, Err("exit status: 3"));
        check("exec yes", PATIENCE, Err(TOO_MUCH));
        check("exec sleep 1000", Duration::ZERO, Err(TOO_MUCH));
        let said = ask(Path::new("/no/such"), b"", PATIENCE).unwrap_err();
        assert!(said.starts_with("`/no/such`, which is to render it, cannot be started"), "{said}");
    }
}
