//! Carries out the commands of a client.

use std::sync::Arc;

use super::{ClientSession, MAX_PUBLISHES, OrderedReply, Progress, Registering, Task};
use crate::auth::AccessToken;
use crate::ids::Seq;
use crate::live::SubscriptionName;
use crate::live::client_event::{CommandRef, CommandReply};
use crate::live::command::{Command, PercolateCommand, Percolated, QuerySource, Reply, SearchCommand, Token};
use crate::live::error::{ApiError, Code};
use crate::live::publisher::PublishCommand;

impl<T: CommandRef> ClientSession<T> {
    /// Carries out a command. [`ClientSession::next`] returns the reply. Never waits.
    pub(crate) fn handle(&mut self, command: Command, reference: T) {
        if command.needs_search_right()
            && let Err(error) = self.context.authorization.check_search(self.access_token.as_ref())
        {
            return self.refuse(reference, error);
        }
        match command {
            Command::Auth(token) => {
                let reply = self.auth(&token).map(Reply::Authenticated);
                self.reply(reference, reply);
            }
            Command::Percolate(command) => self.percolate(command, reference),
            Command::Unpercolate(name) => self.unpercolate(name, reference),
            Command::Search(command) => self.search(command, reference),
            Command::Publish(command) => self.publish(&command, reference),
            Command::Ping => self.reply(reference, Ok(Reply::Pong)),
            Command::UsersCount => {
                let users = self.session.live().sessions();
                self.reply(reference, Ok(Reply::UsersCount(users)));
            }
        }
    }

    /// Replies with an error.
    pub(crate) fn refuse(&mut self, reference: T, error: ApiError) {
        self.reply(reference, Err(error));
    }

    /// Replies behind everything that was matched until now.
    fn reply(&mut self, reference: T, reply: Result<Reply, ApiError>) {
        self.reply_after(self.session.offered(), reference, reply);
    }

    pub(super) fn reply_after(&mut self, after: Seq, reference: T, reply: Result<Reply, ApiError>) {
        self.replies.push_back(OrderedReply { after, reply: Box::new(CommandReply::new(reference, reply)) });
    }

    fn auth(&mut self, Token(token): &Token) -> Result<AccessToken, ApiError> {
        let access_token = self.context.authorization.verify(token)?;
        self.authenticate(access_token.clone())?;
        Ok(access_token)
    }

    fn search(&mut self, mut command: SearchCommand, mut reference: T) {
        let max = self.max_searches;
        if self.n_searches >= max {
            let message = format!("{max} searches of this connection are running already; wait for an answer");
            return self.refuse(reference, ApiError::new(Code::Limit, message));
        }
        if let Some(query) = command.query_mut()
            && let Err(error) = self.find_subscribed(query)
        {
            return self.refuse(reference, error);
        }
        let (context, live) = (Arc::clone(&self.context), self.session.live().clone());
        self.n_searches += 1;
        self.tasks.push(Box::pin(async move {
            let reply = tokio::select! {
                biased;
                () = reference.cancelled() => return (Task::Search, None),
                reply = context.search(&live, command) => reply,
            };
            (Task::Search, Some(Box::new(CommandReply::new(reference, reply))))
        }));
    }

    /// Replaces the id of a subscription's query by the query.
    fn find_subscribed(&self, source: &mut QuerySource) -> Result<(), ApiError> {
        let QuerySource::Subscribed(id) = *source else { return Ok(()) };
        let Some(query) = self.session.query(id) else {
            return Err(ApiError::new(Code::NotFound, format!("no subscription of this session has the query {id}")));
        };
        *source = QuerySource::Parsed(query.clone());
        Ok(())
    }

    fn publish(&mut self, command: &PublishCommand, reference: T) {
        if self.n_publishes >= MAX_PUBLISHES {
            let message = format!("{MAX_PUBLISHES} tweets of this client wait to be durable; this one was not taken");
            return self.refuse(reference, ApiError::new(Code::Limit, message));
        }
        let right = (self.is_trusted, self.access_token.as_ref());
        match self.publisher.publish(command, right, &self.context.intake) {
            Err(error) => self.refuse(reference, error),
            Ok(published) => {
                self.n_publishes += 1;
                self.tasks.push(Box::pin(async move {
                    let reply = published.await.map(Reply::Published);
                    (Task::Publish, Some(Box::new(CommandReply::new(reference, reply))))
                }));
            }
        }
    }

    fn unpercolate(&mut self, name: SubscriptionName, reference: T) {
        if let Err(error) = self.check_is_idle() {
            return self.refuse(reference, error);
        }
        let registering = Registering::unpercolate(&self.session, name);
        self.registering = Some(Box::new((reference, registering)));
    }

    fn percolate(&mut self, command: PercolateCommand, reference: T) {
        match self.begin_percolate(command) {
            Ok(registering) => self.registering = Some(Box::new((reference, registering))),
            Err(error) => self.refuse(reference, error),
        }
    }

    fn begin_percolate(&self, command: PercolateCommand) -> Result<Registering, ApiError> {
        self.check_is_idle()?;
        if let Some(max) = self.access_token.as_ref().and_then(|access_token| access_token.rights.max_subscriptions)
            && !self.session.has_subscription(&command.name)
            && self.session.subscriptions() >= max
        {
            return Err(ApiError::new(Code::Limit, format!("the token is good for {max} subscriptions")));
        }
        Ok(Registering::percolate(&self.context, &self.session, command))
    }

    fn check_is_idle(&self) -> Result<(), ApiError> {
        if self.registering.is_none() {
            return Ok(());
        }
        Err(ApiError::new(Code::Limit, "a registration of this session is running; wait for its answer"))
    }

    /// Registers a subscription that the client does not ask for, since it takes itself for
    /// registered. Must not be called while a registration runs.
    ///
    /// # Errors
    ///
    /// As [`Command::Percolate`].
    pub(crate) async fn restore(&mut self, command: PercolateCommand) -> Result<Percolated, ApiError> {
        let mut registering = self.begin_percolate(command)?;
        loop {
            match registering.step().await.advance(&mut self.session)? {
                Progress::Continues(next) => registering = next,
                Progress::Ended(Reply::Percolated(percolated)) => return Ok(percolated),
                Progress::Ended(_) => return Err(ApiError::new(Code::Internal, "a registration has another reply")),
            }
        }
    }
}
