use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::catalog::BudgetUsage;
use super::*;
use crate::automaton::BUILT;
use crate::doc::{Doc, DocBuilder};
use crate::ids::Seq;
use crate::index::Hit;
use crate::percolator::{Compiled, EngineOptions, Matches};
use crate::query::{Ast, QueryLimits};
use crate::schema::{Schema, tweet};
use crate::tweet::{AnalyzedTweet, TweetKey};

/// Evaluates every query for every document, by the definition of the language.
#[derive(Default)]
pub(crate) struct PlainEngine {
    queries: BTreeMap<QueryKey, Ast>,
}

impl Engine for PlainEngine {
    fn insert(&mut self, key: QueryKey, query: &Ast) {
        assert!(self.queries.insert(key, query.clone()).is_none(), "{key:?} is taken");
    }

    fn remove(&mut self, key: QueryKey) -> bool {
        self.queries.remove(&key).is_some()
    }

    fn len(&self) -> usize {
        self.queries.len()
    }

    fn percolate(&mut self, docs: &[&Doc], matches: &mut Matches) {
        for (at, doc) in (0..).zip(docs) {
            let found = self.queries.iter().filter(|(_, query)| crate::query::matches(query, doc));
            matches.add(at, found.map(|(&key, _)| key));
        }
    }

    fn inspect(&mut self, _: &Doc, candidates: &mut Vec<(QueryKey, Duration)>) {
        candidates.extend(self.queries.keys().map(|&key| (key, Duration::from_micros(1))));
    }

    fn size_bytes(&self) -> usize {
        self.queries.len() * 400
    }
}

fn query(text: &str) -> Query {
    Query::parse(text, Schema::tweet(), &QueryLimits::default()).expect("a query")
}

fn item(seq: u64, text: &str) -> SequencedTweet {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, text);
    let tweet = AnalyzedTweet {
        id: 1_000 + seq,
        key: TweetKey::of_number(1_000 + seq),
        json: text.into(),
        doc: builder.finish(),
        is_deleted: false,
    };
    SequencedTweet { seq: Seq(seq), tweet: Arc::new(tweet) }
}

fn delivery(seq: u64) -> Arc<Delivery> {
    Arc::new(Delivery::new(Hit { seq: Seq(seq), id: seq, json: "0123456789".into() }, Arc::new([None])))
}

fn queue(max_frames: usize) -> Arc<SessionQueue> {
    Arc::new(SessionQueue::new(Uid::random(), QueueLimits { max_frames, max_bytes: 1_000 }))
}

fn hub() -> Hub {
    Hub::new(Box::new(PlainEngine::default()), 3, usize::MAX)
}

#[expect(clippy::unnecessary_wraps, reason = "that is what a name is")]
fn name(name: &str) -> SubscriptionName {
    Some(name.into())
}

/// Takes the queued deliveries, as seqs and names.
fn taken(queue: &SessionQueue) -> (TakeOutcome, Vec<(u64, Vec<String>)>) {
    let mut deliveries = Vec::new();
    let taken = queue.take(100, &mut deliveries);
    let names = |d: &Delivery| d.names.iter().map(|name| name.as_deref().unwrap_or("-").to_owned()).collect();
    (taken, deliveries.iter().map(|d| (d.hit.seq.0, names(d))).collect())
}

#[test]
fn a_full_queue_goes_and_the_session_is_behind_until_it_has_read_past_what_was_kept_back() {
    let queue = queue(2);
    for seq in 1..=5 {
        queue.offer(&delivery(seq));
    }
    assert_eq!(taken(&queue), (TakeOutcome::Behind, vec![]));
    assert!(!queue.go_live(Seq(4)), "5 was kept back");
    assert!(queue.go_live(Seq(5)));
    assert_eq!(taken(&queue), (TakeOutcome::Empty, vec![]));
    queue.offer(&delivery(6));
    assert_eq!(taken(&queue).1, [(6, vec!["-".to_owned()])]);
}

