//! Handles the messages of a client, and answers its commands.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message};

use super::admit;
use super::close::WsClose;
use super::connection::Connection;
use super::frame_writer::ResumePoint;
use crate::live::{ClientKey, Percolate};
use crate::telemetry;
use crate::transport::errors::{ApiError, Code};
use crate::transport::protocol::{
    self, AggregateCommand, Command, PercolateCommand, PublishCommand, QueryCommand, Ref,
};

impl Connection {
    pub(super) async fn message(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), WsClose> {
        self.heard = Instant::now();
        // Whatever it is: to read it, and to answer it, costs something.
        let wait = self.commands.charge(self.heard);
        if let Some(wait) = wait {
            self.times.unread_until = Some(self.heard + wait);
        }
        match message {
            Some(Ok(Message::Text(frame))) if frame.len() > self.ws.context.limits.max_frame_bytes => {
                telemetry::turned_away("frame_size");
                Err(WsClose::TooLarge)
            }
            Some(Ok(Message::Text(frame))) => {
                // Most sessions send few commands in a long life, and need no room for them.
                Box::pin(self.command(&frame, wait.is_none())).await;
                if !self.needs_token() {
                    self.times.first_frame = None;
                }
                Ok(())
            }
            Some(Ok(Message::Binary(_))) => Err(WsClose::NotText),
            // The socket answers pings by itself, into the line.
            Some(Ok(Message::Ping(_))) => {
                self.urgent = true;
                Ok(())
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(WsClose::Gone),
            Some(Err(error)) => {
                let end = WsClose::of_read(&error);
                if end == WsClose::TooLarge {
                    telemetry::turned_away("frame_size");
                }
                Err(end)
            }
        }
    }

    async fn command(&mut self, frame: &str, is_in_time: bool) {
        let (reference, command) = protocol::parse(frame, (&self.ws.context.limits).into());
        let done = if is_in_time {
            match command {
                Ok(command) => self.run_command(command, reference.clone()).await,
                Err(error) => Err(error),
            }
        } else {
            telemetry::turned_away("commands");
            let max = self.ws.context.limits.commands_per_second;
            Err(ApiError::new(Code::Limit, format!("{max} commands a second are taken; this one was not")))
        };
        if let Err(error) = done {
            self.text(failed(&error, reference.as_ref()));
        }
    }

    async fn run_command(&mut self, command: Command, reference: Option<Ref>) -> Result<(), ApiError> {
        let (live, access) = (self.session.live(), &self.ws.context.access);
        if !matches!(command, Command::Auth(_) | Command::Ping | Command::Publish(_)) {
            access.check_search(self.access_token.as_ref())?;
        }
        match command {
            Command::Auth(token) => {
                let access_token = access.check_token(&token.0)?;
                access_token
                    .check_renewal(self.access_token.as_ref(), self.session.subscriptions())
                    .map_err(ApiError::forbidden)?;
                admit(&mut self.slot, &mut self.session).map_err(|(_, error)| error)?;
                self.times.expiry = Instant::now().checked_add(access_token.remaining());
                self.text(protocol::auth_ok(&access_token, reference.as_ref()));
                self.session.set_client(ClientKey::Subject(access_token.subject.as_str().into()));
                self.access_token = Some(access_token);
            }
            Command::Percolate(command) => return self.percolate(command, reference).await,
            Command::Unpercolate { name } => {
                self.session.unpercolate(name.as_deref()).await?;
                self.text(protocol::unpercolate_ok(name.as_deref(), reference.as_ref()));
            }
            Command::Query(command) => return self.query(command, reference),
            Command::Aggregate(command) => return self.aggregate(command, reference),
            Command::Publish(command) => return self.publish(&command, reference),
            Command::Missing { id } => {
                let live = live.clone();
                return self.search(async move {
                    match live.tweet(id).await {
                        Ok(hit) => protocol::missing_tweet(&hit.json, reference.as_ref()),
                        Err(error) => failed(&error.into(), reference.as_ref()),
                    }
                });
            }
            Command::Ping => self.text(protocol::pong(reference.as_ref())),
            Command::UsersCount => {
                let frame = protocol::users_count(live.sessions(), reference.as_ref());
                self.text(frame);
            }
            Command::TotalTweetCount => {
                let live = live.clone();
                return self.search(async move {
                    match live.stats().await {
                        Ok(stats) => protocol::total_tweet_count(stats.tweets, reference.as_ref()),
                        Err(error) => failed(&error.into(), reference.as_ref()),
                    }
                });
            }
        }
        Ok(())
    }

    fn publish(&mut self, command: &PublishCommand, reference: Option<Ref>) -> Result<(), ApiError> {
        let right = (self.right, self.access_token.as_ref());
        let published = self.publisher.publish(command, right, &self.ws.context.intake)?;
        self.search(async move {
            match published.await {
                Ok(published) => protocol::publish_ok(&published, reference.as_ref()),
                Err(error) => failed(&error, reference.as_ref()),
            }
        })
    }

    async fn percolate(&mut self, command: PercolateCommand, reference: Option<Ref>) -> Result<(), ApiError> {
        if let Some(max) = self.access_token.as_ref().and_then(|access_token| access_token.rights.max_subscriptions)
            && !self.session.has_subscription(&command.name)
            && self.session.subscriptions() >= max
        {
            return Err(ApiError::new(Code::Limit, format!("the token is good for {max} subscriptions")));
        }
        let query = self.ws.context.queries.read(command.query, self.session.live().requester()).await?;
        let (name, resume_point) = (command.name.clone(), command.since.map_or(ResumePoint::None, ResumePoint::Owed));
        let request = Percolate { query, name: command.name, since: command.since, epoch: command.epoch };
        let registered = self.session.percolate(request).await?;
        self.socket
            .get_mut()
            .push_text(protocol::percolate_ok(name.as_deref(), registered, reference.as_ref()), resume_point);
        self.urgent = true;
        Ok(())
    }

    fn query(&mut self, command: QueryCommand, reference: Option<Ref>) -> Result<(), ApiError> {
        let (live, queries) = (self.session.live().clone(), Arc::clone(&self.ws.context.queries));
        self.search(async move {
            let searched = async { Ok(live.search(command.request(&queries, live.requester()).await?).await?) };
            match searched.await {
                Ok(page) => protocol::prev_chunk(&page, reference.as_ref()),
                Err(error) => failed(&error, reference.as_ref()),
            }
        })
    }

    fn aggregate(&mut self, command: AggregateCommand, reference: Option<Ref>) -> Result<(), ApiError> {
        let (live, queries) = (self.session.live().clone(), Arc::clone(&self.ws.context.queries));
        self.search(async move {
            let by = command.by;
            let counted = async { Ok(live.aggregate(command.request(&queries, live.requester()).await?).await?) };
            match counted.await {
                Ok(aggregate) => protocol::aggregate_ok(by, &aggregate, reference.as_ref()),
                Err(error) => failed(&error, reference.as_ref()),
            }
        })
    }

    fn search(&mut self, search: impl Future<Output = String> + Send + 'static) -> Result<(), ApiError> {
        let max = self.ws.options.searches;
        if self.searches.len() >= max {
            let message = format!("{max} searches of this connection are running already; wait for an answer");
            return Err(ApiError::new(Code::Limit, message));
        }
        self.searches.push(Box::pin(search));
        Ok(())
    }
}

/// The answer to a command that failed.
fn failed(error: &ApiError, reference: Option<&Ref>) -> String {
    telemetry::error_answered(error.code.name());
    tracing::debug!(code = error.code.name(), message = error.message, "command failed");
    protocol::error(error, reference)
}
