//! What a client is to be sent, and the replies to its commands.

use std::sync::Arc;

use super::command::Reply;
use super::error::ApiError;
use super::push_limiter::Withheld;
use super::{CloseReason, Delivery};
use crate::ids::Seq;

/// A transport's reference of a command, which says where its reply goes.
pub(crate) trait CommandRef: Send + 'static {
    /// Completes when the client no longer waits for the reply. perch then cancels the search.
    fn cancelled(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

impl CommandRef for () {}

/// What a client is to be sent.
#[derive(Debug)]
pub(crate) enum ClientEvent<T> {
    /// A tweet that matches, or that matches no longer.
    Tweet(Arc<Delivery>),
    /// The session resumes or has fallen behind: the tweets that follow come from the index. Every
    /// match up to `from` was returned before.
    CatchingUp { from: Seq },
    /// The session is live again. Every match up to `seq` was returned before.
    Live { seq: Seq },
    /// Tweets were withheld, since the client is above its rate of pushes.
    Withheld(Withheld),
    /// The reply to a command.
    Reply(Box<CommandReply<T>>),
    /// The session has ended.
    Closed(CloseReason),
}

/// The reply to a command, and the transport's reference of it.
#[derive(Debug)]
pub(crate) struct CommandReply<T> {
    pub(crate) reference: T,
    pub(crate) reply: Result<Reply, ApiError>,
}

/// Which events [`ClientSession::next`](super::client_session::ClientSession::next) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// All.
    All,
    /// Replies, but no tweets: the client has enough to read.
    Replies,
    /// As [`Demand::Replies`], for a transport that coalesces its writes. `next` also returns,
    /// without an event, when the queue has a backlog.
    UntilBacklog,
}

impl<T> CommandReply<T> {
    pub(super) fn new(reference: T, reply: Result<Reply, ApiError>) -> CommandReply<T> {
        if let Err(error) = &reply {
            tracing::debug!(code = error.code.name(), message = error.message, "command failed");
        }
        CommandReply { reference, reply }
    }
}
