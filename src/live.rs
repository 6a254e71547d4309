//! Live search: register, watermark, history, live, catch up. What transports talk to.

use std::sync::Arc;

use crate::ids::{Epoch, QueryId, Seq, Uid};
use crate::index::Hit;
use crate::query::Query;

/// What a client asked for that can't be had; each has a stable code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// `limit`: too many subscriptions, sessions, …
    #[error("{0}")]
    Limit(String),
    /// `not_found`
    #[error("{0}")]
    NotFound(String),
    /// `unrecoverable`: the position belongs to another epoch, or lies before what the index holds or after what was sent.
    #[error("{message}")]
    Unrecoverable {
        /// Why.
        message: String,
        /// The first position that can be had.
        first_seq: Seq,
    },
    /// `unavailable`: the index can't be read, or perch is shutting down.
    #[error("{0}")]
    Unavailable(String),
}

/// A tweet for one session: shared by all sessions that get it under the same names.
#[derive(Debug)]
pub struct Delivery {
    /// The tweet.
    pub hit: Hit,
    /// The names of the subscriptions that it matches, sorted; `None` is the unnamed one.
    pub names: Arc<[Option<Arc<str>>]>,
    /// The frame of `/ws`, encoded by the first session that needs it and shared.
    pub frame: std::sync::OnceLock<axum::extract::ws::Utf8Bytes>,
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// A tweet matches.
    Tweet(Arc<Delivery>),
    /// The session has fallen behind, or resumes, and is fed from the index from here on.
    CatchingUp {
        /// Everything up to this position was sent.
        from: Seq,
    },
    /// The session is live again.
    Live {
        /// Everything up to this position was sent.
        seq: Seq,
    },
    /// The session is over.
    Closed(CloseReason),
}

/// Why the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// perch is shutting down: come back.
    ShuttingDown,
    /// The index could not be read for it.
    Failed,
}

/// A request to register.
#[derive(Clone, Debug)]
pub struct Percolate {
    /// What to match.
    pub query: Query,
    /// The client's name for it; `None` replaces the unnamed subscription.
    pub name: Option<Arc<str>>,
    /// Send what came after this position first.
    pub since: Option<Seq>,
    /// The epoch that `since` belongs to. With `since` and no epoch, the present one is meant.
    pub epoch: Option<Epoch>,
}

/// The answer to [`Percolate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Of the query.
    pub query_id: QueryId,
    /// The watermark: tweets up to it are history, later ones are pushed.
    pub seq: Seq,
}

/// How to sort history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Highest id first.
    #[default]
    Newest,
    /// Lowest id first.
    Oldest,
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// What to find.
    pub query: Query,
    /// How many at most.
    pub n: usize,
    /// How many to skip.
    pub from: usize,
    /// Only tweets on the far side of this id: lower with [`Sort::Newest`], higher with [`Sort::Oldest`].
    pub before_id: Option<u64>,
    /// Only what arrived up to here.
    pub until_seq: Option<Seq>,
    /// The order.
    pub sort: Sort,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// The tweets, in order.
    pub hits: Vec<Hit>,
    /// How many match in all, on any page.
    pub total: u64,
    /// The `before_id` of the next page; `None` when this is the last.
    pub next: Option<u64>,
}

/// The handle for everything that clients want. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {}

impl Live {
    /// Opens a session.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`] when there are too many.
    pub fn connect(&self) -> Result<Session, LiveError> {
        todo!()
    }

    /// A page of history. Runs on a blocking thread; how many run at once is bounded.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn search(&self, request: SearchRequest) -> Result<SearchPage, LiveError> {
        let _ = request;
        todo!()
    }

    /// One tweet.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`], [`LiveError::Unavailable`].
    pub async fn tweet(&self, id: u64) -> Result<Hit, LiveError> {
        let _ = id;
        todo!()
    }

    /// Which registered queries match this tweet: id and canonical form. Indexes nothing.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn matching(&self, tweet: Arc<crate::tweet::Prepared>) -> Result<Vec<(QueryId, Arc<str>)>, LiveError> {
        let _ = tweet;
        todo!()
    }

    /// Counts of the present moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// The life of the index.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        todo!()
    }

    /// The position of the newest tweet.
    #[must_use]
    pub fn seq(&self) -> Seq {
        todo!()
    }
}

/// Counts of the present moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Tweets that a search for everything would find.
    pub tweets: u64,
    /// Open sessions.
    pub sessions: u64,
    /// Registered queries.
    pub queries: u64,
    /// The newest tweet.
    pub seq: Seq,
    /// Bytes of the index on disk.
    pub index_bytes: u64,
}

/// One client's session. Ends when it is dropped: its subscriptions are removed.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// The session's name.
    #[must_use]
    pub fn uid(&self) -> Uid {
        todo!()
    }

    /// Registers; what matches from the next tweet on comes out of [`Session::next`].
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unrecoverable`], [`LiveError::Unavailable`].
    pub async fn percolate(&mut self, request: Percolate) -> Result<Registered, LiveError> {
        let _ = request;
        todo!()
    }

    /// Ends a subscription. Nothing that matches only it comes out any more.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`] when there is none of that name.
    pub async fn unpercolate(&mut self, name: Option<&str>) -> Result<(), LiveError> {
        let _ = name;
        todo!()
    }

    /// Waits until something happens, then appends all that is ready, at least one event, to `events`.
    ///
    /// Cancel safe: what is not appended comes with the next call. Transports call it in a `select!` with their socket.
    pub async fn next(&mut self, events: &mut Vec<Event>) {
        let _ = events;
        todo!()
    }
}
