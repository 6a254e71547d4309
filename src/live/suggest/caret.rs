//! What stands at the caret of a query that is being typed.
//!
//! This reads a query that is not whole yet, so it knows less than the parser: quotes, groups,
//! fields before a colon, lists with commas, and signs before names.

use std::ops::Range;

use crate::text::is_word_char;

/// The text that is completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caret<'a> {
    /// The name before the colon, of this value or of the group around it: `lang` in `lang:(en d`.
    pub(super) name: Option<&'a str>,
    /// The sign before the prefix: `#`, `@` or `$`.
    pub(super) sign: Option<char>,
    /// What was typed before the caret.
    pub(super) prefix: &'a str,
    /// What is replaced, in bytes: the prefix, and the rest of its word behind the caret.
    pub(super) range: Range<usize>,
    /// Whether it stands in quotes.
    pub(super) is_quoted: bool,
}

/// A quote, bracket or value whose end lies behind the caret.
#[derive(Clone, Copy, Debug, Default)]
struct Open<'a> {
    name: Option<&'a str>,
    start: usize,
}

impl<'a> Caret<'a> {
    /// Reads a query up to a byte, which lies between two characters.
    pub(super) fn read(query: &'a str, at: usize) -> Caret<'a> {
        let before = &query[..at];
        let mut groups: Vec<Option<&'a str>> = Vec::new();
        let mut quote: Option<Open<'a>> = None;
        let mut token = Open::default();
        let mut is_escaped = false;
        for (start, c) in before.char_indices() {
            let end = start + c.len_utf8();
            let inherited = groups.last().copied().flatten();
            if std::mem::take(&mut is_escaped) {
                continue;
            }
            match c {
                '\\' => is_escaped = true,
                '"' | '“' | '”' | '„' if quote.is_some() => {
                    quote = None;
                    token = Open { name: inherited, start: end };
                }
                _ if quote.is_some() => {}
                '"' | '“' | '„' if start == token.start => quote = Some(Open { name: token.name, start: end }),
                '(' | '[' | '{' if start == token.start => {
                    groups.push(token.name);
                    token = Open { name: token.name, start: end };
                }
                ')' | ']' | '}' => {
                    groups.pop();
                    token = Open { name: groups.last().copied().flatten(), start: end };
                }
                // A sign before a name or a group: of exclusion, and of an exact term.
                '-' | '+' | '!' | '=' if start == token.start => token.start = end,
                ',' | '|' => token.start = end,
                ':' if token.start < start && is_name(&query[token.start..start]) => {
                    token = Open { name: Some(&query[token.start..start]), start: end };
                }
                c if c.is_whitespace() => token = Open { name: inherited, start: end },
                _ => {}
            }
        }
        let Open { name, start } = quote.map_or(token, |Open { name, start }| {
            let word = before[start..].rfind(|c: char| !is_word_char(c));
            let next = |at: usize| start + at + before[start + at..].chars().next().map_or(0, char::len_utf8);
            Open { name, start: word.map_or(start, next) }
        });
        let typed = &before[start..];
        let sign = typed.chars().next().and_then(|first| match first {
            '#' | '＃' => Some('#'),
            '@' | '＠' => Some('@'),
            '$' | '＄' => Some('$'),
            _ => None,
        });
        let prefix =
            if sign.is_some() { typed.trim_start_matches(['#', '＃', '@', '＠', '$', '＄']) } else { typed };
        let rest = &query[at..];
        let end = at + rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
        Caret { name, sign, prefix, range: start..end, is_quoted: quote.is_some() }
    }
}

/// Whether a text can be the name of a field or operator.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// The caret is at `^`.
    fn check(text: &str, expected: &Expect) {
        let at = text.find('^').expect("a caret");
        let query = text.replacen('^', "", 1);
        let Caret { name, sign, prefix, range, is_quoted } = Caret::read(&query, at);
        let quoted = if is_quoted { " quoted" } else { "" };
        expected.assert_eq(&format!("{name:?} {sign:?} {prefix:?} replaces {:?}{quoted}", &query[range]));
    }

    #[test]
    fn words_fields_and_values_are_told_apart() {
        check("^", &expect![[r#"None None "" replaces """#]]);
        check("ru^", &expect![[r#"None None "ru" replaces "ru""#]]);
        check("ru^st jobs", &expect![[r#"None None "ru" replaces "rust""#]]);
        check("rust OR -ja^", &expect![[r#"None None "ja" replaces "ja""#]]);
        check("lang:^", &expect![[r#"Some("lang") None "" replaces """#]]);
        check("lang:e^n rust", &expect![[r#"Some("lang") None "e" replaces "en""#]]);
        check("-from:an^", &expect![[r#"Some("from") None "an" replaces "an""#]]);
        check("from:@an^", &expect![[r#"Some("from") Some('@') "an" replaces "@an""#]]);
        check("#ru^", &expect![[r##"None Some('#') "ru" replaces "#ru""##]]);
        check("#a,#b^", &expect![[r##"None Some('#') "b" replaces "#b""##]]);
        check("from:ann,bo^", &expect![[r#"Some("from") None "bo" replaces "bo""#]]);
        check("user.screen_name:=an^", &expect![[r#"Some("user.screen_name") None "an" replaces "an""#]]);
        check("https://exa^", &expect![[r#"Some("https") None "//exa" replaces "//exa""#]]);
        check(
            "from:alice.bsky.so^cial",
            &expect![[r#"Some("from") None "alice.bsky.so" replaces "alice.bsky.social""#]],
        );
        check("straß^e über", &expect![[r#"None None "straß" replaces "straße""#]]);
    }

    #[test]
    fn groups_and_quotes_keep_their_field() {
        check("lang:(en OR d^) rust", &expect![[r#"Some("lang") None "d" replaces "d""#]]);
        check("lang:(en OR de) ru^", &expect![[r#"None None "ru" replaces "ru""#]]);
        check("lang:IN [en d^", &expect![[r#"None None "d" replaces "d""#]]);
        check("(rust OR (lang:en jo^", &expect![[r#"None None "jo" replaces "jo""#]]);
        check("-(from:(ann bo^", &expect![[r#"Some("from") None "bo" replaces "bo""#]]);
        check("\"new yo^rk\"", &expect![[r#"None None "yo" replaces "york" quoted"#]]);
        check("name:\"ann b^", &expect![[r#"Some("name") None "b" replaces "b" quoted"#]]);
        check("\"lang:en\" ru^", &expect![[r#"None None "ru" replaces "ru""#]]);
        check("5\" ru^", &expect![[r#"None None "ru" replaces "ru""#]]);
        check(r#""a \" b" c^"#, &expect![[r#"None None "c" replaces "c""#]]);
    }
}
