use proptest::prelude::*;

use super::*;
use crate::schema::tweet as field;

fn shown(doc: &Doc) -> Vec<(u8, u32, String)> {
    doc.tokens().iter().map(|token| (token.field.0, token.position, doc.term(token).to_owned())).collect()
}

#[test]
fn fields_are_analyzed_by_their_kind() {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(field::TEXT, "Two Words");
    builder.text(field::URL, "https://blog.example.com/Two");
    builder.text(field::HASHTAG, "Not-Split Über");
    builder.integer(field::RETWEETS, 5);
    builder.point(field::COORDINATES, Point { lon: 1.0, lat: 2.0 });
    let doc = builder.finish();
    let terms = [
        (0, 0, "two"),
        (0, 1, "words"),
        (2, 0, "blog"),
        (2, 0, "example"),
        (2, 0, "com"),
        (2, 0, "blog.example.com"),
        (2, 0, "example.com"),
        (2, 1, "two"),
        (3, 0, "not-split uber"),
    ];
    assert_eq!(shown(&doc), terms.map(|(field, position, term)| (field, position, term.to_owned())));
    assert_eq!(doc.values(), [(field::RETWEETS, 5)]);
    assert_eq!(doc.points(), [(field::COORDINATES, Point { lon: 1.0, lat: 2.0 })]);
    let present = [field::TEXT, field::URL, field::HASHTAG, field::RETWEETS, field::COORDINATES];
    assert_eq!(doc.present(), present.iter().fold(0, |bits, id| bits | 1 << id.0));
    assert_eq!(doc.field_tokens(field::URL).len(), 6);
    assert!(doc.field_tokens(field::MENTION).is_empty());
}

#[test]
fn no_phrase_reaches_into_the_next_value() {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(field::URL, "host/b");
    builder.text(field::TEXT, "between");
    builder.text(field::URL, "other/d");
    let doc = builder.doc();
    let positions: Vec<u32> = doc.field_tokens(field::URL).iter().map(|token| token.position).collect();
    assert_eq!(positions, [0, 1, 1 + POSITION_GAP, 2 + POSITION_GAP]);
}

#[test]
fn a_term_that_is_too_long_keeps_its_position() {
    let mut builder = DocBuilder::new(Schema::tweet());
    let longest = "x".repeat(MAX_TERM_BYTES);
    builder.text(field::TEXT, &format!("a {longest}x b {longest}"));
    let doc = builder.doc();
    let terms: Vec<_> = doc.tokens().iter().map(|token| (token.position, doc.term(token).len())).collect();
    assert_eq!(terms, [(0, 1), (2, 1), (3, MAX_TERM_BYTES)]);
}

#[test]
fn nothing_is_no_value() {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(field::TEXT, " ... ");
    builder.text(field::LANG, "");
    builder.text(field::LANG, "\u{200d}");
    builder.text(field::MENTION, &"x".repeat(MAX_TERM_BYTES + 1));
    builder.float(field::CREATED, f64::NAN);
    assert_eq!(builder.doc().present(), 0);
}

#[test]
fn a_cleared_builder_is_a_new_one() {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(field::URL, "a.com");
    builder.text(field::TEXT, "first");
    builder.integer(field::ID, 1);
    builder.point(field::COORDINATES, Point { lon: 0.0, lat: 0.0 });
    builder.clear();
    builder.text(field::TEXT, "second");
    let again = format!("{:?}", builder.finish());
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(field::TEXT, "second");
    assert_eq!(again, format!("{:?}", builder.finish()));
}

proptest! {
    #[test]
    fn the_order_of_fields_does_not_matter(
        texts in prop::collection::vec((prop::sample::select(vec![field::TEXT, field::USER_NAME, field::URL, field::HASHTAG]), "[a-c ./]{0,8}"), 0..8),
    ) {
        let mut mixed = DocBuilder::new(Schema::tweet());
        texts.iter().for_each(|(field, text)| mixed.text(*field, text));
        let mut sorted = texts.clone();
        sorted.sort_by_key(|(field, _)| *field);
        let mut in_order = DocBuilder::new(Schema::tweet());
        sorted.iter().for_each(|(field, text)| in_order.text(*field, text));
        prop_assert_eq!(shown(mixed.doc()), shown(in_order.doc()));
        prop_assert_eq!(mixed.doc().present(), in_order.doc().present());
        prop_assert!(mixed.doc().tokens().is_sorted_by_key(|token| (token.field, token.position)));
    }
}

#[test]
fn a_field_holds_so_many_terms_and_no_more() {
    let mut builder = DocBuilder::new(Schema::tweet());
    // As many terms as the longest post has characters.
    builder.text(field::TEXT, &"語".repeat(25_000));
    assert!(!builder.doc().is_truncated());
    builder.clear();
    builder.text(field::TEXT, &"a b ".repeat(20_000));
    builder.text(field::TEXT, "behind it");
    (0..=MAX_FIELD_TERMS).for_each(|_| builder.text(field::HASHTAG, "tag"));
    (0..=MAX_FIELD_TERMS / 4).for_each(|_| builder.text(field::URL, "https://example.com/a/b/c/d/e/f"));
    builder.text(field::LANG, "en");
    let doc = builder.finish();
    assert!(doc.is_truncated());
    for id in [field::TEXT, field::HASHTAG, field::URL] {
        assert_eq!(doc.field_tokens(id).len(), MAX_FIELD_TERMS, "{id:?}");
    }
    assert!(doc.has(field::LANG), "a field that is full takes nothing from the others");
    builder.clear();
    builder.text(field::TEXT, "short again");
    assert!(!builder.doc().is_truncated() && builder.doc().tokens().len() == 2);
}
