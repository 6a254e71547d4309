//! The same promise in thousands of deterministic scenarios, each determined by a seed.
//!
//! The scheduler of the test decides when the loop runs, the index commits and reads get their
//! turn, and drops a client's future where it would wait. So the expected result of each search is
//! known exactly, and a missing tweet is noticed at once. The stages are the real ones. Some
//! scenarios share an index; each has words and tweet ids of its own.

use crate::tweet::TweetKey;
use std::collections::{BTreeMap, HashMap};
use std::panic::{catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;
use tokio::task::unconstrained;

use super::driven::Driven;
use super::*;
use crate::doc::Doc;
use crate::pipeline::Batch;

/// Scenarios that share an index.
const GROUP: u64 = 50;

/// The names of a client's subscriptions.
const NAMES: [&str; 3] = ["one", "two", "three"];

/// A set of a scenario's three words, one bit for each; or [`DELETED`].
type Words = u8;

/// The version is a deletion.
const DELETED: Words = 1 << 7;

/// Whether a query matches a version.
fn matches(ask: Ask, words: Words) -> bool {
    words != DELETED && ask.1(words)
}

/// A query of the words A, B and C, and the sets of words that it matches.
type Ask = (&'static str, fn(Words) -> bool);

const ASKS: [Ask; 7] = [
    ("A", |words| words & 1 != 0),
    ("B", |words| words & 2 != 0),
    ("C", |words| words & 4 != 0),
    ("A B", |words| words & 3 == 3),
    ("A OR C", |words| words & 5 != 0),
    ("B -A", |words| words & 3 == 2),
    ("(A OR B) -C", |words| words & 3 != 0 && words & 4 == 0),
];

/// A subscription from the client's view.
struct Subscribed {
    ask: Ask,
    /// The watermark.
    watermark: Seq,
    pushed: Vec<Push>,
}

/// What a client was sent under a name.
#[derive(Clone, Copy, Debug)]
struct Push {
    seq: Seq,
    id: u64,
    /// The tweet is gone.
    is_gone: bool,
    /// From where the client resumes behind it.
    position: Seq,
}

/// A client's view of its session.
struct Reader {
    session: Session,
    subscribed: BTreeMap<&'static str, Subscribed>,
    is_live: bool,
}

impl Reader {
    fn new(live: &Live) -> Reader {
        let session = live.connect().expect("there is room");
        Reader { session, subscribed: BTreeMap::new(), is_live: true }
    }

    /// Takes the events that are ready. False if there were none.
    fn take(&mut self) -> bool {
        let mut events = Vec::new();
        let took = unconstrained(self.session.next(&mut events)).now_or_never().is_some();
        for event in events {
            match event {
                Event::Tweet(delivery) => {
                    for name in &*delivery.names {
                        let name = name.as_deref().expect("all are named");
                        let subscribed = self.subscribed.get_mut(name).expect("a name that was registered");
                        let (seq, id, is_gone) = (delivery.hit.seq, delivery.hit.id, delivery.is_gone());
                        subscribed.pushed.push(Push { seq, id, is_gone, position: delivery.position() });
                    }
                }
                Event::CatchingUp { .. } => assert!(std::mem::take(&mut self.is_live), "told twice"),
                Event::Live { .. } => self.is_live = true,
                Event::Closed(reason) => panic!("{reason:?}"),
            }
        }
        took
    }
}

struct Scenario<'a> {
    stages: &'a mut Driven,
    seed: u64,
    rng: SmallRng,
    /// Documents by their set of words.
    docs: Vec<Doc>,
    /// The first seq of this scenario.
    first: Seq,
    /// In order of arrival, from `first` on without a gap: id and words.
    arrivals: Vec<(u64, Words)>,
    /// The number of different ids.
    ids: u64,
    readers: Vec<Reader>,
}

impl Scenario<'_> {
    fn new(stages: &mut Driven, seed: u64) -> Scenario<'_> {
        let docs = (0..8).map(|words| analyzed(1, &text(seed, words)).doc.clone()).collect();
        let first = stages.live.seq().next();
        let rng = SmallRng::seed_from_u64(seed);
        Scenario { stages, seed, rng, docs, first, arrivals: Vec::new(), ids: 0, readers: Vec::new() }
    }

    async fn run(mut self) {
        for _ in 0..self.rng.random_range(5..40) {
            match self.rng.random_range(0..20) {
                0..9 => {
                    let most = if self.rng.random_bool(0.1) { 1_000 } else { 20 };
                    self.send(most);
                }
                9..12 => self.connect().await,
                12..14 => self.leave_and_return().await,
                14 => self.change_mind().await,
                15 => self.leave().await,
                16 => self.look_back().await,
                _ => self.take(),
            }
            self.meanwhile().await;
        }
        self.end().await;
    }

    /// Runs random parts of the stages between two steps.
    async fn meanwhile(&mut self) {
        for _ in 0..self.rng.random_range(0..4) {
            match self.rng.random_range(0..20) {
                0..8 => self.stages.turn(),
                8..13 => self.stages.read().await,
                13..15 => self.may_commit(),
                _ => self.take(),
            }
        }
    }

    /// May commit, sometimes while a batch of the next commit arrives.
    fn may_commit(&mut self) {
        if !self.rng.random_bool(self.stages.commits) {
            return;
        }
        if self.rng.random_bool(0.5) {
            return self.stages.commit();
        }
        let held = self.stages.index.hold_writer();
        let done = self.stages.index.begin_commit().expect("it is asked for");
        for _ in 0..self.rng.random_range(1..3) {
            self.send(20);
            self.stages.turn();
        }
        drop(held);
        done.recv().expect("an answer").expect("it is committed");
    }

    /// A batch of at most this many tweets, some of them newer versions.
    fn send(&mut self, most: usize) {
        let n = self.rng.random_range(1..=most);
        let mut tweets = Vec::with_capacity(n);
        for _ in 0..n {
            let number = if self.ids > 0 && self.rng.random_bool(0.1) {
                self.rng.random_range(0..self.ids)
            } else {
                self.ids += 1;
                self.ids - 1
            };
            // Ids mostly rise.
            let id = self.seed * 100_000 + if self.seed.is_multiple_of(4) { 99_999 - number } else { 1 + number };
            let newest = self.arrivals.iter().rfind(|(other, _)| *other == id).map(|&(_, words)| words);
            if newest.is_some_and(|words| words != DELETED) && self.rng.random_bool(0.3) {
                self.arrivals.push((id, DELETED));
                tweets.push(Arc::new(crate::tweet::deletion(&id.to_string())));
                continue;
            }
            let words: Words = (0..3).map(|bit| Words::from(self.rng.random_bool(0.3)) << bit).sum();
            self.arrivals.push((id, words));
            // The index reads it when the next version comes.
            let json = format!(r#"{{"id_str":"{id}","text":"{}"}}"#, text(self.seed, words)).into();
            tweets.push(Arc::new(AnalyzedTweet {
                id,
                key: TweetKey::of_number(id),
                json,
                doc: self.docs[usize::from(words)].clone(),
                is_deleted: false,
            }));
        }
        let (ack, acked) = oneshot::channel();
        self.stages.pending.push((self.last(), acked));
        let mut sent = pin!(self.stages.intake.send(Batch { tweets, ack: Some(ack), cursor: None, may_wait: false }));
        loop {
            if let Some(sent) = unconstrained(&mut sent).now_or_never() {
                return sent.expect("it is taken");
            }
            // It may take several turns: on a slow machine a slice of the batch before is one
            // tweet.
            assert!(unconstrained(&mut self.stages.pipeline).now_or_never().is_none(), "the loop goes on");
        }
    }

    async fn connect(&mut self) {
        let mut reader = Reader::new(&self.stages.live);
        for name in NAMES {
            if self.rng.random_bool(0.6) {
                let ask = self.any_ask();
                let since = self.rng.random_bool(0.2).then(|| self.first.before());
                self.register(&mut reader, name, ask, since).await;
            }
        }
        self.readers.push(reader);
    }

    /// Registers a subscription, and expects its matches from then on.
    async fn register(&mut self, reader: &mut Reader, name: &'static str, ask: Ask, since: Option<Seq>) {
        let request = percolate(name, &self.text_of(ask), since);
        let registered = {
            let mut registered = pin!(reader.session.percolate(request));
            let early = unconstrained(&mut registered).now_or_never();
            assert!(early.is_none(), "seed {}: registered without the loop", self.seed);
            for _ in 0..self.rng.random_range(0..3) {
                match self.rng.random_range(0..4) {
                    0 => self.send(20),
                    1 => self.take(),
                    2 => self.may_commit(),
                    _ => self.stages.read().await,
                }
            }
            self.stages.turn();
            if self.rng.random_bool(0.3) {
                self.send(20);
                self.stages.turn();
            }
            registered.await.expect("it is registered")
        };
        let pushed = Vec::new();
        reader.subscribed.insert(name, Subscribed { ask, watermark: since.unwrap_or(registered.seq), pushed });
        if self.rng.random_bool(0.3) {
            reader.take();
        }
    }

    /// A client disconnects and resumes its subscriptions, each from the last seq that it saw, or
    /// without one.
    async fn leave_and_return(&mut self) {
        let Some(mut reader) = self.any_reader() else { return };
        reader.session = self.stages.live.connect().expect("there is room");
        reader.is_live = true;
        for (name, mut subscribed) in std::mem::take(&mut reader.subscribed) {
            if !subscribed.pushed.is_empty() && self.rng.random_bool(0.3) {
                subscribed.pushed.truncate(self.rng.random_range(0..subscribed.pushed.len()));
            }
            let since =
                subscribed.pushed.last().map_or(subscribed.watermark, |last| last.position.max(subscribed.watermark));
            self.register(&mut reader, name, subscribed.ask, Some(since)).await;
            let again = reader.subscribed.get_mut(name).expect("it was just registered");
            again.watermark = subscribed.watermark;
            again.pushed.splice(0..0, subscribed.pushed);
        }
        self.readers.push(reader);
    }

    /// A client replaces the query of a name, or ends it.
    async fn change_mind(&mut self) {
        let Some(mut reader) = self.any_reader() else { return };
        let name = NAMES[self.rng.random_range(0..NAMES.len())];
        if self.rng.random_bool(0.7) {
            let ask = self.any_ask();
            let since = self.rng.random_bool(0.3).then(|| self.first.before());
            self.register(&mut reader, name, ask, since).await;
        } else {
            let known = reader.subscribed.remove(name).is_some();
            let mut ended = pin!(reader.session.unpercolate(Some(name)));
            assert!(unconstrained(&mut ended).now_or_never().is_none(), "ended without the loop");
            self.stages.turn();
            assert_eq!(ended.await.is_ok(), known);
        }
        self.readers.push(reader);
    }

    /// A client disconnects for good, some during a registration.
    async fn leave(&mut self) {
        let Some(mut reader) = self.any_reader() else { return };
        if self.rng.random_bool(0.5) {
            let request = percolate(NAMES[0], &self.text_of(ASKS[0]), None);
            assert!(unconstrained(reader.session.percolate(request)).now_or_never().is_none());
        }
        drop(reader);
        self.meanwhile().await;
    }

    fn take(&mut self) {
        if !self.readers.is_empty() {
            let at = self.rng.random_range(0..self.readers.len());
            for _ in 0..self.rng.random_range(1..4) {
                self.readers[at].take();
            }
        }
    }

    /// A client searches the history of a subscription, some time after its registration.
    async fn look_back(&mut self) {
        let Some(reader) = self.any_reader() else { return };
        let newest = self.newest();
        for subscribed in reader.subscribed.values() {
            self.check_history(subscribed, &newest).await;
        }
        self.readers.push(reader);
    }

    /// Delivers all pending events, then compares.
    async fn end(mut self) {
        self.stages.turn();
        self.may_commit();
        let mut readers = std::mem::take(&mut self.readers);
        for reader in &mut readers {
            // Each read returns matches, except the first, which may be of earlier subscriptions,
            // and the last.
            for _ in 0..self.arrivals.len() + 3 {
                while reader.take() {}
                if !reader.session.is_behind() {
                    break;
                }
                self.stages.read().await;
            }
            assert!(!reader.session.is_behind() && reader.is_live, "seed {}: never live again", self.seed);
        }
        let newest = self.newest();
        assert_eq!(self.stages.live.seq(), self.last(), "seed {}: everything was numbered", self.seed);
        for subscribed in readers.iter().flat_map(|reader| reader.subscribed.values()) {
            self.check_pushed(subscribed, &newest);
            self.check_history(subscribed, &newest).await;
        }
        drop(readers);
        self.stages.turn();
        assert_eq!(self.stages.live.queries(), 0, "seed {}: who is gone has no queries", self.seed);
    }

    /// A client that had the matches up to the watermark, and took every push behind it, has the
    /// tweets whose newest version matches. Each push was due, and came once and in order.
    fn check_pushed(&self, subscribed: &Subscribed, newest: &HashMap<u64, (Seq, Words)>) {
        let &Subscribed { ask, watermark, ref pushed } = subscribed;
        let what = format!("seed {}, {} after {watermark}", self.seed, ask.0);
        // Only that a tweet is gone may be said again, to a client that resumes from it.
        let is_in_order = |a: &Push, b: &Push| a.seq < b.seq || a.seq == b.seq && a.is_gone && b.is_gone;
        assert!(pushed.is_sorted_by(is_in_order), "{what}: out of order or twice: {pushed:?}");
        let first = self.first;
        let arrivals = (first.0..).map(Seq).zip(&self.arrivals);
        let known: HashMap<u64, (Seq, Words)> =
            arrivals.take_while(|&(seq, _)| seq <= watermark).map(|(seq, &(id, words))| (id, (seq, words))).collect();
        let matching = |versions: &HashMap<u64, (Seq, Words)>| -> BTreeMap<u64, Seq> {
            let matching = versions.iter().filter(|(_, (_, words))| matches(ask, *words));
            matching.map(|(&id, &(seq, _))| (id, seq)).collect()
        };
        let mut held = matching(&known);
        for &Push { seq, id, is_gone, .. } in pushed {
            let at = usize::try_from(seq.0 - first.0).expect("small");
            let (sent, words) = self.arrivals[at];
            assert!(seq > watermark && id == sent && matches(ask, words) != is_gone, "{what}: {seq} is not owed");
            if is_gone {
                held.remove(&id);
            } else {
                held.insert(id, seq);
            }
        }
        assert_eq!(held, matching(newest), "{what}");
    }

    /// History up to the watermark, and aggregates of it, are those of the model.
    async fn check_history(&mut self, subscribed: &Subscribed, newest: &HashMap<u64, (Seq, Words)>) {
        let &Subscribed { ask, watermark, .. } = subscribed;
        let what = format!("seed {}, {} up to {watermark}", self.seed, ask.0);
        let query = query(&self.text_of(ask));
        let request = SearchRequest {
            query: query.clone().into(),
            n: 100_000,
            from: 0,
            before_id: None,
            until_seq: Some(watermark),
            sort: Sort::Newest,
        };
        let counts = AggregateRequest { query: query.into(), by: tweet::TEXT, n: 1, until_seq: Some(watermark) };
        let live = self.stages.live.clone();
        let mut both = pin!(async { tokio::join!(live.search(request), live.aggregate(counts)) });
        assert!(unconstrained(&mut both).now_or_never().is_none(), "{what}: read out of turn");
        self.stages.read().await;
        let (page, counts) = both.await;
        let page = page.expect("it is found");
        let mut owed: Vec<(u64, Seq)> = newest
            .iter()
            .filter(|(_, (seq, words))| *seq <= watermark && matches(ask, *words))
            .map(|(&id, &(seq, _))| (id, seq))
            .collect();
        owed.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(page.hits.iter().map(|hit| (hit.id, hit.seq)).collect::<Vec<_>>(), owed, "{what}");
        let Ok(Aggregate::TopTerms(top)) = counts else { panic!("{what}: {counts:?}") };
        assert_eq!((page.total, top.total), (owed.len() as u64, owed.len() as u64), "{what}: {top:?}");
    }

    /// The newest version of each tweet up to the position of the loop.
    fn newest(&self) -> HashMap<u64, (Seq, Words)> {
        let passed = usize::try_from(self.stages.live.seq().next().0 - self.first.0).expect("small");
        let arrivals = (self.first.0..).map(Seq).zip(&self.arrivals[..passed]);
        arrivals.map(|(seq, &(id, words))| (id, (seq, words))).collect()
    }

    /// The seq of the last tweet.
    fn last(&self) -> Seq {
        Seq(self.first.0 + self.arrivals.len() as u64 - 1)
    }

    fn any_reader(&mut self) -> Option<Reader> {
        let n = self.readers.len();
        (n > 0).then(|| self.readers.swap_remove(self.rng.random_range(0..n)))
    }

    fn any_ask(&mut self) -> Ask {
        ASKS[self.rng.random_range(0..ASKS.len())]
    }

    fn text_of(&self, (text, _): Ask) -> String {
        (0..3).fold(text.to_owned(), |text, bit| text.replace(['A', 'B', 'C'][bit], &word(self.seed, bit)))
    }
}

