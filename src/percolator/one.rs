//! Percolates one document. Everything is marked with the number of the document, so that nothing has to be wiped between
//! two of them; and what will be read is touched before, so that memory answers many questions at once.

use std::time::{Duration, Instant};

use crate::doc::Doc;
use crate::ids::QueryKey;

use super::Matches;
use super::arena::Arena;
use super::facts::{Facts, Marks, Mask, Phrase, Seen, Tokens, Tools};
use super::found::Found;
use super::matches::Span;
use super::pattern::Term;
use super::places::{Places, Print};
use super::presearch::Presearch;
use super::program;
use super::table::{AtomId, AtomKind, Atoms};
use super::waits::{Waits, Wake};
use super::words::Words;
use super::work::{self, Work};

/// Lists of so many keys are there once for all documents of a batch that match them. Less in tests, whose lists are short.
const LONG: usize = if cfg!(test) { 2 } else { 64 };

/// Of a document with more terms to look for patterns in, each different one is looked at once, and nothing about it is
/// kept for other documents. Less in tests, whose documents are short.
pub(super) const LONG_DOC: usize = if cfg!(test) { 6 } else { 512 };

/// Which patterns it is not known of whether the document has them, but for those that are marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Undecided {
    #[default]
    None,
    Weak,
    All,
}

/// The marks, and buffers that are kept.
#[derive(Debug, Default)]
pub(super) struct One {
    /// The number of the document, from 1, times two; a mark with the low bit set says "there", without "not there".
    now: u16,
    /// By atom. Small, so that many are near.
    marks: Vec<u16>,
    /// The queries that were found and may be again.
    found: Found,
    /// Those that are marked as there, and a few more.
    places: Places<u8>,
    /// The atoms that the document is known to have, each once: all are marked, but for conjunctions.
    there: Vec<AtomId>,
    /// Those of them that are terms.
    terms: Vec<AtomId>,
    /// The tokens that are looked at for patterns.
    words: Vec<usize>,
    /// The ranges that hold a number of the document, each once. They are not marked: there can be many, and programs
    /// find out as fast.
    ranges: Vec<AtomId>,
    tokens: Tokens,
    /// The numbers of postings whose print fits.
    fit: Vec<u32>,
    /// Where the keys are that match the document.
    spans: Vec<Span>,
    /// Where the long lists of keys are that match documents of the batch, by their atom.
    lists: hashbrown::HashMap<AtomId, Span, foldhash::fast::RandomState>,
    /// Queries of which a program must decide, where it starts, and whether they may have been found already.
    open: Vec<(u32, u32, bool)>,
    /// The different terms of a long document.
    different: Words,
    /// What patterns and phrases may still cost.
    work: Work,
    patterns: Undecided,
    /// A program asked for what there were no steps left for.
    asked_in_vain: bool,
    /// Queries that are not decided.
    undecided: Vec<u32>,
}

impl One {
    /// Starts with a document.
    fn start(&mut self, n_atoms: usize) {
        if self.now >= u16::MAX - 3 {
            self.now = 0;
            self.marks.fill(0);
        }
        self.now += 2;
        self.places.clear();
        again(&mut self.there);
        self.terms.clear();
        self.words.clear();
        again(&mut self.ranges);
        self.tokens.clear();
        again(&mut self.fit);
        again(&mut self.open);
        again(&mut self.undecided);
        self.spans.clear();
        self.patterns = Undecided::None;
        self.asked_in_vain = false;
        fit(&mut self.marks, n_atoms);
        self.found.start();
    }

    /// Notes that a query was found. False when it was before.
    #[inline]
    fn find(&mut self, query: u32) -> bool {
        self.found.find(query, 1) != 0
    }

