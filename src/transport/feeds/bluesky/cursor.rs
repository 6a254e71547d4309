//! The cursor of a page of a Bluesky feed.

use uuid::Uuid;

use crate::index::feed_page::{FeedOrder, FeedPlace};
use crate::transport::params::whole;
use crate::tweet::PageKey;

/// Where a page begins. It is bound to its feed, so that a cursor of another feed is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) order: FeedOrder,
    pub(super) place: FeedPlace,
}

impl Cursor {
    /// The cursor as text: `tag:id-tie`, or `tag:id-tie:likes:above`.
    pub(super) fn text(&self, feed: Uuid) -> String {
        let FeedPlace { likes, key } = self.place;
        match self.order {
            FeedOrder::Newest => format!("{}:{key}", tag(feed)),
            FeedOrder::MostLiked { above } => format!("{}:{key}:{likes}:{above}", tag(feed)),
        }
    }

    /// Reads the cursor of a page of this feed.
    pub(super) fn parse(text: &str, feed: Uuid) -> Option<Cursor> {
        let parts: Vec<_> = text.split(':').collect();
        let (of, rest) = parts.split_first()?;
        if *of != tag(feed) {
            return None;
        }
        match rest {
            [key] => {
                let place = FeedPlace { likes: 0, key: PageKey::parse(key)? };
                Some(Cursor { order: FeedOrder::Newest, place })
            }
            [key, likes, above] => {
                let number = |text: &str| whole(text).filter(|_| !text.is_empty());
                let place = FeedPlace { likes: number(likes)?, key: PageKey::parse(key)? };
                Some(Cursor { order: FeedOrder::MostLiked { above: number(above)? }, place })
            }
            _ => None,
        }
    }
}

/// Tells the cursors of feeds apart.
fn tag(feed: Uuid) -> String {
    format!("{:08x}", feed.as_fields().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_for_its_feed_only() {
        let feed = Uuid::from_u128(7 << 96);
        let place = FeedPlace { likes: 3, key: PageKey { id: 9, tie: 8 } };
        let newest = Cursor { order: FeedOrder::Newest, place: FeedPlace { likes: 0, ..place } };
        let liked = Cursor { order: FeedOrder::MostLiked { above: 5 }, place };
        assert_eq!((newest.text(feed), liked.text(feed)), ("00000007:9-8".to_owned(), "00000007:9-8:3:5".to_owned()));
        for cursor in [newest, liked] {
            assert_eq!(Cursor::parse(&cursor.text(feed), feed), Some(cursor));
            assert_eq!(Cursor::parse(&cursor.text(feed), Uuid::from_u128(8 << 96)), None);
        }
        for wrong in
            ["", ":", "00000007", "00000007:", "00000007:x", "00000007:1:2", "00000007:1::3", "00000007:1:2:3:4"]
        {
            assert_eq!(Cursor::parse(wrong, feed), None, "{wrong}");
        }
    }
}
