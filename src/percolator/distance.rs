//! Whether a term has the form of a wildcard, or is near another: for one term and one pattern, without an automaton.
//!
//! Where many patterns wait, each is tried for a few terms only, and is nearly always right; then the building of an automaton, and
//! the way through its tables, cost more than they give.

/// Whether the term has this form: `?` is any one character, `*` any number of them, `\` takes the next as it is.
///
/// Goes back to the last `*` only, which is enough: what stood before it has matched, and nothing is gained by its matching
/// elsewhere.
pub(super) fn is_wildcard(pattern: &str, term: &str) -> bool {
    let (mut rest, mut tail) = (pattern.chars(), term.chars());
    // What follows the last `*`, and where in the term it is tried.
    let mut again = None;
    loop {
        let before = (rest.clone(), tail.clone());
        let fits = match rest.next() {
            None if tail.as_str().is_empty() => return true,
            None => false,
            Some('*') => {
                again = Some((rest.clone(), before.1));
                continue;
            }
            Some('?') => tail.next().is_some(),
            Some('\\') => tail.next() == Some(rest.next().unwrap_or('\\')),
            Some(char) => tail.next() == Some(char),
        };
        if !fits {
            let Some((after, at)) = &mut again else { return false };
            if at.next().is_none() {
                return false;
            }
            (rest, tail) = (after.clone(), at.clone());
        }
    }
}

/// The longest term that is looked at without allocation, in bytes.
const INLINE: usize = 256;

/// Whether so many edits (at most 2) make one term of the other: insert, remove or replace a character, or swap two neighbors, and no
/// part twice.
pub(super) fn is_near(left: &str, right: &str, distance: u8) -> bool {
    let distance = usize::from(distance.min(2));
    if left.is_ascii() && right.is_ascii() {
        return is_near_in(left.as_bytes(), right.as_bytes(), distance);
    }
    if left.len() > INLINE || right.len() > INLINE {
        let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
        return is_near_in(&left, &right, distance);
    }
    let mut buffers = [['\0'; INLINE]; 2];
    let [a, b] = &mut buffers;
    let (n, m) = (fill(a, left), fill(b, right));
    is_near_in(&a[..n], &b[..m], distance)
}

fn fill(buffer: &mut [char; INLINE], term: &str) -> usize {
    let mut n = 0;
    for (to, char) in buffer.iter_mut().zip(term.chars()) {
        *to = char;
        n += 1;
    }
    n
}

fn is_near_in<T: Copy + Eq>(mut a: &[T], mut b: &[T], distance: usize) -> bool {
    if a.len().abs_diff(b.len()) > distance {
        return false;
    }
    // What is the same at both ends needs no edit.
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (a, b) = (&a[same..], &b[same..]);
    let same = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    (a, b) = (&a[..a.len() - same], &b[..b.len() - same]);
    let (a, b) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    match (a, b) {
        ([], rest) => rest.len() <= distance,
        ([_], [_]) => distance > 0,
        (&[x, y], &[z, w]) if (x, y) == (w, z) => distance > 0,
        _ => distance == 2 && is_two_away(a, b),
    }
}

/// Tries each edit at the first difference, and then one more.
fn is_two_away<T: Copy + Eq>(a: &[T], b: &[T]) -> bool {
    let rest_is_one = |a: &[T], b: &[T]| is_near_in(a, b, 1);
    rest_is_one(&a[1..], &b[1..])
        || rest_is_one(&a[1..], b)
        || rest_is_one(a, &b[1..])
        || matches!((a, b), (&[x, y, ..], &[z, w, ..]) if (x, y) == (w, z) && rest_is_one(&a[2..], &b[2..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::naive;

    #[test]
    fn no_part_is_edited_twice() {
        // A swap and an insertion into what was swapped would be two edits.
        assert!(!is_near("ca", "abc", 2));
        assert!(is_near("ab", "ba", 1));
        assert!(is_near("größe", "grösse", 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn near_is_what_the_plain_distance_says(left in "[abc]{0,7}é?", right in "[abc]{0,7}é?") {
            let distance = naive::edit_distance(&left, &right);
            for edits in 0..=2 {
                prop_assert_eq!(is_near(&left, &right, edits), distance <= usize::from(edits));
            }
        }

        #[test]
        fn wildcards_mean_what_they_do_plainly(pattern in r"[ab*?\\é]{0,7}", term in r"[abé*\\]{0,7}") {
            prop_assert_eq!(is_wildcard(&pattern, &term), naive::wildcard(&pattern, &term));
        }
    }
}
