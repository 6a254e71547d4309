//! A document as tantivy indexes it, in an index that has no other fields.

use std::sync::Arc;

use tantivy::Document;
use tantivy::schema::Field;

use super::fields::{Fields, Leaf, PackedTerms};
use crate::doc::Doc;

/// A [`Doc`] as tantivy indexes it.
///
/// An index with further fields has an implementation of [`tantivy::Document`] of its own, which
/// adds to [`Fields::values`].
#[derive(Clone, Debug)]
pub struct IndexDocument {
    fields: Arc<Fields>,
    doc: Doc,
    packed: PackedTerms,
}

impl IndexDocument {
    /// The document, for an index with these fields.
    #[must_use]
    pub fn new(fields: &Arc<Fields>, doc: Doc) -> IndexDocument {
        IndexDocument { packed: fields.pack(&doc), fields: Arc::clone(fields), doc }
    }
}

impl Document for IndexDocument {
    type Value<'a> = Leaf<'a>;
    type FieldsValuesIter<'a> = Box<dyn Iterator<Item = (Field, Leaf<'a>)> + 'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        Box::new(self.fields.values(&self.doc, &self.packed))
    }
}
