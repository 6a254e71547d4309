//! Error bodies for responses that hyper sends by itself.
//!
//! hyper answers a malformed head of HTTP/1.1 with 400, one that is too long with 431, and a URL
//! that is too long with 414, before any handler sees the request. hyper has no hook for these
//! responses, and they have no body. So the bytes that hyper writes are inspected. Such a response
//! is one write, and differs from all responses of handlers, which have more header fields.
//! Responses of HTTP/2 are frames, and stay without a body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::head_refusal;

/// A connection that replaces hyper's own responses.
pub(super) struct ErrorBodies<S> {
    stream: S,
    /// The rest of a replacement that is being written.
    replacement: Bytes,
}

impl<S> ErrorBodies<S> {
    pub(super) fn new(stream: S) -> ErrorBodies<S> {
        ErrorBodies { stream, replacement: Bytes::new() }
    }
}

impl<S: AsyncWrite + Unpin> ErrorBodies<S> {
    /// Writes the replacement of hyper's response, and then reports the response as written. `None`
    /// if this is no response of hyper's own.
    fn poll_replace(&mut self, cx: &mut Context<'_>, answer: &[u8]) -> Option<Poll<io::Result<usize>>> {
        // Until the replacement is written, hyper offers the same bytes again.
        if self.replacement.is_empty() {
            let (status, date) = own_answer(answer)?;
            self.replacement = head_refusal(status, date)?;
        }
        Some(self.poll_replacement(cx).map_ok(|()| answer.len()))
    }

    fn poll_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.replacement.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.replacement))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.replacement.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// The status and the date of a response of hyper's own.
fn own_answer(bytes: &[u8]) -> Option<(u16, &str)> {
    const DATE: &str = "date: ";
    const FIELDS: [&str; 3] = ["content-length: 0", "connection: close", DATE];
    let rest = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let head = str::from_utf8(rest.strip_suffix(b"\r\n\r\n")?).ok()?;
    let (status, fields) = head.split_once("\r\n")?;
    let is_own = fields.split("\r\n").all(|field| FIELDS.iter().any(|own| field.starts_with(own)));
    let code: u16 = status.get(..2)?.parse().ok()?;
    let date = fields.split("\r\n").find_map(|field| field.strip_prefix(DATE))?;
    is_own.then_some((400 + code, date))
}

impl<S: AsyncRead + Unpin> AsyncRead for ErrorBodies<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ErrorBodies<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(written) = self.poll_replace(cx, bytes) {
            return written;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(bytes), None) = (filled.next(), filled.next())
            && let Some(written) = self.poll_replace(cx, bytes)
        {
            return written;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
