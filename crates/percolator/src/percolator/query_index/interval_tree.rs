//! An interval tree over the bits of integers: which of many ranges contain a value?
//!
//! A range is in the node of the highest bit in which its two bounds differ, together with all
//! ranges whose bounds share the bits above. All ranges of a node contain its midpoint. So a value
//! below the midpoint is in the ranges whose lower bound is at most the value, and a value above it
//! in those whose upper bound is at least the value. Each node sorts its ranges by both bounds,
//! from outside in; the result is a prefix of one list and needs no search. A query costs one step
//! for each bit level in use and one for each range found. The tree needs no balancing.
//!
//! Each range has a [`Signature`] of what all queries posted under it require. The caller skips
//! ranges whose signature the document lacks, and then reads none of their postings.

use hashbrown::HashMap;

use super::bloom::Signature;
use crate::percolator::atoms::AtomId;

/// The ranges of one field.
#[derive(Debug)]
pub(crate) struct IntervalTree {
    /// By midpoint. Its lowest bit that is set is the bit of the node.
    nodes: HashMap<u64, Node, foldhash::fast::RandomState>,
    /// Ranges of a single value.
    points: HashMap<u64, (AtomId, Signature), foldhash::fast::RandomState>,
    /// By bit: how many nodes there are.
    nodes_at_bit: [u32; 64],
    /// The bits that have nodes.
    bits: u64,
    n_ranges: usize,
    /// How many endpoints a chunk has before it is split.
    max_chunk: usize,
}

/// The ranges of a node.
#[derive(Debug, Default)]
struct Node {
    /// By lower bound, ascending.
    lower: SortedEndpoints,
    /// By the complement of the upper bound, ascending: the largest bound is first.
    upper: SortedEndpoints,
}

/// A bound of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Endpoint {
    at: u64,
    atom: AtomId,
    /// What all queries posted under the range require.
    required: Signature,
}

/// Sorted endpoints in chunks, so that an insertion moves at most one chunk.
#[derive(Debug, Default)]
struct SortedEndpoints {
    /// The first chunk: the only one in most nodes.
    first: Vec<Endpoint>,
    /// The other chunks, none of them empty.
    more: Vec<Vec<Endpoint>>,
}

impl Endpoint {
    fn key(&self) -> (u64, AtomId) {
        (self.at, self.atom)
    }
}

impl SortedEndpoints {
    /// The index of the chunk in which an endpoint belongs.
    fn chunk_of(&self, key: (u64, AtomId)) -> usize {
        self.more.partition_point(|chunk| chunk[0].key() <= key)
    }

    fn chunk_mut(&mut self, chunk: usize) -> &mut Vec<Endpoint> {
        match chunk {
            0 => &mut self.first,
            chunk => &mut self.more[chunk - 1],
        }
    }

    fn insert(&mut self, end: Endpoint, max_chunk: usize) {
        let number = self.chunk_of(end.key());
        let chunk = self.chunk_mut(number);
        let at = chunk.partition_point(|it| it.key() < end.key());
        if chunk.is_empty() {
            // Most nodes have one range.
            chunk.reserve_exact(1);
        }
        chunk.insert(at, end);
        if chunk.len() >= max_chunk {
            let half = chunk.split_off(max_chunk / 2);
            chunk.shrink_to_fit();
            self.more.insert(number, half);
        }
    }

    fn get_mut(&mut self, key: (u64, AtomId)) -> Option<&mut Endpoint> {
        let number = self.chunk_of(key);
        let chunk = self.chunk_mut(number);
        let at = chunk.binary_search_by_key(&key, Endpoint::key).ok()?;
        Some(&mut chunk[at])
    }

