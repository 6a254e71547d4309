//! Percolates up to 64 documents together, by term and not by document.
//!
//! A frequent word is in many of them; its list of queries is read once, and what is asked there is asked of all these
//! documents in one: sets of documents are masks of 64 bits, and a program that ANDs five words is five ANDs of masks.

use crate::doc::Doc;
use crate::ids::QueryKey;

use super::Matches;
use super::arena::Arena;
use super::facts::{Facts, Marks, Mask, Phrase, Seen, Tokens, Tools};
use super::found::Found;
use super::matches::Span;
use super::one::{again, fit, shrink};
use super::places::{Places, Print};
use super::presearch::Presearch;
use super::program;
use super::table::{AtomId, AtomKind, Atoms};
use super::waits::{Waits, Wake};
use super::words::Words;
use super::work::{self, Work};

/// How many documents fit into a mask.
pub(super) const MAX_DOCS: usize = 64;

/// How many lists and programs are touched before they are read.
const AHEAD: usize = 32;
/// So many keys that several documents match are there for each of them; more are there once, for all.
const SHORT: usize = 8;

/// The marks, and buffers that are kept.
#[derive(Debug, Default)]
pub(super) struct Many {
    /// The document that is being marked, or those that are, as a mask.
    doc: Mask,
    /// By atom: its place in `there`, if that is where it stands; else this is of an earlier batch.
    notes: Vec<u32>,
    /// Which documents have what is noted, and a few more.
    places: Places<Mask>,
    /// The atoms that are in any document.
    there: Vec<AtomId>,
    /// By place in `there`: in which documents.
    masks: Vec<Mask>,
    /// The ranges that hold a number, once for each document. They are not noted: there can be many, few of them hold numbers of
    /// two documents, and programs find out as fast.
    ranges: Vec<(AtomId, Mask)>,
    /// The queries that were found and may be again, and for which documents.
    found: Found,
    /// By atom that programs looked for: the documents that were looked at, and those that have it.
    looked: hashbrown::HashMap<AtomId, (Mask, Mask), foldhash::fast::RandomState>,
    /// By document.
    tokens: Vec<Tokens>,
    /// By document: its terms that are atoms, each once.
    terms: Vec<Vec<AtomId>>,
    /// Of the document that is being marked: the tokens that are looked at for patterns.
    asking: Vec<usize>,
    /// What patterns are looked for in.
    words: Words,
    /// Where the last keys start that match the same documents, one behind the other: the patterns of a word, the ranges around a number.
    run: usize,
    /// These documents.
    run_docs: Mask,
    /// By document: the queries that match, but for those that are in `spans`.
    matches: Vec<Vec<QueryKey>>,
    /// By document: which keys match that several documents may share.
    spans: Vec<Vec<Span>>,
    /// The numbers of postings whose print fits, and for which documents.
    fit: Vec<(u32, Mask)>,
    /// Queries of which a program must decide, where it starts, for which documents, and whether they may have been found.
    open: Vec<(u32, u32, Mask, bool)>,
    /// What patterns and phrases may still cost, for all documents together.
    work: Work,
    /// The documents of which a program asked for what there were no steps left for.
    asked_in_vain: Mask,
    /// Queries that are not decided, and for which documents.
    undecided: Vec<(u32, Mask)>,
}

/// So many documents together may take as many steps as one alone.
const SHARE_STEPS: usize = 16;

impl Many {
    fn start(&mut self, n_docs: usize, n_atoms: usize) {
        self.places.clear();
        again(&mut self.there);
        again(&mut self.masks);
        again(&mut self.ranges);
        again(&mut self.fit);
        again(&mut self.open);
        again(&mut self.undecided);
        self.asked_in_vain = 0;
        self.found.start();
        self.looked.clear();
        self.words.clear();
        if self.tokens.len() < n_docs {
            self.tokens.resize_with(n_docs, Tokens::default);
            self.terms.resize_with(n_docs, Vec::new);
            self.matches.resize_with(n_docs, Vec::new);
            self.spans.resize_with(n_docs, Vec::new);
        }
        fit(&mut self.notes, n_atoms);
    }

