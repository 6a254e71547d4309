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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::terms::Terms;
    use super::*;
    use crate::doc::DocBuilder;
    use crate::schema::{FieldId, Schema, tweet};

    /// A document of these words in the text, and these in a field of keywords.
    fn doc(texts: &[&str], tags: &[&str]) -> Doc {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(tweet::TEXT, &texts.join(" "));
        tags.iter().for_each(|tag| builder.text(tweet::HASHTAG, tag));
        builder.doc().clone()
    }

    type Plain = BTreeMap<(FieldId, String), Mask>;

    /// Adds all tokens of the documents; tells what the table holds, each word once, and the same from a map.
    fn gathered(words: &mut Words, docs: &[&Doc]) -> (Plain, Plain) {
        let terms = Terms::new();
        let mut plain = Plain::new();
        for (number, doc) in docs.iter().enumerate() {
            for (at, token) in doc.tokens().iter().enumerate() {
                let term = doc.term(token);
                words.add(docs, (number, at), &terms.probe(token.field, term));
                *plain.entry((token.field, term.to_owned())).or_default() |= 1 << number;
            }
        }
        let mut found = Plain::new();
        for word in &words.words {
            let token = &docs[word.doc].tokens()[word.at];
            let again = found.insert((token.field, docs[word.doc].term(token).to_owned()), word.docs);
            assert_eq!(again, None, "a word is there twice");
            assert_eq!(word.docs.trailing_zeros() as usize, word.doc, "the first document that has it");
        }
        (found, plain)
    }

    proptest! {
        #[test]
        fn each_word_is_there_once_with_all_documents_that_have_it(
            batches in prop::collection::vec(prop::collection::vec(prop::collection::vec(0_u32..400, 0..30), 1..64), 1..4),
        ) {
            let mut words = Words::default();
            for batch in batches {
                let docs: Vec<Doc> = batch.iter().map(|numbers| {
                    let texts: Vec<String> = numbers.iter().map(|number| format!("w{number}")).collect();
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    // Some are keywords too, and are not the same there.
                    doc(&texts, &texts[..texts.len() / 3])
                }).collect();
                // What the last batch had is forgotten.
                words.clear();
                let (found, plain) = gathered(&mut words, &docs.iter().collect::<Vec<_>>());
                prop_assert_eq!(found, plain);
            }
        }
    }

    #[test]
    fn words_of_one_hash_are_told_apart() {
        let docs = [doc(&["one", "two"], &["one"]), doc(&["two", "two"], &[])];
        let docs: Vec<&Doc> = docs.iter().collect();
        let probe = Terms::new().probe(tweet::TEXT, "one");
        let mut words = Words::default();
        for (number, doc) in docs.iter().enumerate() {
            (0..doc.tokens().len()).for_each(|at| words.add(&docs, (number, at), &probe));
        }
        let found: Vec<(&str, Mask)> = words
            .words
            .iter()
            .map(|word| (docs[word.doc].term(&docs[word.doc].tokens()[word.at]), word.docs))
            .collect();
        assert_eq!(found, [("one", 1), ("two", 3), ("one", 1)]);
        assert!(words.size_bytes() > 0);
    }
}
