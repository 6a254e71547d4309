//! Words with wildcards: which `*` and `?` are operators, and where they stand.

use super::{Ast, FieldId, Kind, LeafError, Parser, Word, build};
use crate::text::{ends_in_separator, is_word_char};

impl Parser<'_, '_, '_> {
    /// The leaf of a word without a suffix.
    pub(super) fn wildcard_or_text(&mut self, field: FieldId, mut word: Word) -> Option<Ast> {
        self.settle_question_marks(&mut word);
        let span = word.span.clone();
        if !word.has_wildcard() {
            let text = word.text();
            if let Some(host) = self.bare_host(field, &text) {
                return self.text_or_link(field, span, &host);
            }
            let built = self.builder.text(field, &text, 0, false);
            return self.leaf(span, built);
        }
        if word.chars.iter().all(|&(char, _)| char == '*') {
            let built = self.builder.exists(field);
            return self.leaf(span, built);
        }
        if !self.has_words(field) {
            let built = self.builder.wildcard(field, &word.pattern());
            return self.leaf(span, built);
        }
        let is_url = self.builder.schema.field(field).kind == Kind::Url;
        trim_punctuation(&mut word, is_url);
        if !word.chars.iter().any(|&(char, _)| is_word_char(char)) {
            return self.leave_out(span);
        }
        if is_url {
            return self.word_with_wildcards(field, &word);
        }
        let mut parts: Vec<Ast> = Vec::new();
        let words = word.split(|char| matches!(char, ',' | ';' | '、' | '，'));
        for mut part in words {
            trim_punctuation(&mut part, false);
            if part.chars.iter().any(|&(char, _)| is_word_char(char)) {
                parts.extend(self.word_with_wildcards(field, &part));
            }
        }
        if parts.len() > 1 {
            self.warn(span, "a comma behind a wildcard was read as a space", "expected a space, or OR");
            return Some(Ast::And(parts));
        }
        parts.pop()
    }

    fn word_with_wildcards(&mut self, field: FieldId, word: &Word) -> Option<Ast> {
        let span = word.span.clone();
        if !word.has_wildcard() {
            let built = self.builder.text(field, &word.text(), 0, false);
            return self.leaf(span, built);
        }
        let stars = word.chars.iter().rev().take_while(|&&(char, escaped)| char == '*' && !escaped).count();
        let before = &word.chars[..word.chars.len() - stars];
        let is_literal = before.iter().all(|&(char, escaped)| escaped || !matches!(char, '*' | '?'));
        let literal: String = before.iter().map(|&(char, _)| char).collect();
        let built = if stars > 0 && is_literal && ends_in_separator(&literal) {
            // The star stands for further words: the last one before it is whole.
            match self.bare_host(field, literal.trim_end_matches('/')) {
                Some(host) if literal.ends_with('/') => return self.text_or_link(field, span, &host),
                _ => self.builder.text(field, &literal, 0, false),
            }
        } else {
            self.builder.wildcard(field, &word.pattern())
        };
        self.leaf(span, built)
    }

    /// Makes those question marks literal that are no wildcards: a wildcard stands between word
    /// characters, or in a word with another wildcard.
    pub(super) fn settle_question_marks(&mut self, word: &mut Word) {
        let is_open = |&(char, escaped): &(char, bool)| !escaped && matches!(char, '*' | '?');
        if !word.chars.contains(&('?', false)) {
            return;
        }
        let mut has_wildcard = word.chars.contains(&('*', false));
        let mut at = 0;
        while at < word.chars.len() && !has_wildcard {
            let run = word.chars[at..].iter().take_while(|it| is_open(it)).count();
            if run > 0 {
                let before = at.checked_sub(1).map(|at| word.chars[at].0);
                let behind = word.chars.get(at + run).map(|it| it.0);
                has_wildcard = before.zip(behind).is_some_and(|(before, behind)| is_inside_word(before, behind));
            }
            at += run.max(1);
        }
        if has_wildcard {
            return;
        }
        if word.chars.iter().any(|&(char, _)| is_word_char(char)) {
            let text = word.text();
            let message = format!("the question mark of `{text}` was read as punctuation");
            self.warn(word.span.clone(), message, "between letters, `?` stands for any character");
        }
        for it in &mut word.chars {
            it.1 |= it.0 == '?';
        }
    }
}

/// Whether a character between two others is part of their word.
fn is_inside_word(before: char, behind: char) -> bool {
    is_word_char(before) && is_word_char(behind) && build::analyze(Kind::Text, &format!("{before}a{behind}")).len() == 1
}

/// Cuts off punctuation before and behind a word with wildcards. A separator before a last `*`
/// stays.
fn trim_punctuation(word: &mut Word, is_url: bool) {
    let keeps = |&(char, escaped): &(char, bool)| is_word_char(char) || (!escaped && matches!(char, '*' | '?'));
    while word.chars.last().is_some_and(|it| !keeps(it)) {
        word.chars.pop();
        // A question mark behind punctuation ends a sentence.
        while let [.., before, ('?', false)] = word.chars.as_slice()
            && !keeps(before)
        {
            word.chars.pop();
        }
    }
    if !is_url {
        // `***#tag`
        while let Some(end) = word.chars.iter().position(|it| *it != ('*', false)).filter(|&end| end > 0)
            && !keeps(&word.chars[end])
        {
            word.chars.drain(..end);
            let next = word.chars.iter().position(keeps).unwrap_or(word.chars.len());
            word.chars.drain(..next);
        }
        let start = word.chars.iter().position(keeps).unwrap_or(0);
        word.chars.drain(..start);
    }
}

impl Parser<'_, '_, '_> {
    /// Reports a text that has no value of the field.
    pub(super) fn no_value(&mut self, span: std::ops::Range<usize>) -> Ast {
        self.report(span, LeafError::new("this is no value").expected("to search for it, quote it"));
        Ast::None
    }

    /// A text that may be an address without a scheme: text or link.
    pub(super) fn text_or_link(&mut self, field: FieldId, span: std::ops::Range<usize>, text: &str) -> Option<Ast> {
        let url = self.url;
        let built = self.builder.text(field, text, 0, false);
        let as_text = self.leaf(span.clone(), built)?;
        let Some(url) = url else { return Some(as_text) };
        let built = self.builder.text(url, text, 0, false);
        let as_link = self.leaf(span, built)?;
        Some(Ast::Or(vec![as_text, as_link]))
    }

    /// The text without punctuation at its ends, if it is a host, or an address without a scheme,
    /// in the default field.
    pub(super) fn bare_host(&self, field: FieldId, text: &str) -> Option<String> {
        let schema = self.builder.schema;
        if field != schema.default_field() || self.url.is_none() {
            return None;
        }
        let text = text.trim_matches(|char: char| !is_word_char(char) && char != '/');
        build::starts_with_host(text).then(|| text.to_owned())
    }
}
