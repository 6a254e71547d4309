//! What requests bring to a client's task, and the answers to them.

use std::sync::Arc;

use axum::extract::ws::WebSocket;
use tokio::sync::oneshot;

use crate::auth::AccessToken;
use crate::transport::Progress;
use crate::transport::access::AddressSlot;
use crate::transport::publish::Right;
use crate::transport::response_budget::ResponseSlot;
use perch_sente::frame::Format;

/// What reaches a client's task from its requests.
pub(in crate::transport::sente) enum Input {
    /// A socket that was opened.
    Socket {
        socket: Box<WebSocket>,
        /// The connection's, where a proxy's connections carry many clients.
        address_slot: Option<Arc<AddressSlot>>,
        /// Of its connection.
        progress: Progress,
        /// How to write to a client that has sent nothing yet.
        format: Format,
        right: Right,
        /// Of the token in the request's head.
        access_token: Option<AccessToken>,
    },
    /// A poll.
    Poll {
        wants_handshake: bool,
        format: Format,
        access_token: Option<AccessToken>,
        /// Where there must be room for the answer.
        slot: ResponseSlot,
        reply: oneshot::Sender<Answer>,
    },
    /// An event.
    Post { ppstr: String, right: Right, access_token: Option<AccessToken>, reply: oneshot::Sender<Answer> },
}

impl Input {
    pub(super) fn take_access_token(&mut self) -> Option<AccessToken> {
        match self {
            Input::Socket { access_token, .. }
            | Input::Poll { access_token, .. }
            | Input::Post { access_token, .. } => access_token.take(),
        }
    }

    /// Turns the request away.
    pub(super) fn refuse(self, answer: Answer) {
        match self {
            // The client comes again, slower and slower.
            Input::Socket { .. } => {}
            Input::Poll { reply, .. } | Input::Post { reply, .. } => {
                let _ = reply.send(answer);
            }
        }
    }
}

/// The answer to a request. Without one, perch is unavailable.
#[derive(Debug)]
pub(in crate::transport::sente) enum Answer {
    /// A frame.
    Frame(String),
    /// More than one client may send.
    TooMany,
    /// The request's token is not good for this client.
    Forbidden(&'static str),
}
