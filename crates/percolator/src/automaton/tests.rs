use proptest::prelude::*;

use super::*;
use crate::query::naive;

const LIMIT: usize = 1 << 20;

#[test]
fn wildcards_match_whole_terms() {
    let automaton = TermAutomaton::wildcard("colo?r*", LIMIT).unwrap();
    assert!(automaton.matches("colour"));
    assert!(automaton.matches("coloürful"));
    assert!(!automaton.matches("color"));
    assert!(!automaton.matches("xcolour"));
    let escaped = TermAutomaton::wildcard("a\\*b", LIMIT).unwrap();
    assert!(escaped.matches("a*b"));
    assert!(!escaped.matches("axb"));
}

#[test]
fn regular_expressions_match_whole_terms_ignoring_case() {
    let automaton = TermAutomaton::regex("joh?n|john(ath[oa]n)", LIMIT).unwrap();
    for term in ["jon", "john", "johnathon", "JOHN"] {
        assert!(automaton.matches(term), "{term}");
    }
    assert!(!automaton.matches("johnny"));
    assert!(
        TermAutomaton::regex("a|ab", LIMIT).unwrap().matches("ab"),
        "the first alternative must not hide the second"
    );
}

#[test]
fn anchors_and_boundaries_are_refused() {
    for pattern in ["^a", "a$", r"\ba", "(a|(b\\B))*", r"\Aa\z", "(?m)^a"] {
        assert_eq!(TermAutomaton::regex(pattern, LIMIT), Err(AutomatonError::Anchor), "{pattern}");
    }
}

#[test]
fn mistakes_say_where() {
    let Err(AutomatonError::Syntax { message, at }) = TermAutomaton::regex("ab(c", LIMIT) else { panic!("no mistake") };
    assert_eq!((message.as_str(), at), ("unclosed group", (2, 3)));
}

#[test]
fn a_query_of_death_is_refused() {
    let death = format!("*a{}", "?".repeat(40));
    assert_eq!(TermAutomaton::wildcard(&death, LIMIT), Err(AutomatonError::TooLarge { limit: LIMIT }));
    for pattern in [r"(\w{100}){100}", "(a|b)*a(a|b){30}", r"((((\pL{20}){20}){20}){20}){20}"] {
        assert_eq!(TermAutomaton::regex(pattern, LIMIT), Err(AutomatonError::TooLarge { limit: LIMIT }), "{pattern}");
    }
    assert!(TermAutomaton::regex(&"(".repeat(100_000), LIMIT).is_err());
}

/// Small automata can take long to build. The scratch of states that stand for many NFA states
/// counts, or the pattern is refused.
#[test]
fn work_counts_that_leaves_nothing_behind() {
    for pattern in ["(.?){200}", "(a?){500}", "((a?){20}){20}", "(.?.?.?){60}", "((.?){14}){14}", "(a.?){100}"] {
        assert_eq!(TermAutomaton::regex(pattern, LIMIT), Err(AutomatonError::TooLarge { limit: LIMIT }), "{pattern}");
        // Without a limit, the pattern is compiled.
        assert!(pattern == "(a.?){100}" || TermAutomaton::regex(pattern, usize::MAX / 8).is_ok(), "{pattern}");
    }
    for (pattern, least) in [("(.?){100}", 256), ("(.?){50}", 128), ("(a?){200}", 128), ("(a?){100}", 32)] {
        let automaton = TermAutomaton::regex(pattern, LIMIT).unwrap();
        let (built, size) = (automaton.built_bytes(), automaton.size_bytes());
        assert!(built >= least * 1024 && built > size, "{pattern}: {built}, {size}");
    }
    // Other patterns count with their size.
    for pattern in ["joh?n(ath[oa]n)", "[a-z]+ing", r"\w+ing", r"\d{4}-\d{2}", "(https?|ftp).*", ".*rust.*", r"\pL{3}"]
    {
        let automaton = TermAutomaton::regex(pattern, LIMIT).unwrap();
        let (built, size) = (automaton.built_bytes(), automaton.size_bytes());
        assert!(built <= size + size / 2, "{pattern}: {built}, {size}");
    }
}

