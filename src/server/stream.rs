//! A connection below TLS and HTTP: its slot, its requests, and the progress of its client.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::linger::Linger;
use crate::telemetry;
use crate::transport::{AddressSlot, Progress};

/// The state of one connection's requests.
#[derive(Debug, Default)]
pub(super) struct RequestState {
    /// Requests whose responses have not ended.
    open: AtomicUsize,
    any: AtomicBool,
    /// Whether bytes were read since the last request.
    has_begun: AtomicBool,
    /// Whether the connection has become a WebSocket.
    is_upgraded: AtomicBool,
    /// Whether it is HTTP/2, where each request ends by itself.
    is_http2: AtomicBool,
    /// Whether the last request was answered before its body was read.
    leaves_body: AtomicBool,
    /// The end of the last response.
    ended: Mutex<Option<Instant>>,
}

impl RequestState {
    /// Whether there was a request.
    pub(super) fn were_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether a part of the next request was read.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Whether the client may still be sending the rest of a body, or of a refused head.
    fn may_be_sending(&self) -> bool {
        let is_over = self.is_http2.load(Ordering::Relaxed) || self.is_upgraded.load(Ordering::Relaxed);
        !is_over && (self.leaves_body.load(Ordering::Relaxed) || self.has_begun())
    }

    /// Notes that bytes were read.
    fn read(&self) {
        if self.open.load(Ordering::Relaxed) == 0 {
            self.has_begun.store(true, Ordering::Relaxed);
        }
    }

    /// The time without an open request.
    pub(super) fn idle_for(&self) -> Duration {
        if self.open.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.map(|ended| ended.elapsed()).unwrap_or_default()
    }
}

/// Counts a request as open until its response has ended.
#[derive(Debug)]
pub(super) struct RequestGuard {
    requests: Arc<RequestState>,
}

impl RequestGuard {
    pub(super) fn new(requests: Arc<RequestState>, version: Version) -> RequestGuard {
        requests.any.store(true, Ordering::Relaxed);
        requests.is_http2.store(version == Version::HTTP_2, Ordering::Relaxed);
        requests.has_begun.store(false, Ordering::Relaxed);
        requests.open.fetch_add(1, Ordering::AcqRel);
        RequestGuard { requests }
    }

    /// Notes that the connection has become a WebSocket.
    pub(super) fn upgraded(&self) {
        self.requests.is_upgraded.store(true, Ordering::Relaxed);
    }

    /// Notes that the request was answered before its body was read to its end.
    pub(super) fn leave_body(&self) {
        self.requests.leaves_body.store(true, Ordering::Relaxed);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        *self.requests.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.requests.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection's slot among all, and among those of its address.
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

/// A connection with its limits and its slot, which it keeps as a WebSocket.
pub(super) struct GuardedStream {
    stream: TcpStream,
    requests: Arc<RequestState>,
    /// Counts the bytes that the client has taken.
    progress: Progress,
    write_timeout: Duration,
    /// The write timeout, while the client takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    /// The lingering close, while the client may still be sending.
    linger: Option<Box<Linger>>,
    shutdown: CancellationToken,
    /// Open connections, for the metric.
    open: Arc<AtomicUsize>,
    _slot: ConnectionSlot,
}

impl GuardedStream {
    pub(super) fn new(
        stream: TcpStream,
        write_timeout: Duration,
        requests: Arc<RequestState>,
        slot: ConnectionSlot,
        open: Arc<AtomicUsize>,
        shutdown: CancellationToken,
    ) -> GuardedStream {
        telemetry::connections(open.fetch_add(1, Ordering::Relaxed) + 1);
        GuardedStream {
            stream,
            requests,
            progress: Progress::default(),
            write_timeout,
            stuck: None,
            linger: None,
            shutdown,
            open,
            _slot: slot,
        }
    }

    /// The counter of the bytes that the client has taken.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Notes the result of a write. Becomes an error after the write timeout.
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
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client read nothing for too long")));
        }
        Poll::Pending
    }
}

impl Drop for GuardedStream {
    fn drop(&mut self) {
        telemetry::connections(self.open.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.requests.read();
        }
        read
    }
}

impl AsyncWrite for GuardedStream {
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

    /// Ends perch's direction of the connection, then waits for the client's end if it may still be
    /// sending.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.requests.may_be_sending() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(|| Box::new(Linger::new(this.shutdown.clone())));
        linger.poll(&mut this.stream, cx).map(Ok)
    }
}
