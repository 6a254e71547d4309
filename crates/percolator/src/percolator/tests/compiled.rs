//! Which documents make a query a candidate in the compiled engine; and that memory is freed.

use std::ops::Bound;

use crate::doc::{Doc, DocBuilder};
use crate::ids::QueryKey;
use crate::percolator::*;
use crate::query::{Ast, Phrase};
use crate::schema::Schema;
use crate::schema::{FieldId, tweet};

fn word(term: &str) -> Ast {
    Ast::Term { field: tweet::TEXT, term: term.to_owned() }
}

fn phrase(words: &str) -> Ast {
    let terms = words.split(' ').map(str::to_owned).collect();
    Ast::Phrase(Phrase { field: tweet::TEXT, terms, slop: 0, last_is_prefix: false })
}

/// An engine with these queries.
fn engine(queries: &[Ast]) -> Compiled {
    let mut engine = Compiled::new(&EngineOptions::default());
    for (key, ast) in (0..).zip(queries) {
        engine.insert(QueryKey(key), ast);
    }
    engine
}

/// The numbers of candidates and matches of a text.
fn candidates(engine: &mut Compiled, text: &str) -> (u64, usize) {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, text);
    builder.integer(tweet::FOLLOWERS, 1_000);
    let mut matches = Matches::default();
    engine.percolate(&[builder.doc()], &mut matches);
    (matches.candidates, matches.len())
}

#[test]
fn a_phrase_is_a_candidate_only_where_its_terms_are_adjacent() {
    let mut engine = engine(&[phrase("new york"), phrase("in new york")]);
    assert_eq!(candidates(&mut engine, "york is not new in that"), (0, 0));
    assert_eq!(candidates(&mut engine, "in new york"), (2, 2));
    // All adjacent pairs occur, but not in one sequence.
    assert_eq!(candidates(&mut engine, "new york is in new jersey"), (1, 1));
}

/// Single words and disjunctions have postings in the same lists, and each moves when another is
/// removed.
#[test]
fn a_disjunction_is_reported_once_whatever_is_added_and_removed() {
    let any = |words: &str| Ast::Or(words.split(' ').map(word).collect());
    let dog_alone = Ast::And(vec![word("dog"), Ast::Not(Box::new(word("bird")))]);
    let queries = [
        word("cat"),
        any("cat dog"),
        any("cat dog bird"),
        word("dog"),
        any("bird cat"),
        any("cat dog bird cow pig"),
        any("cat cat"),
        Ast::Or(vec![word("cat"), dog_alone]),
    ];
    let mut builders: Vec<DocBuilder<'_>> = (0..64).map(|_| DocBuilder::new(Schema::tweet())).collect();
    for (at, builder) in builders.iter_mut().enumerate() {
        let words = ["cat", "dog", "bird", "cow", "pig"].into_iter().enumerate().filter(|(bit, _)| at >> bit & 1 == 1);
        builder.text(tweet::TEXT, &words.map(|(_, word)| word).collect::<Vec<_>>().join(" "));
    }
    let docs: Vec<&Doc> = builders.iter_mut().map(DocBuilder::doc).collect();
    for first_out in 0..queries.len() {
        let mut engine = engine(&queries);
        let mut registered: Vec<usize> = (0..queries.len()).collect();
        for _ in 0..queries.len() {
            let mut matches = Matches::default();
            engine.percolate(&docs, &mut matches);
            let mut found: Vec<_> = matches.pairs().map(|(doc, key)| (doc as usize, key.index())).collect();
            found.sort_unstable();
            let expected = (0..docs.len()).flat_map(|doc| registered.iter().map(move |&key| (doc, key)));
            let mut expected: Vec<_> =
                expected.filter(|&(doc, key)| crate::query::matches(&queries[key], docs[doc])).collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{registered:?}");
            assert!(
                engine.remove(QueryKey(registered.remove(first_out % registered.len()).try_into().expect("small")))
            );
        }
        assert!(engine.is_empty());
    }
}

