//! The plainest ways to match one term: what wildcards, regular expressions and fuzzy terms mean.
//!
//! The plain evaluation uses these; the automata of [`crate::automaton`] are tested against them.

/// Whether the term has this form: `?` is any one character, `*` any number, `\` takes the next as it is.
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

/// The regular expression that matches a term from its start to its end, ignoring case. None when there is a mistake in it.
pub(crate) fn regex(pattern: &str) -> Option<regex::Regex> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).case_insensitive(true).build().ok()
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbor to make one of the other, where
/// no part is edited twice (optimal string alignment).
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
