//! The archive that X gives to the owner of an account: `data/tweets.js` and its other files.
//!
//! Tweets of an archive do not name their author, who stands in `data/account.js`. Archives from
//! 2012 to 2018 (`data/js/tweets/*.js`) hold tweets in the form of API v1.1.

use std::io::Read as _;
use std::path::Path;

use super::{FormatKind, Output, twitter_v1};
use crate::tweet::json::{Json, Value};
use crate::tweet::{Network, Referenced, User, read_value};

pub(super) const KIND: FormatKind = FormatKind {
    name: "x-archive",
    about: "the archive of an X account: tweets.js, tweets-part1.js, or the whole zip",
    example: "x-archive/tweets.js",
    lists: &[],
    recognize,
    read,
};

/// The other files of an archive, by the key of their elements.
const OTHERS: &[&str] = &[
    "like",
    "follower",
    "following",
    "blocking",
    "muting",
    "account",
    "profile",
    "dmConversation",
    "ad",
    "noteTweet",
    "verified",
    "deviceToken",
    "ipAudit",
    "accountCreationIp",
    "accountTimezone",
    "ageInfo",
    "emailAddressChange",
    "screenNameChange",
    "connectedApplication",
    "personalizationData",
    "p13nData",
    "savedSearch",
    "userListInfo",
    "contact",
    "moment",
    "protectedHistory",
    "phoneNumber",
    "tweetHeader",
    "deletedTweetHeader",
    "grokChatItem",
];

/// Files of archives from 2012 to 2018, and the list of an archive's files: what they are, and keys
/// that tell.
const NAMED: &[(&str, [&str; 2])] = &[
    ("user_details", ["screen_name", "bio"]),
    ("tweet_index", ["file_name", "var_name"]),
    ("payload_details", ["tweets", "created_at"]),
    ("manifest", ["archiveInfo", "dataTypes"]),
];

fn other(value: Value<'_>) -> Option<&'static str> {
    // Only objects without a text are looked at more closely.
    if value.get("text").is_some() || value.get("full_text").is_some() {
        return None;
    }
    let is_list = value.get("tweets").is_some_and(Value::is_array);
    let named = NAMED.iter().find(|(_, keys)| !is_list && keys.iter().all(|key| value.get(key).is_some()));
    if let Some((kind, _)) = named {
        return Some(kind);
    }
    // An element has one key.
    let mut entries = value.entries();
    let (key, inner) = entries.next()?;
    let is_alone = entries.next().is_none() && (inner.is_object() || inner.is_array());
    OTHERS.iter().copied().find(|other| is_alone && *other == key)
}

fn recognize(value: Value<'_>) -> bool {
    value.get("tweet").is_some_and(|tweet| tweet.get("created_at").is_some() || tweet.get("id_str").is_some())
        || other(value).is_some()
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    if let Some(kind) = other(value) {
        return out.skip(kind);
    }
    let Some(tweet) = value.get("tweet") else { return (twitter_v1::KIND.read)(value, out) };
    if tweet.get("full_text").is_none() && tweet.get("text").is_none() && tweet.get("id_str").is_none() {
        return out.skip("tweetHeader");
    }
    if tweet.get("deleted_at").is_some() {
        return out.skip("deletedTweet");
    }
    let read = read_value(tweet, &mut out.reading).map(|mut tweet| {
        tweet.source = Some(Network::X);
        if tweet.retweet.is_none() && tweet.text.starts_with("RT @") {
            tweet.retweet = Some(Referenced::Unknown);
        }
        tweet
    });
    out.push(read.map_err(|error| error.inside("tweet")));
}

/// The largest `account.js` that is read.
pub(super) const MAX_ACCOUNT_BYTES: u64 = 1024 * 1024;

/// The owner of an archive, from the text of its `account.js`.
#[must_use]
pub fn author(account_js: &str) -> Option<User> {
    let start = account_js.find('[')?;
    let json = Json::parse(account_js[start..].trim().trim_end_matches(';')).ok()?;
    let account = json.root().items().find_map(|item| item.get("account"))?;
    let text = |key| account.get(key).and_then(Value::str).map(std::borrow::Cow::into_owned);
    Some(User {
        id_str: text("accountId"),
        name: text("accountDisplayName").unwrap_or_default(),
        screen_name: text("username")?,
        ..User::default()
    })
}

/// The owner of the archive that a file belongs to, from the `account.js` beside it.
#[must_use]
pub fn author_beside(path: &Path) -> Option<User> {
    if path.extension()? != "js" {
        return None;
    }
    let account = path.with_file_name("account.js");
    if !std::fs::metadata(&account).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(account).ok()?.take(MAX_ACCOUNT_BYTES).read_to_string(&mut text).ok()?;
    author(&text)
}
