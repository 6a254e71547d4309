//! Caches which patterns a term matches, since most words of a stream come again.

use crate::percolator::arena::{Arena, Span};
use crate::percolator::atoms::AtomId;
use crate::percolator::atoms::atom_table::AtomTable;
use crate::percolator::atoms::term_dict::{Probe, TermKey};
use crate::percolator::query_index::pattern_index::{Change, PatternIndex};
use crate::percolator::query_index::pattern_match;

/// The sets of the cache, a power of two. 2 MiB, of which a term reads one cache line.
const SETS: usize = 1 << 15;
/// The size of all lists, in atoms, from which the cache is emptied: 16 MiB for each thread, and
/// one list.
const MAX_ATOMS: usize = 1 << 22;

/// A fixed-size, two-way set-associative LRU cache, for terms of up to 14 bytes.
///
/// Entries carry the version of the set of patterns. An outdated entry is updated with the changes
/// since its version, which tests only added patterns; after too many changes it is discarded.
#[derive(Debug, Default)]
pub(crate) struct PatternCache {
    /// The first entry of a set is the one that was used last. Allocated with the first insertion.
    sets: Vec<[Entry; 2]>,
    lists: Arena<AtomId>,
    scratch: Vec<AtomId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: TermKey,
    /// 0 in an empty entry.
    version: u32,
    /// The patterns that the term matches, sorted.
    patterns: Span,
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are all that is used")]
fn set_of(probe: &Probe) -> usize {
    probe.hash as usize & (SETS - 1)
}

impl PatternCache {
    /// The patterns that a term matches, if they are cached.
    #[inline]
    pub(crate) fn get(
        &mut self,
        probe: &Probe,
        term: &str,
        patterns: &PatternIndex,
        atoms: &AtomTable,
    ) -> Option<&[AtomId]> {
        let set = self.sets.get_mut(set_of(probe))?;
        let key = probe.inline_key()?;
        let is_hit = |entry: &Entry| entry.version != 0 && entry.key == key;
        if !is_hit(&set[0]) {
            if !is_hit(&set[1]) {
                return None;
            }
            set.swap(0, 1);
        }
        if set[0].version != patterns.version() {
            self.update(probe, term, patterns, atoms)?;
        }
        let [entry, _] = self.sets.get(set_of(probe))?;
        Some(self.lists.get(entry.patterns))
    }

    /// Updates the first entry of a set. None if that costs as much as a lookup.
    fn update(&mut self, probe: &Probe, term: &str, patterns: &PatternIndex, atoms: &AtomTable) -> Option<()> {
        let [entry, _] = &mut self.sets[set_of(probe)];
        let changes = patterns.changes_since(entry.version)?;
        let field = entry.key.field();
        self.scratch.clear();
        self.scratch.extend(self.lists.get(entry.patterns));
        let mut is_changed = false;
        for &Change { atom, added, .. } in changes.filter(|change| change.field == field) {
            match self.scratch.binary_search(&atom) {
                Ok(at) if !added => {
                    self.scratch.remove(at);
                    is_changed = true;
                }
                // An added pattern that was removed again may be beyond the end of the table.
                Err(at) if added && (atom as usize) < atoms.len() && pattern_match::matches(atoms.kind(atom), term) => {
                    self.scratch.insert(at, atom);
                    is_changed = true;
                }
                _ => {}
            }
        }
        if is_changed && self.lists.len() > MAX_ATOMS {
            // The insertion that follows empties the cache.
            return None;
        }
        entry.version = patterns.version();
        if is_changed {
            self.lists.free(&mut entry.patterns);
            entry.patterns = self.lists.store(&self.scratch);
        }
        Some(())
    }

    /// Caches the patterns that a term matches, which may hold repetitions. Sorts them.
    pub(crate) fn insert(&mut self, probe: &Probe, version: u32, patterns: &mut Vec<AtomId>) {
        let Some(key) = probe.inline_key() else { return };
        patterns.sort_unstable();
        patterns.dedup();
        if self.sets.is_empty() || self.lists.len() > MAX_ATOMS {
            self.sets = vec![[Entry::default(); 2]; SETS];
            self.lists = Arena::default();
        }
        let set = &mut self.sets[set_of(probe)];
        // An entry of the term that could not be updated is the first, and is replaced.
        if set[0].version != 0 && set[0].key != key {
            set.swap(0, 1);
        }
        let [entry, _] = set;
        self.lists.free(&mut entry.patterns);
        *entry = Entry { key, version, patterns: self.lists.store(patterns) };
    }

    /// The memory that the cache holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.sets.capacity() * size_of::<[Entry; 2]>() + self.lists.size_bytes()
    }
}
