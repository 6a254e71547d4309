//! Finds queries that no document can match, so that they are refused.
//!
//! [`refutation`] looks for one choice of alternatives whose conditions do not contradict each
//! other. It proves contradictions: a condition that is required and excluded, one value of a field
//! that has at most one, a range without values. It does not decide whether patterns (wildcards,
//! regular expressions, fuzzy terms) have a common term, whether circles and boxes meet, or whether
//! a phrase with slop implies another one: such queries are accepted.

use std::cell::Cell;
use std::ops::Bound;

use super::naive;
use super::{Ast, Phrase};
use crate::schema::{FieldId, Kind, Schema};

/// Choices that are tried, at most. A query with more is accepted.
const MAX_CHOICES: usize = 4_096;
/// Steps that comparing leaves takes, at most: characters of terms and patterns. A query that
/// needs more is accepted.
const MAX_STEPS: usize = 20_000_000;
/// Nested choices, at most, which bounds the stack.
const MAX_DEPTH: usize = 400;

/// Why no document can match a normalized query. None if one can, or if that is not decided.
pub(super) fn refutation(ast: &Ast, schema: &Schema) -> Option<String> {
    let mut search = Search { schema, choices: 0, depth: 0, steps: Cell::new(0), reason: None };
    let mut branch = Branch::default();
    if search.is_possible(vec![Goal::One(ast, true)], &mut branch) { None } else { search.reason }
}

/// The leaves that must hold and those that must not, for one choice of alternatives that perch
/// takes for possible. None if [`refutation`] has a reason.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn possible_leaves(ast: &Ast, schema: &Schema) -> Option<(Vec<Ast>, Vec<Ast>)> {
    let mut search = Search { schema, choices: 0, depth: 0, steps: Cell::new(0), reason: None };
    let mut branch = Branch::default();
    let owned = |leaves: &[&Ast]| leaves.iter().map(|&leaf| leaf.clone()).collect();
    search
        .is_possible(vec![Goal::One(ast, true)], &mut branch)
        .then(|| (owned(&branch.required), owned(&branch.excluded)))
}

/// A condition that must hold, or must not.
#[derive(Clone, Copy)]
enum Goal<'a> {
    One(&'a Ast, bool),
    /// At least this number of the queries match (`true`), or do not match (`false`).
    AtLeast(usize, &'a [Ast], bool),
}

/// The leaves of one choice.
#[derive(Default)]
struct Branch<'a> {
    required: Vec<&'a Ast>,
    excluded: Vec<&'a Ast>,
}

struct Search<'s> {
    schema: &'s Schema,
    choices: usize,
    depth: usize,
    steps: Cell<usize>,
    /// The first contradiction.
    reason: Option<String>,
}

