//! How many bytes of what it was sent a client's system has taken, for transports that are told of whole messages only.
//!
//! The server counts below HTTP and TLS, where each write of a connection ends. It does not say what the bytes were.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The bytes that one connection has taken so far, and whether it was ended because it took none for too long. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    bytes: Arc<AtomicU64>,
    has_ended: Arc<AtomicBool>,
    /// The same of one stream of HTTP/2, which ends alone.
    stream_has_ended: Arc<AtomicBool>,
}

impl Progress {
    /// Some more were taken.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// None were taken for too long: the connection ends.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Whether it has ended so.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed) || self.stream_has_ended.load(Ordering::Relaxed)
    }

    /// The progress of the connection as one of its streams sees it. The flag is set when the stream ends
    /// because its client took nothing for too long.
    #[must_use]
    pub fn of_stream(&self, stream_has_ended: Arc<AtomicBool>) -> Progress {
        Progress { stream_has_ended, ..self.clone() }
    }

    /// How many there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
