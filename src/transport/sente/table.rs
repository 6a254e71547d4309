//! The clients of an endpoint, by the id that they bring.
//!
//! The table only knows the way to each client's task. A task takes itself out when it ends; a request that comes just then starts a new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tracing::Instrument;

use super::Endpoint;
use super::client::{self, Input};
use crate::auth::AccessToken;
use crate::live::LiveError;
use crate::transport::TransportContext;
use crate::transport::access::Caller;

/// How many requests may wait for a client's task. When it is full, the client's own next requests wait.
const INBOX_CAPACITY: usize = 16;

/// The way to each client's task.
#[derive(Debug, Default)]
pub(super) struct Table {
    clients: Mutex<HashMap<Box<str>, mpsc::Sender<Input>>>,
}

/// Why an input was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no such client.
    Unknown,
    /// There are as many sessions as there may be, or perch is shutting down.
    Full,
    /// There are as many sessions from this address as there may be.
    AddressFull,
    /// A new client needs a token in the head of its request, unless it opens a socket.
    Unknowable,
}

impl Table {
    fn clients(&self) -> MutexGuard<'_, HashMap<Box<str>, mpsc::Sender<Input>>> {
        // No code panics while it holds the lock; if it did, the table would still be whole.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a client out whose task has closed its inbox; one that has come in its place stays.
    pub(super) fn remove_closed(&self, id: &str) {
        let mut clients = self.clients();
        if clients.get(id).is_some_and(mpsc::Sender::is_closed) {
            clients.remove(id);
        }
    }
}

/// A request that may begin a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer<'a> {
    pub(super) caller: &'a Caller,
    /// Whether it has shown a token, or none is needed.
    pub(super) is_known: bool,
    /// Whether it keeps a connection: only such a client may say later who it is. Until then it is
    /// a connection and no session, so that whoever is known to nobody takes no place of others.
    is_socket: bool,
    /// Whether it has an id to come back with.
    can_return: bool,
}

impl<'a> Newcomer<'a> {
    pub(super) fn new(
        endpoint: &Endpoint,
        caller: &'a Caller,
        access_token: Option<&AccessToken>,
        is_socket: bool,
        can_return: bool,
    ) -> Newcomer<'a> {
        Newcomer {
            caller,
            is_known: access_token.is_some() || !endpoint.context.gate.needs_token(),
            is_socket,
            can_return,
        }
    }
}

/// Hands an input to the client's task. A client that is not known is new when there is a newcomer.
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

/// The way to a client's task, which is started when it is not known and there is a newcomer.
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
    let Newcomer { caller, is_known, is_socket, can_return } = new.ok_or(Refused::Unknown)?;
    let TransportContext { gate, .. } = &endpoint.context;
    let mut slot = gate.session_slot(caller);
    // Whom a token names is set by the first request that brings one.
    let mut session = endpoint.context.live_for(caller, None).connect_unadmitted();
    if is_known {
        slot.take().map_err(|_| Refused::AddressFull)?;
        session.admit().map_err(|error: LiveError| {
            tracing::debug!(%error, "client refused");
            Refused::Full
        })?;
    } else if !is_socket {
        return Err(Refused::Unknowable);
    }
    let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
    let span = tracing::info_span!("sente", uid = %session.uid());
    clients.insert(id.into(), sender.clone());
    drop(clients);
    // The id is as good as a password: it is never logged; the session's name is.
    let run = client::run(Arc::clone(endpoint), (id.into(), can_return), session, slot, inbox);
    endpoint.context.tasks.spawn(run.instrument(span));
    Ok(sender)
}