    /// Appends the matches of documents, of which the first has this number in its batch. `see` is called behind each, with its place among them.
    pub(super) fn percolate(
        &mut self,
        (presearch, codes): (&Presearch, &Arena<u32>),
        tools: &mut Tools,
        (first, docs): (u32, &[&Doc]),
        matches: &mut Matches,
        mut see: impl FnMut(&One, usize),
    ) {
        self.lists.clear();
        for (at, (doc, number)) in docs.iter().zip(first..).enumerate() {
            self.mark_all(presearch, tools, doc);
            let candidates = self.wake((presearch, codes), doc, docs.len() > 1, matches.open());
            matches.close(number, &self.spans);
            matches.candidates += candidates;
            matches.steps += self.work.take_spent();
            for &query in &self.undecided {
                matches.leave_undecided(number, QueryKey(query));
            }
            see(self, at);
        }
    }

    /// Finds out what a document has.
    fn mark_all(&mut self, presearch: &Presearch, tools: &mut Tools, doc: &Doc) {
        self.start(presearch.atoms.len());
        self.work.allow(presearch.max_steps);
        let mut tokens = std::mem::take(&mut self.tokens);
        presearch.probe(doc, &mut tokens);
        presearch.find_terms(doc, &mut tokens);
        presearch.mark(doc, &tokens, self);
        let words = std::mem::take(&mut self.words);
        let mut work = std::mem::take(&mut self.work);
        let is_known = words.len() <= LONG_DOC
            && words.iter().all(|&at| {
                presearch.mark_patterns((&doc.tokens()[at], doc), &tokens.probes[at], (tools, &mut work), self)
            });
        if !is_known {
            work.allow(presearch.max_steps);
            self.patterns = self.mark_patterns_once(presearch, (doc, &tokens, &words), &mut tools.term, &mut work);
        }
        // What programs ask for is decided also where patterns were too many.
        work.allow(presearch.max_steps);
        self.work = work;
        self.words = words;
        self.tokens = tokens;
        self.conjoin(presearch);
    }

    /// Marks the patterns that these terms match, each different term once, and each pattern no longer tried when one has
    /// matched it. Weak patterns come last, because they are the first to be left undecided.
    fn mark_patterns_once(
        &mut self,
        presearch: &Presearch,
        (doc, tokens, words): (&Doc, &Tokens, &[usize]),
        buffer: &mut Term,
        work: &mut Work,
    ) -> Undecided {
        let mut different = std::mem::take(&mut self.different);
        different.clear();
        words.iter().for_each(|&at| different.add(&[doc], (0, at), &tokens.probes[at]));
        let mut undecided = Undecided::None;
        for (is_weak, otherwise) in [(false, Undecided::All), (true, Undecided::Weak)] {
            for word in &different.words {
                let token = &doc.tokens()[word.at];
                let text = doc.term(token);
                buffer.set(text.chars());
                let mut candidate = |atom| {
                    if !self.is_marked(atom) && presearch.tries(atom, text, work) {
                        self.mark(atom);
                    }
                };
                let patterns = &presearch.patterns;
                let steps = if is_weak {
                    patterns.find_weak(buffer, token.field, &mut candidate)
                } else {
                    patterns.find(buffer, token.field, &mut candidate)
                };
                work.charge(steps);
                if work.is_exhausted() {
                    undecided = otherwise;
                    break;
                }
            }
            if undecided != Undecided::None {
                break;
            }
        }
        different.clear();
        self.different = different;
        undecided
    }

    /// Adds the queries that wait for a pattern of which it is not known whether the document has it.
    fn leave_undecided(&mut self, presearch: &Presearch) {
        let only_weak = match self.patterns {
            Undecided::None => return,
            Undecided::Weak => true,
            Undecided::All => false,
        };
        let mut undecided = std::mem::take(&mut self.undecided);
        presearch.patterns.for_each(only_weak, |atom| {
            if self.is_marked(atom) {
                return;
            }
            let waiting = presearch.waits.waiting(atom);
            undecided.extend(waiting.plain);
            undecided.extend(waiting.either.iter().map(|either| either.query));
            let postings = waiting.guarded.iter().zip(waiting.prints);
            let may_match = postings.filter(|&(_, &print)| self.places.may_match(print) != 0);
            undecided.extend(may_match.map(|(posting, _)| posting.query));
        });
        self.undecided = undecided;
    }

