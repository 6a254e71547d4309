//! The budget of a document, and what happens when it is exhausted.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::doc::{Doc, DocBuilder};
use crate::ids::QueryKey;
use crate::percolator::*;
use crate::query::arbitrary::{ast, parts};
use crate::query::{self, Query, QueryLimits};
use crate::schema::Schema;
use crate::schema::tweet;

fn text(text: &str) -> Doc {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, text);
    builder.finish()
}

fn bounded(max_steps: u64, queries: &[String]) -> Compiled {
    let mut engine = Compiled::new(&EngineOptions { max_steps, ..EngineOptions::default() });
    for (key, text) in (0..).zip(queries) {
        let query = Query::parse(text, Schema::tweet(), &QueryLimits::default()).expect("a query");
        engine.insert(QueryKey(key), query.ast());
    }
    engine
}

/// Pairs of a document and a query.
type Pairs = BTreeSet<(u32, u32)>;

/// The matches, the undecided pairs, and the steps.
fn percolate(engine: &mut Compiled, docs: &[&Doc]) -> (Pairs, Pairs, u64) {
    let mut matches = Matches::default();
    engine.percolate(docs, &mut matches);
    let undecided = matches.undecided().iter().map(|&(doc, key)| (doc, key.0)).collect();
    (matches.pairs().map(|(doc, key)| (doc, key.0)).collect(), undecided, matches.steps)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_local_rejects: u32::MAX, ..ProptestConfig::with_cases(200) })]

    /// Whatever the budget: reported pairs match, and matching pairs are reported or undecided.
    #[test]
    fn no_match_is_lost_or_wrong(
        queries in prop::collection::vec(ast(), 1..30),
        batch in prop::collection::vec(parts(), 1..40),
        max_steps in prop_oneof![1_u64..200, 200_u64..20_000],
        threads in 1_usize..3,
    ) {
        let thresholds = Thresholds::small();
        let options = EngineOptions { threads, max_steps, thresholds, ..EngineOptions::default() };
        let mut engine = Compiled::new(&options);
        for (key, ast) in (0..).zip(&queries) {
            engine.insert(QueryKey(key), ast);
        }
        let docs: Vec<Doc> = batch.iter().map(crate::query::arbitrary::Parts::doc).collect();
        for _ in 0..2 {
            let (found, undecided, _) = percolate(&mut engine, &docs.iter().collect::<Vec<_>>());
            let mut expected = BTreeSet::new();
            for (at, doc) in (0_u32..).zip(&docs) {
                let matching = (0_u32..).zip(&queries).filter(|(_, ast)| query::matches(ast, doc));
                expected.extend(matching.map(|(key, _)| (at, key)));
            }
            prop_assert!(found.is_subset(&expected), "wrong: {:?}", found.difference(&expected));
            let reported: BTreeSet<_> = found.union(&undecided).copied().collect();
            prop_assert!(reported.is_superset(&expected), "lost: {:?}", expected.difference(&reported));
        }
    }
}

/// Many patterns with next to no fixed characters, none of which matches, and a text as long as a
/// tweet may be.
#[test]
fn the_work_of_one_document_is_bounded() {
    // All have a character that ends each word, with something required after it.
    let letter = |n: usize| ["w", "o", "r", "d", "*w"][n % 5];
    let queries: Vec<String> = (0..1_788)
        .map(|n| {
            let [a, b, c, d, e] = [n, n / 5, n / 25, n / 125, n / 625].map(letter);
            match n % 20 {
                19 => format!("/.*x.*[{n}]{{2}}.*[wx].?/"),
                _ => format!("*x*{a}*{b}*{c}*{d}*{e}*"),
            }
        })
        .chain((0..200).map(|n| format!("word{n}x*")))
        .chain(["\"word1x word2x\"~50".to_owned(), "word7x".to_owned(), "word7x *x7*".to_owned()])
        .collect();
    let words: Vec<String> = (0..40_000).map(|n| format!("word{n}x")).collect();
    let long = text(&words.join(" "));
    let short = text("what a short text that says word7x and then some");
    let mut engine = bounded(MAX_STEPS, &queries);
    // Also in a batch, and with patterns that are cached.
    for docs in [&[&long][..], &[&short, &long, &long, &short]] {
        let (found, undecided, steps) = percolate(&mut engine, docs);
        // The patterns of its terms, once in vain, and what programs evaluate; and the step that
        // was one too many.
        let most = (3 * MAX_STEPS + 100_000) * docs.len() as u64;
        assert!(steps <= most, "{steps} steps for {} documents", docs.len());
        for (at, doc) in (0_u32..).zip(docs) {
            let is = |of: &Pairs, key: u32| of.contains(&(at, key));
            if std::ptr::eq(*doc, &raw const long) {
                assert!(is(&undecided, 0), "there are too many of these patterns");
                assert!((1_788..1_988).all(|key| is(&found, key)), "others are decided");
            }
            let word = 1_989;
            assert!(is(&found, word) && !is(&undecided, word), "words cost nothing");
        }
        assert!(undecided.iter().all(|&(at, _)| std::ptr::eq(docs[at as usize], &raw const long)));
    }
}

/// A pattern is not tested on a term that lacks one of its characters, nor again once it has
/// matched.
#[test]
fn a_long_document_costs_less_than_testing_each_pattern_on_each_term() {
    let words: Vec<String> = (0..5_000).map(|n| format!("abc{n}")).collect();
    let doc = text(&words.join(" "));
    let matching: Vec<String> = (0..500).map(|n| format!("*{}*c*", n % 9 + 1)).collect();
    let other: Vec<String> = ('d'..='z').flat_map(|a| ('d'..='z').map(move |b| format!("*{a}*{b}*1*"))).collect();
    for queries in [matching, other] {
        let (_, undecided, steps) = percolate(&mut bounded(u64::MAX, &queries), &[&doc]);
        assert!(undecided.is_empty());
        let each = 5_000 * queries.len() as u64 * 20;
        assert!(steps * 5 < each, "{steps} steps, {each} for testing each");
    }
}
