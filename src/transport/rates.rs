//! How many requests one client may send: a token bucket for each address, or for each subject of a token.
//!
//! A WebSocket has its bucket in its connection. Requests share connections or have one each, so their buckets are found by who asks. A bucket that is full
//! again says nothing and is forgotten: what is kept are those who asked within the last seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::pace::Bucket;

/// A client may save up the requests of so many seconds.
const SAVED_UP_S: u32 = 2;

/// So many buckets are kept without looking which of them are full.
const MIN_SWEEP: usize = 1_024;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// An address; of IPv6, a network.
    Address(IpAddr),
    /// Whom a token names.
    Subject(Box<str>),
}

/// The buckets of all clients.
#[derive(Debug)]
pub(super) struct Rates {
    /// 0 is any number.
    per_second: u32,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    by_client: HashMap<Who, Bucket>,
    /// When there are so many, the full ones go.
    sweep_at: usize,
}

impl Rates {
    /// So many requests a second for each client, twice as many at once; 0 is any number.
    pub(super) fn new(per_second: u32) -> Rates {
        let buckets = Buckets { by_client: HashMap::new(), sweep_at: MIN_SWEEP };
        Rates { per_second, buckets: Mutex::new(buckets) }
    }

    /// How many requests a second there may be; 0 is any number.
    pub(super) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Whether one more request may come.
    pub(super) fn take(&self, who: Who, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        // Nothing panics while it holds the lock.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.by_client.len() >= buckets.sweep_at {
            buckets.by_client.retain(|_, bucket| !bucket.is_full(now));
            buckets.sweep_at = (buckets.by_client.len() * 2).max(MIN_SWEEP);
        }
        let full = || Bucket::new(self.per_second, SAVED_UP_S, now);
        buckets.by_client.entry(who).or_insert_with(full).take(now)
    }
}

#[cfg(test)]
mod tests;
