//! Rolling hashes of a term: the hash of any substring in constant time.

use crate::automaton::literal::simple;

/// How many characters of a fuzzy term make its keys.
const FUZZY_PREFIX: usize = 8;

const BASE: u64 = 0x9e37_79b9_7f4a_7c55;

/// `POWERS[i]` is [`BASE`] to the power of `i`. Longer terms are cut off.
const POWERS: [u64; 256] = {
    let mut powers = [1_u64; 256];
    let mut at = 1;
    while at < 256 {
        powers[at] = powers[at - 1].wrapping_mul(BASE);
        at += 1;
    }
    powers
};

/// The bit of a character, in simple case, in a mask of characters: one of the lowest 31. Letters
/// of ASCII have one each.
#[inline]
pub(crate) fn char_bit(simple: char) -> u32 {
    let char = u32::from(simple);
    1 << ((char ^ char >> 7) % 31)
}

/// The hash of a string that is one character longer.
#[inline]
fn push(hash: u64, simple: char) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(u64::from(u32::from(simple)) + 1)
}

/// The hash of characters in simple case.
pub(crate) fn hash_of<'a>(simple: impl IntoIterator<Item = &'a char>) -> u64 {
    simple.into_iter().fold(0, |hash, &char| push(hash, char))
}

/// The hashes of the prefixes of a term in simple case.
#[derive(Clone, Debug, Default)]
pub(crate) struct TermHashes {
    /// `prefixes[i]` is the hash of the first `i` characters.
    prefixes: Vec<u64>,
    /// The bits of all characters.
    char_mask: u32,
}

impl TermHashes {
    pub(crate) fn set(&mut self, chars: impl Iterator<Item = char>) {
        self.prefixes.clear();
        self.char_mask = 0;
        let mut hash = 0_u64;
        self.prefixes.push(hash);
        for char in chars.take(POWERS.len() - 1).map(simple) {
            hash = push(hash, char);
            self.prefixes.push(hash);
            self.char_mask |= char_bit(char);
        }
    }

    /// The length in characters.
    pub(crate) fn len(&self) -> usize {
        self.prefixes.len() - 1
    }

    #[inline]
    pub(crate) fn char_mask(&self) -> u32 {
        self.char_mask
    }

    /// The hash of the first `len` characters.
    #[inline]
    pub(crate) fn prefix(&self, len: usize) -> u64 {
        self.prefixes[len]
    }

    /// The hash of the characters from one index to another.
    #[inline]
    pub(crate) fn substring(&self, from: usize, to: usize) -> u64 {
        self.prefixes[to].wrapping_sub(self.prefixes[from].wrapping_mul(POWERS[to - from]))
    }

    /// The hash of a string followed by the characters from one index to another.
    #[inline]
    pub(crate) fn append(&self, front: u64, from: usize, to: usize) -> u64 {
        front.wrapping_mul(POWERS[to - from]).wrapping_add(self.substring(from, to))
    }

    /// Calls `found` with the hash of each string that up to `distance`, at most 2, deletions make
    /// of the first [`FUZZY_PREFIX`] characters.
    pub(crate) fn deletions(&self, distance: usize, mut found: impl FnMut(u64)) {
        let n = self.len().min(FUZZY_PREFIX);
        found(self.prefixes[n]);
        if distance == 0 {
            return;
        }
        // Deleting either of two equal adjacent characters gives the same string.
        let is_repeated = |at: usize| at > 0 && self.substring(at - 1, at) == self.substring(at, at + 1);
        for i in (0..n).filter(|&i| !is_repeated(i)) {
            found(self.append(self.prefixes[i], i + 1, n));
            if distance == 1 {
                continue;
            }
            for j in (i + 1..n).filter(|&j| j == i + 1 || !is_repeated(j)) {
                found(self.append(self.append(self.prefixes[i], i + 1, j), j + 1, n));
            }
        }
    }
}
