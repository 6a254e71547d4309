//! One committed state of the index on disk, with the columns that every search needs.
//!
//! Segments are opened one by one; those that an earlier state shares stay open. A segment whose
//! stored tweets are damaged is opened without them: it can be searched and counted, and only
//! reading one of its tweets fails.

mod deletions;
mod lookup;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use hashbrown::{HashMap, HashSet};
use tantivy::columnar::{Cardinality, Column};
use tantivy::directory::META_LOCK;
use tantivy::fastfield::AliveBitSet;
use tantivy::index::{SegmentId, SegmentReader};
use tantivy::query::{AllQuery, EnableScoring, Intersection, Query, Scorer, TermQuery, Weight};
use tantivy::schema::Schema;
use tantivy::schema::document::{DeserializeError, DocumentDeserialize, DocumentDeserializer};
use tantivy::store::StoreReader;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, Directory as _, DocAddress, DocId, TantivyError};

use super::Hit;
use super::checksum;
use super::damage::{Damage, guarded};
use super::retention::Part;
use super::tweet_fields::{DELETED, FIRST_SEQ, ID, KEY_HALVES, SEQ};
use super::zone_map::ZoneMap;
use crate::coop;
use crate::ids::Seq;
use crate::tweet::TweetKey;

/// Decompressed blocks of stored tweets that a segment caches.
const STORE_CACHE_BLOCKS: usize = 64;

/// One committed state of the index.
pub(super) struct CommittedIndex {
    /// By ordinal.
    segments: Vec<Segment>,
    highest_id: Option<u64>,
    schema: Schema,
    damage: Arc<Damage>,
}

/// An open segment and its columns.
#[derive(Clone)]
pub(super) struct Segment {
    reader: SegmentReader,
    /// The stored tweets, or the reason why they can't be opened.
    store: Arc<Result<StoreReader, TantivyError>>,
    ids: Column<u64>,
    /// The halves of keys that are no numbers, if the segment has any.
    keys: Option<[Column<u64>; 2]>,
    seqs: Column<u64>,
    /// The first known seqs of tweets that replaced an older version, if the segment has any.
    first_seqs: Option<Column<u64>>,
    /// Which documents are deletions, if the segment has any.
    deletions: Option<Column<u64>>,
    /// The documents that are neither replaced nor deletions, in a segment with deletions.
    shown: Option<Arc<AliveBitSet>>,
    /// Created when a replay first needs it, and shared with later states of the segment.
    zone_map: Arc<OnceLock<ZoneMap>>,
    /// The size of its files.
    bytes: u64,
}

/// Which of the matching documents count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter<'a> {
    /// Only documents above this seq.
    pub(super) after: Seq,
    /// Only documents up to this seq.
    pub(super) until: Seq,
    /// No documents with these keys: the tail has a newer version.
    pub(super) hidden: &'a HashSet<TweetKey>,
}

impl CommittedIndex {
    /// Opens the last commit of an index with its files in `dir`. Damage that reads find is
    /// recorded in `damage`.
    pub(super) fn open(index: &tantivy::Index, dir: &Path, damage: Arc<Damage>) -> tantivy::Result<CommittedIndex> {
        CommittedIndex::open_after(index, dir, damage, &[])
    }

    /// Opens the last commit. Segments that this state shares stay open.
    pub(super) fn reopen(&self, index: &tantivy::Index, dir: &Path) -> tantivy::Result<CommittedIndex> {
        CommittedIndex::open_after(index, dir, Arc::clone(&self.damage), &self.segments)
    }

