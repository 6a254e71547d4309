//! Parses a part without signs: which kind it is, and brackets.

use super::expression::Operands;
use super::{Ast, FieldId, LeafError, Parser, Range, Tilde, Word, is_quote};
use crate::text::is_word_char;

/// The longest text in brackets that is taken for a range without a field.
const MAX_RANGE_BYTES: usize = 256;

impl Parser<'_, '_, '_> {
    /// Parses a part without signs. None if it has no searchable term.
    pub(super) fn primary(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        let has_values = self.builder.schema.field(field).kind.has_values();
        match self.peek() {
            None | Some(')') => {
                let problem =
                    LeafError::new("something is missing here").expected("expected a word, a phrase or a bracket");
                self.report(start..start, problem);
                Some(Ast::None)
            }
            Some('(') => match self.smiley() {
                Some(len) => {
                    self.pos += len;
                    self.leave_out(start..self.pos)
                }
                None => self.group(field),
            },
            Some('[' | '{') if has_values => self.range(field),
            Some('<' | '>') if has_values => self.comparison(field),
            Some('[' | '{') if self.peeks_range() => {
                let span = self.skip_brackets();
                let problem = LeafError::new("a range needs a field before it")
                    .expected("expected for example followers:[10 TO 100]; to search for the text, quote it");
                self.report(span, problem);
                Some(Ast::None)
            }
            Some('[' | '{' | ']' | '}' | '^' | '~') => {
                self.bump();
                self.leave_out(start..self.pos)
            }
            Some('#' | '＃') => self.tag("hashtag", field),
            Some('@' | '＠') => self.tag("mention", field),
            Some('$' | '＄') => self.tag("cashtag", field),
            Some(char) if is_quote(char) => self.quoted(field),
            Some('/') => self.regex(field),
            Some(_) if self.at_address() => self.address(field),
            Some(_) if self.at_bare_address() => self.bare_address(field),
            Some(_) => self.word_or_field(field),
        }
    }

    /// Whether `[` begins something like `[1 TO 2]`.
    fn peeks_range(&self) -> bool {
        let bytes = &self.rest().as_bytes()[..self.rest().len().min(MAX_RANGE_BYTES)];
        let end = bytes.iter().position(|byte| matches!(byte, b']' | b'}'));
        end.is_some_and(|end| bytes[..end].windows(4).any(|part| part == b" TO "))
    }

    /// Parses a bracket, with `~2` or `^2` after it.
    pub(super) fn group(&mut self, field: FieldId) -> Option<Ast> {
        let open = self.pos;
        let checkpoint = self.checkpoint();
        self.pos += 1;
        if let Err(problem) = self.builder.enter() {
            self.report(open..open + 1, problem);
            self.pos = self.text.len();
            return Some(Ast::None);
        }
        self.skip_space();
        let parts = if self.peek() == Some(')') { Operands::Nothing } else { self.expression(field) };
        self.builder.leave();
        if !self.eat(")") {
            // Without operators, the words mean the same with or without the bracket. A bracket at
            // the start is a group that is still typed.
            let is_typed = self.text[..open].trim().is_empty() || self.has_operator;
            if self.mistakes.len() == checkpoint.mistakes {
                if is_typed {
                    self.report(open..open + 1, LeafError::new("the bracket is not closed").expected("expected a `)`"));
                } else {
                    self.leave_out(open..open + 1);
                }
            }
            return parts.into_ast();
        }
        let is_empty = matches!(parts, Operands::Nothing);
        let closed = open..self.pos;
        let suffix = self.suffix();
        if is_empty {
            return self.leave_out(closed);
        }
        if suffix.star {
            self.leave_out(suffix.span.clone());
        }
        match suffix.tilde {
            None => parts.into_ast(),
            Some(Tilde::Number(min)) => Some(self.at_least(&closed, min as usize, parts.into_list())),
            Some(Tilde::Bare) => {
                let problem =
                    LeafError::new("a number is missing behind `~`").expected("expected as in (a OR b OR c)~2");
                self.report(suffix.span, problem);
                Some(Ast::None)
            }
        }
    }

    /// At least `min` of different alternatives.
    fn at_least(&mut self, span: &Range<usize>, min: usize, of: Vec<Ast>) -> Ast {
        let mut different: Vec<Ast> = Vec::with_capacity(of.len());
        let mut seen = std::collections::HashSet::with_capacity(of.len());
        for part in of {
            if seen.insert(super::super::canonical_text(&part, self.builder.schema)) {
                different.push(part);
            }
        }
        if min > different.len() && self.mistakes.is_empty() {
            let count = different.len();
            let problem = LeafError::new(format!("`~{min}` asks for more than the {count} different alternatives"));
            self.report(span.clone(), problem.expected(format!("expected ~1 to ~{count}")));
        }
        Ast::AtLeast { min, of: different }
    }

    /// Parses `/expression/`. A slash that no other one closes before a space is punctuation.
    pub(super) fn regex(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        self.pos += 1;
        let mut closed = false;
        while let Some(char) = self.peek() {
            // A term has no spaces. Those of a class or a group may be meant.
            if char.is_whitespace() && !self.text[start..self.pos].contains(['[', '(', '{', '\\']) {
                break;
            }
            self.bump();
            match char {
                '\\' => drop(self.bump()),
                '/' if self.pos > start + 2 => {
                    closed = self.peek().is_none_or(|char| !is_word_char(char) && !matches!(char, '/' | '.' | '_'));
                    break;
                }
                '/' => break,
                _ => {}
            }
        }
        if !closed {
            self.pos = start;
            let mut word = Word::new(start);
            self.read_word(&mut word, false);
            let text = word.text();
            if text.chars().any(is_word_char) {
                let message = format!("`{text}` was read as text, without the slash");
                self.warn(word.span.clone(), message, "a regular expression stands between two: /ru(s|t)/");
            }
            return self.word_leaf(field, word);
        }
        if self.is_too_long() {
            return Some(Ast::None);
        }
        let span = start..self.pos;
        let pattern = &self.text[start + 1..self.pos - 1];
        let suffix = self.suffix();
        if suffix.tilde.is_some() || suffix.star {
            let problem = LeafError::new("`~` and `*` do not go behind a regular expression");
            self.report(suffix.span, problem);
            return Some(Ast::None);
        }
        let built = self.builder.regex(field, pattern);
        self.leaf(span, built)
    }

    /// Skips from an opening bracket past the closing one.
    pub(super) fn skip_brackets(&mut self) -> Range<usize> {
        let start = self.pos;
        let len = self.rest().find([']', '}']).map_or(1, |at| at + 1);
        self.pos += len;
        start..self.pos
    }

    /// The length of a smiley with a bracket, if one is next: `:)`, `;-(`, `=]`, `(:`.
    pub(super) fn smiley(&self) -> Option<usize> {
        const EYES: &str = ":;=";
        const NOSES: &str = "-'^o*";
        let is_mouth = |char: char| "()[]{}".contains(char);
        let rest = self.rest();
        let first = rest.chars().next()?;
        let behind = &rest[first.len_utf8()..];
        let nose = |text: &str| text.chars().next().filter(|&char| NOSES.contains(char)).map_or(0, char::len_utf8);
        let end = if EYES.contains(first) {
            let mouths = &behind[nose(behind)..];
            let len = mouths.len() - mouths.trim_start_matches(is_mouth).len();
            if len == 0 {
                return None;
            }
            rest.len() - mouths.len() + len
        } else if is_mouth(first) {
            let eyes = &behind[nose(behind)..];
            eyes.starts_with(|char| EYES.contains(char)).then(|| rest.len() - eyes.len() + 1)?
        } else {
            return None;
        };
        let next = rest[end..].chars().next();
        // `age:(>=10 AND <20)` is a field with a group.
        let is_group = rest[..end].ends_with(['(', '[', '{']) && self.previous().is_some_and(is_word_char);
        let begins_value = |char: char| is_word_char(char) || is_quote(char) || (is_group && "<>=@#$+-".contains(char));
        next.is_none_or(|char| !begins_value(char)).then_some(end)
    }
}
