//! The fields of a tantivy index: maps a [`Schema`] to tantivy fields, and a [`Doc`] to values.
//!
//! The terms of a `Doc` are indexed as they are, with their positions. tantivy tokenizes text, so
//! the terms of a field are packed into one string that [`Words`] unpacks. That takes one string a
//! document; tantivy's own form for pretokenized text takes one a term.
//!
//! Numbers and dates are columns of `i64` (the ordered keys of the `Doc`). A point is in a column
//! of longitudes and one of latitudes, in the same order. A bit mask per document says which fields
//! have a value.

use std::ops::Range;

use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value};
use tantivy::schema::{FAST, Field, IndexRecordOption, SchemaBuilder, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::doc::Doc;
use crate::schema::{FieldId, Kind, Schema};

/// The name of the tokenizer [`Words`].
const WORDS: &str = "perch-words";

/// The column of bit masks: which fields have a value.
pub(super) const PRESENT: &str = "_present";

/// Where an index has the values of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldMapping {
    /// Terms with positions.
    Words(Field),
    /// Terms without positions.
    Keywords(Field),
    /// A column of `i64`, by name.
    Values(Field, String),
    /// Two columns of `f64`.
    Points {
        /// Longitudes.
        lon: (Field, String),
        /// Latitudes.
        lat: (Field, String),
    },
}

/// A [`Schema`] mapped to the fields of a tantivy index.
#[derive(Debug)]
pub struct Fields {
    mappings: Vec<FieldMapping>,
    present: Field,
}

impl Fields {
    /// Adds the fields of a schema to a tantivy schema, which may have others. Equal schemas give
    /// equal fields. The index also needs [`Fields::register`].
    pub fn add_to(builder: &mut SchemaBuilder, schema: &Schema) -> Fields {
        let text = |tokenizer, option| {
            let indexing =
                TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(option).set_fieldnorms(false);
            TextOptions::default().set_indexing_options(indexing)
        };
        let mut mappings = Vec::new();
        for (_, field) in schema.iter() {
            // tantivy takes a dot for nesting.
            let name = field.name.replace('.', "-");
            mappings.push(match field.kind {
                Kind::Text | Kind::Url => FieldMapping::Words(
                    builder.add_text_field(&name, text(WORDS, IndexRecordOption::WithFreqsAndPositions)),
                ),
                Kind::Keyword => {
                    FieldMapping::Keywords(builder.add_text_field(&name, text("raw", IndexRecordOption::Basic)))
                }
                Kind::Integer | Kind::Float | Kind::Date => {
                    FieldMapping::Values(builder.add_i64_field(&name, FAST), name)
                }
                Kind::Point => {
                    let (lon, lat) = (format!("{name}-lon"), format!("{name}-lat"));
                    FieldMapping::Points {
                        lon: (builder.add_f64_field(&lon, FAST), lon),
                        lat: (builder.add_f64_field(&lat, FAST), lat),
                    }
                }
            });
        }
        let present = builder.add_u64_field(PRESENT, FAST);
        Fields { mappings, present }
    }

    /// Registers the tokenizer. Call it whenever an index is created or opened.
    pub fn register(index: &tantivy::Index) {
        index.tokenizers().register(WORDS, Words::default());
    }

    /// Where the index has the values of a field.
    ///
    /// # Panics
    ///
    /// If the field comes from another schema.
    #[must_use]
    pub fn mapping(&self, field: FieldId) -> &FieldMapping {
        &self.mappings[field.index()]
    }

    /// Packs the terms of a document: the first half of what [`Fields::values`] needs.
    #[must_use]
    pub fn pack(&self, doc: &Doc) -> PackedTerms {
        let mut packed = PackedTerms::default();
        for of_field in doc.tokens().chunk_by(|a, b| a.field == b.field) {
            if let FieldMapping::Words(field) = self.mapping(of_field[0].field) {
                let start = packed.words.len();
                let mut position = 0;
                for token in of_field {
                    pack(&mut packed.words, doc.term(token), token.position - position);
                    position = token.position;
                }
                packed.parts.push((*field, start..packed.words.len()));
            }
        }
        packed
    }

