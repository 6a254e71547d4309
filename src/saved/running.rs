//! Deliveries: how they start, wait without a task, get one for a match, and stop.
//!
//! ```text
//! start ──> idle: a session in the hub ──match──> wake list ──> task ──10 s without one──> idle
//! ```
//!
//! A delivery that waits is a [`Status`] with its session. The receiver is read from the file when
//! a match comes, so that it takes no memory until then.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::delivery::RunningDelivery;
use super::delivery_id::DeliveryId;
use super::pacing::{PacingState, millis};
use super::receivers::Destination;
use super::registry::Registry;
use super::spec::StoredSearch;
use super::status::Status;
use super::store::{Change, Position};
use super::worker::{Worker, park};
use crate::live::Session;
use crate::query::Query;

/// When a file that can't be read is read again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// A delivery that is about to start.
pub(super) struct Start {
    pub(super) id: DeliveryId,
    pub(super) position: Position,
    /// The pacing that is stored.
    pub(super) pacing: Option<PacingState>,
    pub(super) destination: Destination,
    pub(super) session: Option<Box<Session>>,
    pub(super) is_paused: bool,
}

/// What became of a delivery whose match has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// It has a task, or needs none.
    Done,
    /// A change of its search is under way, or it is gone.
    Changing,
    /// The file can't be read now.
    Unreadable,
}

/// Gives tasks to deliveries whose matches have come.
pub(super) async fn wake_deliveries(registry: Weak<Registry>) {
    let Some(wake_list) = registry.upgrade().map(|registry| Arc::clone(&registry.wake_list)) else { return };
    loop {
        wake_list.ready().await;
        let Some(registry) = registry.upgrade() else { return };
        let woken = wake_list.take();
        // The file is read, which may block.
        let woken = tokio::task::spawn_blocking(move || {
            for status in woken {
                if registry.wake(&status) != Woken::Done {
                    tokio::spawn(Arc::clone(&registry).wake_in_turn(status));
                }
            }
        });
        let _ = woken.await;
    }
}

impl Registry {
    /// Starts a delivery, unless its search is paused.
    pub(super) fn start(
        self: &Arc<Registry>,
        name: &Arc<str>,
        owner: &Arc<str>,
        query: &Query,
        start: Start,
    ) -> RunningDelivery {
        let Start { id, position, pacing, destination, session, is_paused } = start;
        let status = self.status(id, name, position, pacing);
        if is_paused {
            return RunningDelivery { status, task: None };
        }
        if destination.pacing.is_some() && pacing.is_none() {
            // Its first digest is of what comes from now on.
            let state = PacingState::new(millis(Timestamp::now()));
            status.lock().pacing = Some(Box::new(state));
            self.store.note(Change::MovePaced(id, position, state));
        }
        let session = match session {
            Some(session) if destination.pacing.is_none() => match park(&status, session) {
                Ok(()) => return RunningDelivery { status, task: None },
                Err(session) => Some(session),
            },
            session => session,
        };
        let task = self.spawn(&status, owner, query, destination, session);
        RunningDelivery { status, task: Some(task) }
    }

    pub(super) fn status(
        &self,
        id: DeliveryId,
        name: &Arc<str>,
        position: Position,
        pacing: Option<PacingState>,
    ) -> Arc<Status> {
        Arc::new(Status::new(id, Arc::clone(name), position, pacing, Arc::clone(&self.wake_list)))
    }

    fn spawn(
        self: &Arc<Registry>,
        status: &Arc<Status>,
        owner: &Arc<str>,
        query: &Query,
        destination: Destination,
        session: Option<Box<Session>>,
    ) -> AbortOnDropHandle<()> {
        let (registry, of) = (Arc::downgrade(self), Arc::clone(status));
        let pause = move |reason| {
            if let Some(registry) = registry.upgrade() {
                let of = Arc::clone(&of);
                // Spawned, because pausing ends the task of the delivery.
                tokio::spawn(async move { registry.pause(&of.search, of.id, reason).await });
            }
        };
        let worker = Worker {
            id: status.id,
            search: Arc::clone(&status.search),
            query: query.clone(),
            receiver: destination.receiver.into(),
            pacing: destination.pacing.map(Box::new),
            digests: Arc::clone(&self.digests),
            live: self.live_of(owner),
            store: self.store.clone(),
            client: Arc::clone(&self.client),
            give_up: self.give_up,
            status: Arc::clone(status),
            pause: Box::new(pause),
            floor: Arc::clone(&self.floor),
            failures: 0,
        };
        AbortOnDropHandle::new(tokio::spawn(worker.run(session)))
    }

    /// Gives a delivery a task, if it waits for a match.
    fn wake(self: &Arc<Registry>, status: &Arc<Status>) -> Woken {
        let search = match self.store.search(&status.search) {
            Ok(Some(search)) => search,
            Ok(None) => return Woken::Changing,
            Err(error) => {
                tracing::error!(search = &*status.search, error = format!("{error:#}"), "a saved search can't be read");
                return Woken::Unreadable;
            }
        };
        let mut entries = self.entries();
        let Some(entry) = entries.by_name.get_mut(&status.search) else { return Woken::Changing };
        let owner = Arc::clone(&entry.owner);
        let delivery = entry.deliveries.iter_mut().find(|it| Arc::ptr_eq(&it.status, status));
        let Some(delivery) = delivery.filter(|_| search.revision == entry.revision) else { return Woken::Changing };
        let Some(idle) = status.lock().take_idle() else { return Woken::Done };
        match destination_of(&search, status.id) {
            Ok(destination) => {
                let query = idle.query().clone();
                let session = Some(Box::new(idle.wake()));
                delivery.task = Some(self.spawn(status, &owner, &query, destination, session));
            }
            Err(reason) => delivery.fail(&reason),
        }
        Woken::Done
    }

    /// The same when no change of its search is under way, and the file can be read.
    async fn wake_in_turn(self: Arc<Registry>, status: Arc<Status>) {
        loop {
            let turn = self.turn(&status.search).await;
            let (registry, of) = (Arc::clone(&self), Arc::clone(&status));
            let woken = tokio::task::spawn_blocking(move || registry.wake(&of)).await;
            drop(turn);
            match woken {
                Ok(Woken::Unreadable) => sleep(READ_AGAIN).await,
                // What still looks like a change is gone.
                Ok(Woken::Done | Woken::Changing) | Err(_) => return,
            }
        }
    }
}

fn destination_of(search: &StoredSearch, id: DeliveryId) -> Result<Destination, String> {
    let destinations = search.spec.destinations().map_err(|error| error.message)?;
    let of_id = std::iter::zip(&search.deliveries, destinations).find(|(of, _)| **of == id);
    of_id.map(|(_, destination)| destination).ok_or_else(|| "the search has no such receiver".to_owned())
}
