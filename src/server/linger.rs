//! Lingering close: reads on for a while after the last answer, so that the answer reaches the
//! client.
//!
//! perch answers some requests before their body has come: 401, 413, 429 and so on. When a socket
//! is closed while bytes wait in it, the kernel sends a reset, and the reset discards the answer
//! that the client has not read yet. Clients that send a whole body before they read see a broken
//! pipe then. So perch ends its own direction, discards what comes, and closes when the client has
//! closed, or at a bound of time or size.

use std::future::Future as _;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A client that sends a body before it reads gets this long for all of it.
const MAX_TIME: Duration = Duration::from_secs(30);

/// A client that sends nothing for so long has stopped sending.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// During a shutdown, all of it is over after this time.
const SHUTDOWN_TIME: Duration = Duration::from_secs(1);

/// Discarded at most. Discarding costs next to nothing, so it is far above the usual body.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Read at a time.
const READ_BYTES: usize = 16 * 1024;

/// The rest of a connection whose last answer has gone out.
pub(super) struct Linger {
    left_bytes: usize,
    end: Instant,
    /// Until the pause is too long, or the end has come.
    wait: Pin<Box<Sleep>>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    is_stopping: bool,
}

impl Linger {
    pub(super) fn new(shutdown: CancellationToken) -> Linger {
        let now = Instant::now();
        Linger {
            left_bytes: MAX_BYTES,
            end: now + MAX_TIME,
            wait: Box::pin(sleep_until(now + MAX_PAUSE)),
            stopping: Box::pin(shutdown.cancelled_owned()),
            is_stopping: false,
        }
    }

    /// Ready when the client has closed its direction, or a bound is reached.
    pub(super) fn poll(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_stopping && self.stopping.as_mut().poll(cx).is_ready() {
            self.is_stopping = true;
            self.end = self.end.min(Instant::now() + SHUTDOWN_TIME);
            self.wait.as_mut().reset(self.end);
        }
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        loop {
            if self.wait.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::uninit(&mut bytes);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
            let len = buffer.filled().len();
            if read.is_err() || len == 0 || len >= self.left_bytes {
                return Poll::Ready(());
            }
            self.left_bytes -= len;
            self.wait.as_mut().reset(self.end.min(Instant::now() + MAX_PAUSE));
        }
    }
}
