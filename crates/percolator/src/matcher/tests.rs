use proptest::prelude::*;

use super::*;
use crate::doc::DocBuilder;
use crate::query;
use crate::schema::{Kind, Schema};

fn schema() -> Schema {
    let mut schema = Schema::new();
    schema.add("text", Kind::Text, &[]);
    schema.add("tag", Kind::Keyword, &[]);
    schema.add("n", Kind::Integer, &[]);
    schema
}

const TEXT: FieldId = FieldId(0);
const TAG: FieldId = FieldId(1);
const N: FieldId = FieldId(2);

fn phrase(words: &str, slop: u32, last_is_prefix: bool) -> Ast {
    let terms = words.split(' ').map(str::to_owned).collect();
    Ast::Phrase(Phrase { field: TEXT, terms, slop, last_is_prefix })
}

fn check(ast: &Ast, text: &str, expected: bool) {
    let schema = schema();
    let mut builder = DocBuilder::new(&schema);
    builder.text(TEXT, text);
    assert_eq!(Matcher::new(ast).matches(builder.doc()), expected, "{ast:?} over {text:?}");
    assert_eq!(query::matches(ast, builder.doc()), expected, "plainly: {ast:?} over {text:?}");
}

#[test]
fn a_phrase_stands_in_order_and_without_gaps() {
    check(&phrase("new york city", 0, false), "in new york city today", true);
    check(&phrase("new york city", 0, false), "new new york york city", false);
    check(&phrase("new york ci", 0, true), "new york city", true);
    check(&phrase("a a", 0, false), "a b a", false);
}

#[test]
fn slop_lets_terms_move_but_not_share_a_place() {
    check(&phrase("a b", 1, false), "a x b", true);
    check(&phrase("a b", 1, false), "a x x b", false);
    check(&phrase("a b", 2, false), "b a", true);
    check(&phrase("a b", 1, false), "b a", false);
    check(&phrase("a a", 9, false), "a", false);
    check(&phrase("ab a", 9, true), "ab", false);
    // The first term has to leave its position to the second, which has no other.
    check(&phrase("ab a", 2, true), "ab abc", true);
    check(&phrase("wo wo wo", 3, true), "x wo wo x", false);
}

#[test]
fn bounds_that_hold_nothing_match_nothing() {
    assert_eq!(closed(Bound::Excluded(i64::MAX), Bound::Unbounded), None);
    assert_eq!(closed(Bound::Unbounded, Bound::Excluded(i64::MIN)), None);
    assert_eq!(closed(Bound::Excluded(3), Bound::Included(3)), None);
    assert_eq!(closed(Bound::Excluded(3), Bound::Excluded(5)), Some((4, 4)));
}

#[test]
fn at_least_counts_parts_and_not_more() {
    for min in 0..6 {
        for bits in 0_u32..16 {
            let expected = bits.count_ones() >= u32::try_from(min).unwrap();
            assert_eq!(at_least(min, 4, |at| bits >> at & 1 == 1), expected, "{min} of {bits:b}");
        }
    }
}

prop_compose! {
    fn words()(words in prop::collection::vec(prop::sample::select(&["a", "b", "c", "ab", "abc", "ba"][..]), 0..9)) -> String {
        words.join(" ")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn phrases_agree_with_the_plain_evaluation(
        text in words(),
        terms in prop::collection::vec(prop::sample::select(&["a", "b", "c", "ab"][..]), 1..5),
        slop in 0_u32..6,
        last_is_prefix: bool,
    ) {
        let schema = schema();
        let mut builder = DocBuilder::new(&schema);
        builder.text(TEXT, &text);
        let ast = phrase(&terms.join(" "), slop, last_is_prefix);
        prop_assert_eq!(Matcher::new(&ast).matches(builder.doc()), query::matches(&ast, builder.doc()));
    }

    #[test]
    fn leaves_agree_with_the_plain_evaluation(
        tags in prop::collection::vec("[a-c]{1,4}", 0..4),
        numbers in prop::collection::vec(-3_i64..4, 0..3),
        ast in leaf(),
    ) {
        let schema = schema();
        let mut builder = DocBuilder::new(&schema);
        for tag in &tags {
            builder.text(TAG, tag);
        }
        for &number in &numbers {
            builder.integer(N, number);
        }
        prop_assert_eq!(Matcher::new(&ast).matches(builder.doc()), query::matches(&ast, builder.doc()));
    }
}

fn leaf() -> impl Strategy<Value = Ast> {
    let term = "[a-c]{1,4}";
    let bound = || {
        prop_oneof![
            Just(Bound::Unbounded),
            (-4_i64..5).prop_map(Bound::Included),
            (-4_i64..5).prop_map(Bound::Excluded)
        ]
    };
    prop_oneof![
        term.prop_map(|term| Ast::Term { field: TAG, term }),
        "[a-c]{0,3}".prop_map(|prefix| Ast::Prefix { field: TAG, prefix }),
        "[a-c?*]{1,4}".prop_map(|pattern| Ast::Wildcard { field: TAG, pattern }),
        "[a-c]{1,2}[b-c]?(a|bc)?".prop_map(|pattern| Ast::Regex { field: TAG, pattern: pattern.into() }),
        (term, 0_u8..3).prop_map(|(term, distance)| Ast::Fuzzy { field: TAG, term, distance }),
        (bound(), bound()).prop_map(|(lower, upper)| Ast::Range { field: N, lower, upper }),
        Just(Ast::Exists { field: TAG }),
    ]
}

#[test]
fn a_long_document_can_be_left_anywhere() {
    let text = "apple ".repeat(500);
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(crate::schema::tweet::TEXT, &text);
    for query in ["zebra", "*zz*a", "zz*", "\"banana apple\"", "\"banana zebra\"~2", "-*zz*a"] {
        let query = query::Query::parse(query, Schema::tweet(), &query::QueryLimits::default()).expect("a query");
        let matcher = Matcher::new(query.ast());
        let steps = crate::coop::testing::steps(|| matcher.matches(builder.doc()));
        assert!(steps >= 500, "{query:?}: {steps}");
        let run = crate::coop::testing::stop_at(steps / 2, || matcher.matches(builder.doc()));
        run.result.expect_err("stopped");
    }
}
