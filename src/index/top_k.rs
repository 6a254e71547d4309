//! Keeps the `k` entries with the highest keys, in one pass.

use std::cmp::Reverse;

/// Keeps the entries with the highest keys.
///
/// Buffers up to `2 k` entries and then drops the lower half, so that most entries cost one
/// comparison.
#[derive(Debug)]
pub(super) struct TopK<K, T> {
    k: usize,
    entries: Vec<(K, T)>,
    /// Keys up to this one are too low.
    floor: Option<K>,
}

impl<K: Copy + Ord, T: Copy> TopK<K, T> {
    /// Keeps the `k` highest.
    pub(super) fn new(k: usize) -> TopK<K, T> {
        TopK { k, entries: Vec::new(), floor: None }
    }

    /// Whether an entry with this key can be among the highest.
    #[inline]
    pub(super) fn takes(&self, key: K) -> bool {
        self.k > 0 && self.floor.is_none_or(|floor| key > floor)
    }

    /// Adds an entry. Keys must differ.
    #[inline]
    pub(super) fn push(&mut self, key: K, entry: T) {
        if self.takes(key) {
            self.entries.push((key, entry));
            if self.entries.len() >= self.k.saturating_mul(2).max(4) {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.entries.len() >= self.k {
            let (_, last, _) = self.entries.select_nth_unstable_by_key(self.k - 1, |&(key, _)| Reverse(key));
            self.floor = Some(last.0);
            self.entries.truncate(self.k);
        }
    }

    /// The entries, highest key first.
    pub(super) fn into_sorted(mut self) -> Vec<T> {
        self.entries.sort_unstable_by_key(|&(key, _)| Reverse(key));
        self.entries.truncate(self.k);
        self.entries.into_iter().map(|(_, entry)| entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::hash_set;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn top_is_what_sorting_everything_gives(keys in hash_set(any::<u64>(), 0..300), k in 0_usize..50) {
            let mut top = TopK::new(k);
            for &key in &keys {
                top.push(key, key);
            }
            let mut sorted: Vec<u64> = keys.into_iter().collect();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            sorted.truncate(k);
            prop_assert_eq!(top.into_sorted(), sorted);
        }
    }
}
