//! Matches documents, one after the other, against the query index.

use std::time::{Duration, Instant};

use super::dedup::SeenQueries;
use super::doc_state::{DocState, UndecidedPatterns};
use super::interpreter;
use super::presearcher::Presearcher;
use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::percolator::atoms::AtomId;
use crate::percolator::atoms::atom_table::AtomKind;
use crate::percolator::matches::{Matches, Span};
use crate::percolator::query_index::QueryIndex;
use crate::percolator::query_index::posting::OnHit;
use crate::percolator::scratch::{clear_and_trim, prefetch};
use crate::percolator::stats::doc_stats::{DocStats, SampleSchedule};

/// Adjacent documents of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocRange<'a> {
    /// The index of the first document in the batch.
    pub(crate) first: u32,
    pub(crate) docs: &'a [&'a Doc],
}

/// Matches documents, one after the other. Each thread has its own.
#[derive(Debug, Default)]
pub(crate) struct DocMatcher {
    presearcher: Presearcher,
    state: DocState,
    seen: SeenQueries,
    /// The numbers of the guarded postings whose signature matches.
    candidates: Vec<u32>,
    /// The queries whose program decides: query, start of the program, and whether another posting
    /// may report the query.
    to_verify: Vec<(u32, u32, bool)>,
    /// The keys that match the document, as parts of the keys of the batch.
    spans: Vec<Span>,
    /// By atom: the keys of a long list, which the documents of a batch share.
    shared_lists: hashbrown::HashMap<AtomId, Span, foldhash::fast::RandomState>,
    /// The queries that are undecided for the document.
    undecided: Vec<u32>,
}

impl DocMatcher {
    /// Appends the matches of documents, and adds those that are sampled to `stats`.
    pub(crate) fn percolate(
        &mut self,
        index: &QueryIndex,
        range: DocRange<'_>,
        schedule: SampleSchedule,
        matches: &mut Matches,
        stats: &mut DocStats,
    ) {
        self.shared_lists.clear();
        for (doc, number) in range.docs.iter().zip(range.first..) {
            self.analyze(index, doc);
            matches.candidates += self.collect_matches(index, doc, range.docs.len() > 1, matches.open());
            matches.close(number, &self.spans);
            matches.steps += self.state.budget.take_spent();
            for &query in &self.undecided {
                matches.leave_undecided(number, QueryKey(query));
            }
            if schedule.is_sampled(number) {
                let DocState { tokens, atoms, .. } = &self.state;
                stats.add(atoms.found(), tokens.unknown_terms(), doc.values());
            }
        }
    }

    fn analyze(&mut self, index: &QueryIndex, doc: &Doc) {
        self.seen.clear();
        clear_and_trim(&mut self.candidates);
        clear_and_trim(&mut self.to_verify);
        self.spans.clear();
        clear_and_trim(&mut self.undecided);
        self.presearcher.analyze(index, doc, &mut self.state);
    }

    /// Appends the queries that match the document to `keys`, and their positions to the spans.
    /// Returns the number of candidates.
    fn collect_matches(&mut self, index: &QueryIndex, doc: &Doc, shares_lists: bool, keys: &mut Vec<QueryKey>) -> u64 {
        let DocMatcher { state, seen, candidates, to_verify, spans, shared_lists, undecided, .. } = self;
        let (atoms, postings) = (&state.atoms, &index.postings);
        let mut own = keys.len();
        let mut n_candidates = 0;
        prefetch(atoms.iter().map(|atom| postings.peek_postings(atom)));
        for atom in atoms.iter() {
            let of_atom = postings.of(atom);
            n_candidates += of_atom.len();
            if shares_lists && of_atom.plain.len() >= index.thresholds.shared_list_keys {
                if let Some(shared) = shared_lists.get(&atom) {
                    spans.push(shared.clone());
                } else {
                    push_span(spans, own..keys.len());
                    let start = keys.len();
                    keys.extend(of_atom.plain.iter().copied().map(QueryKey));
                    own = keys.len();
                    spans.push(start..own);
                    shared_lists.insert(atom, start..own);
                }
            } else {
                keys.extend(of_atom.plain.iter().copied().map(QueryKey));
            }
            for &posting in of_atom.any_of {
                let is_first = match posting.earlier() {
                    Some([first, second]) => !atoms.contains(first) && !atoms.contains(second),
                    None => seen.insert(posting.query),
                };
                if is_first {
                    keys.push(QueryKey(posting.query));
                }
            }
            of_atom.filter_guarded(atoms.bloom(), candidates);
        }

        prefetch(candidates.iter().map(|&number| postings.guarded(number).query));
        // Branchless like the filter: the key is written to the next output slot, which advances
        // only if the query matches.
        let mut n = keys.len();
        keys.resize(n + candidates.len(), QueryKey(0));
        for &number in &*candidates {
            let posting = postings.guarded(number);
            let is_met = posting.is_met(|atom| atoms.contains_unfiltered(atom));
            keys[n] = QueryKey(posting.query);
            match posting.on_hit() {
                OnHit::Match => n += usize::from(is_met),
                OnHit::MatchDedup => n += usize::from(is_met && seen.insert(posting.query)),
                on_hit @ (OnHit::Verify | OnHit::VerifyDedup) => {
                    to_verify.push((posting.query, posting.code(), on_hit == OnHit::VerifyDedup));
                }
            }
        }
        keys.truncate(n);

        prefetch(to_verify.iter().map(|&(_, code, _)| index.programs.from(code)[0]));
        for &(query, code, dedup) in &*to_verify {
            let is_match = interpreter::matches(index.programs.from(code), &index.atoms, doc, state);
            if std::mem::take(&mut state.ran_out) {
                undecided.push(query);
            } else if is_match && (!dedup || seen.insert(query)) {
                keys.push(QueryKey(query));
            }
        }
        push_span(spans, own..keys.len());
        collect_undecided(index, state, undecided);
        n_candidates as u64
    }

