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
mod output;
pub mod reader;
mod scraper;
mod table;
mod text;
mod twitter_v1;
mod x_api_v2;
mod x_archive;
mod x_web;

use std::fmt::Write as _;

pub use output::Output;
pub use table::{ColumnMap, field_names, is_field};
pub use x_archive::{author, author_beside};

use crate::tweet::json::{Json, Value};
use crate::tweet::{Tweet, TweetError};

/// A row of [`FORMATS`].
#[derive(Debug)]
pub struct FormatKind {
    /// Its name on the command line, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example, in `examples/data`; a test reads it.
    pub example: &'static str,
    /// The lists of tweets of its pages, which are read as streams: `statuses`, `hits.hits`.
    lists: &'static [&'static str],
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
    /// The message that a status of Mastodon was deleted, which names only its number on one
    /// instance: see [`Output::statuses`].
    DeleteStatus {
        /// The number of the status.
        number: String,
    },
    /// Something that is neither, and no mistake.
    Skipped {
        /// What it is: `limit`, `like`.
        kind: &'static str,
    },
}

/// Reads a document in JSON, and returns its format; `None` if no format recognizes it. With
/// `forced` the document is of this format. Reads a long page in portions: see [`Output`].
pub fn read_document(
    text: &str,
    forced: Option<&'static FormatKind>,
    out: &mut Output<'_>,
) -> Option<&'static FormatKind> {
    match out.take_parsed().map_or_else(|| Json::parse(text), |nodes| Ok(Json::from_nodes(text, nodes))) {
        Ok(json) => {
            let kind = read_value(json.root(), forced, out);
            out.keep_parsed(json);
            kind
        }
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
