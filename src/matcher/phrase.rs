//! Finds the terms of a phrase at their places: exactly in order, or out of place by at most `slop`.
//!
//! The definition is [`crate::query::Phrase`]'s: with different positions `p[i]` of the terms `i`, the largest `p[i] - i` is at most
//! `slop` more than the smallest. Whoever calls says what it means that a token is term `i`; so the same search serves
//! terms as text and terms as numbers.

use crate::doc::Token;

/// Phrases of up to this many terms are matched without allocation.
pub(crate) const INLINE_TERMS: usize = 16;

/// Whether the `n` terms of a phrase stand in `tokens`, which are in order of position.
pub(crate) fn matches(tokens: &[Token], n: usize, slop: u32, is_term: impl Fn(usize, &Token) -> bool) -> bool {
    if slop == 0 {
        return tokens.iter().any(|first| is_term(0, first) && follows(tokens, n, first.position, &is_term));
    }
    if n <= INLINE_TERMS {
        let mut place = [(0, false); INLINE_TERMS];
        loosely(tokens, slop, &mut place[..n], &is_term)
    } else {
        loosely(tokens, slop, &mut vec![(0, false); n], &is_term)
    }
}

/// Whether term `i` stands at `first + i` for all `i` from 1.
fn follows(tokens: &[Token], n: usize, first: u32, is_term: &impl Fn(usize, &Token) -> bool) -> bool {
    (1..n).zip(first + 1..).all(|(at, position)| at_position(tokens, position).iter().any(|it| is_term(at, it)))
}

/// The tokens at a position, or from it to another.
fn at_position(tokens: &[Token], position: u32) -> &[Token] {
    between(tokens, i64::from(position), i64::from(position))
}

fn between(tokens: &[Token], from: i64, to: i64) -> &[Token] {
    let start = tokens.partition_point(|token| i64::from(token.position) < from);
    let len = tokens[start..].partition_point(|token| i64::from(token.position) <= to);
    &tokens[start..start + len]
}

/// The position that a term has taken, and whether it was asked to move in this round.
type Place = (i64, bool);

/// No position.
const NOWHERE: i64 = i64::MIN;

/// Tries each `m` that the smallest `p[i] - i` can be; then term `i` has to stand between `m + i` and `m + i + slop`.
fn loosely(tokens: &[Token], slop: u32, place: &mut [Place], is_term: &impl Fn(usize, &Token) -> bool) -> bool {
    let n = place.len();
    (0..n).any(|base| {
        tokens.iter().filter(|token| is_term(base, token)).any(|token| {
            let smallest = i64::from(token.position) - i64::try_from(base).unwrap_or(i64::MAX);
            place.fill((NOWHERE, false));
            (0..n).all(|at| {
                for it in &mut *place {
                    it.1 = false;
                }
                take(tokens, smallest, i64::from(slop), at, place, is_term)
            })
        })
    })
}

/// Gives term `at` a position of its own, and moves others when it must: an augmenting path of a bipartite matching.
///
/// Almost always the first free position will do. Only terms that can stand at the same positions make others move.
fn take(
    tokens: &[Token],
    smallest: i64,
    slop: i64,
    at: usize,
    place: &mut [Place],
    is_term: &impl Fn(usize, &Token) -> bool,
) -> bool {
    place[at].1 = true;
    let from = smallest + i64::try_from(at).unwrap_or(i64::MAX);
    for token in between(tokens, from, from + slop).iter().filter(|token| is_term(at, token)) {
        let position = i64::from(token.position);
        let free = match place.iter().position(|it| it.0 == position) {
            None => true,
            Some(owner) => !place[owner].1 && take(tokens, smallest, slop, owner, place, is_term),
        };
        if free {
            place[at].0 = position;
            return true;
        }
    }
    false
}
