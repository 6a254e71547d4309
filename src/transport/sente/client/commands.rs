//! What a client asks, and the answers.

use std::sync::Arc;

use axum::extract::ws::Message;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::outbox::Pushed;
use super::{Answer, Client};
use crate::ids::Seq;
use crate::live::Percolate;
use crate::transport::TransportContext;
use crate::transport::errors::{Code, Fault};
use crate::transport::pace::Withheld;
use crate::transport::publish::Right;
use crate::transport::sente::profile;
use crate::transport::wire::{self, Command, PercolateCommand, PublishCommand, QueryCommand, event};
use perch_sente::frame::{Event, Format};
use perch_sente::value::Value;

/// How many tweets of one client may wait to be durable. A commit takes a fraction of a second, so that this is far above
/// what a client publishes meanwhile; one more is answered with an error.
const MAX_PUBLISHES: usize = 1_024;

/// Where an answer goes.
pub(super) enum ReplyTo {
    /// To whatever is attached, as a push.
    Push,
    /// To a callback on the socket of this number.
    Socket { callback: Value, format: Format, number: u64 },
    /// Into the answer to a POST.
    Post { reply: oneshot::Sender<Answer>, format: Format },
}

impl ReplyTo {
    /// When nobody waits for the answer any more.
    async fn gone(&mut self, gone: &CancellationToken) {
        match self {
            ReplyTo::Post { reply, .. } => reply.closed().await,
            ReplyTo::Push | ReplyTo::Socket { .. } => gone.cancelled().await,
        }
    }
}

/// What a command found: an event, or what went wrong.
pub(super) type Found = Result<Pushed, Fault>;

pub(super) fn catching_up(from: Seq) -> Pushed {
    Pushed::event(event::CATCHING_UP, wire::catching_up_payload(from), None)
}

pub(super) fn live(seq: Seq) -> Pushed {
    Pushed::event(event::LIVE, wire::live_payload(seq), None)
}

pub(super) fn limited(withheld: Withheld) -> Pushed {
    Pushed::event(event::LIMITED, wire::limited_payload(withheld), None)
}

impl Client {
    /// Obeys an event.
    pub(super) async fn event(&mut self, event: Event, right: Right, to: ReplyTo) {
        let Event { id, data } = event;
        if &*id == "chsk/ws-ping" {
            // A ping that wants no answer gets none.
            return match to {
                ReplyTo::Push => {}
                to => self.reply(to, |_| "\"pong\"".to_owned()),
            };
        }
        let profile = self.endpoint.options.profile;
        if id.starts_with("chsk/") || !profile.takes(&id) {
            // A callback that nobody answers runs into its client's own time-out; a POST must be answered.
            if matches!(to, ReplyTo::Post { .. }) {
                self.reply_keyword(to, "chsk/timeout");
            }
            return;
        }
        let profile::Command { payload, meta } = profile.open(data);
        match wire::command(&id, payload, (&self.endpoint.context.limits).into()) {
            Ok(command) => self.obey(command, right, meta, to).await,
            Err(fault) => self.answer(to, Err(fault)),
        }
    }

