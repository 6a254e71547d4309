//! The inputs that requests send to a client's task, and the answers to them.

use std::sync::Arc;

use axum::extract::ws::WebSocket;
use perch_sente::frame::Format;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ClientTask;
use crate::auth::AccessToken;
use crate::live::{AddressSlot, Code};
use crate::telemetry;
use crate::transport::Progress;
use crate::transport::response_budget::ResponseSlot;

/// An input to a client's task.
pub(in crate::transport::sente) enum Input {
    /// A socket that the client has opened.
    Socket {
        socket: Box<WebSocket>,
        /// The connection's slot, where a proxy's connections carry many clients.
        address_slot: Option<Arc<AddressSlot>>,
        /// How many bytes the connection has taken.
        progress: Progress,
        /// The format for a client that has sent nothing yet.
        format: Format,
        /// Whether the client may publish without a token.
        is_trusted: bool,
        /// The token of the request's head.
        access_token: Option<AccessToken>,
    },
    /// A poll.
    Poll {
        wants_handshake: bool,
        format: Format,
        access_token: Option<AccessToken>,
        /// Where the task reserves room for the answer.
        slot: ResponseSlot,
        reply: oneshot::Sender<RequestAnswer>,
    },
    /// An event.
    Post { ppstr: String, is_trusted: bool, access_token: Option<AccessToken>, reply: oneshot::Sender<RequestAnswer> },
}

impl Input {
    pub(super) fn take_access_token(&mut self) -> Option<AccessToken> {
        match self {
            Input::Socket { access_token, .. }
            | Input::Poll { access_token, .. }
            | Input::Post { access_token, .. } => access_token.take(),
        }
    }

    /// Refuses the request.
    pub(super) fn refuse(self, answer: RequestAnswer) {
        match self {
            // The socket is dropped, and the client comes back with a growing delay.
            Input::Socket { .. } => {}
            Input::Poll { reply, .. } | Input::Post { reply, .. } => {
                let _ = reply.send(answer);
            }
        }
    }
}

/// The answer to a request. A request without one gets 503.
#[derive(Debug)]
pub(in crate::transport::sente) enum RequestAnswer {
    /// A frame.
    Frame(String),
    /// The client is above its rate.
    TooMany,
    /// The request's token is not valid for this client.
    Forbidden(String),
}

impl ClientTask {
    /// Handles an input, if the client is within its rate.
    pub(super) async fn input(&mut self, mut input: Input) {
        if !self.budget.take(Instant::now()) {
            return input.refuse(RequestAnswer::TooMany);
        }
        if let Some(access_token) = input.take_access_token() {
            match self.session.authenticate(access_token) {
                Ok(()) => self.restore().await,
                Err(error) if error.code == Code::Forbidden => {
                    telemetry::turned_away("token");
                    return input.refuse(RequestAnswer::Forbidden(error.message));
                }
                Err(_) => return input.refuse(RequestAnswer::TooMany),
            }
        }
        match input {
            Input::Socket { socket, address_slot, progress, format, is_trusted, .. } => {
                self.attach_socket((socket, address_slot), progress, format, is_trusted);
            }
            Input::Poll { wants_handshake, format, slot, reply, .. } => {
                self.attach_poll(wants_handshake, format, slot, reply);
            }
            Input::Post { ppstr, is_trusted, reply, .. } => self.post(&ppstr, is_trusted, reply),
        }
    }
}
