//! What was acknowledged stays: through kills at any moment, and through a disk that is full.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::process::{Server, perch};
use crate::support::{Client, PATIENCE, tweet, until};

/// The ids of one feeder are of its own: `feeder * IDS + n`.
const IDS: u64 = 1_000_000;
const FEEDERS: u64 = 3;

/// A client that sends batches and notes what was acknowledged. What was not is sent again after
/// the next start.
struct Feeder {
    number: u64,
    random: StdRng,
    /// The next id that was never sent.
    next: u64,
    /// Sent and not answered.
    unanswered: Vec<u64>,
    acknowledged: BTreeSet<u64>,
    /// Acknowledged tweets whose deletion was sent and not answered.
    leaving: Vec<u64>,
    deleted: BTreeSet<u64>,
    /// The highest seq that an answer named.
    last_seq: u64,
}

impl Feeder {
    fn new(number: u64, seed: u64) -> Feeder {
        Feeder {
            number,
            random: StdRng::seed_from_u64(seed),
            next: 1,
            unanswered: Vec::new(),
            acknowledged: BTreeSet::new(),
            leaving: Vec::new(),
            deleted: BTreeSet::new(),
            last_seq: 0,
        }
    }

    /// Sends batch after batch until the server is gone: new tweets, what was not answered,
    /// sometimes one that was, and sometimes the deletion of one.
    async fn feed(&mut self, url: &str) {
        let http = crate::support::client();
        loop {
            let mut ids = self.unanswered.clone();
            for _ in 0..self.random.random_range(1..40) {
                ids.push(self.number * IDS + self.next);
                self.next += 1;
            }
            ids.extend(self.acknowledged.first().copied().filter(|_| self.random.random_bool(0.2)));
            self.unanswered.clone_from(&ids);
            if self.random.random_bool(0.3) {
                self.leaving.extend(self.acknowledged.pop_last());
            }
            let deletion = |id: &u64| format!("{}\n", json!({"delete": {"status": {"id_str": id.to_string()}}}));
            let tweets = ids.iter().map(|&id| format!("{}\n", tweet(id, "kept")));
            let body: String = tweets.chain(self.leaving.iter().map(deletion)).collect();
            let Ok(answer) = http.post(format!("{url}/api/tweets")).body(body).send().await else { return };
            let Ok(answer) = answer.json::<Value>().await else { return };
            assert_eq!(answer["accepted"], ids.len(), "{answer}");
            let seq = answer["seq"].as_u64().expect("a seq");
            assert!(seq > self.last_seq, "seq {seq} came again");
            self.last_seq = seq;
            self.acknowledged.extend(self.unanswered.drain(..));
            self.deleted.extend(self.leaving.drain(..));
        }
    }
}

/// A client that is pushed everything, and comes back where it was cut off.
#[derive(Default)]
struct Reader {
    last_seq: u64,
    /// What was pushed and is not gone.
    pushed: BTreeSet<u64>,
    n_pushes: usize,
    /// The number of pushes after which the test kills the server.
    ends_after: usize,
}

impl Reader {
    async fn connect(&self, server: &Server, epoch: &Value) -> Client {
        let mut client = Client::open(server.url.strip_prefix("http://").expect("http")).await;
        client.send("cmd/percolate", json!({"query": "kept", "since": self.last_seq, "epoch": epoch})).await;
        client
    }

    /// Takes pushes until the server is gone, and kills it when its time has come.
    async fn read(&mut self, mut client: Client, kill: impl FnOnce()) {
        let until = self.n_pushes + self.ends_after;
        let mut kill = Some(kill);
        loop {
            if self.n_pushes >= until
                && let Some(kill) = kill.take()
            {
                kill();
            }
            let Some(Ok(message)) = client.socket.next().await else { return };
            self.take(&message);
        }
    }

