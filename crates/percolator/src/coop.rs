//! Yield points of synchronous work, at which a supervisor may stop or pause it.
//!
//! ```text
//! supervise(should_stop, work) ── loops that call stopped() ─ every 1,024 calls ─> should_stop()
//! ```
//!
//! A search runs on a blocking thread until it returns, mostly inside tantivy, whose traits take no
//! cancellation token. So the token belongs to the thread: [`supervise`] installs a supervisor for
//! one call, and the loops inside call [`stopped`], which costs a decrement of a thread-local
//! counter. After a supervisor has returned `true` it is not asked again. All yield points then
//! return `true`, the work ends early, and its result is invalid; a function that returns a result
//! calls [`check`] last. A supervisor may also block, which pauses the work.
//!
//! Invariant: no lock is held at a yield point, because the supervisor may block there.
//!
//! Without a supervisor no work is stopped.

use std::cell::{Cell, RefCell};

/// Calls of [`stopped`] between two questions to the supervisor: some ten microseconds of work.
const CALLS_PER_QUESTION: u32 = 1_024;

/// The work was stopped, and its result is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work was stopped")]
pub struct Stopped;

struct Supervisor {
    should_stop: Box<dyn FnMut() -> bool>,
    /// Calls of [`stopped`] between two questions.
    steps: u32,
    stopped: bool,
    /// Questions after the work was stopped.
    #[cfg(any(test, feature = "testing"))]
    late: u64,
}

thread_local! {
    /// Calls of [`stopped`] until the next question to the supervisor.
    static CALLS_LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
    static SUPERVISOR: RefCell<Option<Supervisor>> = const { RefCell::new(None) };
}

/// Runs work under a supervisor: the work ends soon after `should_stop` first returns `true`.
///
/// # Errors
///
/// [`Stopped`] if the supervisor has stopped the work.
pub fn supervise<T>(should_stop: impl FnMut() -> bool + 'static, work: impl FnOnce() -> T) -> Result<T, Stopped> {
    supervise_every(CALLS_PER_QUESTION, should_stop, work)
}

fn supervise_every<T>(
    steps: u32,
    should_stop: impl FnMut() -> bool + 'static,
    work: impl FnOnce() -> T,
) -> Result<T, Stopped> {
    /// Uninstalls the supervisor also if the work panics, since the thread is reused.
    struct Uninstall;
    impl Drop for Uninstall {
        fn drop(&mut self) {
            CALLS_LEFT.set(u32::MAX);
            SUPERVISOR.take();
        }
    }
    SUPERVISOR.set(Some(Supervisor {
        should_stop: Box::new(should_stop),
        steps,
        stopped: false,
        #[cfg(any(test, feature = "testing"))]
        late: 0,
    }));
    CALLS_LEFT.set(steps - 1);
    let _uninstall = Uninstall;
    let result = work();
    let stopped = SUPERVISOR.with_borrow(|supervisor| supervisor.as_ref().is_some_and(|it| it.stopped));
    if stopped { Err(Stopped) } else { Ok(result) }
}

/// Whether the work on this thread has to end. To be called at every step of an inner loop.
#[inline]
#[must_use]
pub fn stopped() -> bool {
    let left = CALLS_LEFT.get();
    if left > 0 {
        CALLS_LEFT.set(left - 1);
        return false;
    }
    stopped_now()
}

/// [`stopped`] without the counter: asks the supervisor at once. For steps that may be long.
#[must_use]
pub fn stopped_now() -> bool {
    SUPERVISOR.with_borrow_mut(|supervisor| {
        let Some(supervisor) = supervisor else {
            CALLS_LEFT.set(u32::MAX);
            return false;
        };
        #[cfg(any(test, feature = "testing"))]
        {
            supervisor.late += u64::from(supervisor.stopped);
        }
        supervisor.stopped = supervisor.stopped || (supervisor.should_stop)();
        CALLS_LEFT.set(if supervisor.stopped { 0 } else { supervisor.steps - 1 });
        supervisor.stopped
    })
}

/// [`stopped_now`] as a result. A function that calls [`stopped`] calls this before it returns its
/// own result.
///
/// # Errors
///
/// [`Stopped`].
pub fn check() -> Result<(), Stopped> {
    if stopped_now() { Err(Stopped) } else { Ok(()) }
}

/// Stops work at a given yield point, for tests.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    use std::rc::Rc;

    use super::{Cell, SUPERVISOR, Stopped, supervise_every};

    /// The outcome of stopped work.
    #[derive(Debug, PartialEq, Eq)]
    pub struct StoppedRun<T> {
        /// What the work returned.
        pub result: Result<T, Stopped>,
        /// Yield points up to the one at which it was stopped.
        pub steps: u64,
        /// Yield points behind that one.
        pub late: u64,
    }

    /// Runs work and stops it at its `at`-th yield point, counted from 1.
    pub fn stop_at<T>(at: u64, work: impl FnOnce() -> T) -> StoppedRun<T> {
        let (asked, late) = (Rc::new(Cell::new(0)), Cell::new(0));
        let counter = Rc::clone(&asked);
        let should_stop = move || {
            counter.set(counter.get() + 1);
            counter.get() >= at
        };
        let result = supervise_every(1, should_stop, || {
            let result = work();
            late.set(SUPERVISOR.with_borrow(|supervisor| supervisor.as_ref().map_or(0, |it| it.late)));
            result
        });
        StoppedRun { result, steps: asked.get(), late: late.get() }
    }

    /// Runs work, and calls `at` at each of its yield points.
    pub fn at_each<T>(mut at: impl FnMut() + 'static, work: impl FnOnce() -> T) -> T {
        let should_stop = move || {
            at();
            false
        };
        supervise_every(1, should_stop, work).expect("it is not stopped")
    }

    /// The number of yield points of work that is not stopped.
    pub fn steps<T>(work: impl FnOnce() -> T) -> u64 {
        stop_at(u64::MAX, work).steps
    }
}

#[cfg(test)]
mod tests;
