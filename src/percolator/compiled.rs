//! The fast engine: queries wait for parts that they cannot match without, and little programs decide the rest.
//!
//! ```text
//! insert   Ast ── program ──> code ── plan ──> clauses ── table ──> postings behind atoms
//! percolate   doc ──> its atoms (terms, patterns, ranges, places) ──> their postings ──> guard ──> program ──> match
//! ```
//!
//! Whatever a document has is marked first; then every query that waits for one of these marks is looked at, with the guard
//! in the posting as a first and cheap doubt, and by construction no query with none of its clauses there is looked at at
//! all. Queries whose plan leaves nothing open (single words, two words, either of some words) match without a program.

use std::time::Duration;

use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::query::Ast;

use super::arena::{Arena, Span};
use super::compile::compile;
use super::facts::Tools;
use super::frequency::Frequencies;
use super::learning::Learning;
use super::many::{MAX_DOCS, Many};
use super::memo::Memo;
use super::one::One;
use super::pattern;
use super::places::Print;
use super::plan::{Clause, Plan, Prices, all_required, plan};
use super::presearch::Presearch;
use super::program;
use super::spread::{Threads, Way};
use super::table::{AtomId, AtomKind, Atoms, MAX_ATOMS, TRUE};
use super::waits::{Either, Entry, Guard, LEAVES, Posting, Rank};
use super::{Engine, EngineKind, EngineOptions, Matches};

/// The row in the table of engines.
pub(super) const KIND: EngineKind = EngineKind {
    name: "compiled",
    about: "required parts of each query in one table, then a small program: the fast one",
    build: |options| Box::new(Compiled::new(options)),
};

/// Documents of a batch are percolated together where that saves so many looks at queries for each of their atoms, on average. By measurement: among a
/// million queries, where 192 are saved it is a quarter faster than one by one, where 52 and 68 are saved it is a little slower.
const DEEP: f32 = 128.0;
/// Queries whose plan is looked at again for each document that passes, at most.
const REPLAN_PER_DOC: usize = 2;
/// And one more for so many candidates: where plans are bad, they get better sooner.
const CANDIDATES_PER_REPLAN: usize = 128;
/// After so many documents were counted, all plans are looked at again, a few at a time; and after so many times more.
const FIRST_SWEEP: u64 = 1_000;
const SWEEP_GROWTH: u64 = 8;
/// When so many queries wait for an atom and ask for more, others that require one more atom wait for the conjunction of the two.
const LONG: usize = 4096;
/// So many atoms are in a conjunction, at most.
const MAX_CONJUNCTION: usize = 8;
/// A new plan must cost less than this share of the old one to be worth the change.
const REPLAN_GAIN: f32 = 0.5;

/// The engine.
#[derive(Debug)]
pub struct Compiled {
    presearch: Presearch,
    /// By key.
    queries: Vec<Slot>,
    /// The programs.
    codes: Arena<u32>,
    n_queries: usize,
    /// For single documents.
    one: One,
    /// For batches.
    many: Many,
    tools: Tools,
    /// For large batches.
    threads: Option<Threads>,
    /// How many queries wait for one atom before others wait for conjunctions: [`LONG`], but in tests.
    pub(super) long: usize,
    /// Atoms for which so many wait now that those behind them are to wait for conjunctions.
    crowded: Vec<AtomId>,
    /// How many candidates a document had lately.
    load: f32,
    /// How many looks must be saved for an atom for documents to be percolated together: [`DEEP`], but in tests.
    pub(super) deep: f32,
    learning: Learning,
    /// The query up to which all plans were looked at again, while that goes on.
    sweep: Option<u32>,
    /// How many documents have to be counted before that starts again.
    sweep_at: u64,
}

/// A registered query.
#[derive(Debug)]
enum Slot {
    /// It waits for one atom, which is all there is to it. With [`NO_ATOM`], the key is free.
    Atom { atom: AtomId, place: u32 },
    /// It has a [`Program`], at this place.
    Program(Span),
}

/// No query.
const FREE: Slot = Slot::Atom { atom: NO_ATOM, place: 0 };
const NO_ATOM: AtomId = AtomId::MAX;

