//! The deadlines of a client's session, and the timer that wakes it.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// What is due when.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Until when the client must have shown a token, while it has not.
    pub(super) token: Option<Instant>,
    /// When the client's token expires.
    pub(super) expiry: Option<Instant>,
    /// When withheld tweets are to be reported.
    pub(super) withheld: Option<Instant>,
    /// Fires at the next deadline, or before. `None` without one.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadlines {
    /// Sets the timer to the next deadline, of which `pause` is another one.
    pub(super) fn arm(&mut self, pause: Option<Instant>) {
        let Some(due) = [self.token, self.expiry, self.withheld, pause].into_iter().flatten().min() else {
            self.timer = None;
            return;
        };
        match &mut self.timer {
            // A timer that fires too early costs less than one that is moved each time.
            Some(timer) if due < timer.deadline() || timer.is_elapsed() => timer.as_mut().reset(due),
            Some(_) => {}
            timer => *timer = Some(Box::pin(sleep_until(due))),
        }
    }

    /// Waits until the timer fires. Pending without one.
    pub(super) async fn passed(&mut self) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().await,
            None => std::future::pending().await,
        }
    }
}
