//! Whether the terms of a phrase with slop are near enough in a document.
//!
//! [`crate::query::Phrase`] defines slop.

use std::ops::Range;

/// Compares lists of positions with the slop of a phrase. Its buffers are reused from document to
/// document.
#[derive(Debug)]
pub(super) struct SlopMatcher {
    slop: u32,
    windows: Vec<Range<usize>>,
    assignment: Assignment,
}

impl SlopMatcher {
    pub(super) fn new(slop: u32) -> SlopMatcher {
        SlopMatcher { slop, windows: Vec::new(), assignment: Assignment::default() }
    }

    /// Whether there are different positions `p[i]`, one from each list, such that the largest
    /// `p[i] - i` is at most `slop` more than the smallest. The lists are ascending.
    pub(super) fn matches(&mut self, lists: &[&[u32]]) -> bool {
        let shift = |list: usize, position: u32| i64::from(position) - i64::try_from(list).expect("a phrase is short");
        // Some position is the smallest after shifting: try them all.
        for (first, list) in lists.iter().enumerate() {
            for &position in *list {
                let low = shift(first, position);
                let high = low + i64::from(self.slop);
                self.windows.clear();
                for (at, list) in lists.iter().enumerate() {
                    let start = list.partition_point(|&position| shift(at, position) < low);
                    let len = list[start..].partition_point(|&position| shift(at, position) <= high);
                    if len == 0 {
                        break;
                    }
                    self.windows.push(start..start + len);
                }
                if self.windows.len() == lists.len() && self.assignment.exists(lists, &self.windows) {
                    return true;
                }
            }
        }
        false
    }
}

/// Finds a different position for each list: a bipartite matching by augmenting paths.
#[derive(Debug, Default)]
struct Assignment {
    /// Positions and the lists that have them.
    taken: Vec<(u32, usize)>,
    tried: Vec<u32>,
}

impl Assignment {
    /// Whether each list can take a position out of its window that no other list takes.
    fn exists(&mut self, lists: &[&[u32]], windows: &[Range<usize>]) -> bool {
        self.taken.clear();
        (0..windows.len()).all(|list| {
            self.tried.clear();
            self.assign(list, lists, windows)
        })
    }

    /// Assigns a position to a list; other lists may have to take another one.
    fn assign(&mut self, list: usize, lists: &[&[u32]], windows: &[Range<usize>]) -> bool {
        for &position in &lists[list][windows[list].clone()] {
            if self.tried.contains(&position) {
                continue;
            }
            self.tried.push(position);
            match self.taken.iter().position(|&(taken, _)| taken == position) {
                None => self.taken.push((position, list)),
                Some(at) => {
                    // The entry stays where it is: only new positions are added.
                    let owner = self.taken[at].1;
                    if !self.assign(owner, lists, windows) {
                        continue;
                    }
                    self.taken[at].1 = list;
                }
            }
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn matches(lists: &[Vec<u32>], slop: u32) -> bool {
        let lists: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
        SlopMatcher::new(slop).matches(&lists)
    }

    /// Tries every choice of positions.
    fn matches_naive(positions: &[Vec<u32>], chosen: &mut Vec<u32>, slop: u32) -> bool {
        let Some(list) = positions.get(chosen.len()) else {
            let shifted = || chosen.iter().enumerate().map(|(at, &p)| i64::from(p) - i64::try_from(at).unwrap());
            return shifted().max().unwrap_or(0) - shifted().min().unwrap_or(0) <= i64::from(slop);
        };
        list.iter().any(|&position| {
            !chosen.contains(&position) && {
                chosen.push(position);
                let found = matches_naive(positions, chosen, slop);
                chosen.pop();
                found
            }
        })
    }

    proptest! {
        #[test]
        fn slop_matches_what_trying_everything_finds(
            lists in vec(btree_set(0_u32..14, 0..5), 2..5),
            slop in 0_u32..7,
        ) {
            let lists: Vec<Vec<u32>> = lists.into_iter().map(|list| list.into_iter().collect()).collect();
            prop_assert_eq!(matches(&lists, slop), matches_naive(&lists, &mut Vec::new(), slop));
        }
    }

    #[test]
    fn two_terms_may_change_places_within_slop_two() {
        assert!(!matches(&[vec![1], vec![0]], 1));
        assert!(matches(&[vec![1], vec![0]], 2));
    }

    #[test]
    fn one_position_does_not_serve_two_terms() {
        assert!(!matches(&[vec![3], vec![3]], 5));
    }
}
