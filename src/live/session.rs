//! A client's session: its subscriptions, and the events that come of them, in order.
//!
//! A session has two sources of tweets and never uses both at once: while it is live, the queue
//! that the hub fills; while it is behind, the index. `taken` and the cursors of the subscriptions
//! say what was returned. They move only when events are returned, so a call of [`Session::next`]
//! may be dropped at any time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;

use super::catch_up::{self, CatchUp, PageRead};
use super::compiled_queries::PreparedQuery;
use super::{ClientKey, Live, LiveError, Requester, SubscriptionName};
use crate::hub::{Delivery, RegistrationError, SessionQueue, TakeOutcome};
use crate::ids::{Epoch, QueryId, Seq, Uid};
use crate::pipeline::{Control, Subscribed};
use crate::query::Query;

/// An event of a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// A tweet that matches, or that matches no longer.
    Tweet(Arc<Delivery>),
    /// The session resumes or has fallen behind. The tweets that follow come from the index.
    CatchingUp {
        /// Every match up to this position was returned before.
        from: Seq,
    },
    /// The session is live again.
    Live {
        /// Every match up to this position was returned before.
        seq: Seq,
    },
    /// The session has ended.
    Closed(CloseReason),
}

/// Why perch ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// perch is shutting down: the client should reconnect.
    ShuttingDown,
    /// The index could not be read.
    Failed,
    /// The client's token has expired, or none came in time.
    Unauthorized,
}

/// A request for a subscription.
#[derive(Clone, Debug)]
pub struct Percolate {
    /// The query.
    pub query: Query,
    /// The name of the subscription. It replaces the session's subscription of that name.
    pub name: SubscriptionName,
    /// Return the matches after this position first.
    pub since: Option<Seq>,
    /// The epoch of `since`; `None` is the current one.
    pub epoch: Option<Epoch>,
}

/// The answer to [`Percolate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The id of the query.
    pub query_id: QueryId,
    /// The watermark: tweets up to it are history, later ones are pushed.
    pub seq: Seq,
}

/// The most events that one call of [`Session::next`] returns, so that the caller gets to its other
/// work.
const MAX_EVENTS_PER_CALL: usize = 256;

/// A buffer of deliveries with more capacity than this is released after use.
const KEPT_CAPACITY: usize = 16;

/// Tells whether the client of a session has everything.
#[derive(Clone, Debug)]
pub(crate) struct SessionMonitor(Arc<SessionQueue>);

impl SessionMonitor {
    /// Whether the client has every match that was offered so far.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.is_settled()
    }
}

/// A client's session. Dropping it ends it and removes its subscriptions.
#[derive(Debug)]
pub struct Session {
    live: Live,
    queue: Arc<SessionQueue>,
    /// The subscriptions, and the cursor of each. The hub has the same subscriptions by query.
    catch_up: CatchUp,
    /// Whether the session reads from the index.
    behind: bool,
    /// Whether [`Event::CatchingUp`] is due.
    announce: bool,
    /// While live: the seq of the last tweet that was returned.
    taken: Seq,
    /// The current read of the index. Kept here, so that it survives a dropped call of `next`.
    page_read: Option<PageRead>,
    /// Scratch of `next`.
    deliveries: Vec<Arc<Delivery>>,
    closed: bool,
    is_away: bool,
    /// Whether an [`IdleSession`](super::IdleSession) has its queue.
    has_left: bool,
    /// Its permit among the sessions; `None` until the session is admitted.
    permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    pub(super) fn new(live: Live, queue: Arc<SessionQueue>) -> Session {
        Session {
            live,
            queue,
            catch_up: CatchUp::default(),
            behind: false,
            announce: false,
            taken: Seq::ZERO,
            page_read: None,
            deliveries: Vec::new(),
            closed: false,
            is_away: false,
            has_left: false,
            permit: None,
        }
    }

