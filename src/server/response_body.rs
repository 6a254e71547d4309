//! An answer on its way to the client, and how far it got.
//!
//! ```text
//! handler's body ──frames──> ResponseBody ──chunks──> hyper ──> socket
//!                                 ^                     │
//!                                 └── DeliveryProgress ─┘  what the socket has taken
//! ```
//!
//! A client of HTTP/2 decides by its flow control window how much of each answer may be sent. With
//! a window of 0 it takes nothing of any answer while the connection itself looks healthy. So each
//! answer counts its own bytes: no more than [`IN_FLIGHT_BYTES`] of a stream of frames are handed
//! to hyper at a time, and [`StreamExecutor`] resets a stream of which the client takes nothing for
//! too long.

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

/// When more than this waits in hyper, no further frame of the answer is handed over.
const IN_FLIGHT_BYTES: usize = 64 * 1024;

tokio::task_local! {
    /// The progress of the answer whose HTTP/2 stream the present task serves.
    static STREAM: Arc<DeliveryProgress>;
}

/// How much of an answer is in flight, and when the client last took some of it.
#[derive(Debug)]
pub(super) struct DeliveryProgress {
    in_flight_bytes: AtomicUsize,
    /// When the present bytes in flight began to wait, or some of them were taken.
    last: Mutex<Instant>,
    /// The task that waits until bytes are taken.
    waker: AtomicWaker,
    /// Whether the client took nothing for too long.
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

    /// The progress of the answer that the present task serves: of its stream, or of a connection
    /// that has none.
    pub(super) fn of_task() -> (Arc<DeliveryProgress>, bool) {
        match STREAM.try_with(Arc::clone) {
            Ok(stream) => (stream, true),
            Err(_) => (Arc::new(DeliveryProgress::new()), false),
        }
    }

    /// Set when the stream ends because the client took nothing for too long.
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

    /// Ready when fewer bytes are in flight.
    fn poll_below(&self, bytes: usize, cx: &Context<'_>) -> Poll<()> {
        if self.in_flight_bytes() < bytes {
            return Poll::Ready(());
        }
        self.waker.register(cx.waker());
        if self.in_flight_bytes() < bytes { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends when bytes are in flight and none was taken for this long.
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

/// Bytes of an answer that hyper holds until the socket has taken them.
pub(super) struct Chunk {
    bytes: Bytes,
    progress: Arc<DeliveryProgress>,
}

impl Buf for Chunk {
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

impl Drop for Chunk {
    fn drop(&mut self) {
        self.progress.taken(self.bytes.len());
    }
}

/// An answer's body. The request counts as open as long as it is there.
pub(super) struct ResponseBody {
    body: Body,
    progress: Arc<DeliveryProgress>,
    /// Whether a stream of HTTP/2 carries it.
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
    type Data = Chunk;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Chunk>, axum::Error>>> {
        let this = &mut *self;
        if !this.is_over {
            ready!(this.progress.poll_below(IN_FLIGHT_BYTES, cx));
            if let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                this.has_begun = true;
                let chunk = |bytes: Bytes| {
                    this.progress.sent(bytes.len());
                    Chunk { bytes, progress: Arc::clone(&this.progress) }
                };
                return Poll::Ready(Some(frame.map(|frame| frame.map_data(chunk))));
            }
            this.is_over = true;
        }
        if this.has_stream {
            // The stream's task ends with its body: it has to be there as long as the client may
            // stall.
            ready!(this.progress.poll_below(1, cx));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        // See above: of a stream, the end is said once everything was taken.
        self.body.is_end_stream() && !(self.has_stream && self.has_begun)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs the streams of HTTP/2 connections, each in a task of its own, and resets those that stall:
/// hyper resets a stream whose task is dropped, and lets go of what it holds of the answer.
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
