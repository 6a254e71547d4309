//! The tweet: reading, the fields that perch keeps, and analysis.
//!
//! [`read()`] reads a tweet in any format of Twitter's APIs. [`Tweet`] has the fields that perch
//! keeps. [`Tweet::to_json`] is the one format in which perch stores and sends it.
//! [`Tweet::analyze`] makes the document that queries match. Reading a tweet that perch has written
//! gives the same tweet, so an index can be rebuilt from the tweets that it stores.
//!
//! Texts keep their HTML entities (`&amp;`), because clients insert them into pages as they are.
//! Only the analysis decodes them. Ids are `u64` and never pass through a float.

mod analyze;
mod date;
pub mod explain;
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

/// The most entities of one kind in a tweet.
pub const MAX_ENTITIES: usize = 1_000;

/// A tweet, with the fields that perch keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tweet {
    /// The id.
    pub id: u64,
    /// The full text, with the HTML entities `&amp;`, `&lt;` and `&gt;`.
    pub text: String,
    /// The creation time, in seconds since 1970 (UTC).
    pub created_at: Option<i64>,
    /// The language code: `en`.
    pub lang: Option<String>,
    /// The number of retweets.
    pub retweet_count: u64,
    /// The number of likes.
    pub favorite_count: u64,
    /// The entities of the text.
    pub entities: Entities,
    /// The author.
    pub user: User,
    /// The tweet that it replies to.
    pub in_reply_to_status_id: Option<u64>,
    /// The user that it replies to.
    pub in_reply_to_user_id: Option<u64>,
    /// The screen name of the user that it replies to.
    pub in_reply_to_screen_name: Option<String>,
    /// Whether it quotes another tweet.
    pub is_quote: bool,
    /// The location.
    pub coordinates: Option<Point>,
    /// The original, if it is a retweet.
    pub retweet: Option<Retweet>,
}

/// The original of a retweet.
#[derive(Clone, Debug, PartialEq)]
pub enum Retweet {
    /// The tweet. It is no retweet itself.
    Tweet(Box<Tweet>),
    /// The id, if no more is known.
    Id(u64),
}

/// The author of a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The display name.
    pub name: String,
    /// The screen name, without `@`.
    pub screen_name: String,
    /// The URL of the picture.
    pub profile_image_url: String,
    /// The number of followers.
    pub followers_count: u64,
}

/// The entities of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entities {
    /// Hashtags: `#rust`.
    pub hashtags: Vec<Tag>,
    /// URLs.
    pub urls: Vec<Url>,
    /// Mentions: `@ann`.
    pub user_mentions: Vec<Mention>,
    /// Images and videos.
    pub media: Vec<Media>,
    /// Cashtags: `$TSLA`.
    pub symbols: Vec<Tag>,
}

/// The position of an entity: its first code point, and the one behind its last.
pub type Indices = Option<[u32; 2]>;

/// A hashtag or cashtag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The text without `#` or `$`.
    pub text: String,
    /// Its position.
    pub indices: Indices,
}

/// A URL in a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// The URL in the text, mostly a short link.
    pub url: String,
    /// The target of the short link.
    pub expanded_url: String,
    /// The text that pages show for it.
    pub display_url: String,
    /// Its position.
    pub indices: Indices,
}

/// A mention of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mention {
    /// The screen name, without `@`.
    pub screen_name: String,
    /// The display name, if it is known.
    pub name: Option<String>,
    /// Its position.
    pub indices: Indices,
}

/// An image or video of a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `photo`, `video`, `animated_gif`.
    pub kind: String,
    /// The URL that stands for it in the text.
    pub url: String,
    /// The URL of the image.
    pub media_url: String,
    /// The URL of the image, with https.
    pub media_url_https: Option<String>,
    /// The URL of its page.
    pub expanded_url: Option<String>,
    /// The text that pages show for it.
    pub display_url: Option<String>,
    /// Its position.
    pub indices: Indices,
}

/// Why a document is no tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TweetError {
    field: String,
    message: String,
}

impl TweetError {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> TweetError {
        TweetError { field: field.into(), message: message.into() }
    }

    /// The path of the invalid field, `entities.hashtags[0].text`; empty if the document is no
    /// JSON.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with the field.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error, with a path that is relative to an outer field.
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

/// Prepares a tweet for the pipeline.
#[must_use]
pub fn analyze(tweet: &Tweet) -> AnalyzedTweet {
    let mut builder = DocBuilder::new(Schema::tweet());
    tweet.analyze(&mut builder);
    AnalyzedTweet { id: tweet.id, json: tweet.to_json().into(), doc: builder.finish() }
}

/// A tweet that is ready for the pipeline.
#[derive(Debug)]
pub struct AnalyzedTweet {
    /// The id.
    pub id: u64,
    /// The JSON that is stored and sent to clients, by [`Tweet::to_json`].
    pub json: Arc<str>,
    /// The document that queries match.
    pub doc: Doc,
}

/// A tweet with its position in the order of arrival.
#[derive(Clone, Debug)]
pub struct SequencedTweet {
    /// Its position.
    pub seq: Seq,
    /// The tweet.
    pub tweet: Arc<AnalyzedTweet>,
}

#[cfg(test)]
mod tests;
