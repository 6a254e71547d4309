//! How many bytes a client's system has taken, for transports that see whole messages only.
//!
//! The server counts below HTTP and TLS, at each write of a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The bytes that one connection has taken so far, and whether perch ended it because it took none
/// for too long. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    bytes: Arc<AtomicU64>,
    has_ended: Arc<AtomicBool>,
    /// The same for one stream of HTTP/2, which ends alone.
    stream_has_ended: Arc<AtomicBool>,
}

impl Progress {
    /// Adds bytes that were taken.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes that the connection ends, because it took no byte for too long.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Whether perch has ended the connection or stream for this reason.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed) || self.stream_has_ended.load(Ordering::Relaxed)
    }

    /// The progress of the connection as one of its streams sees it. The flag is set when the
    /// stream ends because its client took nothing for too long.
    #[must_use]
    pub fn of_stream(&self, stream_has_ended: Arc<AtomicBool>) -> Progress {
        Progress { stream_has_ended, ..self.clone() }
    }

    /// The bytes taken so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
