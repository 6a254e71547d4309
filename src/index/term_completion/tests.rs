use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::MAX_TERMS;
use crate::coop::testing::{steps, stop_at};
use crate::ids::Seq;
use crate::index::tests::options;
use crate::index::{Index, Snapshot};
use crate::schema::tweet as field;
use crate::tweet::{self, SequencedTweet};

fn open(dir: &Path) -> Index {
    Index::open(&options(dir)).unwrap()
}

fn append(index: &Index, tweets: &[(u64, &str)]) {
    let first = index.take_seqs(tweets.len()).unwrap();
    let items: Vec<SequencedTweet> = (first.0..)
        .zip(tweets)
        .map(|(seq, (id, text))| {
            let json = format!(r#"{{"id":{id},"text":"{text}"}}"#);
            let tweet = tweet::analyze(&tweet::read(json.as_bytes()).unwrap());
            SequencedTweet { seq: Seq(seq), tweet: Arc::new(tweet) }
        })
        .collect();
    index.append(items.into(), None);
}

fn terms(snapshot: &Snapshot, prefix: &str, n: usize) -> Vec<(String, u64)> {
    snapshot.complete(field::TEXT, prefix, [], n).unwrap()
}

fn words(terms: &[(String, u64)]) -> Vec<(&str, u64)> {
    terms.iter().map(|(term, count)| (term.as_str(), *count)).collect()
}

#[test]
fn segments_and_tail_are_counted_together() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    append(&index, &[(1, "rust ruby rust"), (2, "Rust java")]);
    index.commit_now().unwrap();
    append(&index, &[(3, "rust rubber")]);
    index.commit_now().unwrap();
    append(&index, &[(4, "ruby rust rust"), (5, "über")]);
    let snapshot = index.snapshot();
    assert_eq!(words(&terms(&snapshot, "ru", 9)), [("rust", 4), ("ruby", 2), ("rubber", 1)]);
    assert_eq!(words(&terms(&snapshot, "ru", 1)), [("rust", 4)]);
    assert_eq!(words(&terms(&snapshot, "rust", 9)), [("rust", 4)]);
    assert_eq!(words(&terms(&snapshot, "ub", 9)), [("uber", 1)]);
    assert!(terms(&snapshot, "x", 9).is_empty() && terms(&snapshot, "rust\u{10ffff}", 9).is_empty());
    assert_eq!(terms(&snapshot, "", 99).len(), 5);
}

#[test]
fn a_likely_term_is_found_behind_more_terms_than_are_read() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    let text = |at: usize| (at * 50..at * 50 + 50).map(|at| format!("aa{at:06}")).collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = (0..MAX_TERMS / 50 + 2).map(|at| format!("{} azure", text(at))).collect();
    let tweets: Vec<(u64, &str)> = (1..).zip(texts.iter().map(String::as_str)).collect();
    append(&index, &tweets);
    index.commit_now().unwrap();
    let snapshot = index.snapshot();
    let complete = |likely: &[&str]| snapshot.complete(field::TEXT, "a", likely.iter().copied(), 1).unwrap();
    let n = tweets.len() as u64;
    assert_eq!(words(&complete(&["azure", "azores", "berlin"])), [("azure", n)]);
    assert_eq!(words(&complete(&[])), [("aa000000", 1)], "the limit of terms holds");
    assert_eq!(words(&terms(&snapshot, "az", 9)), [("azure", n)]);
    let all = steps(|| snapshot.complete(field::TEXT, "a", ["azure"], 1).map(drop));
    for at in (0..50).map(|part| 1 + all * part / 50) {
        assert!(stop_at(at, || snapshot.complete(field::TEXT, "a", ["azure"], 1)).result.is_err(), "{at} of {all}");
    }
}

#[test]
fn a_deleted_tweet_counts_until_its_segment_is_merged() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    append(&index, &[(1, "rust"), (2, "rust")]);
    index.commit_now().unwrap();
    let first = index.take_seqs(1).unwrap();
    let gone = SequencedTweet { seq: first, tweet: Arc::new(tweet::deletion("1")) };
    index.append(Arc::new([gone]), None);
    index.commit_now().unwrap();
    assert_eq!(words(&terms(&index.snapshot(), "ru", 9)), [("rust", 2)]);
}
