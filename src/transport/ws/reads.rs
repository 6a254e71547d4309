//! When is a socket to be read? When it has said that there is something, not each time its connection's task wakes.
//!
//! A connection's task wakes for each tweet, and hardly ever because its client has sent something. To ask the socket all the same costs about as much
//! as everything else about a tweet, but for the write.
//!
//! And it is not read while it would have to be answered and takes no answers: whoever asks and does not listen would fill the memory.

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

use super::TOO_MUCH_BYTES;
use super::line::Line;

/// What the socket wakes.
struct Bell {
    has_rung: AtomicBool,
    /// The connection's task.
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// The reads of one socket.
pub(super) struct Reads {
    bell: Arc<Bell>,
    waker: Waker,
}

impl Reads {
    pub(super) fn new() -> Reads {
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Reads { waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// Has the socket polled the next time, whether it has something to say or not.
    pub(super) fn ask(&self) {
        self.bell.has_rung.store(true, Ordering::Release);
    }

    /// Polls the socket if it has something to say since it had nothing.
    pub(super) fn poll<T>(&self, context: &Context<'_>, read: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.bell.task.register(context.waker());
        if !self.bell.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let read = read(&mut Context::from_waker(&self.waker));
        if read.is_ready() {
            // There may be more.
            self.bell.has_rung.store(true, Ordering::Release);
        }
        read
    }
}

/// What the socket does.
#[derive(Debug)]
pub(super) enum Moved {
    /// Everything is written, or nothing can be any more.
    Wrote(std::io::Result<()>),
    Read(Option<Result<Message, tungstenite::Error>>),
}

/// Waits until all is written, if `write`, or something was read, if `read` and unless too much waits to be written.
pub(super) async fn moved<S>(socket: &mut WebSocketStream<Line<S>>, reads: &Reads, write: bool, read: bool) -> Moved
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|context| {
        if write && let Poll::Ready(wrote) = socket.get_mut().poll_send(context) {
            return Poll::Ready(Moved::Wrote(wrote));
        }
        let line = socket.get_mut();
        if !read || line.waiting_bytes() >= TOO_MUCH_BYTES || line.refuses() {
            return Poll::Pending;
        }
        if line.take_refused() {
            reads.ask();
        }
        if let Poll::Ready(message) = reads.poll(context, |context| Pin::new(&mut *socket).poll_next(context)) {
            return Poll::Ready(Moved::Read(message));
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
