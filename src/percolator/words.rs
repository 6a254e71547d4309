//! The different words of a batch, and the documents that have them: what is asked of a word is asked once for all of these.

use crate::doc::Doc;

use super::facts::Mask;
use super::terms::Probe;

/// The smallest table; a power of two, as all are.
const MIN_PLACES: usize = 256;

/// A word of the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    hash: u64,
    /// The first document that has it.
    pub(super) doc: usize,
    /// Which of its tokens it is.
    pub(super) at: usize,
    /// All documents that have it.
    pub(super) docs: Mask,
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are all that is asked for")]
fn home(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}

/// The words, by field and text.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) words: Vec<Word>,
    /// By hash: the place in `words` and one; 0 is free.
    places: Vec<u32>,
}

impl Words {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        if !self.words.is_empty() {
            self.words.clear();
            self.places.fill(0);
        }
    }

    /// A document has a word: its token at this place.
    pub(super) fn add(&mut self, docs: &[&Doc], (doc, at): (usize, usize), probe: &Probe) {
        if self.words.len() * 2 >= self.places.len() {
            self.grow();
        }
        let token = &docs[doc].tokens()[at];
        let mask = self.places.len() - 1;
        let mut place = home(probe.hash, mask);
        while let Some(it) = (self.places[place] as usize).checked_sub(1) {
            let word = &mut self.words[it];
            if word.hash == probe.hash {
                let first = &docs[word.doc].tokens()[word.at];
                if first.field == token.field && docs[word.doc].term(first) == docs[doc].term(token) {
                    word.docs |= 1 << doc;
                    return;
                }
            }
            place = (place + 1) & mask;
        }
        self.words.push(Word { hash: probe.hash, doc, at, docs: 1 << doc });
        self.places[place] = u32::try_from(self.words.len()).expect("a batch has fewer than 2^32 words");
    }

    #[cold]
    fn grow(&mut self) {
        let n = (self.places.len() * 2).max(MIN_PLACES);
        self.places.clear();
        self.places.resize(n, 0);
        for (word, number) in self.words.iter().zip(1..) {
            let mut place = home(word.hash, n - 1);
            while self.places[place] != 0 {
                place = (place + 1) & (n - 1);
            }
            self.places[place] = number;
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.words.capacity() * size_of::<Word>() + self.places.capacity() * size_of::<u32>()
    }
}
