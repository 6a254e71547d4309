//! Many short lists in one piece of memory.
//!
//! A list is a [`Span`] of eight bytes; its entries stand together in the [`Arena`], in a block with some room to grow. Blocks come in
//! sizes that grow by about two fifths; a list that needs another size moves, and its block waits for one that fits. When
//! half of the arena waits, its owner moves all lists into a fresh one ([`Arena::is_sparse`]).

/// Where a list is: its first entry, how many there are, and the size of its block. The empty list has no block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    /// The length in the low bits, the class of the block above.
    len_and_class: u32,
}

const CLASS_SHIFT: u32 = 26;
/// Blocks smaller than this, in all, are not worth moving.
const SMALL: usize = 1 << 12;

impl Span {
    pub(super) const EMPTY: Span = Span { start: 0, len_and_class: 0 };

    #[inline]
    pub(super) fn len(self) -> usize {
        (self.len_and_class & ((1 << CLASS_SHIFT) - 1)) as usize
    }

    #[inline]
    pub(super) fn start(self) -> u32 {
        self.start
    }

    fn class(self) -> u32 {
        self.len_and_class >> CLASS_SHIFT
    }

    /// The list is one entry, which is not in the arena but here, in place of the start.
    #[inline]
    pub(super) fn is_inline(self) -> bool {
        self.len_and_class == 1
    }

    fn set_len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("a list is no longer than its block");
        self.len_and_class = self.class() << CLASS_SHIFT | len;
    }
}

/// The room in a block: 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, …
fn room(class: u32) -> usize {
    match class {
        0 | 1 => class as usize,
        _ if class.is_multiple_of(2) => 2 << ((class - 2) / 2),
        _ => 3 << ((class - 3) / 2),
    }
}

/// The smallest block with so much room.
fn class_for(len: usize) -> u32 {
    let class = (0..1 << (32 - CLASS_SHIFT)).find(|&class| room(class) >= len);
    class.filter(|_| len < 1 << CLASS_SHIFT).expect("a list has fewer than 2^26 entries")
}

/// The memory of the lists.
#[derive(Debug, Default)]
pub(super) struct Arena<T> {
    items: Vec<T>,
    /// By class: the starts of blocks that are free.
    free: Vec<Vec<u32>>,
    /// How much room there is in them.
    n_free: usize,
}

impl<T: Copy + Default> Arena<T> {
    /// The entries of a list.
    #[inline]
    pub(super) fn get(&self, span: Span) -> &[T] {
        let start = span.start as usize;
        &self.items[start..start + span.len()]
    }

    /// The entries of a list, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, span: Span) -> &mut [T] {
        let start = span.start as usize;
        &mut self.items[start..start + span.len()]
    }

    /// All entries from a place on, whosever they are.
    #[inline]
    pub(super) fn from(&self, start: u32) -> &[T] {
        &self.items[start as usize..]
    }

    /// The first entry of a list, or whatever is where it would be.
    #[inline]
    pub(super) fn touch(&self, span: Span) -> Option<&T> {
        self.items.get(span.start as usize)
    }

    /// Makes a list.
    pub(super) fn store(&mut self, items: &[T]) -> Span {
        let class = class_for(items.len());
        let mut span = Span { start: self.take(class), len_and_class: class << CLASS_SHIFT };
        span.set_len(items.len());
        self.get_mut(span).copy_from_slice(items);
        span
    }

    /// Adds an entry and tells its place.
    pub(super) fn push(&mut self, span: &mut Span, item: T) -> u32 {
        let len = span.len();
        if len == room(span.class()) {
            self.resize(span, class_for(len + 1));
        }
        span.set_len(len + 1);
        self.items[span.start as usize + len] = item;
        u32::try_from(len).expect("a list has fewer than 2^26 entries")
    }

    /// Removes an entry; the last one takes its place. Tells which one that was and where it stood, when it was another.
    pub(super) fn swap_remove(&mut self, span: &mut Span, at: u32) -> Option<(T, u32)> {
        let last = span.len() - 1;
        let items = self.get_mut(*span);
        items.swap(at as usize, last);
        let moved = (at as usize != last).then(|| (items[at as usize], u32::try_from(last).expect("as above")));
        span.set_len(last);
        if last * 3 <= room(span.class()) {
            self.resize(span, class_for(last));
        }
        moved
    }

    /// Frees a list.
    pub(super) fn free(&mut self, span: &mut Span) {
        self.give(span.start, span.class());
        *span = Span::default();
    }

    /// Moves a list to a block of another size.
    fn resize(&mut self, span: &mut Span, class: u32) {
        let from = span.start as usize;
        let start = self.take(class);
        self.items.copy_within(from..from + span.len(), start as usize);
        self.give(span.start, span.class());
        let len = span.len();
        *span = Span { start, len_and_class: class << CLASS_SHIFT };
        span.set_len(len);
    }

    fn take(&mut self, class: u32) -> u32 {
        if class == 0 {
            return 0;
        }
        if let Some(start) = self.free.get_mut(class as usize).and_then(Vec::pop) {
            self.n_free -= room(class);
            return start;
        }
        let start = u32::try_from(self.items.len()).expect("an arena holds fewer than 2^32 entries");
        self.items.resize(self.items.len() + room(class), T::default());
        start
    }

    fn give(&mut self, start: u32, class: u32) {
        if class == 0 {
            return;
        }
        if self.free.len() <= class as usize {
            self.free.resize(class as usize + 1, Vec::new());
        }
        self.free[class as usize].push(start);
        self.n_free += room(class);
    }

    /// How much room there is in all blocks.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether so much waits for new lists that all should move to a fresh arena.
    pub(super) fn is_sparse(&self) -> bool {
        self.items.len() > SMALL && self.n_free * 2 > self.items.len()
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>()
            + self.free.capacity() * size_of::<Vec<u32>>()
            + self.free.iter().map(|free| free.capacity() * size_of::<u32>()).sum::<usize>()
    }
}

/// Lists of numbers of which a single one is kept in the span. These must be used for all that is done to such a list.
impl Arena<u32> {
    /// The entries of a list.
    #[inline]
    pub(super) fn get_or_inline<'a>(&'a self, span: &'a Span) -> &'a [u32] {
        if span.is_inline() { std::slice::from_ref(&span.start) } else { self.get(*span) }
    }

    /// Adds an entry and tells its place.
    pub(super) fn push_or_inline(&mut self, span: &mut Span, item: u32) -> u32 {
        if span.len() == 0 {
            *span = Span { start: item, len_and_class: 1 };
            return 0;
        }
        if span.is_inline() {
            *span = self.store(&[span.start]);
        }
        self.push(span, item)
    }

    /// Removes an entry; the last one takes its place. Tells which one that was and where it stood, when it was another.
    pub(super) fn swap_remove_or_inline(&mut self, span: &mut Span, at: u32) -> Option<(u32, u32)> {
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
    fn blocks_have_room_for_what_they_are_for() {
        for len in 0..5_000 {
            let class = class_for(len);
            assert!(room(class) >= len && (class == 0 || room(class - 1) < len), "{len}");
        }
    }

    proptest! {
        #[test]
        fn lists_with_single_entries_in_place_are_lists(operations in prop::collection::vec((0_usize..3, any::<u8>(), 0_u8..7), 0..300)) {
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
            let live: usize = model.iter().filter(|model| model.len() > 1).map(|model| room(class_for(model.len()))).sum();
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
            let live: usize = model.iter().map(|model| room(class_for(model.len()))).sum();
            prop_assert_eq!(arena.items.len() - arena.n_free, live);
        }
    }
}