    async fn obey(&mut self, command: Command, right: Right, meta: Option<Value>, to: ReplyTo) {
        let TransportContext { queries, gate, .. } = &self.endpoint.context;
        let (live, queries) = (self.session.live().clone(), Arc::clone(queries));
        let profile = self.endpoint.options.profile;
        if !matches!(command, Command::Auth(_) | Command::Ping | Command::Publish(_))
            && let Err(fault) = gate.check_search(self.access_token.as_ref())
        {
            return self.answer(to, Err(fault));
        }
        match command {
            Command::Auth(token) => {
                let checked = gate.check_token(&token.0);
                let found = checked.and_then(|access_token| {
                    access_token
                        .check_renewal(self.access_token.as_ref(), self.session.subscriptions())
                        .map_err(Fault::forbidden)?;
                    self.admit()?;
                    let payload = wire::auth_ok_payload(&access_token);
                    self.set_access_token(access_token);
                    Ok(Pushed::event(event::AUTH_OK, payload, meta))
                });
                self.restore().await;
                self.answer(to, found);
            }
            Command::Percolate(command) => {
                let found = self.percolate(command, meta).await;
                self.answer(to, found);
            }
            Command::Unpercolate { name } => {
                let found = match self.session.unpercolate(name.as_deref()).await {
                    // The client can't know of one that is still to be restored.
                    Err(error) if !self.registrations.is_missing(&name) => Err(error.into()),
                    _ => {
                        self.registrations.remove(&name);
                        self.save();
                        Ok(Pushed::event(event::UNPERCOLATE_OK, wire::unpercolate_ok_payload(name.as_deref()), meta))
                    }
                };
                self.answer(to, found);
            }
            Command::Query(command) => self.query(command, meta, to),
            Command::Missing { id } => self.search(to, async move {
                let hit = live.tweet(id).await?;
                Ok(Pushed::event(event::MISSING_TWEET, hit.json.to_string(), meta))
            }),
            Command::Aggregate(command) => self.search(to, async move {
                let by = command.by;
                let aggregate = live.aggregate(command.request(&queries, live.requester()).await?).await?;
                Ok(Pushed::event(event::AGGREGATE_OK, wire::aggregate_ok_payload(by, &aggregate), meta))
            }),
            Command::Publish(command) => self.publish(&command, right, meta, to),
            // Clients of Sente take only events with a namespace: with this one among them they would throw the whole batch away.
            Command::Ping if matches!(to, ReplyTo::Push) && !self.is_raw() => {}
            Command::Ping => self.answer(to, Ok(Pushed::event(event::PONG, "{}".to_owned(), meta))),
            Command::UsersCount => {
                self.answer(to, Ok(Pushed::event(event::USERS_COUNT, live.sessions().to_string(), meta)));
            }
            Command::TotalTweetCount => self.search(to, async move {
                let stats = live.stats().await?;
                Ok(Pushed::event(event::TOTAL_TWEET_COUNT, profile.total_tweet_count(stats.tweets), meta))
            }),
        }
    }

    pub(super) async fn percolate(&mut self, command: PercolateCommand, meta: Option<Value>) -> Found {
        let PercolateCommand { query, name, since, epoch } = command;
        if let Some(max) = self.access_token.as_ref().and_then(|access_token| access_token.rights.max_subscriptions)
            && !self.session.has_subscription(&name)
            && self.session.subscriptions() >= max
        {
            return Err(Fault::new(Code::Limit, format!("the token is good for {max} subscriptions")));
        }
        let query = self.endpoint.context.queries.read(query, self.session.live().requester()).await?;
        let canonical = query.canonical().into();
        let registered = self.session.percolate(Percolate { query, name: name.clone(), since, epoch }).await?;
        self.has_subscribed = true;
        self.registrations.insert(name.clone(), canonical, since, registered.seq);
        self.save();
        if name.is_none() {
            self.registered = Some(registered);
        }
        Ok(Pushed::event(event::PERCOLATE_OK, wire::percolate_ok_payload(name.as_deref(), registered), meta))
    }

    fn query(&mut self, command: QueryCommand, meta: Option<Value>, to: ReplyTo) {
        let profile = self.endpoint.options.profile;
        let registered = self.registered.filter(|_| !profile.is_told_everything());
        let (live, queries) = (self.session.live().clone(), Arc::clone(&self.endpoint.context.queries));
        self.search(to, async move {
            let mut request = command.request(&queries, live.requester()).await?;
            // Clients of BirdWatch can't name a position: without this, each tweet that comes in would shift the pages that they count off.
            if request.until_seq.is_none()
                && let Some(registered) = registered
                && registered.query_id == request.query.id()
            {
                request.until_seq = Some(registered.seq);
            }
            let page = live.search(request).await?;
            Ok(Pushed::event(event::PREV_CHUNK, profile.page(&page), meta))
        });
    }

