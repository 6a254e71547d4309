//! Deletions in a committed state: documents without a text that are the newest version of a tweet.
//!
//! No search finds them: a segment that has any is searched without them, as tantivy searches
//! without the documents that it has marked as deleted.

use std::sync::Arc;

use hashbrown::HashSet;
use tantivy::columnar::Column;
use tantivy::directory::OwnedBytes;
use tantivy::fastfield::{AliveBitSet, intersect_alive_bitsets, write_alive_bitset};
use tantivy::index::{SegmentId, SegmentReader};
use tantivy::{BitSet, DocAddress, DocId};

use super::{CommittedIndex, Segment};
use crate::ids::Seq;
use crate::tweet::TweetKey;

impl CommittedIndex {
    /// The number of deletions that are kept, and that of stored documents of older versions of
    /// these tweets: tantivy has marked the latter as deleted, and no merge has removed them yet.
    pub(in crate::index) fn deletions(&self) -> (u64, u64) {
        let deleted = self.deleted_keys();
        let texts = self.segments.iter().map(|segment| segment.deleted_texts(&deleted).count());
        (deleted.len() as u64, texts.sum::<usize>() as u64)
    }

    /// The segments that hold such older versions.
    pub(in crate::index) fn segments_with_deleted_texts(&self) -> Vec<SegmentId> {
        let deleted = self.deleted_keys();
        let segments = self.segments.iter().filter(|segment| segment.deleted_texts(&deleted).next().is_some());
        segments.map(|segment| segment.reader.segment_id()).collect()
    }

    /// The keys of the deletions that are kept.
    fn deleted_keys(&self) -> HashSet<TweetKey> {
        let mut deleted = HashSet::new();
        for segment in self.segments.iter().filter(|segment| segment.deletions.is_some()) {
            let docs = (0..segment.reader.max_doc()).filter(|&doc| segment.is_deletion(doc));
            deleted.extend(docs.filter(|&doc| !segment.reader.is_deleted(doc)).map(|doc| segment.key(doc)));
        }
        deleted
    }

    /// Whether a document is a deletion.
    pub(in crate::index) fn is_deletion(&self, address: DocAddress) -> bool {
        self.segment(address.segment_ord).is_deletion(address.doc_id)
    }
}

impl Segment {
    /// The documents that are older versions of tweets with these keys, and no deletions.
    fn deleted_texts(&self, deleted: &HashSet<TweetKey>) -> impl Iterator<Item = DocId> {
        let n_docs = if deleted.is_empty() || !self.reader.has_deletes() { 0 } else { self.reader.max_doc() };
        let is_left =
            |&doc: &DocId| self.reader.is_deleted(doc) && !self.is_deletion(doc) && deleted.contains(&self.key(doc));
        (0..n_docs).filter(is_left)
    }

    /// Whether a document is a deletion.
    pub(in crate::index) fn is_deletion(&self, doc: DocId) -> bool {
        self.deletions.as_ref().is_some_and(|deletions| deletions.first(doc).is_some())
    }

    /// The seq of the first known version of the tweet.
    pub(in crate::index) fn first_seq(&self, doc: DocId) -> Seq {
        let first = self.first_seqs.as_ref().and_then(|first_seqs| first_seqs.first(doc));
        Seq(first.unwrap_or_else(|| self.seqs.values.get_val(doc)))
    }

    /// The documents that are neither replaced nor deletions; `None` is all.
    pub(super) fn shown(&self) -> Option<&AliveBitSet> {
        self.shown.as_deref().or_else(|| self.reader.alive_bitset())
    }

    /// Whether a document is neither replaced nor a deletion.
    pub(super) fn is_shown(&self, doc: DocId) -> bool {
        self.shown().is_none_or(|shown| shown.is_alive(doc))
    }

    /// The number of documents that are neither replaced nor deletions.
    pub(super) fn n_shown(&self) -> u32 {
        let n = |shown: &Arc<AliveBitSet>| u32::try_from(shown.num_alive_docs()).unwrap_or(u32::MAX);
        self.shown.as_ref().map_or_else(|| self.reader.num_docs(), n)
    }
}

/// The documents of a segment that are neither replaced nor deletions.
pub(super) fn without(reader: &SegmentReader, deletions: &Column<u64>) -> tantivy::Result<AliveBitSet> {
    let mut tweets = BitSet::with_max_value_and_full(reader.max_doc());
    for doc in (0..reader.max_doc()).filter(|&doc| deletions.first(doc).is_some()) {
        tweets.remove(doc);
    }
    let mut bytes = Vec::new();
    write_alive_bitset(&tweets, &mut bytes)?;
    let tweets = AliveBitSet::open(OwnedBytes::new(bytes));
    Ok(match reader.alive_bitset() {
        Some(alive) => intersect_alive_bitsets(alive.clone(), tweets),
        None => tweets,
    })
}
