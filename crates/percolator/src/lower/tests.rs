use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tantivy::IndexWriter;
use tantivy::collector::DocSetCollector;
use tantivy::merge_policy::NoMergePolicy;

use super::*;
use crate::doc::{Doc, DocBuilder};
use crate::query;
use crate::schema::{Schema, tweet};

/// An index of these documents, a segment for each part. The id field of a document is its number.
fn index(parts: &[&[Doc]]) -> (tantivy::Searcher, Arc<Fields>) {
    let mut builder = tantivy::schema::Schema::builder();
    let fields = Arc::new(Fields::add_to(&mut builder, Schema::tweet()));
    let index = tantivy::Index::create_in_ram(builder.build());
    Fields::register(&index);
    let mut writer: IndexWriter<IndexDocument> = index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for part in parts {
        for doc in *part {
            writer.add_document(IndexDocument::new(&fields, doc.clone())).unwrap();
        }
        writer.commit().unwrap();
    }
    (index.reader().unwrap().searcher(), fields)
}

fn found((searcher, fields): &(tantivy::Searcher, Arc<Fields>), ast: &Ast) -> BTreeSet<i64> {
    let docs = searcher.search(&lower(ast, fields), &DocSetCollector).unwrap();
    let number = |address: tantivy::DocAddress| {
        let column = searcher.segment_reader(address.segment_ord).fast_fields().i64("id").unwrap();
        column.first(address.doc_id).unwrap()
    };
    docs.into_iter().map(number).collect()
}

fn docs() -> impl Strategy<Value = Vec<Doc>> {
    (1..40_i64).prop_flat_map(|n| (0..n).map(strategies::doc).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn tantivy_finds_what_the_plain_evaluation_does(
        docs in docs(),
        cut in any::<prop::sample::Index>(),
        queries in vec(strategies::ast(), 100),
    ) {
        let (a, b) = docs.split_at(cut.index(docs.len()));
        let searcher = index(&[a, b]);
        for ast in &queries {
            let expected: BTreeSet<i64> =
                (0..).zip(&docs).filter(|(_, doc)| query::matches(ast, doc)).map(|(number, _)| number).collect();
            prop_assert_eq!(found(&searcher, ast), expected, "{:?}", ast);
        }
    }
}

fn docs_of(texts: &[&str]) -> Vec<Doc> {
    let doc = |(number, text): (i64, &&str)| {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.integer(tweet::ID, number);
        builder.text(tweet::TEXT, text);
        builder.finish()
    };
    (0..).zip(texts).map(doc).collect()
}

fn texts(texts: &[&str]) -> (tantivy::Searcher, Arc<Fields>) {
    index(&[&docs_of(texts)])
}

/// Lists of more than a block of documents and positions, and words of which one is far more
/// frequent than the other.
#[test]
fn phrases_of_frequent_and_rare_words_are_what_the_plain_evaluation_finds() {
    let mut random = SmallRng::seed_from_u64(6);
    let mut word = || match random.random_range(0..100) {
        0..40 => "a".to_owned(),
        40..60 => "ab".to_owned(),
        60..95 => format!("b{}", random.random_range(0..300)),
        _ => ["abc", "c"][random.random_range(0..2)].to_owned(),
    };
    let lines: Vec<String> = (0..1_500).map(|at| (0..=at % 14).map(|_| word() + " ").collect()).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    // Positions behind those that have a bit of their own.
    let long = "a b1 ".repeat(50) + "a ab " + &"c b2 ".repeat(50) + "ab b3 rare a b3";
    // Words that stand once in each document, before, across and behind the first such position.
    let late: Vec<String> = (26..36).map(|at| "x ".repeat(at) + "a ab b1 b2 c abc").collect();
    lines.extend(["rare a b1", "a rare ab", "rare rare", &long]);
    lines.extend(late.iter().map(String::as_str));
    let docs = docs_of(&lines);
    let searcher = index(&[&docs]);
    let phrases = [
        "a a",
        "a ab",
        "ab a",
        "a b",
        "a b1",
        "b1 a",
        "a a a",
        "a ab b",
        "rare a",
        "a rare",
        "rare rare",
        "rare a b",
        "c abc",
        "c a",
        "b1 a ab",
        "ab b",
        "b2 ab b",
        "b1 b2",
        "b2 a c",
        "b1 b2 c ab",
        "ab b1 b2 c",
        "a none",
        "none a",
    ];
    for words in phrases {
        for (slop, last_is_prefix) in [(0, false), (0, true), (2, false), (3, true)] {
            let terms = words.split(' ').map(str::to_owned).collect();
            let ast = Ast::Phrase(Phrase { field: tweet::TEXT, terms, slop, last_is_prefix });
            let expected: BTreeSet<i64> =
                (0..).zip(&docs).filter(|(_, doc)| query::matches(&ast, doc)).map(|(number, _)| number).collect();
            assert_eq!(found(&searcher, &ast), expected, "{words}, slop {slop}, prefix {last_is_prefix}");
        }
    }
}

#[test]
fn a_prefix_finds_every_term_that_starts_like_it() {
    let words: Vec<String> = (0..100).map(|n| format!("word{n}")).collect();
    let searcher = texts(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let field = tweet::TEXT;
    assert_eq!(found(&searcher, &Ast::Prefix { field, prefix: "word".into() }).len(), 100);
    assert_eq!(found(&searcher, &Ast::Wildcard { field, pattern: "w*".into() }).len(), 100);
    assert_eq!(found(&searcher, &Ast::Fuzzy { field, term: "word1".into(), distance: 2 }).len(), 100);
}

#[test]
fn a_phrase_may_end_with_the_start_of_any_number_of_terms() {
    let words: Vec<String> = (0..300).map(|n| format!("first word{n}")).collect();
    let searcher = texts(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let terms = vec!["first".to_owned(), "word".to_owned()];
    let phrase = Phrase { field: tweet::TEXT, terms, slop: 0, last_is_prefix: true };
    assert_eq!(found(&searcher, &Ast::Phrase(phrase)).len(), 300);
}

#[test]
fn a_range_that_holds_nothing_finds_nothing() {
    let searcher = texts(&["a"]);
    let field = tweet::ID;
    for (lower, upper) in [
        (Bound::Excluded(i64::MAX), Bound::Unbounded),
        (Bound::Unbounded, Bound::Excluded(i64::MIN)),
        (Bound::Included(3), Bound::Included(-3)),
    ] {
        assert!(found(&searcher, &Ast::Range { field, lower, upper }).is_empty());
    }
    assert_eq!(found(&searcher, &Ast::Range { field, lower: Bound::Unbounded, upper: Bound::Unbounded }).len(), 1);
}
