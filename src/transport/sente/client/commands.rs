//! Handles the events of a client, and answers them.

use axum::extract::ws::Message;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::outbox::Pushed;
use super::{ClientTask, RequestAnswer};
use crate::live::{Command, CommandRef, CommandReply, Percolated, Reply, SearchCommand};
use crate::telemetry;
use crate::transport::errors::{ApiError, Code};
use crate::transport::protocol::{self, event};
use crate::transport::sente::profile;
use perch_sente::frame::{Event, Format};
use perch_sente::value::Value;

/// Where an answer goes.
#[derive(Debug)]
pub(super) enum ReplyTo {
    /// To whatever is attached, as a push.
    Push,
    /// To a callback on the socket of this number.
    Socket { callback: Value, format: Format, number: u64 },
    /// Into the answer to a POST.
    Post { reply: oneshot::Sender<RequestAnswer>, format: Format },
}

/// A command that the session carries out.
#[derive(Debug)]
pub(in crate::transport::sente) struct PendingCommand {
    to: ReplyTo,
    /// The meta that comes back with the answer.
    meta: Option<Value>,
    /// Cancelled when the socket of the callback, or the client, has gone.
    gone: CancellationToken,
}

impl CommandRef for PendingCommand {
    async fn cancelled(&mut self) {
        match &mut self.to {
            ReplyTo::Post { reply, .. } => reply.closed().await,
            ReplyTo::Push | ReplyTo::Socket { .. } => self.gone.cancelled().await,
        }
    }
}

/// The result of a command: an event, or an error.
pub(super) type CommandResult = Result<Pushed, ApiError>;

impl ClientTask {
    /// Handles an event.
    pub(super) fn event(&mut self, event: Event, is_trusted: bool, to: ReplyTo) {
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
            Ok(command) => self.run_command(command, is_trusted, meta, to),
            Err(error) => self.answer(to, Err(error)),
        }
    }

    fn run_command(&mut self, mut command: Command, is_trusted: bool, meta: Option<Value>, to: ReplyTo) {
        let gone = match (&to, &self.socket) {
            (ReplyTo::Socket { .. }, Some(socket)) => socket.gone.token().clone(),
            _ => self.away.clone(),
        };
        let reference = PendingCommand { to, meta, gone };
        match &mut command {
            // The pages for a client that asks and does not fetch would fill the memory.
            Command::Search(_) | Command::Publish(_) if !self.outbox.has_room() => {
                let error = ApiError::new(Code::Limit, "too much waits for this client already");
                return self.session.refuse(reference, error);
            }
            // BirdWatch's clients can't name a position. Without this, each new tweet would shift
            // the pages that they count off.
            Command::Search(SearchCommand::Page(page)) if !self.endpoint.options.profile.sends_all_events() => {
                page.watermark_of = self.registered;
            }
            // The client can't know that the subscription is not restored yet.
            Command::Unpercolate(name) if self.registrations.is_missing(name) => {
                let reply = Ok(Reply::Unpercolated(name.take()));
                return self.replied(CommandReply { reference, reply });
            }
            _ => {}
        }
        self.session.set_trusted(is_trusted);
        self.session.handle(command, reference);
    }

    /// Takes the reply of a command from the session, and answers.
    pub(super) fn replied(&mut self, CommandReply { reference, reply }: CommandReply<PendingCommand>) {
        let PendingCommand { to, meta, .. } = reference;
        match &reply {
            Ok(Reply::Authenticated(_)) => self.is_restore_due = true,
            Ok(Reply::Percolated(percolated)) => self.percolated(percolated),
            Ok(Reply::Unpercolated(name)) => {
                self.registrations.remove(name);
                self.save();
            }
            // Sente's clients discard a whole batch when one of its events has no namespace.
            Ok(Reply::Pong) if matches!(to, ReplyTo::Push) && !self.is_raw() => return,
            _ => {}
        }
        let profile = self.endpoint.options.profile;
        let found = reply.map(|reply| {
            let (event, payload) = profile.reply(&reply);
            Pushed::event(event, payload, meta)
        });
        self.answer(to, found);
    }

    /// Notes a registered subscription.
    pub(super) fn percolated(&mut self, Percolated { name, query, since, registration, .. }: &Percolated) {
        self.has_subscribed = true;
        self.registrations.insert(name.clone(), query.canonical().into(), *since, registration.seq);
        self.save();
        if name.is_none() {
            self.registered = Some(*registration);
        }
    }

    /// Sends the result of a command to where its answer goes.
    pub(super) fn answer(&mut self, to: ReplyTo, found: CommandResult) {
        let profile = self.endpoint.options.profile;
        let is_page =
            matches!(&found, Ok(Pushed::Event(push)) if matches!(push.id, event::PREV_CHUNK | event::MISSING_TWEET));
        let is_error = found.is_err();
        let pushed = found.unwrap_or_else(|error| {
            telemetry::error_answered(error.code.name());
            Pushed::event(event::ERROR, protocol::error_payload(&error), profile.meta())
        });
        match to {
            ReplyTo::Push if is_error && !self.outbox.has_room() => {}
            ReplyTo::Push if is_page || profile.sends_all_events() => {
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
                let _ = reply.send(RequestAnswer::Frame(format.body(&packed(format))));
            }
        }
    }
}
