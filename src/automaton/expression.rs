//! A regular expression that is read and compiled at most once, by whoever needs it first.
//!
//! Clones share what was made of it: what the parser of queries builds to see that it stays inside the limits is what history,
//! the tail, and the percolator use later. So nobody who only registers or removes a query has to build an automaton.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::literal::{self, Literals};
use super::runs::Runs;
use super::{AutomatonError, TermAutomaton};

/// What an automaton may take that nobody limits, in bytes.
const NO_LIMIT: usize = usize::MAX / 8;

/// A regular expression over whole terms, ignoring case.
#[derive(Clone)]
pub struct Expression(Arc<Inner>);

struct Inner {
    source: Box<str>,
    /// None: it has mistakes, and matches nothing.
    automaton: OnceLock<Option<Arc<TermAutomaton>>>,
    /// What a scan can't tell.
    literals: OnceLock<Literals>,
}

impl Expression {
    /// The expression that is written like this, right or wrong.
    #[must_use]
    pub fn new(source: impl Into<Box<str>>) -> Expression {
        let (automaton, literals) = (OnceLock::new(), OnceLock::new());
        Expression(Arc::new(Inner { source: source.into(), automaton, literals }))
    }

    /// How it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    /// Compiles it, unless it needs more than `max_bytes`, with everything that others may ask for. Tells what that takes, in bytes ([`TermAutomaton::built_bytes`]).
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
        let hir = TermAutomaton::read(self.as_str(), max_bytes)?;
        let automaton = TermAutomaton::from_hir(&hir, max_bytes)?;
        let size = automaton.built_bytes();
        if !Runs::default().of_regex(self.as_str()) {
            self.0.literals.get_or_init(|| literal::of_hir(&hir));
        }
        // Another thread may have been first; both made the same.
        self.0.automaton.get_or_init(|| Some(Arc::new(automaton)));
        Ok(size)
    }

    /// Whether it is compiled already.
    #[must_use]
    pub fn is_compiled(&self) -> bool {
        self.0.automaton.get().is_some()
    }

    /// The automaton, made now if nobody did before: without a limit, which is up to who checks it. None when the expression has mistakes.
    #[must_use]
    pub fn automaton(&self) -> Option<&Arc<TermAutomaton>> {
        let compile = || TermAutomaton::regex(self.as_str(), NO_LIMIT).ok().map(Arc::new);
        self.0.automaton.get_or_init(compile).as_ref()
    }

    /// Whether it matches the term. One with mistakes matches nothing. Compiled on the first term that has its fixed characters, if nobody did before.
    #[must_use]
    pub fn matches(&self, term: &str) -> bool {
        if let Some(compiled) = self.0.automaton.get() {
            return compiled.as_ref().is_some_and(|automaton| automaton.matches(term));
        }
        let mut runs = Runs::default();
        if runs.of_regex(self.as_str()) && !runs.may_be_in(term) {
            return false;
        }
        self.automaton().is_some_and(|automaton| automaton.matches(term))
    }

    /// Its fixed characters, for those that [`Runs`] can't tell.
    pub(crate) fn literals(&self) -> &Literals {
        self.0.literals.get_or_init(|| literal::of_regex(self.as_str()))
    }

    /// The same where nobody else holds it, else 0.
    pub(crate) fn own_bytes(&self) -> usize {
        if Arc::strong_count(&self.0) == 1 { self.size_bytes() } else { 0 }
    }

    /// The memory that it holds, in bytes, without what [`Expression::literals`] keeps.
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

/// Those that are written alike are equal.
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
