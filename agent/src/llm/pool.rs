//! A few threads that compute one thing together.
//!
//! A token of a model takes some hundred products, each of some ten to hundred microseconds, so the hand-over of a
//! part to another thread must cost next to nothing: threads wait for the next product in a loop for a moment before
//! they sleep. Whoever asks does all that no other thread comes for, so that a core which is busy with other work
//! delays nothing but the part that it took.
#![expect(unsafe_code, reason = "threads that outlive a call work on what the call borrows")]

use std::cell::{Cell, UnsafeCell};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

/// A thread that finds no work looks so many times before it sleeps: some 50 to 100 microseconds.
const LOOKS: usize = 2_000;

/// In [`Shared::state`]: a job may be joined.
const OPEN: u64 = 1 << 63;
/// In [`Shared::state`]: one helper that has joined.
const ONE: u64 = 1;
/// In [`Shared::state`]: the number of helpers that have joined.
const JOINED: u64 = (1 << 16) - 1;
/// In [`Shared::state`]: one job later.
const NEXT: u64 = 1 << 16;

/// Threads that compute parts of a job beside the one that asks.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    helpers: Vec<(Thread, Arc<AtomicBool>)>,
    /// One job at a time; another thread that asks meanwhile computes alone.
    asking: Mutex<()>,
}

/// A job: called with the number of each part once.
type Job = dyn Fn(usize) + Sync;

struct Shared {
    /// `OPEN`, the number of the job, and how many helpers have joined it.
    state: AtomicU64,
    /// Valid from the moment a job is opened until it is closed and all who joined have left.
    job: UnsafeCell<Option<*const Job>>,
    parts: AtomicUsize,
    next: AtomicUsize,
    left: AtomicUsize,
    /// How many helpers were asked for.
    n_helpers: usize,
    /// How many of them may join.
    allowed: AtomicUsize,
    /// How many [`Spared`] there are.
    spared: AtomicUsize,
    panicked: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

// SAFETY: `job` is written only while no job is open and nobody is joined, and read only by who has joined.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is to something `Sync`.
unsafe impl Send for Shared {}

thread_local! {
    /// Whether this thread computes a part, so that a job within a job is computed in place.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

impl Pool {
    /// The pool of this process, with as many threads as it may use processors, the asking one included.
    pub(crate) fn get() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self::new(available()))
    }

    /// A pool of `n_threads`, the asking one included.
    fn new(n_threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            parts: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            allowed: AtomicUsize::new(usize::MAX),
            n_helpers: n_threads.saturating_sub(1),
            spared: AtomicUsize::new(0),
            panicked: Mutex::new(None),
        });
        // Where the system gives no more threads the others do the work.
        let mut helpers = Vec::new();
        for index in 0..n_threads.saturating_sub(1) {
            let (shared, asleep) = (Arc::clone(&shared), Arc::new(AtomicBool::new(false)));
            let own = Arc::clone(&asleep);
            let name = format!("model-{index}");
            let thread = std::thread::Builder::new().name(name);
            let Ok(handle) = thread.spawn(move || help(&shared, index, &own)) else { break };
            helpers.push((handle.thread().clone(), asleep));
        }
        Self { shared, helpers, asking: Mutex::new(()) }
    }

    /// How many threads compute, the asking one included.
    pub(crate) fn n_threads(&self) -> usize {
        1 + self.helpers.len().min(self.shared.allowed())
    }

    /// From now on at most `n_threads` compute, the asking one included.
    pub(crate) fn limit(&self, n_threads: usize) {
        self.shared.allowed.store(n_threads.saturating_sub(1), Ordering::Relaxed);
    }

    /// Leaves one processor to others while the answer lives, if there is more than one.
    pub(crate) fn spare_one(&self) -> Spared<'_> {
        self.shared.spared.fetch_add(1, Ordering::Relaxed);
        Spared(&self.shared)
    }

    /// Calls `work` with each number below `parts`, each once, on any of the threads; returns when all have returned.
    ///
    /// # Panics
    /// When `work` does.
    pub(crate) fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        let alone = parts <= 1 || self.n_threads() == 1 || INSIDE.get();
        let asking = if alone { None } else { self.asking.try_lock().ok() };
        if asking.is_none() {
            (0..parts).for_each(work);
            return;
        }
        let shared = &*self.shared;
        // SAFETY: the lifetime is forgotten, and kept all the same: `close` returns only after the last helper that
        // joined has left, also when `work` panics here.
        #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast may not lengthen a lifetime")]
        let job =
            unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Job>(work) };
        // SAFETY: no job is open (`asking` is locked) and nobody is joined (`close` waited for that).
        unsafe { *shared.job.get() = Some(job) };
        shared.parts.store(parts, Ordering::Relaxed);
        shared.next.store(0, Ordering::Relaxed);
        shared.left.store(0, Ordering::Relaxed);
        let number =
            (shared.state.load(Ordering::Relaxed) & !(OPEN | JOINED)).wrapping_add(NEXT) & !OPEN;
        shared.state.store(number | OPEN, Ordering::SeqCst);
        let allowed = shared.allowed();
        for (thread, asleep) in self.helpers.iter().take(allowed) {
            if asleep.load(Ordering::SeqCst) {
                thread.unpark();
            }
        }
        let own = catch_unwind(AssertUnwindSafe(|| shared.work(work)));
        shared.close();
        let theirs = shared.panicked.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = own.err().or(theirs) {
            drop(asking);
            resume_unwind(panic);
        }
    }
}

/// While it lives one processor is left to others.
pub(crate) struct Spared<'a>(&'a Shared);

