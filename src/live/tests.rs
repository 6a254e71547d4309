//! Promise 2: at any moment, history up to the watermark and the pushes behind it together hold
//! every matching tweet once.
//!
//! Real stages (index, pipeline, hub, sessions), no sockets. Most scenarios are deterministic,
//! ordered by a seed ([`seeded`]). Those here run concurrently, on free threads and on one index
//! with its own commits; each uses words and tweet ids of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::doc::DocBuilder;
use crate::hub::Hub;
use crate::hub::tests::PlainEngine;
use crate::index::IndexOptions;
use crate::percolator::ENGINES;
use crate::pipeline::{Intake, Pipeline};
use crate::query::{Query, QueryLimits};
use crate::schema::{Schema, tweet};
use crate::tweet::{AnalyzedTweet, TweetKey};

mod client;
mod driven;
mod seeded;

struct Stages {
    live: Live,
    intake: Intake,
    index: Index,
    shutdown: CancellationToken,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
    dir: tempfile::TempDir,
}

impl Stages {
    fn start(commit_interval: Duration, queue: QueueLimits) -> Stages {
        Stages::start_in(tempfile::tempdir().expect("a directory"), commit_interval, queue)
    }

    fn start_in(dir: tempfile::TempDir, commit_interval: Duration, queue: QueueLimits) -> Stages {
        let options = IndexOptions { dir: dir.path().to_owned(), commit_interval, ..IndexOptions::default() };
        let index = Index::open(&options).expect("it opens");
        let (intake, batches) = Intake::channel(4);
        let (pipeline, handle) =
            Pipeline::new(Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX), index.clone(), batches);
        let limits = LiveLimits {
            max_sessions: 1_000,
            max_subscriptions: 4,
            queue,
            max_searches: 4,
            max_waiting_searches: 1_000,
            search_timeout: Duration::from_secs(60),
        };
        let live = Live::new(index.clone(), handle, limits, ENGINES[0]);
        let shutdown = CancellationToken::new();
        let (runtime, token) = (tokio::runtime::Handle::current(), shutdown.clone());
        let thread = std::thread::spawn(move || runtime.block_on(pipeline.run(token)));
        Stages { live, intake, index, shutdown, thread, dir }
    }

    async fn stop(self) -> tempfile::TempDir {
        self.shutdown.cancel();
        let (thread, index) = (self.thread, self.index);
        tokio::task::spawn_blocking(move || {
            thread.join().expect("the loop does not panic").expect("the loop ends well");
            index.close().expect("the index closes");
        })
        .await
        .expect("no panic");
        self.dir
    }
}

fn query(text: &str) -> Query {
    Query::parse(text, Schema::tweet(), &QueryLimits::default()).expect("a query")
}

fn analyzed(id: u64, text: &str) -> Arc<AnalyzedTweet> {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, text);
    let json = format!(r#"{{"id_str":"{id}","text":"{text}"}}"#).into();
    Arc::new(AnalyzedTweet { id, key: TweetKey::of_number(id), json, doc: builder.finish(), is_deleted: false })
}

fn percolate(name: &str, text: &str, since: Option<Seq>) -> Percolate {
    Percolate { query: query(text), name: Some(name.into()), since, epoch: None }
}

/// The expected state: all tweets in order of arrival.
#[derive(Default)]
struct Model {
    /// Seq, id and words of each arrival.
    arrivals: Vec<(Seq, u64, Vec<String>)>,
}

impl Model {
    /// The newest version of each tweet that matches the word: seq by id.
    fn newest(&self, word: &str) -> BTreeMap<u64, Seq> {
        let mut newest = HashMap::new();
        for (seq, id, words) in &self.arrivals {
            newest.insert(*id, (*seq, words.iter().any(|found| found == word)));
        }
        newest.into_iter().filter(|(_, (_, matches))| *matches).map(|(id, (seq, _))| (id, seq)).collect()
    }

    fn matches(&self, seq: Seq, word: &str) -> bool {
        let found = self.arrivals.binary_search_by_key(&seq, |(at, ..)| *at);
        found.is_ok_and(|at| self.arrivals[at].2.iter().any(|found| found == word))
    }
}