fn word(seed: u64, bit: usize) -> String {
    format!("s{seed}w{bit}")
}

fn text(seed: u64, words: Words) -> String {
    let found: Vec<String> = (0..3).filter(|bit| words >> bit & 1 == 1).map(|bit| word(seed, bit)).collect();
    found.join(" ")
}

/// Runs the first scenarios of a group that shares an index. They depend on the number of the group
/// alone. Returns the last position.
fn run_group(group: u64, scenarios: u64) -> Seq {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let max_frames = [1, 8, 64][usize::try_from(group % 3).expect("small")];
        // Commits take most of the time here.
        let mut stages = Driven::start(max_frames, NAMES.len(), if group.is_multiple_of(16) { 1.0 } else { 0.08 });
        for seed in (group * GROUP..).take(usize::try_from(scenarios).expect("small")) {
            Scenario::new(&mut stages, seed).run().await;
        }
        let last = stages.live.seq();
        stages.stop().await;
        last
    })
}

#[test]
fn whatever_happens_in_whatever_order_history_and_pushes_hold_every_tweet_once() {
    let groups = runs(2_000, 20_000).div_ceil(GROUP);
    let next = AtomicU64::new(0);
    let work = || {
        loop {
            let group = next.fetch_add(1, Ordering::Relaxed);
            if group >= groups {
                return;
            }
            if let Err(panic) = catch_unwind(|| run_group(group, GROUP)) {
                // Stop the other threads.
                next.store(groups, Ordering::Relaxed);
                resume_unwind(panic);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
}

/// The final number of tweets depends on every event that the clients saw.
#[test]
fn a_seed_is_one_scenario() {
    assert_eq!(run_group(1, 15), run_group(1, 15));
}
