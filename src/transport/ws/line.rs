//! The outgoing side of a socket: frames wait here, shared with everybody who is sent the same, and go out as many as possible in one write.
//!
//! ```text
//! texts, pings ──push──> waiting ──one vectored write──> TCP        answers to pings (tungstenite) ──poll_write──> waiting
//! ```
//!
//! Where there are many, nothing is copied on the way to the kernel: a frame's head is made for it, its payload is shared. What waits for a client that does not
//! read is bounded by who pushes. A frame that has begun is always finished, so nothing can come between its bytes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::ids::Seq;

/// Pieces of memory in one write: two for each frame.
const MAX_SLICES: usize = 128;

/// So much is copied together instead: the write of one frame after the other.
const SMALL_BYTES: usize = 2 * 1024;

/// Behind so much no answer to a ping waits: a client that pings and does not read is not read either.
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// A queue that was longer gives its memory back when it is empty.
const KEPT_PIECES: usize = 16;

/// A frame, or what tungstenite wants to write.
struct Piece {
    head: [u8; 10],
    head_len: u8,
    payload: Bytes,
    mark: Mark,
}

/// What a piece says of the position from which its client can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    None,
    /// It is the tweet at this position, behind which nothing older comes.
    Tweet(Seq),
    /// A subscription is owed what came after this position, from here on.
    Owed(Seq),
}

impl Mark {
    /// The position behind this piece, of a client that could go on from `seq` before it. Without one, what the client knows itself is all there is.
    fn after(self, seq: Option<Seq>) -> Option<Seq> {
        match self {
            Mark::None => seq,
            Mark::Tweet(tweet) => Some(tweet),
            Mark::Owed(since) => seq.map(|seq| seq.min(since)),
        }
    }
}

impl Piece {
    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }

    fn len(&self) -> usize {
        usize::from(self.head_len) + self.payload.len()
    }
}

/// What waits and is not written, piece by piece.
fn parts(waiting: &VecDeque<Piece>, written: usize) -> impl Iterator<Item = &[u8]> {
    let mut skip = written;
    waiting.iter().flat_map(|piece| [piece.head(), &piece.payload]).filter_map(move |part| {
        let rest = &part[skip.min(part.len())..];
        skip -= part.len() - rest.len();
        (!rest.is_empty()).then_some(rest)
    })
}

/// A socket with what waits to be written.
pub(super) struct Line<S> {
    io: S,
    waiting: VecDeque<Piece>,
    /// Bytes of the first piece that are written.
    written: usize,
    /// What waits, in bytes.
    bytes: usize,
    /// Where the client can go on, whatever happens.
    seq: Option<Seq>,
    /// When the last byte was taken, or the first began to wait.
    moved: Instant,
    /// The socket took nothing when it was asked last.
    blocked: bool,
    /// The socket was not told yet that nothing more comes for now.
    unflushed: bool,
    /// Tungstenite could not write an answer, and has to be asked to try again.
    refused: bool,
    /// When a socket that had been full took something again: its client reads.
    drained: Option<Instant>,
}

impl<S> Line<S> {
    pub(super) fn new(io: S) -> Line<S> {
        Line {
            io,
            waiting: VecDeque::new(),
            written: 0,
            bytes: 0,
            seq: None,
            moved: Instant::now(),
            blocked: false,
            unflushed: false,
            refused: false,
            drained: None,
        }
    }

    /// A text frame.
    pub(super) fn push_text(&mut self, text: impl Into<Bytes>, mark: Mark) {
        self.push_frame(0x81, text.into(), mark);
    }

    pub(super) fn push_ping(&mut self) {
        self.push_frame(0x89, Bytes::new(), Mark::None);
    }

    fn push_frame(&mut self, kind: u8, payload: Bytes, mark: Mark) {
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
        self.push(Piece { head, head_len, payload, mark });
    }

    fn push(&mut self, piece: Piece) {
        if self.waiting.is_empty() {
            self.moved = Instant::now();
        }
        self.bytes += piece.len();
        self.unflushed = true;
        self.waiting.push_back(piece);
    }

    /// What waits to be written, in bytes.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether [`Line::poll_send`] has something to do.
    pub(super) fn has_work(&self) -> bool {
        self.unflushed || !self.waiting.is_empty()
    }

    /// Whether an answer to a ping waits in tungstenite, and would find no room now. Nothing is to be read meanwhile: the next ping's answer would
    /// wait there too.
    pub(super) fn refuses(&self) -> bool {
        self.refused && self.bytes > MAX_REPLY_BYTES
    }

    /// Whether an answer to a ping could not be written since this was asked last: a read tries again.
    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// How long something has waited without a byte being taken.
    pub(super) fn stuck_for(&self, now: Instant) -> Option<Duration> {
        (!self.waiting.is_empty()).then(|| now.saturating_duration_since(self.moved))
    }

    /// When the client last made room in a full socket, which no client does that is gone.
    pub(super) fn drained(&self) -> Option<Instant> {
        self.drained
    }

    /// Where the client can go on, if nothing more is written but what has begun: at the last tweet, or before it, when a subscription is owed more.
    /// `None` before the first tweet.
    pub(super) fn seq(&self) -> Option<Seq> {
        self.seq
    }

    /// Drops what has not begun to be written.
    pub(super) fn drop_waiting(&mut self) {
        for dropped in self.waiting.drain(usize::from(self.written > 0)..) {
            // The client may count on a registration whose answer it doesn't get. It will never have seen the tweets.
            if let Mark::Owed(_) = dropped.mark {
                self.seq = dropped.mark.after(self.seq);
            }
        }
        self.bytes = self.waiting.iter().map(Piece::len).sum::<usize>() - self.written;
    }

    fn advance(&mut self, n: usize) {
        self.bytes -= n;
        self.written += n;
        while self.written > 0
            && let Some(first) = self.waiting.front()
        {
            self.seq = first.mark.after(self.seq);
            if self.written < first.len() {
                break;
            }
            self.written -= first.len();
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_PIECES {
            self.waiting = VecDeque::new();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// Writes what waits. Ready when nothing waits any more.
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = if self.bytes <= SMALL_BYTES { self.poll_small(context) } else { self.poll_large(context) };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    self.moved = Instant::now();
                    if std::mem::take(&mut self.blocked) {
                        self.drained = Some(self.moved);
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
        // TLS keeps the end of what it was given until it is told that nothing more comes.
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Line<S> {
    /// A frame or two: to copy them costs less than to tell the kernel where they are.
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

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

/// For tungstenite's own frames: answers to pings, and the goodbye.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.bytes > MAX_REPLY_BYTES {
            self.refused = true;
            ready!(self.poll_send(context))?;
            self.refused = false;
        }
        self.push(Piece { head: [0; 10], head_len: 0, payload: Bytes::copy_from_slice(bytes), mark: Mark::None });
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
