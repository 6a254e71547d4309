//! Which of many ranges hold a number: an interval tree over the bits of numbers.
//!
//! A range lives at the highest bit in which its two ends differ, together with all ranges whose ends share the bits above
//! it: a node of the binary tree of all numbers. All ranges of a node hold the number in its middle, so a number that is left
//! of it lies in those that start at or before it, and a number that is right of it in those that end at or after it. Both are
//! kept in order from outside in, so what is found in a node is the start of a list, read from one end without a search. A look
//! costs a step for each bit at which ranges live, and one for each range found.
//!
//! With each range stands what all queries that wait for it require besides, as a print: where a document lacks one of its places, none
//! of them can match. Most do, and the lists behind them are never read.

use hashbrown::HashMap;

use super::places::Print;
use super::table::AtomId;

/// The ranges of one field.
#[derive(Debug)]
pub(super) struct Intervals {
    /// By the number in the middle, whose lowest bit is the one at which the ranges live.
    nodes: HashMap<u64, Node, foldhash::fast::RandomState>,
    /// Ranges of a single number.
    points: HashMap<u64, (AtomId, Print), foldhash::fast::RandomState>,
    /// How many nodes there are at each bit.
    at_bit: [u32; 64],
    /// The bits at which there are some.
    bits: u64,
    n: usize,
}

/// The ranges that live together.
#[derive(Debug, Default)]
struct Node {
    /// By lower end.
    lower: Sorted,
    /// By upper end, its bits turned over: the largest is the first.
    upper: Sorted,
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    at: u64,
    atom: AtomId,
    /// What all queries that wait for the range require.
    required: Print,
}

/// Ends in order. To add one moves no more than a piece of them.
#[derive(Debug, Default)]
struct Sorted {
    /// All of them, when they are few.
    first: Vec<End>,
    /// The pieces that follow; none of them is empty.
    more: Vec<Vec<End>>,
}

/// A piece of so many is divided.
const PIECE: usize = if cfg!(test) { 8 } else { 512 };

impl End {
    fn key(&self) -> (u64, AtomId) {
        (self.at, self.atom)
    }
}

impl Sorted {
    /// The number of the piece in which an end belongs: 0 is the first.
    fn piece(&self, key: (u64, AtomId)) -> usize {
        self.more.partition_point(|piece| piece[0].key() <= key)
    }

    fn piece_mut(&mut self, piece: usize) -> &mut Vec<End> {
        match piece {
            0 => &mut self.first,
            piece => &mut self.more[piece - 1],
        }
    }

    fn insert(&mut self, end: End) {
        let number = self.piece(end.key());
        let piece = self.piece_mut(number);
        let at = piece.partition_point(|it| it.key() < end.key());
        if piece.is_empty() {
            // Most nodes have one range.
            piece.reserve_exact(1);
        }
        piece.insert(at, end);
        if piece.len() >= PIECE {
            let half = piece.split_off(PIECE / 2);
            piece.shrink_to_fit();
            self.more.insert(number, half);
        }
    }

    fn get_mut(&mut self, key: (u64, AtomId)) -> Option<&mut End> {
        let number = self.piece(key);
        let piece = self.piece_mut(number);
        let at = piece.binary_search_by_key(&key, End::key).ok()?;
        Some(&mut piece[at])
    }

    fn remove(&mut self, key: (u64, AtomId)) {
        let number = self.piece(key);
        let piece = self.piece_mut(number);
        let Ok(at) = piece.binary_search_by_key(&key, End::key) else { return };
        piece.remove(at);
        if piece.len() * 4 < piece.capacity() {
            piece.shrink_to(piece.len() * 2);
        }
        match number.checked_sub(1) {
            Some(more) if self.more[more].is_empty() => {
                self.more.remove(more);
            }
            None if self.first.is_empty() && !self.more.is_empty() => self.first = self.more.remove(0),
            _ => {}
        }
        if self.more.len() * 4 < self.more.capacity() {
            self.more.shrink_to(self.more.len() * 2);
        }
    }

