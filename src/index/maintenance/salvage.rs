//! Reads the tweets of an index from its files: all of an undamaged one, and what is left of a
//! damaged one.
//!
//! Only the stored tweets are needed to build an index. The other files of a segment say which
//! tweets there should be:
//!
//! | file | use | without it |
//! |---|---|---|
//! | `.store` | the tweets, with their seqs | the tweets that [`StoreScan`] finds |
//! | `.fast` | ids and seqs of all documents: names what is lost | lost tweets are only counted |
//! | `.del` | which documents are deleted | the rules below |
//! | `meta.json` | segments, first seq, cursors of sources | segments by the names of files |
//! | others | none | nothing is lost |
//!
//! Of several versions of a tweet only the newest counts, also when it is lost: an older one does
//! not return in its place. No tweet below the first seq returns. perch deletes by these two rules
//! alone, so they hold without a list of deleted documents too.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::columnar::{Column, ColumnarReader};
use tantivy::directory::FileSlice;
use tantivy::fastfield::AliveBitSet;
use tantivy::store::StoreReader;

use super::store_scan::{BlockAddress, StoreScan};
use super::{MaintenanceError, doing};
use crate::ids::Seq;
use crate::index::checksum;
use crate::index::commit_files::{Commit, CommittedSegment, DamagedFile};
use crate::index::commit_payload::CommitPayload;
use crate::index::committed::Json;
use crate::index::damage::guarded;
use crate::index::tantivy_directory::segment_of;
use crate::index::tweet_fields::{FIRST_SEQ, ID, KEY_HALVES, SEQ};
use crate::tweet::{self, AnalyzedTweet, SequencedTweet, TweetKey};

/// Decompressed blocks of a segment in the cache.
const CACHE_BLOCKS: usize = 16;

/// A lost tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTweet {
    /// Its id.
    pub id: u64,
    /// Its position.
    pub seq: Seq,
    /// The file that it was stored in.
    pub file: String,
}

/// What can't be read any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Known tweets, in order of arrival.
    pub tweets: Vec<LostTweet>,
    /// Counts of further tweets that may be lost, by file. Tweets that were deleted or replaced
    /// long ago count too.
    pub unnamed: BTreeMap<String, u64>,
    /// Other losses, as sentences without a period.
    pub notes: Vec<String>,
}

impl Losses {
    /// Whether nothing is lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tweets.is_empty() && self.unnamed.is_empty() && self.notes.is_empty()
    }
}

/// The tweets of an index.
pub(super) struct StoredTweets {
    pub(super) damaged: Vec<DamagedFile>,
    pub(super) losses: Losses,
    pub(super) payload: CommitPayload,
    segments: Vec<Segment>,
    /// In order of arrival. Tweets whose seq is lost are at the end.
    kept: Vec<Version>,
}

/// One version of a tweet.
#[derive(Clone, Copy, Debug)]
struct Version {
    id: u64,
    key: TweetKey,
    /// Zero when it is lost.
    seq: Seq,
    /// The seq of the first known version, if it has replaced one.
    first_seq: Option<Seq>,
    segment: usize,
    /// `None` when it can't be read.
    at: Option<Address>,
    /// Whether a list of deleted documents contains it.
    is_deleted: bool,
}

#[derive(Clone, Copy, Debug)]
enum Address {
    Document(u32),
    Block(BlockAddress),
}

/// The stored tweets of a segment.
struct Segment {
    store_file: String,
    tweets: Tweets,
}

enum Tweets {
    Whole(StoreReader),
    Scanned(StoreScan),
    Missing,
}

/// Which documents of a segment are deleted.
enum Deletes {
    None,
    Known(AliveBitSet),
    Lost,
}

impl Deletes {
    fn contains(&self, doc: u32) -> bool {
        matches!(self, Deletes::Known(alive) if doc < alive.bitset().max_value() && alive.is_deleted(doc))
    }
}

impl StoredTweets {
    /// Reads every file of an index and finds its tweets.
    pub(super) fn open(dir: &Path) -> Result<StoredTweets, MaintenanceError> {
        let mut tweets = StoredTweets {
            damaged: Vec::new(),
            losses: Losses::default(),
            payload: CommitPayload::default(),
            segments: Vec::new(),
            kept: Vec::new(),
        };
        let segments = match Commit::read(dir) {
            Ok(commit) => {
                tweets.payload = commit.payload;
                commit.segments.into_iter().map(|segment| (segment, true)).collect()
            }
            Err(damage) => {
                tweets.damaged.push(damage);
                tweets.losses.notes.push(
                    "how far sources had come, and since when tweets are kept: sources begin anew, and tweets that were \
                     deleted a moment ago may be back"
                        .to_owned(),
                );
                segments_by_name(dir)?
            }
        };
        let mut versions = Vec::new();
        for (segment, is_committed) in &segments {
            tweets.read_segment(dir, segment, *is_committed, &mut versions);
        }
        tweets.keep(versions);
        Ok(tweets)
    }

