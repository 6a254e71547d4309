//! Queries of queries.

use serde_json::Value;

use super::settings::{Path, Settings, settings};
use super::{Ast, JsonParser, LeafError, Parsed};

impl JsonParser<'_> {
    pub(super) fn bool(&mut self, value: &Value, at: &Path) -> Parsed {
        let of = settings(value, at, &["must", "should", "must_not", "mustNot", "filter", "minimum_should_match"])?;
        let mut all = self.queries(&of, "must")?;
        all.extend(self.queries(&of, "filter")?);
        let should = self.queries(&of, "should")?;
        // Beside `must`, a `should` changes only the score. Alone, one of them must match, whatever
        // the minimum works out to.
        let least = usize::from(all.is_empty() && !should.is_empty());
        let min = of.minimum(should.len())?.unwrap_or(least).max(least);
        if min > should.len() {
            let message = format!("{min} of {} queries can never match", should.len());
            return at.key("minimum_should_match").fail(LeafError::new(message));
        }
        if min > 0 {
            all.push(Ast::AtLeast { min, of: should });
        }
        for key in ["must_not", "mustNot"] {
            all.extend(self.queries(&of, key)?.into_iter().map(|part| Ast::Not(Box::new(part))));
        }
        Ok(Ast::And(all))
    }

    pub(super) fn compound(&mut self, name: &str, value: &Value, at: &Path) -> Parsed {
        match name {
            "dis_max" => {
                let of = settings(value, at, &["queries", "tie_breaker"])?;
                self.needed(&of, "queries").map(Ast::Or)
            }
            "constant_score" => {
                let of = settings(value, at, &["filter", "query"])?;
                let key = if of.get("filter").is_some() { "filter" } else { "query" };
                self.needed(&of, key).map(Ast::And)
            }
            "boosting" => {
                let of = settings(value, at, &["positive", "negative", "negative_boost"])?;
                self.queries(&of, "negative")?;
                self.needed(&of, "positive").map(Ast::And)
            }
            "nested" => {
                let of = settings(value, at, &["path", "query"])?;
                self.needed(&of, "query").map(Ast::And)
            }
            "filtered" => {
                let of = settings(value, at, &["query", "filter"])?;
                let mut all = self.queries(&of, "query")?;
                all.extend(self.queries(&of, "filter")?);
                Ok(Ast::And(all))
            }
            // The functions change only the score.
            "script_score" => {
                let of = settings(value, at, &["query", "script", "min_score"])?;
                self.scored(&of)
            }
            _ => {
                let functions = [
                    "query",
                    "functions",
                    "min_score",
                    "max_boost",
                    "weight",
                    "random_score",
                    "field_value_factor",
                    "script_score",
                    "gauss",
                    "linear",
                    "exp",
                ];
                let of = settings(value, at, &functions)?;
                self.scored(&of)
            }
        }
    }

    fn scored(&mut self, of: &Settings) -> Parsed {
        if of.get("min_score").is_some() {
            self.warn(&of.at.key("min_score"), "perch has no scores: `min_score` is left out");
        }
        self.queries(of, "query").map(Ast::And)
    }

    fn needed(&mut self, of: &Settings, key: &str) -> Parsed<Vec<Ast>> {
        let found = self.queries(of, key)?;
        if found.is_empty() {
            return of.at.fail(LeafError::new(format!("`{key}` is missing")));
        }
        Ok(found)
    }
}