#[test]
fn a_disjunction_is_posted_first_under_the_word_that_turned_out_to_be_frequent() {
    // By length, the short word is the frequent one; in this stream the long one is.
    let mut engine = engine(&[Ast::Or(vec![word("cat"), word("everywhere")])]);
    let keys =
        |engine: &Compiled| engine.access_keys(QueryKey(0)).into_iter().map(|(atom, _)| atom).collect::<Vec<_>>();
    let before = keys(&engine);
    for _ in 0..2_000 {
        assert_eq!(candidates(&mut engine, "everywhere"), (1, 1));
    }
    assert!(keys(&engine).into_iter().eq(before.into_iter().rev()));
    assert_eq!(candidates(&mut engine, "cat everywhere"), (2, 1));
    assert_eq!(candidates(&mut engine, "cat"), (1, 1));
}

/// Enough queries that the engine compacts its arenas.
#[test]
fn thousands_of_disjunctions_are_added_and_removed() {
    let query = |key: u32| match key % 3 {
        0 => word("cat"),
        1 => Ast::Or(vec![word("cat"), word(&format!("dog{}", key % 7))]),
        _ => Ast::Or(vec![word("cow"), word("cat"), word("dog1")]),
    };
    let queries: Vec<Ast> = (0..12_000).map(query).collect();
    let mut engine = engine(&queries);
    let is_left = |key: &u32| key % 5 == 1;
    for key in (0..12_000).filter(|key| !is_left(key)) {
        engine.remove(QueryKey(key));
    }
    for text in ["cat", "dog1", "cow dog1", "dog5 cat", "dog5 dog1 cow"] {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(tweet::TEXT, text);
        let mut matches = Matches::default();
        engine.percolate(&[builder.doc()], &mut matches);
        let mut found: Vec<u32> = matches.pairs().map(|(_, key)| key.0).collect();
        found.sort_unstable();
        let expected = (0..12_000).filter(is_left);
        assert!(
            found.into_iter().eq(expected.filter(|&key| crate::query::matches(&query(key), builder.doc()))),
            "{text}"
        );
    }
}

#[test]
fn queries_are_posted_under_what_turned_out_to_be_rare() {
    // By length, the long word is the rare one; in this stream it is in every tweet.
    let mut engine = engine(&[Ast::And(vec![word("everywhere"), word("cat"), word("dog")])]);
    assert_eq!(candidates(&mut engine, "everywhere").0, 1);
    for _ in 0..2_000 {
        candidates(&mut engine, "everywhere");
    }
    assert_eq!(candidates(&mut engine, "everywhere"), (0, 0));
    assert_eq!(candidates(&mut engine, "cat and dog everywhere"), (1, 1));
}

#[test]
fn a_new_query_is_planned_by_what_several_threads_saw() {
    let mut engine = Compiled::new(&EngineOptions { threads: 2, ..EngineOptions::default() });
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, "everywhere");
    engine.percolate(&[builder.doc(); 2_000], &mut Matches::default());
    engine.insert(QueryKey(0), &Ast::And(vec![word("everywhere"), word("cat"), word("dog")]));
    assert_eq!(candidates(&mut engine, "everywhere"), (0, 0));
    assert_eq!(candidates(&mut engine, "cat and dog everywhere"), (1, 1));
}

#[test]
fn a_new_query_is_planned_by_what_was_seen_before() {
    let mut engine = engine(&[]);
    for _ in 0..500 {
        candidates(&mut engine, "everywhere");
    }
    engine.insert(QueryKey(0), &Ast::And(vec![word("everywhere"), word("cat")]));
    assert_eq!(candidates(&mut engine, "everywhere"), (0, 0));
}

#[test]
fn ranges_are_candidates_for_the_values_inside_them_only() {
    let above = |from| Ast::Range { field: tweet::FOLLOWERS, lower: Bound::Excluded(from), upper: Bound::Unbounded };
    let mut engine = engine(&[above(1_000_000), above(10), Ast::And(vec![word("rust"), above(1)])]);
    assert_eq!(candidates(&mut engine, "go"), (1, 1));
    assert_eq!(candidates(&mut engine, "rust"), (2, 2));
}