    /// Appends the matches of documents, at most [`MAX_DOCS`], of which the first has this number in its batch. False, and
    /// nothing is appended, when their patterns take too many steps for that: each is then to be percolated alone.
    #[must_use]
    pub(super) fn percolate(
        &mut self,
        presearch: &Presearch,
        codes: &Arena<u32>,
        tools: &mut Tools,
        (first, docs): (u32, &[&Doc]),
        matches: &mut Matches,
    ) -> bool {
        debug_assert!(docs.len() <= MAX_DOCS);
        self.start(docs.len(), presearch.atoms.len());
        let max_steps = presearch.max_steps.saturating_mul(docs.len().div_ceil(SHARE_STEPS) as u64);
        self.work.allow(max_steps);
        let is_known = self.mark_all(presearch, tools, docs);
        matches.steps += self.work.take_spent();
        if !is_known {
            return false;
        }
        self.work.allow(max_steps);
        self.conjoin(presearch);
        let keys = matches.open();
        self.run = keys.len();
        self.run_docs = 0;
        let candidates = self.wake(presearch, codes, docs, keys);
        self.end_run(0, keys);
        for (found, spans) in self.matches.iter_mut().zip(&mut self.spans).take(docs.len()) {
            if !found.is_empty() {
                let start = keys.len();
                keys.extend_from_slice(found);
                spans.push(start..keys.len());
            }
            again(found);
        }
        for (spans, number) in self.spans.iter_mut().zip(first..).take(docs.len()) {
            matches.close(number, spans);
            spans.clear();
        }
        matches.candidates += candidates;
        matches.steps += self.work.take_spent();
        for &(query, docs) in &self.undecided {
            each_doc(docs, |doc| matches.leave_undecided(first + number(doc), QueryKey(query)));
        }
        true
    }

    /// Finds out what the documents have. False when there are not enough steps for that.
    fn mark_all(&mut self, presearch: &Presearch, tools: &mut Tools, docs: &[&Doc]) -> bool {
        let mut tokens = std::mem::take(&mut self.tokens);
        // Each step for all documents: memory is asked for what the next one needs.
        for (doc, tokens) in docs.iter().zip(&mut tokens) {
            tokens.clear();
            presearch.probe(doc, tokens);
        }
        let mut near = 0;
        for (doc, tokens) in docs.iter().zip(&mut tokens) {
            presearch.find_terms(doc, tokens);
            near ^=
                tokens.atoms().iter().filter_map(|&atom| self.notes.get(atom as usize)).fold(0, |near, it| near ^ it);
        }
        std::hint::black_box(near);
        for (at, (doc, tokens)) in docs.iter().zip(&tokens).enumerate() {
            self.doc = 1 << at;
            self.terms[at].clear();
            self.asking.clear();
            presearch.mark(doc, tokens, self);
            for &token in &self.asking {
                self.words.add(docs, (at, token), &tokens.probes[token]);
            }
        }
        let words = std::mem::take(&mut self.words);
        let mut work = std::mem::take(&mut self.work);
        let is_known = words.words.iter().all(|word| {
            self.doc = word.docs;
            let doc = docs[word.doc];
            let probe = &tokens[word.doc].probes[word.at];
            presearch.mark_patterns((&doc.tokens()[word.at], doc), probe, (tools, &mut work), self)
        });
        self.work = work;
        self.words = words;
        self.tokens = tokens;
        is_known
    }

    /// Adds the conjunctions of what is there, and theirs.
    fn conjoin(&mut self, presearch: &Presearch) {
        let both = presearch.atoms.both();
        if both.is_empty() {
            return;
        }
        let (mut at, mut near) = (0, 0);
        while at < self.there.len() {
            if at == near {
                near = self.there.len().min(at + AHEAD);
                let touch = |near, &atom: &AtomId| near ^ presearch.waits.touch_head(atom);
                std::hint::black_box(self.there[at..near].iter().fold(0, touch));
            }
            let (first, mask) = (self.there[at], self.masks[at]);
            at += 1;
            let leads = presearch.waits.leads(first);
            if leads.is_empty() {
                continue;
            }
            let mut n_terms = 0;
            each_doc(mask, |doc| n_terms += self.terms[doc].len());
            if leads.len() <= n_terms {
                for lead in leads {
                    let docs = mask & self.marked(lead.second);
                    if docs != 0 {
                        self.there.push(lead.both);
                        self.masks.push(docs);
                    }
                }
            } else {
                // None of them comes from another atom, and programs ask for none: they need no note.
                let start = self.there.len();
                each_doc(mask, |doc| {
                    for both in self.terms[doc].iter().filter_map(|&second| both.find(first, second)) {
                        if let Some(place) = self.there[start..].iter().position(|&it| it == both) {
                            self.masks[start + place] |= 1 << doc;
                        } else {
                            self.there.push(both);
                            self.masks.push(1 << doc);
                        }
                    }
                });
            }
        }
    }

