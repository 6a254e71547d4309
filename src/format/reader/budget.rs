//! How much of an input may be unpacked, those of the archives in it included.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// The bytes that an input may have after decompression. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct UnpackBudget {
    max_bytes: u64,
    used_bytes: Arc<AtomicU64>,
}

impl UnpackBudget {
    /// A budget of this number of bytes. 0 is no limit.
    pub(super) fn new(max_bytes: u64) -> UnpackBudget {
        UnpackBudget { max_bytes: if max_bytes == 0 { u64::MAX } else { max_bytes }, used_bytes: Arc::default() }
    }

    /// Counts bytes. Returns false if they are too many.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.used_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        !self.is_spent()
    }

    /// Whether more was unpacked than allowed.
    pub(super) fn is_spent(&self) -> bool {
        self.used_bytes.load(Ordering::Relaxed) > self.max_bytes
    }
}

/// An input whose bytes count.
pub(super) struct Counted<R> {
    pub(super) input: R,
    pub(super) budget: UnpackBudget,
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.input).poll_read(context, buffer))?;
        let is_within = self.budget.take(buffer.filled().len() - before);
        Poll::Ready(if is_within { Ok(()) } else { Err(io::Error::other("too long after decompression")) })
    }
}
