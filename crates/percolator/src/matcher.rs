//! A query compiled for evaluation on analyzed documents, one after the other.
//!
//! The matcher searches the tail of the stream. Compiling builds the automata and puts cheap
//! conditions first. Matching reads only the [`Doc`] and allocates nothing, except for phrases of
//! more than [`phrase::INLINE_TERMS`] terms.

pub(crate) mod phrase;

use std::ops::Bound;
use std::sync::Arc;

use crate::automaton::TermAutomaton;
use crate::coop;
use crate::doc::Doc;
use crate::query::{Ast, GeoBox, GeoCircle, Phrase};
use crate::schema::FieldId;

/// A compiled query.
#[derive(Debug)]
pub struct Matcher {
    root: Node,
}

/// A condition of a compiled query.
#[derive(Debug)]
enum Node {
    /// Always true, or always false.
    Constant(bool),
    Term {
        field: FieldId,
        term: Box<str>,
    },
    Prefix {
        field: FieldId,
        prefix: Box<str>,
    },
    Automaton {
        field: FieldId,
        automaton: Arc<TermAutomaton>,
    },
    Phrase(Box<Phrase>),
    Range {
        field: FieldId,
        min: i64,
        max: i64,
    },
    Exists(FieldId),
    Within(FieldId, Box<GeoBox>),
    Near(FieldId, Box<GeoCircle>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    AtLeast {
        min: usize,
        of: Box<[Node]>,
    },
    Not(Box<Node>),
}

impl Matcher {
    /// Compiles a query.
    #[must_use]
    pub fn new(query: &Ast) -> Matcher {
        Matcher { root: compile(query) }
    }

    /// Whether the document matches. Void if the work was stopped ([`coop`]).
    #[must_use]
    pub fn matches(&self, doc: &Doc) -> bool {
        self.root.matches(doc)
    }
}

fn compile(ast: &Ast) -> Node {
    match ast {
        Ast::All => Node::Constant(true),
        Ast::None => Node::Constant(false),
        Ast::Term { field, term } => Node::Term { field: *field, term: term.as_str().into() },
        Ast::Phrase(phrase) => match phrase.terms.as_slice() {
            [] => Node::Constant(false),
            _ => Node::Phrase(Box::new(phrase.clone())),
        },
        Ast::Prefix { field, prefix } => Node::Prefix { field: *field, prefix: prefix.as_str().into() },
        // Each needs an automaton, and the matcher of a stopped search is not used.
        Ast::Wildcard { .. } | Ast::Regex { .. } | Ast::Fuzzy { .. } if coop::stopped_now() => Node::Constant(false),
        Ast::Wildcard { .. } | Ast::Regex { .. } | Ast::Fuzzy { .. } => match pattern(ast) {
            Some((field, automaton)) => Node::Automaton { field, automaton },
            None => Node::Constant(false),
        },
        Ast::Range { field, lower, upper } => match closed(*lower, *upper) {
            Some((min, max)) => Node::Range { field: *field, min, max },
            None => Node::Constant(false),
        },
        Ast::Exists { field } => Node::Exists(*field),
        Ast::Within { field, bounds } => Node::Within(*field, Box::new(*bounds)),
        Ast::Near { field, circle } => Node::Near(*field, Box::new(*circle)),
        Ast::And(of) => Node::And(compile_all(of)),
        Ast::Or(of) => Node::Or(compile_all(of)),
        Ast::AtLeast { min, of } => Node::AtLeast { min: *min, of: compile_all(of) },
        Ast::Not(part) => match compile(part) {
            Node::Constant(value) => Node::Constant(!value),
            node => Node::Not(Box::new(node)),
        },
    }
}

/// Compiles the parts of a commutative operator, cheap ones first.
fn compile_all(of: &[Ast]) -> Box<[Node]> {
    let mut nodes: Vec<Node> = of.iter().map(compile).collect();
    nodes.sort_by_key(Node::cost);
    nodes.into()
}

/// The field and automaton of a wildcard, regular expression or fuzzy term.
///
/// None for any other kind, and for an invalid pattern, which the parser refuses.
pub(crate) fn pattern(ast: &Ast) -> Option<(FieldId, Arc<TermAutomaton>)> {
    match ast {
        Ast::Wildcard { field, pattern } => {
            Some((*field, TermAutomaton::wildcard(pattern, usize::MAX / 8).ok()?.into()))
        }
        Ast::Regex { field, pattern } => Some((*field, Arc::clone(pattern.automaton()?))),
        Ast::Fuzzy { field, term, distance } => Some((*field, TermAutomaton::fuzzy(term, *distance).into())),
        _ => None,
    }
}

/// The smallest and the largest key between two bounds. None if there is no key.
pub(crate) fn closed(lower: Bound<i64>, upper: Bound<i64>) -> Option<(i64, i64)> {
    let min = match lower {
        Bound::Unbounded => i64::MIN,
        Bound::Included(key) => key,
        Bound::Excluded(key) => key.checked_add(1)?,
    };
    let max = match upper {
        Bound::Unbounded => i64::MAX,
        Bound::Included(key) => key,
        Bound::Excluded(key) => key.checked_sub(1)?,
    };
    (min <= max).then_some((min, max))
}

impl Node {
    /// The estimated time of evaluation, in arbitrary units, for the order of parts.
    fn cost(&self) -> u32 {
        match self {
            Node::Constant(_) => 0,
            Node::Exists(_) => 1,
            Node::Range { .. } => 2,
            Node::Within(..) => 3,
            Node::Near(..) => 5,
            Node::Term { .. } => 8,
            Node::Prefix { .. } => 10,
            Node::Phrase(_) => 30,
            Node::Automaton { .. } => 40,
            Node::Not(node) => node.cost(),
            Node::And(of) | Node::Or(of) | Node::AtLeast { of, .. } => {
                of.iter().map(Node::cost).fold(1, u32::saturating_add)
            }
        }
    }