impl Search<'_> {
    /// Whether the goals hold together with the leaves of the branch, as far as can be decided.
    fn is_possible<'a>(&mut self, mut goals: Vec<Goal<'a>>, branch: &mut Branch<'a>) -> bool {
        let before = (branch.required.len(), branch.excluded.len());
        let is_possible = self.resolve(&mut goals, branch);
        if !is_possible {
            branch.required.truncate(before.0);
            branch.excluded.truncate(before.1);
        }
        is_possible
    }

    fn resolve<'a>(&mut self, goals: &mut Vec<Goal<'a>>, branch: &mut Branch<'a>) -> bool {
        // Choices come last: by then, more contradicts them.
        let mut choices: Vec<Goal<'a>> = Vec::new();
        while let Some(goal) = goals.pop() {
            match goal {
                Goal::One(Ast::And(parts), true) => goals.extend(parts.iter().map(|part| Goal::One(part, true))),
                Goal::One(Ast::Or(parts), false) => goals.extend(parts.iter().map(|part| Goal::One(part, false))),
                Goal::One(Ast::Not(part), holds) => goals.push(Goal::One(part, !holds)),
                Goal::One(Ast::Or(parts), true) => choices.push(Goal::AtLeast(1, parts, true)),
                Goal::One(Ast::And(parts), false) => choices.push(Goal::AtLeast(1, parts, false)),
                Goal::One(Ast::AtLeast { min, of }, true) => choices.push(Goal::AtLeast(*min, of, true)),
                Goal::One(Ast::AtLeast { min, of }, false) => {
                    choices.push(Goal::AtLeast((of.len() + 1).saturating_sub(*min), of, false));
                }
                choice @ Goal::AtLeast(..) => choices.push(choice),
                Goal::One(leaf, holds) => {
                    if !self.add(leaf, holds, branch) {
                        return false;
                    }
                }
            }
        }
        let Some(Goal::AtLeast(min, of, holds)) = choices.pop() else { return self.has_values(branch) };
        let rest = choices;
        if min == 0 {
            return self.is_possible(rest, branch);
        }
        if min > of.len() {
            self.reason.get_or_insert_with(|| "the query matches nothing".to_owned());
            return false;
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return true;
        }
        let mut is_possible = false;
        for (at, part) in of.iter().enumerate().take(of.len() + 1 - min) {
            self.choices += 1;
            if self.choices > MAX_CHOICES {
                return true;
            }
            let mut goals = rest.clone();
            goals.push(Goal::AtLeast(min - 1, &of[at + 1..], holds));
            goals.push(Goal::One(part, holds));
            if self.is_possible(goals, branch) {
                is_possible = true;
                break;
            }
        }
        self.depth -= 1;
        is_possible
    }

    /// Adds a leaf to a branch. False if it contradicts another one.
    fn add<'a>(&mut self, leaf: &'a Ast, holds: bool, branch: &mut Branch<'a>) -> bool {
        if !self.spend(branch.required.len() + branch.excluded.len()) {
            return true;
        }
        let wrong = match (leaf, holds) {
            (Ast::All, true) | (Ast::None, false) => return true,
            (Ast::None, true) | (Ast::All, false) => Some("the query matches nothing".to_owned()),
            (leaf, true) => self.impossible(leaf).or_else(|| {
                let excluded = branch.excluded.iter().find(|it| self.implies(leaf, it));
                let other = branch.required.iter().find(|it| self.excludes(leaf, it));
                excluded.map(|it| self.both(leaf, it, true)).or_else(|| other.map(|it| self.both(leaf, it, false)))
            }),
            (leaf, false) => {
                let always = matches!(leaf, Ast::Exists { field } if self.schema.field(*field).constraints.is_always);
                let required = branch.required.iter().find(|it| self.implies(it, leaf));
                if always {
                    Some(format!("every tweet has `{}`", self.show(leaf)))
                } else {
                    required.map(|it| self.both(it, leaf, true))
                }
            }
        };
        if let Some(reason) = wrong {
            self.reason.get_or_insert(reason);
            return false;
        }
        if holds {
            branch.required.push(leaf);
        } else {
            branch.excluded.push(leaf);
        }
        true
    }

    /// Counts steps. False if there are too many.
    fn spend(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(steps));
        self.steps.get() <= MAX_STEPS
    }

    /// Whether a leaf matches a field with this term. None if that is not decided.
    fn matches_term(&self, leaf: &Ast, term: &str) -> Option<bool> {
        let steps = match leaf {
            Ast::Wildcard { pattern, .. } => pattern.len().saturating_mul(term.len()),
            Ast::Fuzzy { term: other, .. } => other.len().saturating_mul(term.len()),
            _ => term.len(),
        };
        if self.spend(steps) { matches_term(leaf, term) } else { None }
    }

    fn show(&self, leaf: &Ast) -> String {
        super::canonical_text(leaf, self.schema)
    }

    fn both(&self, required: &Ast, other: &Ast, is_excluded: bool) -> String {
        let (required, other) = (self.show(required), self.show(other));
        if is_excluded && required == other {
            format!("`{required}` is required and excluded")
        } else if is_excluded {
            format!("`{required}` is required, and `{other}` excludes it")
        } else {
            format!("`{required}` and `{other}` never hold together")
        }
    }

    /// Why no value of its field has what a leaf asks for.
    fn impossible(&self, leaf: &Ast) -> Option<String> {
        let values = leaf.field().map_or(&[][..], |field| &self.schema.field(field).values);
        if !values.is_empty() && values.iter().all(|value| self.matches_term(leaf, &value.name) == Some(false)) {
            return Some(format!("`{}` matches no value of its field", self.show(leaf)));
        }
        match leaf {
            Ast::Regex { field, pattern } => {
                if !self.spend(pattern.len().saturating_mul(16)) {
                    return None;
                }
                let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
                let is_text = self.schema.field(*field).kind == Kind::Text;
                (hir.properties().minimum_len().is_none() || (is_text && needs_separator(&hir, true)))
                    .then(|| format!("`{}` matches no word", self.show(leaf)))
            }
            Ast::Phrase(Phrase { field, terms, slop: 0, .. }) if self.schema.field(*field).kind == Kind::Url => {
                // Only a host has dots, and it is first.
                terms[1..]
                    .iter()
                    .any(|term| term.contains('.'))
                    .then(|| format!("`{}` matches no address", self.show(leaf)))
            }
            _ => None,
        }
    }

    /// Whether a document that matches `leaf` matches `other`, as far as can be decided.
    fn implies(&self, leaf: &Ast, other: &Ast) -> bool {
        if leaf == other {
            return true;
        }
        let (Some(field), Some(of)) = (leaf.field(), other.field()) else { return false };
        if field != of {
            // `#rust` implies `has:hashtags`.
            let implied = |field: FieldId| &self.schema.field(field).constraints.implies;
            return match (leaf, other) {
                // What a tweet has (`has:hashtags`) is there.
                (Ast::Term { term, .. }, Ast::Exists { .. }) if self.schema.field(field).name == "has" => {
                    implied(of).iter().any(|(field_of_value, value)| *field_of_value == field && value == term)
                }
                _ => implied(field)
                    .iter()
                    .any(|(field, value)| *field == of && self.matches_term(other, value) == Some(true)),
            };
        }
        match (leaf, other) {
            (_, Ast::Exists { .. }) => true,
            (Ast::Term { term, .. }, other) => {
                self.terms_with(field, term).iter().any(|term| self.matches_term(other, term) == Some(true))
            }
            (Ast::Prefix { prefix, .. }, Ast::Prefix { prefix: other, .. }) => prefix.starts_with(other.as_str()),
            (Ast::Phrase(phrase), Ast::Phrase(other)) => {
                let words = |phrase: &Phrase| phrase.terms.len() - usize::from(phrase.last_is_prefix);
                phrase.slop == 0
                    && !other.last_is_prefix
                    && phrase.terms[..words(phrase)].windows(other.terms.len()).any(|terms| terms == other.terms)
            }
            (Ast::Phrase(Phrase { terms, last_is_prefix, .. }), other) => {
                let words = terms.len() - usize::from(*last_is_prefix);
                let prefix = terms.last().filter(|_| *last_is_prefix);
                terms[..words].iter().any(|term| self.matches_term(other, term) == Some(true))
                    || matches!((prefix, other), (Some(prefix), Ast::Prefix { prefix: other, .. }) if prefix.starts_with(other.as_str()))
            }
            _ => false,
        }
    }

    /// The terms that a value with a term has: a host brings its domains and labels.
    fn terms_with(&self, field: FieldId, term: &str) -> Vec<String> {
        let mut terms = vec![term.to_owned()];
        if self.schema.field(field).kind == Kind::Url && term.contains('.') {
            crate::text::url_words(term, &mut |term: &str, _, _| terms.push(term.to_owned()));
        }
        terms
    }

    /// Whether two leaves ask for different values of a field that has one.
    fn excludes(&self, leaf: &Ast, other: &Ast) -> bool {
        let (Some(field), Some(of)) = (leaf.field(), other.field()) else { return false };
        let is_single = field == of && self.schema.field(field).constraints.is_single;
        is_single
            && match (leaf, other) {
                (Ast::Term { term, .. }, other) | (other, Ast::Term { term, .. }) => {
                    self.matches_term(other, term) == Some(false) && !self.may_match_other_form(other, field, term)
                }
                (Ast::Prefix { prefix, .. }, Ast::Prefix { prefix: other, .. }) => {
                    !prefix.starts_with(other.as_str()) && !other.starts_with(prefix.as_str())
                }
                (Ast::Within { bounds, .. }, Ast::Within { bounds: other, .. }) => {
                    bounds.north < other.south || other.north < bounds.south
                }
                _ => false,
            }
    }

    /// Whether a leaf may match the other form of a name: ann@social.example of ann.
    fn may_match_other_form(&self, leaf: &Ast, field: FieldId, term: &str) -> bool {
        if !self.schema.field(field).constraints.has_short_form {
            return false;
        }
        if let Some((short, _)) = term.split_once('@') {
            return self.matches_term(leaf, short) != Some(false);
        }
        let starts = |text: &str| text.strip_prefix(term).is_some_and(|behind| behind.starts_with('@'));
        match leaf {
            Ast::Term { term: other, .. } | Ast::Prefix { prefix: other, .. } => starts(other),
            _ => true,
        }
    }

    /// Whether each field with numbers has a value in all its ranges.
    fn has_values(&mut self, branch: &Branch<'_>) -> bool {
        for (id, field) in self.schema.iter().filter(|(_, field)| field.kind.has_values()) {
            let ranges = |leaves: &[&Ast]| -> Vec<(i128, i128)> {
                let range = |leaf: &&Ast| match leaf {
                    Ast::Range { field, lower, upper } if *field == id => Some(keys(*lower, *upper)),
                    _ => None,
                };
                leaves.iter().filter_map(range).collect()
            };
            let (required, excluded) = (ranges(&branch.required), ranges(&branch.excluded));
            let domain = &field.constraints;
            let whole = (i128::from(domain.min), i128::from(domain.max));
            let intersect = |ranges: &[(i128, i128)]| {
                ranges.iter().fold(whole, |all, range| (all.0.max(range.0), all.1.min(range.1)))
            };
            let wanted: Vec<(i128, i128)> = match (domain.is_single, required.is_empty()) {
                (_, true) if domain.is_always => vec![whole],
                (_, true) => continue,
                (true, false) => vec![intersect(&required)],
                (false, false) => required.iter().map(|range| intersect(&[*range])).collect(),
            };
            for range in wanted {
                if !has_key_outside(range, excluded.clone(), i128::from(domain.step)) {
                    self.reason.get_or_insert_with(|| format!("no value of `{}` is in all its ranges", field.name));
                    return false;
                }
            }
        }
        true
    }
}