    /// Calls `found` with all that are not behind `last`, and what they require.
    #[inline]
    fn up_to(&self, last: u64, found: &mut impl FnMut(AtomId, Print)) {
        let mut pieces = self.more.iter();
        let mut piece = &self.first;
        loop {
            for end in piece {
                if end.at > last {
                    return;
                }
                found(end.atom, end.required);
            }
            match pieces.next() {
                Some(next) => piece = next,
                None => return,
            }
        }
    }

    fn size_bytes(&self) -> usize {
        let ends = self.first.capacity() + self.more.iter().map(Vec::capacity).sum::<usize>();
        ends * size_of::<End>() + self.more.capacity() * size_of::<Vec<End>>()
    }
}

/// Keeps the order and lets bits be compared.
fn unsigned(key: i64) -> u64 {
    key.cast_unsigned() ^ (1 << 63)
}

/// The highest bit in which the ends of a range differ; none in those of a single number.
fn bit(min: u64, max: u64) -> Option<u32> {
    (min ^ max).checked_ilog2()
}

/// The middle of the node at this bit that a number is in.
fn middle(key: u64, bit: u32) -> u64 {
    (key >> bit | 1) << bit
}

impl Default for Intervals {
    fn default() -> Intervals {
        Intervals { nodes: HashMap::default(), points: HashMap::default(), at_bit: [0; 64], bits: 0, n: 0 }
    }
}

impl Intervals {
    /// Adds a range, both ends included; `min <= max`. When it is there already, it requires no more than both times it was added.
    pub(super) fn insert(&mut self, min: i64, max: i64, atom: AtomId, required: Print) {
        let (min, max) = (unsigned(min), unsigned(max));
        let Some(bit) = bit(min, max) else {
            self.n += usize::from(!self.points.contains_key(&min));
            let entry = self.points.entry(min).or_insert((atom, required));
            entry.1 = entry.1.common(required);
            return;
        };
        let node = self.nodes.entry(middle(min, bit)).or_insert_with(|| {
            self.at_bit[bit as usize] += 1;
            self.bits |= 1 << bit;
            Node::default()
        });
        let (lower, upper) = (End { at: min, atom, required }, End { at: !max, atom, required });
        if let Some(lower) = node.lower.get_mut(lower.key()) {
            let less = lower.required.common(required);
            if less != lower.required {
                lower.required = less;
                node.upper.get_mut(upper.key()).expect("each range is in both lists").required = less;
            }
        } else {
            node.lower.insert(lower);
            node.upper.insert(upper);
            self.n += 1;
        }
    }

