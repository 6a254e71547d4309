//! Samples of the cost of queries.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::ids::QueryKey;
use crate::percolator::*;
use crate::query::arbitrary::{ast, parts};
use crate::schema::Schema;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_local_rejects: u32::MAX, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn every_match_is_a_candidate_and_none_is_repeated(
        queries in prop::collection::vec(ast(), 1..30), batch in prop::collection::vec(parts(), 1..6),
    ) {
        for kind in ENGINES {
            let mut engine = (kind.build)(&EngineOptions::default());
            for (key, ast) in (0..).zip(&queries) {
                engine.insert(QueryKey(key), ast);
            }
            for parts in &batch {
                let doc = parts.doc();
                let percolate = |engine: &mut Box<dyn Engine>| {
                    let mut matches = Matches::default();
                    engine.percolate(&[&doc], &mut matches);
                    matches.pairs().map(|(_, key)| key.0).collect::<BTreeSet<_>>()
                };
                let before = percolate(&mut engine);
                let mut candidates = Vec::new();
                engine.inspect(&doc, &mut candidates);
                let inspected: BTreeSet<_> = candidates.iter().map(|(key, _)| key.0).collect();
                prop_assert_eq!(inspected.len(), candidates.len(), "{}: a candidate is repeated: {:?}", kind.name, candidates);
                prop_assert!(inspected.is_superset(&before), "{}: {:?} match, {:?} are candidates", kind.name, before, inspected);
                prop_assert!(inspected.iter().all(|&key| (key as usize) < queries.len()));
                prop_assert_eq!(percolate(&mut engine), before, "{}: inspecting changed the engine", kind.name);
            }
        }
    }
}

#[test]
fn only_queries_whose_keys_the_document_contains_are_candidates() {
    let schema = Schema::tweet();
    let mut engine = Compiled::new(&EngineOptions::default());
    let limits = crate::query::QueryLimits::default();
    for (key, text) in (0..).zip(["rust", "java", "rust jobs well paid", "rust OR go", "/r.st/", "/[^a-z]+/", "go*"]) {
        let query = crate::query::Query::parse(text, schema, &limits).expect("a query");
        engine.insert(QueryKey(key), query.ast());
    }
    let mut builder = crate::doc::DocBuilder::new(schema);
    builder.text(crate::schema::tweet::TEXT, "rust jobs well paid");
    let mut candidates = Vec::new();
    engine.inspect(builder.doc(), &mut candidates);
    candidates.sort_unstable();
    // A pattern without a fixed character is tested on every document.
    assert_eq!(candidates.iter().map(|(key, _)| key.0).collect::<Vec<_>>(), [0, 2, 3, 4, 5]);
    // Whether the others take time depends on the resolution of the clock.
    let mut plain = candidates.iter().filter(|(key, _)| [0, 3].contains(&key.0));
    assert!(plain.all(|(_, time)| time.is_zero()), "a candidate that needs no decision takes no time: {candidates:?}");
}
