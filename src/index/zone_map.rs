//! The lowest and the highest seq of each block of documents of a segment: a zone map.
//!
//! Documents of a segment are mostly in order of arrival, because a merge appends segments. A
//! window of seqs therefore lies in few ranges of documents, and the zone map finds them without
//! reading the column.

use std::ops::Range;

use tantivy::DocId;
use tantivy::columnar::Column;

use crate::ids::Seq;

/// Documents of a zone. Small in tests, where segments are small.
const ZONE_DOCS: u32 = if cfg!(test) { 4 } else { 512 };

/// The zone map of a segment: 16 bytes for each zone.
#[derive(Debug)]
pub(super) struct ZoneMap {
    zones: Box<[(u64, u64)]>,
    docs: u32,
}

impl ZoneMap {
    /// Reads the whole column once.
    pub(super) fn new(seqs: &Column<u64>, docs: u32) -> ZoneMap {
        let mut values = vec![0; ZONE_DOCS as usize];
        let zones = (0..docs.div_ceil(ZONE_DOCS)).map(|zone| {
            let start = zone * ZONE_DOCS;
            let values = &mut values[..(docs - start).min(ZONE_DOCS) as usize];
            seqs.values.get_range(start.into(), values);
            let bounds = |(low, high): (u64, u64), &seq: &u64| (low.min(seq), high.max(seq));
            values.iter().fold((u64::MAX, 0), bounds)
        });
        ZoneMap { zones: zones.collect(), docs }
    }

    /// Ranges that contain every document above `after`, up to `until`, and some others.
    pub(super) fn ranges(&self, after: Seq, until: Seq) -> Vec<Range<DocId>> {
        let mut ranges: Vec<Range<DocId>> = Vec::new();
        for (zone, &(low, high)) in (0..).zip(&self.zones) {
            if high <= after.0 || low > until.0 {
                continue;
            }
            let start = zone * ZONE_DOCS;
            let end = self.docs.min(start + ZONE_DOCS);
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        ranges
    }
}
