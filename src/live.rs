//! Live search: history and future as one result. The API that transports use.
//!
//! ```text
//! percolate(query) ──> watermark W ──┬── search(until W) ──> history
//!                                    └── session.next()  ──> everything after W
//! ```
//!
//! A registration lies between two tweets in the pipeline's loop, so its watermark is exact:
//! history up to W and pushes after W are disjoint and complete. A session that resumes or has
//! fallen behind reads from the index, with the same query, until it has passed every match that
//! the hub withheld. Then it is live again. A tweet reaches a client in these two ways only.
//!
//! A [`Session`] knows subscriptions and their events. A [`ClientSession`] is the session of a
//! client: it carries out commands within the client's rights and rates. Transports use the latter.

mod address_limit;
mod analysis;
mod authorization;
mod catch_up;
mod client_context;
mod client_event;
mod client_session;
mod command;
mod compiled_queries;
mod error;
mod estimate;
mod feed_page;
mod history;
mod idle_session;
mod publisher;
mod push_limiter;
mod query_input;
mod questions;
mod reads;
mod requester;
mod scheduler;
mod session;
mod session_slot;
mod subscribe_all;
mod suggest;
mod token_bucket;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::hub::SessionQueue;
pub(crate) use crate::hub::Wake;
pub use crate::hub::{
    ClientKey, CostOrder, Delivery, DeliveryKind, EncodedText, EncoderKey, GoneReason, QueryStats, QueueLimits,
    SubscriptionName,
};
use crate::ids::{Epoch, Seq, Uid};
use crate::index::{Index, IntakeError};
use crate::percolator::EngineKind;
use crate::pipeline::PipelineHandle;
use crate::telemetry;
pub use address_limit::{AddressLimit, AddressSlot};
pub(crate) use analysis::{MAX_TEXT_BYTES, MAX_TEXTS, TextTerm};
pub(crate) use authorization::{Authorization, unauthorized};
pub(crate) use client_context::ClientContext;
pub(crate) use client_event::{ClientEvent, CommandRef, CommandReply, Demand};
pub(crate) use client_session::{AdmissionError, ClientSession};
pub(crate) use command::{
    AggregateCommand, Command, PageCommand, PercolateCommand, Percolated, QuerySource, Reply, SearchCommand, Token,
};
use compiled_queries::CompiledQueries;
pub use compiled_queries::PreparedQuery;
pub(crate) use error::{ApiError, Code, ErrorLocation, shorten};
use estimate::SampleCache;
pub use estimate::{ESTIMATE_TWEETS, QueryEstimate};
pub use history::{Aggregate, AggregateRequest, SearchPage, SearchRequest, Sort};
pub(crate) use idle_session::IdleSession;
pub(crate) use publisher::{MAX_PUBLISHED_CHARS, PublishCommand, Published};
pub(crate) use push_limiter::Withheld;
pub(crate) use query_input::{QueryInput, QueryParserPool, QueryWarning, UseOf};
pub use questions::Stats;
pub use requester::{Requester, SessionKey};
use scheduler::Scheduler;
pub(crate) use session::SessionMonitor;
pub use session::{CloseReason, Event, Percolate, Registration, Session};
pub(crate) use session_slot::SessionSlot;
pub(crate) use suggest::{DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS, Suggestion, Suggestions};
pub(crate) use token_bucket::TokenBucket;

/// Why a request failed. Each variant has a stable code in the protocols.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// `limit`: a limit is reached.
    #[error("{0}")]
    Limit(String),
    /// `not_found`
    #[error("{0}")]
    NotFound(String),
    /// `unrecoverable`: the position is of another epoch, or the index no longer holds what follows
    /// it, or it was never reached.
    #[error("{message}")]
    Unrecoverable {
        /// The reason.
        message: String,
        /// The first position that a client can resume from.
        since: Seq,
    },
    /// `unavailable`: the index can't be read, or perch is shutting down.
    #[error("{0}")]
    Unavailable(String),
}

/// The limits of sessions and searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLimits {
    /// Open sessions.
    pub max_sessions: usize,
    /// Subscriptions of one session.
    pub max_subscriptions: usize,
    /// The queue of one session.
    pub queue: QueueLimits,
    /// Searches and catch-up reads that run at one time.
    pub max_searches: usize,
    /// Searches of one client that may wait for a slot.
    pub max_waiting_searches: usize,
    /// The longest time of a search, including its wait for a slot.
    pub search_timeout: Duration,
}

/// A handle for one client's requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    inner: Arc<Inner>,
    requester: Requester,
}

