//! Percolates up to 64 documents together, by term and not by document.
//!
//! A frequent word is in many of them; its list of queries is read once, and what is asked there is asked of all these
//! documents in one: sets of documents are masks of 64 bits, and a program that ANDs five words is five ANDs of masks.

use crate::doc::Doc;
use crate::ids::QueryKey;

use super::Matches;
use super::arena::Arena;
use super::facts::{Facts, Marks, Mask, Seen, Tokens, Tools};
use super::found::Found;
use super::one::{fit, shrink};
use super::presearch::Presearch;
use super::program;
use super::table::{AtomId, AtomKind, Atoms};
use super::waits::{Signature, Wake, for_each_fit, signature};

/// How many documents fit into a mask.
pub(super) const MAX_DOCS: usize = 64;

/// How many bits of a signature are looked at.
const BITS: usize = 4;
/// How many lists and programs are touched before they are read.
const AHEAD: usize = 16;

/// Which of the documents an atom is noted for: the number of the batch, and the place of a mask.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    batch: u32,
    at: u32,
}

/// The marks, and buffers that are kept.
#[derive(Debug, Default)]
pub(super) struct Many {
    /// The number of the batch, from 1.
    batch: u32,
    /// The document that is being marked, as a mask.
    doc: Mask,
    /// By atom: the place in `there`.
    notes: Vec<Note>,
    /// The atoms that are in any document; a range once for each document.
    there: Vec<AtomId>,
    /// By place in `there`: in which documents.
    masks: Vec<Mask>,
    /// The queries that were found and may be again, and for which documents.
    found: Found,
    /// By atom that programs looked for: the documents that were looked at, and those that have it.
    looked: hashbrown::HashMap<AtomId, (Mask, Mask), foldhash::fast::RandomState>,
    /// By bit of signatures: the documents that have it; and behind these, all.
    signatures: Vec<Mask>,
    /// By document: the bits that it has.
    doc_signatures: Vec<Signature>,
    /// By document.
    tokens: Vec<Tokens>,
    /// By document: the queries that match.
    matches: Vec<Vec<u32>>,
    /// The numbers of postings whose signature fits, and for which documents.
    fit: Vec<(u32, Mask)>,
    /// Queries of which a program must decide, where it starts, for which documents, and whether they may have been found.
    open: Vec<(u32, u32, Mask, bool)>,
}

impl Many {
    fn start(&mut self, n_docs: usize, n_atoms: usize) {
        if self.batch == u32::MAX {
            self.batch = 0;
            self.notes.fill(Note::default());
        }
        self.batch += 1;
        self.there.clear();
        self.masks.clear();
        self.found.start();
        self.looked.clear();
        self.fit.clear();
        self.open.clear();
        self.signatures.clear();
        self.signatures.resize(Signature::BITS as usize, 0);
        self.signatures.push(Mask::MAX);
        self.doc_signatures.clear();
        self.doc_signatures.resize(n_docs, 0);
        if self.tokens.len() < n_docs {
            self.tokens.resize_with(n_docs, Tokens::default);
            self.matches.resize_with(n_docs, Vec::new);
        }
        fit(&mut self.notes, n_atoms);
    }

    /// Appends the matches of documents, at most [`MAX_DOCS`], of which the first has this number in its batch.
    pub(super) fn percolate(
        &mut self,
        presearch: &Presearch,
        codes: &Arena<u32>,
        tools: &mut Tools,
        (first, docs): (u32, &[&Doc]),
        matches: &mut Matches,
    ) {
        debug_assert!(docs.len() <= MAX_DOCS);
        self.start(docs.len(), presearch.atoms.len());
        for (at, doc) in docs.iter().enumerate() {
            let mut tokens = std::mem::take(&mut self.tokens[at]);
            tokens.clear();
            self.doc = 1 << at;
            presearch.mark(doc, &mut tokens, tools, self);
            self.tokens[at] = tokens;
        }
        matches.candidates += self.wake(presearch, codes, docs);
        for (number, found) in (first..).zip(&mut self.matches).take(docs.len()) {
            matches.pairs.extend(found.drain(..).map(|query| (number, QueryKey(query))));
        }
    }

    /// Looks at every query that waits for something that any of the documents has. Tells how many candidates there were.
    fn wake(&mut self, presearch: &Presearch, codes: &Arena<u32>, docs: &[&Doc]) -> u64 {
        let there = std::mem::take(&mut self.there);
        let mut fit = std::mem::take(&mut self.fit);
        let mut open = std::mem::take(&mut self.open);
        let mut candidates = 0;
        // Memory is asked for a few atoms ahead.
        for (ahead, places) in there.chunks(AHEAD).zip((0..).step_by(AHEAD)) {
            std::hint::black_box(ahead.iter().fold(0, |near, &atom| near ^ presearch.waits.touch(atom)));
            for (&atom, place) in ahead.iter().zip(places..) {
                let mask = self.masks[place];
                let waiting = presearch.waits.waiting(atom);
                candidates += waiting.n() as u64 * u64::from(mask.count_ones());
                if !waiting.plain.is_empty() {
                    each_doc(mask, |doc| self.matches[doc].extend_from_slice(waiting.plain));
                }
                for &query in waiting.either {
                    let new = self.find(query, mask);
                    self.add(query, new);
                }
                let mut any = 0;
                each_doc(mask, |doc| any |= self.doc_signatures[doc]);
                let first = waiting.first as usize;
                for_each_fit(waiting.signatures, !any, |at| {
                    let want = mask & self.may_match(waiting.signatures[at]);
                    if want != 0 {
                        fit.push((number(first + at), want));
                    }
                });
            }
        }
        for ahead in fit.chunks(AHEAD) {
            std::hint::black_box(ahead.iter().fold(0, |near, &(at, _)| near ^ presearch.waits.posting(at).query));
            for &(at, mut want) in ahead {
                let posting = presearch.waits.posting(at);
                let wake = posting.wake();
                if matches!(wake, Wake::Verify | Wake::VerifyOnce) {
                    open.push((posting.query, posting.code(), want, wake == Wake::VerifyOnce));
                    continue;
                }
                for (atom, is_there) in posting.leaves() {
                    let marked = self.marked(atom);
                    want &= if is_there { marked } else { !marked };
                    if want == 0 {
                        break;
                    }
                }
                if want != 0 && wake == Wake::MatchOnce {
                    want = self.find(posting.query, want);
                }
                self.add(posting.query, want);
            }
        }
        self.there = there;
        for ahead in open.chunks(AHEAD) {
            std::hint::black_box(ahead.iter().fold(0, |near, &(_, code, ..)| near ^ codes.from(code)[0]));
            for &(query, code, want, once) in ahead {
                let facts = &mut ManyDocs { many: self, docs };
                let mut found = program::matches(codes.from(code), &presearch.atoms, facts, want);
                if once && found != 0 {
                    found = self.find(query, found);
                }
                self.add(query, found);
            }
        }
        self.fit = fit;
        self.open = open;
        candidates
    }

