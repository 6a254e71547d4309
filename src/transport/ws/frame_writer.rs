//! The outgoing side of a socket: frames wait here, and as many as possible go out in one write.
//!
//! ```text
//! texts, pings ──push──> waiting ──one vectored write──> TCP
//! answers to pings (tungstenite) ──poll_write──> waiting
//! ```
//!
//! Sessions share a frame's payload; only its head is made for each. A large write copies nothing
//! on the way to the kernel. The pusher bounds what waits for a client that does not read. A frame
//! that has begun is always finished, so no other bytes come between.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::ids::Seq;

/// Slices of memory in one write: two for each frame.
const MAX_SLICES: usize = 128;

/// Up to this much is copied into one buffer, which costs less than a vectored write.
const SMALL_BYTES: usize = 2 * 1024;

/// Behind this much perch queues no answer to a ping: it stops reading from a client that pings and
/// does not read.
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// A queue with room for more frames frees its memory when it is empty.
const KEPT_FRAMES: usize = 16;

/// A frame, or bytes of tungstenite's own.
struct OutFrame {
    head: [u8; 10],
    head_len: u8,
    payload: Bytes,
    resume_point: ResumePoint,
}

/// What a frame says about the position from which its client can resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResumePoint {
    /// Nothing.
    None,
    /// The tweet at this position. Nothing older follows.
    Tweet(Seq),
    /// From here on a subscription is owed the tweets behind this position.
    Owed(Seq),
}

impl ResumePoint {
    /// The position behind this frame, for a client that could resume from `seq` before it. `None`
    /// while the client has only the position that it sent itself.
    fn after(self, seq: Option<Seq>) -> Option<Seq> {
        match self {
            ResumePoint::None => seq,
            ResumePoint::Tweet(tweet) => Some(tweet),
            ResumePoint::Owed(since) => seq.map(|seq| seq.min(since)),
        }
    }
}

impl OutFrame {
    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }

    fn len(&self) -> usize {
        usize::from(self.head_len) + self.payload.len()
    }
}

/// The bytes that are not written yet, slice by slice.
fn parts(waiting: &VecDeque<OutFrame>, written: usize) -> impl Iterator<Item = &[u8]> {
    let mut skip = written;
    waiting.iter().flat_map(|frame| [frame.head(), &frame.payload]).filter_map(move |part| {
        let rest = &part[skip.min(part.len())..];
        skip -= part.len() - rest.len();
        (!rest.is_empty()).then_some(rest)
    })
}

/// A socket with the frames that wait to be written.
pub(super) struct FrameWriter<S> {
    io: S,
    waiting: VecDeque<OutFrame>,
    /// Bytes of the first frame that are written.
    written: usize,
    /// The bytes that wait.
    bytes: usize,
    /// From where the client can resume, whatever happens.
    seq: Option<Seq>,
    /// When the socket last took a byte, or when the first byte began to wait.
    last_progress: Instant,
    /// Whether the socket took nothing at the last write.
    blocked: bool,
    /// Whether the socket has yet to be flushed.
    unflushed: bool,
    /// Whether tungstenite could not write an answer, and must be polled to try again.
    refused: bool,
    /// When a full socket last took something again, which shows that its client reads.
    drained: Option<Instant>,
}

impl<S> FrameWriter<S> {
    pub(super) fn new(io: S) -> FrameWriter<S> {
        FrameWriter {
            io,
            waiting: VecDeque::new(),
            written: 0,
            bytes: 0,
            seq: None,
            last_progress: Instant::now(),
            blocked: false,
            unflushed: false,
            refused: false,
            drained: None,
        }
    }

    /// Appends a text frame.
    pub(super) fn push_text(&mut self, text: impl Into<Bytes>, resume_point: ResumePoint) {
        self.push_frame(0x81, text.into(), resume_point);
    }

    pub(super) fn push_ping(&mut self) {
        self.push_frame(0x89, Bytes::new(), ResumePoint::None);
    }

