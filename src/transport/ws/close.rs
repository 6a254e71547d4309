//! How a connection ends: close codes, and the closing handshake.

use std::borrow::Cow;
use std::future::poll_fn;
use std::time::Duration;

use futures_util::stream::FusedStream;
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

use super::Socket;
use crate::ids::Seq;
use crate::live::{AdmissionError, LiveError};

/// How long the client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The same for a client that takes nothing. perch keeps only the frame that has begun, and the
/// close frame.
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WsClose {
    /// perch is shutting down.
    ShuttingDown,
    /// The client's token has expired, or none came in time.
    Unauthorized,
    /// The index could not be read for this session.
    Failed,
    /// A binary frame, or a text frame that is not UTF-8.
    NotText,
    /// A frame that is too large.
    TooLarge,
    /// The client does not take what it is sent. It gets everything up to this position.
    TooSlow(Option<Seq>),
    /// The limit of sessions is reached.
    TooMany {
        /// The limit of the client's address, not that of all sessions.
        of_address: bool,
    },
    /// The client gave no sign of life for too long.
    Silent,
    /// A frame that breaks the WebSocket protocol.
    Protocol,
    /// The client or the network has closed the connection.
    Gone,
}

impl WsClose {
    /// Every variant with a close code.
    #[cfg(test)]
    pub(super) const TOLD: &[WsClose] = &[
        WsClose::ShuttingDown,
        WsClose::Unauthorized,
        WsClose::Failed,
        WsClose::NotText,
        WsClose::TooLarge,
        WsClose::TooSlow(None),
        WsClose::TooMany { of_address: false },
        WsClose::Silent,
        WsClose::Protocol,
    ];

    /// The close code. `None` when the connection is gone.
    pub(super) fn code(self) -> Option<u16> {
        match self {
            WsClose::ShuttingDown => Some(4000),
            WsClose::Unauthorized => Some(4001),
            WsClose::Failed => Some(4002),
            WsClose::NotText => Some(4003),
            WsClose::TooLarge => Some(4004),
            WsClose::TooSlow(_) => Some(4008),
            WsClose::TooMany { .. } => Some(4006),
            WsClose::Silent => Some(4007),
            WsClose::Protocol => Some(1002),
            WsClose::Gone => None,
        }
    }

    /// The reason in metrics and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            WsClose::ShuttingDown => "shutting_down",
            WsClose::Unauthorized => "unauthorized",
            WsClose::Failed => "failed",
            WsClose::NotText => "not_text",
            WsClose::TooLarge => "too_large",
            WsClose::TooSlow(_) => "too_slow",
            WsClose::TooMany { .. } => "too_many",
            WsClose::Silent => "silent",
            WsClose::Protocol => "protocol",
            WsClose::Gone => "gone",
        }
    }

    /// The reason in the close frame, which holds at most 123 bytes of it.
    pub(super) fn reason(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            WsClose::ShuttingDown => "shutting down: come back soon",
            WsClose::Unauthorized => "the token has expired, or none came: come back with a new one",
            WsClose::Failed => "the index could not be read: come back later",
            WsClose::NotText => "only text frames of UTF-8 are taken",
            WsClose::TooLarge => "the frame is larger than hello's limits.frame_bytes",
            WsClose::TooSlow(Some(Seq(seq))) => {
                return Cow::Owned(format!("nothing was read for too long: come back and resume with since={seq}"));
            }
            WsClose::TooSlow(None) => "nothing was read for too long: come back and resume",
            WsClose::TooMany { of_address: false } => "too many sessions: come back later",
            WsClose::TooMany { of_address: true } => {
                "too many sessions of this address (limits.max_sessions_per_address): come back later"
            }
            WsClose::Silent => "nothing was heard for too long: come back and resume",
            WsClose::Protocol => "not a WebSocket frame as RFC 6455 has it",
            WsClose::Gone => "closed by the client",
        })
    }

    /// The close of a connection whose session was refused.
    pub(super) fn refused(error: &AdmissionError) -> WsClose {
        match error {
            AdmissionError::AddressFull(_) => WsClose::TooMany { of_address: true },
            AdmissionError::Refused(LiveError::Limit(_)) => WsClose::TooMany { of_address: false },
            AdmissionError::Refused(LiveError::Unavailable(_)) => WsClose::ShuttingDown,
            AdmissionError::Refused(LiveError::NotFound(_) | LiveError::Unrecoverable { .. }) => WsClose::Failed,
        }
    }

    /// The close that follows an error of the socket.
    pub(super) fn of_read(error: &tungstenite::Error) -> WsClose {
        match error {
            tungstenite::Error::Capacity(_) => WsClose::TooLarge,
            tungstenite::Error::Utf8(_) => WsClose::NotText,
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                WsClose::Gone
            }
            tungstenite::Error::Protocol(_) => WsClose::Protocol,
            _ => WsClose::Gone,
        }
    }
}

/// Sends the close frame and waits for the client's own, or answers a close frame that came first.
/// A socket that is closed with unread bytes in it discards what it was sending, the close frame
/// included.
pub(super) async fn close(socket: &mut Socket, end: WsClose) {
    if end == WsClose::Gone {
        // A client that has closed gets the answer, and no frame that has not begun.
        socket.get_mut().drop_waiting();
    }
    let handshake = async {
        if let Some(code) = end.code() {
            let frame = CloseFrame { code: code.into(), reason: end.reason().as_ref().into() };
            if socket.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
            if socket.is_terminated() {
                // After an error nothing can be read: the client has until the timeout to read.
                return std::future::pending().await;
            }
        }
        while let Some(Ok(_)) = socket.next().await {}
        // tungstenite has put its answer to the client's close frame into the frame writer.
        let _ = poll_fn(|context| socket.get_mut().poll_send(context)).await;
    };
    let patience = if matches!(end, WsClose::TooSlow(_)) { SLOW_CLOSE_TIMEOUT } else { CLOSE_TIMEOUT };
    let _ = timeout(patience, handshake).await;
}
