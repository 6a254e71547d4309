//! Parses hashtags, mentions and cashtags, cut where X cuts them.

use super::{Ast, FieldId, Parser, Range, Word};
use crate::text::is_word_char;

/// Signs that X takes for parts of a hashtag, besides letters, marks, digits and `_`.
const HASHTAG_SIGNS: &str = "\u{200c}\u{200d}\u{a67e}\u{5be}\u{5f3}\u{5f4}～〜゛゜゠・〃་༌·";

fn is_hashtag_char(char: char) -> bool {
    // Marks are word characters, and accents that folding drops are too.
    char == '_'
        || char.is_alphanumeric()
        || is_word_char(char) && !is_emoji(char)
        || HASHTAG_SIGNS.contains(char)
        || is_mark(char)
}

fn is_mark(char: char) -> bool {
    unicode_normalization::char::is_combining_mark(char)
        && !matches!(char, '\u{fe00}'..='\u{fe0f}' | '\u{20d0}'..='\u{20ff}')
}

/// Whether a word character is neither a letter nor a digit nor a mark.
fn is_emoji(char: char) -> bool {
    !char.is_alphanumeric() && !is_mark(char)
}

/// What stands behind a tag.
enum Behind {
    /// Nothing that is searched for.
    End,
    /// Another tag, of this field.
    Tag(&'static str),
    /// A word.
    Word(Option<Ast>),
}

impl Parser<'_, '_, '_> {
    /// Parses `#tag`, `@user` or `$TSLA`, and what hangs on it: a keyword of the field for the
    /// sign. What is no tag by X's rules is a word.
    pub(super) fn tag(&mut self, mut name: &'static str, field: FieldId) -> Option<Ast> {
        let mut parts = Vec::new();
        loop {
            let start = self.pos;
            let Some(tags) = self.tags(name) else {
                parts.extend(self.word_of_tag(name, field));
                break;
            };
            parts.push(tags);
            match self.behind_tag(start..self.pos, field) {
                Behind::End => break,
                Behind::Tag(next) => name = next,
                Behind::Word(word) => {
                    parts.extend(word);
                    break;
                }
            }
        }
        if parts.len() > 1 { Some(Ast::And(parts)) } else { parts.pop() }
    }

    /// Tags with commas between them, of which any may match. None, and nothing is read, if there
    /// is no tag.
    fn tags(&mut self, name: &str) -> Option<Ast> {
        let start = self.pos;
        let entity = self.builder.schema.find(name)?;
        let mut tags: Vec<Ast> = Vec::new();
        loop {
            let Some(tag) = self.one_tag(name, entity) else { break };
            tags.push(tag);
            // `#a,#b`
            let is_list =
                self.peek() == Some(',') && self.peek_second().is_some_and(|char| self.text[start..].starts_with(char));
            if !is_list {
                break;
            }
            self.pos += 1;
        }
        if tags.len() > 1 {
            self.warn(start..self.pos, "a comma between tags was read as OR", "expected a space for all of them");
            return Some(Ast::Or(tags));
        }
        tags.pop()
    }

    /// What starts with the sign of a tag and is none.
    fn word_of_tag(&mut self, name: &str, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        if self.builder.schema.find(name).is_none() {
            let word = self.word();
            return self.word_leaf(field, word);
        }
        let mut word = Word::new(start);
        self.read_word(&mut word, true);
        let text = word.text();
        if text.chars().any(is_word_char) {
            let message = format!("`{text}` is no {name} on X, and was read as a word");
            self.warn(start..self.pos, message, "a tag has a letter");
        }
        if self.peek() == Some(':') {
            self.bump();
        }
        self.word_leaf(field, word)
    }

    /// A tag without what follows it. None, and nothing is read, if it is no tag.
    fn one_tag(&mut self, name: &str, entity: FieldId) -> Option<Ast> {
        let start = self.pos;
        self.bump();
        let len = match name {
            "hashtag" => self.hashtag_len(),
            "mention" => self.mention_len(),
            _ => self.cashtag_len(),
        };
        let Some(len) = len else {
            self.pos = start;
            return None;
        };
        let name_start = self.pos;
        self.pos += len;
        let chars = self.text[name_start..self.pos].chars().map(|char| (char, false)).collect();
        let word = Word { span: start..self.pos, chars };
        self.word_leaf_of_tag(entity, word)
    }

