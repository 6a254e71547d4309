//! What a live source remembers of the last events: bounded maps and sets that forget the oldest.
//!
//! Each has two generations. When the young one is full, it takes the place of the old one, which
//! is dropped. What is used moves to the young generation.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash, RandomState};

/// The last `capacity` to `2 * capacity` texts that were used, by key.
#[derive(Debug)]
pub(super) struct RecentMap {
    capacity: usize,
    young: HashMap<String, String>,
    old: HashMap<String, String>,
}

impl RecentMap {
    pub(super) fn new(capacity: usize) -> RecentMap {
        RecentMap { capacity, young: HashMap::new(), old: HashMap::new() }
    }

    /// The text of a key.
    pub(super) fn get(&mut self, key: &str) -> Option<String> {
        if let Some(text) = self.young.get(key) {
            return Some(text.clone());
        }
        let text = self.old.remove(key)?;
        self.insert(key, &text);
        Some(text)
    }

    /// Sets the text of a key.
    pub(super) fn insert(&mut self, key: &str, text: &str) {
        if self.young.len() >= self.capacity && !self.young.contains_key(key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.to_owned(), text.to_owned());
    }
}

/// The last `capacity` to `2 * capacity` values that were inserted, by their hashes.
#[derive(Debug)]
pub(super) struct RecentSet {
    capacity: usize,
    hasher: RandomState,
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl RecentSet {
    pub(super) fn new(capacity: usize) -> RecentSet {
        RecentSet { capacity, hasher: RandomState::new(), young: HashSet::new(), old: HashSet::new() }
    }

    pub(super) fn contains(&self, value: impl Hash) -> bool {
        let hash = self.hasher.hash_one(value);
        self.young.contains(&hash) || self.old.contains(&hash)
    }

    /// Whether the value is new; from now on it is not.
    pub(super) fn insert(&mut self, value: impl Hash) -> bool {
        let hash = self.hasher.hash_one(value);
        if self.young.contains(&hash) {
            return false;
        }
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash);
        !self.old.contains(&hash)
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_remembered() {
        let mut map = RecentMap::new(2);
        for key in ["a", "b", "c"] {
            map.insert(key, key);
        }
        assert_eq!(map.get("a").as_deref(), Some("a"), "and is young again");
        map.insert("d", "d");
        assert_eq!(map.get("b"), None);
        assert_eq!(map.get("a").as_deref(), Some("a"));
    }

    #[test]
    fn a_value_is_new_once() {
        let mut set = RecentSet::new(2);
        for value in 0..3 {
            assert!(set.insert(value));
        }
        assert!(set.contains(0) && !set.insert(0), "of the old generation");
        set.insert(4);
        assert!(!set.contains(1));
        set.clear();
        assert!(set.insert(4));
    }
}
