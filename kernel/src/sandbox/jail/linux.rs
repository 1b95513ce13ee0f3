//! What is given up on Linux, in this order: the terminal, limits, capabilities, files, system calls.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::Spec;
use crate::sandbox::{filter, ruleset};

/// Largest file that can be written, in bytes.
const LARGEST_FILE: u64 = 16 << 30;

/// Processes and threads at once, beside those that the user has already. It does not hold for root.
const MAX_PROCESSES: u64 = 1024;

/// Open files at once.
const MAX_OPEN: u64 = 1 << 16;

/// Gives up all but what the spec leaves.
///
/// # Errors
/// When anything of it cannot be done: nothing less is good enough.
pub(super) fn enter(spec: &Spec) -> Result<(), String> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |error: rustix::io::Errno| format!("cannot {what} ({error})")
    };
    // Of a session of its own it leads the group, without which ipykernel does not interrupt its children; and it
    // has no terminal. A leader already, as under Landlock, it cannot have one: the filter denies the terminal there.
    let _ = rustix::process::setsid();
    // The system's choice when memory is out, rather than the kernel that would tell of it. No matter if it fails.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    limit(spec).map_err(named("set limits"))?;
    close_the_rest().map_err(named("close what is open"))?;
    drop_capabilities().map_err(named("drop capabilities"))?;
    if let Some(fence) = &spec.fence {
        ruleset::restrict(fence, spec.network)?;
    }
    filter::install(spec.fence.is_some(), spec.network)
}

fn limit(spec: &Spec) -> rustix::io::Result<()> {
    let memory = spec.memory.or_else(most_of_memory);
    // Without a namespace of users all of this user's count.
    let others = if spec.fence.is_some() { processes_of_user() } else { 0 };
    let limits = [
        (Resource::Core, Some(0)),
        (Resource::Fsize, Some(LARGEST_FILE)),
        (Resource::Nofile, Some(MAX_OPEN)),
        // Not the address space: that breaks what maps large files.
        (Resource::Data, memory),
        (Resource::Nproc, Some(others + MAX_PROCESSES)),
    ];
    for (resource, limit) in limits {
        let Some(limit) = limit else { continue };
        let now = getrlimit(resource);
        let lower = |value: Option<u64>| Some(value.map_or(limit, |value| value.min(limit)));
        setrlimit(resource, Rlimit { current: lower(now.current), maximum: lower(now.maximum) })?;
    }
    Ok(())
}

/// How many processes and threads this user has.
fn processes_of_user() -> u64 {
    let user = rustix::process::getuid().as_raw().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let texts =
        entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok());
    texts
        .filter_map(|text| {
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let mine = field("Uid:")?.split_whitespace().next()? == user;
            mine.then(|| field("Threads:")?.trim().parse::<u64>().ok())?
        })
        .sum()
}

/// Three quarters of the machine's memory, in bytes.
fn most_of_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024 / 4 * 3)
}

/// Marks all descriptors but the standard ones as to be closed when Python starts: one that was left open by mistake
/// would be a way out.
#[expect(unsafe_code, reason = "no safe function for it")]
fn close_the_rest() -> rustix::io::Result<()> {
    // SAFETY: it takes three numbers, and with this flag closes nothing yet.
    let done = unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    match std::io::Error::last_os_error().raw_os_error() {
        // Before Linux 5.11. All that the standard library opens is marked so anyway.
        Some(libc::ENOSYS | libc::EINVAL) => Ok(()),
        Some(error) if done != 0 => Err(rustix::io::Errno::from_raw_os_error(error)),
        _ => Ok(()),
    }
}

fn drop_capabilities() -> rustix::io::Result<()> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        // Not permitted without a capability of its own: then `no_new_privs` keeps all from coming back.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySet::empty();
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
}
