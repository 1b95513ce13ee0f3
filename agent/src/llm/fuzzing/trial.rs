//! Work that is tried in a copy of this process first, which gets little memory and time.
#![expect(unsafe_code, reason = "no safe function for a copy of a process and its end")]

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of address space beside what this process has.
const MEMORY: u64 = 256 << 20;

/// Seconds of computing time.
const COMPUTING: u64 = 1;

/// Seconds after which a copy that waits for what another thread of this process had taken is given up.
const PATIENCE: libc::c_uint = 20;

/// Whether `work` ends by itself in a copy of this process; by a panic counts, so that it is found here.
pub(super) fn ends(work: impl FnOnce()) -> bool {
    let memory = address_space() + MEMORY;
    // SAFETY: the copy has this thread alone, takes memory, which the C library prepares for that, and returns nowhere.
    match unsafe { libc::fork() } {
        0 => in_copy(memory, work),
        copy => is_ended(copy),
    }
}

/// Bytes of address space that this process has; none where the system does not say.
fn address_space() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().next().and_then(|pages| pages.parse::<u64>().ok());
    // SAFETY: it takes a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

fn in_copy(memory: u64, work: impl FnOnce()) -> ! {
    let limits = [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_AS, memory), (libc::RLIMIT_CPU, COMPUTING)];
    for (resource, limit) in limits {
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: it reads the limit.
        unsafe { libc::setrlimit(resource, &raw const limit) };
    }
    // A fuzzer has its own of these, which would report what ended the copy as found.
    for signal in [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGALRM] {
        // SAFETY: nothing of this process is called.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: it takes a number.
    unsafe { libc::alarm(PATIENCE) };
    // A fuzzer ends by its own at a panic.
    std::panic::set_hook(Box::new(|_| {}));
    let _ = catch_unwind(AssertUnwindSafe(work));
    // SAFETY: it ends the copy and runs nothing of this process.
    unsafe { libc::_exit(0) }
}

fn is_ended(copy: libc::pid_t) -> bool {
    assert!(copy > 0, "the process is copied: {}", std::io::Error::last_os_error());
    let mut status = 0;
    loop {
        // SAFETY: the status is ours.
        let waited = unsafe { libc::waitpid(copy, &raw mut status, 0) };
        if waited == copy {
            return libc::WIFEXITED(status);
        }
        let error = std::io::Error::last_os_error();
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "the copy is waited for");
    }
}