    fn matches(&self, doc: &Doc) -> bool {
        match self {
            Node::Constant(value) => *value,
            Node::Term { field, term } => any_term(doc, *field, |it| it == &**term),
            Node::Prefix { field, prefix } => any_term(doc, *field, |it| it.starts_with(&**prefix)),
            Node::Automaton { field, automaton } => any_term(doc, *field, |it| automaton.matches(it)),
            Node::Phrase(phrase) => matches_phrase(phrase, doc),
            Node::Range { field, min, max } => {
                doc.values().iter().any(|(of, value)| of == field && (min..=max).contains(&value))
            }
            Node::Exists(field) => doc.has(*field),
            Node::Within(field, bounds) => doc.points().iter().any(|(of, it)| of == field && bounds.contains(*it)),
            Node::Near(field, circle) => doc.points().iter().any(|(of, it)| of == field && circle.contains(*it)),
            Node::And(of) => of.iter().all(|node| node.matches(doc)),
            Node::Or(of) => of.iter().any(|node| node.matches(doc)),
            Node::AtLeast { min, of } => at_least(*min, of.len(), |at| of[at].matches(doc)),
            Node::Not(node) => !node.matches(doc),
        }
    }
}

/// Whether a term of a field fulfills a condition. False if the work is stopped.
fn any_term(doc: &Doc, field: FieldId, is_it: impl Fn(&str) -> bool) -> bool {
    let mut tokens = doc.field_tokens(field).iter().take_while(|_| !coop::stopped());
    tokens.any(|token| is_it(doc.term(token)))
}

/// Whether at least `min` of `n` parts are true. Stops as soon as the answer is known.
fn at_least(min: usize, n: usize, mut part: impl FnMut(usize) -> bool) -> bool {
    let mut missing = min;
    for at in 0..n {
        if missing == 0 {
            return true;
        }
        if n - at < missing {
            return false;
        }
        missing -= usize::from(part(at));
    }
    missing == 0
}

/// Whether a document has a phrase. False if the work is stopped.
fn matches_phrase(phrase: &Phrase, doc: &Doc) -> bool {
    let tokens = doc.field_tokens(phrase.field);
    let last = phrase.terms.len() - 1;
    phrase::matches(tokens, phrase.terms.len(), phrase.slop, |i, at| {
        if coop::stopped() {
            return false;
        }
        let (it, term) = (doc.term(&tokens[at]), phrase.terms[i].as_str());
        if phrase.last_is_prefix && i == last { it.starts_with(term) } else { it == term }
    })
}

#[cfg(test)]
mod tests;
