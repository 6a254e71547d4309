//! One suite for every engine: against a plain model over lists of operations, and cases that were found.

mod bounded;
mod inspect;
mod model;
mod wakes;

use super::*;

#[test]
fn names_are_words_with_hyphens_and_each_is_there_once() {
    for (at, kind) in ENGINES.iter().enumerate() {
        assert!(kind.name.chars().all(|char| char.is_ascii_lowercase() || char == '-'), "{}", kind.name);
        assert!(!kind.about.is_empty() && !kind.about.ends_with('.'), "{}", kind.about);
        assert!(ENGINES[..at].iter().all(|other| other.name != kind.name), "{} is there twice", kind.name);
        assert!((kind.build)(&EngineOptions::default()).is_empty());
    }
}
