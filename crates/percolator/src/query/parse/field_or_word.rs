//! Parses words, and decides whether a colon ends the name of a field.

use super::build::MAX_NAME_BYTES;
use super::operator::Operator;
use super::{Ast, FieldId, Kind, LeafError, MAX_REWINDS, Parser, Word, build, is_boundary, is_quote};
use crate::text::is_word_char;

/// What a colon behind a word is.
enum Colon {
    /// The word is the name of a field.
    Field(FieldId),
    /// The word is an operator that is no field.
    Operator(Operator),
    /// `*:*`
    All,
    /// The word looks like the name of a field that does not exist.
    Unknown,
    /// The colon is punctuation.
    Text,
}

impl Parser<'_, '_, '_> {
    /// Parses a word, or a field with its value.
    pub(super) fn word_or_field(&mut self, field: FieldId) -> Option<Ast> {
        let mut word = Word::new(self.pos);
        // Behind a colon that is text, a word is no name.
        let mut has_colon = false;
        loop {
            self.read_word(&mut word, true);
            let Some(colon) = self.peek().filter(|char| matches!(char, ':' | '：')) else { break };
            let (start, behind) = (self.pos, self.pos + colon.len_utf8());
            if has_colon {
                self.pos = behind;
                word.chars.push((colon, false));
                word.span.end = self.pos;
                continue;
            }
            let name = word.text();
            match self.colon(&name, colon) {
                Colon::All => {
                    self.pos = behind + 1;
                    return Some(Ast::All);
                }
                Colon::Unknown => {
                    let problem = self.builder.field(&name).err().unwrap_or_else(|| build::no_term(&name));
                    self.report(word.span.clone(), problem);
                    self.pos = behind;
                    self.skip_value();
                    return Some(Ast::None);
                }
                Colon::Text => {}
                kind => {
                    self.pos = behind;
                    let stands_apart = self.peek().is_some_and(char::is_whitespace);
                    let checkpoint = self.checkpoint();
                    let ast = match kind {
                        Colon::Operator(operator) => self.operator_value(operator, &word),
                        Colon::Field(field) => self.value_or_refusal(&word, field),
                        _ => None,
                    };
                    // A value behind a space may be the text after a colon.
                    let is_wrong = self.mistakes.len() > checkpoint.mistakes;
                    let is_final = self.builder.is_full() || self.rewinds == MAX_REWINDS;
                    if !stands_apart || (is_wrong && is_final) {
                        return ast;
                    }
                    let rest = &self.text[checkpoint.pos..];
                    if !is_wrong {
                        let message = format!("`{name}:` was read as a field, with the value behind the space");
                        self.warn(
                            word.span.start..behind,
                            message,
                            format!("to search for the word, quote it: \"{name}:\""),
                        );
                        return ast;
                    }
                    if rest.trim().is_empty() {
                        return ast;
                    }
                    self.rewind(&checkpoint);
                    self.pos = start;
                }
            }
            if !name.is_empty() && self.previous().is_some_and(is_word_char) {
                let message = format!("`{name}:` is no field and was read as text");
                self.warn(word.span.start..behind, message, "quote it to search for the text");
            }
            has_colon = true;
            self.pos = behind;
            word.chars.push((colon, false));
            word.span.end = self.pos;
        }
        if word.chars.iter().all(|&(char, escaped)| char == '*' && !escaped)
            && self.at_boundary()
            && !word.chars.is_empty()
        {
            // `**` in another field is any value of it.
            if field == self.builder.schema.default_field() {
                return Some(Ast::All);
            }
        }
        self.word_leaf(field, word)
    }

    /// What the colon behind a name is.
    fn colon(&self, name: &str, colon: char) -> Colon {
        let behind = &self.rest()[colon.len_utf8()..];
        let next = behind.chars().next();
        if name == "*" && next == Some('*') && behind[1..].chars().next().is_none_or(is_boundary) {
            return Colon::All;
        }
        if let Some(operator) = Operator::find(name, self.builder.schema) {
            return Colon::Operator(operator);
        }
        if let Some(field) = self.builder.find_field(name) {
            return Colon::Field(field);
        }
        let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
            && name.chars().all(|char| char.is_ascii_alphanumeric() || "_.-".contains(char));
        let is_value = |char: char| char.is_alphanumeric() || is_quote(char) || "([{<>=*@#$".contains(char);
        if is_name && colon == ':' && next.is_some_and(is_value) && self.smiley().is_none() {
            return Colon::Unknown;
        }
        Colon::Text
    }

    /// Whether a word is the name of a field or an operator.
    fn is_name(&self, word: &Word) -> bool {
        if word.chars.len() > MAX_NAME_BYTES {
            return false;
        }
        let name = word.text();
        self.builder.find_field(&name).is_some() || Operator::find(&name, self.builder.schema).is_some()
    }

    /// Skips the value of an unknown field, so that it does not cause more errors.
    pub(super) fn skip_value(&mut self) {
        match self.peek() {
            Some('[' | '{') => drop(self.skip_brackets()),
            Some(char) if is_quote(char) => drop(self.quoted_text()),
            _ => drop(self.word()),
        }
    }

    /// Parses a run of characters up to one that ends a word.
    pub(super) fn word(&mut self) -> Word {
        let mut word = Word::new(self.pos);
        self.read_word(&mut word, false);
        word
    }

    /// Appends a run of characters up to one that ends a word, or before a `:` that may end the
    /// name of a field.
    pub(super) fn read_word(&mut self, word: &mut Word, may_be_field: bool) {
        while let Some(char) = self.peek() {
            if may_be_field && matches!(char, ':' | '：') {
                if let Some(len) = self.smiley()
                    && !self.is_name(word)
                {
                    word.chars.extend(self.rest()[..len].chars().map(|char| (char, true)));
                    self.pos += len;
                    continue;
                }
                break;
            }
            if self.ends_word(word, char) {
                break;
            }
            self.bump();
            match char {
                '\\' => word.chars.push((self.bump().unwrap_or('\\'), true)),
                // A keycap.
                '*' if self.peek() == Some('\u{fe0f}') => word.chars.push(('*', true)),
                char => word.chars.push((char, false)),
            }
        }
        word.span.end = self.pos;
    }

    /// Whether the next character ends a word.
    fn ends_word(&self, word: &Word, next: char) -> bool {
        let behind = || self.rest()[next.len_utf8()..].chars().next();
        match next {
            char if char.is_whitespace() => true,
            '(' | ')' | '[' | ']' | '{' | '}' => true,
            // Behind a word, a quote is an apostrophe or a sign for inches.
            char if is_quote(char) => !word.chars.last().is_some_and(|&(last, _)| is_word_char(last) || last == '\''),
            '&' | '|' => behind() == Some(next),
            '^' => word.chars.is_empty() || behind().is_some_and(|char| char.is_ascii_digit()),
            '~' => {
                let is_run = behind() == Some('~') || self.previous() == Some('~');
                let is_suffix =
                    behind().is_none_or(|char| is_boundary(char) || char.is_ascii_digit() || ",;.!?^".contains(char));
                word.chars.is_empty() || (is_suffix && !is_run)
            }
            _ => false,
        }
    }

    /// Whether terms of the field are words.
    pub(super) fn has_words(&self, field: FieldId) -> bool {
        matches!(self.builder.schema.field(field).kind, Kind::Text | Kind::Url)
    }

    /// Parses a word's suffix, to a leaf of a field.
    pub(super) fn word_leaf(&mut self, field: FieldId, mut word: Word) -> Option<Ast> {
        if self.is_too_long() {
            return Some(Ast::None);
        }
        let suffix = self.suffix();
        let span = word.span.clone();
        if suffix.tilde.is_none() {
            return self.wildcard_or_text(field, word);
        }
        self.settle_question_marks(&mut word);
        if word.has_wildcard() {
            let problem = LeafError::new("`~` and wildcards do not go together").expected("expected one of them");
            self.report(span, problem);
            return Some(Ast::None);
        }
        let tilde = suffix.tilde?;
        if matches!(tilde, super::Tilde::Bare) && self.has_words(field) {
            let kind = self.builder.schema.field(field).kind;
            if build::analyze(kind, &word.text()).len() > 1 {
                self.leave_out(suffix.span);
                let built = self.builder.text(field, &word.text(), 0, false);
                return self.leaf(span, built);
            }
        }
        let built = self.builder.fuzzy(field, &word.text(), tilde.distance());
        self.leaf(span, built)
    }
}