    /// Finds the tweets of a segment.
    fn read_segment(
        &mut self,
        dir: &Path,
        segment: &CommittedSegment,
        is_committed: bool,
        versions: &mut Vec<Version>,
    ) {
        let mut verified: HashMap<String, FileSlice> = HashMap::new();
        for name in segment.files() {
            match checksum::verify_file(&dir.join(&name)) {
                Ok(content) => drop(verified.insert(name, content)),
                Err(damage) if is_committed => self.damaged.push(DamagedFile { name, reason: damage.to_string() }),
                // Half a segment may never have been more than that.
                Err(_) => {}
            }
        }
        let columns = verified.remove(&segment.file("fast")).and_then(columns_of);
        let deletes = match segment.deletes_file() {
            None => Deletes::None,
            Some(name) => verified.get(&name).and_then(deletes_of).map_or(Deletes::Lost, Deletes::Known),
        };
        let at = self.segments.len();
        let mut reader =
            SegmentTweets { at, columns: columns.as_deref(), deletes: &deletes, found: Vec::new(), unsealed: 0 };
        let store_file = segment.file("store");
        let tweets = match verified.remove(&store_file) {
            Some(content) => reader.read_whole(content, segment.max_doc),
            None => reader.scan(&dir.join(&store_file)),
        };
        let SegmentTweets { found, unsealed, .. } = reader;
        if unsealed > 0 {
            self.losses.notes.push(format!(
                "the certainty about {unsealed} tweets of {store_file}: an earlier perch stored them without a checksum, and a \
                 letter in them may be wrong"
            ));
        }
        if let Some(columns) = &columns {
            let seqs: std::collections::HashSet<Seq> = found.iter().map(|version| version.seq).collect();
            versions.extend(columns.iter().zip(0..).filter(|((seq, _), _)| !seqs.contains(seq)).map(
                |(&(seq, Identity { id, key, first_seq }), doc)| {
                    let is_deleted = deletes.contains(doc);
                    Version { id, key, seq, first_seq, segment: at, at: None, is_deleted }
                },
            ));
        } else if is_committed {
            let missing = segment.max_doc.saturating_sub(found.len() as u64);
            if missing > 0 {
                self.losses.unnamed.insert(store_file.clone(), missing);
            }
        }
        versions.extend(found);
        self.segments.push(Segment { store_file, tweets });
    }

    /// Keeps the newest version of each tweet.
    fn keep(&mut self, versions: Vec<Version>) {
        let mut newest: HashMap<TweetKey, Version> = HashMap::with_capacity(versions.len());
        for version in versions {
            let place = newest.entry(version.key).or_insert(version);
            // Without a meta.json, a segment and those that it was merged from may both exist.
            let is_better = (version.seq, version.at.is_some()) > (place.seq, place.at.is_some());
            if is_better {
                *place = version;
            }
        }
        let first = self.payload.retained.first_seq();
        for version in newest.into_values() {
            let is_gone = version.is_deleted || version.seq < first && version.seq != Seq::ZERO;
            match version.at {
                _ if is_gone => {}
                Some(_) => self.kept.push(version),
                None => self.losses.tweets.push(LostTweet {
                    id: version.id,
                    seq: version.seq,
                    file: self.segments[version.segment].store_file.clone(),
                }),
            }
        }
        let unknown = |seq: Seq| seq == Seq::ZERO;
        self.kept.sort_unstable_by_key(|version| (unknown(version.seq), version.seq, version.id));
        self.losses.tweets.sort_unstable_by_key(|lost| lost.seq);
        let unplaced = self.kept.iter().filter(|version| unknown(version.seq)).count();
        if unplaced > 0 {
            self.losses
                .notes
                .push(format!("the positions of {unplaced} tweets: they have new ones, behind all others"));
        }
    }

    /// The highest seq of a tweet.
    pub(super) fn last_seq(&self) -> Seq {
        self.kept.iter().map(|version| version.seq).max().unwrap_or(Seq::ZERO)
    }

    /// The number of tweets whose seq is lost.
    pub(super) fn unplaced(&self) -> usize {
        self.kept.iter().filter(|version| version.seq == Seq::ZERO).count()
    }

