//! How often a receiver gets messages: digests, and a limit per hour.
//!
//! A limit per hour makes digests too. When an hour's events are used up, the delivery waits for
//! the next hour, and begins it with a digest of what came meanwhile.

use jiff::Timestamp;

use super::receiver::{Fields, WrongField};
use super::schedule::Schedule;

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// The fields of a receiver that say how often it gets messages.
#[derive(Clone, Debug)]
pub(super) struct Pacing {
    /// When digests are due. Without, matches are sent as they come.
    pub(super) every: Option<Schedule>,
    /// The most events in an hour of the clock.
    pub(super) max_per_hour: Option<u32>,
}

/// What is stored of the pacing of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PacingState {
    /// When the last digest ended, in milliseconds since 1970; at first, when the delivery began.
    pub(super) ended_ms: u64,
    /// The end of the digest that is being sent; 0 when none is. Its last seq is
    /// [`super::store::Position::sending`].
    pub(super) ending_ms: u64,
    /// The most events that the digest shows, so that it shows the same after a restart.
    pub(super) cap: u32,
    /// The hour that `used` is of, in hours since 1970.
    pub(super) hour: u64,
    /// Events that were sent in this hour.
    pub(super) used: u32,
}

impl Pacing {
    /// Takes the fields. `every` is the default of the kind of receiver.
    ///
    /// # Errors
    ///
    /// A field that is wrong.
    pub(super) fn read(fields: &mut Fields, every: Option<&str>) -> Result<Option<Pacing>, WrongField> {
        let (own, at, zone) = (fields.text("every")?, fields.text("at")?, fields.text("time_zone")?);
        let every = own.as_deref().or(every);
        if every.is_none() {
            let useless = [("at", at.is_some()), ("time_zone", zone.is_some())].into_iter().find(|(_, is)| *is);
            if let Some((name, _)) = useless {
                return Err(WrongField(name, "needs `every`".to_owned()));
            }
        }
        let every = every.map(|every| Schedule::read(every, at.as_deref(), zone.as_deref())).transpose()?;
        let max_per_hour = fields.take("max_per_hour").map(|value| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let expected = || WrongField("max_per_hour", "must be a whole number, 1 or more".to_owned());
            number.filter(|number| *number > 0).ok_or_else(expected)
        });
        let max_per_hour = max_per_hour.transpose()?;
        Ok((every.is_some() || max_per_hour.is_some()).then_some(Pacing { every, max_per_hour }))
    }

    /// How many events may be sent in the present hour.
    pub(super) fn allowed(&self, state: &PacingState, now_ms: u64) -> usize {
        let Some(max) = self.max_per_hour else { return usize::MAX };
        let used = if state.hour == now_ms / HOUR_MS { state.used } else { 0 };
        usize::try_from(max.saturating_sub(used)).unwrap_or(usize::MAX)
    }

    /// When the next digest is due, in milliseconds since 1970; `None` when matches are sent as
    /// they come.
    pub(super) fn due_ms(&self, state: &PacingState, now_ms: u64) -> Option<u64> {
        // Also of an hour that has passed: matches have waited for its end.
        let is_used_up = self.max_per_hour.is_some_and(|max| state.used >= max);
        let next_hour_ms = (state.hour + 1) * HOUR_MS;
        match &self.every {
            Some(every) => {
                let due_ms = millis(every.next(timestamp(state.ended_ms)));
                Some(if self.allowed(state, now_ms) == 0 { due_ms.max(next_hour_ms) } else { due_ms })
            }
            None => is_used_up.then_some(next_hour_ms),
        }
    }
}

impl PacingState {
    /// The state of a delivery that begins.
    pub(super) fn new(now_ms: u64) -> PacingState {
        PacingState { ended_ms: now_ms, ..PacingState::default() }
    }

    /// The same with more events in the hour.
    pub(super) fn with_used(self, events: usize, now_ms: u64) -> PacingState {
        let hour = now_ms / HOUR_MS;
        let used = if self.hour == hour { self.used } else { 0 };
        PacingState { hour, used: used.saturating_add(u32::try_from(events).unwrap_or(u32::MAX)), ..self }
    }

    /// The same when the digest that ends at `ending_ms` has arrived, or is empty.
    pub(super) fn ended(self, ending_ms: u64) -> PacingState {
        PacingState { ended_ms: ending_ms, ending_ms: 0, cap: 0, ..self }
    }

    pub(super) fn from_row((ended_ms, ending_ms, hour, used, cap): (u64, u64, u64, u32, u32)) -> PacingState {
        PacingState { ended_ms, ending_ms, cap, hour, used }
    }

    pub(super) fn row(&self) -> (u64, u64, u64, u32, u32) {
        (self.ended_ms, self.ending_ms, self.hour, self.used, self.cap)
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// The moment of milliseconds since 1970.
pub(super) fn timestamp(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pacing(fields: serde_json::Value) -> Pacing {
        let fields = serde_json::from_value(fields).unwrap();
        Pacing::read(&mut Fields(fields), None).unwrap().unwrap()
    }

    fn at(text: &str) -> u64 {
        millis(text.parse().unwrap())
    }

    #[test]
    fn an_hour_has_its_events_and_the_next_one_begins_with_a_digest() {
        let pacing = pacing(json!({"max_per_hour": 3}));
        let (now, next_hour) = (at("2026-11-29T10:20:00Z"), at("2026-11-29T11:00:00Z"));
        let state = PacingState::new(now).with_used(2, now);
        assert_eq!((pacing.allowed(&state, now), pacing.due_ms(&state, now)), (1, None));
        let state = state.with_used(1, now);
        assert_eq!(pacing.due_ms(&state, now), Some(next_hour));
        // Also when perch was stopped at the end of the hour.
        assert_eq!((pacing.allowed(&state, next_hour), pacing.due_ms(&state, next_hour + 1)), (3, Some(next_hour)));
        let state = state.ended(next_hour).with_used(0, next_hour);
        assert_eq!(pacing.due_ms(&state, next_hour), None);
        assert_eq!(state.with_used(1, next_hour).used, 1);
    }

    #[test]
    fn digests_follow_the_last_one_and_wait_for_the_hour_when_it_is_used_up() {
        let pacing = pacing(json!({"every": "10m", "max_per_hour": 5}));
        let now = at("2026-11-29T10:20:00Z");
        let state = PacingState::new(now);
        assert_eq!(pacing.due_ms(&state, now), Some(at("2026-11-29T10:30:00Z")));
        // perch was stopped when one was due.
        let later = at("2026-11-29T12:34:00Z");
        assert_eq!(pacing.due_ms(&state, later), Some(at("2026-11-29T10:30:00Z")));
        let state = state.with_used(5, now);
        assert_eq!(pacing.due_ms(&state, now), Some(at("2026-11-29T11:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |fields| {
            let fields = serde_json::from_value(fields).unwrap();
            Pacing::read(&mut Fields(fields), None).unwrap_err().0
        };
        assert_eq!(wrong(json!({"every": 5})), "every");
        assert_eq!(wrong(json!({"at": "09:00"})), "at");
        assert_eq!(wrong(json!({"time_zone": "UTC"})), "time_zone");
        for number in [json!(0), json!(-1), json!(1.5), json!("3"), json!(5_000_000_000_u64)] {
            assert_eq!(wrong(json!({"max_per_hour": number})), "max_per_hour");
        }
    }
}
