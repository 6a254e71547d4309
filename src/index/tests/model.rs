//! A plain model of the index, and random histories compared with it.

use super::*;
use crate::lower::strategies;

/// What an index is, plainly.
#[derive(Clone, Debug, Default)]
struct Model {
    /// The newest version of each tweet.
    tweets: BTreeMap<u64, SequencedTweet>,
}

impl Model {
    fn append(&mut self, items: &[SequencedTweet]) {
        self.tweets.extend(items.iter().map(|item| (item.tweet.id, item.clone())));
    }

    fn matching<'a>(&'a self, ast: &'a Ast, until: Seq) -> impl DoubleEndedIterator<Item = &'a SequencedTweet> {
        self.tweets.values().filter(move |item| item.seq <= until && query::matches(ast, &item.tweet.doc))
    }

    fn page(&self, ast: &Ast, request: &PageRequest) -> Page {
        let until = request.until_seq.unwrap_or(Seq::MAX);
        let mut hits: Vec<Hit> = self.matching(ast, until).map(hit).collect();
        let total = hits.len() as u64;
        if !request.oldest_first {
            hits.reverse();
        }
        let is_beyond = |id, before| if request.oldest_first { id > before } else { id < before };
        hits.retain(|hit| request.before_id.is_none_or(|before| is_beyond(hit.id, before)));
        hits.drain(..request.from.min(hits.len()));
        let is_more = hits.len() > request.n;
        hits.truncate(request.n);
        let next = if is_more { hits.last().map(|hit| hit.id) } else { None };
        Page { hits, total, next }
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
    Append(Vec<(u64, Doc)>),
    Commit,
    Reopen,
    Look(Vec<(Ast, PageRequest)>),
}

fn request() -> impl Strategy<Value = PageRequest> {
    (0_usize..8, 0_usize..4, proptest::option::of(0_u64..22), proptest::option::of(0_u64..60), any::<bool>()).prop_map(
        |(n, from, before_id, until, oldest_first)| PageRequest {
            n,
            from,
            before_id,
            until_seq: until.map(Seq),
            oldest_first,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let tweet = (0_u64..20).prop_flat_map(|id| (Just(id), strategies::doc(i64::try_from(id).unwrap())));
    prop_oneof![
        6 => vec(tweet, 1..8).prop_map(Step::Append),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        6 => vec((strategies::ast(), request()), 4..8).prop_map(Step::Look),
    ]
}

fn check(snapshot: &Snapshot, model: &Model, looks: &[(Ast, PageRequest)]) {
    assert_eq!(snapshot.count().unwrap(), model.tweets.len() as u64);
    for id in 0..21 {
        assert_eq!(snapshot.get(id).unwrap(), model.tweets.get(&id).map(hit));
    }
    let many: Vec<(Ast, Seq)> =
        looks.iter().map(|(ast, request)| (ast.clone(), Seq(request.before_id.unwrap_or(0)))).collect();
    let replayed = replay(snapshot, &many, Seq::MAX, PageLimits { tweets: 5, bytes: usize::MAX });
    for ((ast, after), replayed) in many.iter().zip(replayed) {
        assert_eq!(replayed, model.after(ast, *after, Seq::MAX), "{ast:?} {after}");
    }
    for (ast, request) in looks {
        let search = CompiledSearch::new(ast);
        assert_eq!(snapshot.page(&search, request).unwrap(), model.page(ast, request), "{ast:?} {request:?}");
        let (from, until) = (Seq(request.before_id.unwrap_or(0)), request.until_seq.unwrap_or(Seq::MAX));
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
                    let (items, _) = append(&index, tweets.iter().cloned());
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
