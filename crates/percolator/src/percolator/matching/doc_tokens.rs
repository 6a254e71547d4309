//! The tokens of a document, as atoms.

use crate::doc::Doc;
use crate::matcher::phrase;
use crate::percolator::atoms::atom_table::{AtomKind, AtomTable};
use crate::percolator::atoms::term_dict::Probe;
use crate::percolator::atoms::{AtomId, MAX_ATOMS};
use crate::percolator::program::Phrase;
use crate::percolator::scratch::prefetch;
use crate::schema::FieldId;

/// The tokens of a document, as atoms.
#[derive(Debug, Default)]
pub(crate) struct DocTokens {
    /// By token: the atom of its term, or [`MAX_ATOMS`] for a term that no query has.
    atoms: Vec<AtomId>,
    /// By token: the key and hash of its term.
    probes: Vec<Probe>,
    /// The first token of each field that has tokens.
    fields: Vec<(FieldId, usize)>,
}

impl DocTokens {
    /// Looks up the terms of a document.
    pub(crate) fn set(&mut self, doc: &Doc, atoms: &AtomTable) {
        self.atoms.clear();
        self.probes.clear();
        self.fields.clear();
        let terms = atoms.terms();
        self.probes.extend(doc.tokens().iter().map(|token| terms.probe(token.field, doc.term(token))));
        prefetch(self.probes.iter().map(|probe| terms.peek(probe)));
        for (at, token) in doc.tokens().iter().enumerate() {
            if self.fields.last().is_none_or(|&(last, _)| last != token.field) {
                self.fields.push((token.field, at));
            }
            let atom = terms.find(&self.probes[at], doc.term(token));
            self.atoms.push(atom.unwrap_or(MAX_ATOMS));
        }
    }

    /// By token: the atom of its term, or [`MAX_ATOMS`].
    pub(crate) fn atoms(&self) -> &[AtomId] {
        &self.atoms
    }

    /// The key and hash of the term of a token.
    pub(crate) fn probe(&self, token: usize) -> &Probe {
        &self.probes[token]
    }

    /// The hashes of terms that no query has.
    pub(crate) fn unknown_terms(&self) -> impl Iterator<Item = u64> {
        let tokens = self.atoms.iter().zip(&self.probes);
        tokens.filter(|&(&atom, _)| atom == MAX_ATOMS).map(|(_, probe)| probe.hash)
    }

    /// The tokens of a field, as a range of all tokens.
    fn range_of(&self, field: FieldId) -> std::ops::Range<usize> {
        let Some(at) = self.fields.iter().position(|&(it, _)| it == field) else { return 0..0 };
        self.fields[at].1..self.fields.get(at + 1).map_or(self.atoms.len(), |&(_, start)| start)
    }

    /// How many tokens a field has.
    pub(crate) fn n_of_field(&self, field: FieldId) -> usize {
        self.range_of(field).len()
    }

    /// Whether the document, which has all whole terms of a phrase, has the phrase.
    pub(crate) fn have_phrase(&self, atoms: &AtomTable, doc: &Doc, wanted: &Phrase<'_>) -> bool {
        let &Phrase { field, slop, last_is_prefix, terms } = wanted;
        let last = terms.len() - 1;
        let prefix = match atoms.kind(terms[last]) {
            AtomKind::Prefix(_, prefix) => &**prefix,
            _ => "",
        };
        let range = self.range_of(field);
        let (tokens, numbers) = (&doc.tokens()[range.clone()], &self.atoms[range]);
        phrase::matches(tokens, terms.len(), slop, |term, at| {
            if last_is_prefix && term == last {
                doc.term(&tokens[at]).starts_with(prefix)
            } else {
                numbers[at] == terms[term]
            }
        })
    }

    /// The memory that the tokens hold, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.atoms.capacity() * size_of::<AtomId>()
            + self.probes.capacity() * size_of::<Probe>()
            + self.fields.capacity() * size_of::<(FieldId, usize)>()
    }
}
