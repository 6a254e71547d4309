//! When each tweet is due.
//!
//! Latencies are counted from the moment at which a tweet was *due*, whether it could be sent then
//! or not: a server that stops for a second is charged for every tweet that was due in that second,
//! not only for the one that it kept waiting.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When each tweet is due.
#[derive(Debug)]
pub(super) struct Schedule {
    started: OnceLock<Instant>,
    /// By tweet, in µs since the start.
    due_us: Box<[AtomicU64]>,
    /// The first tweet of the time when the slow sessions are slow.
    slow_from: u32,
}

impl Schedule {
    /// `per_second` tweets a second, in batches every `tick`.
    pub(super) fn paced(tweets: u32, per_second: f64, tick: Duration, slow_from: u32) -> Schedule {
        let per_tick = (per_second * tick.as_secs_f64()).max(f64::MIN_POSITIVE);
        let due = |tweet: u32| tick.mul_f64((f64::from(tweet) / per_tick).floor());
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let due_us = (0..tweets).map(|tweet| AtomicU64::new(us(due(tweet)))).collect();
        Schedule { started: OnceLock::new(), due_us, slow_from }
    }

    /// It begins now.
    pub(super) fn start(&self) -> Instant {
        *self.started.get_or_init(Instant::now)
    }

    /// When a tweet is due.
    pub(super) fn at(&self, tweet: u32) -> Instant {
        self.start() + Duration::from_micros(self.due_us[tweet as usize].load(Ordering::Relaxed))
    }

    pub(super) fn set_now(&self, tweets: std::ops::Range<u32>) {
        let us = u64::try_from(self.start().elapsed().as_micros()).unwrap_or(u64::MAX);
        for tweet in tweets {
            self.due_us[tweet as usize].store(us, Ordering::Relaxed);
        }
    }

    pub(super) fn is_slow_phase(&self, tweet: u32) -> bool {
        tweet >= self.slow_from
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.due_us.len()).expect("made of a u32")
    }
}
