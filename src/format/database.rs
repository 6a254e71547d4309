//! Documents as databases export them: `mongoexport` and Elasticsearch.
//!
//! What a database puts around a tweet is taken off; the tweet inside is in any other format. The
//! numbers and dates of `MongoDB`'s extended JSON are read everywhere.

use super::{FormatKind, Output};
use crate::tweet::json::Value;

pub(super) const KIND: FormatKind = FormatKind {
    name: "database",
    about: "exports of databases: mongoexport (extended JSON), elasticdump and answers of Elasticsearch (_source)",
    example: "elasticdump.ndjson",
    lists: &["hits.hits"],
    recognize,
    read,
};

fn recognize(value: Value<'_>) -> bool {
    value.get("_source").is_some_and(Value::is_object) || value.path(&["hits", "hits"]).is_some()
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    if let Some(list) = value.path(&["hits", "hits"]) {
        out.each("hits.hits", list, read);
    } else {
        super::read_value(value.get("_source").unwrap_or(value), None, out);
    }
}
