//! What is found out about a document in advance: which of the atoms that queries wait for it has.
//!
//! Terms come from the table of atoms, patterns, ranges and places from an index each, which knows an atom only as
//! long as a query waits for it: what only programs ask for is found when they ask.

use crate::doc::{Doc, Token};
use crate::schema::{FieldId, Schema};

use super::facts::{Marks, Tokens, Tools};
use super::frequency;
use super::grid::Grid;
use super::interval::Intervals;
use super::pattern::{Patterns, is_match};
use super::places::Print;
use super::program;
use super::table::{AtomId, AtomKind, Atoms, MAX_ATOMS, TRUE};
use super::terms::Probe;
use super::waits::{Entry, Lead, Rank, Waits};
use super::work::{self, Work};

/// What is only read while documents are percolated.
#[derive(Debug)]
pub(super) struct Presearch {
    pub(super) atoms: Atoms,
    pub(super) waits: Waits,
    pub(super) patterns: Patterns,
    /// By field.
    intervals: Vec<Intervals>,
    /// By field.
    grids: Vec<Grid>,
    /// By field: the atom of its being there.
    exists: Vec<Option<AtomId>>,
    /// One bit for each field whose texts are split into words.
    split: u64,
    /// How many steps the work of a document may take: [`super::EngineOptions::max_steps`].
    pub(super) max_steps: u64,
}

impl Presearch {
    /// Nothing to look for, in documents of this schema.
    pub(super) fn new(schema: &Schema, max_steps: u64) -> Presearch {
        let words = schema.iter().filter(|(_, field)| field.kind.has_positions());
        Presearch {
            atoms: Atoms::new(),
            waits: Waits::default(),
            patterns: Patterns::default(),
            intervals: Vec::new(),
            grids: Vec::new(),
            exists: Vec::new(),
            split: words.fold(0, |split, (id, _)| split | 1 << id.0),
            max_steps,
        }
    }

    /// Whether the field's texts are split into words.
    pub(super) fn is_split(&self, field: FieldId) -> bool {
        self.split >> field.0 & 1 == 1
    }

    /// Takes note of an atom that is new.
    pub(super) fn start(&mut self, atom: AtomId) {
        if let &AtomKind::Exists(field) = self.atoms.kind(atom) {
            *grown(&mut self.exists, field) = Some(atom);
        }
    }

    /// One mention of an atom less.
    pub(super) fn release(&mut self, atom: AtomId) {
        match self.atoms.release(atom) {
            Some(AtomKind::Exists(field)) => *grown(&mut self.exists, field) = None,
            Some(AtomKind::Both(first, second)) => {
                self.waits.unlead(first, atom);
                self.release(second);
                self.release(first);
            }
            _ => {}
        }
    }

    /// The conjunction of two atoms, which is looked for from now on; one more place mentions it.
    pub(super) fn conjunction(&mut self, first: AtomId, second: AtomId) -> AtomId {
        let (both, is_new) = self.atoms.conjunction(first, second);
        if is_new {
            self.waits.lead(first, Lead { second, both });
        }
        both
    }

    /// Whether conjunctions can start with an atom.
    pub(super) fn can_lead(&self, atom: AtomId) -> bool {
        matches!(self.atoms.kind(atom), AtomKind::Term(_) | AtomKind::Pair(..) | AtomKind::Both(..))
    }

    /// Whether a conjunction of the two says more than the first alone.
    pub(super) fn can_follow(&self, first: AtomId, second: AtomId) -> bool {
        let has = match *self.atoms.kind(first) {
            AtomKind::Both(more, one) | AtomKind::Pair(more, one) => one == second || !self.can_follow(more, second),
            _ => first == second,
        };
        !has && matches!(self.atoms.kind(second), AtomKind::Term(_))
    }

    /// Starts to look terms up: what is needed next is asked for a while before, for all tokens, so that memory answers many questions at once.
    pub(super) fn probe(&self, doc: &Doc, tokens: &mut Tokens) {
        let terms = self.atoms.terms();
        tokens.probes.extend(doc.tokens().iter().map(|token| terms.probe(token.field, doc.term(token))));
        std::hint::black_box(tokens.probes.iter().fold(0, |near, probe| near ^ terms.touch(probe)));
    }

    /// Looks the terms up.
    pub(super) fn find_terms(&self, doc: &Doc, tokens: &mut Tokens) {
        let terms = self.atoms.terms();
        for (at, token) in doc.tokens().iter().enumerate() {
            let atom = terms.find(&tokens.probes[at], doc.term(token));
            tokens.push(token.field, atom);
        }
    }