/// A client: its registrations and the tweets that it got.
struct Client {
    session: Session,
    words: Vec<String>,
    /// By word: the watermark (or the position it came back with), and the seqs and ids that came
    /// under its name.
    seen: HashMap<String, (Seq, Vec<(Seq, u64)>)>,
    live: bool,
}

impl Client {
    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Tweet(delivery) if delivery.is_gone() => {}
                Event::Tweet(delivery) => {
                    for name in &*delivery.names {
                        let name = name.as_deref().expect("all are named");
                        let (_, seen) = self.seen.get_mut(name).expect("a name that was registered");
                        seen.push((delivery.hit.seq, delivery.hit.id));
                    }
                }
                Event::CatchingUp { .. } => {
                    assert!(self.live, "told twice");
                    self.live = false;
                }
                Event::Live { .. } => self.live = true,
                Event::Closed(reason) => panic!("{reason:?}"),
            }
        }
    }

    /// Takes the events that are ready.
    async fn take_some(&mut self) {
        let mut events = Vec::new();
        // Drops `next` after a short time, which must lose nothing.
        let _ = tokio::time::timeout(Duration::from_micros(300), self.session.next(&mut events)).await;
        self.take(events);
    }
}

async fn scenario(stages: &Stages, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let words: Vec<String> = (0..3).map(|at| format!("s{seed}w{at}")).collect();
    let first_id = seed * 10_000 + 1;
    let mut next_id = first_id;
    let mut model = Model::default();
    let mut clients: Vec<Client> = Vec::new();
    let mut pending = Vec::new();
    for _ in 0..rng.random_range(5..40) {
        match rng.random_range(0..10) {
            // A batch, sometimes with newer versions of tweets.
            0..5 => {
                let n = if rng.random_bool(0.1) { rng.random_range(1..1_000) } else { rng.random_range(1..20) };
                let mut batch = Vec::new();
                for _ in 0..n {
                    let id = if rng.random_bool(0.1) && next_id > first_id {
                        rng.random_range(first_id..next_id)
                    } else {
                        next_id += 1;
                        next_id - 1
                    };
                    let found: Vec<_> = words.iter().filter(|_| rng.random_bool(0.3)).cloned().collect();
                    batch.push((id, found));
                }
                let tweets = batch.iter().map(|(id, found)| analyzed(*id, &found.join(" "))).collect();
                let (ack, acked) = tokio::sync::oneshot::channel();
                stages
                    .intake
                    .send(crate::pipeline::Batch { tweets, ack: Some(ack), cursor: None, may_wait: false })
                    .await
                    .expect("it is taken");
                pending.push((batch, acked));
            }
            5 | 6 => {
                let session = stages.live.connect().expect("there is room");
                let mut client = Client { session, words: Vec::new(), seen: HashMap::new(), live: true };
                for word in &words {
                    if rng.random_bool(0.6) {
                        let since = rng.random_bool(0.2).then_some(Seq::ZERO);
                        let registered =
                            client.session.percolate(percolate(word, word, since)).await.expect("it is registered");
                        client.words.push(word.clone());
                        client.seen.insert(word.clone(), (since.unwrap_or(registered.seq), Vec::new()));
                    }
                }
                clients.push(client);
            }
            7 => {
                // Disconnects, and resumes each word from the last seq that it saw.
                if let Some(mut client) = (!clients.is_empty()).then(|| {
                    let at = rng.random_range(0..clients.len());
                    clients.swap_remove(at)
                }) {
                    client.session = stages.live.connect().expect("there is room");
                    client.live = true;
                    for word in &client.words {
                        let (watermark, seen) = &client.seen[word];
                        let since = seen.last().map_or(*watermark, |&(seq, _)| seq);
                        let request = percolate(word, word, Some(since));
                        client.session.percolate(request).await.expect("it is registered");
                    }
                    clients.push(client);
                }
            }
            _ => {
                if !clients.is_empty() {
                    let at = rng.random_range(0..clients.len());
                    clients[at].take_some().await;
                }
            }
        }
    }
    for (batch, acked) in pending {
        let last = acked.await.expect("an answer").expect("it is durable");
        let first = last.seq.0 + 1 - batch.len() as u64;
        model.arrivals.extend((first..).zip(batch).map(|(seq, (id, found))| (Seq(seq), id, found)));
    }
    model.arrivals.sort();
    for client in &mut clients {
        let words = client.words.clone();
        for word in &words {
            check(stages, client, word, &model, seed).await;
        }
    }
}

