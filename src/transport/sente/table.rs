//! The clients of an endpoint, by the id that they bring.
//!
//! The table only knows the way to each client's task. A task takes itself out when it ends; a request that comes just then starts a new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tracing::Instrument;

use super::Endpoint;
use super::client::{self, Input};
use crate::live::LiveError;
use crate::transport::gate::Caller;

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

/// Hands an input to the client's task. A client that is not known is new when there is a caller to admit.
pub(super) async fn deliver(
    endpoint: &Arc<Endpoint>,
    id: &str,
    mut input: Input,
    new: Option<&Caller>,
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

/// The way to a client's task, which is started when it is not known and there is a caller to admit.
pub(super) fn open(endpoint: &Arc<Endpoint>, id: &str, new: Option<&Caller>) -> Result<mpsc::Sender<Input>, Refused> {
    let mut clients = endpoint.table.clients();
    if let Some(sender) = clients.get(id)
        && !sender.is_closed()
    {
        return Ok(sender.clone());
    }
    let caller = new.ok_or(Refused::Unknown)?;
    let place = endpoint.context.gate.admit(caller).map_err(|_| Refused::AddressFull)?;
    let session = endpoint.context.live.connect().map_err(|error: LiveError| {
        tracing::debug!(%error, "client refused");
        Refused::Full
    })?;
    let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
    let span = tracing::info_span!("sente", uid = %session.uid());
    clients.insert(id.into(), sender.clone());
    drop(clients);
    // The id is as good as a password: it is never logged; the session's name is.
    let run = client::run(Arc::clone(endpoint), id.into(), session, place, inbox);
    endpoint.context.tasks.spawn(run.instrument(span));
    Ok(sender)
}