/// A program with the waits of its query: the number of waits, each of them, then the code.
///
/// A wait is two words: the atom, with the rank in its highest bits, and the place in the list of that rank.
struct Program;

impl Program {
    const WAITS: usize = 1;
    const RANK_SHIFT: u32 = 30;

    fn n_waits(words: &[u32]) -> usize {
        words[0] as usize
    }

    fn waits(words: &[u32]) -> &[[u32; 2]] {
        words[Self::WAITS..Self::code_at(Self::n_waits(words))].as_chunks().0
    }

    fn waits_mut(words: &mut [u32]) -> &mut [[u32; 2]] {
        let end = Self::code_at(Self::n_waits(words));
        words[Self::WAITS..end].as_chunks_mut().0
    }

    /// Where the code is in the words of a program with so many waits.
    fn code_at(n_waits: usize) -> usize {
        Self::WAITS + 2 * n_waits
    }

    fn code(words: &[u32]) -> &[u32] {
        &words[Self::code_at(Self::n_waits(words))..]
    }

    fn wait(atom: AtomId, rank: Rank, place: u32) -> [u32; 2] {
        [atom | (rank as u32) << Self::RANK_SHIFT, place]
    }

    fn atom(wait: [u32; 2]) -> AtomId {
        wait[0] & (MAX_ATOMS - 1)
    }

    fn rank(wait: [u32; 2]) -> Rank {
        match wait[0] >> Self::RANK_SHIFT {
            0 => Rank::Plain,
            1 => Rank::Either,
            _ => Rank::Guarded,
        }
    }
}

struct Known<'a> {
    presearch: &'a Presearch,
    frequencies: &'a Frequencies,
}

impl Prices for Known<'_> {
    fn share(&self, atom: AtomId) -> f32 {
        match self.presearch.atoms.kind(atom) {
            AtomKind::True => 1.0,
            &AtomKind::Range(field, min, max) => {
                self.frequencies.share_of_range(field, min, max).unwrap_or_else(|| self.frequencies.share(atom, 0.0))
            }
            // What many queries ask for of few values, like a language, many documents have.
            AtomKind::Term(key) if !self.presearch.is_split(key.field()) => {
                self.frequencies.share(atom, self.presearch.atoms.popularity(atom, key.field()))
            }
            _ => self.frequencies.share(atom, 0.0),
        }
    }

    fn lookup(&self, atom: AtomId) -> f32 {
        match self.presearch.atoms.kind(atom) {
            AtomKind::Prefix(..) => 0.01,
            // Those around a number stand together, and most are left without a look at who waits.
            AtomKind::Range(..) => 0.000_5 + 0.05 * self.share(atom),
            AtomKind::Within(..) | AtomKind::Near(..) => 0.02,
            kind @ (AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..)) => {
                if pattern::is_blind(kind) {
                    4.0
                } else {
                    0.05
                }
            }
            _ => 0.0,
        }
    }
}

impl Compiled {
    /// An engine without queries.
    #[must_use]
    pub fn new(options: &EngineOptions) -> Compiled {
        Compiled {
            presearch: Presearch::new(&options.schema, options.max_steps),
            queries: Vec::new(),
            codes: Arena::default(),
            n_queries: 0,
            one: One::default(),
            many: Many::default(),
            tools: Tools::default(),
            threads: Threads::new(options.threads),
            long: LONG,
            crowded: Vec::new(),
            load: 0.0,
            deep: DEEP,
            learning: Learning::new(),
            sweep: None,
            sweep_at: FIRST_SWEEP,
        }
    }

    /// Looks at the plans of all queries again and changes every one for which there is a cheaper one.
    ///
    /// The engine does this on its own, for a few queries at a call, when terms turn out to be more frequent than was
    /// believed; this is for those who want it all at once, after a warm-up.
    pub fn replan_all(&mut self) {
        self.learning.learn(&self.presearch.waits);
        self.learning.stale.clear();
        for key in 0..self.queries.len() {
            self.replan(u32::try_from(key).expect("keys are 32 bits"), 1.0);
        }
    }

    /// How many different parts the registered queries have.
    #[must_use]
    pub fn n_parts(&self) -> usize {
        self.presearch.atoms.n_used()
    }

