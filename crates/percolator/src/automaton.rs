//! A deterministic finite automaton over the bytes of a term, for wildcards, regular expressions
//! and fuzzy terms.
//!
//! The index intersects it with tantivy's term dictionary and the percolator runs it on the terms
//! of a document, so both give the same answer by construction. It always matches whole terms.
//! Terms are folded; the caller folds the literals of wildcards and fuzzy terms
//! ([`crate::text::fold`]).
//!
//! All kinds of patterns become the same compact table: equivalent bytes share a column, and states
//! that cannot reach a match are merged into one, so `can_match` is exact.
//!
//! The automaton of a pattern can be exponentially larger than the pattern. A limit on the size
//! refuses such *queries of death*, and also bounds the work of building.

mod expression;
pub(crate) mod literal;
pub(crate) mod runs;

use std::collections::HashMap;
use std::sync::LazyLock;

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use regex_automata::dfa::Automaton as _;
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Dot, Hir, HirKind, Repetition};

pub use expression::Expression;

/// The state from which no match can be reached.
const DEAD: u32 = 0;

/// Why there is no automaton for a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AutomatonError {
    /// The regular expression is invalid.
    #[error("{message}")]
    Syntax {
        /// The parser's message.
        message: String,
        /// The place of the error in the pattern, in bytes: start and end.
        at: (usize, usize),
    },
    /// The regular expression has anchors or word boundaries, which mean nothing in a whole term.
    #[error(
        "anchors and word boundaries (`^`, `$`, `\\b`) have no use here: a regular expression matches one whole word"
    )]
    Anchor,
    /// The automaton would take more memory than is allowed.
    #[error("the pattern is too complex: its automaton needs more than the {limit} bytes that are left for it")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Longer patterns are always too large. No term is as long.
const MAX_PATTERN_BYTES: usize = 1_024;

/// A set of terms, as a deterministic automaton over their bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct TermAutomaton {
    /// By byte: its column, an equivalence class of bytes.
    columns: Box<[u8; 256]>,
    /// The number of columns, at least 1.
    stride: usize,
    /// The next state, by state and column. The row of [`DEAD`] leads to itself.
    next: Box<[u32]>,
    /// Whether a term may end here, by state.
    accepts: Box<[bool]>,
    start: u32,
    built_bytes: usize,
}

/// The divisor of an NFA's size where the limit applies to it: building an NFA takes more memory,
/// and less time, than building a table.
const NFA_SHARE: usize = 4;

/// The determinization scratch that is not counted, in bytes: the sets of NFA states. The automaton
/// does not keep them, but filling them takes up to 0.1 ms for each kilobyte.
const FREE_WORK_BYTES: usize = 8 * 1024;

/// The divisor of the limit for determinization scratch. Patterns that people write need much less.
const WORK_SHARE: usize = 8;

impl std::fmt::Debug for TermAutomaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TermAutomaton")
            .field("states", &self.accepts.len())
            .field("columns", &self.stride)
            .finish_non_exhaustive()
    }
}