    /// The documents that have the first few bits of a signature. Always as many steps: guessing where to stop costs more.
    #[inline]
    fn may_match(&self, mut signature: Signature) -> Mask {
        let mut mask = Mask::MAX;
        for _ in 0..BITS {
            // Without a bit that is the last place, where all documents are.
            mask &= self.signatures[signature.trailing_zeros() as usize];
            signature &= signature.wrapping_sub(1);
        }
        mask
    }

    /// Notes that a query matches these documents.
    #[inline]
    fn add(&mut self, query: u32, mask: Mask) {
        each_doc(mask, |doc| self.matches[doc].push(query));
    }

    /// Notes for which documents a query was found. Tells for which it was not before.
    #[inline]
    fn find(&mut self, query: u32, mask: Mask) -> Mask {
        self.found.find(query, mask)
    }

    /// The documents that are marked with the atom.
    #[inline]
    fn marked(&self, atom: AtomId) -> Mask {
        let note = self.notes[atom as usize];
        if note.batch == self.batch { self.masks[note.at as usize] } else { 0 }
    }

    /// Takes down what some of the documents had.
    pub(super) fn see(&self, docs: &[&Doc], some: Mask, seen: &mut Seen) {
        each_doc(some, |at| seen.add(docs[at], &self.tokens[at]));
        for (&atom, mask) in self.there.iter().zip(&self.masks) {
            for _ in 0..(mask & some).count_ones() {
                seen.atoms.push(atom);
            }
        }
    }

    /// Gives back what fewer atoms and queries do not need.
    pub(super) fn give_back(&mut self, n_atoms: usize, n_queries: usize) {
        shrink(&mut self.notes, n_atoms);
        self.found.give_back(n_queries);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.notes.capacity() * size_of::<Note>()
            + self.found.size_bytes()
            + self.matches.iter().map(|matches| matches.capacity() * size_of::<u32>()).sum::<usize>()
    }
}

impl Marks for Many {
    #[inline]
    fn mark(&mut self, atom: AtomId) -> bool {
        let note = &mut self.notes[atom as usize];
        if note.batch != self.batch {
            *note = Note { batch: self.batch, at: number(self.there.len()) };
            self.there.push(atom);
            self.masks.push(0);
        }
        let mask = &mut self.masks[note.at as usize];
        let new = *mask & self.doc == 0;
        *mask |= self.doc;
        let signature = signature(atom);
        self.signatures[signature.trailing_zeros() as usize] |= self.doc;
        self.doc_signatures[self.doc.trailing_zeros() as usize] |= signature;
        new
    }

    /// There can be many, and few of them hold numbers of two documents. Programs find out as fast without a mark.
    #[inline]
    fn range(&mut self, atom: AtomId) {
        self.there.push(atom);
        self.masks.push(self.doc);
    }
}

/// The documents that a program asks about.
struct ManyDocs<'a> {
    many: &'a mut Many,
    docs: &'a [&'a Doc],
}

impl Facts for ManyDocs<'_> {
    #[inline]
    fn has(&self, atom: AtomId) -> Mask {
        self.many.marked(atom)
    }

    fn look(&mut self, atoms: &Atoms, atom: AtomId, want: Mask) -> Mask {
        let mut has = 0;
        if matches!(atoms.kind(atom), AtomKind::Range(..)) {
            each_doc(want, |at| has |= Mask::from(program::look(atoms, atom, self.docs[at])) << at);
            return has;
        }
        let marked = self.many.marked(atom);
        let (mut asked, mut there) = self.many.looked.get(&atom).copied().unwrap_or_default();
        let open = want & !marked & !asked;
        if open != 0 {
            each_doc(open, |at| there |= Mask::from(program::look(atoms, atom, self.docs[at])) << at);
            asked |= open;
            self.many.looked.insert(atom, (asked, there));
        }
        want & (marked | there)
    }

    fn each(&self, want: Mask, is_it: impl Fn(&Doc, &Tokens) -> bool) -> Mask {
        let mut found = 0;
        each_doc(want, |at| found |= Mask::from(is_it(self.docs[at], &self.many.tokens[at])) << at);
        found
    }
}

#[inline]
fn each_doc(mut mask: Mask, mut call: impl FnMut(usize)) {
    while mask != 0 {
        call(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("fewer atoms, queries and postings than 2^32")
}