    /// Whether any queries wait for conjunctions.
    #[cfg(test)]
    pub(super) fn has_conjunctions(&self) -> bool {
        !self.presearch.atoms.both().is_empty()
    }

    pub(super) fn atoms(&self) -> &Atoms {
        &self.presearch.atoms
    }

    /// The clauses that wake a query: key and guard of each. Where a program decides, the guards are places of a print, and none is told.
    pub(super) fn clauses(&self, key: QueryKey) -> Vec<(AtomId, Guard)> {
        let clause = |&wait: &[u32; 2]| {
            let atom = Program::atom(wait);
            let guard = match Program::rank(wait) {
                Rank::Plain | Rank::Either => Guard::There(TRUE),
                Rank::Guarded => {
                    let posting = self.presearch.waits.waiting(atom).guarded[wait[1] as usize];
                    posting.guard()
                }
            };
            (atom, guard)
        };
        match self.queries.get(key.index()) {
            None | Some(Slot::Atom { atom: NO_ATOM, .. }) => Vec::new(),
            Some(Slot::Atom { atom, .. }) => vec![(*atom, Guard::There(TRUE))],
            Some(&Slot::Program(span)) => Program::waits(self.codes.get(span)).iter().map(clause).collect(),
        }
    }

    fn known(&self) -> Known<'_> {
        Known { presearch: &self.presearch, frequencies: &self.learning.frequencies }
    }

    /// Lets a query wait as planned, and keeps where.
    fn wait(&mut self, query: u32, code: &[u32], plan: &Plan) -> Slot {
        if let (&[_], [clause]) = (code, plan.clauses.as_slice())
            && clause.is_plain()
        {
            let place = self.presearch.wait(clause.key, Entry::Plain(query));
            return Slot::Atom { atom: clause.key, place };
        }
        let mut clauses: Vec<&Clause> = plan.clauses.iter().collect();
        // Any of few atoms is enough: it is known which of those that are there is the first, and that is for the most part the one without any before it.
        let is_ordered = (2..=1 + Either::BEFORE).contains(&clauses.len())
            && clauses.iter().all(|clause| clause.is_plain() && self.presearch.is_always_marked(clause.key));
        if is_ordered {
            let known = self.known();
            clauses.sort_by(|a, b| known.share(b.key).total_cmp(&known.share(a.key)));
        }
        let order: Vec<AtomId> = clauses.iter().map(|clause| clause.key).collect();
        let n = plan.clauses.len();
        let mut words = Vec::with_capacity(Program::code_at(n) + code.len());
        words.push(u32::try_from(n).expect("a query has fewer than 2^32 parts"));
        words.resize(Program::code_at(n), 0);
        words.extend(code);
        let span = self.codes.store(&words);
        let start = span.start() + u32::try_from(Program::code_at(n)).expect("as above");
        let leaves = match plan.clauses.as_slice() {
            [clause] => program::leaves(code, clause.key),
            _ => None,
        };
        for (at, clause) in clauses.into_iter().enumerate() {
            let (key, beside) = self.narrow(code, clause);
            let is_key = |atom| atom == clause.key || beside.contains(&atom);
            let guard = match clause.guard {
                Guard::There(atom) if is_key(atom) => Guard::There(TRUE),
                guard => guard,
            };
            // The others beside those that it waits for: with few of them, the posting is all there is to read.
            let others = leaves.map(|leaves| {
                let is_other = |word: u32| word & program::TAG == program::ABSENT || !is_key(word & !program::TAG);
                let mut others: Vec<u32> = leaves.iter().copied().filter(|&word| is_other(word)).collect();
                // What is rare is in the print, and says no soonest.
                let known = self.known();
                others.sort_by_cached_key(|&word| match word & program::TAG {
                    program::ATOM => known.share(word & !program::TAG).to_bits(),
                    _ => (1.0 - known.share(word & !program::TAG)).to_bits(),
                });
                others
            });
            let print = match &others {
                Some(others) => Print::of(others.iter().copied().filter(|word| word & program::TAG == program::ATOM)),
                None => Print::of(clause.required.iter().copied().filter(|&atom| !is_key(atom))),
            };
            let others = others.filter(|others| others.len() <= LEAVES);
            let is_plain = guard == Guard::There(TRUE);
            let entry = match &others {
                _ if is_ordered && at == 0 => Entry::Plain(query),
                _ if is_ordered => Entry::Either(Either::after(query, &order[..at])),
                Some(leaves) if leaves.is_empty() && !beside.is_empty() => Entry::Plain(query),
                _ if clause.sufficient && is_plain && n > 1 => Entry::Either(Either::noted(query)),
                _ if clause.sufficient && is_plain && !beside.is_empty() => Entry::Plain(query),
                _ if clause.sufficient => Entry::Guarded(print, Posting::guarded(query, guard, n > 1)),
                Some(leaves) => Entry::Guarded(print, Posting::complete(query, leaves, n > 1)),
                None => Entry::Guarded(print, Posting::verified(query, start, n > 1)),
            };
            let rank = entry.rank();
            let place = self.presearch.wait(key, entry);
            if rank == Rank::Guarded && self.is_crowded(key) && !self.crowded.contains(&key) {
                self.crowded.push(key);
            }
            Program::waits_mut(self.codes.get_mut(span))[at] = Program::wait(key, rank, place);
        }
        Slot::Program(span)
    }

    /// The atom that a query waits for instead of the key of a clause, which is the same where not many wait for it; else a conjunction of it and others
    /// that are required, which are told. The wait mentions a conjunction.
    fn narrow(&mut self, code: &[u32], clause: &Clause) -> (AtomId, Vec<AtomId>) {
        let (mut key, mut beside) = (clause.key, Vec::new());
        if clause.is_plain() || !self.is_split(key) {
            return (key, beside);
        }
        let mut others = Vec::new();
        all_required(code, &mut others);
        if let Guard::There(guard) = clause.guard {
            others.push(guard);
        }
        let known = self.known();
        others.sort_by(|&a, &b| known.share(a).total_cmp(&known.share(b)).then(a.cmp(&b)));
        for other in others {
            if !self.is_split(key) || beside.len() + 1 == MAX_CONJUNCTION {
                break;
            }
            if !self.presearch.can_follow(key, other) {
                continue;
            }
            let both = self.presearch.conjunction(key, other);
            if !beside.is_empty() {
                // The new one mentions it.
                self.presearch.release(key);
            }
            key = both;
            beside.push(other);
        }
        self.start_counting();
        (key, beside)
    }

    /// Whether queries wait for conjunctions that start with the atom, rather than for the atom.
    fn is_split(&self, atom: AtomId) -> bool {
        let is_crowded = || self.crowded.contains(&atom) && self.presearch.can_lead(atom);
        !self.presearch.waits.leads(atom).is_empty() || is_crowded()
    }

    /// Whether so many wait for an atom that it should be split. Those that can't be moved elsewhere may be many: to look at them again each time
    /// that they have doubled costs little.
    fn is_crowded(&self, atom: AtomId) -> bool {
        let n = self.presearch.waits.n_guarded(atom);
        n.is_multiple_of(self.long)
            && (n / self.long).is_power_of_two()
            && self.presearch.waits.leads(atom).is_empty()
            && self.presearch.can_lead(atom)
    }

    /// Lets the queries behind crowded atoms wait for conjunctions.
    fn split(&mut self) {
        let mut at = 0;
        // Each once: queries that wait for several atoms may crowd one while another is split.
        while let Some(&atom) = self.crowded.get(at) {
            at += 1;
            let mut queries: Vec<u32> = self.presearch.waits.waiting(atom).guarded.iter().map(|it| it.query).collect();
            queries.sort_unstable();
            queries.dedup();
            for query in queries {
                self.plan_anew(query, |_, _| true);
            }
        }
        self.crowded.clear();
    }

    /// Ends the waits of a query, which has no slot any more. What stood last in a list takes the place, so another query must be told.
    fn unwait(&mut self, slot: &Slot) {
        match *slot {
            Slot::Atom { atom, place } => self.end_wait(Program::wait(atom, Rank::Plain, place), None),
            Slot::Program(span) => {
                for at in 0..Program::n_waits(self.codes.get(span)) {
                    let wait = Program::waits(self.codes.get(span))[at];
                    self.end_wait(wait, Some((span, at + 1)));
                }
            }
        }
    }

    /// `own` is the program of the query itself, which may wait for the same atom once more, and how many of its waits are over.
    fn end_wait(&mut self, wait: [u32; 2], own: Option<(Span, usize)>) {
        let (atom, rank, place) = (Program::atom(wait), Program::rank(wait), wait[1]);
        let Some((moved, from)) = self.presearch.unwait(atom, rank, place) else { return };
        let program = match &mut self.queries[moved as usize] {
            Slot::Atom { atom: NO_ATOM, .. } => own,
            Slot::Atom { place: old, .. } => {
                *old = place;
                return;
            }
            Slot::Program(span) => Some((*span, 0)),
        };
        let Some((span, done)) = program else { return };
        let mut waits = Program::waits_mut(self.codes.get_mut(span)).iter_mut().skip(done);
        if let Some(it) = waits.find(|it| **it == [wait[0], from]) {
            it[1] = place;
        }
    }

    /// Moves all programs together when much was freed.
    fn compact(&mut self) {
        if !self.codes.is_sparse() {
            return;
        }
        let mut fresh = Arena::default();
        for slot in &mut self.queries {
            let Slot::Program(span) = slot else { continue };
            let words = self.codes.get(*span);
            let moved = fresh.store(words);
            let code = moved.start() + u32::try_from(Program::code_at(Program::n_waits(words))).expect("as above");
            for &wait in Program::waits(words).iter().filter(|&&wait| Program::rank(wait) == Rank::Guarded) {
                self.presearch.waits.set_code(Program::atom(wait), wait[1], code);
            }
            *span = moved;
        }
        self.codes = fresh;
    }

    /// Takes note of what documents cost, the last few more than those before.
    #[expect(clippy::cast_precision_loss)]
    fn weigh(&mut self, n_docs: usize, candidates: u64) {
        let n = (n_docs as f32).clamp(1.0, 64.0);
        self.load += (candidates as f32 / n_docs.max(1) as f32 - self.load) * n / 64.0;
    }

    /// Whether documents of a batch are worth percolating together.
    pub(super) fn is_deep(&self) -> bool {
        self.learning.depth() >= self.deep
    }

    /// Changes the plan of a query if there is one that is cheaper by so much.
    fn replan(&mut self, query: u32, gain: f32) {
        let Slot::Program(span) = self.queries[query as usize] else { return };
        let words = self.codes.get(span);
        let known = self.known();
        if let [wait] = Program::waits(words)
            && let Some(leaves) = program::leaves(Program::code(words), Program::atom(*wait))
            && gain < 1.0
        {
            // Most queries are like this, and nearly always nothing is better.
            let there = leaves.iter().filter(|&&word| word & program::TAG == program::ATOM);
            let counted = |atom| known.frequencies.share(atom, 0.0);
            let least = there.fold(1.0_f32, |least, &word| least.min(counted(word & !program::TAG)));
            if least >= counted(Program::atom(*wait)) * gain {
                return;
            }
        }
        self.plan_anew(query, |before, after| after < before * gain);
        self.split();
    }

    /// Plans a query once more, and changes how it waits if the prices before and after say so.
    fn plan_anew(&mut self, query: u32, is_worth_it: impl Fn(f32, f32) -> bool) {
        let Slot::Program(mut span) = self.queries[query as usize] else { return };
        let words = self.codes.get(span);
        let code = Program::code(words);
        let known = self.known();
        let plan = plan(code, &known);
        let before = price_of_waits(Program::waits(words).iter().map(|&wait| Program::atom(wait)), &known);
        let after = price_of_waits(plan.clauses.iter().map(|clause| clause.key), &known);
        if !is_worth_it(before, after) && !is_out_of_order(Program::waits(words), &known) {
            return;
        }
        let code = code.to_vec();
        let slot = std::mem::replace(&mut self.queries[query as usize], FREE);
        let conjunctions = self.conjunctions(span);
        self.unwait(&slot);
        self.codes.free(&mut span);
        self.queries[query as usize] = self.wait(query, &code, &plan);
        // Not before: what is split stays so while its last query is on the way.
        conjunctions.into_iter().for_each(|atom| self.presearch.release(atom));
    }

    /// The conjunctions that the waits of a program mention.
    fn conjunctions(&self, span: Span) -> Vec<AtomId> {
        let atoms = Program::waits(self.codes.get(span)).iter().map(|&wait| Program::atom(wait));
        atoms.filter(|&atom| matches!(self.presearch.atoms.kind(atom), AtomKind::Both(..))).collect()
    }

    /// Looks at some of the plans that rest on wrong beliefs, then at some of all.
    fn replan_some(&mut self, n_docs: usize, n_candidates: u64) {
        let candidates = usize::try_from(n_candidates).unwrap_or(usize::MAX);
        let mut left = REPLAN_PER_DOC * n_docs + candidates / CANDIDATES_PER_REPLAN;
        if self.sweep.is_none() && self.learning.frequencies.n_counted() >= self.sweep_at {
            self.sweep_at *= SWEEP_GROWTH;
            self.sweep = Some(0);
        }
        while let Some((atom, mut at)) = self.learning.stale.pop() {
            while left > 0 {
                let Some(posting) = self.presearch.waits.waiting(atom).guarded.get(at as usize).copied() else { break };
                left -= 1;
                self.replan(posting.query, REPLAN_GAIN);
                // When the query went elsewhere, another one has its place.
                if self.presearch.waits.waiting(atom).guarded.get(at as usize) == Some(&posting) {
                    at += 1;
                }
            }
            if left == 0 {
                self.learning.stale.push((atom, at));
                return;
            }
        }
        while let Some(query) = self.sweep.filter(|_| left > 0) {
            left -= 1;
            let more = (query as usize) < self.queries.len();
            self.sweep = more.then_some(query + 1);
            if more {
                self.replan(query, REPLAN_GAIN);
            }
        }
    }

    /// Appends the matches of a batch to `matches`, and learns from it; with several threads, from the one before.
    fn look_at(&mut self, docs: &[&Doc], matches: &mut Matches) {
        let is_deep = self.is_deep();
        let Compiled { one, many, tools, threads, presearch, codes, learning, .. } = self;
        if let Some(threads) = threads
            && Threads::are_worth_it(docs.len(), self.load)
        {
            threads.percolate((presearch, codes), (docs, is_deep), learning, matches);
            return;
        }
        let Learning { seen, counting, .. } = learning;
        // Evenly, so that no few are left over. All at once where they are taken one after the other.
        let len = if is_deep { docs.len().div_ceil(docs.len().div_ceil(MAX_DOCS).max(1)) } else { docs.len() };
        for (docs, first) in docs.chunks(len.max(1)).zip((0..).step_by(len.max(1))) {
            if Way::of(docs, is_deep) == Way::Many
                && many.percolate(presearch, codes, tools, (number(first), docs), matches)
            {
                many.see(&presearch.waits, docs, counting.of(first, docs.len()), seen);
                continue;
            }
            one.percolate((presearch, codes), tools, (number(first), docs), matches, |one, at| {
                if counting.of(first + at, 1) != 0 {
                    one.see(&presearch.waits, docs[at], seen);
                }
            });
        }
        counting.pass(docs.len());
        learning.learn(&presearch.waits);
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a batch has fewer than 2^32 documents")
}