    /// Removes a range that was added.
    pub(super) fn remove(&mut self, min: i64, max: i64, atom: AtomId) {
        let (min, max) = (unsigned(min), unsigned(max));
        self.n -= 1;
        let Some(bit) = bit(min, max) else {
            self.points.remove(&min);
            if self.points.len() * 4 < self.points.capacity() {
                self.points.shrink_to(self.points.len() * 2);
            }
            return;
        };
        let middle = middle(min, bit);
        let Some(node) = self.nodes.get_mut(&middle) else { return };
        node.lower.remove((min, atom));
        node.upper.remove((!max, atom));
        if node.lower.first.is_empty() {
            self.nodes.remove(&middle);
            self.at_bit[bit as usize] -= 1;
            if self.at_bit[bit as usize] == 0 {
                self.bits &= !(1 << bit);
            }
            if self.nodes.len() * 4 < self.nodes.capacity() {
                self.nodes.shrink_to(self.nodes.len() * 2);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Calls `found` with each range that holds the number, and what it requires.
    pub(super) fn stab(&self, key: i64, mut found: impl FnMut(AtomId, Print)) {
        let key = unsigned(key);
        if let Some(&(atom, required)) = self.points.get(&key) {
            found(atom, required);
        }
        // All nodes are looked up before any is read, so that memory is asked for all of them at once.
        let mut lists: [Option<(&Sorted, u64)>; 64] = [None; 64];
        let (mut bits, mut n) = (self.bits, 0);
        while bits != 0 {
            let bit = bits.trailing_zeros();
            bits &= bits - 1;
            if let Some(node) = self.nodes.get(&middle(key, bit)) {
                lists[n] = Some(if key >> bit & 1 == 0 { (&node.lower, key) } else { (&node.upper, !key) });
                n += 1;
            }
        }
        for (list, last) in lists[..n].iter().flatten() {
            list.up_to(*last, &mut found);
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let lists = self.nodes.values().map(|node| node.lower.size_bytes() + node.upper.size_bytes()).sum::<usize>();
        size_of::<Intervals>()
            + self.nodes.capacity() * (size_of::<(u64, Node)>() + 1)
            + self.points.capacity() * (size_of::<(u64, (AtomId, Print))>() + 1)
            + lists
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end() -> impl Strategy<Value = i64> {
        prop_oneof![Just(i64::MIN), Just(i64::MAX), -9_i64..9, any::<i64>(), (0_u32..63).prop_map(|bit| 1 << bit)]
    }

    /// Of few atoms, so that some have something in common.
    fn print() -> impl Strategy<Value = Print> {
        prop::collection::vec(1_u32..5, 0..4).prop_map(Print::of)
    }

    proptest! {
        #[test]
        fn finds_the_ranges_that_a_scan_finds(
            ranges in prop::collection::vec((end(), end(), print(), print()), 0..80),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
            keys in prop::collection::vec(end(), 1..20),
        ) {
            // Each once, as atoms are.
            let mut plain: Vec<Option<(i64, i64, Print)>> = Vec::new();
            let mut intervals = Intervals::default();
            for &(a, b, required, again) in &ranges {
                let (min, max) = (a.min(b), a.max(b));
                if plain.iter().flatten().any(|&(from, to, _)| (from, to) == (min, max)) {
                    continue;
                }
                let atom = u32::try_from(plain.len()).unwrap();
                intervals.insert(min, max, atom, required);
                intervals.insert(min, max, atom, again);
                plain.push(Some((min, max, required.common(again))));
            }
            let n = plain.len();
            for at in removed.iter().filter(|_| n > 0) {
                let at = at.index(n);
                if let Some((min, max, _)) = plain[at].take() {
                    intervals.remove(min, max, u32::try_from(at).unwrap());
                }
            }
            for key in keys {
                let mut found = Vec::new();
                intervals.stab(key, |atom, required| found.push((atom, required)));
                found.sort_unstable_by_key(|&(atom, _)| atom);
                let expected: Vec<(u32, Print)> = (0..)
                    .zip(&plain)
                    .filter_map(|(atom, range)| range.map(|(min, max, required)| (min <= key && key <= max).then_some((atom, required)))?)
                    .collect();
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(intervals.is_empty(), plain.iter().all(Option::is_none));
        }
    }

    #[test]
    fn gives_memory_back() {
        let mut intervals = Intervals::default();
        let empty = intervals.size_bytes();
        let ranges = || (0..2_000_i64).map(|n| (n, if n % 3 == 0 { n } else { n * n % 977 + 2_000 }));
        for ((min, max), atom) in ranges().zip(0..) {
            intervals.insert(min, max, atom, Print::default());
        }
        let full = intervals.size_bytes();
        for ((min, max), atom) in ranges().zip(0..) {
            intervals.remove(min, max, atom);
        }
        assert!(intervals.is_empty());
        assert!((intervals.size_bytes() - empty) * 100 < full - empty, "{} of {full} bytes", intervals.size_bytes());
        intervals.stab(7, |atom, _| panic!("{atom} is still there"));
    }
}
