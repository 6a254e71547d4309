use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use tantivy::IndexWriter;
use tantivy::collector::DocSetCollector;
use tantivy::merge_policy::NoMergePolicy;

use super::*;
use crate::doc::{Doc, DocBuilder};
use crate::index::IndexDocument;
use crate::index::strategies;
use crate::query;
use crate::schema::{Schema, tweet};

/// An index of these documents, a segment for each part. The id field of a document is its number.
fn index(parts: &[&[Doc]]) -> tantivy::Searcher {
    let fields = Fields::tweet();
    let index = tantivy::Index::create_in_ram(fields.tantivy_schema());
    Fields::register(&index);
    let mut writer: IndexWriter<IndexDocument> = index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for part in parts {
        for doc in *part {
            writer.add_document(fields.document(doc.clone())).unwrap();
        }
        writer.commit().unwrap();
    }
    index.reader().unwrap().searcher()
}

fn found(searcher: &tantivy::Searcher, ast: &Ast) -> BTreeSet<i64> {
    let docs = searcher.search(&lower(ast, Fields::tweet()), &DocSetCollector).unwrap();
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

fn texts(texts: &[&str]) -> tantivy::Searcher {
    let docs: Vec<Doc> = (0..)
        .zip(texts)
        .map(|(number, text)| {
            let mut builder = DocBuilder::new(Schema::tweet());
            builder.integer(tweet::ID, number);
            builder.text(tweet::TEXT, text);
            builder.finish()
        })
        .collect();
    index(&[&docs])
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
