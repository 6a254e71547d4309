//! What is known of the documents that are being percolated, as far as the rest of the engine asks for it.
//!
//! There are two ways to percolate: one document with everything for it at hand ([`super::one`]), or up to 64 together
//! ([`super::many`]). Sets of documents are masks, with a bit for each; of one document the mask is 1.

use crate::doc::{Doc, Token};
use crate::matcher::phrase;
use crate::schema::FieldId;

use super::memo::Memo;
use super::one::again;
use super::pattern::Term;
use super::places::Print;
use super::table::{AtomId, AtomKind, Atoms, MAX_ATOMS};
use super::terms::Probe;

/// A set of documents.
pub(super) type Mask = u64;

/// Takes down what a document has.
pub(super) trait Marks {
    /// The document has the atom. False when that was known.
    fn mark(&mut self, atom: AtomId) -> bool;

    /// The document has the term. False when that was known.
    fn term(&mut self, atom: AtomId) -> bool;

    /// The token at this place is to be looked at for patterns. Not said of a term that is marked already.
    fn word(&mut self, at: usize);

    /// The term that is looked at matches the pattern; others may as well.
    fn pattern(&mut self, atom: AtomId);

    /// Whether the document may have what a print requires. To be asked when its terms, pairs and fields are marked.
    fn may_match(&self, print: Print) -> bool;

    /// The document has a number in the range. Said once for each range, and not worth a mark where that saves something.
    fn range(&mut self, atom: AtomId);
}

/// Answers programs.
pub(super) trait Facts {
    /// The documents that are marked with the atom.
    fn has(&self, atom: AtomId) -> Mask;

    /// Those of the documents `want` that have an atom which is found out only when it is asked for. Without those for
    /// which there are no steps left.
    fn look(&mut self, atoms: &Atoms, atom: AtomId, want: Mask) -> Mask;

    /// Calls `is_it` with each of the documents `want`, and keeps those for which it is true: whether they have a phrase.
    /// Without those for which there are no steps left.
    fn each(&mut self, want: Mask, phrase: &Phrase<'_>, is_it: impl Fn(&Doc, &Tokens) -> bool) -> Mask;
}

/// The tokens of a document, as numbers.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// By token: its term's atom, or [`MAX_ATOMS`] when it is none.
    atoms: Vec<AtomId>,
    /// By token: what it is looked up by.
    pub(super) probes: Vec<Probe>,
    /// The first token of each field that has some.
    fields: Vec<(FieldId, usize)>,
}

impl Tokens {
    pub(super) fn clear(&mut self) {
        self.atoms.clear();
        self.probes.clear();
        self.fields.clear();
    }

    /// Adds the atom of the next token.
    #[inline]
    pub(super) fn push(&mut self, field: FieldId, atom: Option<AtomId>) {
        if self.fields.last().is_none_or(|&(last, _)| last != field) {
            self.fields.push((field, self.atoms.len()));
        }
        self.atoms.push(atom.unwrap_or(MAX_ATOMS));
    }

    /// The atom of each token of the document, or [`MAX_ATOMS`].
    pub(super) fn atoms(&self) -> &[AtomId] {
        &self.atoms
    }

    /// The hashes of terms that are no atoms.
    pub(super) fn others(&self) -> impl Iterator<Item = u64> {
        let pairs = self.atoms.iter().zip(&self.probes);
        pairs.filter(|&(&atom, _)| atom == MAX_ATOMS).map(|(_, probe)| probe.hash)
    }