impl Drop for Spared<'_> {
    fn drop(&mut self) {
        self.0.spared.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// How many helpers may join now.
    fn allowed(&self) -> usize {
        let spared = usize::from(self.spared.load(Ordering::Relaxed) > 0);
        self.allowed.load(Ordering::Relaxed).min(self.n_helpers.saturating_sub(spared))
    }

    /// Computes parts until none is left.
    fn work(&self, work: &(dyn Fn(usize) + Sync)) {
        let parts = self.parts.load(Ordering::Relaxed);
        INSIDE.set(true);
        let inside = Inside;
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                break;
            }
            work(part);
        }
        drop(inside);
    }

    /// Lets nobody join any more and waits until those who have are done.
    fn close(&self) {
        let joined = self.state.fetch_and(!OPEN, Ordering::AcqRel) & JOINED;
        let joined = usize::try_from(joined).unwrap_or(usize::MAX);
        let mut looks = 0;
        while self.left.load(Ordering::Acquire) != joined {
            looks += 1;
            if looks > LOOKS {
                // A helper's core does something else: it may need this one.
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }

    /// Joins the open job, if it is not the one of `seen`; returns its number.
    fn join(&self, seen: u64) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        let number = state & !(OPEN | JOINED);
        if state & OPEN == 0 || number == seen {
            return None;
        }
        let joined =
            self.state.compare_exchange(state, state + ONE, Ordering::AcqRel, Ordering::Relaxed);
        joined.ok().map(|_| number)
    }
}

/// Ends a thread's being inside a job, also when a part panics.
struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// What a helper does, for ever: processes end with their threads.
fn help(shared: &Shared, index: usize, asleep: &AtomicBool) {
    let mut seen = 0;
    let mut looks = 0;
    loop {
        let allowed = index < shared.allowed();
        if let Some(number) = allowed.then(|| shared.join(seen)).flatten() {
            (seen, looks) = (number, 0);
            // SAFETY: it has joined, so the job is not closed before it has left.
            let job = unsafe { (*shared.job.get()).map(|job| &*job) };
            let done = catch_unwind(AssertUnwindSafe(|| job.map(|job| shared.work(job))));
            if let Err(panic) = done {
                *shared.panicked.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            shared.left.fetch_add(1, Ordering::AcqRel);
            continue;
        }
        looks += 1;
        if looks < LOOKS && allowed {
            std::hint::spin_loop();
            continue;
        }
        asleep.store(true, Ordering::SeqCst);
        // Who opens a job looks at `asleep` afterwards: one of the two sees the other.
        let state = shared.state.load(Ordering::SeqCst);
        let is_new = state & OPEN != 0 && state & !(OPEN | JOINED) != seen;
        if !(allowed && is_new) {
            std::thread::park();
        }
        asleep.store(false, Ordering::SeqCst);
        looks = 0;
    }
}

/// The processors that this process may use.
fn available() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each part was computed.
    fn counts(pool: &Pool, parts: usize) -> Vec<usize> {
        let counts: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
        pool.run(parts, &|part| {
            counts[part].fetch_add(1, Ordering::Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn each_part_is_computed_once_whatever_the_threads() {
        for n_threads in [1, 2, 3, 8] {
            let pool = Pool::new(n_threads);
            for round in 0..500 {
                let parts = round % 17;
                assert_eq!(counts(&pool, parts), vec![1; parts], "{n_threads} threads");
            }
            pool.limit(1);
            assert_eq!(counts(&pool, 5), [1; 5]);
            pool.limit(2);
            assert_eq!(counts(&pool, 5), [1; 5]);
        }
    }

    #[test]
    fn a_job_within_a_job_and_of_two_askers_are_computed() {
        let pool = Pool::new(3);
        let total = AtomicUsize::new(0);
        let add = |_| {
            total.fetch_add(1, Ordering::Relaxed);
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| pool.run(4, &|_| pool.run(3, &add))));
            }
        });
        assert_eq!(total.into_inner(), 4 * 50 * 4 * 3);
    }

    #[test]
    fn one_processor_is_spared_where_there_is_more_than_one() {
        let check = |processors: usize, limit: usize, expected: usize| {
            let pool = Pool::new(processors);
            pool.limit(limit);
            let before = pool.n_threads();
            let (one, other) = (pool.spare_one(), pool.spare_one());
            assert_eq!(pool.n_threads(), expected, "{processors} processors, limit {limit}");
            assert_eq!(counts(&pool, 5), [1; 5]);
            drop(one);
            assert_eq!(pool.n_threads(), expected);
            drop(other);
            assert_eq!(pool.n_threads(), before);
        };
        check(1, usize::MAX, 1);
        check(2, usize::MAX, 1);
        check(4, usize::MAX, 3);
        // A limit below leaves processors free as it is.
        check(4, 2, 2);
        check(4, 1, 1);
    }

    #[test]
    fn helpers_that_sleep_are_woken() {
        let pool = Pool::new(2);
        // Neither part ends before the other has begun, so both threads must come.
        for _ in 0..3 {
            while !pool.helpers.iter().all(|(_, asleep)| asleep.load(Ordering::SeqCst)) {
                std::thread::yield_now();
            }
            let both = std::sync::Barrier::new(2);
            pool.run(2, &|_| {
                both.wait();
            });
        }
    }

    #[test]
    fn a_panic_reaches_the_asker_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for _ in 0..20 {
            let ended = catch_unwind(AssertUnwindSafe(|| pool.run(8, &|part| assert_ne!(part, 5))));
            assert!(ended.is_err());
            assert_eq!(counts(&pool, 8), [1; 8]);
        }
    }
}
