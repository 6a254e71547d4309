//! Which patterns a term was found to match, kept for the next time: most words of a stream come again and again.
//!
//! A table of fixed size, in which a term has one place; what was there before is forgotten. Any change of the patterns makes all
//! that is kept worthless, at no cost: it carries the number of the patterns' version.

use super::arena::{Arena, Span};
use super::table::AtomId;
use super::terms::{Probe, TermKey};

/// Terms that can be kept; a power of two.
const PLACES: usize = 1 << 15;
/// When so many patterns of terms are kept, all are forgotten.
const MAX_KEPT: usize = 1 << 22;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Made when the first term comes.
    places: Vec<Place>,
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
    probe.hash as usize & (PLACES - 1)
}

impl Memo {
    /// The patterns that a term matches, if that is known.
    #[inline]
    pub(super) fn get(&self, probe: &Probe, version: u32) -> Option<&[AtomId]> {
        let place = self.places.get(at(probe))?;
        let is_it = place.version == version && probe.short_key() == Some(place.key);
        is_it.then(|| self.lists.get(place.patterns))
    }

    /// Keeps what was found for a term, which may hold a pattern more than once.
    pub(super) fn keep(&mut self, probe: &Probe, version: u32) {
        let Some(key) = probe.short_key() else { return };
        self.found.sort_unstable();
        self.found.dedup();
        if self.places.is_empty() || self.lists.len() > MAX_KEPT {
            self.places = vec![Place::default(); PLACES];
            self.lists = Arena::default();
        }
        let place = &mut self.places[at(probe)];
        self.lists.free(&mut place.patterns);
        *place = Place { key, version, patterns: self.lists.store(&self.found) };
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>() + self.lists.size_bytes()
    }
}