    fn remove(&mut self, key: (u64, AtomId)) {
        let number = self.chunk_of(key);
        let chunk = self.chunk_mut(number);
        let Ok(at) = chunk.binary_search_by_key(&key, Endpoint::key) else { return };
        chunk.remove(at);
        if chunk.len() * 4 < chunk.capacity() {
            chunk.shrink_to(chunk.len() * 2);
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

    /// Calls `found` with the ranges of all endpoints up to `last`, and what the ranges require.
    #[inline]
    fn up_to(&self, last: u64, found: &mut impl FnMut(AtomId, Signature)) {
        let mut chunks = self.more.iter();
        let mut chunk = &self.first;
        loop {
            for end in chunk {
                if end.at > last {
                    return;
                }
                found(end.atom, end.required);
            }
            match chunks.next() {
                Some(next) => chunk = next,
                None => return,
            }
        }
    }

    fn size_bytes(&self) -> usize {
        let ends = self.first.capacity() + self.more.iter().map(Vec::capacity).sum::<usize>();
        ends * size_of::<Endpoint>() + self.more.capacity() * size_of::<Vec<Endpoint>>()
    }
}

/// Maps signed to unsigned integers in the same order.
fn unsigned(key: i64) -> u64 {
    key.cast_unsigned() ^ (1 << 63)
}

/// The highest bit in which the bounds of a range differ. None for a range of a single value.
fn highest_difference(min: u64, max: u64) -> Option<u32> {
    (min ^ max).checked_ilog2()
}

/// The midpoint of the node of a bit that a value belongs to.
fn midpoint(key: u64, bit: u32) -> u64 {
    (key >> bit | 1) << bit
}

impl IntervalTree {
    /// A tree without ranges, whose chunks are split at this length.
    pub(crate) fn new(max_chunk: usize) -> IntervalTree {
        IntervalTree {
            nodes: HashMap::default(),
            points: HashMap::default(),
            nodes_at_bit: [0; 64],
            bits: 0,
            n_ranges: 0,
            max_chunk,
        }
    }

    /// Adds a range, both bounds included, with `min <= max`. A range that was added before
    /// requires the intersection of what it required each time.
    pub(crate) fn insert(&mut self, min: i64, max: i64, atom: AtomId, required: Signature) {
        let (min, max) = (unsigned(min), unsigned(max));
        let Some(bit) = highest_difference(min, max) else {
            self.n_ranges += usize::from(!self.points.contains_key(&min));
            let entry = self.points.entry(min).or_insert((atom, required));
            entry.1 = entry.1.intersection(required);
            return;
        };
        let node = self.nodes.entry(midpoint(min, bit)).or_insert_with(|| {
            self.nodes_at_bit[bit as usize] += 1;
            self.bits |= 1 << bit;
            Node::default()
        });
        let (lower, upper) = (Endpoint { at: min, atom, required }, Endpoint { at: !max, atom, required });
        if let Some(lower) = node.lower.get_mut(lower.key()) {
            let less = lower.required.intersection(required);
            if less != lower.required {
                lower.required = less;
                node.upper.get_mut(upper.key()).expect("a range is in both lists").required = less;
            }
        } else {
            node.lower.insert(lower, self.max_chunk);
            node.upper.insert(upper, self.max_chunk);
            self.n_ranges += 1;
        }
    }

    /// Removes a range that was added.
    pub(crate) fn remove(&mut self, min: i64, max: i64, atom: AtomId) {
        let (min, max) = (unsigned(min), unsigned(max));
        self.n_ranges -= 1;
        let Some(bit) = highest_difference(min, max) else {
            self.points.remove(&min);
            if self.points.len() * 4 < self.points.capacity() {
                self.points.shrink_to(self.points.len() * 2);
            }
            return;
        };
        let midpoint = midpoint(min, bit);
        let Some(node) = self.nodes.get_mut(&midpoint) else { return };
        node.lower.remove((min, atom));
        node.upper.remove((!max, atom));
        if node.lower.first.is_empty() {
            self.nodes.remove(&midpoint);
            self.nodes_at_bit[bit as usize] -= 1;
            if self.nodes_at_bit[bit as usize] == 0 {
                self.bits &= !(1 << bit);
            }
            if self.nodes.len() * 4 < self.nodes.capacity() {
                self.nodes.shrink_to(self.nodes.len() * 2);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.n_ranges == 0
    }

    /// Calls `found` with each range that contains the value, and what the range requires.
    pub(crate) fn stab(&self, key: i64, mut found: impl FnMut(AtomId, Signature)) {
        let key = unsigned(key);
        if let Some(&(atom, required)) = self.points.get(&key) {
            found(atom, required);
        }
        // All nodes are looked up before any is read, so that their cache misses overlap.
        let mut lists: [Option<(&SortedEndpoints, u64)>; 64] = [None; 64];
        let (mut bits, mut n) = (self.bits, 0);
        while bits != 0 {
            let bit = bits.trailing_zeros();
            bits &= bits - 1;
            if let Some(node) = self.nodes.get(&midpoint(key, bit)) {
                lists[n] = Some(if key >> bit & 1 == 0 { (&node.lower, key) } else { (&node.upper, !key) });
                n += 1;
            }
        }
        for (list, last) in lists[..n].iter().flatten() {
            list.up_to(*last, &mut found);
        }
    }

    /// The memory that the tree holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let lists = self.nodes.values().map(|node| node.lower.size_bytes() + node.upper.size_bytes()).sum::<usize>();
        size_of::<IntervalTree>()
            + self.nodes.capacity() * (size_of::<(u64, Node)>() + 1)
            + self.points.capacity() * (size_of::<(u64, (AtomId, Signature))>() + 1)
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

    /// From few atoms, so that some signatures intersect.
    fn signature() -> impl Strategy<Value = Signature> {
        prop::collection::vec(1_u32..5, 0..4).prop_map(Signature::of)
    }

    proptest! {
        #[test]
        fn finds_the_ranges_that_a_scan_finds(
            ranges in prop::collection::vec((end(), end(), signature(), signature()), 0..80),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
            keys in prop::collection::vec(end(), 1..20),
        ) {
            // Each range once, as atoms are interned.
            let mut plain: Vec<Option<(i64, i64, Signature)>> = Vec::new();
            let mut tree = IntervalTree::new(8);
            for &(a, b, required, again) in &ranges {
                let (min, max) = (a.min(b), a.max(b));
                if plain.iter().flatten().any(|&(from, to, _)| (from, to) == (min, max)) {
                    continue;
                }
                let atom = u32::try_from(plain.len()).unwrap();
                tree.insert(min, max, atom, required);
                tree.insert(min, max, atom, again);
                plain.push(Some((min, max, required.intersection(again))));
            }
            let n = plain.len();
            for at in removed.iter().filter(|_| n > 0) {
                let at = at.index(n);
                if let Some((min, max, _)) = plain[at].take() {
                    tree.remove(min, max, u32::try_from(at).unwrap());
                }
            }
            for key in keys {
                let mut found = Vec::new();
                tree.stab(key, |atom, required| found.push((atom, required)));
                found.sort_unstable_by_key(|&(atom, _)| atom);
                let contains = |min, max| min <= key && key <= max;
                let expected: Vec<(u32, Signature)> = (0..)
                    .zip(&plain)
                    .filter_map(|(atom, range)| range.map(|it| (atom, it)))
                    .filter(|&(_, (min, max, _))| contains(min, max))
                    .map(|(atom, (.., required))| (atom, required))
                    .collect();
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(tree.is_empty(), plain.iter().all(Option::is_none));
        }
    }

    #[test]
    fn frees_memory() {
        let mut tree = IntervalTree::new(8);
        let empty = tree.size_bytes();
        let ranges = || (0..2_000_i64).map(|n| (n, if n % 3 == 0 { n } else { n * n % 977 + 2_000 }));
        for ((min, max), atom) in ranges().zip(0..) {
            tree.insert(min, max, atom, Signature::default());
        }
        let full = tree.size_bytes();
        for ((min, max), atom) in ranges().zip(0..) {
            tree.remove(min, max, atom);
        }
        assert!(tree.is_empty());
        assert!((tree.size_bytes() - empty) * 100 < full - empty, "{} of {full} bytes", tree.size_bytes());
        tree.stab(7, |atom, _| panic!("atom {atom} was removed"));
    }
}
