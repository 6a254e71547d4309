//! `/api/openapi.json`, generated from the handlers and from the shapes in `transport::openapi`.
//!
//! Tests compare the document with the routes and with `docs/openapi.json`, so that no change of
//! the interface goes unnoticed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::config::LimitsSection;
use crate::format::FORMATS;
use crate::ids::Seq;
use crate::live::MAX_SUGGESTIONS;
use crate::transport::access::Anyone;
use crate::transport::{TransportContext, feeds, http, protocol, queries, searches};
use crate::tweet;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "perch",
        description = "Live search over tweets: history and future in one result. The event protocol is described in docs/PROTOCOL.md.",
    ),
    paths(
        crate::transport::ws::upgrade,
        crate::transport::sse::stream,
        super::search,
        super::aggregate,
        crate::transport::export::export,
        super::tweet,
        crate::transport::ingest::ingest,
        crate::transport::deletion::delete,
        crate::transport::deletion::delete_matching,
        super::percolate,
        super::explain,
        crate::transport::suggest::suggest,
        super::stats,
        crate::transport::queries::queries,
        crate::transport::searches::list,
        crate::transport::searches::bulk::put_all,
        crate::transport::searches::get,
        crate::transport::searches::put,
        crate::transport::searches::remove,
        crate::transport::searches::test,
        crate::transport::searches::deliveries,
        crate::transport::searches::create_feed_token,
        crate::transport::searches::revoke_feed_token,
        crate::transport::feeds::public,
        crate::transport::feeds::private,
        crate::transport::feeds::bluesky::did,
        crate::transport::feeds::bluesky::describe,
        crate::transport::feeds::bluesky::skeleton,
        crate::transport::unsubscribe::ask,
        crate::transport::unsubscribe::unsubscribe,
        document,
        crate::transport::health::healthz,
        crate::transport::health::readyz,
        crate::transport::health::metrics,
    ),
    modifiers(&Tokens),
    tags(
        (name = "live", description = "Tweets as they come in."),
        (name = "history", description = "Tweets that came in before."),
        (name = "saved", description = "Searches that outlive their clients."),
        (name = "ingestion", description = "Bringing tweets in."),
        (name = "operation", description = "For those who run perch."),
    ),
)]
struct Document;

/// The security schemes. The configuration of a server decides which one it requires, so no
/// operation requires any.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut ingest_token = Http::new(HttpAuthScheme::Bearer);
        ingest_token.description = Some("The token of `ingest.token_file`, for bringing tweets.".to_owned());
        components.add_security_scheme("ingest_token", SecurityScheme::Http(ingest_token));
        let jwt = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let jwt = jwt.description(Some("A JSON Web Token with the rights of its claims, where `[auth]` names a key."));
        components.add_security_scheme("jwt", SecurityScheme::Http(jwt.build()));
    }
}

/// The document of a server with these limits, for people and for programs.
pub(super) fn json(limits: &LimitsSection, max_query_bytes: usize) -> String {
    let mut document = serde_json::to_value(Document::openapi()).expect("the document is made of strings");
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths {
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            refine(operation, |name| parameter_schema(path, name, limits, max_query_bytes));
        }
        if POST_FORMS.contains(&path.as_str()) {
            operations["post"] = post_form(&operations["get"]);
        }
    }
    // A body of nothing brings no tweets, and is no mistake.
    document["paths"]["/api/tweets"]["post"]["requestBody"]["required"] = json!(false);
    let mut json = serde_json::to_string_pretty(&document).expect("the document is made of strings");
    json.push('\n');
    json
}

/// The longest URL.
const MAX_URL_BYTES: u64 = 65_534;

/// The paths whose GET exists as POST too, for queries that are too long for a URL.
const POST_FORMS: &[&str] = &["/api/search", "/api/aggregate", "/api/export", "/api/stream", "/api/explain"];

