use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::doc::{Doc, DocBuilder};
use crate::index::Index;
use crate::index::tests::options;
use crate::query::Ast;
use crate::schema::{Schema, tweet};
use crate::tweet::{AnalyzedTweet, SequencedTweet, TweetKey};

/// A tweet in short: id, whether it matches, tags, when it was written.
type Short = (u64, bool, Vec<&'static str>, Option<i64>);

fn open(dir: &Path) -> Index {
    Index::open(&options(dir)).unwrap()
}

fn doc((_, matches, tags, time): &Short) -> Doc {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, if *matches { "rust" } else { "java" });
    for tag in tags {
        builder.text(tweet::HASHTAG, tag);
    }
    if let Some(time) = time {
        builder.integer(tweet::CREATED, *time);
    }
    builder.finish()
}

fn append(index: &Index, tweets: &[Short]) -> Seq {
    let first = index.take_seqs(tweets.len()).unwrap();
    let items: Vec<SequencedTweet> = (first.0..)
        .map(Seq)
        .zip(tweets)
        .map(|(seq, short)| SequencedTweet {
            seq,
            tweet: Arc::new(AnalyzedTweet {
                id: short.0,
                key: TweetKey::of_number(short.0),
                json: "{}".into(),
                doc: doc(short),
                is_deleted: false,
            }),
        })
        .collect();
    let last = items[items.len() - 1].seq;
    index.append(items.into(), None);
    last
}

fn search() -> CompiledSearch {
    CompiledSearch::new(&Ast::Term { field: tweet::TEXT, term: "rust".into() })
}

#[test]
fn every_interval_divides_the_next() {
    for pair in INTERVALS_MS.windows(2) {
        assert!(pair[1] > pair[0] && pair[1] % pair[0] == 0, "{pair:?}");
    }
}

#[test]
fn intervals_grow_until_the_buckets_are_few() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    // One a minute for two hours, before and after 1970.
    let tweets: Vec<Short> =
        (0..120).map(|n: i64| (n.unsigned_abs() + 1, true, vec![], Some((n - 60) * 60_000))).collect();
    append(&index, &tweets);
    let snapshot = index.snapshot();
    for (n, interval_ms, buckets) in
        [(1_000, 1_000, 120), (119, 300_000, 24), (24, 300_000, 24), (5, 1_800_000, 4), (1, 31_449_600_000, 2)]
    {
        let found = snapshot.over_time(&search(), tweet::CREATED, None, n).unwrap();
        assert_eq!((found.total, found.interval_ms, found.buckets.len()), (120, interval_ms, buckets), "{n}");
        assert_eq!(found.buckets.iter().map(|(_, count)| count).sum::<u64>(), 120);
        assert!(found.buckets.iter().all(|(start, _)| start % interval_ms == 0));
    }
}

#[test]
fn words_are_counted_once_a_tweet() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    append(&index, &[(1, true, vec![], None), (2, true, vec![], None)]);
    index.commit_now().unwrap();
    append(&index, &[(3, true, vec![], None), (4, false, vec![], None)]);
    let everything = CompiledSearch::new(&Ast::All);
    let found = index.snapshot().top_terms(&everything, tweet::TEXT, None, 10).unwrap();
    assert_eq!(found, TopTerms { total: 4, buckets: vec![("rust".to_owned(), 3), ("java".to_owned(), 1)] });
}

#[test]
fn nothing_matches_nothing() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    append(&index, &[(1, false, vec!["a"], Some(0))]);
    for _ in 0..2 {
        let snapshot = index.snapshot();
        assert_eq!(snapshot.over_time(&search(), tweet::CREATED, None, 10).unwrap().buckets, []);
        assert_eq!(snapshot.top_terms(&search(), tweet::HASHTAG, None, 10).unwrap(), TopTerms::default());
        index.commit_now().unwrap();
    }
}

#[test]
fn the_most_frequent_terms_come_first() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    append(&index, &[(1, true, vec!["b", "a"], None), (2, true, vec!["b", "c", "b"], None)]);
    index.commit_now().unwrap();
    append(&index, &[(3, true, vec!["c", "c"], None), (4, true, vec!["b"], None), (5, true, vec![], None)]);
    let top = |n| index.snapshot().top_terms(&search(), tweet::HASHTAG, None, n).unwrap();
    let owned = |terms: &[(&str, u64)]| terms.iter().map(|&(term, count)| (term.to_owned(), count)).collect::<Vec<_>>();
    assert_eq!(top(10), TopTerms { total: 5, buckets: owned(&[("b", 3), ("c", 2), ("a", 1)]) });
    assert_eq!(top(2), TopTerms { total: 5, buckets: owned(&[("b", 3), ("c", 2)]) });
    assert_eq!(top(0), TopTerms { total: 5, buckets: vec![] });
}

fn short() -> impl Strategy<Value = Short> {
    let tag = prop::sample::select(vec!["a", "b", "c", "d"]);
    (1..30_u64, any::<bool>(), vec(tag, 0..4), prop::option::of(-100_000..100_000_i64))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// What a plain count of the newest versions says, whatever is committed.
    #[test]
    fn an_aggregation_is_what_a_plain_count_says(
        batches in vec((vec(short(), 1..12), any::<bool>()), 1..8),
        look_back in 0..20_u64,
    ) {
        let dir = TempDir::new().unwrap();
        let index = open(dir.path());
        let mut newest: BTreeMap<u64, (Seq, Short)> = BTreeMap::new();
        let mut last = Seq::ZERO;
        for (tweets, commit) in &batches {
            last = append(&index, tweets);
            for (at, short) in tweets.iter().enumerate() {
                newest.insert(short.0, (Seq(last.0 - (tweets.len() - 1 - at) as u64), short.clone()));
            }
            if *commit {
                index.commit_now().unwrap();
            }
        }
        for until in [None, Some(Seq(last.0.saturating_sub(look_back)))] {
            let matching: Vec<&Short> = (newest.values())
                .filter(|(seq, short)| short.1 && until.is_none_or(|until| *seq <= until))
                .map(|(_, short)| short)
                .collect();
            let mut terms: BTreeMap<&str, u64> = BTreeMap::new();
            let mut times: BTreeMap<i64, u64> = BTreeMap::new();
            for (_, _, tags, time) in &matching {
                for tag in tags.iter().collect::<BTreeSet<_>>() {
                    *terms.entry(tag).or_default() += 1;
                }
                if let Some(time) = time {
                    *times.entry(time.div_euclid(1_000) * 1_000).or_default() += 1;
                }
            }
            let snapshot = index.snapshot();
            let top = snapshot.top_terms(&search(), tweet::HASHTAG, until, 10).unwrap();
            prop_assert_eq!(top.total, matching.len() as u64);
            let found: BTreeMap<&str, u64> = top.buckets.iter().map(|(term, count)| (term.as_str(), *count)).collect();
            prop_assert_eq!(&found, &terms);
            let mut all: Vec<(String, u64)> = terms.iter().map(|(term, count)| ((*term).to_owned(), *count)).collect();
            all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            for n in 0..4 {
                let top = snapshot.top_terms(&search(), tweet::HASHTAG, until, n).unwrap();
                prop_assert_eq!(&top.buckets[..], &all[..n.min(all.len())]);
            }
            let over_time = snapshot.over_time(&search(), tweet::CREATED, until, 1_000).unwrap();
            prop_assert_eq!(over_time.total, matching.len() as u64);
            prop_assert_eq!(over_time.buckets, times.into_iter().collect::<Vec<_>>());
        }
    }
}