/// What it costs per document to wait for these atoms, as far as is known now.
fn price_of_waits(atoms: impl Iterator<Item = AtomId>, prices: &Known<'_>) -> f32 {
    atoms.map(|atom| prices.share(atom) + prices.lookup(atom)).sum()
}

/// Whether a query that waits for any of few atoms is a key behind one that is much rarer than another.
fn is_out_of_order(waits: &[[u32; 2]], prices: &Known<'_>) -> bool {
    let [first, others @ ..] = waits else { return false };
    let share = |wait: &[u32; 2]| prices.share(Program::atom(*wait));
    Program::rank(*first) == Rank::Plain
        && others.iter().any(|wait| Program::rank(*wait) == Rank::Either && share(first) < share(wait) * REPLAN_GAIN)
}

impl Engine for Compiled {
    fn insert(&mut self, key: QueryKey, query: &Ast) {
        self.remove(key);
        self.learning.learn(&self.presearch.waits);
        let code = compile(query, &mut self.presearch.atoms);
        self.start_counting();
        let plan = plan(&code, &self.known());
        if self.queries.len() <= key.index() {
            self.queries.resize_with(key.index() + 1, || FREE);
        }
        let slot = self.wait(key.0, &code, &plan);
        self.queries[key.index()] = slot;
        self.split();
        self.n_queries += 1;
    }

