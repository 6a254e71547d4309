//! No seam, over real sockets: random tweets and deletions, searches, and sessions that come, go,
//! come back and read slowly. What each client holds in the end is compared with a plain model:
//! history up to its watermark and pushes from there on, without what is gone, hold every tweet
//! once.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Client, PATIENCE, Perch};

/// An id and the version of its text.
type Version = (u64, u64);

/// What was sent: the words of each version, and the newest version of each id that is not deleted.
#[derive(Default)]
struct Model {
    words: BTreeMap<Version, BTreeSet<String>>,
    newest: BTreeMap<u64, u64>,
    n_ids: u64,
}

impl Model {
    /// The ids whose newest version has this word, with that version.
    fn owed(&self, word: &str) -> BTreeSet<Version> {
        let newest = self.newest.iter().map(|(&id, &version)| (id, version));
        newest.filter(|version| self.words[version].contains(word)).collect()
    }
}

/// What a client knows of one of its searches.
#[derive(Default)]
struct Search {
    /// `None` before the first answer.
    watermark: Option<u64>,
    /// Everything up to here was pushed.
    seen_seq: u64,
    /// What was pushed and is not gone.
    pushed: BTreeMap<u64, u64>,
}

struct Reader {
    client: Client,
    searches: BTreeMap<String, Search>,
    pages: Vec<Value>,
}

fn version(tweet: &Value) -> Version {
    let text = tweet["text"].as_str().expect("a text");
    let id = tweet["id_str"].as_str().expect("an id").parse().expect("a number");
    (id, text.rsplit(" v").next().and_then(|version| version.parse().ok()).expect("a version"))
}

impl Reader {
    async fn connect(perch: &Perch, searches: BTreeMap<String, Search>) -> Reader {
        Reader { client: perch.connect().await, searches, pages: Vec::new() }
    }

    /// Takes the next event, counts and all.
    async fn take(&mut self) -> String {
        let (event, payload) = self.client.event().await;
        match event.as_str() {
            "tweet/new" => {
                let seq = payload["seq"].as_u64().expect("a seq");
                for name in payload["matches"].as_array().expect("names") {
                    let search = self.searches.get_mut(name.as_str().expect("a name")).expect("its own");
                    assert!(seq > search.seen_seq, "{seq} came behind {}: {payload}", search.seen_seq);
                    search.seen_seq = seq;
                    search.pushed.extend([version(&payload["tweet"])]);
                }
            }
            "tweet/gone" => {
                let seq = payload["seq"].as_u64().expect("a seq");
                let id = payload["id_str"].as_str().expect("an id").parse().expect("a number");
                for name in payload["matches"].as_array().expect("names") {
                    let search = self.searches.get_mut(name.as_str().expect("a name")).expect("its own");
                    // That of the entry before, if the same entry is pushed to another search.
                    assert!(seq >= search.seen_seq, "{seq} came behind {}: {payload}", search.seen_seq);
                    search.seen_seq = seq;
                    search.pushed.remove(&id);
                }
            }
            "tweet/prev-chunk" => self.pages.push(payload),
            "percolate/ok" => {
                let search = self.searches.get_mut(payload["name"].as_str().expect("a name")).expect("its own");
                if search.watermark.is_none() {
                    search.seen_seq = payload["seq"].as_u64().expect("a seq");
                    search.watermark = Some(search.seen_seq);
                }
            }
            "cmd/error" => panic!("{payload}"),
            _ => {}
        }
        event
    }

    async fn register(&mut self, word: &str, since: Option<u64>) {
        let mut payload = json!({"query": word, "name": word});
        if let Some(since) = since {
            payload["since"] = json!(since);
            payload["epoch"] = self.client.hello["epoch"].clone();
        }
        self.client.send("cmd/percolate", payload).await;
        while self.take().await != "percolate/ok" {}
    }

    /// All pages of history at the watermark.
    async fn history(&mut self, word: &str, n: usize) -> Vec<Version> {
        let mut found = Vec::new();
        let mut before_id = Value::Null;
        loop {
            let mut payload = json!({"query": word, "n": n, "until_seq": self.searches[word].watermark});
            if !before_id.is_null() {
                payload["before_id"] = before_id;
            }
            self.client.send("cmd/query", payload).await;
            while self.pages.is_empty() {
                self.take().await;
            }
            let page = self.pages.remove(0);
            found.extend(page["result"].as_array().expect("tweets").iter().map(version));
            before_id = page["next"].clone();
            if before_id.is_null() {
                return found;
            }
        }
    }
}

