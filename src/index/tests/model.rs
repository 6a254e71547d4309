//! A plain model of the index, and random histories compared with it.

use super::*;
use crate::lower::strategies;
use crate::tweet::PageKey;

/// What an index is, plainly.
#[derive(Clone, Debug, Default)]
struct Model {
    /// The newest version of each tweet.
    tweets: BTreeMap<TweetKey, SequencedTweet>,
    /// All versions of each tweet, deletions included.
    versions: BTreeMap<TweetKey, Vec<SequencedTweet>>,
}

impl Model {
    fn append(&mut self, items: &[SequencedTweet]) {
        for item in items {
            self.versions.entry(item.tweet.key).or_default().push(item.clone());
            if item.tweet.is_deleted {
                self.tweets.remove(&item.tweet.key);
            } else {
                self.tweets.insert(item.tweet.key, item.clone());
            }
        }
    }

    fn matching<'a>(&'a self, ast: &'a Ast, until: Seq) -> impl DoubleEndedIterator<Item = &'a SequencedTweet> {
        self.tweets.values().filter(move |item| item.seq <= until && query::matches(ast, &item.tweet.doc))
    }

    fn page(&self, ast: &Ast, request: &PageRequest) -> Page {
        let until = request.until_seq.unwrap_or(Seq::MAX);
        let place = |item: &SequencedTweet| PageKey::new(item.tweet.id, item.tweet.key);
        let mut items: Vec<&SequencedTweet> = self.matching(ast, until).collect();
        items.sort_by_key(|item| place(item));
        let total = items.len() as u64;
        if !request.oldest_first {
            items.reverse();
        }
        let is_beyond = |at, before| if request.oldest_first { at > before } else { at < before };
        items.retain(|item| request.before_id.is_none_or(|before| is_beyond(place(item), before)));
        items.drain(..request.from.min(items.len()));
        let is_more = items.len() > request.n;
        items.truncate(request.n);
        let next = if is_more { items.last().map(|item| place(item)) } else { None };
        Page { hits: items.into_iter().map(hit).collect(), total, next }
    }

    /// The seqs at which a client that has seen everything up to `after` must learn that a tweet is
    /// gone, and those at which it may.
    fn gone(&self, ast: &Ast, after: Seq) -> (Vec<Seq>, Vec<Seq>) {
        let (mut must, mut may) = (Vec::new(), Vec::new());
        let matches = |item: &SequencedTweet| !item.tweet.is_deleted && query::matches(ast, &item.tweet.doc);
        for versions in self.versions.values() {
            let Some((newest, older)) = versions.split_last() else { continue };
            if newest.seq <= after || matches(newest) || older.is_empty() {
                continue;
            }
            may.push(newest.seq);
            if older.iter().rev().find(|older| older.seq <= after).is_some_and(matches) {
                must.push(newest.seq);
            }
        }
        (must, may)
    }

    fn after(&self, ast: &Ast, from: Seq, until: Seq) -> Vec<Hit> {
        let mut hits: Vec<Hit> = self.matching(ast, until).filter(|item| item.seq > from).map(hit).collect();
        hits.sort_by_key(|hit| hit.seq);
        hits
    }
}

fn hit(item: &SequencedTweet) -> Hit {
    Hit { seq: item.seq, id: item.tweet.id, json: Arc::clone(&item.tweet.json) }
}

#[derive(Clone, Debug)]
enum Step {
    /// Tweets, and deletions where there is no document.
    Append(Vec<(u64, Option<Doc>)>),
    Commit,
    Reopen,
    Look(Vec<(Ast, PageRequest)>),
}