    /// Adds the conjunctions of what is there, and theirs.
    fn conjoin(&mut self, presearch: &Presearch) {
        let (mut at, mut near) = (0, 0);
        while at < self.there.len() {
            if at == near {
                // What the last round found, all at once.
                near = self.there.len();
                let touch = |near, &atom: &AtomId| near ^ presearch.waits.touch_head(atom);
                std::hint::black_box(self.there[at..].iter().fold(0, touch));
            }
            let first = self.there[at];
            at += 1;
            let leads = presearch.waits.leads(first);
            if leads.len() <= self.terms.len() {
                for lead in leads {
                    if self.is_marked(lead.second) {
                        self.there.push(lead.both);
                    }
                }
            } else {
                let both = presearch.atoms.both();
                self.there.extend(self.terms.iter().filter_map(|&second| both.find(first, second)));
            }
        }
    }

    /// Looks at every query that waits for something that the document has. Tells how many candidates there were.
    fn wake(
        &mut self,
        (presearch, codes): (&Presearch, &Arena<u32>),
        doc: &Doc,
        has_neighbors: bool,
        found: &mut Vec<QueryKey>,
    ) -> u64 {
        let mut own = found.len();
        let there = std::mem::take(&mut self.there);
        let ranges = std::mem::take(&mut self.ranges);
        let mut fit = std::mem::take(&mut self.fit);
        let mut open = std::mem::take(&mut self.open);
        let all = || there.iter().chain(&ranges);
        std::hint::black_box(all().fold(0, |near, &atom| near ^ presearch.waits.touch(atom)));
        let mut candidates = 0;
        for &atom in all() {
            let waiting = presearch.waits.waiting(atom);
            candidates += waiting.n();
            if has_neighbors && waiting.plain.len() >= LONG {
                self.share(atom, waiting.plain, &mut own, found);
            } else {
                found.extend(waiting.plain.iter().copied().map(QueryKey));
            }
            for &either in waiting.either {
                let is_first = match either.before() {
                    Some([first, second]) => !self.is_marked(first) && !self.is_marked(second),
                    None => self.find(either.query),
                };
                if is_first {
                    found.push(QueryKey(either.query));
                }
            }
            waiting.fits(&self.places, &mut fit);
        }
        std::hint::black_box(fit.iter().fold(0, |near, &number| near ^ presearch.waits.posting(number).query));
        // As with prints, which of them match can't be guessed.
        let mut n = found.len();
        found.resize(n + fit.len(), QueryKey(0));
        for &number in &fit {
            let posting = presearch.waits.posting(number);
            let holds = posting.holds(|atom| self.marks[atom as usize] == self.now | 1);
            found[n] = QueryKey(posting.query);
            match posting.wake() {
                Wake::Match => n += usize::from(holds),
                Wake::MatchOnce => n += usize::from(holds && self.find(posting.query)),
                wake @ (Wake::Verify | Wake::VerifyOnce) => {
                    open.push((posting.query, posting.code(), wake == Wake::VerifyOnce));
                }
            }
        }
        found.truncate(n);
        std::hint::black_box(open.iter().fold(0, |near, &(_, code, _)| near ^ codes.from(code)[0]));
        for &(query, code, once) in &open {
            let is_match = program::matches(codes.from(code), &presearch.atoms, &mut OneDoc(self, doc), 1) != 0;
            if std::mem::take(&mut self.asked_in_vain) {
                self.undecided.push(query);
            } else if is_match && (!once || self.find(query)) {
                found.push(QueryKey(query));
            }
        }
        self.add_span(own..found.len());
        self.leave_undecided(presearch);
        self.there = there;
        self.ranges = ranges;
        self.fit = fit;
        self.open = open;
        candidates as u64
    }

    /// Adds a list that other documents of the batch may match as well. The document's own keys start anew behind it.
    fn share(&mut self, atom: AtomId, list: &[u32], own: &mut usize, found: &mut Vec<QueryKey>) {
        if let Some(span) = self.lists.get(&atom) {
            self.spans.push(span.clone());
            return;
        }
        self.add_span(*own..found.len());
        let start = found.len();
        found.extend(list.iter().copied().map(QueryKey));
        *own = found.len();
        self.lists.insert(atom, start..*own);
        self.add_span(start..*own);
    }