#[test]
fn what_came_from_the_index_already_is_not_queued_again() {
    let queue = queue(2);
    queue.resume(Seq(8));
    // The index is ahead of the hub: a tweet is in the tail before it is percolated.
    assert!(queue.go_live(Seq(10)));
    queue.offer(&delivery(9));
    queue.offer(&delivery(10));
    queue.offer(&delivery(11));
    assert_eq!(taken(&queue).1, [(11, vec!["-".to_owned()])]);
}

#[test]
fn a_queue_is_bounded_in_bytes_but_takes_one_tweet_of_any_size() {
    let queue = SessionQueue::new(Uid::random(), QueueLimits { max_frames: 1_000, max_bytes: 25 });
    queue.offer(&delivery(1));
    queue.offer(&delivery(2));
    assert_eq!(taken(&queue).1.len(), 2);
    for seq in 3..=5 {
        queue.offer(&delivery(seq));
    }
    assert_eq!(taken(&queue).0, TakeOutcome::Behind);
    assert!(queue.go_live(Seq(5)));
    let large = Hit { seq: Seq(6), id: 6, json: "x".repeat(100).into() };
    queue.offer(&Arc::new(Delivery::new(large, Arc::new([None]))));
    assert_eq!(taken(&queue).1.len(), 1);
}

#[test]
fn a_closed_queue_is_emptied_first() {
    let queue = queue(10);
    queue.offer(&delivery(1));
    queue.close();
    assert_eq!(taken(&queue).0, TakeOutcome::Taken);
    assert_eq!(taken(&queue).0, TakeOutcome::Closed);
}

#[test]
fn equal_queries_are_one_registration() {
    let (mut hub, first, second) = (hub(), queue(10), queue(10));
    hub.subscribe(&first, &None, &query("rust fast")).expect("room");
    hub.subscribe(&second, &name("mine"), &query("+Fast (rust)")).expect("room");
    assert_eq!((hub.queries(), hub.catalog.engine_len()), (1, 1));
    assert_eq!(hub.dispatch(&[item(1, "fast rust"), item(2, "rust")], &[]).0, 1);
    assert_eq!(taken(&first).1, [(1, vec!["-".to_owned()])]);
    assert_eq!(taken(&second).1, [(1, vec!["mine".to_owned()])]);
    assert!(hub.unsubscribe(first.uid(), &None));
    assert_eq!(hub.queries(), 1);
    hub.disconnect(second.uid());
    assert_eq!((hub.queries(), hub.catalog.engine_len()), (0, 0));
    assert!(!hub.unsubscribe(first.uid(), &None));
}

#[test]
fn a_tweet_comes_once_with_all_names_and_equal_names_share_it() {
    let (mut hub, first, second) = (hub(), queue(10), queue(10));
    for queue in [&first, &second] {
        hub.subscribe(queue, &name("b"), &query("rust")).expect("room");
        hub.subscribe(queue, &name("a"), &query("fast")).expect("room");
    }
    hub.dispatch(&[item(1, "fast rust"), item(2, "slow rust")], &[]);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    first.take(10, &mut one);
    second.take(10, &mut two);
    assert_eq!(one.len(), 2);
    assert!(one.iter().zip(&two).all(|(one, two)| Arc::ptr_eq(one, two)), "encoded once for both");
    assert_eq!(&*one[0].names, [name("a"), name("b")]);
    assert_eq!(&*one[1].names, [name("b")]);
}

#[test]
fn a_subscription_that_ends_or_is_replaced_takes_what_waits_for_it_along() {
    let (mut hub, session) = (hub(), queue(10));
    hub.subscribe(&session, &name("a"), &query("rust")).expect("room");
    hub.subscribe(&session, &name("b"), &query("fast")).expect("room");
    hub.dispatch(&[item(1, "rust"), item(2, "fast rust"), item(3, "fast")], &[]);
    hub.subscribe(&session, &name("a"), &query("java")).expect("room");
    assert_eq!(taken(&session).1, [(2, vec!["b".to_owned()]), (3, vec!["b".to_owned()])]);
    hub.dispatch(&[item(4, "rust"), item(5, "java")], &[]);
    assert!(hub.unsubscribe(session.uid(), &name("a")));
    assert_eq!(taken(&session), (TakeOutcome::Empty, vec![]));
    assert_eq!(hub.queries(), 1);
}

