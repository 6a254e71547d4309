//! Matches one term against one pattern.
//!
//! Wildcards and edit distances are matched without an automaton: the pattern index tests a pattern
//! on few terms, most of which match, so building and running an automaton would cost more.

use crate::percolator::atoms::atom_table::AtomKind;

/// Whether a term matches the pattern of an atom. False for atoms that are no patterns.
pub(crate) fn matches(kind: &AtomKind, term: &str) -> bool {
    match kind {
        AtomKind::Prefix(_, prefix) => term.starts_with(&**prefix),
        AtomKind::Wildcard(_, pattern) => matches_wildcard(pattern, term),
        AtomKind::Fuzzy(_, distance, near) => is_within_edits(near, term, *distance),
        AtomKind::Regex(_, expression) => expression.matches(term),
        _ => false,
    }
}

/// Whether a term matches a wildcard: `?` is any character, `*` any number of them, and `\` escapes
/// the next character.
///
/// Backtracks to the last `*` only. That is enough, because what stands before it has matched, and
/// matching it further right leaves less of the term.
fn matches_wildcard(pattern: &str, term: &str) -> bool {
    let (mut rest, mut tail) = (pattern.chars(), term.chars());
    // The pattern after the last `*`, and the rest of the term from which it was tried.
    let mut backtrack = None;
    loop {
        let before = (rest.clone(), tail.clone());
        let fits = match rest.next() {
            None if tail.as_str().is_empty() => return true,
            None => false,
            Some('*') => {
                backtrack = Some((rest.clone(), before.1));
                continue;
            }
            Some('?') => tail.next().is_some(),
            Some('\\') => tail.next() == Some(rest.next().unwrap_or('\\')),
            Some(char) => tail.next() == Some(char),
        };
        if !fits {
            let Some((after, at)) = &mut backtrack else { return false };
            if at.next().is_none() {
                return false;
            }
            (rest, tail) = (after.clone(), at.clone());
        }
    }
}

/// Terms up to this length, in bytes, are compared without an allocation.
const INLINE: usize = 256;

/// Whether the optimal string alignment distance of two terms is at most `distance`, which counts
/// as 2 if it is larger. Edits insert, remove or replace a character, or swap two adjacent ones.
fn is_within_edits(left: &str, right: &str, distance: u8) -> bool {
    let distance = usize::from(distance.min(2));
    if left.is_ascii() && right.is_ascii() {
        return is_within(left.as_bytes(), right.as_bytes(), distance);
    }
    if left.len() > INLINE || right.len() > INLINE {
        let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
        return is_within(&left, &right, distance);
    }
    let mut buffers = [['\0'; INLINE]; 2];
    let [a, b] = &mut buffers;
    let (n, m) = (fill(a, left), fill(b, right));
    is_within(&a[..n], &b[..m], distance)
}

fn fill(buffer: &mut [char; INLINE], term: &str) -> usize {
    let mut n = 0;
    for (to, char) in buffer.iter_mut().zip(term.chars()) {
        *to = char;
        n += 1;
    }
    n
}

fn is_within<T: Copy + Eq>(mut a: &[T], mut b: &[T], distance: usize) -> bool {
    if a.len().abs_diff(b.len()) > distance {
        return false;
    }
    // Common prefixes and suffixes need no edit.
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (a, b) = (&a[same..], &b[same..]);
    let same = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    (a, b) = (&a[..a.len() - same], &b[..b.len() - same]);
    let (a, b) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    match (a, b) {
        ([], rest) => rest.len() <= distance,
        ([_], [_]) => distance > 0,
        (&[x, y], &[z, w]) if (x, y) == (w, z) => distance > 0,
        _ => distance == 2 && is_within_two(a, b),
    }
}

/// Tries each edit at the first difference, and one edit in the rest.
fn is_within_two<T: Copy + Eq>(a: &[T], b: &[T]) -> bool {
    let rest_is_within_one = |a: &[T], b: &[T]| is_within(a, b, 1);
    rest_is_within_one(&a[1..], &b[1..])
        || rest_is_within_one(&a[1..], b)
        || rest_is_within_one(a, &b[1..])
        || matches!((a, b), (&[x, y, ..], &[z, w, ..]) if (x, y) == (w, z) && rest_is_within_one(&a[2..], &b[2..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::naive;

    #[test]
    fn swapped_characters_are_not_edited_again() {
        // A swap and an insertion between the swapped characters would be two edits.
        assert!(!is_within_edits("ca", "abc", 2));
        assert!(is_within_edits("ab", "ba", 1));
        assert!(is_within_edits("größe", "grösse", 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn edits_agree_with_the_plain_distance(left in "[abc]{0,7}é?", right in "[abc]{0,7}é?") {
            let distance = naive::edit_distance(&left, &right);
            for edits in 0..=2 {
                prop_assert_eq!(is_within_edits(&left, &right, edits), distance <= usize::from(edits));
            }
        }

        #[test]
        fn wildcards_agree_with_the_plain_evaluation(pattern in r"[ab*?\\é]{0,7}", term in r"[abé*\\]{0,7}") {
            prop_assert_eq!(matches_wildcard(&pattern, &term), naive::wildcard(&pattern, &term));
        }
    }
}
