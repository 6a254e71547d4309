//! stub
use std::time::Duration;
pub(crate) fn queue_overflowed(_dropped: usize) {}
pub(crate) fn queries_registered(_n: usize, _bytes: usize) {}
pub(crate) fn percolated(_tweets: usize, _matches: usize, _candidates: u64, _t: Duration) {}
pub(crate) fn sessions(_n: usize) {}
pub(crate) fn searched(_t: Duration) {}
pub(crate) fn catch_up_started() {}
