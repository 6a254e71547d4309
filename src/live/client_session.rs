//! A client's session: carries out its commands, and returns what the client is to be sent.
//!
//! ```text
//! Command ──handle──> rights, rates ──> registration, one at a time ──┐
//!                                  └──> searches, publishing ─────────┼──next──> ClientEvent
//! Session (live or from the index) ──> rate of pushes ────────────────┘
//! ```
//!
//! Transports are codecs: they turn frames into commands, and events into frames. Every rule about
//! what a client may do, and how often, is here.
//!
//! **Order.** A registration is an event between two tweets, so its reply stands between the pushes
//! before and after its watermark. A reply carries the seq up to which pushes come before it, and
//! [`ClientSession::next`] returns it behind those that wait in the queue. A session that reads
//! from the index has cursors for that: the reply comes at once. While a registration runs, the
//! transport reads no further command ([`ClientSession::is_busy`]), so that commands take
//! effect in the order in which they were sent. Replies of searches come when they are ready.

mod commands;
mod deadlines;
mod events;
mod registering;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::client_context::ClientContext;
use super::client_event::{CommandRef, CommandReply};
use super::error::{ApiError, Code};
use super::publisher::Publisher;
use super::push_limiter::PushLimiter;
use super::session_slot::SessionSlot;
use super::token_bucket::TokenBucket;
use super::{ClientKey, Event, LiveError, Requester, Session};
use crate::auth::AccessToken;
use crate::ids::{Seq, Uid};
use crate::telemetry;
use deadlines::Deadlines;
use registering::{Progress, Registering, Step};

/// The burst of commands that a client may send, in seconds of its rate.
const BURST_S: u32 = 2;

/// [`ClientEvent::Withheld`](super::client_event::ClientEvent::Withheld) follows withheld tweets
/// after this time, unless a tweet comes before.
const WITHHELD_DELAY: Duration = Duration::from_secs(1);

/// How many published tweets of one session may wait to be durable. A commit takes a fraction of a
/// second, so this is far above what a client publishes meanwhile.
const MAX_PUBLISHES: usize = 1_024;

/// A larger buffer of events is freed after use: a session that gets much now may get nothing
/// later.
const KEPT_EVENTS: usize = 16;

/// Why a session is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdmissionError {
    /// The limit of sessions of the client's address is reached.
    AddressFull(ApiError),
    /// The limit of all sessions is reached, or perch is shutting down.
    Refused(LiveError),
}

impl From<AdmissionError> for ApiError {
    fn from(error: AdmissionError) -> ApiError {
        match error {
            AdmissionError::AddressFull(error) => error,
            AdmissionError::Refused(error) => error.into(),
        }
    }
}

/// A reply that waits for the tweets before it.
struct OrderedReply<T> {
    /// Tweets up to this position come before it.
    after: Seq,
    reply: Box<CommandReply<T>>,
}

/// A command that runs beside the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Search,
    Publish,
}

/// A task that has ended. It has no reply when the client no longer waits for one.
type Ended<T> = (Task, Option<Box<CommandReply<T>>>);

/// A client's session. Dropping it ends its subscriptions.
pub(crate) struct ClientSession<T> {
    context: Arc<ClientContext>,
    session: Session,
    /// The session's slot in its address's share, taken when it is admitted.
    slot: SessionSlot,
    /// The client's token, where clients need one.
    access_token: Option<AccessToken>,
    /// Whether the client may publish without a token.
    is_trusted: bool,
    max_searches: usize,
    /// The rate of commands.
    commands: TokenBucket,
    /// Until when the transport should read nothing.
    reads_paused_until: Option<Instant>,
    push_limiter: PushLimiter,
    publisher: Publisher,
    tasks: FuturesUnordered<BoxFuture<'static, Ended<T>>>,
    n_searches: usize,
    n_publishes: usize,
    registering: Option<Box<(T, Registering)>>,
    /// In order, to be returned behind the tweets before them.
    replies: VecDeque<OrderedReply<T>>,
    deadlines: Deadlines,
    /// Scratch of `next`.
    taken: Vec<Event>,
    is_closed: bool,
}

