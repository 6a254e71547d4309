use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::testing::{StoppedRun, steps, stop_at};
use super::*;

/// Counts up to a hundred unless it is stopped.
fn count() -> u32 {
    (0..100).take_while(|_| !stopped()).fold(0, |n, _| n + 1)
}

#[test]
fn without_a_supervisor_nothing_is_stopped() {
    CALLS_LEFT.set(1);
    assert_eq!(count(), 100, "and the counter starts again");
    assert_eq!(check(), Ok(()));
}

#[test]
fn work_ends_at_the_step_at_which_it_is_stopped() {
    assert_eq!(steps(count), 100);
    for at in 1..=100 {
        let mut counted = 0;
        let run = stop_at(at, || counted = count());
        assert_eq!((run, u64::from(counted)), (StoppedRun { result: Err(Stopped), steps: at, late: 0 }, at - 1));
    }
}

#[test]
fn work_that_has_ended_before_keeps_its_result() {
    assert_eq!(stop_at(101, count), StoppedRun { result: Ok(100), steps: 100, late: 0 });
}

#[test]
fn whoever_was_stopped_stays_stopped() {
    let mut seen = None;
    let run = stop_at(1, || seen = Some((stopped(), stopped(), stopped_now(), check())));
    assert_eq!(seen, Some((true, true, true, Err(Stopped))));
    assert_eq!(run, StoppedRun { result: Err(Stopped), steps: 1, late: 3 }, "the supervisor is not asked again");
}

#[test]
fn the_supervisor_is_asked_now_and_then() {
    let asked = Rc::new(Cell::new(0_u32));
    let counter = Rc::clone(&asked);
    let should_stop = move || {
        counter.set(counter.get() + 1);
        false
    };
    let work = || (0..CALLS_PER_QUESTION * 10).filter(|_| stopped()).count();
    assert_eq!(supervise(should_stop, work), Ok(0));
    assert_eq!(asked.get(), 10);
}

#[test]
fn a_panic_uninstalls_the_supervisor() {
    let panics = || supervise(|| true, || panic!("in the work"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert!(!stopped_now());
    assert_eq!(count(), 100);
}