#[test]
fn there_are_never_more_queries_than_allowed() {
    let (mut hub, session) = (hub(), queue(10));
    for word in ["one", "two", "three"] {
        hub.subscribe(&session, &name(word), &query(word)).expect("room");
    }
    assert_eq!(hub.subscribe(&session, &name("four"), &query("four")), Err(RegistrationError::TooManyQueries(3)));
    hub.subscribe(&session, &name("again"), &query("one")).expect("it is registered already");
    assert_eq!(hub.matching(&item(1, "one three").tweet.doc).matched.len(), 2);
}

#[test]
fn the_index_of_an_ended_session_is_reused() {
    let (mut hub, first, second) = (hub(), queue(10), queue(10));
    hub.subscribe(&first, &None, &query("rust")).expect("room");
    hub.disconnect(first.uid());
    hub.subscribe(&second, &None, &query("java")).expect("room");
    assert_eq!(hub.fan_out.capacity(), 1);
    hub.dispatch(&[item(1, "rust"), item(2, "java")], &[]);
    assert_eq!(taken(&first), (TakeOutcome::Empty, vec![]));
    assert_eq!(taken(&second).1, [(2, vec!["-".to_owned()])]);
}

#[test]
fn queries_take_no_more_memory_than_allowed() {
    let session = queue(10);
    let mut hub = Hub::new(Box::new(PlainEngine::default()), 100, usize::MAX);
    for word in ["one", "two"] {
        hub.subscribe(&session, &name(word), &query(word)).expect("room");
    }
    let full = hub.size_bytes();
    hub.memory.max_bytes = full;
    assert_eq!(hub.subscribe(&session, &name("three"), &query("three")), Err(RegistrationError::OutOfMemory(full)));
    assert_eq!(
        hub.subscribe(&session, &name("a name takes memory too"), &query("one")),
        Err(RegistrationError::OutOfMemory(full))
    );
    assert!(hub.unsubscribe(session.uid(), &name("one")));
    hub.subscribe(&session, &name("three"), &query("three")).expect("room again");
}

#[test]
fn queries_are_counted_from_their_registration_on() {
    let session = queue(100);
    let mut hub = hub();
    let counts = |hub: &Hub| -> Vec<(String, usize, u64, u64, u64)> {
        let listed = hub.listing().first(CostOrder::Matches, 10, |_| true).into_iter();
        listed
            .map(|it| {
                let QueryCounts { tweets, matches, candidates, .. } = it.counts;
                (it.query.canonical().to_owned(), it.subscriptions, tweets, matches, candidates)
            })
            .collect()
    };
    hub.subscribe(&session, &name("a"), &query("one")).expect("room");
    hub.subscribe(&session, &name("b"), &query("one")).expect("room");
    // The first batch is always sampled, and the sample stands for all of it.
    hub.dispatch(&[item(1, "one"), item(2, "two"), item(3, "one two")], &[]);
    assert_eq!(counts(&hub), [("one".to_owned(), 2, 3, 2, 3)]);
    hub.subscribe(&session, &name("c"), &query("two")).expect("room");
    hub.dispatch(&[item(4, "two"), item(5, "two"), item(6, "two")], &[]);
    let listed = counts(&hub);
    assert_eq!((&*listed[0].0, listed[0].2, listed[0].3), ("two", 3, 3));
    assert_eq!((&*listed[1].0, listed[1].2, listed[1].3), ("one", 6, 2));
    assert!(listed.iter().all(|&(.., tweets, _, candidates)| candidates <= tweets), "{listed:?}");
    // The counts of a query that is registered again start at 0.
    assert!(hub.unsubscribe(session.uid(), &name("c")));
    hub.subscribe(&session, &name("c"), &query("two")).expect("room");
    assert_eq!(counts(&hub)[1], ("two".to_owned(), 1, 0, 0, 0));
    assert_eq!(hub.listing().first(CostOrder::Cost, 1, |_| true).len(), 1);
}