fn request() -> impl Strategy<Value = PageRequest> {
    (0_usize..8, 0_usize..4, proptest::option::of(0_u64..22), proptest::option::of(0_u64..60), any::<bool>()).prop_map(
        |(n, from, before_id, until, oldest_first)| PageRequest {
            n,
            from,
            before_id: before_id.map(PageKey::from),
            until_seq: until.map(Seq),
            oldest_first,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let id = prop_oneof![0_u64..14, NAMED..NAMED + 14];
    let tweet = id.prop_flat_map(|id| {
        let doc = proptest::option::weighted(0.75, strategies::doc(i64::try_from(id).unwrap()));
        (Just(id), doc)
    });
    prop_oneof![
        6 => vec(tweet, 1..8).prop_map(Step::Append),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        6 => vec((strategies::ast(), request()), 4..8).prop_map(Step::Look),
    ]
}

fn check(snapshot: &Snapshot, model: &Model, looks: &[(Ast, PageRequest)]) {
    assert_eq!(snapshot.count().unwrap(), model.tweets.len() as u64);
    for id in (0..15).chain(NAMED..NAMED + 15) {
        assert_eq!(snapshot.get(key(id)).unwrap(), model.tweets.get(&key(id)).map(hit));
    }
    let before = |request: &PageRequest| Seq(request.before_id.map_or(0, |before| before.id));
    let many: Vec<(Ast, Seq)> = looks.iter().map(|(ast, request)| (ast.clone(), before(request))).collect();
    let (replayed, gone) = replay_with_gone(snapshot, &many, Seq::MAX, PageLimits { tweets: 5, bytes: usize::MAX });
    for ((ast, after), (replayed, gone)) in many.iter().zip(replayed.into_iter().zip(gone)) {
        assert_eq!(replayed, model.after(ast, *after, Seq::MAX), "{ast:?} {after}");
        let (must, may) = model.gone(ast, *after);
        assert!(must.iter().all(|seq| gone.contains(seq)), "{ast:?} {after}: {gone:?} lacks some of {must:?}");
        assert!(gone.iter().all(|seq| may.contains(seq)), "{ast:?} {after}: {gone:?} is more than {may:?}");
    }
    for (ast, request) in looks {
        let search = CompiledSearch::new(ast);
        let page = snapshot.page(&search, request).unwrap();
        assert_eq!(page, model.page(ast, request), "{ast:?} {request:?}");
        // Pages follow each other without a gap and without a repetition.
        let mut next = PageRequest { from: 0, n: 1, before_id: page.next, ..*request };
        while next.before_id.is_some() {
            let page = snapshot.page(&search, &next).unwrap();
            assert_eq!(page, model.page(ast, &next), "{ast:?} {next:?}");
            next.before_id = page.next;
        }
        let (from, until) = (before(request), request.until_seq.unwrap_or(Seq::MAX));
        let replayed =
            replay(snapshot, &[(ast.clone(), from)], until, PageLimits { tweets: request.n + 1, bytes: 100 });
        assert_eq!(replayed[0], model.after(ast, from, until), "{ast:?} {from} {until}");
        let mut newest = model.after(&Ast::All, Seq::ZERO, Seq::MAX);
        newest.reverse();
        newest.truncate(request.n);
        assert_eq!(snapshot.newest(request.n).unwrap(), newest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_what_the_model_says_at_every_moment(steps in vec(step(), 1..24)) {
        let dir = TempDir::new().unwrap();
        let mut index = Index::open(&options(dir.path())).unwrap();
        let mut model = Model::default();
        // A snapshot that was taken earlier stays what it was.
        let mut earlier = (index.snapshot(), model.clone());
        for step in &steps {
            match step {
                Step::Append(tweets) => {
                    for id in tweets.iter().map(|&(id, _)| id) {
                        let known = model.tweets.get(&key(id)).map(|item| item.tweet.id);
                        assert_eq!(index.id_of(key(id)).unwrap(), known, "{id}");
                    }
                    let mut orders: BTreeMap<TweetKey, u64> =
                        model.tweets.iter().map(|(key, item)| (*key, item.tweet.id)).collect();
                    let mut batch = Vec::new();
                    for (id, doc) in tweets {
                        let tweet = match doc {
                            Some(doc) => prepared(*id, doc.clone()),
                            None => match orders.get(&key(*id)) {
                                Some(&order) => Arc::new(tweet_module::deletion_in_order(&id_str(*id), order)),
                                None => continue,
                            },
                        };
                        if tweet.is_deleted {
                            orders.remove(&tweet.key);
                        } else {
                            orders.insert(tweet.key, tweet.id);
                        }
                        batch.push(tweet);
                    }
                    if batch.is_empty() {
                        continue;
                    }
                    let (items, _) = append_tweets(&index, batch);
                    model.append(&items);
                    assert_eq!(index.snapshot().last_seq(), items.last().unwrap().seq);
                }
                Step::Commit => index.commit_now().unwrap(),
                Step::Reopen => {
                    earlier.0 = index.snapshot();
                    earlier.1 = model.clone();
                    drop(index);
                    index = Index::open(&options(dir.path())).unwrap();
                }
                Step::Look(looks) => {
                    check(&index.snapshot(), &model, looks);
                    check(&earlier.0, &earlier.1, looks);
                    earlier = (index.snapshot(), model.clone());
                }
            }
        }
    }
}
