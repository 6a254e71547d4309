//! Matches phrases: terms at adjacent positions, or displaced by at most `slop`.
//!
//! [`crate::query::Phrase`] has the definition: with distinct positions `p[i]` of the terms `i`,
//! the largest `p[i] - i` exceeds the smallest by at most `slop`. The caller says whether a token
//! is term `i`, so the same search serves terms as text and terms as numbers.

use std::ops::Range;

use crate::doc::Token;

/// Phrases of up to this many terms are matched without an allocation.
pub(crate) const INLINE_TERMS: usize = 16;

/// Whether `tokens`, in order of position, have a phrase of `n` terms.
///
/// `is_term(i, at)` says whether the token with the index `at` is term `i`.
pub(crate) fn matches(tokens: &[Token], n: usize, slop: u32, is_term: impl Fn(usize, usize) -> bool) -> bool {
    if slop == 0 {
        return (0..tokens.len()).any(|at| is_term(0, at) && follows(tokens, n, tokens[at].position, &is_term));
    }
    if n <= INLINE_TERMS {
        let mut assigned = [(0, false); INLINE_TERMS];
        matches_with_slop(tokens, slop, &mut assigned[..n], &is_term)
    } else {
        matches_with_slop(tokens, slop, &mut vec![(0, false); n], &is_term)
    }
}

/// The first `most` occurrences of a phrase, each as the indexes of its tokens by term: in order of
/// the token that an occurrence was found by, without repetitions.
///
/// For explanations: allocates, and goes on after the first occurrence.
pub(crate) fn occurrences(
    tokens: &[Token],
    n: usize,
    slop: u32,
    most: usize,
    is_term: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<usize>> {
    let token_at = |term: usize, position: i64| between(tokens, position, position).find(|&at| is_term(term, at));
    if slop == 0 {
        let phrase_at = |at: usize| {
            let first = i64::from(tokens[at].position);
            (1..n).try_fold(vec![at], |mut assigned, term| {
                assigned.push(token_at(term, first + as_position(term))?);
                Some(assigned)
            })
        };
        return (0..tokens.len()).filter(|&at| is_term(0, at)).filter_map(phrase_at).take(most).collect();
    }
    let mut found: Vec<Vec<usize>> = Vec::new();
    let mut assigned = vec![(0, false); n];
    for base in 0..n {
        for at in (0..tokens.len()).filter(|&at| is_term(base, at)) {
            if found.len() == most {
                return found;
            }
            let smallest = i64::from(tokens[at].position) - as_position(base);
            if !matches_in_window(tokens, smallest, slop, &mut assigned, &is_term) {
                continue;
            }
            let assigned: Option<Vec<usize>> =
                assigned.iter().enumerate().map(|(term, it)| token_at(term, it.0)).collect();
            // Two terms may lead to the same occurrence.
            found.extend(assigned.filter(|assigned| !found.contains(assigned)));
        }
    }
    found
}

/// Whether term `i` is at position `first + i`, for all `i` from 1.
fn follows(tokens: &[Token], n: usize, first: u32, is_term: &impl Fn(usize, usize) -> bool) -> bool {
    (1..n).zip(i64::from(first) + 1..).all(|(term, at)| between(tokens, at, at).any(|token| is_term(term, token)))
}

/// The indexes of the tokens from one position to another, both included.
fn between(tokens: &[Token], from: i64, to: i64) -> Range<usize> {
    let start = tokens.partition_point(|token| i64::from(token.position) < from);
    let len = tokens[start..].partition_point(|token| i64::from(token.position) <= to);
    start..start + len
}

/// The position assigned to a term, and whether this round has tried to move the term.
type Assignment = (i64, bool);

/// No position.
const UNASSIGNED: i64 = i64::MIN;

/// Whether the tokens have the phrase with slop. Tries each `m` that the smallest `p[i] - i` can
/// be: term `i` must then be at a position from `m + i` to `m + i + slop`.
fn matches_with_slop(
    tokens: &[Token],
    slop: u32,
    assigned: &mut [Assignment],
    is_term: &impl Fn(usize, usize) -> bool,
) -> bool {
    let n = assigned.len();
    (0..n).any(|base| {
        (0..tokens.len()).filter(|&at| is_term(base, at)).any(|at| {
            matches_in_window(tokens, i64::from(tokens[at].position) - as_position(base), slop, assigned, is_term)
        })
    })
}

/// Whether each term has a position of its own, with `p[i] - i` at least `smallest`.
fn matches_in_window(
    tokens: &[Token],
    smallest: i64,
    slop: u32,
    assigned: &mut [Assignment],
    is_term: &impl Fn(usize, usize) -> bool,
) -> bool {
    assigned.fill((UNASSIGNED, false));
    (0..assigned.len()).all(|term| {
        for it in &mut *assigned {
            it.1 = false;
        }
        assign(tokens, smallest, i64::from(slop), term, assigned, is_term)
    })
}

/// Assigns a position to a term, and moves other terms if necessary: an augmenting path of a
/// bipartite matching.
///
/// The first position nearly always suffices. Only terms that share candidate positions move
/// others.
fn assign(
    tokens: &[Token],
    smallest: i64,
    slop: i64,
    term: usize,
    assigned: &mut [Assignment],
    is_term: &impl Fn(usize, usize) -> bool,
) -> bool {
    assigned[term].1 = true;
    let from = smallest + as_position(term);
    for at in between(tokens, from, from + slop).filter(|&at| is_term(term, at)) {
        let position = i64::from(tokens[at].position);
        let free = match assigned.iter().position(|it| it.0 == position) {
            None => true,
            Some(owner) => !assigned[owner].1 && assign(tokens, smallest, slop, owner, assigned, is_term),
        };
        if free {
            assigned[term].0 = position;
            return true;
        }
    }
    false
}

fn as_position(n: usize) -> i64 {
    i64::try_from(n).expect("a phrase has fewer than 2^63 terms")
}
