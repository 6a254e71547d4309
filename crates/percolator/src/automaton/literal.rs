//! The literals of a regular expression: strings that every matching term starts with, ends with or
//! contains. For most expressions a scan ([`super::runs`]) finds enough.
//!
//! Characters are compared in simple case ([`simple`]). Otherwise an expression that ignores case
//! would have two to the power of its length literals. Simple case can only find more patterns to
//! test, never fewer.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Strings in a set, at most: each is a key of the pattern.
const MAX_STRINGS: usize = 16;
/// Characters of a string, at most. Keys are shorter.
const MAX_CHARS: usize = 12;

/// Three sets of strings, of each of which a matching term has at least one. A set with the empty
/// string rejects nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literals {
    /// At the start.
    pub(crate) prefix: Vec<Vec<char>>,
    /// At the end.
    pub(crate) suffix: Vec<Vec<char>>,
    /// Anywhere.
    pub(crate) inner: Vec<Vec<char>>,
}

/// The character in simple case: one for all cases.
#[inline]
pub(crate) fn simple(char: char) -> char {
    if char.is_ascii() {
        return char.to_ascii_lowercase();
    }
    // To upper and back to lower case, because some characters share only their upper case: ſ and
    // s, ς and σ.
    let upper = char.to_uppercase().next().unwrap_or(char);
    upper.to_lowercase().next().unwrap_or(upper)
}

/// The literals of terms that a regular expression matches as a whole.
pub(crate) fn of_regex(pattern: &str) -> Literals {
    let parsed = regex_syntax::ParserBuilder::new().case_insensitive(true).nest_limit(64).build().parse(pattern);
    match parsed {
        Ok(hir) => of_hir(&hir),
        Err(_) => Literals { prefix: nothing(), suffix: nothing(), inner: nothing() },
    }
}

/// The same for a parsed expression.
pub(crate) fn of_hir(hir: &Hir) -> Literals {
    let KnownStrings { prefix, suffix, inner, .. } = known(hir);
    Literals { prefix, suffix, inner }
}

/// The set that rejects nothing.
fn nothing() -> Vec<Vec<char>> {
    vec![Vec::new()]
}

/// What is known about the strings that a part of an expression matches.
#[derive(Clone, Debug)]
struct KnownStrings {
    /// All strings in simple case, if they are few.
    exact: Option<Vec<Vec<char>>>,
    prefix: Vec<Vec<char>>,
    suffix: Vec<Vec<char>>,
    inner: Vec<Vec<char>>,
}

impl KnownStrings {
    fn nothing() -> KnownStrings {
        KnownStrings { exact: None, prefix: nothing(), suffix: nothing(), inner: nothing() }
    }

    fn exact(mut strings: Vec<Vec<char>>) -> KnownStrings {
        strings.sort_unstable();
        strings.dedup();
        KnownStrings { prefix: strings.clone(), suffix: strings.clone(), inner: strings.clone(), exact: Some(strings) }
    }
}

fn known(hir: &Hir) -> KnownStrings {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => KnownStrings::exact(nothing()),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => KnownStrings::exact(vec![text.chars().map(simple).collect()]),
            Err(_) => KnownStrings::nothing(),
        },
        HirKind::Class(Class::Unicode(class)) => {
            let n: u32 = class.ranges().iter().map(|range| u32::from(range.end()) - u32::from(range.start()) + 1).sum();
            if n == 0 || n as usize > MAX_STRINGS * 2 {
                return KnownStrings::nothing();
            }
            let chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            bounded(KnownStrings::exact(chars.map(|char| vec![simple(char)]).collect()))
        }
        HirKind::Class(Class::Bytes(_)) => KnownStrings::nothing(),
        HirKind::Repetition(repetition) => of_repetition(repetition),
        HirKind::Capture(capture) => known(&capture.sub),
        HirKind::Concat(parts) => of_concat(&parts.iter().map(known).collect::<Vec<_>>()),
        HirKind::Alternation(parts) => of_alternation(&parts.iter().map(known).collect::<Vec<_>>()),
    }
}

fn of_repetition(repetition: &Repetition) -> KnownStrings {
    let sub = known(&repetition.sub);
    match (repetition.min, repetition.max) {
        (0, Some(1)) => of_alternation(&[sub, KnownStrings::exact(nothing())]),
        (0, _) => KnownStrings::nothing(),
        (1, Some(1)) => sub,
        // A fixed number of repetitions is a sequence.
        (min, Some(max)) if min == max && min <= 4 => of_concat(&vec![sub; min as usize]),
        _ => KnownStrings { exact: None, ..sub },
    }
}

