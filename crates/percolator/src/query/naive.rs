//! Plain matching of one term, which defines wildcards, regular expressions and fuzzy terms.
//!
//! The plain evaluation uses it. The automata of [`crate::automaton`] are tested against it.

/// Whether a term matches a wildcard: `?` is any character, `*` any number of them, and `\` escapes
/// the next character.
pub(crate) fn wildcard(pattern: &str, term: &str) -> bool {
    let (mut rest, mut tail) = (pattern.chars(), term.chars());
    // What follows the last star, and what of the term the star has not taken.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before = tail.clone();
        let is_equal = match rest.next() {
            Some('*') => {
                retry = Some((rest.clone(), before.clone()));
                tail = before;
                continue;
            }
            None => match tail.next() {
                None => return true,
                Some(_) => false,
            },
            Some('?') => tail.next().is_some(),
            Some('\\') => tail.next() == Some(rest.next().unwrap_or('\\')),
            Some(literal) => tail.next() == Some(literal),
        };
        if is_equal {
            continue;
        }
        // The last star takes one character more. Earlier stars need not: what they leave is no
        // more than what this one may choose from.
        let Some((behind, left)) = &mut retry else { return false };
        if left.next().is_none() {
            return false;
        }
        (rest, tail) = (behind.clone(), left.clone());
    }
}

/// The regular expression that matches whole terms, ignoring case. None if the pattern is invalid.
pub(crate) fn regex(pattern: &str) -> Option<regex::Regex> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).case_insensitive(true).build().ok()
}

/// The optimal string alignment distance: the number of characters to insert, remove, replace or
/// swap with the next one, where no part is edited twice.
pub(crate) fn edit_distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut cost = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (i, row) in cost.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in cost[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let replace = cost[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replace.min(cost[i - 1][j] + 1).min(cost[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(cost[i - 2][j - 2] + 1);
            }
            cost[i][j] = best;
        }
    }
    cost[left.len()][right.len()]
}