/// Whether a range has a multiple of `step` that is in none of the others.
fn has_key_outside(range: (i128, i128), mut others: Vec<(i128, i128)>, step: i128) -> bool {
    others.sort_unstable();
    let next = |key: i128| key + (-key).rem_euclid(step);
    let mut key = next(range.0);
    for (first, last) in others {
        if first > key {
            break;
        }
        if last >= key {
            key = next(last + 1);
        }
    }
    key <= range.1
}

/// The first and last key of a range.
fn keys(lower: Bound<i64>, upper: Bound<i64>) -> (i128, i128) {
    let lower = match lower {
        Bound::Unbounded => i128::from(i64::MIN),
        Bound::Included(key) => i128::from(key),
        Bound::Excluded(key) => i128::from(key) + 1,
    };
    let upper = match upper {
        Bound::Unbounded => i128::from(i64::MAX),
        Bound::Included(key) => i128::from(key),
        Bound::Excluded(key) => i128::from(key) - 1,
    };
    (lower, upper)
}

/// Whether a leaf matches a field with this term. None if that is not decided.
fn matches_term(leaf: &Ast, term: &str) -> Option<bool> {
    match leaf {
        Ast::Term { term: other, .. } => Some(other == term),
        Ast::Prefix { prefix, .. } => Some(term.starts_with(prefix.as_str())),
        Ast::Wildcard { pattern, .. } => Some(naive::wildcard(pattern, term)),
        Ast::Regex { pattern, .. } => Some(pattern.matches(term)),
        Ast::Fuzzy { term: other, distance, .. } => Some(naive::edit_distance(other, term) <= usize::from(*distance)),
        Ast::Exists { .. } => Some(true),
        _ => None,
    }
}

