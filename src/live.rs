//! Live search: register, watermark, history, live, catch up. What transports talk to.
//!
//! ```text
//! percolate(query) ──> watermark W      search(until W) ──> history      session.next() ──> everything after W
//! ```
//!
//! A registration lies between two tweets in the pipeline's loop, so its watermark is exact: history up to W and pushes after W are
//! disjoint and leave nothing out. A session that comes back, or has fallen behind, is fed from the index by the same query until
//! it has passed what the hub kept back; then it is live again. There is no third way for a tweet to reach a client.

mod catch_up;
mod compiled;
mod price;
mod requester;
mod scheduler;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::coop;
use crate::explain::tweet::{Explained, Explainer};
pub use crate::hub::ClientKey;
use crate::hub::{self, CostOrder, Matching, SessionQueue};
pub use crate::hub::{Delivery, Name, QueueLimits};
use crate::ids::{Epoch, QueryId, Seq, Uid};
use crate::index::{Hit, Index, IntakeError, OverTime, PageRequest, Search, SearchError, TopTerms, View};
use crate::matcher::Matcher;
use crate::percolator::EngineKind;
use crate::pipeline::{Control, Handle};
use crate::query::Query;
use crate::schema::{FieldId, Kind, Schema};
use crate::telemetry;
use crate::tweet::AnalyzedTweet;
use compiled::CompiledQueries;
use price::KeptSample;
pub use price::{Price, SAMPLE};
pub use requester::{Requester, SessionKey};
pub(crate) use scheduler::Scheduler;
pub use session::Session;

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
        /// The first position that can be resumed from.
        since: Seq,
    },
    /// `unavailable`: the index can't be read, or perch is shutting down.
    #[error("{0}")]
    Unavailable(String),
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
    pub name: Name,
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

/// A question of how what matches is spread.
#[derive(Clone, Debug)]
pub struct AggregateRequest {
    /// What to count.
    pub query: Query,
    /// By which field: a date, or one of words or keywords.
    pub by: FieldId,
    /// How many buckets at most.
    pub n: usize,
    /// Only what arrived up to here.
    pub until_seq: Option<Seq>,
}

/// How what matches is spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// By a date.
    OverTime(OverTime),
    /// By words or keywords.
    TopTerms(TopTerms),
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

/// How much sessions may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLimits {
    /// Open sessions.
    pub max_sessions: usize,
    /// Subscriptions of one session.
    pub max_subscriptions: usize,
    /// What may wait for one session.
    pub queue: QueueLimits,
    /// Searches and catch-up reads that run at once; others wait.
    pub max_searches: usize,
    /// Searches of one client that may wait.
    pub max_waiting_searches: usize,
    /// How long a search may take, its wait for a turn included.
    pub search_timeout: std::time::Duration,
}

/// The handle for everything that clients want, on behalf of one of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    inner: Arc<Inner>,
    requester: Requester,
}

#[derive(Debug)]
struct Inner {
    index: Index,
    pipeline: Handle,
    limits: LiveLimits,
    /// One permit for each session that may still be opened.
    sessions: Arc<Semaphore>,
    /// Whose search runs, and whose is next.
    searches: Scheduler,
    /// For the one tweet that the loop may be asked about.
    matching: Semaphore,
    queues: std::sync::Mutex<std::collections::HashMap<Uid, Arc<SessionQueue>>>,
    /// How many sessions are kept for clients that are away.
    away: AtomicU64,
    /// The newest tweets as of a moment ago, for prices.
    sample: KeptSample,
    /// What sessions that are behind read the index with.
    compiled: CompiledQueries,
}

