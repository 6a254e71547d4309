//! Limits the rate of requests: a token bucket for each address or token subject.
//!
//! A client's session has a bucket of its own. Requests may share a connection or have one each,
//! so their buckets are found by [`ClientKey`]. A full bucket carries no information and is
//! dropped, so the limiter holds only the clients of the last seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::live::{ClientKey, TokenBucket};

/// The burst of requests that a client may send, in seconds of its rate.
const BURST_S: u32 = 2;

/// Below this number of buckets the limiter does not sweep full ones.
const MIN_SWEEP: usize = 1_024;

/// The token buckets of all clients.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// 0 is any number.
    per_second: u32,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    by_client: HashMap<ClientKey, TokenBucket>,
    /// At this number of buckets the limiter drops the full ones.
    sweep_at: usize,
}

impl RateLimiter {
    /// Allows each client this many requests a second, and twice as many at once. 0 is any number.
    pub(super) fn new(per_second: u32) -> RateLimiter {
        let buckets = Buckets { by_client: HashMap::new(), sweep_at: MIN_SWEEP };
        RateLimiter { per_second, buckets: Mutex::new(buckets) }
    }

    /// The limit in requests a second. 0 is any number.
    pub(super) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Takes a token. Returns whether the request is allowed.
    pub(super) fn take(&self, client: ClientKey, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        // Nothing panics while it holds the lock.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.by_client.len() >= buckets.sweep_at {
            buckets.by_client.retain(|_, bucket| !bucket.is_full(now));
            buckets.sweep_at = (buckets.by_client.len() * 2).max(MIN_SWEEP);
        }
        let full = || TokenBucket::new(self.per_second, BURST_S, now);
        buckets.by_client.entry(client).or_insert_with(full).take(now)
    }
}

#[cfg(test)]
mod tests;
