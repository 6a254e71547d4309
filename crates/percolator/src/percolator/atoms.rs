//! *Atoms*: everything a registered query can ask of a document, each numbered once.
//!
//! An atom is a term of a field, a sequence of adjacent terms, a pattern, a range, a shape on the
//! map, or that a field has a value. Queries refer to atoms by number, so a part that many queries
//! share is looked up once per document. Lucene Monitor calls its atoms `QueryTerm`.

pub(crate) mod atom_table;
pub(crate) mod pair_table;
pub(crate) mod term_dict;

/// The number of an atom, below [`MAX_ATOMS`].
pub(crate) type AtomId = u32;

/// The atom that every document contains.
pub(crate) const TRUE: AtomId = 0;

/// Programs and postings use the three highest bits of a word for other things.
pub(crate) const MAX_ATOMS: u32 = 1 << 29;
