//! Lingering close: perch keeps reading after its last response, so that the response reaches the
//! client.
//!
//! perch answers some requests before it has read their body: 401, 413, 429 and others. If a socket
//! is closed while unread bytes are in it, the kernel sends a reset, and the reset discards the
//! response that the client has not read yet. Clients that send a whole body before they read then
//! see a broken pipe. So perch ends its own direction, discards what it reads, and closes when the
//! client has closed, or at a limit of time or size.

use std::future::Future as _;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Longest time of a lingering close.
const MAX_TIME: Duration = Duration::from_secs(30);

/// A client that has sent nothing for this time has stopped sending.
const MAX_IDLE_TIME: Duration = Duration::from_secs(5);

/// Longest time of a lingering close during a shutdown.
const SHUTDOWN_TIME: Duration = Duration::from_secs(1);

/// The most bytes to discard. Discarding is cheap, so this is far above usual bodies.
const MAX_DISCARDED_BYTES: usize = 256 * 1024 * 1024;

/// Size of one read.
const READ_BYTES: usize = 16 * 1024;

/// A lingering close in progress.
pub(super) struct Linger {
    left_bytes: usize,
    end: Instant,
    /// The next limit of time.
    wait: Pin<Box<Sleep>>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    is_stopping: bool,
}

impl Linger {
    pub(super) fn new(shutdown: CancellationToken) -> Linger {
        let now = Instant::now();
        Linger {
            left_bytes: MAX_DISCARDED_BYTES,
            end: now + MAX_TIME,
            wait: Box::pin(sleep_until(now + MAX_IDLE_TIME)),
            stopping: Box::pin(shutdown.cancelled_owned()),
            is_stopping: false,
        }
    }

    /// Ready when the client has closed its direction, or a limit is reached.
    pub(super) fn poll(&mut self, stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
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
            self.wait.as_mut().reset(self.end.min(Instant::now() + MAX_IDLE_TIME));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt as _, duplex, repeat};
    use tokio::time::sleep;

    use super::*;

    /// How long a lingering close takes.
    async fn time_of(stream: &mut (impl AsyncRead + Unpin), shutdown: CancellationToken) -> Duration {
        let started = Instant::now();
        let mut linger = Linger::new(shutdown);
        poll_fn(|cx| linger.poll(stream, cx)).await;
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_is_waited_for_for_5_s() {
        let (mut server, _client) = duplex(64);
        assert_eq!(time_of(&mut server, CancellationToken::new()).await.as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_on_is_waited_for_for_30_s() {
        let (mut server, mut client) = duplex(64);
        let sending = async {
            loop {
                sleep(Duration::from_secs(4)).await;
                client.write_all(b"x").await.expect("the server reads");
            }
        };
        let time = tokio::select! {
            time = time_of(&mut server, CancellationToken::new()) => time,
            () = sending => unreachable!("it never ends"),
        };
        assert_eq!(time.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_closes_is_not_waited_for() {
        let (mut server, client) = duplex(64);
        drop(client);
        assert_eq!(time_of(&mut server, CancellationToken::new()).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_leaves_1_s() {
        let (mut server, _client) = duplex(64);
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        assert_eq!(time_of(&mut server, shutdown).await.as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_end_is_discarded_up_to_256_mib() {
        let mut linger = Linger::new(CancellationToken::new());
        // The clock stands while the stream is ready, so only the size can end it.
        linger.left_bytes = 10 * READ_BYTES;
        let mut stream = repeat(b'x');
        poll_fn(|cx| linger.poll(&mut stream, cx)).await;
        assert_eq!((linger.left_bytes, MAX_DISCARDED_BYTES), (READ_BYTES, 256 << 20));
    }
}
