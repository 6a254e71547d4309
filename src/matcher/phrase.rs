//! Finds the terms of a phrase at their places: exactly in order, or out of place by at most `slop`.
//!
//! The definition is [`crate::query::Phrase`]'s: with different positions `p[i]` of the terms `i`, the largest `p[i] - i` is at most
//! `slop` more than the smallest. Whoever calls says what it means that a token is term `i`; so the same search serves
//! terms as text and terms as numbers.

use std::ops::Range;

use crate::doc::Token;

/// Phrases of up to this many terms are matched without allocation.
pub(crate) const INLINE_TERMS: usize = 16;

/// Whether the `n` terms of a phrase stand in `tokens`, which are in order of position.
///
/// `is_term(i, at)` says whether the token with the number `at` is term `i`.
pub(crate) fn matches(tokens: &[Token], n: usize, slop: u32, is_term: impl Fn(usize, usize) -> bool) -> bool {
    if slop == 0 {
        return (0..tokens.len()).any(|at| is_term(0, at) && follows(tokens, n, tokens[at].position, &is_term));
    }
    if n <= INLINE_TERMS {
        let mut place = [(0, false); INLINE_TERMS];
        loosely(tokens, slop, &mut place[..n], &is_term)
    } else {
        loosely(tokens, slop, &mut vec![(0, false); n], &is_term)
    }
}

/// Where the phrase stands: for each of its first `most` places the numbers of its tokens, by term; by the token that it was found by, and no
/// place twice.
///
/// For explanations: it allocates, and goes on where [`matches()`] stops.
pub(crate) fn places(
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
            (1..n).try_fold(vec![at], |mut place, term| {
                place.push(token_at(term, first + as_position(term))?);
                Some(place)
            })
        };
        return (0..tokens.len()).filter(|&at| is_term(0, at)).filter_map(phrase_at).take(most).collect();
    }
    let mut found: Vec<Vec<usize>> = Vec::new();
    let mut place = vec![(0, false); n];
    for base in 0..n {
        for at in (0..tokens.len()).filter(|&at| is_term(base, at)) {
            if found.len() == most {
                return found;
            }
            let smallest = i64::from(tokens[at].position) - as_position(base);
            if !loosely_from(tokens, smallest, slop, &mut place, &is_term) {
                continue;
            }
            let place: Option<Vec<usize>> = place.iter().enumerate().map(|(term, it)| token_at(term, it.0)).collect();
            // Two of its terms may have found the same place.
            found.extend(place.filter(|place| !found.contains(place)));
        }
    }
    found
}

/// Whether term `i` stands at `first + i` for all `i` from 1.
fn follows(tokens: &[Token], n: usize, first: u32, is_term: &impl Fn(usize, usize) -> bool) -> bool {
    (1..n).zip(i64::from(first) + 1..).all(|(term, at)| between(tokens, at, at).any(|token| is_term(term, token)))
}

/// The numbers of the tokens from one position to another, both included.
fn between(tokens: &[Token], from: i64, to: i64) -> Range<usize> {
    let start = tokens.partition_point(|token| i64::from(token.position) < from);
    let len = tokens[start..].partition_point(|token| i64::from(token.position) <= to);
    start..start + len
}

/// The position that a term has taken, and whether it was asked to move in this round.
type Place = (i64, bool);

/// No position.
const NOWHERE: i64 = i64::MIN;

/// Tries each `m` that the smallest `p[i] - i` can be; then term `i` has to stand between `m + i` and `m + i + slop`.
fn loosely(tokens: &[Token], slop: u32, place: &mut [Place], is_term: &impl Fn(usize, usize) -> bool) -> bool {
    let n = place.len();
    (0..n).any(|base| {
        (0..tokens.len())
            .filter(|&at| is_term(base, at))
            .any(|at| loosely_from(tokens, i64::from(tokens[at].position) - as_position(base), slop, place, is_term))
    })
}

/// Whether each term has a position of its own when `p[i] - i` is at least `smallest` for all of them.
fn loosely_from(
    tokens: &[Token],
    smallest: i64,
    slop: u32,
    place: &mut [Place],
    is_term: &impl Fn(usize, usize) -> bool,
) -> bool {
    place.fill((NOWHERE, false));
    (0..place.len()).all(|term| {
        for it in &mut *place {
            it.1 = false;
        }
        take(tokens, smallest, i64::from(slop), term, place, is_term)
    })
}

/// Gives a term a position of its own, and moves others when it must: an augmenting path of a bipartite matching.
///
/// Almost always the first position will do. Only terms that can stand at the same positions make others move.
fn take(
    tokens: &[Token],
    smallest: i64,
    slop: i64,
    term: usize,
    place: &mut [Place],
    is_term: &impl Fn(usize, usize) -> bool,
) -> bool {
    place[term].1 = true;
    let from = smallest + as_position(term);
    for at in between(tokens, from, from + slop).filter(|&at| is_term(term, at)) {
        let position = i64::from(tokens[at].position);
        let free = match place.iter().position(|it| it.0 == position) {
            None => true,
            Some(owner) => !place[owner].1 && take(tokens, smallest, slop, owner, place, is_term),
        };
        if free {
            place[term].0 = position;
            return true;
        }
    }
    false
}

fn as_position(n: usize) -> i64 {
    i64::try_from(n).expect("a phrase has fewer than 2^63 terms")
}
