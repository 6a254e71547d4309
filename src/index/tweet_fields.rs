//! The fields of the index, and the tweet as tantivy indexes it.
//!
//! Queries see the fields of [`Schema::tweet`]. The index also has id and seq, and stores the
//! tweet.

use std::sync::{Arc, LazyLock};

use tantivy::Document;
use tantivy::schema::{FAST, Field, INDEXED, STORED, Schema as TantivySchema, TextOptions};

use super::checksum;
use crate::ids::Seq;
use crate::lower::{Fields, Leaf, PackedTerms};
use crate::schema::Schema;
use crate::tweet::{AnalyzedTweet, SequencedTweet};

/// The column and the dictionary of tweet ids.
pub(super) const ID: &str = "_id";
/// The column of seqs.
pub(super) const SEQ: &str = "_seq";

/// The fields of an index of tweets.
#[derive(Debug)]
pub struct TweetFields {
    tantivy: TantivySchema,
    fields: Fields,
    id: Field,
    seq: Field,
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
        let id = builder.add_u64_field(ID, INDEXED | FAST);
        let seq = builder.add_u64_field(SEQ, FAST);
        let json = builder.add_text_field("_json", TextOptions::default() | STORED);
        TweetFields { tantivy: builder.build(), fields, id, seq, json }
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

    /// The document of a tweet.
    pub fn document(&'static self, item: &SequencedTweet) -> TweetDocument {
        TweetDocument {
            fields: self,
            seq: item.seq,
            tweet: Arc::clone(&item.tweet),
            packed: self.fields.pack(&item.tweet.doc),
            stored: checksum::seal_tweet(&item.tweet.json, item.seq),
        }
    }

    /// Whether the field holds the stored tweet, which no query sees.
    pub(super) fn is_stored_tweet(&self, field: Field) -> bool {
        field == self.json
    }

    /// The dictionary of tweet ids.
    pub(super) fn id(&self) -> Field {
        self.id
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
    tweet: Arc<AnalyzedTweet>,
    packed: PackedTerms,
    /// The tweet as it is stored, with its seq and its checksum.
    stored: String,
}

impl Document for TweetDocument {
    type Value<'a> = Leaf<'a>;
    type FieldsValuesIter<'a> = Box<dyn Iterator<Item = (Field, Leaf<'a>)> + 'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        let TweetFields { fields, id, seq, json, .. } = self.fields;
        let own = [(*id, Leaf::U64(self.tweet.id)), (*seq, Leaf::U64(self.seq.0)), (*json, Leaf::Text(&self.stored))];
        Box::new(fields.values(&self.tweet.doc, &self.packed).chain(own))
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
