//! Processes of the system: for tests that end some and look at what is left.

use std::time::Duration;

/// Waits for a state of the system that nothing announces.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("expected {what}");
}

/// Whether a process runs.
pub fn runs(pid: i32) -> bool {
    // A zombie is as good as gone: its parent here may be a container's first process, which does not reap.
    state(pid).is_some_and(|state| state != 'Z')
}

/// The letter of a process's state: `R` runs, `S` sleeps, `T` is stopped, `Z` has ended.
pub fn state(pid: i32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// The processes that `parent` has started and that still run.
pub fn children(parent: i32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |pid: &i32| stat(*pid).is_some_and(|fields| fields[1] == parent.to_string());
    pids.filter(|pid| is_child(pid) && runs(*pid)).collect()
}

/// Whether any process runs that was started with this word: its number may be another one where it was started.
pub fn any_with(word: &str) -> bool {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| runs(*pid)).any(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    })
}

/// What is said of a process behind its name: its state, its parent and so on.
fn stat(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}