    fn add_span(&mut self, span: Span) {
        if !span.is_empty() {
            self.spans.push(span);
        }
    }

    /// Looks at one document query by query: appends each query that waits for something that it has, or for a pattern that is tried on every
    /// document, once, with its share of the time that its pattern took, and the time that it took to decide.
    pub(super) fn inspect(
        &mut self,
        presearch: &Presearch,
        codes: &Arena<u32>,
        tools: &mut Tools,
        doc: &Doc,
        candidates: &mut Vec<(QueryKey, Duration)>,
    ) {
        let first = candidates.len();
        self.mark_all(presearch, tools, doc);
        let there = std::mem::take(&mut self.there);
        let ranges = std::mem::take(&mut self.ranges);
        for &atom in there.iter().chain(&ranges) {
            self.inspect_waiting((presearch, codes), (atom, true), doc, candidates);
        }
        for tokens in doc.tokens().chunk_by(|a, b| a.field == b.field) {
            for &atom in presearch.patterns.blind(tokens[0].field) {
                if !self.is_marked(atom) {
                    self.inspect_waiting((presearch, codes), (atom, false), doc, candidates);
                }
            }
        }
        self.there = there;
        self.ranges = ranges;
        // A query with several waits was told with each of them, and each took its time.
        let mut told = candidates.split_off(first);
        told.sort_unstable_by_key(|&(query, _)| query);
        told.dedup_by(|again, before| {
            let same = again.0 == before.0;
            before.1 += if same { again.1 } else { Duration::ZERO };
            same
        });
        candidates.append(&mut told);
    }

    /// The same for the queries that wait for one atom, which is there or was only tried; once for each wait.
    fn inspect_waiting(
        &mut self,
        (presearch, codes): (&Presearch, &Arena<u32>),
        (atom, is_there): (AtomId, bool),
        doc: &Doc,
        candidates: &mut Vec<(QueryKey, Duration)>,
    ) {
        let waiting = presearch.waits.waiting(atom);
        if waiting.n() == 0 {
            return;
        }
        let mut share = Duration::ZERO;
        if let AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..) = presearch.atoms.kind(atom) {
            let started = Instant::now();
            std::hint::black_box(program::look(&presearch.atoms, atom, doc, &mut self.work));
            share = started.elapsed() / u32::try_from(waiting.n()).unwrap_or(u32::MAX);
        }
        let either = waiting.either.iter().map(|either| &either.query);
        candidates.extend(waiting.plain.iter().chain(either).map(|&query| (QueryKey(query), share)));
        for (posting, &print) in waiting.guarded.iter().zip(waiting.prints) {
            let mut took = share;
            if is_there && self.places.may_match(print) != 0 {
                let started = Instant::now();
                std::hint::black_box(if matches!(posting.wake(), Wake::Verify | Wake::VerifyOnce) {
                    let code = codes.from(posting.code());
                    program::matches(code, &presearch.atoms, &mut OneDoc(self, doc), 1) != 0
                } else {
                    posting.leaves().all(|(atom, there)| self.is_marked(atom) == there)
                });
                took += started.elapsed();
            }
            candidates.push((QueryKey(posting.query), took));
        }
    }

    #[inline]
    fn is_marked(&self, atom: AtomId) -> bool {
        self.places.may_have(atom) != 0 && self.marks[atom as usize] == self.now | 1
    }

    /// Takes down what the document had.
    pub(super) fn see(&self, waits: &Waits, doc: &Doc, seen: &mut Seen) {
        seen.add(doc, &self.tokens);
        seen.atoms.extend(self.there.iter().map(|&atom| (atom, waits.n_looks(atom))));
        seen.ranges += self.ranges.len();
    }

    /// Gives back what fewer atoms and queries do not need.
    pub(super) fn give_back(&mut self, n_atoms: usize, n_queries: usize) {
        shrink(&mut self.marks, n_atoms);
        self.found.give_back(n_queries);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let numbers = self.there.capacity() + self.terms.capacity() + self.ranges.capacity() + self.fit.capacity();
        self.marks.capacity() * size_of::<u16>()
            + self.found.size_bytes()
            + self.tokens.size_bytes()
            + self.words.capacity() * size_of::<usize>()
            + numbers * size_of::<u32>()
            + self.open.capacity() * size_of::<(u32, u32, bool)>()
            + self.spans.capacity() * size_of::<Span>()
            + self.lists.capacity() * size_of::<(AtomId, Span)>()
            + self.different.size_bytes()
            + self.undecided.capacity() * size_of::<u32>()
    }
}