impl TermAutomaton {
    /// The terms that a wildcard matches: `?` is any character, `*` any number of them, and `\`
    /// escapes the next character.
    ///
    /// # Errors
    ///
    /// [`AutomatonError::TooLarge`].
    pub fn wildcard(pattern: &str, max_bytes: usize) -> Result<TermAutomaton, AutomatonError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(AutomatonError::TooLarge { limit: max_bytes });
        }
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        let any = || Hir::dot(Dot::AnyChar);
        while let Some(char) = chars.next() {
            let literal = match char {
                '?' => {
                    parts.push(any());
                    continue;
                }
                '*' => {
                    parts.push(Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(any()) }));
                    continue;
                }
                '\\' => chars.next().unwrap_or('\\'),
                char => char,
            };
            parts.push(Hir::literal(literal.to_string().into_bytes()));
        }
        TermAutomaton::from_hir(&Hir::concat(parts), max_bytes)
    }

    /// The terms that a regular expression matches as a whole, ignoring case.
    ///
    /// The syntax is that of the `regex` crate, without anchors and word boundaries.
    ///
    /// # Errors
    ///
    /// All kinds of [`AutomatonError`].
    pub fn regex(pattern: &str, max_bytes: usize) -> Result<TermAutomaton, AutomatonError> {
        TermAutomaton::from_hir(&TermAutomaton::parse(pattern, max_bytes)?, max_bytes)
    }

    fn parse(pattern: &str, max_bytes: usize) -> Result<Hir, AutomatonError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(AutomatonError::TooLarge { limit: max_bytes });
        }
        let parsed = regex_syntax::ParserBuilder::new().case_insensitive(true).nest_limit(64).build().parse(pattern);
        let hir = parsed.map_err(|error| {
            let (message, at) = match &error {
                regex_syntax::Error::Parse(error) => (error.kind().to_string(), *error.span()),
                regex_syntax::Error::Translate(error) => (error.kind().to_string(), *error.span()),
                _ => return AutomatonError::Syntax { message: "no regular expression".into(), at: (0, pattern.len()) },
            };
            AutomatonError::Syntax { message, at: (at.start.offset, at.end.offset) }
        })?;
        if has_look_around(&hir) {
            return Err(AutomatonError::Anchor);
        }
        Ok(hir)
    }

    /// The terms within `distance` edits, at most 2, of a term. Edits insert, remove or replace a
    /// character, or swap two adjacent ones.
    #[must_use]
    pub fn fuzzy(term: &str, distance: u8) -> TermAutomaton {
        static BUILDERS: [LazyLock<LevenshteinAutomatonBuilder>; 3] = [
            LazyLock::new(|| LevenshteinAutomatonBuilder::new(0, true)),
            LazyLock::new(|| LevenshteinAutomatonBuilder::new(1, true)),
            LazyLock::new(|| LevenshteinAutomatonBuilder::new(2, true)),
        ];
        let dfa = BUILDERS[usize::from(distance.min(2))].build_dfa(term);
        TermAutomaton::build(&dfa, &columns_of(&dfa), usize::MAX).expect("there is no limit to exceed")
    }

    fn from_hir(hir: &Hir, max_bytes: usize) -> Result<TermAutomaton, AutomatonError> {
        let too_large = AutomatonError::TooLarge { limit: max_bytes };
        // The limits bound the work as well as the result: refusing a pattern must be cheap.
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .which_captures(thompson::WhichCaptures::None)
                    .nfa_size_limit(Some(max_bytes / 2)),
            )
            .build_from_hir(hir)
            .map_err(|_| too_large.clone())?;
        let built_bytes = nfa.memory_usage() / NFA_SHARE;
        if built_bytes > max_bytes {
            return Err(too_large);
        }
        // `MatchKind::All` keeps longer alternatives alive after a shorter match, since only a
        // match of the whole term counts.
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .accelerate(false)
            .dfa_size_limit(Some(max_bytes.saturating_mul(2)));
        // The builder does not report how much scratch it used, so the first try has little. A
        // pattern that needs more is built again, which takes a third longer, and its scratch
        // counts.
        let most_work = (max_bytes / WORK_SHARE).max(FREE_WORK_BYTES);
        let mut work = FREE_WORK_BYTES;
        let dfa = loop {
            let config = config.clone().determinize_size_limit(Some(work));
            match dense::Builder::new().configure(config).build_from_nfa(&nfa) {
                Ok(dfa) => break dfa,
                Err(_) if work >= most_work => return Err(too_large),
                Err(_) => work = work.saturating_mul(4).min(most_work),
            }
        };
        // Twice: as much as an automaton counts that takes as long to build.
        let built_bytes = built_bytes.max(if work > FREE_WORK_BYTES { work.saturating_mul(2) } else { 0 });
        let mut columns = [0; 256];
        for byte in 0..=255_u8 {
            columns[usize::from(byte)] = dfa.byte_classes().get(byte);
        }
        let mut automaton = TermAutomaton::build(&dfa, &columns, max_bytes).ok_or(too_large)?;
        automaton.built_bytes = automaton.built_bytes.max(built_bytes);
        Ok(automaton)
    }

    /// Copies the states that are reachable from the start and can reach a match. None if these, or
    /// the states that were built, need more than `max_bytes`.
    fn build<T: SourceDfa>(table: &T, columns: &[u8; 256], max_bytes: usize) -> Option<TermAutomaton> {
        #[cfg(any(test, feature = "testing"))]
        BUILT.with(|built| built.set(built.get() + 1));
        let stride = columns.iter().copied().max().map_or(1, |last| usize::from(last) + 1);
        let mut representative = vec![0_u8; stride];
        for byte in (0..=255_u8).rev() {
            representative[usize::from(columns[usize::from(byte)])] = byte;
        }
        // All reachable states in the order of discovery. `next` has their numbers.
        let mut found = vec![table.start()];
        let mut number = HashMap::from([(table.start(), 0_usize)]);
        let mut next = Vec::new();
        let mut at = 0;
        while let Some(&state) = found.get(at) {
            for &byte in &representative {
                let target = table.next(state, byte);
                let target = *number.entry(target).or_insert_with(|| {
                    found.push(target);
                    found.len() - 1
                });
                next.push(target);
            }
            at += 1;
        }
        let alive = alive(&next, stride, &found.iter().map(|&state| table.accepts(state)).collect::<Vec<_>>());
        let mut renumber = vec![DEAD; found.len()];
        let mut states: u32 = DEAD;
        for (at, _) in alive.iter().enumerate().filter(|(_, alive)| **alive) {
            states += 1;
            renumber[at] = states;
        }
        let mut compact = vec![DEAD; stride];
        let mut accepts = vec![false];
        for at in (0..found.len()).filter(|&at| alive[at]) {
            compact.extend(next[at * stride..(at + 1) * stride].iter().map(|&to| renumber[to]));
            accepts.push(table.accepts(found[at]));
        }
        let mut automaton = TermAutomaton {
            columns: Box::new(*columns),
            stride,
            next: compact.into(),
            accepts: accepts.into(),
            start: renumber[0],
            built_bytes: 0,
        };
        automaton.built_bytes = automaton.size_bytes().max(TermAutomaton::bytes_of(found.len(), stride));
        (automaton.built_bytes <= max_bytes).then_some(automaton)
    }

    /// Whether the automaton matches a term.
    #[must_use]
    pub fn matches(&self, term: &str) -> bool {
        let mut state = self.start;
        for &byte in term.as_bytes() {
            state = self.step(state, byte);
            if state == DEAD {
                return false;
            }
        }
        self.accepts[state as usize]
    }

    /// The state before the first byte of a term.
    #[must_use]
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The state after one more byte.
    #[inline]
    #[must_use]
    pub fn step(&self, state: u32, byte: u8) -> u32 {
        self.next[state as usize * self.stride + usize::from(self.columns[usize::from(byte)])]
    }

    /// Whether a term that ends in this state matches.
    #[must_use]
    pub fn is_match(&self, state: u32) -> bool {
        self.accepts[state as usize]
    }

    /// Whether a longer term may match, or one that ends in this state does.
    #[must_use]
    pub fn can_match(&self, state: u32) -> bool {
        state != DEAD
    }

    /// The memory that the automaton holds, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        TermAutomaton::bytes_of(self.accepts.len(), self.stride)
    }

    fn bytes_of(states: usize, stride: usize) -> usize {
        size_of::<TermAutomaton>() + 256 + states * (stride * size_of::<u32>() + 1)
    }

    /// The memory that building the automaton took, in bytes. This is what limits apply to. It is
    /// more than [`TermAutomaton::size_bytes`] if parts of the pattern cannot match, as in
    /// `[a&&b]`, or if a state stands for many NFA states, as in `(.?){50}`.
    #[must_use]
    pub fn built_bytes(&self) -> usize {
        self.built_bytes
    }
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    /// The number of automata that this thread has built.
    pub static BUILT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A deterministic automaton of one of the libraries.
