use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::doc::DocBuilder;

fn parse(text: &str) -> Result<Query, Diagnostics> {
    Query::parse(text, Schema::tweet(), &QueryLimits::default())
}

fn canonical(text: &str) -> String {
    match parse(text) {
        Ok(query) => query.canonical().to_owned(),
        Err(diagnostics) => panic!("{text}\n{diagnostics}"),
    }
}

#[test]
fn zz_smoke() {
    for line in std::fs::read_to_string("/tmp/q.txt").unwrap().lines() {
        match parse(line) {
            Ok(q) => eprintln!("{line:50} => {}", q.canonical()),
            Err(d) => eprintln!("{line:50} !! {d}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_canonical_form_is_read_back(ast in arbitrary::ast()) {
        let query = Query::from_ast(ast, Schema::tweet(), &QueryLimits::NONE).unwrap();
        let again = parse(query.canonical()).unwrap();
        prop_assert_eq!(&again, &query, "{}", query.canonical());
    }

    #[test]
    fn normalizing_keeps_the_meaning(ast in arbitrary::ast(), docs in prop::collection::vec(arbitrary::parts(), 1..6)) {
        let query = Query::from_ast(ast.clone(), Schema::tweet(), &QueryLimits::NONE).unwrap();
        for parts in docs {
            prop_assert_eq!(matches(&ast, &parts.doc()), matches(query.ast(), &parts.doc()), "{:?}", parts);
        }
    }
}
