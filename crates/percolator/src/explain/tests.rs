use proptest::prelude::*;

use super::*;
use crate::query::arbitrary::{ast, parts};
use crate::query::{QueryLimits, matches};

fn parse(text: &str) -> Query {
    // Also queries that nothing can match are explained.
    Query::from_canonical(text, Schema::tweet()).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_local_rejects: u32::MAX, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn what_is_explained_is_what_matches(ast in ast(), parts in parts()) {
        let query = Query::from_ast(ast, Schema::tweet(), &QueryLimits::default()).expect("it is checked");
        let doc = parts.doc();
        let explanation = explain(&query, &doc, Schema::tweet());
        prop_assert_eq!(explanation.matches(), matches(query.ast(), &doc), "{:?} over {:?}", query.ast(), parts);
        prop_assert!(explanation.matches() || explanation.parts.is_empty());
        for part in &explanation.parts {
            // Each part holds alone, and all together suffice for a query without other parts.
            prop_assert!(matches(parse(&part.text).ast(), &doc), "{} over {:?}", part.text, parts);
        }
        if let Some(failed) = &explanation.failed {
            prop_assert!(!matches(parse(&failed.text).ast(), &doc), "{} over {:?}", failed.text, parts);
            let there = &query.canonical()[failed.at.clone()];
            prop_assert!(there == failed.text || there == format!("({})", failed.text), "{} in {}", failed.text, query.canonical());
            prop_assert!(failed.excluded.iter().all(|part| matches(parse(&part.text).ast(), &doc)));
        }
    }
}