    /// Appends each candidate of one document once, with the time that deciding on it took, and its
    /// share of the time that its pattern took.
    pub(crate) fn inspect(&mut self, index: &QueryIndex, doc: &Doc, candidates: &mut Vec<(QueryKey, Duration)>) {
        let first = candidates.len();
        self.analyze(index, doc);
        let found: Vec<AtomId> = self.state.atoms.iter().collect();
        for atom in found {
            self.inspect_postings(index, (atom, true), doc, candidates);
        }
        for tokens in doc.tokens().chunk_by(|a, b| a.field == b.field) {
            for &atom in index.patterns.unindexed(tokens[0].field) {
                if !self.state.atoms.contains(atom) {
                    self.inspect_postings(index, (atom, false), doc, candidates);
                }
            }
        }
        // A query that is posted under several atoms took the time of each.
        let mut inspected = candidates.split_off(first);
        inspected.sort_unstable_by_key(|&(query, _)| query);
        inspected.dedup_by(|next, first| {
            let is_same = next.0 == first.0;
            first.1 += if is_same { next.1 } else { Duration::ZERO };
            is_same
        });
        candidates.append(&mut inspected);
    }

    /// The same for the postings of one atom, which the document contains, or which is a pattern
    /// that was only tested.
    fn inspect_postings(
        &mut self,
        index: &QueryIndex,
        (atom, is_contained): (AtomId, bool),
        doc: &Doc,
        candidates: &mut Vec<(QueryKey, Duration)>,
    ) {
        let state = &mut self.state;
        let postings = index.postings.of(atom);
        if postings.is_empty() {
            return;
        }
        let mut share = Duration::ZERO;
        if let AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..) = index.atoms.kind(atom) {
            let started = Instant::now();
            std::hint::black_box(interpreter::scan(&index.atoms, atom, doc, &mut state.budget));
            share = started.elapsed() / u32::try_from(postings.len()).unwrap_or(u32::MAX);
        }
        let any_of = postings.any_of.iter().map(|posting| &posting.query);
        candidates.extend(postings.plain.iter().chain(any_of).map(|&query| (QueryKey(query), share)));
        for (posting, &signature) in postings.guarded.iter().zip(postings.signatures) {
            let mut took = share;
            if is_contained && state.atoms.may_contain_all(signature) {
                let started = Instant::now();
                std::hint::black_box(if posting.needs_program() {
                    interpreter::matches(index.programs.from(posting.code()), &index.atoms, doc, state)
                } else {
                    posting.conditions().all(|(atom, is_present)| state.atoms.contains(atom) == is_present)
                });
                took += started.elapsed();
            }
            candidates.push((QueryKey(posting.query), took));
        }
    }

    /// Frees memory if there are few atoms, queries or patterns now.
    pub(crate) fn release_memory(&mut self, index: &QueryIndex, n_queries: usize) {
        self.state.atoms.release_memory(index.atoms.len());
        self.seen.release_memory(n_queries);
        if index.patterns.is_empty() {
            self.presearcher.release_memory();
        }
    }

    /// The memory that the matcher holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.presearcher.size_bytes()
            + self.state.tokens.size_bytes()
            + self.state.atoms.size_bytes()
            + self.seen.size_bytes()
            + self.candidates.capacity() * size_of::<u32>()
            + self.to_verify.capacity() * size_of::<(u32, u32, bool)>()
            + self.spans.capacity() * size_of::<Span>()
            + self.shared_lists.capacity() * size_of::<(AtomId, Span)>()
            + self.undecided.capacity() * size_of::<u32>()
    }
}

fn push_span(spans: &mut Vec<Span>, span: Span) {
    if !span.is_empty() {
        spans.push(span);
    }
}

/// Adds the queries that are posted under a pattern that is undecided.
fn collect_undecided(index: &QueryIndex, state: &DocState, undecided: &mut Vec<u32>) {
    let only_weak = match state.undecided_patterns {
        UndecidedPatterns::None => return,
        UndecidedPatterns::Weak => true,
        UndecidedPatterns::All => false,
    };
    index.patterns.for_each(only_weak, |atom| {
        if state.atoms.contains(atom) {
            return;
        }
        let postings = index.postings.of(atom);
        undecided.extend(postings.plain);
        undecided.extend(postings.any_of.iter().map(|posting| posting.query));
        let guarded = postings.guarded.iter().zip(postings.signatures);
        let may_match = guarded.filter(|&(_, &signature)| state.atoms.may_contain_all(signature));
        undecided.extend(may_match.map(|(posting, _)| posting.query));
    });
}
