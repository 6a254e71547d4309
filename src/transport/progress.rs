//! How many bytes of what it was sent a client's system has taken, for transports that are told of whole messages only.
//!
//! The server counts below HTTP and TLS, where each write of a connection ends. It does not say what the bytes were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that one connection has taken so far. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// Some more were taken.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