    /// Takes pushes until all of `wanted` have been pushed, and all of `deleted` are gone.
    async fn read_all(&mut self, client: &mut Client, wanted: &BTreeSet<u64>, deleted: &BTreeSet<u64>) {
        let all = async {
            while !wanted.is_subset(&self.pushed) || !deleted.is_disjoint(&self.pushed) {
                let message = client.socket.next().await.expect("the connection is open").expect("a whole frame");
                self.take(&message);
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            let missing: Vec<_> = wanted.difference(&self.pushed).collect();
            let left: Vec<_> = deleted.intersection(&self.pushed).collect();
            panic!("behind {}, acknowledged and never pushed: {missing:?}, never gone: {left:?}", self.last_seq);
        }
    }

    fn take(&mut self, message: &Message) {
        let Message::Text(text) = message else { return };
        let frame: Value = serde_json::from_str(text).expect("JSON");
        assert_ne!(frame[0], "cmd/error", "{frame}");
        if frame[0] == "tweet/new" {
            let seq = frame[1]["seq"].as_u64().expect("a seq");
            assert!(seq > self.last_seq, "seq {seq} was pushed behind {}", self.last_seq);
            self.last_seq = seq;
            self.pushed.insert(id_of(&frame[1]["tweet"]));
            self.n_pushes += 1;
        } else if frame[0] == "tweet/gone" {
            let seq = frame[1]["seq"].as_u64().expect("a seq");
            assert!(seq >= self.last_seq, "seq {seq} was gone behind {}", self.last_seq);
            self.last_seq = seq;
            self.pushed.remove(&id_of(&frame[1]));
        }
    }
}

fn id_of(tweet: &Value) -> u64 {
    tweet["id_str"].as_str().expect("an id_str").parse().expect("a number")
}

/// Every tweet that a search finds, from all pages.
async fn find_all(server: &Server) -> Vec<u64> {
    let mut ids = Vec::new();
    let mut before = String::new();
    loop {
        let page = server.get(&format!("/api/search?q=kept&n=1000{before}")).await;
        ids.extend(page["result"].as_array().expect("tweets").iter().map(id_of));
        if let Some(next) = page["next"].as_str() {
            before = format!("&before_id={next}");
        } else {
            assert_eq!(page["total"].as_u64(), u64::try_from(ids.len()).ok(), "the total is that of all pages");
            return ids;
        }
    }
}

/// Kills a server under load again and again. Everything is drawn from the seed but the speed of
/// the machine.
async fn kill_again_and_again(index: &Path, seed: u64, rounds: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut feeders: Vec<Feeder> = (0..FEEDERS).map(|number| Feeder::new(number, seed ^ number)).collect();
    let mut reader = Reader::default();
    let mut epoch = Value::Null;
    for round in 0..=rounds {
        let started = Instant::now();
        // Short commits: many moments are in the middle of one.
        let server = Server::start_with(index, &["--set", "index.commit_interval_ms=20"]);
        let ready = crate::support::get(format!("{}/readyz", server.url)).await.expect("perch answers");
        assert_eq!(ready.status().as_u16(), 200);
        assert!(started.elapsed() < Duration::from_secs(5), "ready after {:?}", started.elapsed());

        let stats = server.get("/api/stats").await;
        assert!(round == 0 || stats["epoch"] == epoch, "the epoch changed");
        epoch = stats["epoch"].clone();
        let found = find_all(&server).await;
        assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "a tweet is there twice");
        let found: BTreeSet<u64> = found.into_iter().collect();
        let acknowledged: BTreeSet<u64> = feeders.iter().flat_map(|feeder| feeder.acknowledged.clone()).collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "seed {seed}, round {round}: lost {lost:?}");
        let deleted: BTreeSet<u64> = feeders.iter().flat_map(|feeder| feeder.deleted.clone()).collect();
        let back: Vec<_> = deleted.intersection(&found).collect();
        assert!(back.is_empty(), "seed {seed}, round {round}: deleted and there {back:?}");
        for id in &found {
            assert!(id % IDS < feeders[usize::try_from(id / IDS).expect("small")].next, "{id} was never sent");
        }
        let used = feeders.iter().map(|feeder| feeder.last_seq).max().max(Some(reader.last_seq));
        assert!(stats["seq"].as_u64() >= used, "seqs are used again: {stats}, {used:?} was named");
        let mut client = reader.connect(&server, &epoch).await;
        reader.read_all(&mut client, &acknowledged, &deleted).await;
        if round == rounds {
            break;
        }

