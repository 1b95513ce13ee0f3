//! How many threads compute.
//!
//! A large model wants all cores. A small one wants the calling thread alone: its products take microseconds, and
//! handing a part of each to another thread costs a wake-up every time. On a machine that is busy with other work
//! the difference is not small: 1.3 against 142 tokens a second were measured for 4.5 million parameters.

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Makes the calling thread a pool of its own, so that candle's parallel loops run on it without a hand-over.
///
/// It stays so for the thread's life; asked again, nothing happens.
pub(crate) fn stay_on_this_thread() {
    thread_local! {
        // None where the thread belongs to a pool already: loops then run in that one.
        static ALONE: Option<ThreadPool> =
            ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
    }
    ALONE.with(|_| ());
}

/// Lets every other thread go before the calling one, for its life: for work that nobody waits for.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a function of the C library")]
pub(crate) fn yield_to_others() {
    const LAST: libc::c_int = 19;
    // SAFETY: it takes numbers; 0 is the calling thread, to which alone Linux applies it.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LAST) };
}

/// Where a thread has no priority of its own, it goes as the others do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn yield_to_others() {}