/// The loop registers, percolates, answers and removes without building an automaton. The parser of
/// queries builds them, beside the loop.
#[test]
fn no_automaton_is_built_where_tweets_pass() {
    let dear = r"/cat[a-z]{1,2}([\w]\w?\w?)?s*/";
    let texts = [dear, "/(red|blue)[ck]ar/", "/[a-c]+/", "c?t*s", "cat*", "catalogs~2", "/ca?t+(s|z)/ OR NOT /.*x.*/"];
    let queries: Vec<Query> = texts.map(query).into();
    let mut hub = Hub::new(Box::new(Compiled::new(&EngineOptions::default())), 100, 1 << 30);
    let queue = Arc::new(SessionQueue::new(Uid::random(), QueueLimits { max_frames: 1_000, max_bytes: 1 << 20 }));
    let before = BUILT.with(std::cell::Cell::get);
    let mut seq = 0;
    let mut tweets = |hub: &mut Hub| {
        ["cats catalogs cat abc", "blueCar fetch XXX catnip", "nothing"].map(|text| {
            seq += 1;
            hub.dispatch(&[item(seq, text)], &[]).0
        })
    };
    for (at, query) in queries.iter().enumerate() {
        hub.subscribe(&queue, &name(texts[at]), query).unwrap();
        tweets(&mut hub);
    }
    assert_eq!(tweets(&mut hub), [6, 3, 1]);
    for text in texts {
        assert!(hub.unsubscribe(queue.uid(), &name(text)));
    }
    assert_eq!(tweets(&mut hub), [0, 0, 0]);
    assert_eq!(BUILT.with(std::cell::Cell::get), before);

    // Searches of history and explanations build none either.
    let doc = &item(1, "cats").tweet.doc;
    assert!(crate::explain::explain(&queries[0], doc, Schema::tweet()).failed.is_none());
    assert!(crate::matcher::Matcher::new(queries[0].ast()).matches(doc));
    let _ = crate::lower::lower(queries[0].ast(), crate::index::TweetFields::get().searched());
    assert_eq!(BUILT.with(std::cell::Cell::get), before);
    // The expression of an AST without a parser is built when a term has its literal characters.
    let raw = Ast::Regex { field: tweet::TEXT, pattern: "cat[sz]+".into() };
    assert!(crate::matcher::Matcher::new(&raw).matches(doc));
    assert_eq!(BUILT.with(std::cell::Cell::get), before + 1);
}

#[test]
fn a_tweet_that_costs_too_much_is_deferred_to_the_sessions_whose_queries_it_may_match() {
    let options = EngineOptions { max_steps: 1_000, ..EngineOptions::default() };
    let mut hub = Hub::new(Box::new(Compiled::new(&options)), 100, usize::MAX);
    let queue = || Arc::new(SessionQueue::new(Uid::random(), QueueLimits { max_frames: 10, max_bytes: 1 << 20 }));
    let (costly, cheap) = (queue(), queue());
    hub.subscribe(&costly, &name("costly"), &query("*z*q*")).expect("room");
    hub.subscribe(&costly, &name("also cheap"), &query("rust")).expect("room");
    hub.subscribe(&cheap, &name("cheap"), &query("rust")).expect("room");
    let long: Vec<String> = (0..200).map(|n| format!("q{n}z")).collect();
    let long = format!("rust {}", long.join(" "));
    hub.dispatch(&[item(1, "rust"), item(2, &long), item(3, "rust")], &[]);
    let waits = |of: &str, seq| (seq, vec![of.to_owned()]);
    assert_eq!(taken(&cheap).1, [1, 2, 3].map(|seq| waits("cheap", seq)));
    // The session reads everything from the index: also deliveries that were queued, and later
    // ones.
    assert_eq!(taken(&costly), (TakeOutcome::Behind, vec![]));
    assert_eq!(costly.settled(), Seq(0));
    assert!(!costly.go_live(Seq(2)) && costly.go_live(Seq(3)));
    hub.dispatch(&[item(4, "rust zzzq")], &[]);
    assert_eq!(taken(&costly).1, [(4, vec!["also cheap".to_owned(), "costly".to_owned()])]);
    let matching = hub.matching(&item(5, &long).tweet.doc);
    let texts = |queries: &[Query]| queries.iter().map(|query| query.canonical().to_owned()).collect::<Vec<_>>();
    assert_eq!((texts(&matching.matched), texts(&matching.undecided)), (vec!["rust".into()], vec!["*z*q*".into()]));
}

