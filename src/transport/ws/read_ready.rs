//! Polls the socket only when its own waker has fired, not on every wake-up of the connection's
//! task.
//!
//! A connection's task wakes for each tweet, and rarely because the client has sent something. A
//! poll of the socket costs about as much as everything else about a tweet except the write.
//!
//! perch does not read while the answers would wait behind too many bytes: a client that sends
//! commands and reads nothing would fill the memory.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::Stream;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use super::frame_writer::FrameWriter;

/// While this much waits to be written, perch does not read from the client either.
pub(super) const TOO_MUCH_BYTES: usize = 1024 * 1024;

/// The waker that the socket is polled with.
struct ReadWaker {
    is_woken: AtomicBool,
    /// The connection's task.
    task: AtomicWaker,
}

impl Wake for ReadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Whether one socket is to be read.
pub(super) struct ReadReadiness {
    read_waker: Arc<ReadWaker>,
    waker: Waker,
}

impl ReadReadiness {
    pub(super) fn new() -> ReadReadiness {
        let read_waker = Arc::new(ReadWaker { is_woken: AtomicBool::new(true), task: AtomicWaker::new() });
        ReadReadiness { waker: Waker::from(Arc::clone(&read_waker)), read_waker }
    }

    /// Has the socket polled the next time in any case.
    pub(super) fn ask(&self) {
        self.read_waker.is_woken.store(true, Ordering::Release);
    }

    /// Polls the socket if its waker has fired since it was last pending.
    pub(super) fn poll<T>(&self, context: &Context<'_>, read: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.read_waker.task.register(context.waker());
        if !self.read_waker.is_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let read = read(&mut Context::from_waker(&self.waker));
        if read.is_ready() {
            // There may be more to read.
            self.read_waker.is_woken.store(true, Ordering::Release);
        }
        read
    }
}

/// What happened on the socket.
#[derive(Debug)]
pub(super) enum IoEvent {
    /// Everything is written, or a write has failed.
    Wrote(std::io::Result<()>),
    Read(Option<Result<Message, tungstenite::Error>>),
}

/// Waits until everything is written (if `write`), or a message is read (if `read`, and unless too
/// much waits to be written).
pub(super) async fn io_event<S>(
    socket: &mut WebSocketStream<FrameWriter<S>>,
    read_ready: &ReadReadiness,
    write: bool,
    read: bool,
) -> IoEvent
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|context| {
        if write && let Poll::Ready(wrote) = socket.get_mut().poll_send(context) {
            return Poll::Ready(IoEvent::Wrote(wrote));
        }
        let writer = socket.get_mut();
        if !read || writer.waiting_bytes() >= TOO_MUCH_BYTES || writer.refuses() {
            return Poll::Pending;
        }
        if writer.take_refused() {
            read_ready.ask();
        }
        if let Poll::Ready(message) = read_ready.poll(context, |context| Pin::new(&mut *socket).poll_next(context)) {
            return Poll::Ready(IoEvent::Read(message));
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
