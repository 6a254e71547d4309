//! What the sessions of all clients share: the live search, the parser of queries, the way in for
//! tweets, authorization, and limits.

use std::sync::Arc;

use super::Live;
use super::authorization::Authorization;
use super::command::{AggregateCommand, PageCommand, QuerySource, Reply, SearchCommand};
use super::compiled_queries::PreparedQuery;
use super::error::ApiError;
use super::history::{AggregateRequest, SearchPage, SearchRequest};
use super::query_input::{QueryParserPool, QueryWarning, UseOf};
use super::requester::Requester;
use crate::config::LimitsSection;
use crate::pipeline::Intake;
use crate::query::Parsed;

/// What commands are carried out with.
#[derive(Debug)]
pub(crate) struct ClientContext {
    /// The live search, on behalf of perch itself.
    pub(crate) live: Live,
    /// Parses queries.
    pub(crate) queries: Arc<QueryParserPool>,
    /// The way in for published tweets.
    pub(crate) intake: Intake,
    pub(crate) authorization: Authorization,
    pub(crate) limits: LimitsSection,
}

impl ClientContext {
    /// Reads history for a command, on behalf of the client of `live`.
    pub(crate) async fn search(&self, live: &Live, command: SearchCommand) -> Result<Reply, ApiError> {
        match command {
            SearchCommand::Page(command) => {
                let (page, warnings) = self.page(live, command).await?;
                Ok(Reply::Page { page, warnings })
            }
            SearchCommand::Tweet(id_str) => Ok(Reply::Tweet(live.tweet(&id_str).await?)),
            SearchCommand::Aggregate(AggregateCommand { query, by, n, until_seq }) => {
                let (query, warnings) = self.query(query, UseOf::History, live.requester()).await?;
                let aggregate = live.aggregate(AggregateRequest { query, by, n, until_seq }).await?;
                Ok(Reply::Aggregate { by, aggregate, warnings })
            }
            SearchCommand::Analyze(texts) => Ok(Reply::Analyzed(live.analyze(texts).await?)),
            SearchCommand::TotalTweetCount => Ok(Reply::TotalTweetCount(live.stats().await?.tweets)),
        }
    }

    /// Reads a page of history. Returns it with the warnings of its query.
    pub(crate) async fn page(
        &self,
        live: &Live,
        command: PageCommand,
    ) -> Result<(SearchPage, Vec<QueryWarning>), ApiError> {
        let PageCommand { query, n, from, before_id, until_seq, sort, watermark_of } = command;
        let (query, warnings) = self.query(query, UseOf::History, live.requester()).await?;
        let watermark = watermark_of.filter(|registration| registration.query_id == query.query().id());
        let until_seq = until_seq.or(watermark.map(|registration| registration.seq));
        let page = live.search(SearchRequest { query, n, from, before_id, until_seq, sort }).await?;
        Ok((page, warnings))
    }

    /// The query of a command and its warnings, parsed on behalf of the requester. A query that was
    /// parsed before has no warnings here: they were sent then.
    pub(crate) async fn query(
        &self,
        source: QuerySource,
        use_of: UseOf,
        requester: &Requester,
    ) -> Result<(PreparedQuery, Vec<QueryWarning>), ApiError> {
        match source {
            QuerySource::Input(input) => {
                let Parsed { query, warnings } = self.queries.parse(input, use_of, requester).await?;
                Ok((query.into(), QueryWarning::list(&warnings)))
            }
            QuerySource::Parsed(query) => Ok((query, Vec::new())),
            QuerySource::Subscribed(_) => Err(ApiError::field("query_id", "needs a session with that subscription")),
        }
    }
}
