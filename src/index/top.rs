//! The `k` entries with the highest keys, found in one pass.

use std::cmp::Reverse;

/// Collects entries and keeps those with the highest keys.
///
/// It buffers up to twice as many as are wanted and then throws away the lower half, so that an entry costs a comparison
/// most of the time.
#[derive(Debug)]
pub(super) struct Top<T> {
    k: usize,
    entries: Vec<(u64, T)>,
    /// Keys up to here are too low.
    floor: Option<u64>,
}

impl<T: Copy> Top<T> {
    /// Keeps the `k` highest.
    pub(super) fn new(k: usize) -> Top<T> {
        Top { k, entries: Vec::new(), floor: None }
    }

    /// Whether an entry with this key could be among the highest.
    #[inline]
    pub(super) fn takes(&self, key: u64) -> bool {
        self.k > 0 && self.floor.is_none_or(|floor| key > floor)
    }

    /// Adds an entry. Keys are expected to differ.
    #[inline]
    pub(super) fn push(&mut self, key: u64, entry: T) {
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

    /// The highest, from high to low.
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
            let mut top = Top::new(k);
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