    fn open_after(
        index: &tantivy::Index,
        dir: &Path,
        damage: Arc<Damage>,
        before: &[Segment],
    ) -> tantivy::Result<CommittedIndex> {
        // Keeps tantivy from deleting files.
        let lock = index.directory().acquire_lock(&META_LOCK)?;
        let committed = index.searchable_segments()?;
        let mut segments = Vec::with_capacity(committed.len());
        for segment in &committed {
            let is_same = |open: &&Segment| {
                open.reader.segment_id() == segment.id()
                    && open.reader.delete_opstamp() == segment.meta().delete_opstamp()
            };
            let earlier = before.iter().find(|open| open.reader.segment_id() == segment.id());
            segments.push(match before.iter().find(is_same) {
                Some(open) => open.clone(),
                None => guarded(|| Segment::open(segment, earlier))?,
            });
        }
        drop(lock);
        let sizes = sizes_of_segments(dir);
        for segment in &mut segments {
            segment.bytes = sizes.get(&segment.reader.segment_id().uuid_string()).copied().unwrap_or(0);
        }
        let highest_id = segments.iter().map(|segment| segment.ids().1).max();
        Ok(CommittedIndex { segments, highest_id, schema: index.schema(), damage })
    }

    /// The known damage.
    pub(super) fn damage(&self) -> &Arc<Damage> {
        &self.damage
    }

    /// The number of tweets.
    pub(super) fn documents(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.n_shown())).sum()
    }

    /// The number of segments.
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The size of the segments on disk, in bytes, without files of running and finished merges.
    pub(super) fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Whether it contains a segment.
    pub(super) fn holds(&self, segment: SegmentId) -> bool {
        self.ord(segment).is_some()
    }

    /// The highest seq that is or was in the index.
    pub(super) fn highest_seq(&self) -> Seq {
        self.segments.iter().map(|segment| segment.seqs().1).max().unwrap_or(Seq::ZERO)
    }

    /// Every document, in order of arrival.
    pub(super) fn all(&self) -> Vec<(Seq, TweetKey, DocAddress)> {
        let documents = self.segments.iter().zip(0..).flat_map(|(segment, ord)| {
            let alive = (0..segment.reader.max_doc()).filter(|&doc| !segment.reader.is_deleted(doc));
            alive.map(move |doc| (Seq(segment.seqs.values.get_val(doc)), segment.key(doc), DocAddress::new(ord, doc)))
        });
        let mut documents: Vec<_> = documents.collect();
        documents.sort_unstable_by_key(|&(seq, ..)| seq);
        documents
    }

    /// The documents and the size of each segment.
    pub(super) fn parts(&self) -> Vec<Part> {
        let part = |segment: &Segment| Part {
            seqs: segment.seqs(),
            alive: u64::from(segment.reader.num_docs()),
            all: u64::from(segment.reader.max_doc()),
            bytes: segment.bytes,
        };
        self.segments.iter().map(part).collect()
    }

    /// Prepares a query for these segments.
    pub(super) fn weight(&self, query: &dyn Query) -> tantivy::Result<Box<dyn Weight>> {
        query.weight(EnableScoring::disabled_from_schema(&self.schema))
    }

    /// The segments with their ordinals, highest key first.
    pub(super) fn segments_by(&self, key: impl Fn(&Segment) -> u64) -> Vec<(&Segment, u32)> {
        let mut segments: Vec<(&Segment, u32)> = self.segments.iter().zip(0..).collect();
        segments.sort_by_key(|(segment, _)| std::cmp::Reverse(key(segment)));
        segments
    }

    /// The number of tweets below a seq.
    pub(super) fn count_before(&self, first: Seq) -> u64 {
        let count = |segment: &Segment| {
            let (low, high) = segment.seqs();
            if low >= first {
                return 0;
            }
            if high < first {
                return u64::from(segment.n_shown());
            }
            let all = 0..segment.reader.max_doc();
            let is_before = |&doc: &DocId| segment.is_shown(doc) && segment.seqs.values.get_val(doc) < first.0;
            u64::try_from(all.filter(is_before).count()).unwrap_or(u64::MAX)
        };
        self.segments.iter().map(count).sum()
    }

    /// The ordinal of a segment.
    pub(super) fn ord(&self, segment: SegmentId) -> Option<u32> {
        let mut ords = (0..).zip(&self.segments);
        ords.find(|(_, it)| it.reader.segment_id() == segment).map(|(ord, _)| ord)
    }

    /// The segment of an ordinal.
    pub(super) fn segment(&self, ord: u32) -> &Segment {
        &self.segments[ord as usize]
    }

    /// The stored tweet or deletion, unless a newer version replaces or hides it, or it can't be
    /// read.
    pub(super) fn current_hit(&self, address: DocAddress, hidden: &HashSet<TweetKey>) -> Option<Hit> {
        let segment = self.segment(address.segment_ord);
        // `hit` has recorded the damage.
        if segment.is_current(address.doc_id, hidden) { self.hit(address).ok() } else { None }
    }

    /// The seq and the id of a document.
    pub(super) fn position(&self, address: DocAddress) -> (Seq, u64) {
        let segment = &self.segments[address.segment_ord as usize];
        (Seq(segment.seqs.values.get_val(address.doc_id)), segment.id(address.doc_id))
    }

    /// The stored tweet. A failure is recorded as damage.
    pub(super) fn hit(&self, address: DocAddress) -> tantivy::Result<Hit> {
        let segment = &self.segments[address.segment_ord as usize];
        let (seq, id) = self.position(address);
        let read = segment.stored(address.doc_id).and_then(|stored| match checksum::open_tweet(&stored) {
            Some(tweet) if tweet.seq.is_none_or(|stored| stored == seq) => Ok(Hit { seq, id, json: tweet.json.into() }),
            _ => Err(TantivyError::InternalError("its checksum is wrong".to_owned())),
        });
        read.inspect_err(|error| {
            let file = format!("{}.store", segment.reader.segment_id().uuid_string());
            self.damage.unreadable_tweet(&file, seq, id, error);
        })
    }
}

