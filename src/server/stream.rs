//! A connection as the server sees it: its place, its requests, and whether its client takes what it is sent.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use crate::telemetry;
use crate::transport::{AddressSlot, Progress};

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Those whose answers have not ended.
    open: AtomicUsize,
    any: AtomicBool,
    /// Whether something came since the last one.
    has_begun: AtomicBool,
    /// Whether the connection has become a WebSocket.
    is_upgraded: AtomicBool,
    /// When the last answer ended.
    ended: Mutex<Option<Instant>>,
}

impl Requests {
    /// Whether there was one.
    pub(super) fn were_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether there is a part of another.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Something came.
    fn read(&self) {
        if self.open.load(Ordering::Relaxed) == 0 {
            self.has_begun.store(true, Ordering::Relaxed);
        }
    }

    /// How long there has been none.
    pub(super) fn idle_for(&self) -> Duration {
        if self.open.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.map(|ended| ended.elapsed()).unwrap_or_default()
    }
}

/// A request, until its answer has ended.
#[derive(Debug)]
pub(super) struct Busy {
    requests: Arc<Requests>,
}

impl Busy {
    pub(super) fn new(requests: Arc<Requests>) -> Busy {
        requests.any.store(true, Ordering::Relaxed);
        requests.has_begun.store(false, Ordering::Relaxed);
        requests.open.fetch_add(1, Ordering::AcqRel);
        Busy { requests }
    }

    /// The connection is a WebSocket from now on.
    pub(super) fn upgraded(&self) {
        self.requests.is_upgraded.store(true, Ordering::Relaxed);
    }

    /// An answer's body that keeps the request open.
    pub(super) fn until_the_end_of(self, body: Body) -> Answer {
        Answer { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.requests.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.requests.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// See [`Busy::until_the_end_of`].
pub(super) struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's place among all, and among those of its address.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    _of_all: OwnedSemaphorePermit,
    _of_address: Option<AddressSlot>,
}

impl ConnectionSlot {
    pub(super) fn new(of_all: OwnedSemaphorePermit, of_address: Option<AddressSlot>) -> ConnectionSlot {
        ConnectionSlot { _of_all: of_all, _of_address: of_address }
    }
}

/// A connection and its place, which it keeps when it becomes a WebSocket.
pub(super) struct Counted {
    stream: TcpStream,
    requests: Arc<Requests>,
    /// For those who want to know whether a client takes anything.
    progress: Progress,
    write_timeout: Duration,
    /// Runs while the client takes nothing of what it is sent.
    stuck: Option<Pin<Box<Sleep>>>,
    /// How many there are, for the metric.
    open: Arc<AtomicUsize>,
    _slot: ConnectionSlot,
}

impl Counted {
    pub(super) fn new(
        stream: TcpStream,
        write_timeout: Duration,
        requests: Arc<Requests>,
        slot: ConnectionSlot,
        open: Arc<AtomicUsize>,
    ) -> Counted {
        telemetry::connections(open.fetch_add(1, Ordering::Relaxed) + 1);
        Counted { stream, requests, progress: Progress::default(), write_timeout, stuck: None, open, _slot: slot }
    }

    /// The count of the bytes that its client has taken.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// What a write came to; an error when it has waited for too long.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.progress.add(bytes);
        }
        if written.is_ready() || self.requests.is_upgraded.load(Ordering::Relaxed) {
            self.stuck = None;
            return written;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        if stuck.as_mut().poll(cx).is_ready() {
            self.progress.end();
            telemetry::turned_away("write_timeout");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was read for too long")));
        }
        Poll::Pending
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        telemetry::connections(self.open.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.requests.read();
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