        // The test varies the moment: a number of pushes, and then some spins, which fall
        // anywhere between two of the server's steps.
        let (pushes, spins) = (random.random_range(0..400), random.random_range(0..2_000_000_u32));
        reader.ends_after = pushes;
        let kill = || {
            (0..spins).for_each(|at| {
                std::hint::black_box(at);
            });
            kill_now(&server);
        };
        let feed = futures_util::future::join_all(feeders.iter_mut().map(|feeder| feeder.feed(&server.url)));
        tokio::join!(feed, reader.read(client, kill));
        server.kill();
    }
    let acknowledged: BTreeMap<u64, usize> =
        feeders.iter().map(|feeder| (feeder.number, feeder.acknowledged.len())).collect();
    eprintln!("seed {seed}: {rounds} kills, acknowledged by feeder: {acknowledged:?}, pushed: {}", reader.pushed.len());
    assert!(rounds < 5 || acknowledged.values().sum::<usize>() > 0, "nothing was acknowledged: the test tests nothing");
}

fn kill_now(server: &Server) {
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-KILL", &server.child.id().to_string()]).status().expect("kill runs").success());
}

/// A batch of tweets with texts that can't be packed well.
fn long_tweets(random: &mut StdRng, first: u64, n: u64) -> String {
    let mut text = || (0..30).map(|_| format!(" {:x}", random.random::<u32>())).collect::<String>();
    (first..first + n).map(|id| format!("{}\n", tweet(id, &format!("kept{}", text())))).collect()
}

