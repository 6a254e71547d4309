//! The clients of an endpoint, by their client-ids.
//!
//! The table holds the inbox of each client's task. A task removes itself when it ends. A request
//! that comes just then starts a new task.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tracing::Instrument;

use super::Endpoint;
use super::client::{self, Input};
use crate::auth::AccessToken;
use crate::live::AdmissionError;
use crate::transport::access::Client;

/// How many requests may wait for a client's task. When the inbox is full, the client's next
/// requests wait.
const INBOX_CAPACITY: usize = 16;

/// The inboxes of the clients' tasks.
#[derive(Debug, Default)]
pub(super) struct Table {
    clients: Mutex<HashMap<Box<str>, mpsc::Sender<Input>>>,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no such client.
    Unknown,
    /// The limit of sessions is reached, or perch is shutting down.
    Full,
    /// The limit of sessions of this address is reached.
    AddressFull,
    /// A new client must have a token in the head of its request, unless it opens a socket.
    NoToken,
}

impl Table {
    fn clients(&self) -> MutexGuard<'_, HashMap<Box<str>, mpsc::Sender<Input>>> {
        // A panic under the lock would leave the table whole.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a client whose task has closed its inbox. A task that has taken its place stays.
    pub(super) fn remove_closed(&self, id: &str) {
        let mut clients = self.clients();
        if clients.get(id).is_some_and(mpsc::Sender::is_closed) {
            clients.remove(id);
        }
    }
}

/// A request that may start a client's task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer<'a> {
    pub(super) client: &'a Client,
    /// Whether it has shown a token, or needs none.
    pub(super) is_known: bool,
    /// Whether it keeps a connection: only such a client may show its token later. Until then it
    /// counts as a connection, not as a session, so that clients without a token take no session of
    /// others.
    is_socket: bool,
    /// Whether it has a client-id to come back with.
    can_return: bool,
}

impl<'a> Newcomer<'a> {
    pub(super) fn new(
        endpoint: &Endpoint,
        client: &'a Client,
        access_token: Option<&AccessToken>,
        is_socket: bool,
        can_return: bool,
    ) -> Newcomer<'a> {
        Newcomer {
            client,
            is_known: access_token.is_some() || !endpoint.context.access.needs_token(),
            is_socket,
            can_return,
        }
    }
}

/// Sends an input to the client's task. Starts the task when there is none and a newcomer is given.
pub(super) async fn deliver(
    endpoint: &Arc<Endpoint>,
    id: &str,
    mut input: Input,
    new: Option<Newcomer<'_>>,
) -> Result<(), Refused> {
    loop {
        let sender = open(endpoint, id, new)?;
        match sender.send(input).await {
            Ok(()) => return Ok(()),
            // The task has just ended.
            Err(mpsc::error::SendError(unsent)) => input = unsent,
        }
    }
}

/// The inbox of the client's task. Starts the task when there is none and a newcomer is given.
pub(super) fn open(
    endpoint: &Arc<Endpoint>,
    id: &str,
    new: Option<Newcomer<'_>>,
) -> Result<mpsc::Sender<Input>, Refused> {
    let mut clients = endpoint.table.clients();
    if let Some(sender) = clients.get(id)
        && !sender.is_closed()
    {
        return Ok(sender.clone());
    }
    let Newcomer { client, is_known, is_socket, can_return } = new.ok_or(Refused::Unknown)?;
    // The first request with a token sets the subject.
    let mut session = endpoint.context.open_session(client, None, endpoint.options.searches);
    if is_known {
        session.admit().map_err(|error| {
            tracing::debug!(?error, "client refused");
            match error {
                AdmissionError::AddressFull(_) => Refused::AddressFull,
                AdmissionError::Refused(_) => Refused::Full,
            }
        })?;
    } else if !is_socket {
        return Err(Refused::NoToken);
    }
    let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
    let span = tracing::info_span!("sente", uid = %session.uid());
    clients.insert(id.into(), sender.clone());
    drop(clients);
    // A client-id works like a password, so the log has the session's uid instead.
    let run = client::run(Arc::clone(endpoint), (id.into(), can_return), session, inbox);
    endpoint.context.tasks.spawn(run.instrument(span));
    Ok(sender)
}
