//! Chooses the keys of a pattern: hashes of strings that every matching term contains in one place.

use super::term_hashes::{char_bit, hash_of};
use crate::automaton::Expression;
use crate::automaton::literal::Literals;
use crate::automaton::runs::Runs;
use crate::percolator::atoms::atom_table::AtomKind;
use crate::query::Ast;
use crate::schema::FieldId;

/// Prefix and suffix keys have at most this many characters.
pub(crate) const MAX_EDGE: usize = 10;
/// Each half of a key of both ends has at most this many characters.
pub(crate) const MAX_END: usize = 4;
/// Keys from inside a term have at most this many characters.
pub(crate) const MAX_GRAM: usize = 3;

/// Where a term has the string of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Prefix,
    Suffix,
    /// Anywhere.
    Gram,
    /// In its first characters, after deletions.
    Fuzzy,
    /// A prefix and a suffix together.
    Ends,
}

/// The hash of a key from that of its characters.
#[inline]
pub(crate) fn key_hash(field: FieldId, kind: KeyKind, hash: u64) -> u64 {
    let tag = u64::from(field.0) << 3 | kind as u64;
    let mixed = u128::from(hash ^ tag.wrapping_mul(0xd6e8_feb8_6659_fd93)) * 0xa076_1d64_78bd_642f;
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let folded = (mixed ^ mixed >> 64) as u64;
    folded
}

/// The bits of these characters, which are in simple case.
pub(crate) fn mask_of_chars(chars: &[char]) -> u32 {
    chars.iter().fold(0, |bits, &char| bits | char_bit(char))
}

/// The bits that every term has that contains one string of each set.
pub(crate) fn mask_of_literals(Literals { prefix, suffix, inner }: &Literals) -> u32 {
    let common = |set: &[Vec<char>]| set.iter().map(|chars| mask_of_chars(chars)).reduce(|a, b| a & b);
    [prefix, suffix, inner].into_iter().filter_map(|set| common(set)).fold(0, |all, bits| all | bits)
}

/// Calls `key` with kind, length and hash of the one key of a pattern: the longest that its fixed
/// characters allow. Returns whether there is one.
///
/// The length of [`KeyKind::Ends`] is that of the prefix times `MAX_END + 1`, plus that of the
/// suffix.
pub(crate) fn keys_of_runs(runs: &Runs, key: &mut impl FnMut(KeyKind, usize, u64)) -> bool {
    let first = |chars: &[char], most: usize| chars.len().min(most);
    let (prefix, suffix, inner) = (runs.prefix(), runs.suffix(), runs.inner());
    let (n_prefix, n_suffix) = (first(prefix, MAX_EDGE), first(suffix, MAX_EDGE));
    let (front, back) = match (first(prefix, MAX_END), first(suffix, MAX_END)) {
        (0, _) | (_, 0) => (0, 0),
        // Prefix and suffix are both the whole term, so the prefix is enough.
        _ if !runs.is_open() => (0, 0),
        ends => ends,
    };
    let n_inner = first(inner, MAX_GRAM);
    let most = n_prefix.max(front + back).max(n_suffix).max(n_inner);
    if most == 0 {
        return false;
    }
    if n_prefix == most {
        key(KeyKind::Prefix, n_prefix, hash_of(&prefix[..n_prefix]));
    } else if front + back == most {
        let ends = prefix[..front].iter().chain(&suffix[suffix.len() - back..]);
        key(KeyKind::Ends, front * (MAX_END + 1) + back, hash_of(ends));
    } else if n_suffix == most {
        key(KeyKind::Suffix, n_suffix, hash_of(&suffix[suffix.len() - n_suffix..]));
    } else {
        key(KeyKind::Gram, n_inner, hash_of(&inner[..n_inner]));
    }
    true
}

/// The same for an expression with alternatives, which has a key for each string of the set whose
/// shortest string is longest. Returns whether there are keys.
pub(crate) fn keys_of_literals(literals: &Literals, key: &mut impl FnMut(KeyKind, usize, u64)) -> bool {
    let Literals { prefix, suffix, inner } = literals;
    let shortest = |set: &[Vec<char>]| set.iter().map(Vec::len).min().unwrap_or(0);
    let (n_prefix, n_suffix, n_inner) = (shortest(prefix), shortest(suffix), shortest(inner).min(MAX_GRAM));
    if n_prefix == 0 && n_suffix == 0 && n_inner == 0 {
        return false;
    }
    let (kind, set, most) = if n_prefix >= n_suffix.min(MAX_GRAM) && n_prefix >= n_inner {
        (KeyKind::Prefix, prefix, MAX_EDGE)
    } else if n_suffix >= n_inner {
        (KeyKind::Suffix, suffix, MAX_EDGE)
    } else {
        (KeyKind::Gram, inner, MAX_GRAM)
    };
    for chars in set {
        let len = chars.len().min(most);
        let part = if kind == KeyKind::Suffix { &chars[chars.len() - len..] } else { &chars[..len] };
        key(kind, len, hash_of(part));
    }
    true
}

/// Whether a pattern has no key, so that it is tested on every term of its field.
pub(crate) fn is_unindexed(kind: &AtomKind) -> bool {
    match kind {
        AtomKind::Wildcard(_, pattern) => !pattern.chars().any(|char| !matches!(char, '*' | '?')),
        AtomKind::Prefix(_, prefix) => prefix.is_empty(),
        AtomKind::Regex(_, expression) => is_unindexed_regex(expression),
        _ => false,
    }
}

fn is_unindexed_regex(expression: &Expression) -> bool {
    let mut runs = Runs::default();
    if runs.of_regex(expression) {
        return runs.prefix().is_empty() && runs.inner().is_empty();
    }
    !keys_of_literals(expression.literals(), &mut |_, _, _| {})
}

/// Whether a key rejects few terms: that of one character anywhere in a term.
pub(crate) fn is_weak_key(kind: KeyKind, len: usize) -> bool {
    kind == KeyKind::Gram && len == 1
}

/// Whether a query is a weak pattern: one that is tested on many terms, because it has no key or a
/// weak one.
pub fn is_weak(ast: &Ast) -> bool {
    let mut runs = Runs::default();
    let mut is_weak = false;
    let mut key = |kind, len, _| is_weak |= is_weak_key(kind, len);
    let has_key = match ast {
        Ast::Wildcard { pattern, .. } => {
            runs.of_wildcard(pattern);
            keys_of_runs(&runs, &mut key)
        }
        Ast::Regex { pattern, .. } if runs.of_regex(pattern) => keys_of_runs(&runs, &mut key),
        Ast::Regex { pattern, .. } => keys_of_literals(pattern.literals(), &mut key),
        _ => true,
    };
    is_weak || !has_key
}