/// Whether every match of an expression has a character that separates words. The terms of two
/// keycaps start with one.
fn needs_separator(hir: &regex_syntax::hir::Hir, is_first: bool) -> bool {
    use regex_syntax::hir::{Class, HirKind};
    let is_separator = |c: char| !crate::text::is_word_char(c) && c.is_ascii();
    let is_keycap = |c: char| is_first && matches!(c, '#' | '*');
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).is_ok_and(|text| {
            let behind = text.strip_prefix(is_keycap).filter(|behind| !behind.starts_with(|c: char| c.is_ascii()));
            behind.unwrap_or(text).chars().any(is_separator)
        }),
        HirKind::Class(Class::Unicode(class)) => class.ranges().iter().all(|range| {
            range.end().is_ascii() && (range.start()..=range.end()).all(|c| is_separator(c) && !is_keycap(c))
        }),
        HirKind::Concat(parts) => {
            let may_be_first = |at: usize| parts[..at].iter().all(|part| part.properties().minimum_len() == Some(0));
            parts.iter().enumerate().any(|(at, part)| needs_separator(part, is_first && may_be_first(at)))
        }
        HirKind::Alternation(parts) => parts.iter().all(|part| needs_separator(part, is_first)),
        HirKind::Repetition(repetition) => repetition.min > 0 && needs_separator(&repetition.sub, is_first),
        HirKind::Capture(capture) => needs_separator(&capture.sub, is_first),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => false,
    }
}
