//! The tweet: reading, the fields that perch keeps, and analysis.
//!
//! [`read()`] reads one tweet in the form of Twitter's API v1.1, which is also the form in which
//! perch stores and sends it ([`Tweet::to_json`]). [`crate::format`] reads every other form.
//! [`Tweet`] has the fields that perch keeps. [`Tweet::analyze`] makes the document that queries
//! match. Reading a tweet that perch has written gives the same tweet, so an index can be rebuilt
//! from the tweets that it stores.
//!
//! A tweet is refused only if it has no id, or neither text nor media. Any other wrong value is
//! dropped and counted ([`Dropped`]).
//!
//! Texts keep their HTML entities (`&amp;`), because clients insert them into pages as they are.
//! Only the analysis decodes them. Ids never pass through a float.

mod analyze;
mod date;
mod deletion;
pub(crate) mod entities;
pub mod explain;
mod extract;
pub(crate) mod json;
mod key;
mod read;
mod values;
mod write;

use std::fmt;
use std::sync::Arc;

pub(crate) use analyze::{TextOrigin, TextSource};
pub use deletion::{deletion, deletion_in_order};
pub(crate) use deletion::{id_str_of, read_stored};
pub(crate) use extract::{decode, decoded_parts, display, extract, raw_range};
pub(crate) use key::{KeyTerm, SNOWFLAKE_EPOCH_MS};
pub use key::{PageKey, TweetKey, order_id, snowflake_ms};
pub(crate) use read::{Draft, identity, missing_text, read_value};
pub use read::{ReadContext, Reading, read};
pub use values::{Dropped, MAX_ID_BYTES, is_id};
pub(crate) use values::{FloatId, float_id, truth_of};

use crate::doc::{Doc, DocBuilder, Point};
use crate::ids::Seq;
use crate::schema::Schema;
pub use crate::schema::tweet::Network;

/// The most entities of one kind in a tweet.
pub const MAX_ENTITIES: usize = 1_000;

/// A tweet, with the fields that perch keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tweet {
    /// The place in the order of all tweets, in the space of Twitter's snowflakes.
    pub id: u64,
    /// The identity: 1 to 512 bytes of printable text without spaces.
    pub id_str: String,
    /// The full text, with the HTML entities `&amp;`, `&lt;` and `&gt;`.
    pub text: String,
    /// The creation time, in seconds since 1970 (UTC).
    pub created_at: Option<i64>,
    /// The language code: `en`.
    pub lang: Option<String>,
    /// All language codes, the first included, if there is more than one.
    pub langs: Vec<String>,
    /// The address of its page.
    pub url: Option<String>,
    /// The network that it comes from.
    pub source: Option<Network>,
    /// The number of retweets.
    pub retweet_count: u64,
    /// The number of likes.
    pub favorite_count: u64,
    /// The number of replies, if it is known.
    pub reply_count: Option<u64>,
    /// The number of quotes, if it is known.
    pub quote_count: Option<u64>,
    /// The entities of the text.
    pub entities: Entities,
    /// The author.
    pub user: User,
    /// The `id_str` of the tweet that it replies to.
    pub in_reply_to_status_id: Option<String>,
    /// The id of the user that it replies to.
    pub in_reply_to_user_id: Option<String>,
    /// The screen name of the user that it replies to.
    pub in_reply_to_screen_name: Option<String>,
    /// The `id_str` of the tweet that started the conversation.
    pub conversation_id: Option<String>,
    /// Whether it quotes another tweet.
    pub is_quote: bool,
    /// The quoted tweet, if more is known than that there is one.
    pub quoted: Option<Referenced>,
    /// The location.
    pub coordinates: Option<Point>,
    /// The place that it names.
    pub place: Option<Place>,
    /// The options of its poll.
    pub poll_options: Vec<String>,
    /// Whether its author or network warns of its content.
    pub is_sensitive: bool,
    /// The original, if it is a retweet.
    pub retweet: Option<Referenced>,
}

/// A tweet that another one retweets or quotes.
#[derive(Clone, Debug, PartialEq)]
pub enum Referenced {
    /// The tweet. It retweets and quotes nothing itself.
    Tweet(Box<Tweet>),
    /// The `id_str`, if no more is known.
    Id(String),
    /// Only that there is one, as archives know of retweets.
    Unknown,
}

/// The place that a tweet names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The name that people read: `Manhattan, NY`.
    pub full_name: String,
    /// The code of its country: `US`.
    pub country_code: Option<String>,
}

/// The author of a tweet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The id, if it is known.
    pub id_str: Option<String>,
    /// The display name.
    pub name: String,
    /// The screen name, without `@`. On Mastodon with the instance: `ann@social.example`.
    pub screen_name: String,
    /// The URL of the picture.
    pub profile_image_url: String,
    /// The number of followers.
    pub followers_count: u64,
    /// Whether the network has verified the account.
    pub verified: bool,
    /// The words with which the user describes themselves.
    pub description: String,
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
    /// Where the target redirects to, if that is known.
    pub unwound_url: Option<String>,
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
    /// What it shows, in the author's words.
    pub alt_text: Option<String>,
    /// Its position.
    pub indices: Indices,
}

impl Media {
    /// An image or video that no text stands for.
    pub(crate) fn at(kind: &str, address: String, alt_text: Option<String>) -> Media {
        Media { kind: kind.to_owned(), url: address.clone(), media_url: address, alt_text, ..Media::default() }
    }
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
    pub(crate) fn inside(mut self, field: &str) -> TweetError {
        let separator = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{field}{separator}{}", self.field);
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
    let key = TweetKey::new(&tweet.id_str);
    AnalyzedTweet { id: tweet.id, key, json: tweet.to_json().into(), doc: builder.finish(), is_deleted: false }
}

/// A tweet that is ready for the pipeline.
#[derive(Debug)]
pub struct AnalyzedTweet {
    /// The place in the order of all tweets.
    pub id: u64,
    /// The identity.
    pub key: TweetKey,
    /// The JSON that is stored and sent to clients, by [`Tweet::to_json`].
    pub json: Arc<str>,
    /// The document that queries match.
    pub doc: Doc,
    /// Whether this version is a [`mod@deletion`]: no query matches it, whatever its document.
    pub is_deleted: bool,
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
