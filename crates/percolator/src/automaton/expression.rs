//! A regular expression that is parsed and compiled at most once, on first use.
//!
//! Clones share the automaton. The parser of queries compiles it to check the limits; history, tail
//! and percolator use the same. So registering or removing a query builds no automaton.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::literal::{self, Literals};
use super::runs::Runs;
use super::{AutomatonError, TermAutomaton};

/// The size of an automaton without a limit, in bytes.
const NO_LIMIT: usize = usize::MAX / 8;

/// A regular expression over whole terms, ignoring case.
#[derive(Clone)]
pub struct Expression(Arc<Inner>);

struct Inner {
    source: Box<str>,
    /// None if the expression is invalid. It then matches nothing.
    automaton: OnceLock<Option<Arc<TermAutomaton>>>,
    /// The fixed characters, if [`Runs`] does not find them.
    literals: OnceLock<Literals>,
}

impl Expression {
    /// An expression with this source, valid or not.
    #[must_use]
    pub fn new(source: impl Into<Box<str>>) -> Expression {
        let (automaton, literals) = (OnceLock::new(), OnceLock::new());
        Expression(Arc::new(Inner { source: source.into(), automaton, literals }))
    }

    /// The source.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    /// Compiles the expression and finds its fixed characters, within `max_bytes`. Returns what
    /// that took, in bytes ([`TermAutomaton::built_bytes`]).
    ///
    /// # Errors
    ///
    /// All kinds of [`AutomatonError`].
    pub fn check(&self, max_bytes: usize) -> Result<usize, AutomatonError> {
        let too_large = AutomatonError::TooLarge { limit: max_bytes };
        if let Some(Some(automaton)) = self.0.automaton.get() {
            let size = automaton.built_bytes();
            return if size <= max_bytes { Ok(size) } else { Err(too_large) };
        }
        let hir = TermAutomaton::parse(self.as_str(), max_bytes)?;
        let automaton = TermAutomaton::from_hir(&hir, max_bytes)?;
        let size = automaton.built_bytes();
        if !Runs::default().of_regex(self.as_str()) {
            self.0.literals.get_or_init(|| literal::of_hir(&hir));
        }
        // Another thread may have been first. Both automata are equal.
        self.0.automaton.get_or_init(|| Some(Arc::new(automaton)));
        Ok(size)
    }

    /// Whether the expression is compiled.
    #[must_use]
    pub fn is_compiled(&self) -> bool {
        self.0.automaton.get().is_some()
    }

    /// The automaton, compiled now if it was not before, without a limit: [`Expression::check`] has
    /// one. None if the expression is invalid.
    #[must_use]
    pub fn automaton(&self) -> Option<&Arc<TermAutomaton>> {
        let compile = || TermAutomaton::regex(self.as_str(), NO_LIMIT).ok().map(Arc::new);
        self.0.automaton.get_or_init(compile).as_ref()
    }

    /// Whether the expression matches a term. An invalid one matches nothing. Compiled on the first
    /// term that has the fixed characters, if it was not before.
    #[must_use]
    pub fn matches(&self, term: &str) -> bool {
        if let Some(compiled) = self.0.automaton.get() {
            return compiled.as_ref().is_some_and(|automaton| automaton.matches(term));
        }
        let mut runs = Runs::default();
        if runs.of_regex(self.as_str()) && !runs.may_match(term) {
            return false;
        }
        self.automaton().is_some_and(|automaton| automaton.matches(term))
    }

    /// The fixed characters of an expression for which [`Runs`] does not find them.
    pub(crate) fn literals(&self) -> &Literals {
        self.0.literals.get_or_init(|| literal::of_regex(self.as_str()))
    }

    /// The memory that the expression holds, in bytes, if this is its only clone, else 0.
    #[must_use]
    pub fn own_bytes(&self) -> usize {
        if Arc::strong_count(&self.0) == 1 { self.size_bytes() } else { 0 }
    }

    /// The memory that the expression holds, in bytes, without [`Expression::literals`].
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let automaton = self.0.automaton.get().and_then(Option::as_ref);
        size_of::<Inner>() + self.as_str().len() + automaton.map_or(0, |automaton| automaton.size_bytes()) + 16
    }
}

impl Deref for Expression {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Expressions with the same source are equal.
impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Expression {}

impl From<String> for Expression {
    fn from(source: String) -> Expression {
        Expression::new(source)
    }
}

impl From<&str> for Expression {
    fn from(source: &str) -> Expression {
        Expression::new(source)
    }
}