fn client(last: u8) -> ClientKey {
    ClientKey::at([192, 0, 2, last].into())
}

#[test]
fn one_client_leaves_room_for_others() {
    let bytes = 2 * (BudgetUsage::of(&query("one")).bytes + subscription_bytes(&name("a")));
    let shares = |bytes, weak_patterns| {
        let hub = Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX);
        hub.with_client_limits(ClientLimits { bytes, weak_patterns })
    };
    let (first, second) = (queue(100), queue(100));
    let mut hub = shares(bytes, usize::MAX);
    hub.subscribe_for(&client(1), &first, &name("a"), &query("one")).expect("room");
    hub.subscribe_for(&client(1), &second, &name("b"), &query("two")).expect("room");
    let full = Err(RegistrationError::ClientOutOfMemory(bytes));
    assert_eq!(hub.subscribe_for(&client(1), &first, &name("c"), &query("six")), full);
    assert_eq!(hub.subscribe_for(&client(1), &first, &name("c"), &query("one")), full, "a subscription counts too");
    hub.subscribe_for(&client(2), &queue(100), &name("c"), &query("one")).expect("the room of another");
    hub.subscribe_for(&ClientKey::Server, &queue(100), &name("c"), &query("six")).expect("no share");
    assert!(hub.unsubscribe(first.uid(), &name("a")));
    hub.subscribe_for(&client(1), &first, &name("c"), &query("six")).expect("room again");

    let mut hub = shares(usize::MAX, 2);
    hub.subscribe_for(&client(1), &first, &name("a"), &query("*a* rust")).expect("room");
    hub.subscribe_for(&client(1), &first, &name("b"), &query("NOT (/.*b.*/ OR ab*)")).expect("room");
    let full = Err(RegistrationError::TooManyWeakPatterns(2));
    assert_eq!(hub.subscribe_for(&client(1), &first, &name("c"), &query("*c*d*")), full);
    hub.subscribe_for(&client(1), &first, &name("c"), &query("*a* rust")).expect("it holds that one");
    hub.subscribe_for(&client(1), &first, &name("d"), &query("*cd* c*d d*")).expect("none is weak");
    hub.subscribe_for(&client(2), &second, &name("c"), &query("*c*d*")).expect("the room of another");
    assert!(hub.unsubscribe(first.uid(), &name("a")));
    assert_eq!(hub.subscribe_for(&client(1), &first, &name("e"), &query("*e*")), full, "it still holds it");
    hub.disconnect(first.uid());
    hub.subscribe_for(&client(1), &second, &name("e"), &query("*e* OR *f*")).expect("room again");
}

#[test]
fn an_expression_counts_in_full_whoever_else_holds_it() {
    let alone = BudgetUsage::of(&query("/cat[a-z]{1,2}s/")).bytes;
    let kept = query("/cat[a-z]{1,2}s/ rust");
    assert!(BudgetUsage::of(&query("/cat[a-z]{1,2}s/")).bytes >= alone);
    assert!(BudgetUsage::of(&kept).bytes > alone);
}

