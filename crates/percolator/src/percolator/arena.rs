//! An arena allocator for many short lists.
//!
//! A list is a [`Span`] of eight bytes. Its entries are contiguous in the [`Arena`], in a block
//! with spare capacity. Block capacities are size classes, each about 1.4 times the one before. A
//! list that outgrows its block moves to a larger one, and the old block goes to the free list of
//! its class. When half of the arena is free, the owner copies all lists to a new one
//! ([`Arena::is_sparse`]).

/// A list in an arena: its first entry, its length, and the size class of its block. The empty list
/// has no block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    /// The length in the low [`CLASS_SHIFT`] bits, the size class of the block above.
    len_and_class: u32,
}

const CLASS_SHIFT: u32 = 26;
/// Arenas up to this many entries are never compacted: there is little to gain.
const COMPACT_FROM: usize = 1 << 12;

impl Span {
    pub(crate) const EMPTY: Span = Span { start: 0, len_and_class: 0 };

    #[inline]
    pub(crate) fn len(self) -> usize {
        (self.len_and_class & ((1 << CLASS_SHIFT) - 1)) as usize
    }

    #[inline]
    pub(crate) fn start(self) -> u32 {
        self.start
    }

    fn class(self) -> u32 {
        self.len_and_class >> CLASS_SHIFT
    }

    /// Whether the list is one entry that is stored in the span itself, in place of the start.
    #[inline]
    pub(crate) fn is_inline(self) -> bool {
        self.len_and_class == 1
    }

    fn set_len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("a list is at most as long as its block");
        self.len_and_class = self.class() << CLASS_SHIFT | len;
    }
}

/// The capacity of a block, in entries: 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, …
fn capacity(class: u32) -> usize {
    match class {
        0 | 1 => class as usize,
        _ if class.is_multiple_of(2) => 2 << ((class - 2) / 2),
        _ => 3 << ((class - 3) / 2),
    }
}

/// The smallest size class with at least this capacity.
fn class_for(len: usize) -> u32 {
    let class = (0..1 << (32 - CLASS_SHIFT)).find(|&class| capacity(class) >= len);
    class.filter(|_| len < 1 << CLASS_SHIFT).expect("a list has fewer than 2^26 entries")
}

/// The memory of many lists.
#[derive(Debug, Default)]
pub(crate) struct Arena<T> {
    items: Vec<T>,
    /// By size class: the starts of free blocks.
    free: Vec<Vec<u32>>,
    /// The capacity of all free blocks, in entries.
    n_free: usize,
}

impl<T: Copy + Default> Arena<T> {
    /// The entries of a list.
    #[inline]
    pub(crate) fn get(&self, span: Span) -> &[T] {
        let start = span.start as usize;
        &self.items[start..start + span.len()]
    }

    /// The entries of a list, mutably.
    #[inline]
    pub(crate) fn get_mut(&mut self, span: Span) -> &mut [T] {
        let start = span.start as usize;
        &mut self.items[start..start + span.len()]
    }

    /// All entries of the arena from `start` on, of whatever list.
    #[inline]
    pub(crate) fn from(&self, start: u32) -> &[T] {
        &self.items[start as usize..]
    }

    /// The first entry of a list. For an empty list, any entry or none. For prefetching.
    #[inline]
    pub(crate) fn peek(&self, span: Span) -> Option<&T> {
        self.items.get(span.start as usize)
    }

    /// Allocates a list with these entries.
    pub(crate) fn store(&mut self, items: &[T]) -> Span {
        let class = class_for(items.len());
        let mut span = Span { start: self.allocate(class), len_and_class: class << CLASS_SHIFT };
        span.set_len(items.len());
        self.get_mut(span).copy_from_slice(items);
        span
    }

    /// Appends an entry and returns its index in the list.
    pub(crate) fn push(&mut self, span: &mut Span, item: T) -> u32 {
        let len = span.len();
        if len == capacity(span.class()) {
            self.resize(span, class_for(len + 1));
        }
        span.set_len(len + 1);
        self.items[span.start as usize + len] = item;
        u32::try_from(len).expect("a list has fewer than 2^26 entries")
    }

    /// Removes the entry at an index; the last entry takes its index. Returns the moved entry and
    /// its former index, unless the removed entry was the last.
    pub(crate) fn swap_remove(&mut self, span: &mut Span, at: u32) -> Option<(T, u32)> {
        let last = span.len() - 1;
        let items = self.get_mut(*span);
        items.swap(at as usize, last);
        let moved = (at as usize != last).then(|| (items[at as usize], u32::try_from(last).expect("as above")));
        span.set_len(last);
        if last * 3 <= capacity(span.class()) {
            self.resize(span, class_for(last));
        }
        moved
    }

    /// Frees a list, which is empty afterwards.
    pub(crate) fn free(&mut self, span: &mut Span) {
        self.release(span.start, span.class());
        *span = Span::default();
    }

    /// Moves a list to a block of another size class.
    fn resize(&mut self, span: &mut Span, class: u32) {
        let from = span.start as usize;
        let start = self.allocate(class);
        self.items.copy_within(from..from + span.len(), start as usize);
        self.release(span.start, span.class());
        let len = span.len();
        *span = Span { start, len_and_class: class << CLASS_SHIFT };
        span.set_len(len);
    }