    fn remove(&mut self, key: QueryKey) -> bool {
        let Some(slot) = self.queries.get_mut(key.index()) else { return false };
        let mut slot = std::mem::replace(slot, FREE);
        if let Slot::Atom { atom: NO_ATOM, .. } = slot {
            return false;
        }
        self.learning.learn(&self.presearch.waits);
        let conjunctions = match slot {
            Slot::Atom { .. } => Vec::new(),
            Slot::Program(span) => self.conjunctions(span),
        };
        self.unwait(&slot);
        let mut release = |atom| self.presearch.release(atom);
        match &mut slot {
            Slot::Atom { atom, .. } => release(*atom),
            Slot::Program(span) => {
                conjunctions.into_iter().for_each(&mut release);
                program::for_each_atom(Program::code(self.codes.get(*span)), &mut release);
                self.codes.free(span);
            }
        }
        self.n_queries -= 1;
        self.give_back();
        true
    }

    fn inspect(&mut self, doc: &Doc, candidates: &mut Vec<(QueryKey, Duration)>) {
        let Compiled { one, presearch, codes, tools, .. } = self;
        one.inspect(presearch, codes, tools, doc, candidates);
    }

    fn len(&self) -> usize {
        self.n_queries
    }

    fn percolate(&mut self, docs: &[&Doc], matches: &mut Matches) {
        let before = matches.candidates;
        self.look_at(docs, matches);
        let candidates = matches.candidates - before;
        self.weigh(docs.len(), candidates);
        self.replan_some(docs.len(), candidates);
        self.compact();
    }

