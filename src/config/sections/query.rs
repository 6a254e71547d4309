//! `[query]`.

use serde::{Deserialize, Serialize};

use super::check_range;
use crate::config::ConfigError;
use crate::query::QueryLimits;

/// `[query]`: limits of one query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerySection {
    /// Length of its text or JSON form.
    pub max_bytes: usize,
    /// Nesting of parentheses.
    pub max_depth: usize,
    /// Number of terms, phrases, ranges and other clauses.
    pub max_clauses: usize,
    /// Size of the automaton of a wildcard or regular expression.
    pub max_automaton_bytes: usize,
    /// Total cost, as [`QueryLimits::max_cost`] counts it.
    pub max_cost: usize,
}

impl Default for QuerySection {
    fn default() -> QuerySection {
        let QueryLimits { max_bytes, max_depth, max_clauses, max_automaton_bytes, max_cost } = QueryLimits::default();
        QuerySection { max_bytes, max_depth, max_clauses, max_automaton_bytes, max_cost }
    }
}

impl QuerySection {
    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        check_range(errors, "query.max_bytes", self.max_bytes, 1..=1024 * 1024);
        // Recursive functions walk the query.
        check_range(errors, "query.max_depth", self.max_depth, 1..=200);
        check_range(errors, "query.max_clauses", self.max_clauses, 1..=100_000);
        check_range(errors, "query.max_automaton_bytes", self.max_automaton_bytes, 1_024..=1024 * 1024 * 1024);
        check_range(errors, "query.max_cost", self.max_cost, 1..=100_000_000);
    }
}