    /// A session with an unnamed subscription that the hub has already. Its matches up to
    /// `returned` were returned.
    pub(super) fn resumed(live: Live, queue: Arc<SessionQueue>, query: Query, returned: Seq) -> Session {
        let mut session = Session::new(live, queue);
        session.taken = returned;
        session.catch_up.insert(None, query.into(), returned);
        session
    }

    /// The query of its subscription, and the seq up to which its matches were returned; `None` if
    /// the session reads from the index, or has not exactly one subscription without a name.
    pub(super) fn unnamed(&self) -> Option<(Query, Seq)> {
        let (name, query, cursor) = self.catch_up.only().filter(|_| !self.behind)?;
        name.is_none().then(|| (query.query().clone(), cursor.max(self.taken)))
    }

    /// Leaves its queue and its subscription to an [`IdleSession`](super::IdleSession).
    pub(super) fn leave_queue(&mut self) {
        self.has_left = true;
    }

    /// A handle for the session's searches.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Sets the client of the session, when it authenticates later.
    pub fn set_client(&mut self, client: ClientKey) {
        let requester = Requester { client, session: self.uid().into() };
        self.live = self.live.on_behalf_of(requester);
    }

    /// The uid of the session.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.queue.uid()
    }

    pub(super) fn queue(&self) -> &Arc<SessionQueue> {
        &self.queue
    }

    /// Counts the session among the open sessions, unless it is counted already.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`] if there are too many, [`LiveError::Unavailable`] during a shutdown.
    pub fn admit(&mut self) -> Result<(), LiveError> {
        if self.permit.is_none() {
            self.permit = Some(self.live.session_permit()?);
            crate::telemetry::sessions(self.live.session_count());
        }
        Ok(())
    }

    /// The number of its subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.catch_up.len()
    }

    /// Whether it has a subscription of this name.
    #[must_use]
    pub fn has_subscription(&self, name: &SubscriptionName) -> bool {
        self.catch_up.contains(name)
    }

    /// The query of this id, if a subscription has it. A search with it is compiled once.
    #[must_use]
    pub fn query(&self, id: QueryId) -> Option<&PreparedQuery> {
        self.catch_up.query(id)
    }

    /// Sets whether the client is away. A transport may keep the session of a client that it
    /// expects back. Matches wait in the queue, or are read from the index when the client is back.
    /// Clients that are away don't count as connected.
    pub fn set_away(&mut self, is_away: bool) {
        let is_away = is_away && self.permit.is_some();
        if self.is_away != is_away {
            self.is_away = is_away;
            let away = &self.live.inner.away;
            if is_away {
                away.fetch_add(1, Ordering::Relaxed)
            } else {
                away.fetch_sub(1, Ordering::Relaxed)
            };
        }
    }

    /// Registers a subscription. [`Session::next`] returns the matches from the next tweet on. With
    /// `since`, it first returns the matches after that position, in order.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unrecoverable`], [`LiveError::Unavailable`].
    pub async fn percolate(&mut self, request: Percolate) -> Result<Registration, LiveError> {
        let (name, since) = (request.name.clone(), request.since);
        let subscribed = self.begin_percolate(request)?.await?;
        Ok(self.end_percolate(name, since, subscribed))
    }

    /// Asks the pipeline's loop for a subscription. Until [`Session::end_percolate`] has got the
    /// answer, [`Session::next`] must not be called: the session would pass matches of the
    /// subscription that it does not know yet.
    pub(super) fn begin_percolate(
        &self,
        request: Percolate,
    ) -> Result<impl Future<Output = Result<Subscribed, LiveError>> + Send + use<>, LiveError> {
        let Percolate { query, name, since, epoch } = request;
        let max_subscriptions = self.live.limits().max_subscriptions;
        if !self.catch_up.contains(&name) && self.catch_up.len() >= max_subscriptions {
            return Err(LiveError::Limit(format!("a session holds at most {max_subscriptions} subscriptions")));
        }
        if let Some(since) = since {
            self.check_position(since, epoch)?;
        }
        let (live, queue) = (self.live.clone(), Arc::clone(&self.queue));
        let client = live.requester().client.clone();
        Ok(async move {
            let resume = since.is_some();
            let subscribe = |reply| Control::Subscribe { client, queue, name, query, resume, reply };
            live.ask(subscribe).await?.map_err(refused)
        })
    }

    /// Adds the subscription that the loop has registered.
    pub(super) fn end_percolate(
        &mut self,
        name: SubscriptionName,
        since: Option<Seq>,
        Subscribed { watermark: seq, query }: Subscribed,
    ) -> Registration {
        // The page was read for other subscriptions.
        self.page_read = None;
        if since.is_some() {
            self.fall_behind();
        }
        let query_id = query.id();
        let prepared = self.query(query_id).cloned().unwrap_or_else(|| query.into());
        self.catch_up.insert(name, prepared, since.unwrap_or(seq));
        Registration { query_id, seq }
    }

    /// Says that the client has no tweet from before the subscription that was just registered: it
    /// is told of no older tweet that is gone.
    pub(crate) fn begin_first(&mut self) {
        self.catch_up.begin_first();
    }

    fn check_position(&self, since: Seq, epoch: Option<Epoch>) -> Result<(), LiveError> {
        let first = self.live.inner.index.first_seq().before();
        let unrecoverable = |message: String| Err(LiveError::Unrecoverable { message, since: first });
        // While a batch is being percolated, a session may read tweets beyond the loop's position
        // from the index.
        let (ours, newest) = (self.live.epoch(), self.live.seq().max(self.live.inner.index.last_seq()));
        if let Some(theirs) = epoch.filter(|theirs| *theirs != ours) {
            return unrecoverable(format!("the position is of epoch {theirs}, this is epoch {ours}"));
        }
        if since > newest {
            return unrecoverable(format!("position {since} was never reached, the newest is {newest}"));
        }
        if since < first {
            return unrecoverable(format!("tweets up to position {first} are gone"));
        }
        Ok(())
    }

    /// Ends a subscription. Later events hold no match of it.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`] when there is none of that name.
    pub async fn unpercolate(&mut self, name: Option<&str>) -> Result<(), LiveError> {
        let name = name.map(Arc::from);
        let existed = self.begin_unpercolate(name.clone()).await?;
        self.end_unpercolate(&name, existed)
    }

    /// Asks the pipeline's loop to end a subscription. [`Session::next`] must not be called until
    /// [`Session::end_unpercolate`] has got the answer, whether there was one.
    pub(super) fn begin_unpercolate(
        &self,
        name: SubscriptionName,
    ) -> impl Future<Output = Result<bool, LiveError>> + Send + use<> {
        let (live, uid) = (self.live.clone(), self.uid());
        async move { live.ask(|reply| Control::Unsubscribe { uid, name, reply }).await }
    }

    /// Removes the subscription that the loop has ended.
    pub(super) fn end_unpercolate(&mut self, name: &SubscriptionName, existed: bool) -> Result<(), LiveError> {
        self.page_read = None;
        self.catch_up.remove(name);
        if existed {
            return Ok(());
        }
        Err(LiveError::NotFound(match name {
            Some(name) => format!("there is no subscription called {name:?}"),
            None => "there is no unnamed subscription".to_owned(),
        }))
    }

    /// Waits for the next event, then appends it and the others that are ready to `events`.
    ///
    /// Cancel safe: events that were not appended come with the next call. Transports call it in a
    /// `select!` with their socket. After [`Event::Closed`] it never returns.
    pub async fn next(&mut self, events: &mut Vec<Event>) {
        if self.closed {
            return std::future::pending().await;
        }
        loop {
            if self.behind {
                // Boxed: most sessions wait for their queue, and each has the memory of its future.
                return Box::pin(self.next_from_index(events)).await;
            }
            match self.queue.take(MAX_EVENTS_PER_CALL, &mut self.deliveries) {
                TakeOutcome::Taken => {
                    if let Some(last) = self.deliveries.last() {
                        self.taken = last.position();
                    }
                    events.extend(self.deliveries.drain(..).map(Event::Tweet));
                    if self.deliveries.capacity() > KEPT_CAPACITY {
                        self.deliveries = Vec::new();
                    }
                    return;
                }
                TakeOutcome::Empty => self.queue.ready().await,
                TakeOutcome::Behind => self.fall_behind(),
                TakeOutcome::Closed => return self.close(CloseReason::ShuttingDown, events),
            }
        }
    }

    /// The seq up to which every match was offered to the session: what waits in its queue has no
    /// other.
    pub(super) fn offered(&self) -> Seq {
        self.live.inner.pipeline.position.offered()
    }

    /// The seq up to which every match was returned; `None` while matches wait or the session is
    /// behind.
    pub(crate) fn passed(&self) -> Option<Seq> {
        // Read before the queue is checked: a match that is offered in between is behind this
        // position.
        let offered = self.live.inner.pipeline.position.offered();
        (!self.behind && self.queue.is_empty()).then_some(offered)
    }

    /// Says that the client has every event that was returned.
    pub(crate) fn settle(&self) {
        self.queue.settle();
    }

    /// Tells other tasks whether the client has everything.
    pub(crate) fn monitor(&self) -> SessionMonitor {
        SessionMonitor(Arc::clone(&self.queue))
    }

    /// Whether it reads from the index.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Waits until the queue has a backlog that should be taken soon. Cancel safe. Spurious
    /// wake-ups are possible.
    pub async fn backlogged(&mut self) {
        self.queue.backlogged().await;
    }

    fn fall_behind(&mut self) {
        if !self.behind {
            self.behind = true;
            self.announce = true;
            self.taken = self.taken.max(self.queue.settled());
            self.catch_up.sent_until(self.taken);
            crate::telemetry::catch_up_started();
        }
    }

    fn close(&mut self, reason: CloseReason, events: &mut Vec<Event>) {
        self.closed = true;
        events.push(Event::Closed(reason));
    }

    async fn next_from_index(&mut self, events: &mut Vec<Event>) {
        if std::mem::take(&mut self.announce) {
            events.push(Event::CatchingUp { from: self.catch_up.position().unwrap_or(self.taken) });
            return;
        }
        while self.behind {
            if self.queue.is_closed() {
                // The remaining matches are in the index: the client resumes from its position.
                return self.close(CloseReason::ShuttingDown, events);
            }
            let page = self.page_read.get_or_insert_with(|| catch_up::read(&self.live, &mut self.catch_up)).await;
            self.page_read = None;
            match page {
                Ok(page) => {
                    let n = page.deliveries.len();
                    events.extend(page.deliveries.into_iter().map(Event::Tweet));
                    self.catch_up.sent_until(page.until);
                    if page.is_last && self.queue.go_live(page.until) {
                        self.behind = false;
                        self.taken = page.until;
                        self.catch_up.finish();
                        events.push(Event::Live { seq: page.until });
                        return;
                    }
                    self.catch_up.keep(page.reader);
                    // Read the next page while the client takes this one.
                    self.page_read = Some(catch_up::read(&self.live, &mut self.catch_up));
                    if n > 0 {
                        return;
                    }
                }
                Err(LiveError::Unavailable(_)) if self.queue.is_closed() => {}
                Err(_) => return self.close(CloseReason::Failed, events),
            }
        }
    }
}

/// The error of a subscription that the loop refuses.
pub(super) fn refused(full: RegistrationError) -> LiveError {
    if matches!(full, RegistrationError::ClientOutOfMemory(_) | RegistrationError::TooManyWeakPatterns(_)) {
        crate::telemetry::turned_away("queries_per_client");
    }
    LiveError::Limit(full.to_string())
}

impl Drop for Session {
    fn drop(&mut self) {
        self.set_away(false);
        // Released before `disconnect` counts the sessions.
        self.permit = None;
        if !self.has_left {
            // The client gets nothing more.
            self.queue.unsettle();
            self.live.inner.disconnect(self.uid());
        }
    }
}
