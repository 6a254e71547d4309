//! Pages of feeds: tweets newest first, or with the most likes first, without a total.
//!
//! A page of [`Snapshot::page`] has the number of all matching tweets, which visits each of them.
//! A feed does not show it, so that segments which can't contribute are skipped.
//!
//! Pages follow one another by the place of their last tweet in the order. A tweet that comes in
//! between is in front of it or behind it, and moves no other.

use tantivy::DocAddress;
use tantivy::columnar::Column;

use super::{CompiledSearch, HitLocation, SearchError, Snapshot};
use crate::ids::Seq;
use crate::index::Hit;
use crate::index::committed::{Filter, Segment};
use crate::index::top_k::TopK;
use crate::index::tweet_fields::TweetFields;
use crate::lower::FieldMapping;
use crate::schema::tweet::FAVORITES;
use crate::tweet::{PageKey, SequencedTweet};

/// The order of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOrder {
    /// Highest id first.
    Newest,
    /// Most likes first, of tweets with an id above this one.
    MostLiked {
        /// The start of the window.
        above: u64,
    },
}

/// The place of a tweet in the order of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedPlace {
    /// Its likes; 0 where they do not count.
    pub likes: u64,
    /// Its place among tweets with as many.
    pub key: PageKey,
}

/// A request for a page of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPageRequest {
    /// At most this many tweets.
    pub n: usize,
    /// The order.
    pub order: FeedOrder,
    /// Only tweets behind this place.
    pub behind: Option<FeedPlace>,
}

/// A page of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// The tweets, in order.
    pub hits: Vec<Hit>,
    /// The place behind which the next page begins; `None` on the last page.
    pub next: Option<FeedPlace>,
}

/// What is kept of a tweet that may be on the page.
#[derive(Clone, Copy, Debug)]
struct Entry {
    place: FeedPlace,
    location: HitLocation,
}

impl Snapshot {
    /// A page of the tweets that match.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn feed_page(&self, search: &CompiledSearch, request: &FeedPageRequest) -> Result<FeedPage, SearchError> {
        let &FeedPageRequest { n, order, behind } = request;
        let above = match order {
            FeedOrder::Newest => None,
            FeedOrder::MostLiked { above } => Some(above),
        };
        // One more than requested tells whether there is a next page.
        let mut top = TopK::new(if n == 0 { 0 } else { n.saturating_add(1) });
        let push = |top: &mut TopK<FeedPlace, Entry>, place: FeedPlace, location| {
            if behind.is_none_or(|behind| place < behind) {
                top.push(place, Entry { place, location });
            }
        };

        let tail: Vec<&SequencedTweet> = self.tail(search, Seq::ZERO, Seq::MAX).collect();
        for (at, item) in tail.iter().enumerate() {
            if above.is_none_or(|above| item.tweet.id > above) {
                let likes = above.map_or(0, |_| likes_of(item));
                let key = PageKey::new(item.tweet.id, item.tweet.key);
                push(&mut top, FeedPlace { likes, key }, HitLocation::Tail(at));
            }
        }

        let committed = self.committed();
        let weight = committed.weight(search.query())?;
        let filter = Filter { after: Seq::ZERO, until: Seq::MAX, hidden: self.hidden() };
        for (segment, ord) in committed.segments_by(|segment| segment.ids().1) {
            let (low, high) = segment.ids();
            let best = FeedPlace { likes: 0, key: PageKey { id: high, tie: u64::MAX } };
            if above.is_some_and(|above| high <= above) || above.is_none() && !top.takes(best) {
                break;
            }
            if above.is_none() && behind.is_some_and(|behind| behind.key <= PageKey::from(low)) {
                continue;
            }
            let column = above.map(|_| likes_column(segment)).transpose()?.flatten();
            segment.for_each_id(&*weight, &filter, |doc, id| {
                if above.is_some_and(|above| id <= above) {
                    return;
                }
                let likes = column.as_ref().and_then(|likes| likes.first(doc)).map_or(0, to_likes);
                // The rest of the key is read for documents that may be on the page.
                let best = FeedPlace { likes, key: PageKey { id, tie: u64::MAX } };
                if top.takes(best) && behind.is_none_or(|behind| (likes, id) <= (behind.likes, behind.key.id)) {
                    let key = PageKey::new(id, segment.key(doc));
                    push(&mut top, FeedPlace { likes, key }, HitLocation::Index(DocAddress::new(ord, doc)));
                }
            })?;
        }

        let mut entries = top.into_sorted();
        let is_more = entries.len() > n;
        entries.truncate(n);
        let next = entries.last().filter(|_| is_more).map(|last| last.place);
        let locations: Vec<_> = entries.iter().map(|entry| entry.location).collect();
        Ok(FeedPage { hits: self.hits(&locations, &tail)?, next })
    }
}

/// The likes of a tweet in the tail.
fn likes_of(item: &SequencedTweet) -> u64 {
    let likes = item.tweet.doc.values().iter().find(|(field, _)| *field == FAVORITES);
    likes.map_or(0, |(_, likes)| to_likes(*likes))
}

/// The column of likes; `None` where no tweet of the segment has any.
fn likes_column(segment: &Segment) -> Result<Option<Column<i64>>, SearchError> {
    let FieldMapping::Values(_, name) = TweetFields::get().searched().mapping(FAVORITES) else { return Ok(None) };
    Ok(segment.reader().fast_fields().column_opt::<i64>(name)?)
}

fn to_likes(likes: i64) -> u64 {
    u64::try_from(likes).unwrap_or(0)
}

#[cfg(test)]
mod tests;
