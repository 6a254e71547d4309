//! The tail: accepted tweets that are not in the published segments yet.
//!
//! It is a queue of chunks, one for each batch, in order of arrival. A chunk is dropped when its
//! tweets are published. Of several versions of a tweet only the newest counts: an older version in
//! the tail records the seq that replaced it, and [`Chunk::replaces`] hides one in the index.
//! Snapshots share the chunks and compare those seqs with their own last seq, so that taking a
//! snapshot copies pointers only and a snapshot does not change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use crate::ids::Seq;
use crate::tweet::{AnalyzedTweet, SequencedTweet, TweetKey};

/// No newer version has arrived.
const NEVER: u64 = u64::MAX;

/// The seq of the first version of a tweet that the tail knows. The index may contain an earlier
/// one if the highest bit is set, which no seq has.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstSeq(u64);

impl FirstSeq {
    const MAY_BE_INDEXED: u64 = 1 << 63;

    /// The first version that the tail knows.
    pub(super) fn in_tail(self) -> Seq {
        Seq(self.0 & !FirstSeq::MAY_BE_INDEXED)
    }

    /// Whether the index may contain an earlier version.
    pub(super) fn may_be_indexed(self) -> bool {
        self.0 & FirstSeq::MAY_BE_INDEXED != 0
    }
}

/// The tweets of one batch.
#[derive(Debug)]
pub(super) struct Chunk {
    items: Arc<[SequencedTweet]>,
    /// The seq of the next version of each tweet.
    replaced_at: Box<[AtomicU64]>,
    /// The [`FirstSeq`] of each tweet.
    first_seqs: Box<[AtomicU64]>,
    /// Keys that the index may contain once everything before this chunk is published.
    replaces: Box<[TweetKey]>,
    bytes: usize,
}

impl Chunk {
    /// The tweets that no newer version replaced at or before `at`.
    pub(super) fn items(&self, at: Seq) -> impl DoubleEndedIterator<Item = &SequencedTweet> {
        let replaced_at = self.replaced_at.iter().map(|seq| seq.load(Ordering::Relaxed));
        self.items.iter().zip(replaced_at).filter(move |&(_, seq)| seq > at.0).map(|(item, _)| item)
    }

    /// As [`Chunk::items`], each with the seq of its first known version.
    pub(super) fn items_with_first_seqs(&self, at: Seq) -> impl Iterator<Item = (&SequencedTweet, FirstSeq)> {
        let seqs = self.replaced_at.iter().zip(&self.first_seqs);
        let items = self.items.iter().zip(seqs).filter(move |(_, (seq, _))| seq.load(Ordering::Relaxed) > at.0);
        items.map(|(item, (_, first))| (item, FirstSeq(first.load(Ordering::Relaxed))))
    }

    /// Keys that the index may contain in an older version.
    pub(super) fn replaces(&self) -> &[TweetKey] {
        &self.replaces
    }

    /// The seq of its first tweet.
    pub(super) fn first_seq(&self) -> Seq {
        self.items.first().map_or(Seq::MAX, |item| item.seq)
    }

    /// The seq of its last tweet.
    pub(super) fn last_seq(&self) -> Seq {
        self.items.last().map_or(Seq::ZERO, |item| item.seq)
    }
}

/// The version that an entry replaces.
#[derive(Debug)]
pub(super) enum OlderVersion {
    /// It is in the tail.
    Tail(Arc<AnalyzedTweet>),
    /// The index may contain it.
    MaybeIndexed(TweetKey),
}

/// The chunks that are not published yet.
#[derive(Debug, Default)]
pub(super) struct Tail {
    chunks: VecDeque<Arc<Chunk>>,
    /// The chunk and the index in it of the newest version of each tweet.
    newest: HashMap<TweetKey, (Arc<Chunk>, usize)>,
    tweets: usize,
    bytes: usize,
}

impl Tail {
    /// Adds a batch. `is_published` tells for each entry whether the published segments may hold a
    /// version of its tweet.
    ///
    /// Returns the entries that replace a version, or may, by their index.
    pub(super) fn push(&mut self, items: Arc<[SequencedTweet]>, is_published: &[bool]) -> Vec<(usize, OlderVersion)> {
        // The seqs of chunks rise, which holds of no empty one.
        if items.is_empty() {
            return Vec::new();
        }
        let may_be_indexed = |(item, is_published): (&SequencedTweet, &bool)| {
            (*is_published || self.newest.contains_key(&item.tweet.key)).then_some(item.tweet.key)
        };
        let chunk = Arc::new(Chunk {
            replaced_at: items.iter().map(|_| AtomicU64::new(NEVER)).collect(),
            first_seqs: items.iter().map(|item| AtomicU64::new(item.seq.0)).collect(),
            replaces: std::iter::zip(&*items, is_published).filter_map(may_be_indexed).collect(),
            bytes: items.iter().map(|item| item.tweet.json.len() + item.tweet.doc.size_bytes()).sum(),
            items,
        });
        let mut older = Vec::new();
        let mut replaces = chunk.replaces.iter().peekable();
        for (at, item) in chunk.items.iter().enumerate() {
            let may_be_indexed = replaces.next_if(|&&key| key == item.tweet.key).is_some();
            if let Some((old, old_at)) = self.newest.insert(item.tweet.key, (Arc::clone(&chunk), at)) {
                old.replaced_at[old_at].store(item.seq.0, Ordering::Relaxed);
                let first = old.first_seqs[old_at].load(Ordering::Relaxed);
                chunk.first_seqs[at].store(first, Ordering::Relaxed);
                older.push((at, OlderVersion::Tail(Arc::clone(&old.items[old_at].tweet))));
            } else if may_be_indexed {
                chunk.first_seqs[at].store(item.seq.0 | FirstSeq::MAY_BE_INDEXED, Ordering::Relaxed);
                older.push((at, OlderVersion::MaybeIndexed(item.tweet.key)));
            }
        }
        self.tweets += chunk.items.len();
        self.bytes += chunk.bytes;
        self.chunks.push_back(chunk);
        older
    }

