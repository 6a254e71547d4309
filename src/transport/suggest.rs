//! `/api/suggest`: completes a query while it is typed.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::live::{DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS, Suggestion, Suggestions};

use super::access::Searcher;
use super::errors::ApiError;
use super::{TransportContext, http, openapi};

/// The answer of `/api/suggest`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuggestAnswer {
    /// A suggestion replaces what stands from here, in UTF-16 units of the query.
    start: usize,
    /// Up to here.
    end: usize,
    /// The suggestions, best first.
    items: Vec<SuggestedText>,
}

/// A suggestion.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuggestedText {
    /// The text to put into the query.
    text: String,
    /// `name` (of a field or operator, with its colon), `value`, `hashtag`, `cashtag`, `user` or
    /// `word`.
    kind: &'static str,
    /// How many tweets have it, where that is known. Replaced and deleted tweets count for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// A line about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'static str>,
}

impl From<Suggestion> for SuggestedText {
    fn from(Suggestion { text, kind, count, help }: Suggestion) -> SuggestedText {
        SuggestedText { text, kind: kind.name(), count, help }
    }
}

/// Completes a query at the caret.
#[utoipa::path(get, path = "/api/suggest", tag = "history",
    security((), ("jwt" = [])),
    params(
        ("q" = Option<String>, Query, description = "The query as far as it is typed."),
        ("at" = Option<usize>, Query, description = "The caret, in UTF-16 units: at the end when left out."),
        ("n" = Option<usize>, Query, description = "How many suggestions at most: 10 when left out."),
    ),
    responses(
        (status = 200, description = "The suggestions.", body = SuggestAnswer),
        (status = 400, description = "A parameter is wrong.", body = openapi::ErrorAnswer),
        (status = 401, description = "A token is needed, or it is not good.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn suggest(
    Searcher { client, access_token, .. }: Searcher,
    State(context): State<Arc<TransportContext>>,
    RawQuery(query): RawQuery,
) -> Result<Json<SuggestAnswer>, ApiError> {
    let mut params = http::parameters("/api/suggest", query.as_deref())?;
    let query = params.any_text("q")?;
    let at = params.index("at")?;
    let n = params.count("n", DEFAULT_SUGGESTIONS, 1..=MAX_SUGGESTIONS)?;
    params.finish()?;
    let live = context.live_for(&client, access_token.as_ref());
    let Suggestions { start, end, items } = live.suggest(query, at, n).await?;
    Ok(Json(SuggestAnswer { start, end, items: items.into_iter().map(SuggestedText::from).collect() }))
}
