//! An analyzed document: what percolator, index and plain evaluation read of a tweet.
//!
//! A [`DocBuilder`] makes a [`Doc`] once for each tweet. Whether a query matches depends only on
//! the `Doc`, so the three can agree. All terms of a document are in one string.

use crate::schema::{FieldId, Kind, Schema};
use crate::text;
pub use crate::text::MAX_TERM_BYTES;

/// The distance between the positions of two values of a field, so that no phrase spans both.
pub const POSITION_GAP: u32 = 1_000;

/// Terms of a field, at most. Further terms are left out.
///
/// Bounds what matching, explaining and indexing one document cost. The longest posts on X have
/// 25,000 characters, so all of their terms fit.
pub const MAX_FIELD_TERMS: usize = 32_768;

/// A point on earth, in degrees (WGS 84).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Degrees east, from -180 to 180.
    pub lon: f64,
    /// Degrees north, from -90 to 90.
    pub lat: f64,
}

/// A term of a document, with its position and source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The field.
    pub field: FieldId,
    /// The length in bytes, at most [`MAX_TERM_BYTES`].
    len: u8,
    /// The start in [`Doc::terms`].
    start: u32,
    /// The position among the words of the field, from 0. Terms at one position are alternatives.
    pub position: u32,
    /// The bytes of the source text that the term comes from: start and end.
    pub span: (u32, u32),
}

/// An analyzed document.
#[derive(Clone, Debug, Default)]
pub struct Doc {
    /// All terms, concatenated.
    terms: String,
    /// By field, then by position.
    tokens: Vec<Token>,
    /// By field.
    values: Vec<(FieldId, i64)>,
    /// By field.
    points: Vec<(FieldId, Point)>,
    /// A bit for each field that has a value.
    present: u64,
    /// Whether a field had more terms than [`MAX_FIELD_TERMS`].
    is_truncated: bool,
}

impl Doc {
    /// All terms, by field and then by position.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The terms of one field, by position.
    #[must_use]
    pub fn field_tokens(&self, field: FieldId) -> &[Token] {
        let start = self.tokens.partition_point(|token| token.field < field);
        let len = self.tokens[start..].partition_point(|token| token.field == field);
        &self.tokens[start..start + len]
    }

    /// The term's text, folded.
    #[must_use]
    pub fn term(&self, token: &Token) -> &str {
        &self.terms[token.start as usize..token.start as usize + usize::from(token.len)]
    }

    /// The numbers and dates (milliseconds) of all fields, as ordered keys, by field.
    #[must_use]
    pub fn values(&self) -> &[(FieldId, i64)] {
        &self.values
    }

    /// The points of all fields, by field.
    #[must_use]
    pub fn points(&self) -> &[(FieldId, Point)] {
        &self.points
    }

    /// Whether the field has a value.
    #[must_use]
    pub fn has(&self, field: FieldId) -> bool {
        self.present & (1 << field.0) != 0
    }

    /// A bit for each field that has a value.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.present
    }

    /// Whether a field had more terms than [`MAX_FIELD_TERMS`], of which some are left out.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// The memory that the document holds, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Doc>()
            + self.terms.capacity()
            + self.tokens.capacity() * size_of::<Token>()
            + self.values.capacity() * size_of::<(FieldId, i64)>()
            + self.points.capacity() * size_of::<(FieldId, Point)>()
    }
}

/// Makes a [`Doc`], field by field, in any order.
///
/// A builder can be reused: [`DocBuilder::finish`] returns a copy, and [`DocBuilder::clear`] keeps
/// the buffers.
#[derive(Debug)]
pub struct DocBuilder<'a> {
    schema: &'a Schema,
    doc: Doc,
    /// Whether a field was added after a later one, so that the tokens need sorting.
    unsorted: bool,
    /// By field: the number of terms.
    n_terms: [usize; Schema::MAX_FIELDS],
}

