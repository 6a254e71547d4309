//! One suite for every engine: against a plain model over lists of operations, and regressions.

mod bounded;
mod compiled;
mod inspect;
mod model;

use super::*;

#[test]
fn names_are_kebab_case_and_unique() {
    for (at, kind) in ENGINES.iter().enumerate() {
        assert!(kind.name.chars().all(|char| char.is_ascii_lowercase() || char == '-'), "{}", kind.name);
        assert!(!kind.about.is_empty() && !kind.about.ends_with('.'), "{}", kind.about);
        assert!(ENGINES[..at].iter().all(|other| other.name != kind.name), "{} is not unique", kind.name);
        assert!((kind.build)(&EngineOptions::default()).is_empty());
    }
}