#[derive(Debug)]
struct Inner {
    index: Index,
    pipeline: PipelineHandle,
    limits: LiveLimits,
    /// A permit for each session that may still be opened. Closed at the shutdown.
    sessions: Arc<Semaphore>,
    /// Shares the search slots between clients.
    searches: Scheduler,
    /// One permit: the loop is asked about one tweet at a time.
    matching: Semaphore,
    /// The queues of all sessions, to be closed at the shutdown.
    queues: Mutex<HashMap<Uid, Arc<SessionQueue>>>,
    /// Sessions that are kept for clients that are away.
    away: AtomicU64,
    /// The sample that estimates are made from.
    sample: SampleCache,
    /// The compiled queries of sessions that are behind.
    compiled_queries: CompiledQueries,
}

impl Inner {
    fn disconnect(&self, uid: Uid) {
        self.queues().remove(&uid);
        self.pipeline.disconnects.push(uid);
        telemetry::sessions(self.session_count());
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Uid, Arc<SessionQueue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session_count(&self) -> usize {
        self.limits.max_sessions - self.sessions.available_permits()
    }
}

impl Live {
    pub(crate) fn new(index: Index, pipeline: PipelineHandle, limits: LiveLimits, engine: EngineKind) -> Live {
        let sessions = Arc::new(Semaphore::new(limits.max_sessions));
        let searches = Scheduler::new(limits.max_searches, limits.max_waiting_searches, telemetry::searches_scheduled);
        Live {
            inner: Arc::new(Inner {
                index,
                pipeline,
                limits,
                sessions,
                searches,
                matching: Semaphore::new(1),
                queues: Mutex::default(),
                away: AtomicU64::new(0),
                sample: SampleCache::new(engine),
                compiled_queries: CompiledQueries::default(),
            }),
            requester: Requester::server(),
        }
    }

    /// A handle for the requests of this client, and for the sessions that it opens.
    #[must_use]
    pub fn on_behalf_of(&self, requester: Requester) -> Live {
        Live { inner: Arc::clone(&self.inner), requester }
    }

    /// The client whose requests it makes.
    #[must_use]
    pub fn requester(&self) -> &Requester {
        &self.requester
    }

    /// Opens a session.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`] if there are too many, [`LiveError::Unavailable`] during a shutdown.
    pub fn connect(&self) -> Result<Session, LiveError> {
        let mut session = self.connect_unadmitted();
        session.admit()?;
        Ok(session)
    }

    /// Opens a session for a client that has not authenticated yet. The session must not register
    /// anything before [`Session::admit`], and counts among the sessions from then on.
    #[must_use]
    pub fn connect_unadmitted(&self) -> Session {
        let queue = Arc::new(SessionQueue::new(Uid::random(), self.inner.limits.queue));
        self.queues().insert(queue.uid(), Arc::clone(&queue));
        if self.inner.sessions.is_closed() {
            queue.close();
        }
        let requester = Requester { client: self.requester.client.clone(), session: queue.uid().into() };
        Session::new(self.on_behalf_of(requester), queue)
    }

    /// A permit for a session.
    fn session_permit(&self) -> Result<OwnedSemaphorePermit, LiveError> {
        Arc::clone(&self.inner.sessions).try_acquire_owned().map_err(|error| match error {
            TryAcquireError::Closed => LiveError::Unavailable("perch is shutting down".to_owned()),
            TryAcquireError::NoPermits => {
                telemetry::turned_away("sessions");
                LiveError::Limit(format!("all {} sessions are taken", self.inner.limits.max_sessions))
            }
        })
    }

    /// Ends every session after the deliveries in its queue.
    pub(crate) fn close(&self) {
        self.inner.sessions.close();
        for queue in self.queues().values() {
            queue.close();
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Uid, Arc<SessionQueue>>> {
        self.inner.queues()
    }

    fn session_count(&self) -> usize {
        self.inner.session_count()
    }

    /// Whether the index can store tweets at this moment.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub(crate) async fn check_room(&self) -> Result<(), IntakeError> {
        let index = self.inner.index.clone();
        let check = tokio::task::spawn_blocking(move || index.check_room());
        check.await.unwrap_or_else(|panic| Err(IntakeError::Failed(panic.to_string())))
    }

    /// Problems of an index that can still be read and written, as public texts.
    pub(crate) fn index_problems(&self) -> Vec<String> {
        self.inner.index.problems()
    }

    /// The number of connected clients: open sessions without those of clients that are away.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        (self.session_count() as u64).saturating_sub(self.inner.away.load(Ordering::Relaxed))
    }

    /// The epoch of the index.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.inner.index.epoch()
    }

    /// The seq of the newest tweet that was percolated.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.inner.pipeline.position.seq()
    }

    /// The seq up to which every match was offered to the sessions.
    pub(crate) fn offered(&self) -> Seq {
        self.inner.pipeline.position.offered()
    }

    /// The limits of sessions and searches.
    #[must_use]
    pub fn limits(&self) -> &LiveLimits {
        &self.inner.limits
    }
}

#[cfg(test)]
mod tests;