    /// Reads the tweets in groups of `n`, each with the seq of its first known version if it has
    /// replaced one. Tweets without a seq get seqs from `next` on.
    pub(super) fn for_each_group(
        &mut self,
        n: usize,
        mut next: Seq,
        mut with: impl FnMut(&[(SequencedTweet, Option<Seq>)]) -> Result<(), MaintenanceError>,
    ) -> Result<(), MaintenanceError> {
        for group in std::mem::take(&mut self.kept).chunks(n) {
            let mut items = Vec::with_capacity(group.len());
            for version in group {
                let mut seq = version.seq;
                if seq == Seq::ZERO {
                    seq = next;
                    next = Seq(next.0 + 1);
                }
                match self.read(version) {
                    Ok(tweet) => {
                        // Clients may have had a tweet whose deletion has lost this number.
                        let first_seq = version.first_seq.or(tweet.is_deleted.then_some(Seq::ZERO));
                        items.push((SequencedTweet { seq, tweet: Arc::new(tweet) }, first_seq));
                    }
                    Err(reason) => {
                        let file = self.segments[version.segment].store_file.clone();
                        self.losses.notes.push(format!("the tweet {} of {file}: {reason}", version.id));
                        self.losses.tweets.push(LostTweet { id: version.id, seq, file });
                    }
                }
            }
            with(&items)?;
        }
        Ok(())
    }

    /// Reads a tweet and analyzes it as it would be today.
    fn read(&mut self, version: &Version) -> Result<AnalyzedTweet, String> {
        let json = match (&mut self.segments[version.segment].tweets, version.at) {
            (Tweets::Whole(store), Some(Address::Document(doc))) => {
                let Json(stored) = guarded(|| store.get(doc)).map_err(|error| error.to_string())?;
                checksum::open_tweet(&stored).map(|tweet| tweet.json.to_owned())
            }
            (Tweets::Scanned(scan), Some(Address::Block(address))) => {
                scan.read(address).map_err(|error| error.to_string())?
            }
            _ => None,
        };
        let json = json.ok_or("its checksum is wrong")?;
        let analyzed = tweet::read_stored(&json).map_err(|error| error.to_string())?;
        if analyzed.key == version.key { Ok(analyzed) } else { Err("it is another tweet".to_owned()) }
    }
}

/// Collects the tweets of one segment.
struct SegmentTweets<'a> {
    /// Its number.
    at: usize,
    /// The position and the identity of each document, if they are known.
    columns: Option<&'a [(Seq, Identity)]>,
    deletes: &'a Deletes,
    found: Vec<Version>,
    /// How many tweets of a damaged file have no checksum of their own.
    unsealed: u64,
}

impl SegmentTweets<'_> {
    /// Reads a file whose checksum is right, up to this document or, when that is not known, to the
    /// end.
    fn read_whole(&mut self, content: FileSlice, max_doc: u64) -> Tweets {
        let Ok(store) = guarded(|| StoreReader::open(content, CACHE_BLOCKS).map_err(Into::into)) else {
            return Tweets::Missing;
        };
        let max_doc = self.columns.map_or(max_doc, |columns| columns.len() as u64);
        for doc in 0..u32::try_from(max_doc).unwrap_or(u32::MAX) {
            let Ok(Json(stored)) = guarded(|| store.get(doc)) else {
                // Behind the last one there is none.
                if self.columns.is_none() {
                    break;
                }
                continue;
            };
            let Some(tweet) = checksum::open_tweet(&stored) else { continue };
            let known = self.columns.and_then(|columns| columns.get(doc as usize)).copied();
            let identity = known.map(|(_, identity)| identity).or_else(|| identity_of(tweet.json));
            let Some(Identity { id, key, first_seq }) = identity else { continue };
            let seq = tweet.seq.or(known.map(|(seq, _)| seq)).unwrap_or(Seq::ZERO);
            let is_deleted = self.deletes.contains(doc);
            let at = Some(Address::Document(doc));
            self.found.push(Version { id, key, seq, first_seq, segment: self.at, at, is_deleted });
        }
        Tweets::Whole(store)
    }

    /// Finds the tweets that are left in a damaged file.
    fn scan(&mut self, path: &Path) -> Tweets {
        let Ok(mut scan) = StoreScan::open(path) else { return Tweets::Missing };
        let columns = self.columns.unwrap_or_default();
        let by_seq: HashMap<Seq, u32> = columns.iter().zip(0..).map(|(&(seq, _), doc)| (seq, doc)).collect();
        let mut by_key: HashMap<TweetKey, Vec<u32>> = HashMap::new();
        for ((_, identity), doc) in columns.iter().zip(0..) {
            by_key.entry(identity.key).or_default().push(doc);
        }
        let scanned = scan.for_each(|address, tweet| {
            let Some(Identity { id, key, .. }) = identity_of(tweet.json) else { return };
            let doc = match tweet.seq {
                Some(seq) => by_seq.get(&seq).copied(),
                // Without a seq in it, which version it is can be told when there is one.
                None => by_key.get(&key).filter(|docs| docs.len() == 1).map(|docs| docs[0]),
            };
            if tweet.seq.is_none() {
                self.unsealed += 1;
            }
            let seq = tweet.seq.or_else(|| doc.map(|doc| columns[doc as usize].0)).unwrap_or(Seq::ZERO);
            let is_deleted = doc.is_some_and(|doc| self.deletes.contains(doc));
            let first_seq = doc.and_then(|doc| columns[doc as usize].1.first_seq);
            let at = Some(Address::Block(address));
            self.found.push(Version { id, key, seq, first_seq, segment: self.at, at, is_deleted });
        });
        if scanned.is_ok() { Tweets::Scanned(scan) } else { Tweets::Missing }
    }
}

