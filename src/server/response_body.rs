//! A response's body, and how much of it the client has taken.
//!
//! ```text
//! handler's body ──frames──> ResponseBody ──chunks──> hyper ──> socket
//!                                 ^                     │
//!                                 └── DeliveryProgress ─┘  what the socket has taken
//! ```
//!
//! A client of HTTP/2 controls how much of each response may be sent, by its flow-control window.
//! With a window of 0 it takes nothing of any response while the connection itself looks healthy.
//! So each response counts its bytes in flight: hyper gets at most [`IN_FLIGHT_BYTES`] at a time,
//! and [`StreamExecutor`] resets a stream whose client takes nothing for too long.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, sleep};

use super::stream::RequestGuard;
use crate::telemetry;

/// While hyper holds this many bytes of a response, it gets no further frame.
const IN_FLIGHT_BYTES: usize = 64 * 1024;

tokio::task_local! {
    /// The progress of the response whose HTTP/2 stream this task serves.
    static STREAM: Arc<DeliveryProgress>;
}

/// Bytes of a response in flight, and the last time that the client took some.
#[derive(Debug)]
pub(super) struct DeliveryProgress {
    in_flight_bytes: AtomicUsize,
    /// The time at which the bytes in flight began to wait, or some were taken.
    last: Mutex<Instant>,
    /// Woken when bytes are taken.
    waker: AtomicWaker,
    /// Whether the client has taken nothing for too long.
    has_stalled: Arc<AtomicBool>,
}

impl DeliveryProgress {
    fn new() -> DeliveryProgress {
        DeliveryProgress {
            in_flight_bytes: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
            waker: AtomicWaker::new(),
            has_stalled: Arc::default(),
        }
    }

    /// The progress of the response that this task serves, and whether it is a stream of HTTP/2.
    pub(super) fn of_task() -> (Arc<DeliveryProgress>, bool) {
        match STREAM.try_with(Arc::clone) {
            Ok(stream) => (stream, true),
            Err(_) => (Arc::new(DeliveryProgress::new()), false),
        }
    }

    /// A flag that is set when the stream ends because of its client.
    pub(super) fn stall_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_stalled)
    }

    fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes.load(Ordering::Acquire)
    }

    fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn sent(&self, bytes: usize) {
        if self.in_flight_bytes.fetch_add(bytes, Ordering::AcqRel) == 0 {
            self.note();
        }
    }

    fn taken(&self, bytes: usize) {
        if bytes > 0 {
            self.note();
            self.in_flight_bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.waker.wake();
        }
    }

    /// Ready when fewer than `bytes` are in flight.
    fn poll_below(&self, bytes: usize, cx: &Context<'_>) -> Poll<()> {
        if self.in_flight_bytes() < bytes {
            return Poll::Ready(());
        }
        self.waker.register(cx.waker());
        if self.in_flight_bytes() < bytes { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Completes when bytes were in flight for this time and the client took none.
    async fn stalled(&self, timeout: Duration) {
        loop {
            let mut waited = Duration::ZERO;
            if self.in_flight_bytes() > 0 {
                waited = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                if waited >= timeout {
                    self.has_stalled.store(true, Ordering::Relaxed);
                    return;
                }
            }
            sleep(timeout.saturating_sub(waited)).await;
        }
    }
}

/// Bytes of a response that hyper holds until the socket has taken them.
pub(super) struct InFlightChunk {
    bytes: Bytes,
    progress: Arc<DeliveryProgress>,
}

impl Buf for InFlightChunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
        self.progress.taken(bytes);
    }
}

impl Drop for InFlightChunk {
    fn drop(&mut self) {
        self.progress.taken(self.bytes.len());
    }
}

/// A response's body. Its request counts as open while it exists.
pub(super) struct ResponseBody {
    body: Body,
    progress: Arc<DeliveryProgress>,
    /// Whether it is sent on a stream of HTTP/2.
    has_stream: bool,
    has_begun: bool,
    is_over: bool,
    _guard: RequestGuard,
}

impl ResponseBody {
    pub(super) fn new(
        body: Body,
        (progress, has_stream): (Arc<DeliveryProgress>, bool),
        guard: RequestGuard,
    ) -> ResponseBody {
        ResponseBody { body, progress, has_stream, has_begun: false, is_over: false, _guard: guard }
    }
}

impl HttpBody for ResponseBody {
    type Data = InFlightChunk;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<InFlightChunk>, axum::Error>>> {
        let this = &mut *self;
        if !this.is_over {
            ready!(this.progress.poll_below(IN_FLIGHT_BYTES, cx));
            if let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                this.has_begun = true;
                let chunk = |bytes: Bytes| {
                    this.progress.sent(bytes.len());
                    InFlightChunk { bytes, progress: Arc::clone(&this.progress) }
                };
                return Poll::Ready(Some(frame.map(|frame| frame.map_data(chunk))));
            }
            this.is_over = true;
        }
        if this.has_stream {
            // The stream's task ends with its body, and must exist as long as the client may stall.
            ready!(this.progress.poll_below(1, cx));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        // The body of a stream ends when the client has taken everything, see `poll_frame`.
        self.body.is_end_stream() && !(self.has_stream && self.has_begun)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs each stream of HTTP/2 in a task, and resets streams that stall: hyper resets a stream whose
/// task is dropped, and drops the bytes that it holds of the response.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    pub(super) write_timeout: Duration,
}

impl<S> Executor<S> for StreamExecutor
where
    S: Future + Send + 'static,
    S::Output: Send,
{
    fn execute(&self, stream: S) {
        let write_timeout = self.write_timeout;
        let progress = Arc::new(DeliveryProgress::new());
        tokio::spawn(STREAM.scope(Arc::clone(&progress), async move {
            tokio::select! {
                biased;
                _ = stream => {}
                () = progress.stalled(write_timeout) => telemetry::turned_away("write_timeout"),
            }
        }));
    }
}