async fn send(perch: &Perch, model: &mut Model, random: &mut SmallRng, first_id: u64, words: &[String]) {
    let n = if random.random_bool(0.1) { random.random_range(1..=1_000) } else { random.random_range(1..30) };
    let mut body = String::new();
    let mut n_deletions = 0;
    for _ in 0..n {
        let known = model.n_ids;
        let is_known = known > 0 && random.random_bool(0.2);
        let id = first_id + if is_known { random.random_range(0..known) } else { known };
        if is_known && random.random_bool(0.5) {
            body.push_str(&json!({"delete": {"status": {"id_str": id.to_string()}}}).to_string());
            body.push('\n');
            model.newest.remove(&id);
            n_deletions += 1;
            continue;
        }
        model.n_ids += u64::from(!is_known);
        let version = (id, model.words.len() as u64);
        let found: BTreeSet<String> = words.iter().filter(|_| random.random_bool(0.4)).cloned().collect();
        let text = found.iter().map(|word| format!("{word} ")).collect::<String>();
        let tweet = json!({"id_str": id.to_string(), "text": format!("{text} v{}", version.1)});
        body.push_str(&tweet.to_string());
        body.push('\n');
        model.words.insert(version, found);
        model.newest.insert(id, version.1);
    }
    let (status, answer) = perch.post("/api/tweets", body).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(n - n_deletions)), "{answer}");
}

async fn scenario(perch: &Perch, seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let words: Vec<String> = (0..3).map(|at| format!("s{seed}w{at}")).collect();
    let first_id = 1 + seed * 100_000;
    let mut model = Model::default();
    let mut readers: Vec<Reader> = Vec::new();
    for _ in 0..random.random_range(5..25) {
        match random.random_range(0..10) {
            0..5 => send(perch, &mut model, &mut random, first_id, &words).await,
            5 | 6 => {
                let mut reader = Reader::connect(perch, BTreeMap::new()).await;
                for word in words.iter().filter(|_| random.random_bool(0.7)) {
                    reader.searches.insert(word.clone(), Search::default());
                    reader.register(word, None).await;
                }
                readers.push(reader);
            }
            7 if !readers.is_empty() => {
                // Breaks off, and comes back where it was.
                let searches = readers.swap_remove(random.random_range(0..readers.len())).searches;
                let mut reader = Reader::connect(perch, searches).await;
                let known: Vec<_> = reader.searches.iter().map(|(word, at)| (word.clone(), at.seen_seq)).collect();
                for (word, since) in known {
                    reader.register(&word, Some(since)).await;
                }
                readers.push(reader);
            }
            // Others read nothing meanwhile.
            _ if !readers.is_empty() => {
                let at = random.random_range(0..readers.len());
                readers[at].client.send("cmd/ping", json!({})).await;
                while readers[at].take().await != "pong" {}
            }
            _ => {}
        }
    }
    for reader in &mut readers {
        for word in reader.searches.keys().cloned().collect::<Vec<_>>() {
            let history = reader.history(&word, random.random_range(1..200)).await;
            let owed = model.owed(&word);
            let held = |reader: &Reader| {
                let pushed = reader.searches[&word].pushed.iter().map(|(&id, &version)| (id, version));
                let mut held: Vec<Version> = history.iter().copied().chain(pushed).collect();
                held.sort_unstable();
                held
            };
            let comes = async {
                while !held(reader).iter().eq(&owed) {
                    reader.take().await;
                }
            };
            let has_come = tokio::time::timeout(PATIENCE, comes).await.is_ok();
            assert!(has_come, "seed {seed}: {word}: held {:?}, owed {owed:?}", held(reader));
            reader.client.send("cmd/ping", json!({})).await;
            while reader.take().await != "pong" {}
            assert!(held(reader).iter().eq(&owed), "seed {seed}: {word}, held {:?}, owed {owed:?}", held(reader));
        }
    }
}

/// `PERCH_LONG_TESTS=1` makes it some hundreds.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_and_goes_every_tweet_is_held_once() {
    let runs = if std::env::var_os("PERCH_LONG_TESTS").is_some() { 400 } else { 24 };
    for (settings, seeds) in [
        // Overflows, and commits in between.
        (
            "[limits]\ncommands_per_second = 1000000\nsession_queue_frames = 8\n[index]\ncommit_interval_ms = 3\n",
            0..runs / 2,
        ),
        // Everything waits for one late commit: the tail answers.
        ("[limits]\ncommands_per_second = 1000000\n[index]\ncommit_interval_ms = 200\n", runs / 2..runs),
    ] {
        let perch = Perch::start_with(settings).await;
        let seeds: Vec<u64> = seeds.collect();
        for seeds in seeds.chunks(4) {
            futures_util::future::join_all(seeds.iter().map(|&seed| scenario(&perch, seed))).await;
        }
        perch.stop().await;
    }
}
