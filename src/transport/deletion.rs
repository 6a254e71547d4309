//! `DELETE /api/tweets/{id}` and `DELETE /api/tweets`: deletes one tweet, or all that match a
//! query.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::live::{QueryInput, SearchRequest, Sort};
use crate::pipeline::Durable;
use crate::tweet::{self, is_id};

use super::access::{Ingestor, Operator};
use super::errors::ApiError;
use super::http::Path;
use super::{TransportContext, http, openapi, params};

/// The tweets that are deleted in one batch, which bounds the memory of the request.
const BATCH_TWEETS: usize = 256;

/// The answer to the deletion of a tweet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeleteAnswer {
    /// Whether perch had the tweet.
    deleted: bool,
    /// The position of the deletion; null if perch did not have the tweet.
    seq: Option<u64>,
}

/// Deletes a tweet.
///
/// The answer comes when the deletion is durable. No search finds the tweet from then on, and its
/// text is gone from the disk when its part of the index has been merged.
#[utoipa::path(delete, path = "/api/tweets/{id}", tag = "ingestion",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(("id" = String, Path, description = "Its id_str, percent-encoded.")),
    responses(
        (status = 200, description = "The tweet is not there, or no longer.", body = DeleteAnswer),
        (status = 400, description = "Not an id.", body = openapi::ErrorAnswer),
        (status = 401, description = "The token of ingestion is missing or wrong.", body = openapi::ErrorAnswer),
        (status = 403, description = "A web page from an origin that may not connect.", body = openapi::ErrorAnswer),
        (status = 503, description = "perch is shutting down, or the index can't be written.", body = openapi::ErrorAnswer),
        (status = 507, description = "The disk is full.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn delete(
    _: Ingestor,
    State(context): State<Arc<TransportContext>>,
    Path(id): Path<String>,
) -> Result<Json<DeleteAnswer>, ApiError> {
    if !is_id(&id) {
        return Err(ApiError::field("id", params::NO_ID));
    }
    let Durable { seq, deleted } = context.intake.send_durably(vec![Arc::new(tweet::deletion(&id))]).await?;
    let deleted = deleted > 0;
    Ok(Json(DeleteAnswer { deleted, seq: deleted.then_some(seq.0) }))
}

/// The answer to the deletion of the tweets that match a query.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeleteMatchingAnswer {
    /// How many tweets matched at the start.
    matched: u64,
    /// How many tweets are deleted now; 0 with `dry_run`.
    deleted: u64,
}

/// Deletes the tweets that match a query.
///
/// Tweets that arrive meanwhile stay. The answer comes when all deletions are durable. Without an
/// answer some of the tweets are deleted: send the request again. A JSON Web Token is not
/// enough: one request can delete all tweets.
#[utoipa::path(delete, path = "/api/tweets", tag = "ingestion",
    security((), ("ingest_token" = [])),
    params(
        ("q" = String, Query, description = "The query, as text or in its JSON form."),
        ("dry_run" = Option<bool>, Query, description = "Only count the tweets that match."),
    ),
    responses(
        (status = 200, description = "They are deleted.", body = DeleteMatchingAnswer),
        (status = 400, description = "A parameter is wrong, or the query is.", body = openapi::ErrorAnswer),
        (status = 401, description = "The token of ingestion is missing or wrong.", body = openapi::ErrorAnswer),
        (status = 403, description = "A web page from an origin that may not connect.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
        (status = 507, description = "The disk is full.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn delete_matching(
    Operator { client, .. }: Operator,
    State(context): State<Arc<TransportContext>>,
    RawQuery(query): RawQuery,
) -> Result<Json<DeleteMatchingAnswer>, ApiError> {
    let mut fields = http::parameters("/api/tweets", query.as_deref())?;
    let query = QueryInput::read("q", fields.required("q")?)?;
    let is_dry_run = fields.flag("dry_run")?;
    fields.finish()?;
    let live = context.live_for(&client, None);
    let query = context.clients.queries.read(query, live.requester()).await?;
    let mut request = SearchRequest {
        query: query.into(),
        n: if is_dry_run { 0 } else { BATCH_TWEETS },
        from: 0,
        before_id: None,
        until_seq: Some(live.seq()),
        sort: Sort::Newest,
    };
    let mut page = live.search(request.clone()).await?;
    let mut answer = DeleteMatchingAnswer { matched: page.total, deleted: 0 };
    while !is_dry_run && !page.hits.is_empty() {
        let id_str = |json: &str| tweet::id_str_of(json);
        let deletions = page.hits.iter().filter_map(|hit| Some(tweet::deletion_in_order(&id_str(&hit.json)?, hit.id)));
        let durable = context.intake.send_durably(deletions.map(Arc::new).collect()).await?;
        answer.deleted += durable.deleted;
        if page.next.is_none() {
            break;
        }
        request.before_id = page.next;
        page = live.search(request.clone()).await?;
    }
    Ok(Json(answer))
}
