//! Which of many ranges hold a number: an interval tree over the bits of numbers, kept in two sorted sets.
//!
//! A range lives at the highest bit in which its two ends differ, together with all ranges whose ends share the bits above
//! it: a node of the binary tree of all numbers. All ranges of a node hold the number in its middle, so a number that is left
//! of it lies in those that start at or before it, and a number that is right of it in those that end at or after it. A look
//! costs one step for each bit at which ranges live, and one for each range found; adding and removing cost two insertions.

use std::collections::BTreeSet;

use super::table::AtomId;

/// Ranges by node, then by end.
type Node = (u8, u64);

/// The ranges of one field.
#[derive(Debug)]
pub(super) struct Intervals {
    /// By node and lower end.
    lower: BTreeSet<(Node, u64, AtomId)>,
    /// By node and upper end.
    upper: BTreeSet<(Node, u64, AtomId)>,
    /// How many ranges live at each bit; behind them, those of one number.
    at_bit: [u32; 65],
}

/// Where ranges of a single number live.
const POINT: u8 = 64;

/// Keeps the order and lets bits be compared.
fn unsigned(key: i64) -> u64 {
    key.cast_unsigned() ^ (1 << 63)
}

/// The bits above `bit`.
fn above(key: u64, bit: u8) -> u64 {
    if bit >= 63 { 0 } else { key >> (bit + 1) }
}

fn node(min: u64, max: u64) -> Node {
    if min == max {
        return (POINT, min);
    }
    let bit = u8::try_from((min ^ max).ilog2()).expect("below 64");
    (bit, above(min, bit))
}

impl Default for Intervals {
    fn default() -> Intervals {
        Intervals { lower: BTreeSet::new(), upper: BTreeSet::new(), at_bit: [0; 65] }
    }
}

impl Intervals {
    /// Adds a range, both ends included; `min <= max`.
    pub(super) fn insert(&mut self, min: i64, max: i64, atom: AtomId) {
        let (min, max) = (unsigned(min), unsigned(max));
        let node = node(min, max);
        if self.lower.insert((node, min, atom)) {
            self.upper.insert((node, max, atom));
            self.at_bit[usize::from(node.0)] += 1;
        }
    }

    /// Removes a range.
    pub(super) fn remove(&mut self, min: i64, max: i64, atom: AtomId) {
        let (min, max) = (unsigned(min), unsigned(max));
        let node = node(min, max);
        if self.lower.remove(&(node, min, atom)) {
            self.upper.remove(&(node, max, atom));
            self.at_bit[usize::from(node.0)] -= 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    /// Calls `found` with each range that holds the number.
    pub(super) fn stab(&self, key: i64, mut found: impl FnMut(AtomId)) {
        let key = unsigned(key);
        for (bit, _) in (0_u8..).zip(&self.at_bit).filter(|&(_, &n)| n > 0) {
            if bit == POINT {
                let node = (POINT, key);
                self.lower.range((node, 0, 0)..=(node, u64::MAX, AtomId::MAX)).for_each(|&(_, _, atom)| found(atom));
                continue;
            }
            let node = (bit, above(key, bit));
            if key >> bit & 1 == 0 {
                self.lower.range((node, 0, 0)..=(node, key, AtomId::MAX)).for_each(|&(_, _, atom)| found(atom));
            } else {
                self.upper.range((node, key, 0)..=(node, u64::MAX, AtomId::MAX)).for_each(|&(_, _, atom)| found(atom));
            }
        }
    }

    /// The memory that it holds, in bytes, taking nodes of the sets to be two thirds full.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Intervals>() + self.lower.len() * 2 * size_of::<(Node, u64, AtomId)>() * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end() -> impl Strategy<Value = i64> {
        prop_oneof![Just(i64::MIN), Just(i64::MAX), -9_i64..9, any::<i64>(), (0_u32..63).prop_map(|bit| 1 << bit)]
    }

    proptest! {
        #[test]
        fn finds_the_ranges_that_a_scan_finds(
            ranges in prop::collection::vec((end(), end()), 0..40),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            keys in prop::collection::vec(end(), 1..20),
        ) {
            let mut plain: Vec<Option<(i64, i64)>> = ranges.iter().map(|&(a, b)| Some((a.min(b), a.max(b)))).collect();
            let mut intervals = Intervals::default();
            for (atom, range) in (0..).zip(&plain) {
                let (min, max) = range.unwrap();
                intervals.insert(min, max, atom);
            }
            for at in removed.iter().filter(|_| !ranges.is_empty()) {
                let at = at.index(ranges.len());
                if let Some((min, max)) = plain[at].take() {
                    intervals.remove(min, max, u32::try_from(at).unwrap());
                }
            }
            for key in keys {
                let mut found = Vec::new();
                intervals.stab(key, |atom| found.push(atom));
                found.sort_unstable();
                let expected: Vec<u32> = (0..).zip(&plain)
                    .filter(|(_, range)| range.is_some_and(|(min, max)| min <= key && key <= max))
                    .map(|(at, _)| at).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
