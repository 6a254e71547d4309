//! The parts of a wildcard, and folding of patterns.

use crate::text;

/// A part of a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum WildcardPart {
    /// `*`
    Star,
    /// `?`
    Any,
    /// A literal character.
    Literal(char),
}

impl WildcardPart {
    pub(in crate::query) fn literal(self) -> Option<char> {
        if let WildcardPart::Literal(char) = self { Some(char) } else { None }
    }
}

/// The parts of a wildcard. Adjacent stars are merged.
pub(in crate::query) fn collapsed_parts(pattern: &str) -> Vec<WildcardPart> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(char) = chars.next() {
        let part = match char {
            '*' => WildcardPart::Star,
            '?' => WildcardPart::Any,
            '\\' => WildcardPart::Literal(chars.next().unwrap_or('\\')),
            char => WildcardPart::Literal(char),
        };
        if part != WildcardPart::Star || parts.last() != Some(&WildcardPart::Star) {
            parts.push(part);
        }
    }
    parts
}

/// The wildcard with these parts.
pub(in crate::query) fn pattern_of(parts: &[WildcardPart]) -> String {
    let mut pattern = String::new();
    for part in parts {
        match part {
            WildcardPart::Star => pattern.push('*'),
            WildcardPart::Any => pattern.push('?'),
            WildcardPart::Literal(char) => push_literal(&mut pattern, char.encode_utf8(&mut [0; 4])),
        }
    }
    pattern
}

/// The literal before a `*` that is the last part of a wildcard and its only operator.
pub(super) fn literal_prefix(parts: &[WildcardPart]) -> Option<String> {
    match parts.split_last() {
        Some((WildcardPart::Star, before)) => before.iter().map(|part| part.literal()).collect(),
        _ => None,
    }
}

/// The wildcard with its literals folded.
pub(super) fn fold_pattern(parts: &[WildcardPart]) -> String {
    let mut folded = String::new();
    for run in parts.chunk_by(|left, right| left.literal().is_some() && right.literal().is_some()) {
        let literal: Option<String> = run.iter().map(|part| part.literal()).collect();
        match literal {
            Some(literal) => push_literal(&mut folded, &text::fold(&literal)),
            None => folded.push_str(&pattern_of(run)),
        }
    }
    folded
}

/// Appends a text to a wildcard as literal characters.
pub(in crate::query) fn push_literal(pattern: &mut String, literal: &str) {
    for char in literal.chars() {
        if matches!(char, '*' | '?' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
}

/// Replaces `\/` by `/` in a regular expression: only the delimiters need the backslash.
pub(in crate::query) fn without_escaped_slashes(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match (char, chars.clone().next()) {
            ('\\', Some('/')) => {}
            ('\\', Some(next)) => {
                plain.push('\\');
                plain.push(next);
                chars.next();
            }
            (char, _) => plain.push(char),
        }
    }
    plain
}

/// A regular expression whose letters are folded as those of texts: `/café/` finds `cafe`.
pub(in crate::query) fn fold_regex(pattern: &str) -> String {
    if pattern.is_ascii() {
        return pattern.to_owned();
    }
    let mut folded = String::with_capacity(pattern.len());
    let mut classes = 0_usize;
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                folded.push(char);
                folded.extend(chars.next());
                continue;
            }
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            _ => {}
        }
        if char.is_ascii() {
            folded.push(char);
            continue;
        }
        let term = text::fold(char.encode_utf8(&mut [0; 4])).into_owned();
        match term.chars().count() {
            0 if classes > 0 => folded.push(char),
            0 | 1 => folded.push_str(&term),
            _ if classes > 0 => folded.push_str(&term),
            _ => folded.extend(["(?:", &term, ")"]),
        }
    }
    folded
}
