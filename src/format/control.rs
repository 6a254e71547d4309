//! The control messages of Twitter's streams, between its tweets.

use super::Output;
use crate::tweet::json::Value;

/// Messages that say nothing about a single tweet.
const SKIPPED: &[&str] = &[
    "limit",
    "warning",
    "scrub_geo",
    "status_withheld",
    "user_withheld",
    "disconnect",
    "friends",
    "friends_str",
    "for_user",
    "control",
    "user_delete",
    "user_undelete",
    "user_protect",
    "user_unprotect",
    "user_suspend",
    "user_unsuspend",
];

/// The name of the message that an object is.
pub(super) fn kind(value: Value<'_>) -> Option<&'static str> {
    if value.get("delete").is_some_and(Value::is_object) {
        return Some("delete");
    }
    if value.get("text").is_some() || value.get("full_text").is_some() {
        return None;
    }
    let skipped = SKIPPED.iter().copied().find(|name| value.get(name).is_some());
    // Lines of API v2 that report an error, such as that the connection ends.
    let is_errors = || value.get("errors").is_some_and(Value::is_array) && value.get("data").is_none();
    skipped.or_else(|| is_errors().then_some("errors"))
}

/// Reads the message with this name.
pub(super) fn read(kind: &'static str, value: Value<'_>, out: &mut Output<'_>) {
    if kind != "delete" {
        return out.skip(kind);
    }
    let status = ["status", "tweet"].into_iter().find_map(|name| value.path(&["delete", name]));
    let status = status.or_else(|| value.get("delete"));
    let id = status.and_then(|status| status.get("id_str").or_else(|| status.get("id")));
    match out.reading.dropped.id(id, "delete") {
        Some(id_str) => out.delete(id_str),
        // That of a like or a message.
        None => out.skip("delete"),
    }
}