    fn presearch(&self, key: QueryKey) -> Ast {
        self.waits_for(key)
    }

    fn size_bytes(&self) -> usize {
        size_of::<Compiled>()
            + self.queries.capacity() * size_of::<Slot>()
            + self.codes.size_bytes()
            + self.presearch.size_bytes()
            + self.one.size_bytes()
            + self.many.size_bytes()
            + self.threads.as_ref().map_or(0, Threads::size_bytes)
            + self.tools.memo.size_bytes()
            + self.learning.size_bytes()
    }
}

impl Compiled {
    /// Starts to count the atoms that are new.
    fn start_counting(&mut self) {
        while let Some(atom) = self.presearch.atoms.pop_new() {
            self.presearch.start(atom);
            let (guess, hash) = match *self.presearch.atoms.kind(atom) {
                // It is no more frequent than either, and what is known of them is more than a guess.
                AtomKind::Both(first, second) => {
                    let known = self.known();
                    (known.share(first).min(known.share(second)), None)
                }
                _ => self.presearch.guess(atom),
            };
            self.learning.frequencies.start(atom, guess, hash);
        }
    }

    /// Gives memory back that removed queries had.
    fn give_back(&mut self) {
        while matches!(self.queries.last(), Some(Slot::Atom { atom: NO_ATOM, .. })) {
            self.queries.pop();
        }
        if self.queries.len() * 4 < self.queries.capacity() {
            self.queries.shrink_to(self.queries.len() * 2);
        }
        self.compact();
        let keep_memo = self.presearch.patterns.active != 0;
        if !keep_memo {
            self.tools.memo = Memo::default();
        }
        let (n_atoms, n_queries) = (self.presearch.atoms.len(), self.queries.len());
        self.learning.frequencies.truncate(n_atoms);
        self.one.give_back(n_atoms, n_queries);
        self.many.give_back(n_atoms, n_queries);
        if let Some(threads) = &mut self.threads {
            threads.give_back(n_atoms, n_queries, keep_memo);
        }
    }
}
