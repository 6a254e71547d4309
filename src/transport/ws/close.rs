//! How a connection ends: the close codes, and the goodbye.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::FusedStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

use crate::live::LiveError;

/// How long the client may take to answer a close frame.
const GOODBYE: Duration = Duration::from_secs(1);

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
    /// The client does not take what it is sent.
    TooSlow,
    /// There are as many sessions as there may be.
    TooMany,
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
        End::TooSlow,
        End::TooMany,
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
            End::TooSlow => Some(4005),
            End::TooMany => Some(4006),
            End::Silent => Some(4007),
            End::Protocol => Some(1002),
            End::Gone => None,
        }
    }

    /// For people; a close frame holds at most 123 bytes of it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            End::ShuttingDown => "shutting down: come back soon",
            End::Unauthorized => "the token has expired, or none came: come back with a new one",
            End::Failed => "the index could not be read: come back later",
            End::NotText => "only text frames of UTF-8 are taken",
            End::TooLarge => "the frame is larger than hello's limits.frame_bytes",
            End::TooSlow => "nothing was read for too long: come back and resume",
            End::TooMany => "too many sessions: come back later",
            End::Silent => "nothing was heard for too long: come back and resume",
            End::Protocol => "not a WebSocket frame as RFC 6455 has it",
            End::Gone => "closed by the client",
        }
    }

    /// Why no session could be opened.
    pub(super) fn refused(error: &LiveError) -> End {
        match error {
            LiveError::Limit(_) => End::TooMany,
            LiveError::Unavailable(_) => End::ShuttingDown,
            LiveError::NotFound(_) | LiveError::Unrecoverable { .. } => End::Failed,
        }
    }

    /// What an error of the socket means.
    pub(super) fn of_read(error: axum::Error) -> End {
        match error.into_inner().downcast_ref::<tungstenite::Error>() {
            Some(tungstenite::Error::Capacity(_)) => End::TooLarge,
            Some(tungstenite::Error::Utf8(_)) => End::NotText,
            Some(tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                End::Gone
            }
            Some(tungstenite::Error::Protocol(_)) => End::Protocol,
            _ => End::Gone,
        }
    }
}

/// Says why, and waits a moment for the client's own goodbye: a socket that is closed with unread bytes in it takes back what it was
/// sending, close frame included.
pub(super) async fn close(socket: &mut WebSocket, end: End) {
    let goodbye = async {
        if let Some(code) = end.code() {
            let frame = CloseFrame { code, reason: Utf8Bytes::from_static(end.reason()) };
            if socket.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
            if socket.is_terminated() {
                // After an error nothing can be read any more: the client has this long to read.
                return std::future::pending().await;
            }
        }
        while let Some(Ok(_)) = socket.next().await {}
    };
    // Whether it came in time or not, this is the end.
    let _ = timeout(GOODBYE, goodbye).await;
}