    /// Drops everything up to a seq. The chunks are returned because freeing them takes longer than
    /// a lock should be held.
    pub(super) fn forget(&mut self, until: Seq) -> Vec<Arc<Chunk>> {
        let gone = self.chunks.partition_point(|chunk| chunk.last_seq() <= until);
        let gone: Vec<Arc<Chunk>> = self.chunks.drain(..gone).collect();
        for chunk in &gone {
            self.tweets -= chunk.items.len();
            self.bytes -= chunk.bytes;
            for item in &*chunk.items {
                if self.newest.get(&item.tweet.key).is_some_and(|(newest, at)| newest.items[*at].seq == item.seq) {
                    self.newest.remove(&item.tweet.key);
                }
            }
        }
        gone
    }

    /// The newest version of a tweet, if the tail has one.
    pub(super) fn newest(&self, key: TweetKey) -> Option<&SequencedTweet> {
        self.newest.get(&key).map(|(chunk, at)| &chunk.items[*at])
    }

    /// The current chunks.
    pub(super) fn chunks(&self) -> Arc<[Arc<Chunk>]> {
        self.chunks.iter().map(Arc::clone).collect()
    }

    /// The number of tweets, older versions included.
    pub(super) fn tweets(&self) -> usize {
        self.tweets
    }

    /// The memory of the tweets, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Doc;
    use crate::tweet::AnalyzedTweet;

    fn items(tweets: &[(u64, u64)]) -> Arc<[SequencedTweet]> {
        let item = |&(seq, id)| SequencedTweet {
            seq: Seq(seq),
            tweet: Arc::new(AnalyzedTweet {
                id,
                key: TweetKey::of_number(id),
                json: "{}".into(),
                doc: Doc::default(),
                is_deleted: false,
            }),
        };
        tweets.iter().map(item).collect()
    }

    /// Adds a batch; the index may hold the tweets up to an id.
    fn push(tail: &mut Tail, tweets: &[(u64, u64)], highest_id: u64) {
        let is_published: Vec<bool> = tweets.iter().map(|&(_, id)| id <= highest_id).collect();
        tail.push(items(tweets), &is_published);
    }

    fn seqs(tail: &Tail, at: u64) -> Vec<u64> {
        tail.chunks().iter().flat_map(|chunk| chunk.items(Seq(at)).map(|item| item.seq.0).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn a_chunk_knows_which_ids_may_be_in_the_index_before_it() {
        let mut tail = Tail::default();
        push(&mut tail, &[(1, 10), (2, 50)], 20);
        // 50 is higher than all that is committed, but the chunk before may be committed without
        // this one.
        push(&mut tail, &[(3, 50), (4, 60)], 20);
        let replaces: Vec<Vec<TweetKey>> = tail.chunks().iter().map(|chunk| chunk.replaces().to_vec()).collect();
        assert_eq!(replaces, [[10], [50]].map(|keys| keys.map(TweetKey::of_number).to_vec()));
    }

    #[test]
    fn a_tweet_is_replaced_from_the_seq_of_its_next_version_on() {
        let mut tail = Tail::default();
        push(&mut tail, &[(1, 7), (2, 8), (3, 7)], 0);
        push(&mut tail, &[(4, 8), (5, 9)], 0);
        assert_eq!(seqs(&tail, 2), [1, 2, 3, 4, 5]);
        assert_eq!(seqs(&tail, 3), [2, 3, 4, 5]);
        assert_eq!(seqs(&tail, 5), [3, 4, 5]);
    }

    #[test]
    fn a_batch_without_tweets_does_not_hide_the_chunks_around_it() {
        let mut tail = Tail::default();
        push(&mut tail, &[(5, 7)], 0);
        for seq in [10, 20] {
            push(&mut tail, &[], 0);
            push(&mut tail, &[(seq, seq)], 0);
        }
        assert_eq!(tail.forget(Seq(5)).len(), 1);
        assert_eq!(seqs(&tail, 20), [10, 20]);
        assert_eq!(tail.chunks()[0].first_seq(), Seq(10));
    }

    #[test]
    fn what_is_forgotten_takes_no_memory_and_replaces_nothing() {
        let mut tail = Tail::default();
        push(&mut tail, &[(1, 7)], 0);
        push(&mut tail, &[(2, 8)], 0);
        assert_eq!(tail.forget(Seq(1)).len(), 1);
        push(&mut tail, &[(3, 7), (4, 8)], 7);
        assert_eq!(seqs(&tail, 4), [3, 4]);
        assert_eq!(tail.chunks()[1].replaces(), [7, 8].map(TweetKey::of_number));
        tail.forget(Seq(4));
        assert_eq!((tail.tweets(), tail.bytes(), tail.newest.len()), (0, 0, 0));
    }
}
