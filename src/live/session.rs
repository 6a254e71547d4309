//! One client's session: its subscriptions, and the events that come out of it in order.
//!
//! A session has two sources of tweets and never uses both at once: the queue that the hub fills while it is live, and the index while it is
//! behind. `taken` and the subscriptions' cursors say what was handed out; they move only when events are handed out, so
//! a call of [`Session::next`] can be dropped at any time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;

use super::catch_up::{self, CatchUp, Reading};
use super::{ClientKey, CloseReason, Event, Live, LiveError, Name, Percolate, Registered, Requester};
use crate::hub::{Delivery, Full, SessionQueue, Taken};
use crate::ids::{Seq, Uid};
use crate::pipeline::{Control, Subscribed};

/// How many events one call of [`Session::next`] hands out at most, so that the caller gets to its other work.
const MAX_EVENTS: usize = 256;

/// Room for more deliveries than this is given back.
const KEPT_DELIVERIES: usize = 16;

/// One client's session. Ends when it is dropped: its subscriptions are removed.
#[derive(Debug)]
pub struct Session {
    live: Live,
    queue: Arc<SessionQueue>,
    /// The subscriptions, with what each was sent; the hub has the same by query.
    catch_up: CatchUp,
    /// Whether the session is fed from the index now.
    behind: bool,
    /// Whether [`Event::CatchingUp`] is due.
    announce: bool,
    /// While live: the position of the last tweet that was handed out.
    taken: Seq,
    /// A read of the index that is under way: kept, so that a dropped `next` does not begin it again.
    reading: Option<Reading>,
    /// Reused between calls.
    deliveries: Vec<Arc<Delivery>>,
    closed: bool,
    is_away: bool,
    /// Its place among the sessions, given back when it ends; `None` until the session is admitted.
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
            reading: None,
            deliveries: Vec::new(),
            closed: false,
            is_away: false,
            permit: None,
        }
    }

    /// What the client asks beside its subscriptions is done in the session's share.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Says whose session it is, when that turns out later.
    pub fn set_client(&mut self, client: ClientKey) {
        let requester = Requester { client, session: self.uid().into() };
        self.live = self.live.on_behalf_of(requester);
    }

    /// The session's name.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.queue.uid()
    }

    /// Takes a place among the sessions, unless it has one.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`] when all are taken, [`LiveError::Unavailable`] during a shutdown.
    pub fn admit(&mut self) -> Result<(), LiveError> {
        if self.permit.is_none() {
            self.permit = Some(self.live.session_permit()?);
            crate::telemetry::sessions(self.live.session_count());
        }
        Ok(())
    }

    /// How many subscriptions it holds.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.catch_up.len()
    }

    /// Whether it holds one of that name.
    #[must_use]
    pub fn has_subscription(&self, name: &Name) -> bool {
        self.catch_up.contains(name)
    }

    /// Says whether the client is away. A transport may keep the session of a client that has gone and is expected back: what matches
    /// meanwhile waits, or is read from the index when the client is back. Those who are away don't count as connected.
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

    /// Registers; what matches from the next tweet on comes out of [`Session::next`]. With `since`, what came after that
    /// position comes out first, in order.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unrecoverable`], [`LiveError::Unavailable`].
    pub async fn percolate(&mut self, request: Percolate) -> Result<Registered, LiveError> {
        let Percolate { query, name, since, epoch } = request;
        let max_subscriptions = self.live.limits().max_subscriptions;
        if !self.catch_up.contains(&name) && self.catch_up.len() >= max_subscriptions {
            return Err(LiveError::Limit(format!("a session holds at most {max_subscriptions} subscriptions")));
        }
        if let Some(since) = since {
            self.check_position(since, epoch)?;
        }
        let query_id = query.id();
        let subscribe = |reply| Control::Subscribe {
            client: self.live.requester().client.clone(),
            queue: Arc::clone(&self.queue),
            name: name.clone(),
            query: query.clone(),
            resume: since.is_some(),
            reply,
        };
        let subscribed = self.live.ask(subscribe).await?.map_err(|full| {
            if matches!(full, Full::ClientBytes(_) | Full::ClientPatterns(_)) {
                crate::telemetry::turned_away("queries_per_client");
            }
            LiveError::Limit(full.to_string())
        })?;
        let Subscribed { watermark: seq, query } = subscribed;
        // What was read for the subscriptions as they were is of no use any more.
        self.reading = None;
        if since.is_some() {
            self.fall_behind();
        }
        self.catch_up.insert(name, query, since.unwrap_or(seq));
        Ok(Registered { query_id, seq })
    }

    fn check_position(&self, since: Seq, epoch: Option<crate::ids::Epoch>) -> Result<(), LiveError> {
        let first = self.live.inner.index.first_seq().before();
        let unrecoverable = |message: String| Err(LiveError::Unrecoverable { message, since: first });
        // While a batch is being percolated, sessions are sent from the index what lies beyond the loop's position.
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

    /// Ends a subscription. Nothing that matches only it comes out any more.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`] when there is none of that name.
    pub async fn unpercolate(&mut self, name: Option<&str>) -> Result<(), LiveError> {
        let name = name.map(Arc::from);
        let uid = self.uid();
        let existed = self.live.ask(|reply| Control::Unsubscribe { uid, name: name.clone(), reply }).await?;
        self.reading = None;
        self.catch_up.remove(&name);
        if existed {
            return Ok(());
        }
        Err(LiveError::NotFound(match name {
            Some(name) => format!("there is no subscription called {name:?}"),
            None => "there is no unnamed subscription".to_owned(),
        }))
    }

    /// Waits until something happens, then appends all that is ready, at least one event, to `events`.
    ///
    /// Cancel safe: what is not appended comes with the next call. Transports call it in a `select!` with their socket. After
    /// [`Event::Closed`] it waits for ever.
    pub async fn next(&mut self, events: &mut Vec<Event>) {
        if self.closed {
            return std::future::pending().await;
        }
        loop {
            if self.behind {
                return self.next_from_index(events).await;
            }
            match self.queue.take(MAX_EVENTS, &mut self.deliveries) {
                Taken::Some => {
                    if let Some(last) = self.deliveries.last() {
                        self.taken = last.hit.seq;
                    }
                    events.extend(self.deliveries.drain(..).map(Event::Tweet));
                    if self.deliveries.capacity() > KEPT_DELIVERIES {
                        self.deliveries = Vec::new();
                    }
                    return;
                }
                Taken::Empty => self.queue.ready().await,
                Taken::Behind => self.fall_behind(),
                Taken::Closed => return self.close(CloseReason::ShuttingDown, events),
            }
        }
    }

    /// Up to where everything that matches was taken out; `None` while something waits or is read from the index.
    pub(crate) fn passed(&self) -> Option<Seq> {
        // Before the queue is looked at: what is offered meanwhile lies behind it.
        let offered = self.live.inner.pipeline.position.offered();
        (!self.behind && self.queue.is_empty()).then_some(offered)
    }

    /// Whether it is fed from the index now.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Waits until so much waits that it should be taken soon. Cancel safe; may end for nothing.
    pub async fn crowded(&mut self) {
        self.queue.crowded().await;
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
                // What is not sent yet is in the index, and the client says where it was when it comes back.
                return self.close(CloseReason::ShuttingDown, events);
            }
            let page = self.reading.get_or_insert_with(|| catch_up::read(&self.live, &mut self.catch_up)).await;
            self.reading = None;
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
                    // The next page is read while the client takes this one.
                    self.reading = Some(catch_up::read(&self.live, &mut self.catch_up));
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

impl Drop for Session {
    fn drop(&mut self) {
        self.set_away(false);
        // Before the count of sessions is taken.
        self.permit = None;
        self.live.disconnect(self.uid());
    }
}