impl Live {
    pub(crate) fn new(index: Index, pipeline: Handle, limits: LiveLimits, engine: EngineKind) -> Live {
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
                queues: std::sync::Mutex::default(),
                away: AtomicU64::new(0),
                sample: KeptSample::new(engine),
                compiled: CompiledQueries::default(),
            }),
            requester: Requester::server(),
        }
    }

    /// The same for this client: what it asks is done in its share, and so is what sessions do that it opens.
    #[must_use]
    pub fn on_behalf_of(&self, requester: Requester) -> Live {
        Live { inner: Arc::clone(&self.inner), requester }
    }

    /// For whom it is.
    #[must_use]
    pub fn requester(&self) -> &Requester {
        &self.requester
    }

    /// Opens a session.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`] when there are too many.
    pub fn connect(&self) -> Result<Session, LiveError> {
        let mut session = self.connect_unadmitted();
        session.admit()?;
        Ok(session)
    }

    /// Opens a session for a client that has yet to say who it is. It counts among the sessions
    /// from [`Session::admit`] on, and must not register anything before.
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

    /// One of the places for sessions.
    fn session_permit(&self) -> Result<OwnedSemaphorePermit, LiveError> {
        Arc::clone(&self.inner.sessions).try_acquire_owned().map_err(|error| match error {
            TryAcquireError::Closed => LiveError::Unavailable("perch is shutting down".to_owned()),
            TryAcquireError::NoPermits => {
                telemetry::turned_away("sessions");
                LiveError::Limit(format!("all {} sessions are taken", self.inner.limits.max_sessions))
            }
        })
    }

    /// Ends every session once what waits for it is taken.
    pub(crate) fn close(&self) {
        self.inner.sessions.close();
        for queue in self.queues().values() {
            queue.close();
        }
    }

    fn disconnect(&self, uid: Uid) {
        self.queues().remove(&uid);
        self.inner.pipeline.departures.push(uid);
        telemetry::sessions(self.session_count());
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<Uid, Arc<SessionQueue>>> {
        self.inner.queues.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn session_count(&self) -> usize {
        self.inner.limits.max_sessions - self.inner.sessions.available_permits()
    }

    /// A page of history. Runs on a blocking thread; how many run at once is bounded.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn search(&self, request: SearchRequest) -> Result<SearchPage, LiveError> {
        self.read_in_time(move |view| {
            let started = Instant::now();
            let search = Search::new(request.query.ast());
            let page = view.page(
                &search,
                &PageRequest {
                    n: request.n,
                    from: request.from,
                    before_id: request.before_id,
                    until_seq: request.until_seq,
                    oldest_first: request.sort == Sort::Oldest,
                },
            )?;
            telemetry::searched(started.elapsed());
            Ok(SearchPage { hits: page.hits, total: page.total, next: page.next })
        })
        .await
    }

    /// How what matches is spread. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn aggregate(&self, request: AggregateRequest) -> Result<Aggregate, LiveError> {
        self.read_in_time(move |view| {
            let started = Instant::now();
            let AggregateRequest { query, by, n, until_seq } = request;
            let search = Search::new(query.ast());
            let aggregate = if Schema::tweet().field(by).kind == Kind::Date {
                Aggregate::OverTime(view.over_time(&search, by, until_seq, n)?)
            } else {
                Aggregate::TopTerms(view.top_terms(&search, by, until_seq, n)?)
            };
            telemetry::searched(started.elapsed());
            Ok(aggregate)
        })
        .await
    }

    /// One tweet.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`], [`LiveError::Unavailable`].
    pub async fn tweet(&self, id: u64) -> Result<Hit, LiveError> {
        let hit = self.read_in_time(move |view| view.get(id)).await?;
        hit.ok_or_else(|| LiveError::NotFound(format!("there is no tweet {id}")))
    }

    /// Which registered queries match this tweet, by id. Indexes nothing. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn matching(&self, tweet: Arc<AnalyzedTweet>) -> Result<Vec<Query>, LiveError> {
        // It costs the loop as much as a tweet, so whoever asks waits for the one before.
        let one = self.inner.matching.acquire().await;
        let asked = Arc::clone(&tweet);
        let Matching { mut found, undecided } = self.ask(|reply| Control::Matching { tweet: asked, reply }).await?;
        drop(one);
        if undecided.is_empty() {
            return Ok(found);
        }
        // What costs more is decided beside the loop.
        self.read_in_time(move |_| {
            for query in undecided {
                coop::check()?;
                if Matcher::new(query.ast()).matches(&tweet.doc) {
                    found.push(query);
                }
            }
            found.sort_unstable_by_key(Query::id);
            found.dedup_by_key(|query| query.id());
            Ok(found)
        })
        .await
    }

    /// Why a stored tweet matches a query, or why not. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`], [`LiveError::Unavailable`].
    pub async fn explain(&self, query: Query, id: u64) -> Result<Explained, LiveError> {
        let found = self.read_in_time(move |view| {
            let hit = view.get(id)?;
            Ok(hit.map(|hit| explained(&hit.json, [&query]).pop()))
        });
        match found.await? {
            None => Err(LiveError::NotFound(format!("there is no tweet {id}"))),
            Some(Some(explained)) => Ok(explained),
            Some(None) => Err(LiveError::Unavailable(format!("the stored tweet {id} can't be read"))),
        }
    }

    /// Why a tweet matches these queries. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn explain_all(
        &self,
        tweet: Arc<AnalyzedTweet>,
        queries: Vec<Query>,
    ) -> Result<Vec<Explained>, LiveError> {
        self.read_in_time(move |_| Ok(explained(&tweet.json, &queries))).await
    }

    /// The registered queries that come first in an order, at most `n`, and what they cost and bring. The loop is not asked.
    /// Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn registered(&self, order: CostOrder, n: usize) -> Result<Vec<hub::Registered>, LiveError> {
        let catalog = Arc::clone(&self.inner.pipeline.catalog);
        self.read_in_time(move |_| Ok(catalog.first(order, n))).await
    }

    /// How many queries are registered.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.inner.pipeline.position.queries()
    }

    /// What a query costs and brings, judged by the newest tweets. The loop is not asked. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn price(&self, query: Query) -> Result<Price, LiveError> {
        let inner = Arc::clone(&self.inner);
        self.read_in_time(move |view| {
            let sample = inner.sample.get_or_take(&view)?;
            sample.price(query.ast())
        })
        .await
    }

    /// Counts of the present moment.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn stats(&self) -> Result<Stats, LiveError> {
        let index_bytes = self.inner.index.stats().size_bytes;
        let tweets = self.read_in_time(|view| view.count()).await?;
        Ok(Stats {
            tweets,
            sessions: self.sessions(),
            queries: self.inner.pipeline.position.queries(),
            seq: self.seq(),
            index_bytes,
        })
    }

    /// Whether tweets could be kept at the moment.
    ///
    /// # Errors
    ///
    /// Why they could not.
    pub(crate) async fn check_room(&self) -> Result<(), IntakeError> {
        let index = self.inner.index.clone();
        let look = tokio::task::spawn_blocking(move || index.check_room());
        look.await.unwrap_or_else(|panic| Err(IntakeError::Failed(panic.to_string())))
    }

    /// What is wrong with the index although it is read and written, in words for everybody. Empty when nothing is.
    pub(crate) fn index_problems(&self) -> Vec<String> {
        self.inner.index.problems()
    }

    /// How many clients are connected: open sessions, but for those that are kept for a client that is away.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        (self.session_count() as u64).saturating_sub(self.inner.away.load(Ordering::Relaxed))
    }

    /// The life of the index.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.inner.index.epoch()
    }

    /// The position of the newest tweet.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.inner.pipeline.position.seq()
    }

    /// What sessions may take.
    #[must_use]
    pub fn limits(&self) -> &LiveLimits {
        &self.inner.limits
    }

    /// Asks the pipeline's loop.
    async fn ask<T>(&self, control: impl FnOnce(oneshot::Sender<T>) -> Control) -> Result<T, LiveError> {
        let gone = || LiveError::Unavailable("perch is shutting down".to_owned());
        let (reply, answer) = oneshot::channel();
        self.inner.pipeline.control.send(control(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// Reads the index for somebody who waits for the answer, but only so long. The read stops when the time is up, or when the
    /// future is dropped.
    async fn read_in_time<T: Send + 'static>(
        &self,
        read: impl FnOnce(View) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, LiveError> {
        let limit = self.inner.limits.search_timeout;
        let read = self.schedule(true, read);
        tokio::time::timeout(limit, read).await.unwrap_or_else(|_| {
            telemetry::turned_away("search_timeout");
            Err(LiveError::Unavailable(format!("the search took longer than {} ms", limit.as_millis())))
        })
    }

    /// Reads the index for a session, which has one such read under way at most.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(View) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, LiveError> {
        self.schedule(false, read).await
    }

    /// Reads the index, as it is then, when it is the requester's turn. The read stops when the future is dropped.
    async fn schedule<T: Send + 'static>(
        &self,
        is_counted: bool,
        read: impl FnOnce(View) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, LiveError> {
        let (ticket, turn) = self.inner.searches.enqueue(&self.requester, is_counted).map_err(|_full| {
            telemetry::turned_away("searches");
            let max = self.inner.limits.max_waiting_searches;
            LiveError::Limit(format!("{max} searches of this client wait already; wait for an answer"))
        })?;
        let index = self.inner.index.clone();
        // In a task of its own: a session is left alone while its client takes nothing, and a slot that came to it then would be
        // lost to all others.
        let read = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut slot = turn.await.ok()?;
            let work = move || coop::supervise(move || slot.should_stop(), || read(index.view()));
            Some(tokio::task::spawn_blocking(work).await)
        }));
        let read = match read.await {
            Ok(Some(read)) => read,
            Ok(None) => Ok(Err(coop::Stopped)),
            Err(panic) => Err(panic),
        };
        drop(ticket);
        match read {
            Ok(Ok(Ok(found))) => Ok(found),
            Ok(Err(coop::Stopped) | Ok(Err(SearchError::Stopped(_)))) => {
                Err(LiveError::Unavailable("the search was stopped".to_owned()))
            }
            Ok(Ok(Err(error @ SearchError::Tweet(_)))) => Err(LiveError::Unavailable(error.to_string())),
            Ok(Ok(Err(error))) => {
                self.inner.index.search_failed(&error);
                Err(LiveError::Unavailable("the index can't be read".to_owned()))
            }
            Err(panic) => {
                tracing::error!(error = %panic, "a search failed");
                Err(LiveError::Unavailable("the search failed".to_owned()))
            }
        }
    }
}

/// What is to be said of each query and a tweet as it is stored; nothing when it can't be read, which a stored tweet always can.
fn explained<'a>(json: &str, queries: impl IntoIterator<Item = &'a Query>) -> Vec<Explained> {
    let tweet = crate::tweet::read(json.as_bytes()).ok().and_then(|mut tweets| tweets.pop());
    let Some(tweet) = tweet else { return Vec::new() };
    let explainer = Explainer::new(&tweet);
    queries.into_iter().take_while(|_| !coop::stopped_now()).map(|query| explainer.explain(query)).collect()
}

#[cfg(test)]
mod tests;
