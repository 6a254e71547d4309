//! A session that waits for a match without a task.
//!
//! Most saved searches wait for their next match most of the time. Such a session is its queue in
//! the hub, and what makes a [`Session`] of it again.

use std::sync::{Arc, Weak};

use super::{ClientKey, Inner, Live, Requester, Session};
use crate::hub::{SessionQueue, Wake};
use crate::ids::Seq;
use crate::query::Query;

/// A session with one unnamed subscription. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct IdleSession {
    live: Arc<Inner>,
    client: ClientKey,
    queue: Arc<SessionQueue>,
    query: Query,
    /// Every match up to here was returned.
    returned: Seq,
    /// Whether a [`Session`] has the queue again.
    is_awake: bool,
}

impl IdleSession {
    /// The query of its subscription.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// Whether its client has every match that was offered so far.
    pub(crate) fn is_settled(&self) -> bool {
        self.queue.is_settled()
    }

    /// The session, which goes on where it was.
    pub(crate) fn wake(mut self) -> Session {
        self.is_awake = true;
        let requester = Requester { client: self.client.clone(), session: self.queue.uid().into() };
        let live = Live { inner: Arc::clone(&self.live), requester };
        Session::resumed(live, Arc::clone(&self.queue), self.query.clone(), self.returned)
    }
}

impl Drop for IdleSession {
    fn drop(&mut self) {
        if !self.is_awake {
            self.queue.unsettle();
            self.live.disconnect(self.queue.uid());
        }
    }
}

impl Session {
    /// Lets the session wait without a task. `wake` is told when there is something to take.
    ///
    /// # Errors
    ///
    /// The session itself, if it reads from the index, or has not exactly one subscription without
    /// a name.
    pub(crate) fn park(mut self: Box<Session>, wake: Weak<dyn Wake>) -> Result<IdleSession, Box<Session>> {
        let Some((query, returned)) = self.unnamed() else { return Err(self) };
        let idle = IdleSession {
            live: Arc::clone(&self.live().inner),
            client: self.live().requester.client.clone(),
            queue: Arc::clone(self.queue()),
            query,
            returned,
            is_awake: false,
        };
        self.leave_queue();
        idle.queue.park(wake);
        Ok(idle)
    }
}