/// Takes all events that are due, then compares.
async fn check(stages: &Stages, client: &mut Client, word: &str, model: &Model, seed: u64) {
    let newest = model.newest(word);
    let watermark = client.seen[word].0;
    let last_owed = newest.values().copied().filter(|&seq| seq > watermark).max();
    // Matches come in order, so the last due match comes last.
    while last_owed.is_some_and(|owed| client.seen[word].1.last().is_none_or(|&(seq, _)| seq < owed)) {
        let mut events = Vec::new();
        client.session.next(&mut events).await;
        client.take(events);
    }
    let pushed = &client.seen[word].1;
    assert!(pushed.is_sorted_by(|a, b| a.0 < b.0), "seed {seed}: out of order or twice: {pushed:?}");
    for &(seq, _) in pushed {
        assert!(seq > watermark && model.matches(seq, word), "seed {seed}: {seq} is not owed");
    }
    let request = SearchRequest {
        query: query(word).into(),
        n: 100_000,
        from: 0,
        before_id: None,
        until_seq: Some(watermark),
        sort: Sort::Newest,
    };
    let page = stages.live.search(request).await.expect("it is found");
    // An aggregation up to the watermark counts exactly what the page holds, so that it and the
    // pushes add up as page and pushes do.
    let request = AggregateRequest { query: query(word).into(), by: tweet::TEXT, n: 1, until_seq: Some(watermark) };
    let Ok(Aggregate::TopTerms(top)) = stages.live.aggregate(request).await else { panic!("it is counted") };
    // Every hit has the word.
    let counted = top.buckets.first().map_or(0, |(_, count)| *count);
    assert_eq!((top.total, counted), (page.hits.len() as u64, page.hits.len() as u64), "seed {seed}: {top:?}");
    // An older version may have been pushed before the newer one arrived. The newest comes once.
    let mut held: BTreeMap<u64, Vec<Seq>> = BTreeMap::new();
    for hit in &page.hits {
        held.entry(hit.id).or_default().push(hit.seq);
    }
    for &(seq, id) in pushed {
        if newest.get(&id) == Some(&seq) {
            held.entry(id).or_default().push(seq);
        }
    }
    let expected: BTreeMap<u64, Vec<Seq>> = newest.into_iter().map(|(id, seq)| (id, vec![seq])).collect();
    assert_eq!(held, expected, "seed {seed}, watermark {watermark}");
}

fn runs(short: u64, long: u64) -> u64 {
    if std::env::var_os("PERCH_LONG_TESTS").is_some() { long } else { short }
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_that_nobody_holds_back_leave_no_seam() {
    let queue = QueueLimits { max_frames: 8, max_bytes: 1_000_000 };
    let stages = Arc::new(Stages::start(Duration::from_millis(3), queue));
    let runs = runs(100, 1_000);
    let mut scenarios = tokio::task::JoinSet::new();
    for seed in 0..runs {
        let stages = Arc::clone(&stages);
        scenarios.spawn(async move { scenario(&stages, seed).await });
        if scenarios.len() >= 16 {
            scenarios.join_next().await.expect("one").expect("no seam");
        }
    }
    while let Some(ended) = scenarios.join_next().await {
        ended.expect("no seam");
    }
    Arc::into_inner(stages).expect("all ended").stop().await;
}

/// Retention may delete the last match of a quiet subscription long before a flood of others: the
/// session misses nothing by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_session_that_falls_behind_starts_at_the_first_tweet_it_is_owed() {
    let stages = Stages::start(Duration::from_millis(3), QueueLimits { max_frames: 8, max_bytes: 1_000_000 });
    let mut session = stages.live.connect().expect("a session");
    session.percolate(percolate("a", "rare", None)).await.expect("it registers");
    let quiet = stages.intake.send_durably((1..=100).map(|id| analyzed(id, "common")).collect()).await;
    let quiet = quiet.expect("it is kept").seq;
    stages.intake.send_durably((101..=120).map(|id| analyzed(id, "rare")).collect()).await.expect("it is kept");
    let mut events = Vec::new();
    session.next(&mut events).await;
    assert!(matches!(events[..], [Event::CatchingUp { from }] if from == quiet), "{quiet}: {events:?}");
    // The same for a subscription that waited while the client added another one.
    while !matches!(events.last(), Some(Event::Live { .. })) {
        session.next(&mut events).await;
    }
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Tweet(_))).count(), 20);
    let later = stages.intake.send_durably((121..=130).map(|id| analyzed(id, "common")).collect()).await;
    let later = later.expect("it is kept").seq;
    session.percolate(percolate("b", "nothing", Some(later))).await.expect("it registers");
    events.clear();
    session.next(&mut events).await;
    assert!(matches!(events[..], [Event::CatchingUp { from }] if from == later), "{later}: {events:?}");
    drop(session);
    stages.stop().await;
}

