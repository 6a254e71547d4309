//! The commands of a client, and the replies to them, whatever transport carries them.

use std::fmt;

use super::analysis::TextTerm;
use super::compiled_queries::PreparedQuery;
use super::history::{Aggregate, SearchPage, Sort};
use super::publisher::{PublishCommand, Published};
use super::query_input::{QueryInput, QueryWarning};
use super::{Registration, SubscriptionName};
use crate::auth::AccessToken;
use crate::ids::{Epoch, QueryId, Seq};
use crate::index::Hit;
use crate::query::Query;
use crate::schema::FieldId;
use crate::tweet::PageKey;

/// A command of a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Show a token.
    Auth(Token),
    /// Register a query.
    Percolate(PercolateCommand),
    /// End a subscription. `None` is the unnamed one.
    Unpercolate(SubscriptionName),
    /// Search history.
    Search(SearchCommand),
    /// Publish a tweet.
    Publish(PublishCommand),
    /// Get a reply.
    Ping,
    /// Get the number of connected clients.
    UsersCount,
}

impl Command {
    /// Whether the client needs the right to search.
    pub(crate) fn needs_search_right(&self) -> bool {
        match self {
            Command::Percolate(_) | Command::Unpercolate(_) | Command::Search(_) | Command::UsersCount => true,
            Command::Auth(_) | Command::Publish(_) | Command::Ping => false,
        }
    }
}

/// A command that reads history. A session may run a few at one time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SearchCommand {
    /// Get a page of history.
    Page(PageCommand),
    /// Get the tweet of this `id_str`.
    Tweet(String),
    /// Count matches by time or by term.
    Aggregate(AggregateCommand),
    /// Get the terms of texts.
    Analyze(Vec<String>),
    /// Get the number of tweets.
    TotalTweetCount,
}

impl SearchCommand {
    /// The query of the search, if it has one.
    pub(crate) fn query_mut(&mut self) -> Option<&mut QuerySource> {
        match self {
            SearchCommand::Page(command) => Some(&mut command.query),
            SearchCommand::Aggregate(command) => Some(&mut command.query),
            SearchCommand::Tweet(_) | SearchCommand::Analyze(_) | SearchCommand::TotalTweetCount => None,
        }
    }
}

/// A client's token. `Debug` hides it.
#[derive(Clone, PartialEq)]
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The query of a command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum QuerySource {
    /// As the client sent it.
    Input(QueryInput),
    /// That of a subscription of the session, by its id.
    Subscribed(QueryId),
    /// Parsed before.
    Parsed(PreparedQuery),
}

/// A request for a subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PercolateCommand {
    pub(crate) query: QuerySource,
    /// The name of the subscription. It replaces the session's subscription of that name.
    pub(crate) name: SubscriptionName,
    /// Return the matches after this position first.
    pub(crate) since: Option<Seq>,
    /// The epoch of `since`; `None` is the current one.
    pub(crate) epoch: Option<Epoch>,
}

/// A request for a page of history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PageCommand {
    pub(crate) query: QuerySource,
    pub(crate) n: usize,
    pub(crate) from: usize,
    pub(crate) before_id: Option<PageKey>,
    pub(crate) until_seq: Option<Seq>,
    pub(crate) sort: Sort,
    /// Without `until_seq`, a page of this registration's query is read at its watermark.
    pub(crate) watermark_of: Option<Registration>,
}

/// A request for the distribution of matches over a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AggregateCommand {
    pub(crate) query: QuerySource,
    pub(crate) by: FieldId,
    pub(crate) n: usize,
    pub(crate) until_seq: Option<Seq>,
}

/// The reply to a command.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The token is taken.
    Authenticated(AccessToken),
    Percolated(Percolated),
    /// The subscription of this name has ended. Later events hold no match of it.
    Unpercolated(SubscriptionName),
    Page {
        page: SearchPage,
        /// Where perch had to guess what the query means.
        warnings: Vec<QueryWarning>,
    },
    Tweet(Hit),
    Aggregate {
        /// The field.
        by: FieldId,
        aggregate: Aggregate,
        /// Where perch had to guess what the query means.
        warnings: Vec<QueryWarning>,
    },
    /// The terms of each text.
    Analyzed(Vec<Vec<TextTerm>>),
    TotalTweetCount(u64),
    Published(Published),
    Pong,
    UsersCount(u64),
}

/// A registered subscription.
#[derive(Clone, Debug)]
pub(crate) struct Percolated {
    pub(crate) name: SubscriptionName,
    pub(crate) query: Query,
    /// The position that the client resumes from.
    pub(crate) since: Option<Seq>,
    pub(crate) registration: Registration,
    /// Where perch had to guess what the query means.
    pub(crate) warnings: Vec<QueryWarning>,
}