    /// Marks all atoms that the document has and that queries wait for; patterns are left to [`Presearch::mark_patterns`], and
    /// conjunctions to those who know what was marked.
    pub(super) fn mark(&self, doc: &Doc, tokens: &Tokens, marks: &mut impl Marks) {
        marks.mark(TRUE);
        for (at, (token, &atom)) in doc.tokens().iter().zip(tokens.atoms()).enumerate() {
            let new = atom == MAX_ATOMS || marks.term(atom);
            if new && self.patterns.active >> token.field.0 & 1 == 1 {
                marks.word(at);
            }
        }
        if !self.atoms.pairs().is_empty() {
            self.mark_runs(doc.tokens(), tokens.atoms(), marks);
        }
        let mut present = doc.present();
        while present != 0 {
            if let Some(&Some(atom)) = self.exists.get(present.trailing_zeros() as usize) {
                marks.mark(atom);
            }
            present &= present - 1;
        }
        for values in doc.values().chunk_by(|a, b| a.0 == b.0) {
            let Some(intervals) = self.intervals.get(values[0].0.index()).filter(|it| !it.is_empty()) else { continue };
            // All that queries can be known to require was marked before.
            match values {
                &[(_, value)] => intervals.stab(value, |atom, required| {
                    if marks.may_match(required) {
                        marks.range(atom);
                    }
                }),
                values => {
                    // Two numbers may lie in one range.
                    for &(_, value) in values {
                        intervals.stab(value, |atom, required| {
                            if marks.may_match(required) {
                                marks.mark(atom);
                            }
                        });
                    }
                }
            }
        }
        for &(field, point) in doc.points() {
            if let Some(grid) = self.grids.get(field.index()).filter(|it| !it.is_empty()) {
                for atom in grid.near(point).filter(|&atom| program::look(&self.atoms, atom, doc, &mut Work::default()))
                {
                    marks.mark(atom);
                }
            }
        }
    }

    /// Marks the patterns that a term matches. False when there are not enough steps left to know them all.
    pub(super) fn mark_patterns(
        &self,
        (token, doc): (&Token, &Doc),
        probe: &Probe,
        (tools, work): (&mut Tools, &mut Work),
        marks: &mut impl Marks,
    ) -> bool {
        let Tools { memo, term } = tools;
        let version = self.patterns.version;
        let text = doc.term(token);
        if let Some(patterns) = memo.get(probe, text, &self.patterns, &self.atoms) {
            patterns.iter().for_each(|&atom| marks.pattern(atom));
            return true;
        }
        memo.found.clear();
        term.set(text.chars());
        let mut candidate = |atom| {
            if self.tries(atom, text, work) {
                memo.found.push(atom);
            }
        };
        let steps = self.patterns.find(term, token.field, &mut candidate)
            + self.patterns.find_weak(term, token.field, &mut candidate);
        work.charge(steps);
        if work.is_exhausted() {
            return false;
        }
        memo.found.iter().for_each(|&atom| marks.pattern(atom));
        memo.keep(probe, version);
        true
    }

    /// Whether a term matches a pattern. Once there are no steps left, it does not.
    #[inline]
    pub(super) fn tries(&self, pattern: AtomId, term: &str, work: &mut Work) -> bool {
        let kind = self.atoms.kind(pattern);
        work.charge(work::of_pattern(kind, term));
        !work.is_exhausted() && is_match(kind, term)
    }

    /// Marks runs of terms: a run that ends at a position goes on with what stands at the next.
    fn mark_runs(&self, tokens: &[Token], atoms: &[AtomId], marks: &mut impl Marks) {
        let pairs = self.atoms.pairs();
        let place = |token: &Token| (token.field, token.position);
        let (mut runs, mut longer) = (Vec::new(), Vec::new());
        // Those at the position before, and at this one.
        let (mut before, mut at) = (0..0, 0);
        for here in tokens.chunk_by(|a, b| place(a) == place(b)) {
            let follows =
                |&first: &usize| tokens[first].field == here[0].field && tokens[first].position + 1 == here[0].position;
            if before.clone().next().is_some_and(|first| follows(&first)) {
                for &second in atoms[at..at + here.len()].iter().filter(|&&atom| atom != MAX_ATOMS) {
                    let terms = atoms[before.clone()].iter().filter(|&&atom| atom != MAX_ATOMS);
                    for run in terms.chain(&runs).filter_map(|&first| pairs.find(first, second)) {
                        marks.mark(run);
                        if !longer.contains(&run) {
                            longer.push(run);
                        }
                    }
                }
            }
            std::mem::swap(&mut runs, &mut longer);
            longer.clear();
            before = at..at + here.len();
            at += here.len();
        }
    }

