//! The index of all registered queries: their atoms, and the queries posted under each.
//!
//! Documents only read it. Terms are found in the dictionary of [`AtomTable`]; patterns, ranges and
//! shapes in an index of their own, which has an atom only while a query is posted under it. Atoms
//! that only programs refer to are evaluated by the program that needs them.

pub(crate) mod bloom;
pub(crate) mod geo_grid;
pub(crate) mod interval_tree;
pub(crate) mod pattern_index;
pub(crate) mod pattern_keys;
pub(crate) mod pattern_match;
pub(crate) mod posting;
pub(crate) mod postings;
pub(crate) mod term_hashes;

use bloom::Signature;
use geo_grid::GeoGrid;
use interval_tree::IntervalTree;
use pattern_index::PatternIndex;
use posting::{Posting, PostingKind};
use postings::{ConjunctionKey, QueryPostings};

use super::arena::Arena;
use super::atoms::AtomId;
use super::atoms::atom_table::{AtomKind, AtomTable};
use super::thresholds::Thresholds;
use crate::schema::{FieldId, Schema};

/// All registered queries, as documents need them.
#[derive(Debug)]
pub(crate) struct QueryIndex {
    pub(crate) atoms: AtomTable,
    pub(crate) postings: QueryPostings,
    pub(crate) patterns: PatternIndex,
    /// The programs of queries, as parts of their records.
    pub(crate) programs: Arena<u32>,
    /// By field.
    intervals: Vec<IntervalTree>,
    /// By field.
    grids: Vec<GeoGrid>,
    /// By field: the atom that the field has a value.
    exists: Vec<Option<AtomId>>,
    /// A bit for each field whose texts are split into words.
    word_fields: u64,
    /// The budget of a document: see [`super::EngineOptions::max_steps`].
    pub(crate) max_steps: u64,
    pub(crate) thresholds: Thresholds,
}

impl QueryIndex {
    /// An index without queries, for documents of this schema.
    pub(crate) fn new(schema: &Schema, max_steps: u64, thresholds: Thresholds) -> QueryIndex {
        let fields = schema.iter().filter(|(_, field)| field.kind.has_positions());
        QueryIndex {
            atoms: AtomTable::new(),
            postings: QueryPostings::default(),
            patterns: PatternIndex::new(thresholds.pattern_changes),
            programs: Arena::default(),
            intervals: Vec::new(),
            grids: Vec::new(),
            exists: Vec::new(),
            word_fields: fields.fold(0, |bits, (id, _)| bits | 1 << id.0),
            max_steps,
            thresholds,
        }
    }

    /// Whether the texts of a field are split into words.
    pub(crate) fn has_words(&self, field: FieldId) -> bool {
        self.word_fields >> field.0 & 1 == 1
    }

    /// The ranges of a field, if it has some.
    #[inline]
    pub(crate) fn intervals(&self, field: FieldId) -> Option<&IntervalTree> {
        self.intervals.get(field.index()).filter(|tree| !tree.is_empty())
    }

    /// The shapes of a field, if it has some.
    #[inline]
    pub(crate) fn grid(&self, field: FieldId) -> Option<&GeoGrid> {
        self.grids.get(field.index()).filter(|grid| !grid.is_empty())
    }

    /// The atom that a field has a value, if a query has it.
    #[inline]
    pub(crate) fn exists(&self, field: usize) -> Option<AtomId> {
        self.exists.get(field).copied().flatten()
    }

    /// Indexes an atom that is new in the table.
    pub(crate) fn add_atom(&mut self, atom: AtomId) {
        if let &AtomKind::Exists(field) = self.atoms.kind(atom) {
            *ensure_field(&mut self.exists, field, || None) = Some(atom);
        }
    }

    /// Releases a reference to an atom.
    pub(crate) fn release(&mut self, atom: AtomId) {
        match self.atoms.release(atom) {
            Some(AtomKind::Exists(field)) => *ensure_field(&mut self.exists, field, || None) = None,
            Some(AtomKind::And2(first, second)) => {
                self.postings.remove_conjunction(first, atom);
                self.release(second);
                self.release(first);
            }
            _ => {}
        }
    }

    /// Interns the conjunction of two atoms, which documents are searched for from now on, and adds
    /// a reference.
    pub(crate) fn intern_conjunction(&mut self, first: AtomId, second: AtomId) -> AtomId {
        let (conjunction, is_new) = self.atoms.intern_conjunction(first, second);
        if is_new {
            self.postings.insert_conjunction(first, ConjunctionKey { second, conjunction });
        }
        conjunction
    }