impl std::fmt::Debug for CommittedIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommittedIndex")
            .field("documents", &self.documents())
            .field("segments", &self.segments())
            .finish()
    }
}

impl Segment {
    /// Opens a segment. What does not depend on its deleted documents comes from an earlier state.
    fn open(segment: &tantivy::index::Segment, earlier: Option<&Segment>) -> tantivy::Result<Segment> {
        let reader = SegmentReader::open(segment)?;
        let column = |name: &str| -> tantivy::Result<Column<u64>> {
            let column = reader.fast_fields().u64(name)?;
            if column.get_cardinality() != Cardinality::Full {
                return Err(TantivyError::InternalError(format!("not every document has one {name}")));
            }
            Ok(column)
        };
        let open_store = || Arc::new(guarded(|| reader.get_store_reader(STORE_CACHE_BLOCKS).map_err(Into::into)));
        let store = earlier.map_or_else(open_store, |earlier| Arc::clone(&earlier.store));
        let zone_map = earlier.map(|earlier| Arc::clone(&earlier.zone_map)).unwrap_or_default();
        let [high, low] = KEY_HALVES.map(|name| reader.fast_fields().column_opt::<u64>(name));
        let keys = high?.zip(low?).map(|(high, low)| [high, low]);
        let first_seqs = reader.fast_fields().column_opt::<u64>(FIRST_SEQ)?;
        let deletions = reader.fast_fields().column_opt::<u64>(DELETED)?;
        let shown =
            deletions.as_ref().map(|deletions| deletions::without(&reader, deletions)).transpose()?.map(Arc::new);
        let (ids, seqs) = (column(ID)?, column(SEQ)?);
        Ok(Segment { ids, keys, seqs, first_seqs, deletions, shown, bytes: 0, store, zone_map, reader })
    }

    /// The stored text of a document.
    fn stored(&self, doc: DocId) -> tantivy::Result<String> {
        let store = (*self.store).as_ref().map_err(TantivyError::clone)?;
        guarded(|| store.get::<Json>(doc).map(|Json(stored)| stored))
    }

    /// The lowest and the highest id, deleted documents included.
    pub(super) fn ids(&self) -> (u64, u64) {
        (self.ids.min_value(), self.ids.max_value())
    }

    /// The lowest and the highest seq, deleted documents included.
    pub(super) fn seqs(&self) -> (Seq, Seq) {
        (Seq(self.seqs.min_value()), Seq(self.seqs.max_value()))
    }

    /// tantivy's reader of the segment.
    pub(super) fn reader(&self) -> &SegmentReader {
        &self.reader
    }

