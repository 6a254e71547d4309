//! Deliveries that send digests.
//!
//! ```text
//! wait ──> Session from the position ──> Digest ──> durable range ──> 2xx ──> position
//! ```
//!
//! While a delivery waits, its search is not registered: the index has what it will send. Before a
//! digest is sent, the seq of its last event, its end and the number of events that it shows are
//! durable. After a crash perch reads the same range again, and sends the same digest with the same
//! id.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::digest::{Digest, DigestRange};
use super::pacing::{PacingState, millis, timestamp};
use super::sent::Attempt;
use super::status::{DeliveryState, StatusFields};
use super::store::{Change, Position};
use super::worker::{End, Worker};
use crate::ids::Seq;
use crate::live::{CloseReason, Event};

/// The longest sleep at a time: the clock of the machine may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(10 * 60);

impl Worker {
    /// When the next digest is due, in milliseconds since 1970; `None` when matches are sent as
    /// they come.
    pub(super) fn digest_due(&self) -> Option<u64> {
        let status = self.status.lock();
        let state = status.pacing.as_deref()?;
        if status.position.sending.is_some() {
            // What is being sent comes first, whatever the pacing is now.
            return (state.ending_ms > 0).then_some(0);
        }
        self.pacing.as_ref()?.due_ms(state, millis(Timestamp::now()))
    }

    /// The most events of the next message.
    pub(super) fn max_events(&self) -> usize {
        let allowed = self.pacing.as_ref().map_or(usize::MAX, |pacing| {
            let state = self.pacing_state();
            pacing.allowed(&state, millis(Timestamp::now())).max(1)
        });
        self.receiver.max_events().min(allowed)
    }

    fn pacing_state(&self) -> PacingState {
        self.status.lock().pacing.as_deref().copied().unwrap_or_default()
    }

    /// Counts tweets that are about to be sent. Returns the state to store, if there is a limit.
    pub(super) fn count_used(&self, status: &mut StatusFields, tweets: usize) -> Option<PacingState> {
        self.pacing.as_ref()?.max_per_hour?;
        let state = status.pacing.as_deref_mut()?;
        *state = state.with_used(tweets, millis(Timestamp::now()));
        Some(*state)
    }

    /// Waits until a digest is due, and sends it once.
    pub(super) async fn digest(&mut self, due_ms: u64) -> End {
        self.status.lock().due_ms = (due_ms > millis(Timestamp::now())).then_some(due_ms);
        sleep_until(due_ms, || millis(Timestamp::now())).await;
        self.status.lock().due_ms = None;
        let slots = Arc::clone(&self.digests);
        let _slot = slots.take(if self.failures > 0 { Attempt::Again } else { Attempt::First }).await;
        let (now_ms, state) = (millis(Timestamp::now()), self.pacing_state());
        let begun = self.position().sending.filter(|_| state.ending_ms > 0);
        let (until, state) = if let Some(until) = begun {
            (until, state)
        } else {
            let cap = u32::try_from(self.max_events()).unwrap_or(u32::MAX);
            (self.live.offered(), PacingState { ending_ms: now_ms, cap, ..state })
        };
        let digest = match Box::pin(self.collect(until, state.cap)).await {
            Ok(digest) => digest,
            Err(end) => return end,
        };
        if digest.is_empty() {
            return self.digest_ended(until, state.with_used(0, now_ms));
        }
        let position = self.position();
        let batch = digest.into_batch(&DigestRange {
            source: self.source(),
            after: position.seq,
            until,
            from: timestamp(state.ended_ms),
            to: timestamp(state.ending_ms),
        });
        let state = if begun.is_some() { state } else { state.with_used(batch.tweets(), now_ms) };
        if begun.is_none()
            && let Err(error) = self.begin_digest(position, until, state).await
        {
            return self.failed(error, None);
        }
        if let Some(end) = Box::pin(self.attempt(&batch)).await {
            return end;
        }
        self.status.lock().delivered += batch.events.len() as u64;
        self.digest_ended(until, state)
    }

    /// Reads the events of a digest.
    async fn collect(&mut self, until: Seq, cap: u32) -> Result<Digest, End> {
        let mut digest = Digest::new(usize::try_from(cap).unwrap_or(usize::MAX));
        if until <= self.position().seq {
            return Ok(digest);
        }
        let mut session = match self.register().await {
            Ok(session) => session,
            Err(reason) => return Err(self.failed(reason, None)),
        };
        let mut events = Vec::new();
        while session.is_behind() {
            session.next(&mut events).await;
            for event in events.drain(..) {
                match event {
                    Event::Tweet(delivery) if delivery.position() > until => return Ok(digest),
                    Event::Tweet(delivery) if delivery.is_gone() && !self.receiver.shows_gone() => {}
                    Event::Tweet(delivery) => digest.add(delivery),
                    Event::CatchingUp { .. } | Event::Live { .. } => {}
                    Event::Closed(CloseReason::ShuttingDown) => return Err(End::ShutDown),
                    Event::Closed(_) => return Err(self.failed("the index can't be read".to_owned(), None)),
                }
            }
        }
        Ok(digest)
    }

    /// Makes the range of a digest durable.
    async fn begin_digest(&self, position: Position, until: Seq, state: PacingState) -> Result<(), String> {
        let (durable, old) = {
            let mut status = self.status.lock();
            status.position = Position { sending: Some(until), follows_floor: false, ..position };
            let old = status.pacing.replace(Box::new(state));
            (self.store.begin(Change::MovePaced(self.id, status.position, state)), old)
        };
        durable.await.map_err(|error| {
            let mut status = self.status.lock();
            (status.position, status.pacing) = (position, old);
            error.to_string()
        })
    }

    /// Moves behind a digest that has arrived, or that has no event.
    fn digest_ended(&mut self, until: Seq, state: PacingState) -> End {
        let seq = self.position().seq.max(until);
        let state = state.ended(state.ending_ms);
        let mut status = self.status.lock();
        status.position = Position { seq, ..Position::default() };
        status.pacing = Some(Box::new(state));
        if matches!(status.state, DeliveryState::Failing { .. }) {
            status.state = DeliveryState::Live;
        }
        self.store.note(Change::MovePaced(self.id, status.position, state));
        drop(status);
        self.failures = 0;
        End::Pause(Duration::ZERO)
    }
}

/// Sleeps until a time in milliseconds since 1970, by this clock.
async fn sleep_until(due_ms: u64, now_ms: impl Fn() -> u64) {
    loop {
        let rest = Duration::from_millis(due_ms.saturating_sub(now_ms()));
        if rest.is_zero() {
            return;
        }
        sleep(rest.min(MAX_SLEEP)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_digest_is_due_by_the_clock_also_when_it_is_set() {
        let (start, set_by_ms) = (Instant::now(), AtomicI64::new(0));
        let now = || {
            let elapsed = i64::try_from(start.elapsed().as_millis()).unwrap();
            u64::try_from(elapsed + set_by_ms.load(Ordering::Relaxed)).unwrap()
        };
        sleep_until(7 * 24 * 3_600_000, now).await;
        assert_eq!(now(), 7 * 24 * 3_600_000);
        // Set forward by an hour while it sleeps.
        let due_ms = now() + 2 * 3_600_000;
        let waiting = sleep_until(due_ms, now);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        set_by_ms.store(3_600_000, Ordering::Relaxed);
        waiting.await;
        assert!((due_ms..due_ms + 600_000).contains(&now()));
        assert!(start.elapsed() < Duration::from_secs((7 * 24 + 2) * 3_600));
    }
}