    /// Whether conjunctions can start with an atom.
    pub(crate) fn can_start_conjunction(&self, atom: AtomId) -> bool {
        matches!(self.atoms.kind(atom), AtomKind::Term(_) | AtomKind::Sequence(..) | AtomKind::And2(..))
    }

    /// Whether the conjunction of two atoms is possible, and more selective than the first alone.
    pub(crate) fn can_extend_conjunction(&self, first: AtomId, second: AtomId) -> bool {
        let implies = match *self.atoms.kind(first) {
            AtomKind::And2(rest, last) | AtomKind::Sequence(rest, last) => {
                last == second || !self.can_extend_conjunction(rest, second)
            }
            _ => first == second,
        };
        !implies && matches!(self.atoms.kind(second), AtomKind::Term(_))
    }

    /// Whether the presearcher finds the atom in every document that contains it, provided a query
    /// is posted under it. Not to be asked of [`super::atoms::TRUE`].
    pub(crate) fn is_always_found(&self, atom: AtomId) -> bool {
        !matches!(self.atoms.kind(atom), AtomKind::True | AtomKind::Range(..) | AtomKind::And2(..))
    }

    /// Posts a query under an atom, which documents are searched for from now on. Returns the index
    /// in the posting list.
    pub(crate) fn post(&mut self, atom: AtomId, posting: Posting) -> u32 {
        let (index, is_first) = self.postings.insert(atom, posting);
        if let &AtomKind::Range(field, min, max) = self.atoms.kind(atom) {
            // The tree keeps what all queries under the range require. Removing a query does not
            // update it: that would cost time, and a signature that rejects too little is still
            // right.
            let required = if let Posting::Guarded(signature, _) = posting { signature } else { Signature::default() };
            let chunk = self.thresholds.interval_chunk;
            ensure_field(&mut self.intervals, field, || IntervalTree::new(chunk)).insert(min, max, atom, required);
        } else if is_first {
            self.watch(atom);
        }
        index
    }

    /// Removes a posting. Returns the query of the posting that took its index and the former
    /// index, unless it was the last of its list.
    pub(crate) fn unpost(&mut self, atom: AtomId, kind: PostingKind, index: u32) -> Option<(u32, u32)> {
        let moved = self.postings.remove(atom, kind, index);
        if self.postings.of(atom).is_empty() {
            self.unwatch(atom);
        }
        moved
    }

    /// Searches documents for an atom, which is no range, from now on.
    fn watch(&mut self, atom: AtomId) {
        match self.atoms.kind(atom) {
            kind @ (AtomKind::Prefix(..) | AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..)) => {
                self.patterns.insert(atom, kind);
            }
            kind @ (AtomKind::Within(field, _) | AtomKind::Near(field, _)) => {
                ensure_field(&mut self.grids, *field, GeoGrid::default).insert(atom, kind);
            }
            _ => {}
        }
    }

    /// Searches documents for an atom no longer.
    fn unwatch(&mut self, atom: AtomId) {
        match self.atoms.kind(atom) {
            kind @ (AtomKind::Prefix(..) | AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..)) => {
                self.patterns.remove(atom, kind);
            }
            &AtomKind::Range(field, min, max) => {
                if let Some(tree) = self.intervals.get_mut(field.index()) {
                    tree.remove(min, max, atom);
                }
            }
            kind @ (AtomKind::Within(field, _) | AtomKind::Near(field, _)) => {
                if let Some(grid) = self.grids.get_mut(field.index()) {
                    grid.remove(atom, kind);
                }
            }
            _ => {}
        }
    }

    /// The memory that the index holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.atoms.size_bytes()
            + self.postings.size_bytes()
            + self.patterns.size_bytes()
            + self.programs.size_bytes()
            + self.intervals.iter().map(IntervalTree::size_bytes).sum::<usize>()
            + self.grids.iter().map(GeoGrid::size_bytes).sum::<usize>()
    }
}

/// The entry of a field, created with all before it if the table ends before it.
fn ensure_field<T>(table: &mut Vec<T>, field: FieldId, new: impl FnMut() -> T) -> &mut T {
    if table.len() <= field.index() {
        table.resize_with(field.index() + 1, new);
    }
    &mut table[field.index()]
}