/// The POST of an operation: its parameters are the fields of a body.
fn post_form(get: &Value) -> Value {
    let mut post = get.clone();
    post["operationId"] = json!(format!("{}_post", get["operationId"].as_str().unwrap_or_default()));
    let parameters = get["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (in_url, kept): (Vec<_>, Vec<_>) = parameters.iter().partition(|parameter| parameter["in"] == "query");
    post["parameters"] = json!(kept);
    let mut fields = serde_json::Map::new();
    for parameter in &in_url {
        let mut schema = parameter["schema"].clone();
        schema["description"] = parameter["description"].clone();
        fields.insert(parameter["name"].as_str().unwrap_or_default().to_owned(), schema);
    }
    let required: Vec<_> =
        in_url.iter().filter(|parameter| parameter["required"] == true).map(|parameter| &parameter["name"]).collect();
    let form = json!({"type": "object", "properties": fields, "required": required, "additionalProperties": false});
    let mut json_form = form.clone();
    // Lists make a query longer than its own limit.
    json_form["properties"]["q"] = json!({
        "oneOf": [{"type": "string", "minLength": 1}, {"type": "object", "minProperties": 1}],
        "description": "The query, as text or in its JSON form.",
    });
    let query = json!("query");
    let required: Vec<_> = std::iter::once(&query).chain(required.into_iter().filter(|name| *name != "q")).collect();
    let search_body = json!({
        "type": "object",
        "description": "A search body of Elasticsearch, with the other parameters beside its query.",
        "properties": {"query": {"type": "object", "minProperties": 1}},
        "required": required,
    });
    post["requestBody"] = json!({
        "description": "The parameters. Some may stand in the URL instead.",
        "content": {
            "application/json": {"schema": {"oneOf": [json_form, search_body]}},
            "application/x-www-form-urlencoded": {"schema": form},
        },
        "required": true,
    });
    let body = json!({"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}});
    for (status, description) in [
        ("408", "The body came too slowly."),
        ("413", "The body is too long."),
        ("415", "The body is of another media type, or compressed."),
    ] {
        post["responses"][status] = json!({"description": description, "content": body});
    }
    post
}

/// Adds to an operation what applies to all of them.
fn refine(operation: &mut Value, schema_of: impl Fn(&str) -> Option<Value>) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if let Some(schema) = parameter["name"].as_str().and_then(&schema_of) {
            parameter["schema"] = schema;
        }
        if parameter["in"] == "query" && parameter["required"] == false {
            // Forms send empty parameters, which count as left out.
            parameter["allowEmptyValue"] = json!(true);
        }
    }
    let bodies = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
    for (_, body) in bodies.into_iter().flatten() {
        if body.get("schema").is_none() {
            body["schema"] = json!({"type": "string", "format": "binary"});
        }
    }
    // The head of any request can be too long.
    let body = json!({"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}});
    operation["responses"]["414"] = json!({"description": "The URL is too long.", "content": body});
    operation["responses"]["431"] = json!({"description": "The head of the request is too long.", "content": body});
}

/// The schema of a parameter. It stands here rather than beside the handlers, because many bounds
/// are limits of the configuration.
fn parameter_schema(path: &str, name: &str, limits: &LimitsSection, max_query_bytes: usize) -> Option<Value> {
    let whole = |minimum: u64, maximum: u64| json!({"type": "integer", "minimum": minimum, "maximum": maximum});
    let choice = |values: &[&str]| json!({"type": "string", "enum": values, "default": values[0]});
    Some(match (path, name) {
        ("/api/suggest", "q") => json!({"type": "string", "maxLength": MAX_URL_BYTES}),
        (_, "q") => json!({"type": "string", "minLength": 1, "maxLength": max_query_bytes}),
        ("/api/suggest", "n") => whole(1, MAX_SUGGESTIONS as u64),
        (_, "at") => whole(0, MAX_URL_BYTES),
        ("/api/export", "format") => json!({"type": "string", "enum": ["ndjson", "csv"]}),
        ("/api/aggregate", "n") => whole(1, protocol::MAX_BUCKETS as u64),
        ("/api/aggregate", "by") => json!({"type": "string", "enum": protocol::countable_names()}),
        ("/api/queries", "n") => whole(1, queries::MAX_QUERIES as u64),
        ("/feeds/{file}" | "/feeds/{token}/{file}", "n") => whole(1, feeds::MAX_ENTRIES as u64),
        (_, "feed" | "cursor") => json!({"type": "string", "maxLength": 1_024}),
        (_, "limit") => whole(1, feeds::bluesky::MAX_POSTS),
        ("/api/searches", "n") => whole(1, searches::MAX_SEARCHES as u64),
        (_, "n") => whole(0, limits.max_page as u64),
        (_, "from") => whole(0, limits.max_search_depth as u64),
        (_, "id") => json!({"type": "string", "minLength": 1, "maxLength": tweet::MAX_ID_BYTES}),
        (_, "before_id") => json!({"type": "string", "pattern": "^[0-9]{1,20}(-[0-9]{1,20})?$"}),
        (_, "since" | "until_seq") => whole(0, Seq::MAX.0),
        (_, "epoch") => json!({"type": "string", "format": "uuid"}),
        (_, "Last-Event-ID" | "lastEventId") => json!({"type": "string", "pattern": "^[0-9a-fA-F-]{36}:[0-9]{1,16}$"}),
        ("/api/queries", "sort") => choice(&["cost", "matches", "candidates"]),
        (_, "sort") => choice(&["newest", "oldest"]),
        ("/api/tweets", "format") => {
            json!({"type": "string", "enum": FORMATS.iter().map(|kind| kind.name).collect::<Vec<_>>()})
        }
        (_, "name" | "after" | "tag" | "owner" | "file" | "token") => {
            json!({"type": "string", "minLength": 1, "maxLength": 256})
        }
        (_, "state") => json!({"type": "string", "enum": ["live", "catching-up", "failing", "paused"]}),
        (_, "If-Match" | "If-None-Match") => json!({"type": "string", "maxLength": 64}),
        (_, "explain" | "price") => json!({"type": "boolean", "default": false}),
        _ => return None,
    })
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object))
)]
pub(super) async fn document(_: Anyone, State(context): State<Arc<TransportContext>>) -> Response {
    http::json(json(&context.limits, context.query_limits.max_bytes))
}

#[cfg(test)]
mod tests;
