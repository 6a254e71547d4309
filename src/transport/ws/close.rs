//! How a connection ends: the close codes, and the goodbye.

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
use crate::live::LiveError;

/// How long the client may take to answer a close frame.
const GOODBYE: Duration = Duration::from_secs(1);

/// The same for a client that takes nothing: all that is kept for it is the frame that had begun and this one.
const LONG_GOODBYE: Duration = Duration::from_secs(10);

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
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
    /// There are as many sessions as there may be.
    TooMany {
        /// It is the client's address that has as many as one may have.
        of_address: bool,
    },
    /// No sign of life.
    Silent,
    /// Not WebSocket as it should be.
    Protocol,
    /// The client closed, or the network did.
    Gone,
}

impl End {
    /// Every end that the client is told about.
    #[cfg(test)]
    pub(super) const TOLD: &[End] = &[
        End::ShuttingDown,
        End::Unauthorized,
        End::Failed,
        End::NotText,
        End::TooLarge,
        End::TooSlow(None),
        End::TooMany { of_address: false },
        End::Silent,
        End::Protocol,
    ];

    /// The close code. `None` when there is nobody to tell.
    pub(super) fn code(self) -> Option<u16> {
        match self {
            End::ShuttingDown => Some(4000),
            End::Unauthorized => Some(4001),
            End::Failed => Some(4002),
            End::NotText => Some(4003),
            End::TooLarge => Some(4004),
            End::TooSlow(_) => Some(4008),
            End::TooMany { .. } => Some(4006),
            End::Silent => Some(4007),
            End::Protocol => Some(1002),
            End::Gone => None,
        }
    }

    /// For the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            End::ShuttingDown => "shutting_down",
            End::Unauthorized => "unauthorized",
            End::Failed => "failed",
            End::NotText => "not_text",
            End::TooLarge => "too_large",
            End::TooSlow(_) => "too_slow",
            End::TooMany { .. } => "too_many",
            End::Silent => "silent",
            End::Protocol => "protocol",
            End::Gone => "gone",
        }
    }

    /// For people; a close frame holds at most 123 bytes of it.
    pub(super) fn reason(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            End::ShuttingDown => "shutting down: come back soon",
            End::Unauthorized => "the token has expired, or none came: come back with a new one",
            End::Failed => "the index could not be read: come back later",
            End::NotText => "only text frames of UTF-8 are taken",
            End::TooLarge => "the frame is larger than hello's limits.frame_bytes",
            End::TooSlow(Some(Seq(seq))) => {
                return Cow::Owned(format!("nothing was read for too long: come back and resume with since={seq}"));
            }
            End::TooSlow(None) => "nothing was read for too long: come back and resume",
            End::TooMany { of_address: false } => "too many sessions: come back later",
            End::TooMany { of_address: true } => {
                "too many sessions of this address (limits.max_sessions_per_address): come back later"
            }
            End::Silent => "nothing was heard for too long: come back and resume",
            End::Protocol => "not a WebSocket frame as RFC 6455 has it",
            End::Gone => "closed by the client",
        })
    }

    /// Why no session could be opened.
    pub(super) fn refused(error: &LiveError) -> End {
        match error {
            LiveError::Limit(_) => End::TooMany { of_address: false },
            LiveError::Unavailable(_) => End::ShuttingDown,
            LiveError::NotFound(_) | LiveError::Unrecoverable { .. } => End::Failed,
        }
    }

    /// What an error of the socket means.
    pub(super) fn of_read(error: &tungstenite::Error) -> End {
        match error {
            tungstenite::Error::Capacity(_) => End::TooLarge,
            tungstenite::Error::Utf8(_) => End::NotText,
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
            tungstenite::Error::Protocol(_) => End::Protocol,
            _ => End::Gone,
        }
    }
}

/// Says why, and waits a moment for the client's own goodbye, or answers it when it came first: a socket that is closed with unread bytes in it takes back what it was
/// sending, close frame included.
pub(super) async fn close(socket: &mut Socket, end: End) {
    if end == End::Gone {
        // Who has said goodbye is sent the answer, and nothing else that has not begun.
        socket.get_mut().drop_waiting();
    }
    let goodbye = async {
        if let Some(code) = end.code() {
            let frame = CloseFrame { code: code.into(), reason: end.reason().as_ref().into() };
            if socket.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
            if socket.is_terminated() {
                // After an error nothing can be read any more: the client has this long to read.
                return std::future::pending().await;
            }
        }
        while let Some(Ok(_)) = socket.next().await {}
        // Its answer to the client's goodbye tungstenite has left in the line.
        let _ = poll_fn(|context| socket.get_mut().poll_send(context)).await;
    };
    // Whether it came in time or not, this is the end.
    let patience = if matches!(end, End::TooSlow(_)) { LONG_GOODBYE } else { GOODBYE };
    let _ = timeout(patience, goodbye).await;
}