async fn ingest(server: &Server, body: String) -> (u16, Value) {
    let post = crate::support::client().post(format!("{}/api/tweets", server.url)).body(body);
    let answer = post.send().await.expect("perch answers");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Tweets of a request that fills a disk.
const BATCH: u64 = 200;

/// Sends tweets until five requests in a row have been refused: what perch deletes of its own files
/// may make room for a few more. Adds the ids of those that were taken.
async fn fill(server: &Server, random: &mut StdRng, next: &mut u64, kept: &mut BTreeSet<u64>) {
    let mut refused = 0;
    while refused < 5 {
        let (status, answer) = ingest(server, long_tweets(random, *next, BATCH)).await;
        if status == 200 {
            kept.extend(*next..*next + BATCH);
            refused = 0;
        } else {
            assert_eq!((status, &answer["accepted"]), (507, &json!(0)), "{answer}");
            assert_eq!(answer["error"]["code"], "no_space", "{answer}");
            refused += 1;
        }
        *next += BATCH;
        assert!(*next < 100_000, "the disk does not fill");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_ingestion_only_and_ends_with_space() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).expect("made");
    let Some(server) = Server::start_on_disk(&disk, "6m") else {
        eprintln!("no disk of its own can be mounted here: only the unit tests of `index` know what a full one does");
        return;
    };
    let ballast = server.outside(&disk.join("ballast"));
    std::fs::write(&ballast, vec![0; 4 << 20]).expect("there is space");
    let address = server.url.strip_prefix("http://").expect("http");
    let mut reader = Client::open(address).await;
    reader.percolate(json!({"query": "kept"})).await;

    // The tweets fill it.
    let mut random = StdRng::seed_from_u64(7);
    let mut kept = BTreeSet::new();
    let mut next = 1;
    fill(&server, &mut random, &mut next, &mut kept).await;
    assert!(!kept.is_empty());

    // Nobody is sent here to bring tweets, and everything else goes on.
    let ready = async |server: &Server| {
        let answer = crate::support::get(format!("{}/readyz", server.url)).await.expect("perch answers");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON")["reason"].clone())
    };
    assert_eq!(ready(&server).await, (503, json!("no space left for the index")));
    assert_eq!(find_all(&server).await.into_iter().rev().collect::<Vec<_>>(), kept.iter().copied().collect::<Vec<_>>());
    assert_eq!(server.get("/healthz").await, json!({"alive": true}));
    let mut pushed = reader.settle().await.iter().map(|push| id_of(&push["tweet"])).collect::<BTreeSet<_>>();
    pushed.retain(|id| kept.contains(id));
    while pushed.len() < kept.len() {
        pushed.insert(id_of(&reader.tweet().await["tweet"]));
        pushed.retain(|id| kept.contains(id));
    }

    // A client that sends all of a body before it reads sees the refusal.
    let body: String = (1_000_000..1_100_000).map(|id| format!("{}\n", tweet(id, "early"))).collect();
    let head = crate::early_answers::post("/api/tweets", "", body.len());
    let address = server.url.strip_prefix("http://").and_then(|address| address.parse().ok()).expect("an address");
    let answer = crate::early_answers::send_body_then_read(address, head, body.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 507 ") && answer.contains("no_space"), "{answer}");

    // A start is no worse: what is there is served, and the disk is still full.
    let server = server.restart_on_disk(&disk);
    let ballast = server.outside(&disk.join("ballast"));
    assert_eq!(find_all(&server).await.into_iter().rev().collect::<Vec<_>>(), kept.iter().copied().collect::<Vec<_>>());
    fill(&server, &mut random, &mut next, &mut kept).await;
    assert_eq!(ready(&server).await, (503, json!("no space left for the index")));
    assert_eq!(find_all(&server).await.into_iter().rev().collect::<Vec<_>>(), kept.iter().copied().collect::<Vec<_>>());

    // With space back it is ready by itself, and the next request is taken.
    std::fs::remove_file(&ballast).expect("removed");
    until(async || ready(&server).await.0 == 200).await;
    let (status, answer) = ingest(&server, long_tweets(&mut random, next, BATCH)).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(BATCH)), "{answer}");
    kept.extend(next..next + BATCH);
    assert_eq!(find_all(&server).await.into_iter().rev().collect::<Vec<_>>(), kept.into_iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_under_a_server_serves() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (index, copy) = (dir.path().join("index"), dir.path().join("copy"));
    let server = Server::start(&index);
    let mut random = StdRng::seed_from_u64(1);
    let (status, _) = ingest(&server, long_tweets(&mut random, 1, 100)).await;
    assert_eq!(status, 200);
    let search = crate::support::client().put(format!("{}/api/searches/kept", server.url));
    assert_eq!(search.json(&json!({"query": "kept"})).send().await.expect("an answer").status(), 201);
    let run = |command: &[&str], index: &Path| {
        let output = perch().args(command).arg("--index-dir").arg(index).output().expect("perch runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let to = copy.display().to_string();
    let (code, said) = run(&["backup", &to], &index);
    assert!(code == Some(0) && said.starts_with("copied: 100 tweets") && said.contains("saved searches: 1"), "{said}");
    let (code, said) = run(&["backup", &to], &index);
    assert!(code == Some(1) && said.contains("not empty"), "{said}");
    for command in ["check-index", "reindex"] {
        let (code, said) = run(&[command], &index);
        assert!(code == Some(1) && said.contains("another perch uses"), "{said}");
        let (code, said) = run(&[command], &copy);
        assert!(code == Some(0) && said.contains(": 100 tweets"), "{said}");
        let (code, said) = run(&[command], dir.path());
        assert!(code == Some(1) && said.contains("there is no index"), "{said}");
    }
    let (status, _) = ingest(&server, long_tweets(&mut random, 101, 100)).await;
    assert_eq!((status, find_all(&server).await.len()), (200, 200));
    let restored = Server::start(&copy);
    assert_eq!(find_all(&restored).await, (1..=100).rev().collect::<Vec<_>>());
    assert_eq!(restored.get("/api/searches/kept").await["query"], "kept");
    let epochs = [server.get("/api/stats").await["epoch"].clone(), restored.get("/api/stats").await["epoch"].clone()];
    assert_ne!(epochs[0], epochs[1], "positions of one mean nothing in the other");
}

/// `PERCH_LONG_TESTS=1` makes it a hundred kills.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills_at_random_moments() {
    let indexes = if std::env::var_os("PERCH_LONG_TESTS").is_some() { 10 } else { 1 };
    let rounds = if indexes > 1 { 10 } else { 5 };
    for seed in 0..indexes {
        let dir = tempfile::tempdir().expect("a temporary directory");
        kill_again_and_again(&dir.path().join("index"), seed, rounds).await;
    }
}
