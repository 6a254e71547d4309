use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::doc::DocBuilder;
use crate::index::Index;
use crate::index::tests::options;
use crate::query::Ast;
use crate::schema::{Schema, tweet as field};
use crate::tweet::{AnalyzedTweet, TweetKey};

/// A tweet as the tests know it: id, name of the identity, likes, and whether it matches.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: u64,
    name: u64,
    likes: i64,
    matches: bool,
}

impl Known {
    fn id_str(&self) -> String {
        format!("at://{}", self.name)
    }

    fn place(&self, order: FeedOrder) -> FeedPlace {
        let likes = if order == FeedOrder::Newest { 0 } else { to_likes(self.likes) };
        FeedPlace { likes, key: PageKey::new(self.id, TweetKey::new(&self.id_str())) }
    }

    fn analyzed(&self) -> Arc<AnalyzedTweet> {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(field::TEXT, if self.matches { "yes" } else { "no" });
        builder.integer(field::FAVORITES, self.likes);
        Arc::new(AnalyzedTweet {
            id: self.id,
            key: TweetKey::new(&self.id_str()),
            json: self.id_str().into(),
            doc: builder.finish(),
            is_deleted: false,
        })
    }
}

fn append(index: &Index, tweets: &[Known]) {
    let first = index.take_seqs(tweets.len()).unwrap();
    let items = (first.0..).map(Seq).zip(tweets).map(|(seq, known)| SequencedTweet { seq, tweet: known.analyzed() });
    index.append(items.collect::<Vec<_>>().into(), None);
}

/// Tweets of which some share an id, some have as many likes, and some do not match.
fn known(name: u64, version: u64) -> Known {
    let likes = i64::try_from((name * 7 + version * 3) % 5).unwrap();
    Known { id: name * 13 % 40, name, likes, matches: !(name + version).is_multiple_of(4) }
}

#[test]
fn pages_have_every_match_once_in_order_also_while_tweets_come_in() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let mut now: Vec<Known> = (0..90).map(|name| known(name, 0)).collect();
    append(&index, &now[..50]);
    index.commit_now().unwrap();
    append(&index, &now[50..]);
    index.commit_now().unwrap();
    // Newer versions in the tail: other likes, and some match no longer.
    for name in (0..90).step_by(9) {
        let newer = known(name, 1);
        append(&index, &[newer]);
        now[usize::try_from(name).unwrap()] = newer;
    }
    let search = CompiledSearch::new(&Ast::Term { field: field::TEXT, term: "yes".to_owned() });
    for order in [FeedOrder::Newest, FeedOrder::MostLiked { above: 0 }, FeedOrder::MostLiked { above: 17 }] {
        let above = if let FeedOrder::MostLiked { above } = order { Some(above) } else { None };
        let mut expected: Vec<_> =
            now.iter().filter(|known| known.matches && above.is_none_or(|above| known.id > above)).collect();
        expected.sort_by_key(|known| std::cmp::Reverse(known.place(order)));
        let expected: Vec<_> = expected.iter().map(|known| known.id_str()).collect();
        for n in [1, 3, 7, 100] {
            let (mut found, mut behind) = (Vec::new(), None);
            loop {
                let page = index.snapshot().feed_page(&search, &FeedPageRequest { n, order, behind }).unwrap();
                assert!(page.hits.len() == n || page.next.is_none());
                found.extend(page.hits.iter().map(|hit| hit.json.to_string()));
                let Some(next) = page.next else { break };
                behind = Some(next);
            }
            assert_eq!(found, expected, "{order:?}, pages of {n}");
        }
    }
    // A tweet in front of the place comes on no later page, and one behind it does.
    let request = FeedPageRequest { n: 5, order: FeedOrder::Newest, behind: None };
    let first = index.snapshot().feed_page(&search, &request).unwrap();
    let new = [(1_000, 9_000), (3, 9_001)].map(|(id, name)| Known { id, name, likes: 0, matches: true });
    append(&index, &new);
    let rest = FeedPageRequest { n: 200, behind: first.next, ..request };
    let rest = index.snapshot().feed_page(&search, &rest).unwrap();
    let all: Vec<_> = first.hits.iter().chain(&rest.hits).map(|hit| hit.json.to_string()).collect();
    let matching = now.iter().filter(|known| known.matches).count();
    assert_eq!(all.len(), matching + 1);
    assert!(all.contains(&new[1].id_str()) && !all.contains(&new[0].id_str()));
    let none = FeedPageRequest { n: 0, ..request };
    assert_eq!(index.snapshot().feed_page(&search, &none).unwrap(), FeedPage::default());
}