    /// The zone map of the seqs.
    pub(super) fn zone_map(&self) -> &ZoneMap {
        self.zone_map.get_or_init(|| ZoneMap::new(&self.seqs, self.reader.max_doc()))
    }

    /// Reads the seqs of the documents from `first` on.
    pub(super) fn read_seqs(&self, first: DocId, seqs: &mut [u64]) {
        self.seqs.values.get_range(first.into(), seqs);
    }

    /// Whether a document, which may be a deletion, is the newest version of its tweet.
    pub(super) fn is_current(&self, doc: DocId, hidden: &HashSet<TweetKey>) -> bool {
        !self.reader.is_deleted(doc) && (hidden.is_empty() || !hidden.contains(&self.key(doc)))
    }

    /// The id of a document.
    pub(super) fn id(&self, doc: DocId) -> u64 {
        self.ids.values.get_val(doc)
    }

    /// The key of a document.
    pub(super) fn key(&self, doc: DocId) -> TweetKey {
        let halves = self.keys.as_ref().and_then(|[high, low]| high.first(doc).zip(low.first(doc)));
        halves.map_or_else(|| TweetKey::of_number(self.id(doc)), |(high, low)| TweetKey::from_halves(high, low))
    }

    /// The number of matching documents. `weight` is that of `query`.
    pub(super) fn count(&self, query: &dyn Query, weight: &dyn Weight, filter: &Filter<'_>) -> tantivy::Result<u64> {
        let mut total = 0;
        if !self.is_inside(filter) || !filter.hidden.is_empty() {
            self.for_each(weight, filter, |block, _| total += u64::try_from(block.len()).unwrap_or(u64::MAX))?;
            return Ok(total);
        }
        let alive = self.shown();
        if query.is::<AllQuery>() {
            return Ok(u64::from(self.n_shown()));
        }
        if query.is::<TermQuery>() && alive.is_none() {
            return Ok(u64::from(weight.count(&self.reader)?));
        }
        if coop::stopped_now() {
            return Ok(0);
        }
        let mut scorer = weight.scorer(&self.reader, 1.0)?;
        // tantivy's count of an intersection ends when its parts are stopped; that of a union does
        // not.
        let is_stoppable = scorer.is::<Intersection<Box<dyn Scorer>>>() || scorer.cost() <= COUNTED_AT_ONCE;
        if is_stoppable && alive.is_none() {
            return Ok(u64::from(scorer.count_including_deleted()));
        }
        for_each_block(&mut *scorer, |docs| {
            let count = alive.map_or(docs.len(), |alive| docs.iter().filter(|&&doc| alive.is_alive(doc)).count());
            total += count as u64;
        });
        Ok(total)
    }

    /// Calls `with` for each document that matches, with its id.
    pub(super) fn for_each_id(
        &self,
        weight: &dyn Weight,
        filter: &Filter<'_>,
        mut with: impl FnMut(DocId, u64),
    ) -> tantivy::Result<()> {
        self.for_each(weight, filter, |docs, values| {
            self.ids.values.get_vals(docs, values);
            docs.iter().zip(values).for_each(|(&doc, id)| with(doc, *id));
        })
    }

    /// Calls `with` for each document that matches, with its seq.
    pub(super) fn for_each_seq(
        &self,
        weight: &dyn Weight,
        filter: &Filter<'_>,
        mut with: impl FnMut(DocId, u64),
    ) -> tantivy::Result<()> {
        self.for_each(weight, filter, |docs, values| {
            self.seqs.values.get_vals(docs, values);
            docs.iter().zip(values).for_each(|(&doc, seq)| with(doc, *seq));
        })
    }

    /// Moves the documents that are not hidden to the front and returns their number.
    fn retain_shown(&self, docs: &mut [DocId], values: &mut [u64], hidden: &HashSet<TweetKey>) -> usize {
        if self.keys.is_none() {
            self.ids.values.get_vals(docs, &mut values[..docs.len()]);
            return retain(docs, values, |id| !hidden.contains(&TweetKey::of_number(id)));
        }
        let mut len = 0;
        for at in 0..docs.len() {
            docs[len] = docs[at];
            len += usize::from(!hidden.contains(&self.key(docs[at])));
        }
        len
    }