/// Sessions that are opened together while tweets come: each has what comes behind its watermark.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_opened_together_have_exact_watermarks() {
    let stages = Stages::start(Duration::from_millis(3), QueueLimits { max_frames: 10_000, max_bytes: 10_000_000 });
    let intake = stages.intake.clone();
    let sending = tokio::spawn(async move {
        let mut last = Seq::ZERO;
        for batch in 0..40 {
            let tweets = (0..25).map(|at| analyzed(batch * 25 + at, "rust")).collect();
            last = intake.send_durably(tweets).await.expect("it is kept").seq;
        }
        last
    });
    let mut opened = Vec::new();
    while opened.len() < 900 {
        let queries = (0..300).map(|_| (ClientKey::Server, query("rust"))).collect();
        opened.extend(stages.live.subscribe_all(queries).await.expect("the loop runs"));
    }
    let last = sending.await.expect("no panic");
    for session in opened {
        let (mut session, Registration { seq, .. }) = session.expect("it registers");
        let (mut events, mut seqs) = (Vec::new(), Vec::new());
        while seqs.last().copied().unwrap_or(seq) < last {
            session.next(&mut events).await;
            seqs.extend(events.drain(..).filter_map(|event| match event {
                Event::Tweet(delivery) => Some(delivery.hit.seq),
                _ => None,
            }));
        }
        assert_eq!(seqs, (seq.0 + 1..=last.0).map(Seq).collect::<Vec<_>>());
    }
    stages.stop().await;
}

