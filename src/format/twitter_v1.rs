//! Twitter's API v1.1: tweets of REST and streams, pages of searches and of the premium APIs, and
//! the control messages of streams. perch itself writes tweets in this form.

use super::{FormatKind, Output, control};
use crate::tweet::json::Value;
use crate::tweet::{Tweet, read_value};

pub(super) const KIND: FormatKind = FormatKind {
    name: "twitter-v1",
    about: "Twitter's API v1.1: tweets, search answers, stream messages; also what perch itself writes",
    example: "twitter-v1.ndjson",
    lists: &LISTS,
    recognize,
    read,
};

/// The lists of tweets in the answers of searches, timelines and the premium APIs.
const LISTS: [&str; 3] = ["statuses", "results", "tweets"];

fn list(value: Value<'_>) -> Option<(&'static str, Value<'_>)> {
    LISTS.into_iter().find_map(|name| Some((name, value.get(name).filter(|list| list.is_array())?)))
}

/// The answer of `statuses/lookup` with `map=true`: tweets by their ids.
fn map(value: Value<'_>) -> Option<Value<'_>> {
    value.get("id").filter(|id| id.is_object())
}

fn recognize(value: Value<'_>) -> bool {
    ["id_str", "id", "text", "full_text"].into_iter().any(|key| value.get(key).is_some())
        || control::kind(value).is_some()
        || list(value).is_some()
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    if let Some(kind) = control::kind(value) {
        control::read(kind, value, out);
    } else if let Some((name, list)) = list(value) {
        out.each(name, list, |tweet, out| {
            let tweet = read_value(tweet, &mut out.reading).and_then(Tweet::not_blank);
            out.push(tweet);
        });
    } else if let Some(map) = map(value) {
        out.is_page = true;
        for (_, tweet) in map.entries() {
            if tweet.is_object() {
                out.read_item(tweet, |tweet, out| {
                    let tweet = read_value(tweet, &mut out.reading).and_then(Tweet::not_blank);
                    out.push(tweet);
                });
            } else {
                // A tweet that is gone.
                out.skip("missing");
            }
        }
    } else {
        let tweet = read_value(value, &mut out.reading).and_then(Tweet::not_blank);
        out.push(tweet);
    }
}