trait SourceDfa {
    type State: Copy + Eq + std::hash::Hash;
    fn start(&self) -> Self::State;
    fn next(&self, state: Self::State, byte: u8) -> Self::State;
    fn accepts(&self, state: Self::State) -> bool;
}

impl SourceDfa for dense::DFA<Vec<u32>> {
    type State = StateID;

    fn start(&self) -> StateID {
        self.universal_start_state(Anchored::Yes).expect("nothing looks behind, so there is one start")
    }

    fn next(&self, state: StateID, byte: u8) -> StateID {
        self.next_state(state, byte)
    }

    fn accepts(&self, state: StateID) -> bool {
        // A dense automaton reports a match one step late, so the end of the term is a step of its
        // own.
        self.is_match_state(self.next_eoi_state(state))
    }
}

impl SourceDfa for DFA {
    type State = u32;

    fn start(&self) -> u32 {
        self.initial_state()
    }

    fn next(&self, state: u32, byte: u8) -> u32 {
        if state == SINK_STATE { SINK_STATE } else { self.transition(state, byte) }
    }

    fn accepts(&self, state: u32) -> bool {
        matches!(self.distance(state), Distance::Exact(_))
    }
}

/// Assigns one column to bytes that lead to the same state everywhere.
fn columns_of(dfa: &DFA) -> [u8; 256] {
    let mut columns = [0_u8; 256];
    let mut by_behavior: HashMap<Vec<u32>, u8> = HashMap::new();
    for byte in 0..=255_u8 {
        let behavior = (0..u32::try_from(dfa.num_states()).unwrap_or(u32::MAX)).map(|state| dfa.next(state, byte));
        let new = u8::try_from(by_behavior.len()).expect("at most one column a byte");
        columns[usize::from(byte)] = *by_behavior.entry(behavior.collect()).or_insert(new);
    }
    columns
}

/// By state: whether it can reach an accepting state.
fn alive(next: &[usize], stride: usize, accepts: &[bool]) -> Vec<bool> {
    let mut sources = vec![Vec::new(); accepts.len()];
    for (at, &to) in next.iter().enumerate() {
        let from = at / stride;
        if sources[to].last() != Some(&from) {
            sources[to].push(from);
        }
    }
    let mut alive = accepts.to_vec();
    let mut open: Vec<usize> = (0..accepts.len()).filter(|&state| accepts[state]).collect();
    while let Some(state) = open.pop() {
        for &from in &sources[state] {
            if !std::mem::replace(&mut alive[from], true) {
                open.push(from);
            }
        }
    }
    alive
}

/// Whether an expression has anchors or word boundaries. The parser limits the nesting, so
/// recursion is safe.
fn has_look_around(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Look(_) => true,
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => false,
        HirKind::Repetition(repetition) => has_look_around(&repetition.sub),
        HirKind::Capture(capture) => has_look_around(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_look_around),
    }
}

#[cfg(test)]
mod tests;
