//! The processes that descend from the companion, also those that have left its group.
//!
//! A companion that has to be killed leaves none of them. One that ends by itself does, as under any kernel: a server
//! that a cell started in a session of its own was meant to stay.

use rustix::process::{Pid, Signal, kill_process};

/// A process, told from a later one that may get its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descendant {
    pid: i32,
    /// In ticks since the machine came up.
    started: u64,
}

/// All processes that descend from `root` now. Empty on systems without `/proc`, where the group is all that is known.
pub(super) fn descendants(root: Pid) -> Vec<Descendant> {
    let processes: Vec<_> = processes().collect();
    let mut found = Vec::new();
    let mut parents = vec![root.as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for (process, of) in &processes {
            if *of == parent && !found.contains(process) {
                parents.push(process.pid);
                found.push(process.clone());
            }
        }
    }
    found
}

/// Kills those of them that still run.
pub(super) fn kill(descendants: &[Descendant]) {
    for known in descendants {
        let same = read(known.pid).is_some_and(|(process, _)| process == *known);
        if let Some(pid) = Pid::from_raw(known.pid).filter(|_| same) {
            // It fails only when it has just ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Every process, with the number of its parent.
fn processes() -> impl Iterator<Item = (Descendant, i32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?))
}

fn read(pid: i32) -> Option<(Descendant, i32)> {
    parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name of the program stands in brackets and may hold anything, so what counts is behind the last one.
fn parse(pid: i32, stat: &str) -> Option<(Descendant, i32)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    // Fields 4 and 22 of proc_pid_stat(5); the first here is field 3.
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some((Descendant { pid, started }, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1 1";
        assert_eq!(parse(7, stat), Some((Descendant { pid: 7, started: 99 }, 3)));
        assert_eq!(parse(7, ""), None);
        assert_eq!(parse(7, "7 (a) S"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn grandchildren_are_found_and_killed() {
        use std::io::BufRead as _;
        use std::process::{Command, Stdio};
        // A child whose own child says its number and sleeps.
        let script = "sh -c 'echo $$; exec sleep 600' & wait";
        let mut child =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        let found = descendants(Pid::from_child(&child));
        assert!(found.iter().any(|process| process.pid == grandchild), "{found:?}");
        // Another process under its number is left alone.
        let other = found.iter().map(|process| Descendant { started: 1, ..process.clone() });
        kill(&other.collect::<Vec<_>>());
        assert!(read(grandchild).is_some());
        kill(&found);
        // Its end closes the pipe.
        line.clear();
        assert_eq!(said.read_line(&mut line).unwrap(), 0);
        child.wait().unwrap();
    }
}
