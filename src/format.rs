//! The formats in which networks, archives and tools write tweets. A format is one file and one row
//! of [`FORMATS`].
//!
//! ```text
//! bytes ─> reader: unpack, split ─> documents ─> FORMATS: recognize, read ─> tweets, deletions
//! ```
//!
//! [`reader`] is the one door: the bulk endpoint, `perch ingest` and the source `file` read with
//! it. Each document is recognized by itself, so a file may mix formats: the tweets and the control
//! messages of a stream, for example.

mod aliases;
mod bluesky;
mod control;
mod database;
mod mastodon;
pub mod reader;
mod scraper;
mod table;
mod text;
mod twitter_v1;
mod x_api_v2;
mod x_archive;
mod x_web;

use std::fmt::Write as _;

pub use table::{ColumnMap, field_names, is_field};
pub use x_archive::{author, author_beside};

use crate::tweet::json::{Json, Value};
use crate::tweet::{ReadContext, Reading, Tweet, TweetError};

/// A row of [`FORMATS`].
#[derive(Debug)]
pub struct FormatKind {
    /// Its name on the command line, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example, in `examples/data`; a test reads it.
    pub example: &'static str,
    /// Whether a JSON object is a document of this format.
    recognize: fn(Value<'_>) -> bool,
    /// Reads the document.
    read: fn(Value<'_>, &mut Output<'_>),
}

/// All formats, in the order in which recognition tries them. Formats with distinctive fields come
/// first. The last one reads any object with an id and a text.
pub const FORMATS: &[FormatKind] = &[
    bluesky::KIND,
    mastodon::KIND,
    x_archive::KIND,
    database::KIND,
    x_web::KIND,
    x_api_v2::KIND,
    scraper::KIND,
    table::KIND,
    twitter_v1::KIND,
];

/// The format of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static FormatKind> {
    FORMATS.iter().find(|kind| kind.name == name)
}

/// What a document holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A tweet.
    Tweet(Box<Tweet>),
    /// The message that a tweet was deleted.
    Delete {
        /// The identity of the tweet.
        id_str: String,
    },
    /// Something that is neither, and no mistake.
    Skipped {
        /// What it is: `limit`, `like`.
        kind: &'static str,
    },
}

/// Takes what a format finds in a document.
#[derive(Debug)]
pub struct Output<'c> {
    /// The values that were dropped, and what reading needs to know.
    pub reading: Reading<'c>,
    /// The items in their order.
    pub items: Vec<Result<Item, TweetError>>,
    /// Whether the document held a list of tweets: then each of them may be as long as a document.
    pub is_page: bool,
    /// The longest tweet, in bytes.
    max_tweet_bytes: usize,
}

impl<'c> Output<'c> {
    /// An empty output.
    #[must_use]
    pub fn new(context: &'c ReadContext, max_tweet_bytes: usize) -> Output<'c> {
        Output { reading: Reading::new(context), items: Vec::new(), is_page: false, max_tweet_bytes }
    }

    fn skip(&mut self, kind: &'static str) {
        self.items.push(Ok(Item::Skipped { kind }));
    }

    fn delete(&mut self, id_str: String) {
        self.items.push(Ok(Item::Delete { id_str }));
    }

    fn push(&mut self, tweet: Result<Tweet, TweetError>) {
        self.items.push(tweet.map(|tweet| Item::Tweet(Box::new(tweet))));
    }

    /// Reads a tweet of a page, if it is no longer than a tweet may be.
    fn read_item(&mut self, item: Value<'_>, read: impl FnOnce(Value<'_>, &mut Output<'c>)) {
        self.is_page = true;
        if item.raw().len() > self.max_tweet_bytes {
            self.items.push(Err(TweetError::new("", reader::too_long(self.max_tweet_bytes))));
        } else {
            read(item, self);
        }
    }

    /// Reads each element of a list, and names it in errors: `data[3]`.
    fn each(&mut self, name: &str, list: Value<'_>, mut read: impl FnMut(Value<'_>, &mut Output<'c>)) {
        self.is_page = true;
        for (at, item) in list.items().enumerate() {
            let first = self.items.len();
            self.read_item(item, &mut read);
            for item in &mut self.items[first..] {
                if let Err(error) = item {
                    *error = error.clone().inside(&format!("{name}[{at}]"));
                }
            }
        }
    }
}

/// Reads a document in JSON, and returns its format; `None` if no format recognizes it. With
/// `forced` the document is of this format.
pub fn read_document(
    text: &str,
    forced: Option<&'static FormatKind>,
    out: &mut Output<'_>,
) -> Option<&'static FormatKind> {
    match Json::parse(text) {
        Ok(json) => read_value(json.root(), forced, out),
        Err(error) => {
            out.items.push(Err(TweetError::new("", format!("no JSON: {error}"))));
            None
        }
    }
}

/// Reads a value of JSON: an object, or an array of objects.
pub(crate) fn read_value(
    value: Value<'_>,
    forced: Option<&'static FormatKind>,
    out: &mut Output<'_>,
) -> Option<&'static FormatKind> {
    if value.is_array() {
        let mut kind = None;
        out.each("", value, |item, out| {
            let found = if item.is_array() { None } else { read_value(item, forced, out) };
            kind = kind.or(found);
        });
        return kind;
    }
    let kind = match forced {
        Some(kind) => Some(kind),
        None if value.is_object() => FORMATS.iter().find(|kind| (kind.recognize)(value)),
        None => None,
    };
    match kind {
        Some(kind) => (kind.read)(value, out),
        None => out.items.push(Err(TweetError::new("", unknown(value)))),
    }
    kind
}

/// What an unknown document looks like.
fn unknown(value: Value<'_>) -> String {
    if !value.is_object() {
        let shown: String = value.raw().chars().take(40).collect();
        return format!("expected a tweet as a JSON object, found {shown}");
    }
    let mut keys = String::new();
    for (key, _) in value.entries().take(8) {
        let shown: String = key.chars().take(30).collect();
        let _ = write!(keys, "{}{shown}", if keys.is_empty() { "" } else { ", " });
    }
    if keys.is_empty() {
        return "an empty object: a tweet has id_str and text at least".to_owned();
    }
    format!("no format that perch knows has an object with the keys {keys}")
}

#[cfg(test)]
mod tests;