/// Makes room for so many.
pub(super) fn fit<T: Clone + Default>(marks: &mut Vec<T>, n: usize) {
    if marks.len() < n {
        marks.resize(n, T::default());
    }
}

/// Gives room back that so many do not need.
pub(super) fn shrink<T>(marks: &mut Vec<T>, n: usize) {
    if marks.len() / 4 > n {
        marks.truncate(n);
        marks.shrink_to(n * 2);
    }
}

/// Less room is not given back, in entries: some documents need a hundred times what others do, and to ask for it again and again costs more
/// than their queries.
const ROOM: usize = 1 << 14;

/// Forgets what is in a buffer, and gives room back when this time it needed little of it.
pub(super) fn again<T>(buffer: &mut Vec<T>) {
    let n = buffer.len();
    buffer.clear();
    if buffer.capacity() > ROOM && buffer.capacity() / 8 > n {
        buffer.shrink_to(n * 2);
    }
}

impl Marks for One {
    #[inline]
    fn mark(&mut self, atom: AtomId) -> bool {
        let mark = &mut self.marks[atom as usize];
        let new = *mark != self.now | 1;
        if new {
            *mark = self.now | 1;
            self.places.add(atom, 1);
            self.there.push(atom);
        }
        new
    }

    #[inline]
    fn term(&mut self, atom: AtomId) -> bool {
        let new = self.mark(atom);
        if new {
            self.terms.push(atom);
        }
        new
    }

    fn word(&mut self, at: usize) {
        self.words.push(at);
    }

    #[inline]
    fn pattern(&mut self, atom: AtomId) {
        self.mark(atom);
    }

    #[inline]
    fn may_match(&self, print: Print) -> bool {
        self.places.may_match(print) != 0
    }

    #[inline]
    fn range(&mut self, atom: AtomId) {
        self.ranges.push(atom);
    }
}

/// The document that a program asks about.
struct OneDoc<'a>(&'a mut One, &'a Doc);

impl Facts for OneDoc<'_> {
    #[inline]
    fn has(&self, atom: AtomId) -> Mask {
        Mask::from(self.0.is_marked(atom))
    }

    fn look(&mut self, atoms: &Atoms, atom: AtomId, _: Mask) -> Mask {
        if let AtomKind::Range(..) = atoms.kind(atom) {
            // To compare a few numbers costs less than to note what came of it.
            return Mask::from(program::look(atoms, atom, self.1, &mut self.0.work));
        }
        let now = self.0.now;
        let mark = self.0.marks[atom as usize];
        if mark & !1 == now {
            return Mask::from(mark & 1);
        }
        let there = program::look(atoms, atom, self.1, &mut self.0.work);
        if self.0.work.is_exhausted() && !there {
            self.0.asked_in_vain = true;
            return 0;
        }
        self.0.marks[atom as usize] = now | u16::from(there);
        Mask::from(there)
    }

    fn each(&mut self, _: Mask, phrase: &Phrase<'_>, is_it: impl Fn(&Doc, &Tokens) -> bool) -> Mask {
        let n_tokens = self.0.tokens.n_of_field(phrase.field);
        self.0.work.charge(work::of_phrase(n_tokens, phrase.terms.len(), phrase.slop));
        if self.0.work.is_exhausted() {
            self.0.asked_in_vain = true;
            return 0;
        }
        Mask::from(is_it(self.1, &self.0.tokens))
    }
}