    /// What tantivy indexes of a document, for an implementation of [`tantivy::Document`].
    pub fn values<'a>(
        &'a self,
        doc: &'a Doc,
        packed: &'a PackedTerms,
    ) -> impl Iterator<Item = (Field, Leaf<'a>)> + use<'a> {
        let words = packed.parts.iter().map(|(field, part)| (*field, Leaf::Text(&packed.words[part.clone()])));
        let keywords = doc.tokens().iter().filter_map(|token| match self.mapping(token.field) {
            FieldMapping::Keywords(field) => Some((*field, Leaf::Text(doc.term(token)))),
            _ => None,
        });
        let values = doc.values().iter().filter_map(|&(field, value)| match self.mapping(field) {
            FieldMapping::Values(field, _) => Some((*field, Leaf::I64(value))),
            _ => None,
        });
        let points = doc.points().iter().flat_map(|&(field, point)| match self.mapping(field) {
            FieldMapping::Points { lon, lat } => {
                [Some((lon.0, Leaf::F64(point.lon))), Some((lat.0, Leaf::F64(point.lat)))]
            }
            _ => [None, None],
        });
        let present = std::iter::once((self.present, Leaf::U64(doc.present())));
        words.chain(keywords).chain(values).chain(points.flatten()).chain(present)
    }
}

/// The terms of all fields with positions, packed into one string, and the range of each field.
#[derive(Clone, Debug, Default)]
pub struct PackedTerms {
    words: String,
    parts: Vec<(Field, Range<usize>)>,
}

/// One value of a document in an index.
#[derive(Clone, Copy, Debug)]
pub enum Leaf<'a> {
    /// Packed terms, a keyword, or a stored text.
    Text(&'a str),
    /// An id, a seq or a mask.
    U64(u64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A number or a date.
    I64(i64),
    /// A longitude or a latitude.
    F64(f64),
}

impl<'a> Value<'a> for Leaf<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = std::iter::Empty<(&'a str, Self)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(match *self {
            Leaf::Text(text) => ReferenceValueLeaf::Str(text),
            Leaf::U64(value) => ReferenceValueLeaf::U64(value),
            Leaf::Bytes(bytes) => ReferenceValueLeaf::Bytes(bytes),
            Leaf::I64(value) => ReferenceValueLeaf::I64(value),
            Leaf::F64(value) => ReferenceValueLeaf::F64(value),
        })
    }
}

/// The longest distance between positions that a packed term can have. Empty terms fill longer
/// ones.
const MAX_STEP: u32 = 0xD7FF;

/// Packs a term: its length and its distance from the term before, one character each, then the
/// term.
fn pack(words: &mut String, term: &str, mut step: u32) {
    let character = |number| char::from_u32(number).expect("below the surrogates");
    while step > MAX_STEP {
        words.push('\0');
        words.push(character(MAX_STEP));
        step -= MAX_STEP;
    }
    words.push(character(u32::try_from(term.len()).expect("a term is at most 255 bytes long")));
    words.push(character(step));
    words.push_str(term);
}

/// The tokenizer of packed terms.
#[derive(Clone, Debug, Default)]
struct Words {
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordsStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordsStream<'a> {
        self.token.reset();
        self.token.position = 0;
        WordsStream { rest: text, token: &mut self.token }
    }
}

#[derive(Debug)]
struct WordsStream<'a> {
    rest: &'a str,
    token: &'a mut Token,
}

impl TokenStream for WordsStream<'_> {
    fn advance(&mut self) -> bool {
        loop {
            let mut chars = self.rest.chars();
            let (Some(len), Some(step)) = (chars.next(), chars.next()) else { return false };
            self.token.position += step as usize;
            if len != '\0' {
                let (term, rest) = chars.as_str().split_at(len as usize);
                self.token.text.clear();
                self.token.text.push_str(term);
                self.rest = rest;
                return true;
            }
            self.rest = chars.as_str();
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_terms_come_apart_as_they_were() {
        let long = "x".repeat(255);
        let terms = [("a", 0), ("größe", 1), ("日本", 1), (&long, 3_000), ("far", 3_000 + 3 * MAX_STEP)];
        let (mut packed, mut position) = (String::new(), 0);
        for (term, at) in terms {
            pack(&mut packed, term, at - position);
            position = at;
        }
        let mut words = Words::default();
        let mut stream = words.token_stream(&packed);
        for (term, at) in terms {
            let token = stream.next().expect("as many as were packed");
            assert_eq!((token.text.as_str(), token.position), (term, at as usize));
        }
        assert!(stream.next().is_none());
    }
}
