//! A limit on samples: a client chooses the receivers, so it must not send many to one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::live::{ApiError, Code};

/// The time between two samples for one receiver.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);

/// When receivers got a sample, by their keys. It holds those of the last interval.
#[derive(Debug, Default)]
pub(super) struct SampleLimit(Mutex<HashMap<String, Instant>>);

impl SampleLimit {
    /// Counts a sample for each of these receivers.
    ///
    /// # Errors
    ///
    /// One of them has got a sample less than [`SAMPLE_INTERVAL`] ago.
    pub(super) fn take(&self, keys: Vec<String>, now: Instant) -> Result<(), ApiError> {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.retain(|_, at| now.saturating_duration_since(*at) < SAMPLE_INTERVAL);
        if keys.iter().any(|key| sent.contains_key(key)) {
            let message = "a receiver gets at most one sample in a minute, of all searches together";
            return Err(ApiError::new(Code::Limit, message));
        }
        sent.extend(keys.into_iter().map(|key| (key, now)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_gets_one_sample_in_a_minute() {
        let (limit, start) = (SampleLimit::default(), Instant::now());
        let take = |keys: &[&str], after_s: u64| {
            let keys = keys.iter().map(|&key| key.to_owned()).collect();
            limit.take(keys, start + Duration::from_secs(after_s)).is_ok()
        };
        assert!(take(&["a", "b"], 0));
        assert!(!take(&["b"], 59));
        assert!(!take(&["c", "a"], 59), "no receiver of the request gets one");
        assert!(take(&["c"], 59));
        assert!(take(&["a", "b"], 60));
        assert!(limit.0.lock().unwrap().len() == 3);
        assert!(take(&[], 200));
        assert!(limit.0.lock().unwrap().is_empty());
    }
}