    fn word_leaf_of_tag(&mut self, entity: FieldId, word: Word) -> Option<Ast> {
        if self.peek() == Some('~') {
            return self.word_leaf(entity, word);
        }
        let leaf = self.wildcard_or_text(entity, word);
        if self.peek() == Some('^') {
            self.suffix();
        }
        leaf
    }

    fn hashtag_len(&self) -> Option<usize> {
        let rest = self.rest();
        let mut len = 0;
        let mut has_letter = false;
        for (at, char) in rest.char_indices() {
            let is_open = char == '*' || (char == '?' && rest[at + 1..].chars().next().is_some_and(is_hashtag_char));
            if !is_hashtag_char(char) && !is_open {
                break;
            }
            has_letter |=
                is_open || (char.is_alphabetic() || is_mark(char) || is_word_char(char) && !char.is_numeric());
            len = at + char.len_utf8();
        }
        let behind = &rest[len..];
        let ends = !behind.starts_with(['#', '＃', '\u{fe0f}', '\u{20e3}']) && !behind.starts_with("://");
        (has_letter && ends).then_some(len)
    }

    fn mention_len(&self) -> Option<usize> {
        let rest = self.rest();
        let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let word = |text: &str| {
            let mut len = 0;
            for (at, char) in text.char_indices() {
                let is_open = char == '*' || (char == '?' && text[at + 1..].chars().next().is_some_and(is_name));
                if !is_name(char) && !is_open {
                    break;
                }
                len = at + 1;
            }
            len
        };
        let mut len = word(rest);
        if len == 0 {
            return None;
        }
        // A handle of Bluesky or Mastodon: @ann.bsky.social, @ann@mastodon.social.
        let host = rest.len()
            - rest[len..].trim_start_matches(|char: char| char.is_ascii_alphanumeric() || ".-@_".contains(char)).len();
        let handle = rest[..host].trim_end_matches(['.', '-', '@', '_']);
        let behind = handle.get(len..).unwrap_or("");
        if behind.starts_with('.') && behind.matches('.').count() > 1 || behind.starts_with('@') && behind.contains('.')
        {
            len = handle.len();
        }
        (!rest[len..].starts_with("://")).then_some(len)
    }

    fn cashtag_len(&self) -> Option<usize> {
        let rest = self.rest();
        let letters = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_alphabetic()).len();
        if rest[letters..].starts_with(['*', '?']) {
            return Some(
                rest.len()
                    - rest.trim_start_matches(|char: char| char.is_ascii_alphabetic() || "*?".contains(char)).len(),
            );
        }
        let mut len = letters;
        if let Some(class) = rest[letters..].strip_prefix(['.', '_']) {
            let more = class.len() - class.trim_start_matches(|char: char| char.is_ascii_alphabetic()).len();
            if (1..=2).contains(&more) && !class[more..].starts_with(is_word_char) {
                len += 1 + more;
            }
        }
        let ends = !rest[len..].starts_with(|char: char| is_word_char(char) || char == '_');
        ((1..=6).contains(&letters) && ends).then_some(len)
    }

    /// What hangs on a tag: punctuation, which is left out, and text behind it.
    fn behind_tag(&mut self, tag: Range<usize>, field: FieldId) -> Behind {
        if self.at_boundary() {
            return Behind::End;
        }
        for possessive in ["'s", "’s", "'S", "’S"] {
            let behind = self.rest().strip_prefix(possessive);
            if behind.is_some_and(|behind| !behind.starts_with(is_word_char)) {
                self.pos += possessive.len();
            }
        }
        let mut punctuation = self.pos;
        while let Some(char) = self.peek() {
            if super::is_boundary(char) || is_word_char(char) || "([{\"“„«^".contains(char) || char == '\\' {
                break;
            }
            if ["&&", "||"].iter().any(|sign| self.rest().starts_with(sign)) {
                return Behind::End;
            }
            // Another tag, which no letter stands before.
            if self.pos > punctuation && matches!(char, '#' | '＃' | '@' | '＠' | '$') {
                return Behind::Tag(match char {
                    '#' | '＃' => "hashtag",
                    '$' => "cashtag",
                    _ => "mention",
                });
            }
            self.bump();
            punctuation = punctuation.min(self.pos);
        }
        if self.at_boundary() || !self.peek().is_some_and(is_word_char) {
            return Behind::End;
        }
        let shown = self.text[tag.clone()].to_owned();
        let word = self.word();
        let message = format!("the tag ends behind `{shown}`; `{}` was read as a word", word.text());
        self.warn(tag.start..self.pos, message, "expected a space between them");
        Behind::Word(self.word_leaf(field, word))
    }
}