    /// The memory that they hold, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.atoms.capacity() * size_of::<AtomId>()
            + self.probes.capacity() * size_of::<Probe>()
            + self.fields.capacity() * size_of::<(FieldId, usize)>()
    }

    /// The tokens of a field and the atoms of their terms.
    fn of_field<'a>(&'a self, doc: &'a Doc, field: FieldId) -> (&'a [Token], &'a [AtomId]) {
        let Some(at) = self.fields.iter().position(|&(it, _)| it == field) else { return (&[], &[]) };
        let start = self.fields[at].1;
        let end = self.fields.get(at + 1).map_or(self.atoms.len(), |&(_, start)| start);
        (&doc.tokens()[start..end], &self.atoms[start..end])
    }

    /// How many tokens a field has.
    pub(super) fn n_of_field(&self, field: FieldId) -> usize {
        let Some(at) = self.fields.iter().position(|&(it, _)| it == field) else { return 0 };
        self.fields.get(at + 1).map_or(self.atoms.len(), |&(_, start)| start) - self.fields[at].1
    }

    /// Whether the terms of a phrase are in their places.
    pub(super) fn have_phrase(&self, atoms: &Atoms, doc: &Doc, wanted: &Phrase<'_>) -> bool {
        let &Phrase { field, slop, last_is_prefix, terms } = wanted;
        let last = terms.len() - 1;
        let prefix = match atoms.kind(terms[last]) {
            AtomKind::Prefix(_, prefix) => &**prefix,
            _ => "",
        };
        let (tokens, numbers) = self.of_field(doc, field);
        phrase::matches(tokens, terms.len(), slop, |term, at| {
            if last_is_prefix && term == last {
                doc.term(&tokens[at]).starts_with(prefix)
            } else {
                numbers[at] == terms[term]
            }
        })
    }
}

/// A phrase in a program.
#[derive(Clone, Debug)]
pub(super) struct Phrase<'a> {
    pub(super) field: FieldId,
    pub(super) slop: u32,
    /// The last atom is a prefix, not a term.
    pub(super) last_is_prefix: bool,
    pub(super) terms: &'a [AtomId],
}

impl<'a> Phrase<'a> {
    /// The atoms that are terms.
    pub(super) fn full(&self) -> &'a [AtomId] {
        if self.last_is_prefix { &self.terms[..self.terms.len() - 1] } else { self.terms }
    }
}

/// What is kept from one document to the next only because it is of use again.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) memo: Memo,
    pub(super) term: Term,
}

/// What was seen in some of the documents, to be learned from when they are through.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) docs: u32,
    /// Each with how many queries that wait for it are looked at, which is near when a document has just been percolated.
    pub(super) atoms: Vec<(AtomId, u32)>,
    /// How many ranges were told besides.
    pub(super) ranges: usize,
    /// Hashes of terms that are no atoms.
    pub(super) others: Vec<u64>,
    pub(super) values: Vec<(FieldId, i64)>,
}

impl Seen {
    /// Takes down a document, but for its atoms.
    pub(super) fn add(&mut self, doc: &Doc, tokens: &Tokens) {
        self.docs += 1;
        self.others.extend(tokens.others());
        self.values.extend(doc.values());
    }

    /// Takes over what was seen elsewhere.
    pub(super) fn append(&mut self, other: &Seen) {
        self.docs += other.docs;
        self.atoms.extend(&other.atoms);
        self.ranges += other.ranges;
        self.others.extend(&other.others);
        self.values.extend(&other.values);
    }

    pub(super) fn clear(&mut self) {
        self.docs = 0;
        again(&mut self.atoms);
        self.ranges = 0;
        again(&mut self.others);
        again(&mut self.values);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.atoms.capacity() * size_of::<(AtomId, u32)>()
            + self.others.capacity() * size_of::<u64>()
            + self.values.capacity() * size_of::<(FieldId, i64)>()
    }
}

/// One document of so many is counted, once the first have been.
pub(super) const COUNT_EVERY: u32 = 16;
/// The first documents are all counted.
const COUNT_FIRST: u32 = 4096;

/// Which documents are counted, to learn from them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counting {
    /// How many documents there were.
    n_docs: u32,
}

impl Counting {
    /// Those of the next documents that are counted, from one place on, as many as fit into a mask.
    pub(super) fn of(self, from: usize, n: usize) -> Mask {
        (0..n).fold(0, |some, at| some | Mask::from(self.is_counted(from + at)) << at)
    }

    fn is_counted(self, at: usize) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "they are counted round and round")]
        let number = self.n_docs.wrapping_add(at as u32);
        number < COUNT_FIRST || number.is_multiple_of(COUNT_EVERY)
    }

    /// So many documents were there.
    pub(super) fn pass(&mut self, n: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "as above")]
        let next = self.n_docs.wrapping_add(n as u32);
        self.n_docs = next;
    }
}