    fn publish(&mut self, command: &PublishCommand, right: Right, meta: Option<Value>, to: ReplyTo) {
        match self.publisher.publish(command, (right, self.access_token.as_ref()), &self.endpoint.context.intake) {
            Ok(_) if self.publishes.len() >= MAX_PUBLISHES || !self.outbox.has_room() => {
                let message =
                    format!("{MAX_PUBLISHES} tweets of this client wait to be durable; this one was not taken");
                self.answer(to, Err(Fault::new(Code::Limit, message)));
            }
            Ok(published) => self.publishes.push(Box::pin(async move {
                let found = published
                    .await
                    .map(|published| Pushed::event(event::PUBLISH_OK, wire::publish_ok_payload(&published), meta));
                (to, found)
            })),
            Err(fault) => self.answer(to, Err(fault)),
        }
    }

    fn search(&mut self, to: ReplyTo, search: impl Future<Output = Found> + Send + 'static) {
        let max = self.endpoint.options.searches;
        // A client that asks and doesn't fetch would fill the memory with pages.
        if !self.outbox.has_room() {
            return self.answer(to, Err(Fault::new(Code::Limit, "too much waits for this client already")));
        }
        if self.searches.len() >= max {
            let message = format!("{max} searches of this client are running already; wait for an answer");
            return self.answer(to, Err(Fault::new(Code::Limit, message)));
        }
        let mut to = to;
        let gone = match &to {
            ReplyTo::Socket { number, .. } => match &self.socket {
                Some(socket) if socket.number == *number => socket.gone.token().clone(),
                _ => return,
            },
            ReplyTo::Push | ReplyTo::Post { .. } => self.away.clone(),
        };
        self.searches.push(Box::pin(async move {
            tokio::select! {
                found = search => Some((to, found)),
                () = to.gone(&gone) => None,
            }
        }));
    }

    /// Sends what a command found to whoever asked.
    pub(super) fn answer(&mut self, to: ReplyTo, found: Found) {
        let profile = self.endpoint.options.profile;
        let is_page =
            matches!(&found, Ok(Pushed::Event(push)) if matches!(push.id, event::PREV_CHUNK | event::MISSING_TWEET));
        let is_error = found.is_err();
        let pushed = found.unwrap_or_else(|fault| {
            tracing::debug!(code = fault.code.name(), message = fault.message, "command failed");
            Pushed::event(event::ERROR, wire::error_payload(&fault), profile.meta())
        });
        match to {
            ReplyTo::Push if is_error && !self.outbox.has_room() => {}
            ReplyTo::Push if is_page || profile.is_told_everything() => {
                self.outbox.push(pushed);
                self.open_window();
            }
            ReplyTo::Push => {}
            to => self.reply(to, |format| pushed.packed(format.packing, profile).as_str().to_owned()),
        }
    }

    /// Answers with a keyword of Sente's own, which no JSON says.
    pub(super) fn reply_keyword(&mut self, to: ReplyTo, keyword: &str) {
        self.reply(to, |format| {
            let mut packed = String::new();
            format.packing.write(&Value::keyword(keyword), &mut packed);
            packed
        });
    }

    fn reply(&mut self, to: ReplyTo, packed: impl FnOnce(Format) -> String) {
        match to {
            ReplyTo::Push => {}
            ReplyTo::Socket { callback, format, number } => {
                if let Some(socket) = self.socket.as_mut().filter(|socket| socket.number == number) {
                    socket.out.push(Message::Text(format.reply(&packed(format), &callback).into()));
                }
            }
            ReplyTo::Post { reply, format } => {
                let _ = reply.send(Answer::Frame(format.body(&packed(format))));
            }
        }
    }
}
