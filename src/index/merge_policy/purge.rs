//! When the texts of deleted tweets leave the disk.
//!
//! A deletion marks the older version of its tweet as deleted, and a merge leaves it out. On an
//! index that gets few tweets no merge might come. So perch writes a segment anew when it has kept
//! the text of a deleted tweet for a while, however little that frees.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tantivy::index::SegmentId;

use crate::index::lock;

/// The pause before segments that were not written anew are proposed again.
const RETRY_DELAY: Duration = Duration::from_secs(600);

/// The segments that are to be written anew, which the merge policy reads.
pub(in crate::index) type PurgedSegments = Arc<Mutex<HashSet<SegmentId>>>;

/// Decides when segments with texts of deleted tweets are written anew.
#[derive(Debug)]
pub(in crate::index) struct Purge {
    /// How long a text may stay.
    after: Duration,
    /// When to look for texts.
    at: Option<Instant>,
    segments: PurgedSegments,
}

impl Purge {
    /// Texts may stay this long. An index that is opened may have some already.
    pub(in crate::index) fn new(after: Duration) -> Purge {
        Purge { after, at: Some(Instant::now() + after), segments: Arc::default() }
    }

    pub(in crate::index) fn segments(&self) -> PurgedSegments {
        Arc::clone(&self.segments)
    }

    /// When to call [`Purge::begin`] next.
    pub(in crate::index) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Notes that a tweet was deleted.
    pub(in crate::index) fn note_deletion(&mut self) {
        self.at.get_or_insert_with(|| Instant::now() + self.after);
    }

    /// Proposes segments. `found` are those that hold the text of a deleted tweet. Returns false if
    /// nothing is to be done.
    ///
    /// Segments that get such a text while others are written anew wait their time: on a busy
    /// index, nearly all segments have some.
    pub(in crate::index) fn begin(&mut self, found: &[SegmentId]) -> bool {
        let mut segments = lock(&self.segments);
        let was_busy = !segments.is_empty();
        segments.retain(|segment| found.contains(segment));
        if !was_busy {
            segments.extend(found);
        }
        let is_busy = !segments.is_empty();
        let pause = if is_busy { RETRY_DELAY.min(self.after) } else { self.after };
        self.at = (!found.is_empty()).then(|| Instant::now() + pause);
        is_busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_proposed_until_it_is_written_anew() {
        let mut purge = Purge::new(Duration::from_secs(3_600));
        assert!(purge.at().is_some(), "the start asks for one look at the index");
        assert!(!purge.begin(&[]));
        assert_eq!(purge.at(), None);
        purge.note_deletion();
        let due = purge.at().expect("the deletion asks for it");
        purge.note_deletion();
        assert_eq!(purge.at(), Some(due), "the first one counts");
        let [first, second] = [SegmentId::generate_random(), SegmentId::generate_random()];
        assert!(purge.begin(&[first]));
        assert!(purge.at().expect("it looks again") <= Instant::now() + RETRY_DELAY);
        assert!(purge.begin(&[first, second]));
        assert_eq!(*lock(&purge.segments()), HashSet::from([first]), "the second waits");
        assert!(!purge.begin(&[second]));
        assert!(purge.at().expect("for the second") > Instant::now() + RETRY_DELAY);
        assert!(purge.begin(&[second]));
    }
}
