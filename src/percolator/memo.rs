//! Which patterns a term was found to match, kept for the next time: most words of a stream come again and again.
//!
//! A table of fixed size, in which a term has two places, side by side; the one that was asked for longer ago is forgotten for a new one. What is kept carries the number of
//! the patterns' version. When patterns came and went since then, they are tried, and the others are not; after too many, all are.

use super::arena::{Arena, Span};
use super::pattern::{Change, Patterns, is_match};
use super::table::{AtomId, Atoms};
use super::terms::{Probe, TermKey};

/// Pairs of terms that can be kept; a power of two. 2 MiB, of which a term touches one line of the cache.
const PAIRS: usize = 1 << 15;
/// When so many patterns of terms are kept, all are forgotten. Each thread keeps its own: 16 MiB of numbers each, and
/// the list that goes beyond it.
const MAX_KEPT: usize = 1 << 22;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Made when the first term comes.
    places: Vec<[Place; 2]>,
    lists: Arena<AtomId>,
    /// For a term that is not known.
    pub(super) found: Vec<AtomId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: TermKey,
    /// 0: nothing is kept here.
    version: u32,
    patterns: Span,
}

#[expect(clippy::cast_possible_truncation)]
fn at(probe: &Probe) -> usize {
    probe.hash as usize & (PAIRS - 1)
}

impl Memo {
    /// The patterns that a term matches, if that is known.
    #[inline]
    pub(super) fn get(&mut self, probe: &Probe, term: &str, patterns: &Patterns, atoms: &Atoms) -> Option<&[AtomId]> {
        let pair = self.places.get_mut(at(probe))?;
        let key = probe.short_key()?;
        let is_it = |place: &Place| place.version != 0 && place.key == key;
        if !is_it(&pair[0]) {
            if !is_it(&pair[1]) {
                return None;
            }
            pair.swap(0, 1);
        }
        if pair[0].version != patterns.version {
            self.catch_up(probe, term, patterns, atoms)?;
        }
        let [place, _] = self.places.get(at(probe))?;
        Some(self.lists.get(place.patterns))
    }

    /// Brings what is kept for a term, in the first of its places, up to date. None when that is not worth it.
    fn catch_up(&mut self, probe: &Probe, term: &str, patterns: &Patterns, atoms: &Atoms) -> Option<()> {
        let [place, _] = &mut self.places[at(probe)];
        let changes = patterns.changes_since(place.version)?;
        let field = place.key.field();
        self.found.clear();
        self.found.extend(self.lists.get(place.patterns));
        let mut is_new = false;
        for &Change { atom, added, .. } in changes.filter(|change| change.field == field) {
            match self.found.binary_search(&atom) {
                Ok(at) if !added => {
                    self.found.remove(at);
                    is_new = true;
                }
                // One that is gone again, as a later change will tell, may have taken its number with it.
                Err(at) if added && (atom as usize) < atoms.len() && is_match(atoms.kind(atom), term) => {
                    self.found.insert(at, atom);
                    is_new = true;
                }
                _ => {}
            }
        }
        if is_new && self.lists.len() > MAX_KEPT {
            // Lists grow here too, where patterns come all the time. What is found anew makes room first.
            return None;
        }
        place.version = patterns.version;
        if is_new {
            self.lists.free(&mut place.patterns);
            place.patterns = self.lists.store(&self.found);
        }
        Some(())
    }

    /// Keeps what was found for a term, which may hold a pattern more than once.
    pub(super) fn keep(&mut self, probe: &Probe, version: u32) {
        let Some(key) = probe.short_key() else { return };
        self.found.sort_unstable();
        self.found.dedup();
        if self.places.is_empty() || self.lists.len() > MAX_KEPT {
            self.places = vec![[Place::default(); 2]; PAIRS];
            self.lists = Arena::default();
        }
        let pair = &mut self.places[at(probe)];
        // What could not be brought up to date stands first.
        if pair[0].version != 0 && pair[0].key != key {
            pair.swap(0, 1);
        }
        let [place, _] = pair;
        self.lists.free(&mut place.patterns);
        *place = Place { key, version, patterns: self.lists.store(&self.found) };
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.places.capacity() * size_of::<[Place; 2]>() + self.lists.size_bytes()
    }
}
