//! When is a socket to be read? When it has said that there is something, not each time its connection's task wakes.
//!
//! A connection's task wakes for each tweet, and hardly ever because its client has sent something. To ask the socket all the same costs about as much
//! as everything else about a tweet, but for the write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

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

#[cfg(test)]
mod tests;
