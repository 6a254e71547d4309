//! Plain matching of one term, which defines wildcards, regular expressions and fuzzy terms.
//!
//! The plain evaluation uses it. The automata of [`crate::automaton`] are tested against it.

/// Whether a term matches a wildcard: `?` is any character, `*` any number of them, and `\` escapes
/// the next character.
pub(crate) fn wildcard(pattern: &str, term: &str) -> bool {
    let mut rest = pattern.chars();
    let Some(first) = rest.next() else { return term.is_empty() };
    let mut tail = term.chars();
    match first {
        '*' => wildcard(rest.as_str(), term) || (tail.next().is_some() && wildcard(pattern, tail.as_str())),
        '?' => tail.next().is_some() && wildcard(rest.as_str(), tail.as_str()),
        char => {
            let literal = if char == '\\' { rest.next().unwrap_or('\\') } else { char };
            tail.next() == Some(literal) && wildcard(rest.as_str(), tail.as_str())
        }
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