impl<'a> DocBuilder<'a> {
    /// A builder of documents of this schema.
    #[must_use]
    pub fn new(schema: &'a Schema) -> DocBuilder<'a> {
        DocBuilder { schema, doc: Doc::default(), unsorted: false, n_terms: [0; Schema::MAX_FIELDS] }
    }

    /// Adds a text, an address or a keyword, analyzed by the kind of its field. One without terms
    /// adds nothing. Terms beyond [`MAX_FIELD_TERMS`] are left out.
    pub fn text(&mut self, field: FieldId, text: &str) {
        let first = self.doc.tokens.len();
        let position = match self.doc.tokens.iter().rev().find(|token| token.field == field) {
            Some(last) => last.position + POSITION_GAP,
            None => 0,
        };
        match self.schema.field(field).kind {
            Kind::Text => text::words(text, &mut |term, at, span| self.token(field, term, position + at, span)),
            Kind::Url => text::url_words(text, &mut |term, at, span| self.token(field, term, position + at, span)),
            Kind::Keyword => {
                let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
                self.token(field, &text::fold(text), position, (0, end));
            }
            kind => debug_assert!(false, "a {kind:?} field takes no text"),
        }
        if self.doc.tokens.len() > first {
            self.doc.present |= 1 << field.0;
        }
    }

    fn token(&mut self, field: FieldId, term: &str, position: u32, span: (u32, u32)) {
        let Ok(len) = u8::try_from(term.len()) else { return };
        if len == 0 {
            return;
        }
        let n_terms = &mut self.n_terms[field.index()];
        if *n_terms == MAX_FIELD_TERMS {
            self.doc.is_truncated = true;
            return;
        }
        *n_terms += 1;
        self.unsorted |= self.doc.tokens.last().is_some_and(|last| last.field > field);
        let start = u32::try_from(self.doc.terms.len()).expect("a document is smaller than 4 GiB");
        self.doc.terms.push_str(term);
        self.doc.tokens.push(Token { field, len, start, position, span });
    }

    /// Adds an integer, or a date in milliseconds.
    pub fn integer(&mut self, field: FieldId, value: i64) {
        debug_assert!(self.schema.field(field).kind.has_values());
        self.doc.values.push((field, value));
        self.doc.present |= 1 << field.0;
    }

    /// Adds a floating point number. NaN is left out.
    pub fn float(&mut self, field: FieldId, value: f64) {
        if !value.is_nan() {
            self.integer(field, crate::schema::float_key(value));
        }
    }

    /// Adds a point.
    pub fn point(&mut self, field: FieldId, point: Point) {
        debug_assert_eq!(self.schema.field(field).kind, Kind::Point);
        self.doc.points.push((field, point));
        self.doc.present |= 1 << field.0;
    }

    /// The document, sorted, until the next [`DocBuilder::clear`].
    pub fn doc(&mut self) -> &Doc {
        if std::mem::take(&mut self.unsorted) {
            // A stable sort: within a field, tokens were added in the order of their positions.
            self.doc.tokens.sort_by_key(|token| token.field);
        }
        self.doc.values.sort_unstable();
        self.doc.points.sort_by_key(|&(field, _)| field);
        &self.doc
    }

    /// A copy of the document without spare capacity.
    pub fn finish(&mut self) -> Doc {
        let doc = self.doc();
        Doc {
            terms: doc.terms.as_str().into(),
            tokens: doc.tokens.as_slice().into(),
            values: doc.values.as_slice().into(),
            points: doc.points.as_slice().into(),
            present: doc.present,
            is_truncated: doc.is_truncated,
        }
    }

    /// Removes the document and keeps the buffers.
    pub fn clear(&mut self) {
        self.doc.terms.clear();
        self.doc.tokens.clear();
        self.doc.values.clear();
        self.doc.points.clear();
        self.doc.present = 0;
        self.doc.is_truncated = false;
        self.unsorted = false;
        self.n_terms.fill(0);
    }
}

#[cfg(test)]
mod tests;
