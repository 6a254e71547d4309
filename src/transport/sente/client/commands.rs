//! Handles the events of a client, and answers them.

use std::sync::Arc;

use axum::extract::ws::Message;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::outbox::Pushed;
use super::{Answer, ClientTask};
use crate::ids::Seq;
use crate::live::Percolate;
use crate::transport::TransportContext;
use crate::transport::errors::{ApiError, Code};
use crate::transport::protocol::{self, Command, PercolateCommand, PublishCommand, QueryCommand, event};
use crate::transport::publish::Right;
use crate::transport::push_limiter::Withheld;
use crate::transport::sente::profile;
use perch_sente::frame::{Event, Format};
use perch_sente::value::Value;

/// How many published tweets of one client may wait to be durable. A commit takes a fraction of a
/// second, so this is far above what a client publishes meanwhile. One more gets an error.
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
    /// Waits until the answer is no longer needed.
    async fn gone(&mut self, gone: &CancellationToken) {
        match self {
            ReplyTo::Post { reply, .. } => reply.closed().await,
            ReplyTo::Push | ReplyTo::Socket { .. } => gone.cancelled().await,
        }
    }
}

/// The result of a command: an event, or an error.
pub(super) type CommandResult = Result<Pushed, ApiError>;

pub(super) fn catching_up(from: Seq) -> Pushed {
    Pushed::event(event::CATCHING_UP, protocol::catching_up_payload(from), None)
}

pub(super) fn live(seq: Seq) -> Pushed {
    Pushed::event(event::LIVE, protocol::live_payload(seq), None)
}

pub(super) fn limited(withheld: Withheld) -> Pushed {
    Pushed::event(event::LIMITED, protocol::limited_payload(withheld), None)
}

impl ClientTask {
    /// Handles an event.
    pub(super) async fn event(&mut self, event: Event, right: Right, to: ReplyTo) {
        let Event { id, data } = event;
        if &*id == "chsk/ws-ping" {
            // A ping without a callback gets no answer.
            return match to {
                ReplyTo::Push => {}
                to => self.reply(to, |_| "\"pong\"".to_owned()),
            };
        }
        let profile = self.endpoint.options.profile;
        if id.starts_with("chsk/") || !profile.takes(&id) {
            // A callback on a socket runs into its client's own timeout. A POST needs an answer.
            if matches!(to, ReplyTo::Post { .. }) {
                self.reply_keyword(to, "chsk/timeout");
            }
            return;
        }
        let profile::Command { payload, meta } = profile.open(data);
        match protocol::command(&id, payload, (&self.endpoint.context.limits).into()) {
            Ok(command) => self.run_command(command, right, meta, to).await,
            Err(error) => self.answer(to, Err(error)),
        }
    }

    async fn run_command(&mut self, command: Command, right: Right, meta: Option<Value>, to: ReplyTo) {
        let TransportContext { queries, access, .. } = &self.endpoint.context;
        let (live, queries) = (self.session.live().clone(), Arc::clone(queries));
        let profile = self.endpoint.options.profile;
        if !matches!(command, Command::Auth(_) | Command::Ping | Command::Publish(_))
            && let Err(error) = access.check_search(self.access_token.as_ref())
        {
            return self.answer(to, Err(error));
        }
        match command {
            Command::Auth(token) => {
                let checked = access.check_token(&token.0);
                let found = checked.and_then(|access_token| {
                    access_token
                        .check_renewal(self.access_token.as_ref(), self.session.subscriptions())
                        .map_err(ApiError::forbidden)?;
                    self.admit()?;
                    let payload = protocol::auth_ok_payload(&access_token);
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
                    // The client can't know that the subscription is not restored yet.
                    Err(error) if !self.registrations.is_missing(&name) => Err(error.into()),
                    _ => {
                        self.registrations.remove(&name);
                        self.save();
                        Ok(Pushed::event(
                            event::UNPERCOLATE_OK,
                            protocol::unpercolate_ok_payload(name.as_deref()),
                            meta,
                        ))
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
                Ok(Pushed::event(event::AGGREGATE_OK, protocol::aggregate_ok_payload(by, &aggregate), meta))
            }),
            Command::Publish(command) => self.publish(&command, right, meta, to),
            // Sente's clients discard a whole batch when one of its events has no namespace.
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

    pub(super) async fn percolate(&mut self, command: PercolateCommand, meta: Option<Value>) -> CommandResult {
        let PercolateCommand { query, name, since, epoch } = command;
        if let Some(max) = self.access_token.as_ref().and_then(|access_token| access_token.rights.max_subscriptions)
            && !self.session.has_subscription(&name)
            && self.session.subscriptions() >= max
        {
            return Err(ApiError::new(Code::Limit, format!("the token is good for {max} subscriptions")));
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
        Ok(Pushed::event(event::PERCOLATE_OK, protocol::percolate_ok_payload(name.as_deref(), registered), meta))
    }

    fn query(&mut self, command: QueryCommand, meta: Option<Value>, to: ReplyTo) {
        let profile = self.endpoint.options.profile;
        let registered = self.registered.filter(|_| !profile.is_told_everything());
        let (live, queries) = (self.session.live().clone(), Arc::clone(&self.endpoint.context.queries));
        self.search(to, async move {
            let mut request = command.request(&queries, live.requester()).await?;
            // BirdWatch's clients can't name a position. Without this, each new tweet would shift
            // the pages that they count off.
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
                self.answer(to, Err(ApiError::new(Code::Limit, message)));
            }
            Ok(published) => self.publishes.push(Box::pin(async move {
                let found = published
                    .await
                    .map(|published| Pushed::event(event::PUBLISH_OK, protocol::publish_ok_payload(&published), meta));
                (to, found)
            })),
            Err(error) => self.answer(to, Err(error)),
        }
    }

    fn search(&mut self, to: ReplyTo, search: impl Future<Output = CommandResult> + Send + 'static) {
        let max = self.endpoint.options.searches;
        // The pages for a client that asks and does not fetch would fill the memory.
        if !self.outbox.has_room() {
            return self.answer(to, Err(ApiError::new(Code::Limit, "too much waits for this client already")));
        }
        if self.searches.len() >= max {
            let message = format!("{max} searches of this client are running already; wait for an answer");
            return self.answer(to, Err(ApiError::new(Code::Limit, message)));
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

    /// Sends the result of a command to where its answer goes.
    pub(super) fn answer(&mut self, to: ReplyTo, found: CommandResult) {
        let profile = self.endpoint.options.profile;
        let is_page =
            matches!(&found, Ok(Pushed::Event(push)) if matches!(push.id, event::PREV_CHUNK | event::MISSING_TWEET));
        let is_error = found.is_err();
        let pushed = found.unwrap_or_else(|error| {
            tracing::debug!(code = error.code.name(), message = error.message, "command failed");
            Pushed::event(event::ERROR, protocol::error_payload(&error), profile.meta())
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

    /// Answers with a keyword of Sente's own, which JSON has no form for.
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
