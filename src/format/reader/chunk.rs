//! What the reader returns: some tweets, and what else stood between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Location, OTHER_FILE, Offset, RefusedDoc};
use crate::tweet::{self, AnalyzedTweet, Dropped};

/// The message that a tweet was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The identity of the tweet.
    pub id_str: String,
    /// The tweets of the chunk that stand before the message.
    pub at: usize,
    /// Where the message stands.
    pub location: Location,
    /// Whether `id_str` is only the number of a status of Mastodon.
    pub(super) is_number: bool,
}

/// Some tweets, in the order of the input.
#[derive(Debug)]
pub struct Chunk<T = Arc<AnalyzedTweet>> {
    /// The tweets.
    pub tweets: Vec<T>,
    /// The deletions, in order.
    pub deletions: Vec<Deletion>,
    /// Items that are neither, and no mistakes, by what they are.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Values that were dropped.
    pub dropped: Dropped,
    /// Documents by their format.
    pub formats: BTreeMap<&'static str, u64>,
    /// The numbers of statuses of Mastodon, each with its `id_str`.
    pub(super) statuses: Vec<(String, String)>,
    /// The file of an archive that it comes from.
    pub(super) member: Option<Arc<str>>,
    /// The documents that are no tweets, in order.
    pub refused: Vec<RefusedDoc>,
    /// Where the chunk ends and a later reader can resume. `None` inside a page.
    pub end: Option<Offset>,
}

impl Chunk {
    /// Moves the deletions to where they stand among the tweets.
    pub fn merge_deletions(&mut self) {
        if self.deletions.is_empty() {
            return;
        }
        let mut deletions = std::mem::take(&mut self.deletions).into_iter().peekable();
        let tweets = std::mem::take(&mut self.tweets);
        let n = tweets.len();
        let mut tweets = tweets.into_iter();
        for at in 0..=n {
            while let Some(deletion) = deletions.next_if(|deletion| deletion.at <= at) {
                self.tweets.push(Arc::new(tweet::deletion(&deletion.id_str)));
            }
            self.tweets.extend(tweets.next());
        }
    }
}

impl<T> Chunk<T> {
    /// An empty chunk that ends here.
    pub(super) fn new(end: Option<Offset>) -> Chunk<T> {
        Chunk {
            tweets: Vec::new(),
            deletions: Vec::new(),
            skipped: BTreeMap::new(),
            dropped: Dropped::default(),
            formats: BTreeMap::new(),
            statuses: Vec::new(),
            member: None,
            refused: Vec::new(),
            end,
        }
    }

    /// A chunk that counts files without tweets.
    pub(super) fn of_other_files(n: u64, end: Offset) -> Chunk<T> {
        Chunk { skipped: BTreeMap::from([(OTHER_FILE, n)]), ..Chunk::new(Some(end)) }
    }
}
