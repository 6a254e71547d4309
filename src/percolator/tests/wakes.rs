//! What wakes a query in the compiled engine, and what does not; and that memory comes back.

use std::ops::Bound;

use super::super::*;
use crate::doc::DocBuilder;
use crate::query::Phrase;
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

/// How many candidates and matches a text has.
fn candidates(engine: &mut Compiled, text: &str) -> (u64, usize) {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, text);
    builder.integer(tweet::FOLLOWERS, 1_000);
    let mut matches = Matches::default();
    engine.percolate(&[builder.doc()], &mut matches);
    (matches.candidates, matches.len())
}

#[test]
fn a_phrase_wakes_only_where_its_terms_are_neighbors() {
    let mut engine = engine(&[phrase("new york"), phrase("in new york")]);
    assert_eq!(candidates(&mut engine, "york is not new in that"), (0, 0));
    assert_eq!(candidates(&mut engine, "in new york"), (2, 2));
    // All neighbors are there, but not in one run.
    assert_eq!(candidates(&mut engine, "new york is in new jersey"), (1, 1));
}

/// Words that are enough alone stand in the same lists as those of queries that ask for any of several, and each takes the other's place when it goes.
#[test]
fn any_of_some_words_is_found_once_whoever_comes_and_goes() {
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
    for (deep, first_out) in (0..queries.len()).flat_map(|first_out| [(0.0, first_out), (f32::MAX, first_out)]) {
        let mut engine = engine(&queries);
        engine.deep = deep;
        let mut there: Vec<usize> = (0..queries.len()).collect();
        for _ in 0..queries.len() {
            let mut matches = Matches::default();
            engine.percolate(&docs, &mut matches);
            let mut found: Vec<_> = matches.pairs().map(|(doc, key)| (doc as usize, key.index())).collect();
            found.sort_unstable();
            let expected = (0..docs.len()).flat_map(|doc| there.iter().map(move |&key| (doc, key)));
            let mut expected: Vec<_> =
                expected.filter(|&(doc, key)| crate::query::matches(&queries[key], docs[doc])).collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{there:?}");
            assert!(engine.remove(QueryKey(there.remove(first_out % there.len()).try_into().expect("small"))));
        }
        assert!(engine.is_empty());
    }
}

#[test]
fn any_of_two_words_is_a_key_behind_the_one_that_turned_out_to_be_frequent() {
    // By length, the short word is the frequent one; in this stream the long one is.
    let mut engine = engine(&[Ast::Or(vec![word("cat"), word("everywhere")])]);
    let wakes = |engine: &Compiled| engine.clauses(QueryKey(0)).into_iter().map(|(atom, _)| atom).collect::<Vec<_>>();
    let before = wakes(&engine);
    for _ in 0..2_000 {
        assert_eq!(candidates(&mut engine, "everywhere"), (1, 1));
    }
    assert!(wakes(&engine).into_iter().eq(before.into_iter().rev()));
    assert_eq!(candidates(&mut engine, "cat everywhere"), (2, 1));
    assert_eq!(candidates(&mut engine, "cat"), (1, 1));
}

/// So many that what is left moves together in memory.
#[test]
fn thousands_for_any_of_two_words_come_and_go() {
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
fn queries_wait_for_what_turned_out_to_be_rare() {
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
fn what_several_threads_have_seen_is_known_when_queries_come() {
    let mut engine = Compiled::new(&EngineOptions { threads: 2, ..EngineOptions::default() });
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, "everywhere");
    engine.percolate(&[builder.doc(); 2_000], &mut Matches::default());
    engine.insert(QueryKey(0), &Ast::And(vec![word("everywhere"), word("cat"), word("dog")]));
    assert_eq!(candidates(&mut engine, "everywhere"), (0, 0));
    assert_eq!(candidates(&mut engine, "cat and dog everywhere"), (1, 1));
}

#[test]
fn new_queries_know_what_was_seen_before_them() {
    let mut engine = engine(&[]);
    for _ in 0..500 {
        candidates(&mut engine, "everywhere");
    }
    engine.insert(QueryKey(0), &Ast::And(vec![word("everywhere"), word("cat")]));
    assert_eq!(candidates(&mut engine, "everywhere"), (0, 0));
}

#[test]
fn ranges_wake_for_the_numbers_inside_them_only() {
    let above = |from| Ast::Range { field: tweet::FOLLOWERS, lower: Bound::Excluded(from), upper: Bound::Unbounded };
    let mut engine = engine(&[above(1_000_000), above(10), Ast::And(vec![word("rust"), above(1)])]);
    assert_eq!(candidates(&mut engine, "go"), (1, 1));
    assert_eq!(candidates(&mut engine, "rust"), (2, 2));
}

#[test]
fn patterns_wake_for_the_terms_that_match_them_only() {
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
fn a_pattern_that_came_and_went_between_two_tweets_is_no_problem() {
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
fn at_least_some_wakes_for_the_rare_ones_of_them_only() {
    let of = ["the", "of", "zebra", "giraffe"].map(word).to_vec();
    let mut engine = engine(&[Ast::AtLeast { min: 3, of }]);
    assert_eq!(candidates(&mut engine, "the and of").0, 0);
    assert_eq!(candidates(&mut engine, "the zebra of the zoo"), (1, 1));
}

#[test]
fn removed_queries_give_their_memory_back() {
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
    assert!(rest * 10 < full - empty, "of {} bytes, {rest} are still there", full - empty);
    assert_eq!(engine.n_parts(), 0);
}

#[test]
fn a_field_without_number_below_the_largest_is_no_problem() {
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

#[test]
fn documents_are_taken_together_where_many_queries_are_looked_at() {
    let copied: Vec<Ast> = (0..200).map(|_| word("cat")).collect();
    let mut engine = engine(&copied);
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, "a cat");
    let batch = [builder.doc(); 64];
    let is_deep = |engine: &mut Compiled| {
        let mut matches = Matches::default();
        for _ in 0..32 {
            matches.clear();
            engine.percolate(&batch, &mut matches);
        }
        assert_eq!((matches.len(), matches.candidates), (engine.len() * 64, engine.len() as u64 * 64));
        engine.is_deep()
    };
    assert!(!is_deep(&mut engine), "a list of keys is there once in any case");
    for key in 200..600 {
        let other = Ast::Not(Box::new(word(&format!("dog{key}"))));
        engine.insert(QueryKey(key), &Ast::And(vec![word("cat"), other]));
    }
    assert!(is_deep(&mut engine));
    for key in 200..600 {
        engine.remove(QueryKey(key));
    }
    assert!(!is_deep(&mut engine), "and when they are taken together, such lists are no reason to go on");
}
