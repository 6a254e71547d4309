//! Queries that are long, nested or repetitive take bounded time and stack.

use super::*;
use crate::query::Parsed;

/// Parses with room for what lists may bring, and the default limits otherwise.
fn diagnostics(text: &str) -> String {
    parse(text).map_or_else(|diagnostics| diagnostics.to_string(), |query| query.canonical().to_owned())
}

/// Stacks of tests are 2 MiB. Fewer levels than these texts have overflow it.
#[test]
fn repeated_signs_do_not_recurse() {
    let deep = QueryLimits { max_bytes: usize::MAX, ..QueryLimits::default() };
    for unit in ["-", "!", "NOT ", "-!", "#a.", "@a.", "$A.", "#a,", "(:", "\"", "- "] {
        for prefix in ["", "lang:", "text:", "url:"] {
            let text = format!("{prefix}{}en", unit.repeat(60_000 / unit.len()));
            drop(Query::parse(&text, Schema::tweet(), &deep));
        }
    }
    check(&format!("lang:{}en", "-".repeat(1_001)), "-lang:en");
    check("#a.#b.@c", "#a #b @c");
}

/// Each of these took time that grew with the square of its length, or more: minutes.
#[test]
fn long_texts_take_linear_time() {
    let long = QueryLimits { max_bytes: 1 << 20, max_clauses: 1 << 20, max_cost: 1 << 30, ..QueryLimits::default() };
    for unit in ["1:", "a:,", "：", "lang: (", "text: -(", "x\\:"] {
        drop(Query::parse(&unit.repeat(200_000 / unit.len()), Schema::tweet(), &long));
    }
    let stars = "*a".repeat(80);
    let all = format!("hashtag:{stars} -hashtag:{}", "a".repeat(250));
    drop(parse(&all));
    let wrong = format!("{}x", "lang: (text: (".repeat(14));
    drop(parse(&wrong));
}

#[test]
fn a_wildcard_with_many_stars_is_decided_in_polynomial_time() {
    let pattern = format!("{}b", "*a".repeat(100));
    assert!(!crate::query::naive::wildcard(&pattern, &"a".repeat(255)));
    assert!(crate::query::naive::wildcard(&pattern, &format!("{}b", "a".repeat(200))));
}

#[test]
fn only_lists_are_longer_than_the_limit() {
    let filler = "- ".repeat(20_000);
    for text in [
        format!("a IN [ {filler} ]"),
        format!("\"lang:IN [ {filler} ]\" a"),
        format!("a lang :IN [ {filler} ]"),
        format!("a {filler}"),
        format!("(lang:IN [en] \"IN [{filler}\")"),
        format!("url:https://a.b/:IN [{} a", "x".repeat(40_000)),
    ] {
        assert!(diagnostics(&text).contains("(max_bytes)"), "{:.80}", diagnostics(&text));
    }
    let ids: Vec<String> = (1_000..9_000).map(|id| id.to_string()).collect();
    assert!(parse(&format!("rust id:IN [{}]", ids.join(" "))).is_ok());
}

#[test]
fn a_wrong_guess_leaves_nothing_behind() {
    // A space behind the colon: first read as a field, then as text.
    let limits = QueryLimits { max_clauses: 3, ..QueryLimits::default() };
    let parsed = Parsed::from_text("lang: (a \"b) c d", Schema::tweet(), &limits, ParseOptions::default());
    if let Ok(Parsed { query, .. }) = parsed {
        assert!(!query.canonical().contains("lang:"), "{}", query.canonical());
    }
    let options = ParseOptions::default();
    let parsed = Parsed::from_text("followers: many a b", Schema::tweet(), &limits, options);
    assert!(parsed.is_err(), "three words and the name are four");
    let limits = QueryLimits { max_clauses: 4, ..QueryLimits::default() };
    let parsed = Parsed::from_text("followers: many a b", Schema::tweet(), &limits, options).unwrap();
    assert_eq!(parsed.query.canonical(), "a b followers many");
    assert_eq!(parsed.warnings.len(), 1);
}