fn of_alternation(parts: &[KnownStrings]) -> KnownStrings {
    let all = |strings: fn(&KnownStrings) -> &Vec<Vec<char>>| {
        let all: Vec<Vec<char>> = parts.iter().flat_map(strings).cloned().collect();
        if all.len() > MAX_STRINGS { nothing() } else { all }
    };
    let exact: Option<Vec<Vec<char>>> =
        parts.iter().map(|part| part.exact.clone()).collect::<Option<Vec<_>>>().map(|sets| sets.concat());
    KnownStrings {
        exact: exact.filter(|all| all.len() <= MAX_STRINGS),
        prefix: all(|part| &part.prefix),
        suffix: all(|part| &part.suffix),
        inner: all(|part| &part.inner),
    }
}

fn of_concat(parts: &[KnownStrings]) -> KnownStrings {
    let mut whole = KnownStrings::exact(nothing());
    let mut inner: Vec<Vec<Vec<char>>> = Vec::new();
    // The strings that end where the parts so far end, as far as they are known.
    let mut run = nothing();
    let mut prefix_is_open = true;
    for part in parts {
        whole.exact = whole.exact.zip(part.exact.as_ref()).and_then(|(a, b)| cross(&a, b));
        let joined = cross(&run, part.exact.as_ref().unwrap_or(&part.prefix));
        if prefix_is_open {
            match &joined {
                Some(joined) => whole.prefix.clone_from(joined),
                None => prefix_is_open = false,
            }
        }
        inner.extend(joined.clone());
        inner.push(part.inner.clone());
        match (&part.exact, joined) {
            (Some(_), Some(joined)) => run = joined,
            (Some(exact), None) => run.clone_from(exact),
            (None, _) => run.clone_from(&part.suffix),
        }
        prefix_is_open &= part.exact.is_some();
    }
    whole.suffix = run;
    whole.inner = inner
        .into_iter()
        .filter(|set| !set.is_empty() && set.len() <= MAX_STRINGS)
        .max_by_key(|set| (set.iter().map(Vec::len).min().unwrap_or(0).min(3), std::cmp::Reverse(set.len())))
        .unwrap_or_else(nothing);
    bounded(whole)
}

/// The concatenations of all strings of two sets, unless these are too many or too long.
fn cross(front: &[Vec<char>], back: &[Vec<char>]) -> Option<Vec<Vec<char>>> {
    if front.len() * back.len() > MAX_STRINGS || front.iter().any(|chars| chars.len() > MAX_CHARS * 4) {
        return None;
    }
    let mut all: Vec<Vec<char>> =
        front.iter().flat_map(|a| back.iter().map(move |b| [&a[..], &b[..]].concat())).collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn bounded(mut known: KnownStrings) -> KnownStrings {
    known.exact = known.exact.filter(|all| all.len() <= MAX_STRINGS);
    for set in [&mut known.prefix, &mut known.suffix, &mut known.inner] {
        if set.len() > MAX_STRINGS {
            *set = nothing();
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(set: &[Vec<char>]) -> Vec<String> {
        set.iter().map(|chars| chars.iter().collect()).collect()
    }

    #[test]
    fn regular_expressions_have_few_literals_or_none() {
        assert_eq!(show(&of_regex("joh?n").prefix), ["john", "jon"]);
        assert_eq!(show(&of_regex("joh?n(ath[oa]n)").suffix), ["johnathan", "johnathon", "jonathan", "jonathon"]);
        assert_eq!(show(&of_regex("(ab|cd)+x").prefix), ["ab", "cd"]);
        assert_eq!(show(&of_regex("[a-z]+km").suffix), ["km"]);
        assert_eq!(show(&of_regex("[a-z]+").inner), [""]);
        assert_eq!(show(&of_regex(".*(foo|bar).*").inner), ["bar", "foo"]);
        assert_eq!(show(&of_regex("K[sS]").prefix), ["ks"]);
    }

    #[test]
    fn literals_ignore_case() {
        for (a, b) in [('K', 'k'), ('\u{212a}', 'k'), ('ſ', 's'), ('ς', 'Σ')] {
            assert_eq!(simple(a), simple(b));
        }
    }
}
