//! Documents as databases export them: `mongoexport` and Elasticsearch.
//!
//! What a database puts around a tweet is taken off; the tweet inside is in any other format. The
//! numbers and dates of `MongoDB`'s extended JSON are read everywhere.

use super::{FormatKind, Output};
use crate::tweet::TweetError;
use crate::tweet::json::{Json, Value};

pub(super) const KIND: FormatKind = FormatKind {
    name: "database",
    about: "exports of databases: mongoexport (extended JSON), elasticdump and answers of Elasticsearch (_source)",
    example: "elasticdump.ndjson",
    lists: &["hits.hits"],
    recognize,
    read,
};

/// Whether an object is a line of Elasticsearch's bulk API that says what to do with the next one.
fn is_action(value: Value<'_>) -> bool {
    let mut entries = value.entries();
    let (Some((name, action)), None) = (entries.next(), entries.next()) else { return false };
    let is_named = matches!(&*name, "index" | "create" | "update" | "delete");
    is_named && (action.get("_index").is_some() || action.get("_id").is_some())
}

fn recognize(value: Value<'_>) -> bool {
    is_action(value) || value.get("_source").is_some_and(Value::is_object) || value.path(&["hits", "hits"]).is_some()
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    if is_action(value) {
        out.skip("action");
    } else if let Some(list) = value.path(&["hits", "hits"]) {
        out.each("hits.hits", list, read);
    } else {
        let source = value.get("_source").unwrap_or(value);
        let Some(text) = with_id(value, source) else {
            super::read_value(source, None, out);
            return;
        };
        match Json::parse(&text) {
            Ok(json) => {
                super::read_value(json.root(), None, out);
            }
            Err(error) => out.push(Err(TweetError::new("_source", format!("no JSON: {error}")))),
        }
    }
}

/// The JSON of a tweet whose id only the database has, with this id.
fn with_id(value: Value<'_>, source: Value<'_>) -> Option<String> {
    const IDS: [&str; 6] = ["id_str", "id", "tweet_id", "tweetId", "uri", "url"];
    let id = value.get("_id").filter(|id| id.str().is_some())?;
    let fields = source.raw().strip_prefix('{').filter(|fields| fields.trim_start().starts_with('"'))?;
    let has_id = IDS.into_iter().any(|key| source.get(key).is_some());
    (!has_id).then(|| format!("{{\"id_str\":\"{}\",{fields}", id.raw()))
}