    fn allocate(&mut self, class: u32) -> u32 {
        if class == 0 {
            return 0;
        }
        if let Some(start) = self.free.get_mut(class as usize).and_then(Vec::pop) {
            self.n_free -= capacity(class);
            return start;
        }
        let start = u32::try_from(self.items.len()).expect("an arena holds fewer than 2^32 entries");
        self.items.resize(self.items.len() + capacity(class), T::default());
        start
    }

    fn release(&mut self, start: u32, class: u32) {
        if class == 0 {
            return;
        }
        if self.free.len() <= class as usize {
            self.free.resize(class as usize + 1, Vec::new());
        }
        self.free[class as usize].push(start);
        self.n_free += capacity(class);
    }

    /// The capacity of all blocks, free ones included, in entries.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether more than half of the arena is free, so that the owner should copy the lists to a
    /// new one.
    pub(crate) fn is_sparse(&self) -> bool {
        self.items.len() > COMPACT_FROM && self.n_free * 2 > self.items.len()
    }

    /// The memory that the arena holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>()
            + self.free.capacity() * size_of::<Vec<u32>>()
            + self.free.iter().map(|free| free.capacity() * size_of::<u32>()).sum::<usize>()
    }
}

/// Lists of numbers that keep a single entry in the span. A list that was made by one of these
/// functions must be used through them only.
impl Arena<u32> {
    /// The entries of a list.
    #[inline]
    pub(crate) fn get_or_inline<'a>(&'a self, span: &'a Span) -> &'a [u32] {
        if span.is_inline() { std::slice::from_ref(&span.start) } else { self.get(*span) }
    }

    /// Appends an entry and returns its index in the list.
    pub(crate) fn push_or_inline(&mut self, span: &mut Span, item: u32) -> u32 {
        if span.len() == 0 {
            *span = Span { start: item, len_and_class: 1 };
            return 0;
        }
        if span.is_inline() {
            *span = self.store(&[span.start]);
        }
        self.push(span, item)
    }

    /// As [`Arena::swap_remove`].
    pub(crate) fn swap_remove_or_inline(&mut self, span: &mut Span, at: u32) -> Option<(u32, u32)> {
        if span.is_inline() {
            *span = Span::default();
            return None;
        }
        let moved = self.swap_remove(span, at);
        if let &[item] = self.get(*span) {
            self.free(span);
            *span = Span { start: item, len_and_class: 1 };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_size_class_is_the_smallest_that_fits() {
        for len in 0..5_000 {
            let class = class_for(len);
            assert!(capacity(class) >= len && (class == 0 || capacity(class - 1) < len), "{len}");
        }
    }

    proptest! {
        #[test]
        fn lists_with_inline_entries_are_lists(
            operations in prop::collection::vec((0_usize..3, any::<u8>(), 0_u8..7), 0..300),
        ) {
            let mut arena = Arena::default();
            let mut spans = [Span::default(); 3];
            let mut model: [Vec<u32>; 3] = Default::default();
            for (number, (list, at, what)) in (0_u32..).zip(operations) {
                let (span, model) = (&mut spans[list], &mut model[list]);
                if what < 3 && !model.is_empty() {
                    let at = usize::from(at) % model.len();
                    let from = model.len() - 1;
                    model.swap_remove(at);
                    let moved = model.get(at).map(|&item| (item, u32::try_from(from).unwrap()));
                    prop_assert_eq!(arena.swap_remove_or_inline(span, u32::try_from(at).unwrap()), moved);
                } else {
                    prop_assert_eq!(arena.push_or_inline(span, number) as usize, model.len());
                    model.push(number);
                }
                prop_assert_eq!(arena.get_or_inline(span), model.as_slice());
                prop_assert_eq!(span.is_inline(), model.len() == 1);
            }
            for (span, model) in spans.iter().zip(&model) {
                prop_assert_eq!(arena.get_or_inline(span), model.as_slice());
            }
            let live: usize = model
                .iter()
                .filter(|model| model.len() > 1)
                .map(|model| capacity(class_for(model.len())))
                .sum();
            prop_assert!(arena.items.len() - arena.n_free >= live);
        }

        #[test]
        fn lists_keep_their_entries(operations in prop::collection::vec((0_usize..5, any::<u8>(), 0_u8..8), 0..300)) {
            let mut arena = Arena::default();
            let mut spans = [Span::default(); 5];
            let mut model: [Vec<u32>; 5] = Default::default();
            for (number, (list, at, what)) in (0_u32..).zip(operations) {
                let (span, model) = (&mut spans[list], &mut model[list]);
                match what {
                    0 => {
                        arena.free(span);
                        model.clear();
                    }
                    1..3 if !model.is_empty() => {
                        let at = usize::from(at) % model.len();
                        let from = model.len() - 1;
                        model.swap_remove(at);
                        let moved = model.get(at).map(|&item| (item, u32::try_from(from).unwrap()));
                        prop_assert_eq!(arena.swap_remove(span, u32::try_from(at).unwrap()), moved);
                    }
                    _ => {
                        prop_assert_eq!(arena.push(span, number) as usize, model.len());
                        model.push(number);
                    }
                }
            }
            for (span, model) in spans.iter_mut().zip(&model) {
                prop_assert_eq!(arena.get(*span), model.as_slice());
                let copy = arena.store(model);
                prop_assert_eq!(arena.get(copy), model.as_slice());
                arena.free(span);
            }
            let live: usize = model.iter().map(|model| capacity(class_for(model.len()))).sum();
            prop_assert_eq!(arena.items.len() - arena.n_free, live);
        }
    }
}