    /// Looks at every query that waits for something that any of the documents has. Tells how many candidates there were.
    fn wake(&mut self, presearch: &Presearch, codes: &Arena<u32>, docs: &[&Doc], keys: &mut Vec<QueryKey>) -> u64 {
        let ranges = std::mem::take(&mut self.ranges);
        let mut fit = std::mem::take(&mut self.fit);
        let mut open = std::mem::take(&mut self.open);
        let mut candidates = 0;
        // Memory is asked for a few atoms ahead.
        for start in (0..self.there.len()).step_by(AHEAD) {
            let ahead = start..self.there.len().min(start + AHEAD);
            let touch = |near, &atom: &AtomId| near ^ presearch.waits.touch(atom);
            std::hint::black_box(self.there[ahead.clone()].iter().fold(0, touch));
            for at in ahead {
                let it = (self.there[at], self.masks[at]);
                candidates += self.wake_one(presearch, it, &mut fit, keys);
            }
        }
        for ahead in ranges.chunks(AHEAD) {
            std::hint::black_box(ahead.iter().fold(0, |near, &(atom, _)| near ^ presearch.waits.touch(atom)));
            for &it in ahead {
                candidates += self.wake_one(presearch, it, &mut fit, keys);
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
                self.add(posting.query, want, keys);
            }
        }
        self.ranges = ranges;
        for ahead in open.chunks(AHEAD) {
            std::hint::black_box(ahead.iter().fold(0, |near, &(_, code, ..)| near ^ codes.from(code)[0]));
            for &(query, code, want, once) in ahead {
                let facts = &mut ManyDocs { many: self, docs };
                let mut found = program::matches(codes.from(code), &presearch.atoms, facts, want);
                let undecided = std::mem::take(&mut self.asked_in_vain);
                if undecided != 0 {
                    self.undecided.push((query, undecided));
                    found &= !undecided;
                }
                if once && found != 0 {
                    found = self.find(query, found);
                }
                self.add(query, found, keys);
            }
        }
        self.fit = fit;
        self.open = open;
        candidates
    }

    /// Looks at the lists of an atom that these documents have. Tells how many candidates there were.
    #[inline]
    fn wake_one(
        &mut self,
        presearch: &Presearch,
        (atom, mask): (AtomId, Mask),
        fit: &mut Vec<(u32, Mask)>,
        keys: &mut Vec<QueryKey>,
    ) -> u64 {
        let waiting = presearch.waits.waiting(atom);
        if !waiting.plain.is_empty() {
            self.continue_run(mask, keys);
            keys.extend(waiting.plain.iter().copied().map(QueryKey));
        }
        for &either in waiting.either {
            let new = match either.before() {
                Some([first, second]) => {
                    let may = mask & (self.places.may_have(first) | self.places.may_have(second));
                    if may == 0 { mask } else { mask & !self.marked(first) & !self.marked(second) }
                }
                None => self.find(either.query, mask),
            };
            self.add(either.query, new, keys);
        }
        waiting.fits_some(&self.places, mask, fit);
        waiting.n() as u64 * u64::from(mask.count_ones())
    }

    /// Adds a query that matches these documents.
    #[inline]
    fn add(&mut self, query: u32, mask: Mask, keys: &mut Vec<QueryKey>) {
        if mask != 0 {
            self.continue_run(mask, keys);
            keys.push(QueryKey(query));
        }
    }

    /// What is added next matches these documents.
    #[inline]
    fn continue_run(&mut self, docs: Mask, keys: &mut Vec<QueryKey>) {
        if docs != self.run_docs {
            self.end_run(docs, keys);
        }
    }

    /// Tells the documents of a run where its keys are, or copies them when they are few, and starts a run for other documents.
    fn end_run(&mut self, docs: Mask, keys: &mut Vec<QueryKey>) {
        let span = self.run..keys.len();
        if span.len() > SHORT {
            each_doc(self.run_docs, |doc| self.spans[doc].push(span.clone()));
        } else {
            match keys[span.clone()] {
                [query] => each_doc(self.run_docs, |doc| self.matches[doc].push(query)),
                ref some => each_doc(self.run_docs, |doc| self.matches[doc].extend_from_slice(some)),
            }
            keys.truncate(span.start);
        }
        self.run = keys.len();
        self.run_docs = docs;
    }

    /// Notes for which documents a query was found. Tells for which it was not before.
    #[inline]
    fn find(&mut self, query: u32, mask: Mask) -> Mask {
        self.found.find(query, mask)
    }

    /// The documents that are marked with the atom.
    #[inline]
    fn marked(&self, atom: AtomId) -> Mask {
        if self.places.may_have(atom) == 0 {
            return 0;
        }
        let place = self.notes[atom as usize] as usize;
        if self.there.get(place) == Some(&atom) { self.masks[place] } else { 0 }
    }

