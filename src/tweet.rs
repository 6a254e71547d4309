//! The tweet: what comes in, what is kept of it, and its analysis.
//!
//! [`read()`] takes a tweet in any of the forms that Twitter's APIs give, [`Tweet`] is what is kept of it, [`Tweet::to_json`] is the
//! one form in which it is stored and sent, [`Tweet::analyze`] is what queries see. Reading what was written gives the same tweet,
//! so that an index can be made again from the tweets that it stores.
//!
//! Texts stay as they were received, with `&amp;` and the like, because clients put them into pages as they are; they are decoded
//! for the analysis only. Ids are `u64` and never pass through a float.

mod analyze;
mod date;
mod extract;
mod read;
mod wire;
mod write;

use std::fmt;
use std::sync::Arc;

pub(crate) use analyze::{TextOrigin, TextSource};
#[cfg(test)]
pub(crate) use extract::decode;
pub(crate) use extract::{decoded_parts, raw_range};
pub use read::{read, read_each};

use crate::doc::{Doc, DocBuilder, Point};
use crate::ids::Seq;
use crate::schema::Schema;

/// How many entities of one kind a tweet may have.
pub const MAX_ENTITIES: usize = 1_000;

/// A tweet, as much of it as is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tweet {
    /// Its id.
    pub id: u64,
    /// The whole text, with HTML's `&amp;`, `&lt;` and `&gt;`.
    pub text: String,
    /// When it was written, in seconds since 1970 (UTC).
    pub created_at: Option<i64>,
    /// The language code: `en`.
    pub lang: Option<String>,
    /// How often it was retweeted.
    pub retweet_count: u64,
    /// How often it was liked.
    pub favorite_count: u64,
    /// What is in the text.
    pub entities: Entities,
    /// The author.
    pub user: User,
    /// The tweet that is answered.
    pub in_reply_to_status_id: Option<u64>,
    /// The user who is answered.
    pub in_reply_to_user_id: Option<u64>,
    /// The name of the user who is answered.
    pub in_reply_to_screen_name: Option<String>,
    /// Whether it quotes another tweet.
    pub is_quote: bool,
    /// Where it was written.
    pub coordinates: Option<Point>,
    /// The tweet that it repeats.
    pub retweet: Option<Retweet>,
}

/// What a retweet repeats.
#[derive(Clone, Debug, PartialEq)]
pub enum Retweet {
    /// The tweet. It is no retweet itself.
    Tweet(Box<Tweet>),
    /// Only the id is known.
    Id(u64),
}

/// The author of a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name that is shown.
    pub name: String,
    /// The name without `@`.
    pub screen_name: String,
    /// The address of the picture.
    pub profile_image_url: String,
    /// How many follow.
    pub followers_count: u64,
}

/// What is in the text of a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entities {
    /// `#rust`.
    pub hashtags: Vec<Tag>,
    /// Addresses.
    pub urls: Vec<Url>,
    /// `@ann`.
    pub user_mentions: Vec<Mention>,
    /// Pictures and films.
    pub media: Vec<Media>,
    /// Cashtags: `$TSLA`.
    pub symbols: Vec<Tag>,
}

/// Where an entity stands in the text: its first character and the one behind its last (Unicode code points).
pub type Indices = Option<[u32; 2]>;

/// A hashtag or cashtag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Without its sign.
    pub text: String,
    /// Where it stands.
    pub indices: Indices,
}

/// An address in a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// As it stands in the text, mostly shortened.
    pub url: String,
    /// Where it leads.
    pub expanded_url: String,
    /// How it is shown.
    pub display_url: String,
    /// Where it stands.
    pub indices: Indices,
}

/// A user who is mentioned in a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mention {
    /// Without `@`.
    pub screen_name: String,
    /// The name that is shown, if it is known.
    pub name: Option<String>,
    /// Where it stands.
    pub indices: Indices,
}

/// A picture or film of a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `photo`, `video`, `animated_gif`.
    pub kind: String,
    /// The address that stands for it in the text.
    pub url: String,
    /// The address of the picture.
    pub media_url: String,
    /// The same, by https.
    pub media_url_https: Option<String>,
    /// The address of its page.
    pub expanded_url: Option<String>,
    /// How the address is shown.
    pub display_url: Option<String>,
    /// Where it stands.
    pub indices: Indices,
}

/// What is wrong with what should be a tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TweetError {
    field: String,
    message: String,
}

impl TweetError {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> TweetError {
        TweetError { field: field.into(), message: message.into() }
    }

    /// The path of the field that is wrong, `entities.hashtags[0].text`; empty when it is no JSON at all.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same, for a field of another one.
    fn inside(mut self, field: &str) -> TweetError {
        self.field = if self.field.is_empty() { field.to_owned() } else { format!("{field}.{}", self.field) };
        self
    }
}

impl fmt::Display for TweetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for TweetError {}

/// Makes a tweet ready for the pipeline.
#[must_use]
pub fn analyze(tweet: &Tweet) -> AnalyzedTweet {
    let mut builder = DocBuilder::new(Schema::tweet());
    tweet.analyze(&mut builder);
    AnalyzedTweet { id: tweet.id, json: tweet.to_json().into(), doc: builder.finish() }
}

/// A tweet that is ready for the pipeline: read, stripped, analysed.
#[derive(Debug)]
pub struct AnalyzedTweet {
    /// The tweet's own id.
    pub id: u64,
    /// The stripped tweet as JSON: what is stored and what clients get.
    pub json: Arc<str>,
    /// What queries see.
    pub doc: Doc,
}

/// A tweet with its place in the order of arrival.
#[derive(Clone, Debug)]
pub struct SequencedTweet {
    /// Its position.
    pub seq: Seq,
    /// The tweet.
    pub tweet: Arc<AnalyzedTweet>,
}

#[cfg(test)]
mod tests;