    fn push_frame(&mut self, kind: u8, payload: Bytes, resume_point: ResumePoint) {
        let mut head = [kind, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let len = (payload.len() as u64).to_be_bytes();
        let head_len = match payload.len() {
            0..126 => {
                head[1] = len[7];
                2
            }
            126..65_536 => {
                head[1] = 126;
                head[2..4].copy_from_slice(&len[6..]);
                4
            }
            _ => {
                head[1] = 127;
                head[2..].copy_from_slice(&len);
                10
            }
        };
        self.push(OutFrame { head, head_len, payload, resume_point });
    }

    fn push(&mut self, frame: OutFrame) {
        if self.waiting.is_empty() {
            self.last_progress = Instant::now();
        }
        self.bytes += frame.len();
        self.unflushed = true;
        self.waiting.push_back(frame);
    }

    /// The bytes that wait to be written.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether [`FrameWriter::poll_send`] has something to do.
    pub(super) fn has_work(&self) -> bool {
        self.unflushed || !self.waiting.is_empty()
    }

    /// Whether an answer to a ping waits in tungstenite and has no room here. perch does not read
    /// meanwhile, because the next ping's answer would wait there too.
    pub(super) fn refuses(&self) -> bool {
        self.refused && self.bytes > MAX_REPLY_BYTES
    }

    /// Whether an answer to a ping was refused since the last call. A read tries it again.
    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// For how long something has waited while the socket took no byte.
    pub(super) fn stuck_for(&self, now: Instant) -> Option<Duration> {
        (!self.waiting.is_empty()).then(|| now.saturating_duration_since(self.last_progress))
    }

    /// When the client last made room in a full socket, which shows that it is there.
    pub(super) fn drained(&self) -> Option<Instant> {
        self.drained
    }

    /// From where the client can resume if perch only finishes the frame that has begun: the last
    /// tweet, or a position before it when a subscription is owed more. `None` before the first
    /// tweet.
    pub(super) fn seq(&self) -> Option<Seq> {
        self.seq
    }

    /// Drops the frames that have not begun to be written.
    pub(super) fn drop_waiting(&mut self) {
        for dropped in self.waiting.drain(usize::from(self.written > 0)..) {
            // The client may count on a registration whose answer it never gets. It has not seen
            // that registration's tweets either.
            if let ResumePoint::Owed(_) = dropped.resume_point {
                self.seq = dropped.resume_point.after(self.seq);
            }
        }
        self.bytes = self.waiting.iter().map(OutFrame::len).sum::<usize>() - self.written;
    }

    fn advance(&mut self, n: usize) {
        self.bytes -= n;
        self.written += n;
        while self.written > 0
            && let Some(first) = self.waiting.front()
        {
            self.seq = first.resume_point.after(self.seq);
            if self.written < first.len() {
                break;
            }
            self.written -= first.len();
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_FRAMES {
            self.waiting = VecDeque::new();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameWriter<S> {
    /// Writes what waits. Ready when nothing is left.
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = if self.bytes <= SMALL_BYTES { self.poll_small(context) } else { self.poll_large(context) };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    self.last_progress = Instant::now();
                    if std::mem::take(&mut self.blocked) {
                        self.drained = Some(self.last_progress);
                    }
                    self.advance(n);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.blocked = true;
                    return Poll::Pending;
                }
            }
        }
        // TLS holds the end of its input back until it is flushed.
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> FrameWriter<S> {
    /// Copies a few short frames into one buffer and writes it.
    fn poll_small(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; SMALL_BYTES];
        let mut len = 0;
        for part in parts(&self.waiting, self.written) {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Pin::new(&mut self.io).poll_write(context, &bytes[..len])
    }

    fn poll_large(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut used = 0;
        let (parts, io) = (parts(&self.waiting, self.written), &mut self.io);
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            used += 1;
        }
        Pin::new(io).poll_write_vectored(context, &slices[..used])
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameWriter<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

/// For tungstenite's own frames: answers to pings, and the close frame.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FrameWriter<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.bytes > MAX_REPLY_BYTES {
            self.refused = true;
            ready!(self.poll_send(context))?;
            self.refused = false;
        }
        self.push(OutFrame {
            head: [0; 10],
            head_len: 0,
            payload: Bytes::copy_from_slice(bytes),
            resume_point: ResumePoint::None,
        });
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