    /// Notes that these documents have an atom. Tells which of them were not known to.
    #[inline]
    fn note(&mut self, atom: AtomId, docs: Mask) -> Mask {
        self.places.add(atom, docs);
        let place = &mut self.notes[atom as usize];
        if self.there.get(*place as usize) != Some(&atom) {
            *place = number(self.there.len());
            self.there.push(atom);
            self.masks.push(docs);
            return docs;
        }
        let mask = &mut self.masks[*place as usize];
        let new = docs & !*mask;
        *mask |= docs;
        new
    }

    /// Takes down what some of the documents had.
    pub(super) fn see(&self, waits: &Waits, docs: &[&Doc], some: Mask, seen: &mut Seen) {
        each_doc(some, |at| seen.add(docs[at], &self.tokens[at]));
        seen.ranges += self.ranges.iter().filter(|(_, doc)| doc & some != 0).count();
        for (&atom, mask) in self.there.iter().zip(&self.masks) {
            let n = (mask & some).count_ones() as usize;
            if n > 0 {
                seen.atoms.extend(std::iter::repeat_n((atom, waits.n_looks(atom)), n));
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
        self.notes.capacity() * size_of::<u32>()
            + self.found.size_bytes()
            + self.there.capacity() * size_of::<AtomId>()
            + self.masks.capacity() * size_of::<Mask>()
            + self.ranges.capacity() * size_of::<(AtomId, Mask)>()
            + self.looked.capacity() * size_of::<(AtomId, (Mask, Mask))>()
            + self.words.size_bytes()
            + self.tokens.iter().map(Tokens::size_bytes).sum::<usize>()
            + self.terms.iter().map(|it| it.capacity() * size_of::<AtomId>()).sum::<usize>()
            + self.matches.iter().map(|it| it.capacity() * size_of::<QueryKey>()).sum::<usize>()
            + self.spans.iter().map(|it| it.capacity() * size_of::<Span>()).sum::<usize>()
            + self.fit.capacity() * size_of::<(u32, Mask)>()
            + self.open.capacity() * size_of::<(u32, u32, Mask, bool)>()
            + self.undecided.capacity() * size_of::<(u32, Mask)>()
    }
}

impl Marks for Many {
    #[inline]
    fn mark(&mut self, atom: AtomId) -> bool {
        self.note(atom, self.doc) != 0
    }

    #[inline]
    fn term(&mut self, atom: AtomId) -> bool {
        let new = self.mark(atom);
        if new {
            self.terms[self.doc.trailing_zeros() as usize].push(atom);
        }
        new
    }

    fn word(&mut self, at: usize) {
        self.asking.push(at);
    }

    /// Several documents may have the word.
    #[inline]
    fn pattern(&mut self, atom: AtomId) {
        self.note(atom, self.doc);
    }

    #[inline]
    fn may_match(&self, print: Print) -> bool {
        self.places.may_match(print) & self.doc != 0
    }

    #[inline]
    fn range(&mut self, atom: AtomId) {
        self.ranges.push((atom, self.doc));
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
            let work = &mut self.many.work;
            each_doc(want, |at| has |= Mask::from(program::look(atoms, atom, self.docs[at], work)) << at);
            return has;
        }
        let marked = self.many.marked(atom);
        let (mut asked, mut there) = self.many.looked.get(&atom).copied().unwrap_or_default();
        let open = want & !marked & !asked;
        if open != 0 {
            let Many { work, asked_in_vain, .. } = &mut *self.many;
            each_doc(open, |at| {
                let is_there = program::look(atoms, atom, self.docs[at], work);
                if work.is_exhausted() && !is_there {
                    *asked_in_vain |= 1 << at;
                } else {
                    there |= Mask::from(is_there) << at;
                    asked |= 1 << at;
                }
            });
            self.many.looked.insert(atom, (asked, there));
        }
        want & (marked | there)
    }

    fn each(&mut self, want: Mask, phrase: &Phrase<'_>, is_it: impl Fn(&Doc, &Tokens) -> bool) -> Mask {
        let mut found = 0;
        let Many { work, asked_in_vain, tokens, .. } = &mut *self.many;
        each_doc(want, |at| {
            let tokens = &tokens[at];
            work.charge(work::of_phrase(tokens.n_of_field(phrase.field), phrase.terms.len(), phrase.slop));
            if work.is_exhausted() {
                *asked_in_vain |= 1 << at;
            } else {
                found |= Mask::from(is_it(self.docs[at], tokens)) << at;
            }
        });
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