impl<T: CommandRef> ClientSession<T> {
    /// Opens the session of a client, which counts as a session once it is admitted.
    /// `max_searches` may run at one time.
    pub(crate) fn open(
        context: &Arc<ClientContext>,
        requester: Requester,
        slot: SessionSlot,
        access_token: Option<AccessToken>,
        max_searches: usize,
    ) -> ClientSession<T> {
        let now = Instant::now();
        let limits = &context.limits;
        let session = context.live.on_behalf_of(requester).connect_unadmitted();
        let mut client_session = ClientSession {
            slot,
            access_token: None,
            is_trusted: false,
            max_searches,
            commands: TokenBucket::new(limits.commands_per_second, BURST_S, now),
            reads_paused_until: None,
            push_limiter: PushLimiter::new(limits.pushes_per_second, now),
            publisher: Publisher::new(session.uid(), limits.publish_per_second),
            tasks: FuturesUnordered::new(),
            n_searches: 0,
            n_publishes: 0,
            registering: None,
            replies: VecDeque::new(),
            deadlines: Deadlines::default(),
            taken: Vec::new(),
            is_closed: false,
            session,
            context: Arc::clone(context),
        };
        match access_token {
            Some(access_token) => client_session.set_access_token(access_token),
            None if context.authorization.needs_token() && !limits.first_frame.is_zero() => {
                client_session.deadlines.token = Some(now + limits.first_frame);
            }
            None => {}
        }
        client_session
    }

    /// Counts the session among those of its address and among all, unless it is counted already.
    ///
    /// # Errors
    ///
    /// A limit is reached, or perch is shutting down.
    pub(crate) fn admit(&mut self) -> Result<(), AdmissionError> {
        self.slot.take().map_err(AdmissionError::AddressFull)?;
        self.session.admit().map_err(AdmissionError::Refused)
    }

    /// Takes the client's token, its first one or a renewal, and admits the session.
    ///
    /// # Errors
    ///
    /// [`Code::Forbidden`] for another subject or fewer rights than the session uses;
    /// [`Code::Limit`] and [`Code::Unavailable`] when the session is not admitted.
    pub(crate) fn authenticate(&mut self, access_token: AccessToken) -> Result<(), ApiError> {
        access_token
            .check_renewal(self.access_token.as_ref(), self.session.subscriptions())
            .map_err(ApiError::forbidden)?;
        self.admit()?;
        self.set_access_token(access_token);
        Ok(())
    }

    fn set_access_token(&mut self, access_token: AccessToken) {
        self.session.set_client(ClientKey::Subject(access_token.subject.as_str().into()));
        self.deadlines.expiry = Instant::now().checked_add(access_token.remaining());
        self.deadlines.token = None;
        self.access_token = Some(access_token);
    }

    /// Sets whether the requests that follow may publish without a token.
    pub(crate) fn set_trusted(&mut self, is_trusted: bool) {
        self.is_trusted = is_trusted;
    }

    /// Whether the client has shown a token, or needs none.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.access_token.is_some() || !self.context.authorization.needs_token()
    }

    /// The client's token.
    pub(crate) fn access_token(&self) -> Option<&AccessToken> {
        self.access_token.as_ref()
    }

    /// The uid of the session.
    pub(crate) fn uid(&self) -> Uid {
        self.session.uid()
    }

    /// Whether the session reads from the index.
    pub(crate) fn is_behind(&self) -> bool {
        self.session.is_behind()
    }

    /// The seq up to which every match was returned; `None` while matches wait.
    pub(crate) fn passed(&self) -> Option<Seq> {
        self.session.passed()
    }

    /// Sets whether the client is away: see [`Session::set_away`].
    pub(crate) fn set_away(&mut self, is_away: bool) {
        self.session.set_away(is_away);
    }

    /// Charges the client's rate for a message. Above the rate
    /// [`ClientSession::reads_paused_until`] says until when the transport should read nothing, so
    /// that the network slows the client down. Returns whether the client is within its rate.
    pub(crate) fn charge(&mut self, now: Instant) -> bool {
        let wait = self.commands.charge(now);
        self.reads_paused_until = wait.map(|wait| now + wait).max(self.reads_paused_until);
        wait.is_none()
    }

    /// Charges the client's rate for a request that can be refused. Returns whether the client is
    /// within its rate.
    pub(crate) fn charge_refusable(&mut self, now: Instant) -> bool {
        self.commands.take(now)
    }

    /// Until when the transport should read nothing.
    pub(crate) fn reads_paused_until(&self, now: Instant) -> Option<Instant> {
        self.reads_paused_until.filter(|&until| now < until)
    }

    /// The error of a command above the client's rate.
    pub(crate) fn too_many_commands(&self) -> ApiError {
        telemetry::turned_away("commands");
        let max = self.context.limits.commands_per_second;
        ApiError::new(Code::Limit, format!("{max} commands a second are taken; this one was not"))
    }

    /// Whether a registration runs, or a reply waits for the tweets before it. The transport
    /// should read no command meanwhile.
    pub(crate) fn is_busy(&self) -> bool {
        self.registering.is_some() || self.has_replies()
    }

    /// Whether replies wait for [`ClientSession::next`].
    pub(crate) fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }
}
