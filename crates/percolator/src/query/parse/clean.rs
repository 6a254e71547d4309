//! What is replaced in a query text before it is parsed: marks of direction, HTML entities, and
//! full-width forms of signs.

use std::borrow::Cow;
use std::ops::Range;

use crate::text::is_bidi_control;

/// The longest HTML entity that is decoded, in bytes.
const MAX_ENTITY_BYTES: usize = 34;

/// A query text as it was written, and as it is parsed.
pub(super) struct Source<'t> {
    /// The text as it was written, to which errors refer.
    pub(super) original: &'t str,
    /// The text that is parsed.
    pub(super) text: Cow<'t, str>,
    /// For each byte of `text` and for its end: the offset in `original`. None if they are equal.
    offsets: Option<Vec<usize>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(original: &'t str) -> Source<'t> {
        let is_clean = |c: char| c != '&' && !is_unseen(c) && wide_sign(c).is_none() && !is_doubled(c);
        if original.chars().all(is_clean) {
            return Source { original, text: Cow::Borrowed(original), offsets: None };
        }
        let mut text = String::with_capacity(original.len());
        let mut offsets = Vec::with_capacity(original.len() + 1);
        let mut at = 0;
        while let Some(c) = original[at..].chars().next() {
            let rest = &original[at..];
            let mut len = c.len_utf8();
            if c == '\\' {
                // What stands behind a backslash stands for itself.
                let escaped = rest[len..].chars().next().map_or(0, char::len_utf8);
                text.push_str(&rest[..len + escaped]);
                offsets.extend(at..at + len + escaped);
                at += len + escaped;
                continue;
            }
            if let Some((entity, meaning)) = entity(rest) {
                text.push_str(&meaning);
                len = entity;
            } else if let Some(sign) = ["｜｜", "＆＆"].iter().find(|sign| rest.starts_with(**sign)) {
                text.push_str(if c == '｜' { "||" } else { "&&" });
                len = sign.len();
            } else if !is_unseen(c) {
                text.push(wide_sign(c).unwrap_or(c));
            }
            offsets.resize(text.len(), at);
            at += len;
        }
        offsets.push(original.len());
        Source { original, text: Cow::Owned(text), offsets: Some(offsets) }
    }

    /// The bytes of the original that bytes of the parsed text come from.
    pub(super) fn original_range(&self, range: Range<usize>) -> Range<usize> {
        let Some(offsets) = &self.offsets else { return range };
        let at = |offset: usize| offsets.get(offset).copied().unwrap_or(self.original.len());
        at(range.start)..at(range.end)
    }
}

/// Whether the first character of a text needs a backslash, so that nothing is replaced there.
pub(in crate::query) fn is_replaced(text: &str) -> bool {
    entity(text).is_some() || text.starts_with(|c: char| is_unseen(c) || wide_sign(c).is_some() || is_doubled(c))
}

/// Marks of direction and the byte order mark, which stand before operators without being seen.
fn is_unseen(c: char) -> bool {
    is_bidi_control(c) || c == '\u{feff}'
}

/// The ASCII form of a full-width bracket, quote or operator. The full-width signs of `~`, `!`, `?`
/// and `/` decorate texts and are not replaced.
fn wide_sign(c: char) -> Option<char> {
    Some(match c {
        '（' => '(',
        '）' => ')',
        '［' => '[',
        '］' => ']',
        '｛' => '{',
        '｝' => '}',
        '＂' => '"',
        '＋' => '+',
        '＊' => '*',
        _ => return None,
    })
}

/// Signs that are an operator when they are doubled.
fn is_doubled(c: char) -> bool {
    matches!(c, '｜' | '＆')
}

/// The HTML entity at the start of a text: its length and its meaning.
fn entity(text: &str) -> Option<(usize, Cow<'_, str>)> {
    let inner = text.strip_prefix('&')?;
    let end = inner.bytes().take(MAX_ENTITY_BYTES).position(|byte| matches!(byte, b';' | b'&' | b' '))?;
    if inner.as_bytes()[end] != b';' {
        return None;
    }
    let len = end + 2;
    match html_escape::decode_html_entities(&text[..len]) {
        decoded @ Cow::Owned(_) => Some((len, decoded)),
        Cow::Borrowed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_refer_to_the_original() {
        let source = Source::new("\u{200e}a&amp;b （c）");
        assert_eq!(source.text, "a&b (c)");
        assert_eq!(source.original_range(0..1), 3..4);
        assert_eq!(source.original_range(1..2), 4..9);
        assert_eq!(source.original_range(4..7), 11..18);
        assert_eq!(source.original_range(7..7), 18..18);
        assert!(Source::new("a b").offsets.is_none());
        assert_eq!(Source::new("&nonsense; a&b && c").text, "&nonsense; a&b && c");
    }
}
