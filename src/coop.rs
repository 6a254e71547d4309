//! Yield points of synchronous work: where somebody else may stop or pause it.
//!
//! ```text
//! supervise(should_stop, work) ── loops that call stopped() ─ every 1,024 calls ─> should_stop()
//! ```
//!
//! A search runs on a thread for blocking work until it returns, most of the time inside tantivy,
//! whose traits have no room for a cancellation token. So the token belongs to the thread:
//! [`supervise`] installs a function for the length of one call, and the loops below ask
//! [`stopped`], which costs a decrement of a thread-local counter. A supervisor that answers `true`
//! is not asked again: everything below sees `true` from then on, ends early, and its result is
//! worthless; whoever returns a result calls [`check`] last. A supervisor may also block, which
//! pauses the work.
//!
//! Invariant: no lock is held at a yield point, because the supervisor may block there.
//!
//! Without a supervisor nothing is ever stopped.

use std::cell::{Cell, RefCell};

/// How many calls of [`stopped`] there are between two questions to the supervisor: some ten
/// microseconds of work.
const STEPS: u32 = 1_024;

/// The work was stopped; what it has found so far means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work was stopped")]
pub struct Stopped;

struct Supervisor {
    should_stop: Box<dyn FnMut() -> bool>,
    /// Calls of [`stopped`] between two questions.
    steps: u32,
    stopped: bool,
    /// How often it was asked after it was stopped.
    #[cfg(test)]
    late: u64,
}

thread_local! {
    /// Calls of [`stopped`] that are left until the supervisor is asked.
    static LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
    static SUPERVISOR: RefCell<Option<Supervisor>> = const { RefCell::new(None) };
}

/// Does some work that `should_stop` can stop: it is asked now and then, and the work ends soon
/// after the first `true`.
///
/// # Errors
///
/// [`Stopped`] when the work was stopped. When it ended before it noticed, its result is whole and
/// is returned.
pub fn supervise<T>(should_stop: impl FnMut() -> bool + 'static, work: impl FnOnce() -> T) -> Result<T, Stopped> {
    supervise_every(STEPS, should_stop, work)
}

fn supervise_every<T>(
    steps: u32,
    should_stop: impl FnMut() -> bool + 'static,
    work: impl FnOnce() -> T,
) -> Result<T, Stopped> {
    /// Also when the work panics: the thread is used again.
    struct Uninstall;
    impl Drop for Uninstall {
        fn drop(&mut self) {
            LEFT.set(u32::MAX);
            SUPERVISOR.take();
        }
    }
    SUPERVISOR.set(Some(Supervisor {
        should_stop: Box::new(should_stop),
        steps,
        stopped: false,
        #[cfg(test)]
        late: 0,
    }));
    LEFT.set(steps - 1);
    let _uninstall = Uninstall;
    let result = work();
    let stopped = SUPERVISOR.with_borrow(|supervisor| supervisor.as_ref().is_some_and(|it| it.stopped));
    if stopped { Err(Stopped) } else { Ok(result) }
}

/// Whether the work on this thread has to end. For every step of an inner loop.
#[inline]
#[must_use]
pub fn stopped() -> bool {
    let left = LEFT.get();
    if left > 0 {
        LEFT.set(left - 1);
        return false;
    }
    stopped_now()
}

/// The same, asked at once: for a step that may be long.
#[must_use]
pub fn stopped_now() -> bool {
    SUPERVISOR.with_borrow_mut(|supervisor| {
        let Some(supervisor) = supervisor else {
            LEFT.set(u32::MAX);
            return false;
        };
        #[cfg(test)]
        {
            supervisor.late += u64::from(supervisor.stopped);
        }
        supervisor.stopped = supervisor.stopped || (supervisor.should_stop)();
        LEFT.set(if supervisor.stopped { 0 } else { supervisor.steps - 1 });
        supervisor.stopped
    })
}

/// The same as [`stopped_now`], as a result. A function that calls [`stopped`] calls this before it
/// returns what it found.
///
/// # Errors
///
/// [`Stopped`].
pub fn check() -> Result<(), Stopped> {
    if stopped_now() { Err(Stopped) } else { Ok(()) }
}

/// Work that is stopped at a given step, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::rc::Rc;

    use super::*;

    /// How work went that was stopped.
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) struct Run<T> {
        pub(crate) result: Result<T, Stopped>,
        /// The yield points up to the one at which it was stopped.
        pub(crate) steps: u64,
        /// The yield points that it passed behind that one.
        pub(crate) late: u64,
    }

    /// Does some work and stops it at its `at`-th yield point, counted from 1.
    pub(crate) fn stop_at<T>(at: u64, work: impl FnOnce() -> T) -> Run<T> {
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
        Run { result, steps: asked.get(), late: late.get() }
    }

    /// Does some work, and something else at each of its yield points.
    pub(crate) fn at_each<T>(mut at: impl FnMut() + 'static, work: impl FnOnce() -> T) -> T {
        let should_stop = move || {
            at();
            false
        };
        supervise_every(1, should_stop, work).expect("nobody stops it")
    }

    /// How many yield points some work has when nobody stops it.
    pub(crate) fn steps<T>(work: impl FnOnce() -> T) -> u64 {
        stop_at(u64::MAX, work).steps
    }
}

#[cfg(test)]
mod tests;
