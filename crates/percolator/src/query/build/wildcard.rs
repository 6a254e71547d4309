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
    let mut rest = pattern;
    while let Some(char) = rest.chars().next() {
        let len = match char {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => class_len(rest),
            char => char.len_utf8(),
        };
        let (part, behind) = rest.split_at(len);
        rest = behind;
        if part.is_ascii() || char == '\\' {
            folded.push_str(part);
        } else if char == '[' {
            folded.push_str(&fold_class(part));
        } else {
            let term = regex_syntax::escape(&text::fold(part));
            match text::fold(part).chars().count() {
                0 | 1 => folded.push_str(&term),
                _ => folded.extend(["(?:", &term, ")"]),
            }
        }
    }
    folded
}

/// The length of the class at the start of a regular expression, with its brackets.
fn class_len(pattern: &str) -> usize {
    let mut open = 0_usize;
    let mut chars = pattern.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '[' => {
                open += 1;
                chars.next_if(|&(_, next)| next == '^');
                // A bracket right at the start of a class is a character of it.
                chars.next_if(|&(_, next)| next == ']');
            }
            ']' => {
                open -= 1;
                if open == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    pattern.len()
}

/// Characters of a class that are folded, at most. A larger class stays as it is.
const MAX_CLASS_CHARS: usize = 4_096;

/// A class whose characters are folded: `[z-é]` is the range, of which `é` is `e`. What folds to
/// several characters becomes an alternative, as `ß` in `[aß]` does: `(?:[a]|ss)`.
fn fold_class(class: &str) -> String {
    use regex_syntax::hir::{Class, HirKind};
    let (is_negated, positive) = match class.strip_prefix("[^") {
        Some(rest) => (true, format!("[{rest}")),
        None => (false, class.to_owned()),
    };
    // An error is reported when the whole expression is compiled.
    let Ok(hir) = regex_syntax::parse(&positive) else { return class.to_owned() };
    let chars: Vec<char> = match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).chars().collect(),
        HirKind::Class(Class::Unicode(it)) => {
            it.iter().flat_map(|range| range.start()..=range.end()).take(MAX_CLASS_CHARS + 1).collect()
        }
        _ => return class.to_owned(),
    };
    if chars.len() > MAX_CLASS_CHARS {
        return class.to_owned();
    }
    let (mut single, mut several) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    let mut is_folded = true;
    for char in chars {
        let mut buffer = [0; 4];
        // Capitals of ASCII match, too: expressions ignore case.
        let term =
            if char.is_ascii() { char.to_string() } else { text::fold(char.encode_utf8(&mut buffer)).into_owned() };
        let mut of_term = term.chars();
        match (of_term.next(), of_term.next()) {
            (None, _) => drop(single.insert(char)),
            (Some(first), None) => {
                is_folded &= first == char;
                single.insert(first);
            }
            (Some(_), Some(_)) => {
                is_folded = false;
                several.insert(regex_syntax::escape(&term));
            }
        }
    }
    if is_folded {
        return class.to_owned();
    }
    let mut written = String::from(if is_negated { "[^" } else { "[" });
    for char in &single {
        written.push_str(&regex_syntax::escape(char.encode_utf8(&mut [0; 4])));
    }
    written.push(']');
    if is_negated || several.is_empty() {
        return if single.is_empty() { ".".to_owned() } else { written };
    }
    let one = if single.is_empty() { None } else { Some(written) };
    let parts: Vec<String> = one.into_iter().chain(several).collect();
    format!("(?:{})", parts.join("|"))
}
