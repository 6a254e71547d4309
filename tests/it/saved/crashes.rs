//! Deliveries through kills at any moment, with receivers that fail at random.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::receiver::{Answer, Receiver, Request, ids};
use crate::support::process::Server;
use crate::support::{tweet, until};

const RECEIVERS: usize = 3;

/// What a receiver has got.
#[derive(Default)]
struct Ledger {
    /// The last seq of each batch by its id, and the order of first arrivals.
    batches: HashMap<String, u64>,
    last_seq: u64,
    got: BTreeSet<String>,
}

impl Ledger {
    fn take(&mut self, request: &Request) {
        let events = request.events();
        let seqs: Vec<u64> = events.iter().map(|event| event[1]["seq"].as_u64().expect("a seq")).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
        if !self.batches.contains_key(&request.id) {
            // Only a batch that was sent before has seqs again.
            assert!(seqs[0] > self.last_seq, "{seqs:?} after {} in a new batch", self.last_seq);
            self.last_seq = *seqs.last().expect("an event");
            self.batches.insert(request.id.clone(), self.last_seq);
        }
        if (200..300).contains(&request.status) {
            self.got.extend(ids(&events));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_after_kills_and_repeats_have_their_ids() {
    let runs = if std::env::var_os("PERCH_LONG_TESTS").is_some() { 100 } else { 6 };
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let arguments = ["--set", "deliveries.allow_private_addresses=true", "--set", "index.commit_interval_ms=50"];
    let mut receivers = Vec::new();
    for _ in 0..RECEIVERS {
        receivers.push(Receiver::start().await);
    }
    let mut ledgers: Vec<Ledger> = (0..RECEIVERS).map(|_| Ledger::default()).collect();
    let mut sent: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut next = 1;
    let http = crate::support::client();
    for run in 0..=runs {
        let server = Server::start_with(dir.path(), &arguments);
        if run == 0 {
            for (at, receiver) in receivers.iter().enumerate() {
                let search = json!({"query": format!("r{at}"), "deliver": [{"type": "webhook", "url": receiver.url}]});
                let answer = http.put(format!("{}/api/searches/s{at}", server.url)).json(&search).send().await;
                assert_eq!(answer.expect("an answer").status(), 201);
            }
        }
        for receiver in &receivers {
            for _ in 0..random.random_range(0..3) {
                receiver.answer_next(match random.random_range(0..3) {
                    0 => Answer::status(500),
                    1 => Answer::Hangup,
                    _ => Answer::status(204),
                });
            }
        }
        for _ in 0..random.random_range(1..6) {
            let mut body = String::new();
            let mut batch = Vec::new();
            for _ in 0..random.random_range(1..40) {
                let at = random.random_range(0..RECEIVERS);
                writeln!(body, "{}", tweet(next, &format!("r{at}"))).expect("a string takes everything");
                batch.push((at, next.to_string()));
                next += 1;
            }
            let answer = http.post(format!("{}/api/tweets", server.url)).body(body).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            for (at, id) in batch {
                sent.entry(at).or_default().insert(id);
            }
        }
        if run == runs {
            // The last server lives until everything has arrived.
            for (at, (receiver, ledger)) in std::iter::zip(&mut receivers, &mut ledgers).enumerate() {
                let expected = sent.get(&at).cloned().unwrap_or_default();
                while !ledger.got.is_superset(&expected) {
                    ledger.take(&receiver.next().await);
                }
                let path = format!("/api/searches/s{at}");
                until(async || {
                    let saved: Value = server.get(&path).await;
                    saved["state"] == "live"
                })
                .await;
            }
        } else {
            // The kill comes at once, or when a receiver has one of the next requests and the
            // answer is under way.
            let at = random.random_range(0..RECEIVERS);
            let (receiver, ledger) = (&mut receivers[at], &mut ledgers[at]);
            for _ in 0..random.random_range(0..4) {
                if sent.get(&at).is_some_and(|sent| !ledger.got.is_superset(sent)) {
                    ledger.take(&receiver.next().await);
                }
            }
        }
        server.kill();
        for (receiver, ledger) in std::iter::zip(&mut receivers, &mut ledgers) {
            receiver.drain().iter().for_each(|request| ledger.take(request));
        }
    }
}
