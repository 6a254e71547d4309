//! X's web client: answers of its GraphQL API as browser tools save them, such as Zeeschuimer and
//! twitter-web-exporter.

use super::{FormatKind, Output};
use crate::tweet::json::Value;
use crate::tweet::{Dropped, Network, Reading, Referenced, Tweet, TweetError, User, entities, extract, read_value};

pub(super) const KIND: FormatKind = FormatKind {
    name: "x-web",
    about: "X's web client: GraphQL answers, as Zeeschuimer, twitter-web-exporter and browsers save them",
    example: "x-web.json",
    lists: &[],
    recognize,
    read,
};

/// The deepest place of a tweet in an answer.
const MAX_DEPTH: usize = 24;

fn recognize(value: Value<'_>) -> bool {
    if is_result(value) || ["data", "metadata"].into_iter().any(|key| value.get(key).is_some_and(is_result)) {
        return true;
    }
    // An answer: `data` holds objects that hold timelines and results.
    value.get("data").filter(|data| data.is_object()).is_some_and(|data| {
        data.get("id").is_none()
            && data.get("text").is_none()
            && data.entries().any(|(_, inner)| inner.is_object())
            && finds_result(data, MAX_DEPTH)
    })
}

/// Whether an object is a tweet of this API.
fn is_result(value: Value<'_>) -> bool {
    let tweet = value.get("tweet").unwrap_or(value);
    tweet.get("legacy").is_some_and(|legacy| legacy.get("full_text").is_some())
}

fn finds_result(value: Value<'_>, depth: usize) -> bool {
    is_result(value)
        || depth > 0
            && (value.entries().any(|(_, inner)| finds_result(inner, depth - 1))
                || value.items().any(|inner| finds_result(inner, depth - 1)))
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    out.is_page = true;
    let before = out.items.len();
    walk(value, MAX_DEPTH, out);
    if out.items.len() == before {
        out.skip("answer");
    }
}

/// Reads the tweets in a value, in their order.
fn walk(value: Value<'_>, depth: usize, out: &mut Output<'_>) {
    if is_result(value) {
        return out.read_item(value, |value, out| {
            let tweet = tweet(value.get("tweet").unwrap_or(value), true, &mut out.reading);
            out.push(tweet);
        });
    }
    if depth > 0 {
        value.entries().for_each(|(_, inner)| walk(inner, depth - 1, out));
        value.items().for_each(|inner| walk(inner, depth - 1, out));
    }
}

fn tweet(value: Value<'_>, is_outer: bool, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let Some(legacy) = value.get("legacy") else {
        return Err(TweetError::new("legacy", "missing: the fields of the tweet stand in there"));
    };
    let mut tweet = read_value(legacy, reading).map_err(|error| error.inside("legacy"))?;
    tweet.source = Some(Network::X);
    let note = value.path(&["note_tweet", "note_tweet_results", "result"]);
    if let Some(text) = note.and_then(|note| reading.dropped.text(note.get("text"), "text")) {
        let media = std::mem::take(&mut tweet.entities.media);
        let given = note.and_then(|note| note.get("entity_set"));
        tweet.entities = match given {
            Some(given) => entities::entities(given, &mut reading.dropped),
            None => extract(&text),
        };
        tweet.entities.media = media;
        tweet.text = text;
    }
    if let Some(author) = value.path(&["core", "user_results", "result"]) {
        tweet.user = user(author, &mut reading.dropped);
        tweet.url = Some(format!("https://x.com/{}/status/{}", tweet.user.screen_name, tweet.id_str))
            .filter(|_| !tweet.user.screen_name.is_empty());
    }
    tweet.retweet = None;
    tweet.quoted = None;
    if is_outer {
        let mut inner = |result: Option<Value<'_>>| {
            let result = result.map(|result| result.get("tweet").unwrap_or(result)).filter(|result| is_result(*result));
            Some(Referenced::Tweet(Box::new(self::tweet(result?, false, reading).ok()?)))
        };
        let retweeted = legacy.path(&["retweeted_status_result", "result"]);
        tweet.retweet = inner(retweeted.or_else(|| value.path(&["retweeted_status_result", "result"])));
        tweet.quoted = inner(value.path(&["quoted_status_result", "result"]));
        let quoted_id = legacy.get("quoted_status_id_str");
        if tweet.quoted.is_none() {
            tweet.quoted = reading.dropped.id(quoted_id, "quoted").map(Referenced::Id);
        }
        tweet.is_quote |= tweet.quoted.is_some();
        tweet.complete();
    }
    Ok(tweet)
}

fn user(value: Value<'_>, dropped: &mut Dropped) -> User {
    // Newer answers keep the names beside the other fields.
    let find = |paths: [&[&str]; 2]| paths.into_iter().find_map(|path| value.path(path));
    let picture = find([&["legacy", "profile_image_url_https"], &["avatar", "image_url"]]);
    let verified = find([&["is_blue_verified"], &["legacy", "verified"]]);
    User {
        id_str: dropped.id(value.get("rest_id"), "user.id_str"),
        name: dropped.text(find([&["legacy", "name"], &["core", "name"]]), "user.name").unwrap_or_default(),
        screen_name: dropped
            .text(find([&["legacy", "screen_name"], &["core", "screen_name"]]), "user.screen_name")
            .unwrap_or_default(),
        profile_image_url: dropped.text(picture, "user.profile_image_url").unwrap_or_default(),
        followers_count: dropped.count(value.path(&["legacy", "followers_count"]), "user.followers_count").unwrap_or(0),
        verified: dropped.flag(verified, "user.verified") == Some(true),
        description: dropped.text(value.path(&["legacy", "description"]), "user.description").unwrap_or_default(),
    }
}
