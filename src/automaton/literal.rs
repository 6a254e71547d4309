//! The fixed characters of a regular expression: what every term that matches starts with, ends with, or has inside.
//! Of most expressions, a scan ([`super::runs`]) tells enough.
//!
//! Characters are compared in a simple form ([`simple`]) that takes case away, so that a regular expression that ignores
//! case has one literal and not two to the power of its length. That can only find more patterns to try, never fewer.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// More strings than this are not worth being told apart.
const MAX_STRINGS: usize = 16;
/// Longer strings need not be known to their end.
const MAX_CHARS: usize = 12;

/// Strings of which a term that matches has at least one. A set with an empty string says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literals {
    /// At its start.
    pub(crate) prefix: Vec<Vec<char>>,
    /// At its end.
    pub(crate) suffix: Vec<Vec<char>>,
    /// Anywhere.
    pub(crate) inner: Vec<Vec<char>>,
}

/// The character without its case.
#[inline]
pub(crate) fn simple(char: char) -> char {
    if char.is_ascii() {
        return char.to_ascii_lowercase();
    }
    // Up and down again, because some characters share their upper case only: ſ and s, ς and σ.
    let upper = char.to_uppercase().next().unwrap_or(char);
    upper.to_lowercase().next().unwrap_or(upper)
}

/// What terms that this regular expression matches as a whole have.
pub(crate) fn of_regex(pattern: &str) -> Literals {
    let parsed = regex_syntax::ParserBuilder::new().case_insensitive(true).nest_limit(64).build().parse(pattern);
    match parsed {
        Ok(hir) => of_hir(&hir),
        Err(_) => Literals { prefix: nothing(), suffix: nothing(), inner: nothing() },
    }
}

/// The same of one that is parsed already.
pub(crate) fn of_hir(hir: &Hir) -> Literals {
    let Known { prefix, suffix, inner, .. } = known(hir);
    Literals { prefix, suffix, inner }
}

/// The set that says nothing.
fn nothing() -> Vec<Vec<char>> {
    vec![Vec::new()]
}

/// What is known of the strings that a part of an expression matches.
#[derive(Clone, Debug)]
struct Known {
    /// All of them, in simple form, when they are few.
    exact: Option<Vec<Vec<char>>>,
    prefix: Vec<Vec<char>>,
    suffix: Vec<Vec<char>>,
    inner: Vec<Vec<char>>,
}

impl Known {
    fn nothing() -> Known {
        Known { exact: None, prefix: nothing(), suffix: nothing(), inner: nothing() }
    }

    fn exact(mut strings: Vec<Vec<char>>) -> Known {
        strings.sort_unstable();
        strings.dedup();
        Known { prefix: strings.clone(), suffix: strings.clone(), inner: strings.clone(), exact: Some(strings) }
    }
}

fn known(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::exact(nothing()),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => Known::exact(vec![text.chars().map(simple).collect()]),
            Err(_) => Known::nothing(),
        },
        HirKind::Class(Class::Unicode(class)) => {
            let n: u32 = class.ranges().iter().map(|range| u32::from(range.end()) - u32::from(range.start()) + 1).sum();
            if n == 0 || n as usize > MAX_STRINGS * 2 {
                return Known::nothing();
            }
            let chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            bounded(Known::exact(chars.map(|char| vec![simple(char)]).collect()))
        }
        HirKind::Class(Class::Bytes(_)) => Known::nothing(),
        HirKind::Repetition(repetition) => of_repetition(repetition),
        HirKind::Capture(capture) => known(&capture.sub),
        HirKind::Concat(parts) => of_concat(&parts.iter().map(known).collect::<Vec<_>>()),
        HirKind::Alternation(parts) => of_alternation(&parts.iter().map(known).collect::<Vec<_>>()),
    }
}

fn of_repetition(repetition: &Repetition) -> Known {
    let sub = known(&repetition.sub);
    match (repetition.min, repetition.max) {
        (0, Some(1)) => of_alternation(&[sub, Known::exact(nothing())]),
        (0, _) => Known::nothing(),
        (1, Some(1)) => sub,
        // A few times the same is a sequence.
        (min, Some(max)) if min == max && min <= 4 => of_concat(&vec![sub; min as usize]),
        _ => Known { exact: None, ..sub },
    }
}

fn of_alternation(parts: &[Known]) -> Known {
    let all = |strings: fn(&Known) -> &Vec<Vec<char>>| {
        let all: Vec<Vec<char>> = parts.iter().flat_map(strings).cloned().collect();
        if all.len() > MAX_STRINGS { nothing() } else { all }
    };
    let exact: Option<Vec<Vec<char>>> =
        parts.iter().map(|part| part.exact.clone()).collect::<Option<Vec<_>>>().map(|sets| sets.concat());
    Known {
        exact: exact.filter(|all| all.len() <= MAX_STRINGS),
        prefix: all(|part| &part.prefix),
        suffix: all(|part| &part.suffix),
        inner: all(|part| &part.inner),
    }
}

fn of_concat(parts: &[Known]) -> Known {
    let mut whole = Known::exact(nothing());
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

/// All strings of one set with all of the other behind them, if these are not too many or too long.
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

fn bounded(mut known: Known) -> Known {
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
    fn regular_expressions_have_few_strings_or_none() {
        assert_eq!(show(&of_regex("joh?n").prefix), ["john", "jon"]);
        assert_eq!(show(&of_regex("joh?n(ath[oa]n)").suffix), ["johnathan", "johnathon", "jonathan", "jonathon"]);
        assert_eq!(show(&of_regex("(ab|cd)+x").prefix), ["ab", "cd"]);
        assert_eq!(show(&of_regex("[a-z]+km").suffix), ["km"]);
        assert_eq!(show(&of_regex("[a-z]+").inner), [""]);
        assert_eq!(show(&of_regex(".*(foo|bar).*").inner), ["bar", "foo"]);
        assert_eq!(show(&of_regex("K[sS]").prefix), ["ks"]);
    }

    #[test]
    fn case_is_no_difference() {
        for (a, b) in [('K', 'k'), ('\u{212a}', 'k'), ('ſ', 's'), ('ς', 'Σ')] {
            assert_eq!(simple(a), simple(b));
        }
    }
}
