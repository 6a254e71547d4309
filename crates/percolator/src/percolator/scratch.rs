//! Helpers for buffers that are reused between documents, and for reading memory ahead.

/// Buffers up to this capacity, in entries, are never shrunk: some documents need a hundred times
/// what others do, and reallocating for each of them costs more than matching it.
const KEEP_CAPACITY: usize = 1 << 14;

/// Reads one word of each of several places in memory, before any of them is needed.
///
/// The reads do not depend on each other, so their cache misses overlap. Without them, each miss
/// would wait for the work on the entry before it. `black_box` keeps the compiler from removing
/// reads whose result is unused.
#[inline]
pub(crate) fn prefetch(words: impl Iterator<Item = u32>) {
    std::hint::black_box(words.fold(0, |all, word| all ^ word));
}

/// Empties a buffer, and shrinks it if it was mostly unused this time.
pub(crate) fn clear_and_trim<T>(buffer: &mut Vec<T>) {
    let len = buffer.len();
    buffer.clear();
    if buffer.capacity() > KEEP_CAPACITY && buffer.capacity() / 8 > len {
        buffer.shrink_to(len * 2);
    }
}

/// Grows a table to at least `len` entries.
pub(crate) fn ensure_len<T: Clone + Default>(table: &mut Vec<T>, len: usize) {
    if table.len() < len {
        table.resize(len, T::default());
    }
}

/// Shrinks a table that needs only `len` entries any more, if that frees most of it.
pub(crate) fn trim<T>(table: &mut Vec<T>, len: usize) {
    if table.len() / 4 > len {
        table.truncate(len);
        table.shrink_to(len * 2);
    }
}