    /// Lets a query wait for an atom, which is looked for from now on. Tells the place of the posting.
    pub(super) fn wait(&mut self, atom: AtomId, entry: Entry) -> u32 {
        let (place, first) = self.waits.wait(atom, entry);
        if let &AtomKind::Range(field, min, max) = self.atoms.kind(atom) {
            // What all of them require; when one goes, the others may require more than that, which costs time and not answers.
            let required = if let Entry::Guarded(print, _) = entry { print } else { Print::default() };
            grown(&mut self.intervals, field).insert(min, max, atom, required);
        } else if first {
            self.watch(atom);
        }
        place
    }

    /// Whether documents that have such an atom are marked with it before queries are looked at, if anything waits for it. Not asked of what every document has.
    pub(super) fn is_always_marked(&self, atom: AtomId) -> bool {
        !matches!(self.atoms.kind(atom), AtomKind::True | AtomKind::Range(..) | AtomKind::Both(..))
    }

    /// Ends a wait. Tells which query moved to its place, and from where.
    pub(super) fn unwait(&mut self, atom: AtomId, rank: Rank, place: u32) -> Option<(u32, u32)> {
        let moved = self.waits.unwait(atom, rank, place);
        if self.waits.waiting(atom).n() == 0 {
            self.unwatch(atom);
        }
        moved
    }

    /// Looks for an atom, but for a range, in documents from now on.
    fn watch(&mut self, atom: AtomId) {
        match self.atoms.kind(atom) {
            kind @ (AtomKind::Prefix(..) | AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..)) => {
                self.patterns.insert(atom, kind);
            }
            kind @ (AtomKind::Within(field, _) | AtomKind::Near(field, _)) => {
                grown(&mut self.grids, *field).insert(atom, kind);
            }
            _ => {}
        }
    }

    /// Looks for an atom no longer.
    fn unwatch(&mut self, atom: AtomId) {
        match self.atoms.kind(atom) {
            kind @ (AtomKind::Prefix(..) | AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..)) => {
                self.patterns.remove(atom, kind);
            }
            &AtomKind::Range(field, min, max) => grown(&mut self.intervals, field).remove(min, max, atom),
            kind @ (AtomKind::Within(field, _) | AtomKind::Near(field, _)) => {
                grown(&mut self.grids, *field).remove(atom, kind);
            }
            _ => {}
        }
    }

    /// What is believed of an atom before it is seen, and the hash of a term.
    pub(super) fn guess(&self, atom: AtomId) -> (f32, Option<u64>) {
        match self.atoms.kind(atom) {
            AtomKind::Free | AtomKind::True => (1.0, None),
            AtomKind::Term(key) => {
                let terms = self.atoms.terms();
                let split = self.is_split(key.field());
                terms.text(key, |text| {
                    (frequency::guess_term(text.chars().count(), split), Some(terms.probe(key.field(), text).hash))
                })
            }
            &AtomKind::Pair(first, second) => {
                let last = self.guess(second).0;
                // Of a long run, the ends are enough.
                let first =
                    if let AtomKind::Pair(..) = self.atoms.kind(first) { last * 0.1 } else { self.guess(first).0 };
                (first.min(last) * 0.1, None)
            }
            &AtomKind::Both(first, second) => (self.guess(first).0.min(self.guess(second).0), None),
            AtomKind::Prefix(_, prefix) => (if prefix.len() < 3 { 0.1 } else { 0.02 }, None),
            AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..) => (0.02, None),
            AtomKind::Exists(_) | AtomKind::Range(_, i64::MIN, _) | AtomKind::Range(_, _, i64::MAX) => (0.5, None),
            AtomKind::Range(..) => (0.03, None),
            AtomKind::Within(..) | AtomKind::Near(..) => (0.01, None),
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.atoms.size_bytes()
            + self.waits.size_bytes()
            + self.patterns.size_bytes()
            + self.intervals.iter().map(Intervals::size_bytes).sum::<usize>()
            + self.grids.iter().map(Grid::size_bytes).sum::<usize>()
    }
}

/// The entry of a field, made when it is not there.
fn grown<T: Default>(all: &mut Vec<T>, field: FieldId) -> &mut T {
    if all.len() <= field.index() {
        all.resize_with(field.index() + 1, T::default);
    }
    &mut all[field.index()]
}