/// Notes that a session has something to take.
#[derive(Debug, Default)]
struct Bell(tokio::sync::Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_waits_without_a_task_goes_on_where_it_was() {
    let stages = Stages::start(Duration::from_millis(3), QueueLimits { max_frames: 8, max_bytes: 1_000_000 });
    let bell = Arc::<Bell>::default();
    let wake = || -> Weak<dyn Wake> { Arc::<Bell>::downgrade(&bell) };
    let mut named = Box::new(stages.live.connect_unadmitted());
    named.percolate(percolate("a", "rust", None)).await.expect("it registers");
    let _named = named.park(wake()).expect_err("a name would be lost");
    let mut session = Box::new(stages.live.connect_unadmitted());
    let unnamed = Percolate { query: query("rust"), name: None, since: None, epoch: None };
    session.percolate(unnamed).await.expect("it registers");
    let mut next = 1;
    // The last flood overflows the queue.
    for flood in [1, 3, 20] {
        let idle = session.park(wake()).expect("it waits");
        assert!(idle.is_settled());
        let sent: Vec<u64> = (next..next + flood).collect();
        next += flood;
        let tweets = sent.iter().map(|id| analyzed(*id, "rust")).collect();
        stages.intake.send_durably(tweets).await.expect("it is kept");
        bell.0.notified().await;
        session = Box::new(idle.wake());
        let (mut events, mut got) = (Vec::new(), Vec::new());
        while got.len() < sent.len() || session.is_behind() {
            session.next(&mut events).await;
            got.extend(events.drain(..).filter_map(|event| match event {
                Event::Tweet(delivery) => Some(delivery.hit.id),
                _ => None,
            }));
        }
        assert_eq!(got, sent);
        session.settle();
    }
    // A match that has come before it waits wakes it at once.
    stages.intake.send_durably(vec![analyzed(next, "rust")]).await.expect("it is kept");
    while session.passed().is_some() {
        tokio::task::yield_now().await;
    }
    let idle = session.park(wake()).expect("it waits");
    bell.0.notified().await;
    drop(idle);
    stages.stop().await;
}

#[tokio::test]
async fn a_session_that_is_left_alone_keeps_no_turn() {
    let stages = Stages::start(Duration::from_millis(3), QueueLimits { max_frames: 8, max_bytes: 1_000_000 });
    stages.intake.send_durably(vec![analyzed(1, "rust")]).await.expect("it is kept");
    let turns = stages.live.inner.searches.take_all();
    let (mut sessions, mut events) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let mut session = stages.live.connect().expect("a session");
        session.percolate(percolate("a", "rust", Some(Seq::ZERO))).await.expect("it registers");
        session.next(&mut events).await;
        // Its read waits for a slot, and its transport does not poll it.
        assert!(session.next(&mut events).now_or_never().is_none());
        sessions.push(session);
    }
    tokio::task::yield_now().await;
    drop(turns);
    let hit = stages.live.tweet("1").await.expect("a turn comes");
    assert_eq!(hit.id, 1);
    for session in &mut sessions {
        events.clear();
        session.next(&mut events).await;
        assert!(matches!(&events[..], [Event::Tweet(_), ..]), "{events:?}");
    }
    drop(sessions);
    stages.stop().await;
}

/// The loop does not run, so that a question to it would never be answered.
#[tokio::test(flavor = "multi_thread")]
async fn prices_and_lists_are_answered_while_the_loop_is_held() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() };
    let index = Index::open(&options).expect("it opens");
    let items: Vec<crate::tweet::SequencedTweet> = (1..=100_u64)
        .map(|id| {
            let text = format!(r#"{{"id_str":"{id}","text":"{}"}}"#, if id % 4 == 0 { "rust jobs" } else { "jobs" });
            let tweet = crate::tweet::read(text.as_bytes()).expect("a tweet");
            crate::tweet::SequencedTweet { seq: Seq(id), tweet: Arc::new(crate::tweet::analyze(&tweet)) }
        })
        .collect();
    let mut hub = Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX);
    let queue = QueueLimits { max_frames: 1_000, max_bytes: 1 << 20 };
    let session = Arc::new(SessionQueue::new(Uid::random(), queue));
    hub.subscribe(&session, &Some("a".into()), &query("rust")).expect("room");
    hub.subscribe(&session, &Some("b".into()), &query("jobs")).expect("room");
    hub.dispatch(&items, &[]);
    index.take_seqs(items.len()).expect("room on the disk");
    index.append(items.into(), None);
    let (_intake, batches) = Intake::channel(4);
    let (_held, handle) = Pipeline::new(hub, index.clone(), batches);
    let limits = LiveLimits {
        max_sessions: 10,
        max_subscriptions: 4,
        queue,
        max_searches: 4,
        max_waiting_searches: 1_000,
        search_timeout: Duration::from_secs(60),
    };
    let live = Live::new(index.clone(), handle, limits, ENGINES[0]);
    let estimate = live.estimate(query("rust jobs")).await.expect("an answer");
    assert_eq!((estimate.tweets, estimate.candidates, estimate.matches), (100, 25, 25), "{estimate:?}");
    let listed = live.list_queries(CostOrder::Matches, 10, |_| true).await.expect("an answer");
    let listed: Vec<_> =
        listed.iter().map(|it| (it.query.canonical(), it.subscriptions, it.counts.tweets, it.counts.matches)).collect();
    assert_eq!(listed, [("jobs", 1, 100, 100), ("rust", 1, 100, 25)]);
    index.close().expect("the index closes");
}