    /// Whether the filter excludes no document by its seq.
    fn is_inside(&self, filter: &Filter<'_>) -> bool {
        let (first, last) = self.seqs();
        first > filter.after && last <= filter.until
    }

    /// Calls `with` for blocks of matching documents, with a buffer for one value each. Leaves
    /// documents out when the search is stopped.
    pub(super) fn for_each(
        &self,
        weight: &dyn Weight,
        filter: &Filter<'_>,
        mut with: impl FnMut(&[DocId], &mut [u64]),
    ) -> tantivy::Result<()> {
        let alive = self.shown();
        let is_inside = self.is_inside(filter);
        let mut kept = [0; COLLECT_BLOCK_BUFFER_LEN];
        let mut values = [0; COLLECT_BLOCK_BUFFER_LEN];
        if coop::stopped_now() {
            return Ok(());
        }
        let mut scorer = weight.scorer(&self.reader, 1.0)?;
        for_each_block(&mut *scorer, |docs| {
            let mut len = keep_alive(docs, alive, &mut kept);
            if !is_inside {
                self.seqs.values.get_vals(&kept[..len], &mut values[..len]);
                let is_in_time = |seq| seq > filter.after.0 && seq <= filter.until.0;
                len = retain(&mut kept[..len], &values, is_in_time);
            }
            if !filter.hidden.is_empty() {
                len = self.retain_shown(&mut kept[..len], &mut values, filter.hidden);
            }
            with(&kept[..len], &mut values[..len]);
        });
        Ok(())
    }
}

/// Postings that are counted without a yield point: some milliseconds.
const COUNTED_AT_ONCE: u64 = 1_000_000;

/// Calls `with` for blocks of documents until the scorer or the search ends. Each block is a yield
/// point: a block of a union of many terms can take thousands of steps.
fn for_each_block(scorer: &mut dyn Scorer, mut with: impl FnMut(&[DocId])) {
    let mut block = [0; COLLECT_BLOCK_BUFFER_LEN];
    while !coop::stopped_now() {
        let len = scorer.fill_buffer(&mut block);
        with(&block[..len]);
        if len < block.len() {
            return;
        }
    }
}

/// The size of the files of each segment, in bytes, by the segment id in their names.
fn sizes_of_segments(dir: &Path) -> HashMap<String, u64> {
    let mut sizes = HashMap::new();
    // A file may be deleted meanwhile.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (name, metadata) = (entry.file_name(), entry.metadata());
        if let (Some((segment, _)), Ok(metadata)) = (name.to_str().and_then(|name| name.split_once('.')), metadata) {
            *sizes.entry_ref(segment).or_default() += metadata.len();
        }
    }
    sizes
}

/// Copies the documents that are not deleted and returns their number.
fn keep_alive(docs: &[DocId], alive: Option<&AliveBitSet>, kept: &mut [DocId]) -> usize {
    let Some(alive) = alive else {
        kept[..docs.len()].copy_from_slice(docs);
        return docs.len();
    };
    let mut len = 0;
    for &doc in docs {
        kept[len] = doc;
        len += usize::from(alive.is_alive(doc));
    }
    len
}

/// Moves the documents with a fitting value to the front and returns their number.
fn retain(docs: &mut [DocId], values: &[u64], is_right: impl Fn(u64) -> bool) -> usize {
    let mut len = 0;
    for at in 0..docs.len() {
        docs[len] = docs[at];
        len += usize::from(is_right(values[at]));
    }
    len
}

/// The stored field of a document.
pub(super) struct Json(pub(super) String);

impl DocumentDeserialize for Json {
    fn deserialize<'de, D: DocumentDeserializer<'de>>(mut document: D) -> Result<Json, DeserializeError> {
        match document.next_field::<String>()? {
            Some((_, json)) => Ok(Json(json)),
            None => Err(DeserializeError::custom("the document has no JSON")),
        }
    }
}