#[test]
fn patterns_are_candidates_for_the_terms_that_match_them_only() {
    let field = tweet::TEXT;
    let mut queries: Vec<Ast> = (0..200)
        .flat_map(|n| {
            [
                Ast::Prefix { field, prefix: format!("pre{n}x") },
                Ast::Wildcard { field, pattern: format!("w?ld{n}*") },
                Ast::Regex { field, pattern: format!("re(g|x)+{n}").into() },
                Ast::Fuzzy { field, term: format!("fuzzy{n}term"), distance: 2 },
            ]
        })
        .collect();
    queries.push(Ast::Wildcard { field, pattern: "*".into() });
    let mut engine = engine(&queries);
    assert_eq!(candidates(&mut engine, "nothing of that"), (1, 1));
    assert_eq!(candidates(&mut engine, "pre7xy wild70card regg7"), (1 + 1 + 2 + 1, 5));
}

#[test]
fn a_pattern_may_be_added_and_removed_between_two_documents() {
    let prefix = |prefix: &str| Ast::Prefix { field: tweet::TEXT, prefix: prefix.into() };
    let mut engine = engine(&[prefix("be")]);
    assert_eq!(candidates(&mut engine, "before"), (1, 1));
    engine.insert(QueryKey(1), &prefix("bef"));
    engine.remove(QueryKey(1));
    assert_eq!(candidates(&mut engine, "before"), (1, 1));
    engine.insert(QueryKey(1), &prefix("befo"));
    assert_eq!(candidates(&mut engine, "before"), (2, 2));
    engine.remove(QueryKey(0));
    assert_eq!(candidates(&mut engine, "before"), (1, 1));
}

#[test]
fn at_least_some_is_a_candidate_for_its_rare_parts_only() {
    let of = ["the", "of", "zebra", "giraffe"].map(word).to_vec();
    let mut engine = engine(&[Ast::AtLeast { min: 3, of }]);
    assert_eq!(candidates(&mut engine, "the and of").0, 0);
    assert_eq!(candidates(&mut engine, "the zebra of the zoo"), (1, 1));
}

#[test]
fn removed_queries_free_their_memory() {
    let mut engine = engine(&[]);
    candidates(&mut engine, "warm up");
    let empty = engine.size_bytes();
    let n = 3_000;
    for key in 0..n {
        let ast = match key % 5 {
            0 => word(&format!("word{key}")),
            1 => Ast::And(vec![word(&format!("a word of more than fourteen bytes {key}")), word("the")]),
            2 => Ast::Or(vec![phrase(&format!("a{key} b{key} c")), word("rare")]),
            3 => Ast::Prefix { field: tweet::TEXT, prefix: format!("prefix{key}") },
            _ => Ast::Range { field: tweet::ID, lower: Bound::Included(i64::from(key)), upper: Bound::Unbounded },
        };
        engine.insert(QueryKey(key), &ast);
    }
    candidates(&mut engine, "the rare");
    let full = engine.size_bytes();
    for key in 0..n {
        assert!(engine.remove(QueryKey(key)));
    }
    candidates(&mut engine, "the rare");
    let rest = engine.size_bytes() - empty;
    assert!(rest * 10 < full - empty, "of {} bytes, {rest} are left", full - empty);
    assert_eq!(engine.n_atoms(), 0);
}

#[test]
fn a_query_may_use_the_last_field_only() {
    let mut schema = Schema::new();
    for n in 0..Schema::MAX_FIELDS {
        schema.add(&format!("f{n}"), crate::schema::Kind::Integer, &[]);
    }
    let mut engine = Compiled::new(&EngineOptions { schema: schema.clone(), ..EngineOptions::default() });
    let last = FieldId(63);
    engine.insert(QueryKey(5), &Ast::Exists { field: last });
    let mut builder = DocBuilder::new(&schema);
    builder.integer(last, 1);
    let mut matches = Matches::default();
    engine.percolate(&[builder.doc()], &mut matches);
    assert!(matches.pairs().eq([(0, QueryKey(5))]));
}
