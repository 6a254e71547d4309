//! What is known of the one document that is being percolated. Everything is marked with the number of the document, so
//! nothing has to be wiped between two of them.

use crate::doc::{Doc, Token};
use crate::schema::FieldId;

use super::memo::Memo;
use super::table::{AtomId, MAX_ATOMS};
use super::terms::Probe;
use super::waits::signature;

/// No atom.
const NOTHING: AtomId = MAX_ATOMS;

/// The marks, and buffers that are kept.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The number of the document, from 1, times two; a mark with the low bit set says "there", without "not there".
    now: u16,
    /// By atom. Small, so that many are near.
    marks: Vec<u16>,
    /// By query: whether it was looked at for this document.
    seen: Vec<u16>,
    /// The atoms that the document is known to have and that are marked, each once.
    pub(super) there: Vec<AtomId>,
    /// The ranges that hold a number of the document, each once. They are not marked: there can be many, and programs
    /// find out as fast.
    pub(super) ranges: Vec<AtomId>,
    /// The patterns that terms matched.
    pub(super) memo: Memo,
    /// The bits of all atoms in `there`.
    pub(super) signature: u64,
    /// By token of the document: its term's atom.
    tokens: Vec<AtomId>,
    /// The first token of each field that has some.
    fields: Vec<(FieldId, usize)>,
    /// Queries of which a program must decide, where it starts, and whether they may have been found already.
    pub(super) open: Vec<(u32, u32, bool)>,
    /// By token: what to look for, while that is going on.
    pub(super) probes: Vec<Probe>,
}

impl Scratch {
    /// Starts with a document.
    pub(super) fn start(&mut self, n_atoms: usize, n_queries: usize) {
        if self.now >= u16::MAX - 3 {
            self.now = 0;
            self.marks.fill(0);
            self.seen.fill(0);
        }
        self.now += 2;
        self.there.clear();
        self.ranges.clear();
        self.signature = 0;
        self.tokens.clear();
        self.fields.clear();
        self.open.clear();
        if self.marks.len() < n_atoms || self.marks.len() / 4 > n_atoms {
            self.marks.resize(n_atoms, 0);
            self.marks.shrink_to(n_atoms * 2);
        }
        if self.seen.len() < n_queries || self.seen.len() / 4 > n_queries {
            self.seen.resize(n_queries, 0);
            self.seen.shrink_to(n_queries * 2);
        }
    }

    /// Whether the atom is marked as there.
    #[inline]
    pub(super) fn has(&self, atom: AtomId) -> bool {
        self.marks[atom as usize] == self.now | 1
    }

    /// Whether the atom is there, if that was found out.
    #[inline]
    pub(super) fn known(&self, atom: AtomId) -> Option<bool> {
        let mark = self.marks[atom as usize];
        (mark & !1 == self.now).then_some(mark & 1 == 1)
    }

    /// Notes whether an atom is there.
    #[inline]
    pub(super) fn learn(&mut self, atom: AtomId, there: bool) {
        self.marks[atom as usize] = self.now | u16::from(there);
    }

    /// Marks an atom as there. False when it was.
    #[inline]
    pub(super) fn mark(&mut self, atom: AtomId) -> bool {
        let mark = &mut self.marks[atom as usize];
        let new = *mark != self.now | 1;
        if new {
            *mark = self.now | 1;
            self.signature |= signature(atom);
            self.there.push(atom);
        }
        new
    }

    /// Notes that a query is being looked at. False when it was before.
    #[inline]
    pub(super) fn visit(&mut self, query: u32) -> bool {
        let seen = &mut self.seen[query as usize];
        let new = *seen != self.now;
        *seen = self.now;
        new
    }

    /// Notes the atom of the next token.
    #[inline]
    pub(super) fn token(&mut self, field: FieldId, atom: Option<AtomId>) {
        if self.fields.last().is_none_or(|&(last, _)| last != field) {
            self.fields.push((field, self.tokens.len()));
        }
        self.tokens.push(atom.unwrap_or(NOTHING));
    }

    /// The atom of each token of the document; none is [`MAX_ATOMS`].
    pub(super) fn tokens(&self) -> &[AtomId] {
        &self.tokens
    }

    /// The tokens of a field and the atoms of their terms.
    pub(super) fn field_tokens<'a>(&'a self, doc: &'a Doc, field: FieldId) -> (&'a [Token], &'a [AtomId]) {
        let Some(at) = self.fields.iter().position(|&(it, _)| it == field) else { return (&[], &[]) };
        let start = self.fields[at].1;
        let end = self.fields.get(at + 1).map_or(self.tokens.len(), |&(_, start)| start);
        (&doc.tokens()[start..end], &self.tokens[start..end])
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let marks = (self.marks.capacity() + self.seen.capacity()) * size_of::<u16>();
        marks + (self.there.capacity() + self.ranges.capacity()) * size_of::<AtomId>() + self.memo.size_bytes()
    }
}