/// Which tweet a document is a version of.
#[derive(Clone, Copy, Debug)]
struct Identity {
    id: u64,
    key: TweetKey,
    /// The seq of the first known version, if the document has replaced one.
    first_seq: Option<Seq>,
}

fn identity_of(json: &str) -> Option<Identity> {
    let tweet = tweet::read_stored(json).ok()?;
    Some(Identity { id: tweet.id, key: tweet.key, first_seq: None })
}

/// The position and the identity of each document.
fn columns_of(content: FileSlice) -> Option<Vec<(Seq, Identity)>> {
    let read = || {
        let columns = ColumnarReader::open(content)?;
        let optional = |name| -> tantivy::Result<Option<Column<u64>>> {
            let Some(column) = columns.read_columns(name)?.into_iter().next() else { return Ok(None) };
            Ok(column.open_u64_lenient()?)
        };
        let column = |name| -> tantivy::Result<Column<u64>> {
            let missing = || tantivy::TantivyError::InternalError(format!("there is no column {name}"));
            optional(name)?.ok_or_else(missing)
        };
        let (seqs, ids) = (column(SEQ)?, column(ID)?);
        // An index of an earlier version has numbers only.
        let [high, low] = KEY_HALVES.map(optional);
        let first_seqs = optional(FIRST_SEQ)?;
        let halves = high?.zip(low?);
        let key = |doc| {
            let halves = halves.as_ref().and_then(|(high, low)| high.first(doc).zip(low.first(doc)));
            halves.map(|(high, low)| TweetKey::from_halves(high, low))
        };
        let position = |doc| {
            let id = ids.values.get_val(doc);
            let key = key(doc).unwrap_or_else(|| TweetKey::of_number(id));
            let first_seq = first_seqs.as_ref().and_then(|first_seqs| first_seqs.first(doc)).map(Seq);
            (Seq(seqs.values.get_val(doc)), Identity { id, key, first_seq })
        };
        Ok((0..columns.num_docs()).map(position).collect())
    };
    guarded(read).ok()
}

fn deletes_of(content: &FileSlice) -> Option<AliveBitSet> {
    guarded(|| Ok(AliveBitSet::open(content.read_bytes()?))).ok()
}

/// Lists the segments by the names of their files, for an index with a damaged `meta.json`. They
/// may include merged segments and segments that were never committed.
fn segments_by_name(dir: &Path) -> Result<Vec<(CommittedSegment, bool)>, MaintenanceError> {
    let failed = |error| doing(dir.display().to_string())(error);
    let mut segments: BTreeMap<String, CommittedSegment> = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = PathBuf::from(entry.map_err(failed)?.file_name());
        let Some(id) = name.to_str().and_then(segment_of) else { continue };
        let empty = || CommittedSegment { id: id.to_owned(), max_doc: u64::MAX, deletes: None };
        let segment = segments.entry(id.to_owned()).or_insert_with(empty);
        // tantivy writes a new list of deleted documents with each commit that deletes some; the
        // last one counts.
        let opstamp: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".del")?.rsplit_once('.')?.1.parse().ok());
        if let Some(opstamp) = opstamp {
            let last = segment.deletes.map_or(opstamp, |(_, last)| opstamp.max(last));
            segment.deletes = Some((0, last));
        }
    }
    Ok(segments.into_values().map(|segment| (segment, false)).collect())
}
