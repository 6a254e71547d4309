//! The fields of the index, and the tweet as tantivy indexes it.
//!
//! Queries see the fields of [`Schema::tweet`]. The index also has id and seq, and stores the
//! tweet.

use std::sync::{Arc, LazyLock};

use tantivy::Document;
use tantivy::schema::{FAST, Field, INDEXED, STORED, Schema as TantivySchema, Term, TextOptions};

use super::checksum;
use crate::ids::Seq;
use crate::lower::{Fields, Leaf, PackedTerms};
use crate::schema::Schema;
use crate::tweet::{AnalyzedTweet, KeyTerm, SequencedTweet, TweetKey};

/// The column of tweet ids.
pub(super) const ID: &str = "_id";
/// The dictionary of tweet keys.
const KEY: &str = "_key";
/// The columns of the halves of tweet keys, for tweets whose key is no number.
pub(super) const KEY_HALVES: [&str; 2] = ["_key_high", "_key_low"];
/// The column of seqs.
pub(super) const SEQ: &str = "_seq";
/// The column of the first known seq of tweets that have replaced an older version.
pub(super) const FIRST_SEQ: &str = "_first_seq";
/// The column that only deletions have.
pub(super) const DELETED: &str = "_deleted";

/// The fields of an index of tweets.
#[derive(Debug)]
pub struct TweetFields {
    tantivy: TantivySchema,
    fields: Fields,
    id: Field,
    key: Field,
    key_halves: [Field; 2],
    seq: Field,
    first_seq: Field,
    deleted: Field,
    json: Field,
}

impl TweetFields {
    /// The fields; there is one set of them.
    #[must_use]
    pub fn get() -> &'static TweetFields {
        static FIELDS: LazyLock<TweetFields> = LazyLock::new(TweetFields::new);
        &FIELDS
    }

    fn new() -> TweetFields {
        let mut builder = TantivySchema::builder();
        let fields = Fields::add_to(&mut builder, Schema::tweet());
        let id = builder.add_u64_field(ID, FAST);
        let key = builder.add_bytes_field(KEY, INDEXED);
        let key_halves = KEY_HALVES.map(|name| builder.add_u64_field(name, FAST));
        let seq = builder.add_u64_field(SEQ, FAST);
        let first_seq = builder.add_u64_field(FIRST_SEQ, FAST);
        let deleted = builder.add_u64_field(DELETED, FAST);
        let json = builder.add_text_field("_json", TextOptions::default() | STORED);
        TweetFields { tantivy: builder.build(), fields, id, key, key_halves, seq, first_seq, deleted, json }
    }

    /// The schema of the tantivy index. The index also needs [`Fields::register`].
    #[must_use]
    pub fn tantivy_schema(&self) -> TantivySchema {
        self.tantivy.clone()
    }

    /// The fields that queries see.
    #[must_use]
    pub fn searched(&self) -> &Fields {
        &self.fields
    }

    /// The document of a tweet. `first_seq` is the seq of its first known version, if it replaces
    /// an older one.
    pub fn document(&'static self, item: &SequencedTweet, first_seq: Option<Seq>) -> TweetDocument {
        TweetDocument {
            fields: self,
            seq: item.seq,
            first_seq,
            tweet: Arc::clone(&item.tweet),
            key: item.tweet.key.term(),
            packed: self.fields.pack(&item.tweet.doc),
            stored: checksum::seal_tweet(&item.tweet.json, item.seq),
        }
    }

    /// Whether the field holds the stored tweet, which no query sees.
    pub(super) fn is_stored_tweet(&self, field: Field) -> bool {
        field == self.json
    }

    /// The term of a tweet's key.
    pub(super) fn key_term(&self, key: TweetKey) -> Term {
        Term::from_field_bytes(self.key, key.term().as_bytes())
    }

    /// The column of seqs.
    pub(super) fn seq(&self) -> Field {
        self.seq
    }
}

/// A tweet as tantivy indexes and stores it.
#[derive(Debug)]
pub struct TweetDocument {
    fields: &'static TweetFields,
    seq: Seq,
    first_seq: Option<Seq>,
    tweet: Arc<AnalyzedTweet>,
    key: KeyTerm,
    packed: PackedTerms,
    /// The tweet as it is stored, with its seq and its checksum.
    stored: String,
}

impl Document for TweetDocument {
    type Value<'a> = Leaf<'a>;
    type FieldsValuesIter<'a> = Box<dyn Iterator<Item = (Field, Leaf<'a>)> + 'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        let TweetFields { fields, id, key, key_halves, seq, first_seq, deleted, json, .. } = self.fields;
        let own = [
            (*id, Leaf::U64(self.tweet.id)),
            (*key, Leaf::Bytes(self.key.as_bytes())),
            (*seq, Leaf::U64(self.seq.0)),
            (*json, Leaf::Text(&self.stored)),
        ];
        let (high, low) = self.tweet.key.halves();
        let halves = key_halves.iter().copied().zip([high, low].map(Leaf::U64));
        let halves = halves.filter(|_| self.tweet.key.number().is_none());
        let first_seq = self.first_seq.map(|first| (*first_seq, Leaf::U64(first.0)));
        let deleted = self.tweet.is_deleted.then_some((*deleted, Leaf::U64(1)));
        Box::new(fields.values(&self.tweet.doc, &self.packed).chain(own).chain(halves).chain(first_seq).chain(deleted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_schema_are_always_the_same() {
        assert_eq!(TweetFields::new().tantivy_schema(), TweetFields::get().tantivy_schema());
    }
}