#[test]
fn fuzzy_counts_a_swap_as_one_edit() {
    let one = TermAutomaton::fuzzy("color", 1);
    for term in ["color", "colour", "colr", "cplor", "oclor"] {
        assert!(one.matches(term), "{term}");
    }
    assert!(!one.matches("colours"));
    assert!(TermAutomaton::fuzzy("color", 2).matches("colours"));
    assert!(one.size_bytes() < 4_096, "{}", one.size_bytes());
}

#[test]
fn states_without_a_way_to_a_match_are_dead() {
    let automaton = TermAutomaton::wildcard("ab", LIMIT).unwrap();
    let start = automaton.start();
    let a = automaton.step(start, b'a');
    let ab = automaton.step(a, b'b');
    assert!(automaton.can_match(a) && !automaton.is_match(a));
    assert!(automaton.can_match(ab) && automaton.is_match(ab));
    assert!(!automaton.can_match(automaton.step(ab, b'c')));
    assert!(!automaton.can_match(automaton.step(start, b'b')));
    assert!(!TermAutomaton::regex("[a&&b]", LIMIT).unwrap().matches(""), "the empty set matches nothing");
}

/// Every prefix of a matching term can match, and stepping agrees with `matches`.
fn walk(automaton: &TermAutomaton, term: &str) -> bool {
    let mut state = automaton.start();
    let mut can_match = automaton.can_match(state);
    for &byte in term.as_bytes() {
        state = automaton.step(state, byte);
        assert!(can_match || !automaton.can_match(state), "dead states stay dead");
        can_match = automaton.can_match(state);
    }
    let found = automaton.is_match(state);
    assert!(can_match || !found, "a match in a dead state");
    assert_eq!(found, automaton.matches(term));
    found
}

proptest! {
        #[test]
    fn wildcard_equals_its_naive_twin(pattern in r"[ab?*é\\]{0,7}", terms in prop::collection::vec("[abcé*?日]{0,7}", 1..8)) {
        let automaton = TermAutomaton::wildcard(&pattern, LIMIT).unwrap();
        for term in terms {
            prop_assert_eq!(walk(&automaton, &term), naive::wildcard(&pattern, &term), "{} on {}", pattern, term);
        }
    }

    #[test]
    fn regex_equals_the_regex_crate(
        pattern in r"([abé.]|\[\^?[abÉ]\]|\(a\|b{1,2}\)|\(a\|ab\)|[ab][*+?]|[.]\{1,3\}|\\d|\|){0,5}",
        terms in prop::collection::vec("[abcéÉAB日7]{0,6}", 1..8),
    ) {
        let plain = naive::regex(&pattern).unwrap();
        let automaton = TermAutomaton::regex(&pattern, LIMIT << 2).unwrap();
        for term in terms {
            prop_assert_eq!(walk(&automaton, &term), plain.is_match(&term), "{} on {}", pattern, term);
        }
    }

    #[test]
    fn fuzzy_equals_its_naive_twin(
        term in "[abé日😀]{0,6}",
        others in prop::collection::vec("[abcé日本😀]{0,7}", 1..8),
        distance in 0..=2_u8,
    ) {
        let automaton = TermAutomaton::fuzzy(&term, distance);
        for other in others {
            let plain = naive::edit_distance(&term, &other) <= usize::from(distance);
            prop_assert_eq!(walk(&automaton, &other), plain, "{}~{} on {}", term, distance, other);
        }
    }
}

#[test]
fn an_expression_is_built_once_whoever_asks() {
    let built = || BUILT.with(std::cell::Cell::get);
    let (expression, before) = (Expression::new("johan?n+y"), built());
    assert!(!expression.matches("peter") && !expression.is_compiled(), "it has other fixed characters");
    assert_eq!(expression.clone().check(10), Err(AutomatonError::TooLarge { limit: 10 }));
    assert!(!expression.is_compiled(), "it was refused");
    let clone = expression.clone();
    let size = clone.check(LIMIT).unwrap();
    assert_eq!(built(), before + 1);
    assert!(expression.matches("johanny") && expression.matches("JOHANY") && !expression.matches("johany2"));
    assert_eq!(expression.check(LIMIT), Ok(size));
    assert_eq!(expression.check(size - 1), Err(AutomatonError::TooLarge { limit: size - 1 }));
    assert_eq!(built(), before + 1);
    assert!(!Expression::new("jo(hn").matches("john"), "one with a mistake matches nothing");
    assert_eq!(Expression::new("john"), Expression::new("john"));
}
