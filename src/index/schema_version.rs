//! The version of an index: which schema and which analyzer it was built with.
//!
//! A query finds nothing in an index whose terms another analyzer made, so perch must not open one.
//! The version is a hash of what decides about the content of an index, so no developer has to
//! remember to raise a number:
//!
//! - tantivy's schema, with the options of each field;
//! - the values that `has:` and `is:` know;
//! - the bounds of a document: its terms, their length, the gap between two values;
//! - what the tweets of a fixed sample become in the index, apart from the stored tweet.

use std::sync::LazyLock;

use tantivy::schema::Field;
use tantivy::schema::document::Document as _;

use super::tweet_fields::TweetFields;
use crate::doc::{MAX_FIELD_TERMS, MAX_TERM_BYTES, POSITION_GAP};
use crate::ids::Seq;
use crate::lower::Leaf;
use crate::schema::{Schema, tweet as tweet_schema};
use crate::tweet;

/// Tweets that show what the analyzer does: scripts, signs, entities, and each value of `has:` and
/// `is:`. One JSON object a line.
const SAMPLE: &str = include_str!("schema_version/sample.jsonl");

/// Raised by hand for a change that the hash does not cover: of a file beside tantivy's, or of the
/// meaning of a stored tweet.
const LAYOUT: u32 = 1;

/// The version of the indexes that this perch writes and reads: a CRC32.
pub fn schema_version() -> u32 {
    static VERSION: LazyLock<u32> = LazyLock::new(compute);
    *VERSION
}

fn compute() -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut add = |text: String| {
        hasher.update(text.as_bytes());
        hasher.update(b"\n");
    };
    add(format!("{LAYOUT} {MAX_FIELD_TERMS} {MAX_TERM_BYTES} {POSITION_GAP}"));
    for (id, field) in Schema::tweet().iter() {
        // A tweet's own text says its `source`, so a new network changes no document.
        let is_derived = id != tweet_schema::SOURCE;
        let values: Vec<&str> = field.values.iter().filter(|_| is_derived).map(|value| &*value.name).collect();
        add(format!("{} {:?} {}", field.name, field.kind, values.join(" ")));
    }
    let fields = TweetFields::get();
    add(serde_json::to_string(&fields.tantivy_schema()).expect("a schema is JSON"));
    for line in SAMPLE.lines() {
        let tweet = tweet::read(line.as_bytes()).expect("the sample holds tweets");
        let item = tweet::SequencedTweet { seq: Seq(1), tweet: tweet::analyze(&tweet).into() };
        for (field, value) in fields.document(&item, None).iter_fields_and_values() {
            if !fields.is_stored_tweet(field) {
                add(line_of(field, value));
            }
        }
    }
    hasher.finalize()
}

/// A value as text: the same on all machines.
fn line_of(field: Field, value: Leaf<'_>) -> String {
    let field = field.field_id();
    match value {
        Leaf::Text(text) => format!("{field} {text}"),
        Leaf::Bytes(bytes) => format!("{field} {bytes:x?}"),
        Leaf::U64(value) => format!("{field} {value}"),
        Leaf::I64(value) => format!("{field} {value}"),
        Leaf::F64(value) => format!("{field} {:x}", value.to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new number makes every user rebuild the index with `perch reindex`, so CHANGELOG.md must
    /// say so.
    #[test]
    fn the_version_changes_only_on_purpose() {
        assert_eq!(schema_version(), 2_961_825_725);
    }

    #[test]
    fn the_sample_has_every_field_and_every_value() {
        let docs: Vec<_> = SAMPLE
            .lines()
            .map(|line| tweet::read(line.as_bytes()).expect("a tweet"))
            .map(|tweet| tweet::analyze(&tweet).doc)
            .collect();
        for (id, field) in Schema::tweet().iter() {
            assert!(docs.iter().any(|doc| doc.has(id)), "no tweet of the sample has a {}", field.name);
        }
        for (id, values) in [(tweet_schema::HAS, tweet_schema::Has::NAMES), (tweet_schema::IS, tweet_schema::Is::NAMES)]
        {
            for (name, _) in values {
                let has = |doc: &crate::doc::Doc| doc.field_tokens(id).iter().any(|token| doc.term(token) == *name);
                assert!(docs.iter().any(has), "no tweet of the sample has {name}");
                assert!(!docs.iter().all(has), "all tweets of the sample have {name}");
            }
        }
    }
}