proptest::proptest! {
    /// The usage of a client is the sum of its subscriptions, and 0 without any.
    #[test]
    fn what_is_given_back_is_what_was_taken(
        steps in proptest::collection::vec((0..4_usize, 1..4_u8, 0..3_usize, 0..5_usize, 0..8_u8), 0..80),
    ) {
        let texts = ["one", "*a*", "*a* OR *b*", "/.*c.*/ two", "rust~1"];
        let limits = ClientLimits { bytes: 1 << 20, weak_patterns: 3 };
        let mut hub = Hub::new(Box::new(Compiled::new(&EngineOptions::default())), 100, usize::MAX).with_client_limits(limits);
        let queues: Vec<_> = (0..4).map(|_| queue(100)).collect();
        let mut held: HashMap<(usize, usize), (u8, usize)> = HashMap::new();
        for (session, by, named, text, action) in steps {
            let name = name(["x", "y", "z"][named]);
            match action {
                0 => {
                    hub.disconnect(queues[session].uid());
                    held.retain(|&(of, _), _| of != session);
                }
                1 | 2 => {
                    let existed = hub.unsubscribe(queues[session].uid(), &name);
                    proptest::prop_assert_eq!(existed, held.remove(&(session, named)).is_some());
                }
                _ => if hub.subscribe_for(&client(by), &queues[session], &name, &query(texts[text])).is_ok() {
                    held.insert((session, named), (by, text));
                },
            }
            for by in 1..4 {
                let mine: Vec<usize> = held.values().filter(|it| it.0 == by).map(|it| it.1).collect();
                let weak = |text: &usize| [0, 1, 2, 1, 0][*text];
                let different: std::collections::BTreeSet<usize> = mine.iter().copied().collect();
                let now = hub.catalog.budgets().used(&client(by));
                proptest::prop_assert_eq!(now.weak_patterns, different.iter().map(weak).sum::<usize>());
                proptest::prop_assert_eq!(now.bytes == 0, mine.is_empty());
            }
        }
        queues.iter().for_each(|queue| hub.disconnect(queue.uid()));
        proptest::prop_assert!(hub.catalog.budgets().is_empty());
    }
}

#[test]
fn sessions_learn_which_tweets_their_queries_no_longer_match() {
    let (mut hub, first, second) = (hub(), queue(10), queue(10));
    hub.subscribe(&first, &name("a"), &query("rust")).expect("room");
    hub.subscribe(&first, &name("b"), &query("fast")).expect("room");
    hub.subscribe(&second, &None, &query("rust")).expect("room");
    let gone = |reason, is_followed| DeliveryKind::Gone { reason, is_followed };
    let took = |queue: &SessionQueue| {
        let mut deliveries = Vec::new();
        queue.take(10, &mut deliveries);
        let shown = |it: &Arc<Delivery>| (it.hit.seq.0, it.position().0, it.kind, it.names.to_vec());
        deliveries.iter().map(shown).collect::<Vec<_>>()
    };
    // The older versions of the first and the last tweet are known.
    let older = [(0, item(1, "fast rust").tweet), (2, item(2, "java").tweet)];
    hub.dispatch(&[item(5, "fast"), item(6, "java"), item(7, "rust")], &older);
    let matches = DeliveryKind::Matches;
    assert_eq!(
        took(&first),
        [
            (5, 4, gone(GoneReason::Changed, true), vec![name("a")]),
            (5, 5, matches, vec![name("b")]),
            (7, 7, matches, vec![name("a")]),
        ]
    );
    assert_eq!(took(&second), [(5, 5, gone(GoneReason::Changed, false), vec![None]), (7, 7, matches, vec![None])]);
    // A deletion matches nothing, whatever its document.
    let deletion = SequencedTweet { seq: Seq(8), tweet: Arc::new(crate::tweet::deletion("1001")) };
    hub.subscribe(&second, &name("all"), &query("*")).expect("room");
    assert_eq!(hub.dispatch(&[deletion], &[(0, item(1, "fast rust").tweet)]).0, 0);
    assert_eq!(took(&first), [(8, 8, gone(GoneReason::Deleted, false), vec![name("a"), name("b")])]);
    assert_eq!(took(&second), [(8, 8, gone(GoneReason::Deleted, false), vec![None, name("all")])]);
    assert_eq!(
        hub.listing().first(CostOrder::Matches, 10, |_| true).iter().map(|it| it.counts.matches).sum::<u64>(),
        2
    );
    // A notice says that its tweet follows only while the tweet is in the queue.
    hub.dispatch(&[item(9, "fast")], &[(0, item(1, "fast rust").tweet)]);
    assert!(hub.unsubscribe(first.uid(), &name("b")));
    assert_eq!(took(&first), [(9, 9, gone(GoneReason::Changed, false), vec![name("a")])]);
}
