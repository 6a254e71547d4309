//! Parses `simple_query_string`, a language for search fields. It has no syntax errors: invalid
//! parts are left out.
//!
//! `+` is AND, `|` is OR, `-` is NOT, quotes make a phrase, `*` after a word makes a prefix, `~N` a
//! fuzzy word or the slop of a phrase, and brackets group. The caller chooses the operator between
//! words.

use super::{Ast, Builder, Built, FieldId, Join, LeafError};

/// Parses a text. Only an exceeded limit is an error.
pub(super) fn parse(text: &str, builder: &mut Builder<'_>, fields: &[FieldId], join: Join) -> Built {
    let mut parser = SimpleParser { chars: text.chars().collect(), pos: 0, builder, fields, join };
    let mut parts = Vec::new();
    while parser.pos < parser.chars.len() {
        parts.extend(parser.expression()?);
        // A closing bracket without an opening one.
        parser.pos += 1;
    }
    Ok(match join {
        _ if parts.is_empty() => Ast::None,
        Join::And => Ast::And(parts),
        Join::Or => Ast::Or(parts),
    })
}

struct SimpleParser<'b, 's> {
    chars: Vec<char>,
    pos: usize,
    builder: &'b mut Builder<'s>,
    fields: &'b [FieldId],
    join: Join,
}

impl SimpleParser<'_, '_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.pos).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.pos += 1;
        }
    }

    /// Parses up to a closing bracket or the end. None if no part is valid.
    fn expression(&mut self) -> Built<Option<Ast>> {
        let (mut any, mut all) = (Vec::new(), Vec::new());
        let mut join = self.join;
        loop {
            self.skip_space();
            match self.peek() {
                None | Some(')') => break,
                Some('+') => {
                    self.pos += 1;
                    join = Join::And;
                }
                Some('|') => {
                    self.pos += 1;
                    join = Join::Or;
                }
                Some(_) => {
                    let Some(part) = self.part()? else { continue };
                    if std::mem::replace(&mut join, self.join) == Join::Or && !all.is_empty() {
                        any.push(Ast::And(std::mem::take(&mut all)));
                    }
                    all.push(part);
                }
            }
        }
        if !all.is_empty() {
            any.push(Ast::And(all));
        }
        Ok((!any.is_empty()).then_some(Ast::Or(any)))
    }

    fn part(&mut self) -> Built<Option<Ast>> {
        let mut negative = false;
        self.skip_space();
        while self.peek() == Some('-') {
            negative = !negative;
            self.pos += 1;
        }
        let part = match self.peek() {
            None | Some(')' | '+' | '|') => None,
            Some(char) if char.is_whitespace() => None,
            Some('(') => {
                self.pos += 1;
                self.builder.enter()?;
                let part = self.expression()?;
                self.builder.leave();
                if self.peek() == Some(')') {
                    self.pos += 1;
                }
                part
            }
            Some('"') => {
                self.pos += 1;
                let text = self.take(|char| char == '"');
                self.pos += 1;
                let slop = self.tilde().unwrap_or(0);
                if self.peek() == Some('^') {
                    self.take(|char| char != '^' && char != '.' && !char.is_ascii_digit());
                }
                self.leaf(|builder, field| builder.text(field, &text, slop, false))?
            }
            Some(_) => {
                let text = self.take(|char| char.is_whitespace() || "()\"+|~".contains(char));
                let text = without_boost(text);
                let edits = self.tilde();
                match (text.strip_suffix('*'), edits) {
                    (_, Some(edits)) => {
                        let distance = u8::try_from(edits.min(2)).unwrap_or(2);
                        self.leaf(|builder, field| builder.fuzzy(field, &text, distance))?
                    }
                    (Some(prefix), None) => self.leaf(|builder, field| builder.text(field, prefix, 0, true))?,
                    (None, None) => self.leaf(|builder, field| builder.text(field, &text, 0, false))?,
                }
            }
        };
        Ok(part.map(|part| if negative { Ast::Not(Box::new(part)) } else { part }))
    }

    /// The text up to an operator that ends it. A backslash escapes an operator.
    fn take(&mut self, ends: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(char) = self.peek().filter(|&char| !ends(char)) {
            self.pos += 1;
            if char == '\\' {
                text.extend(self.peek());
                self.pos += 1;
            } else {
                text.push(char);
            }
        }
        text
    }

    fn tilde(&mut self) -> Option<u32> {
        if self.peek() != Some('~') {
            return None;
        }
        self.pos += 1;
        let start = self.pos;
        while self.peek().is_some_and(|char| char.is_ascii_digit()) {
            self.pos += 1;
        }
        let digits: String = self.chars[start..self.pos].iter().collect();
        Some(digits.parse().unwrap_or(2))
    }

    /// The leaf in any of the fields. None if it is valid in none of them.
    fn leaf(&mut self, build: impl Fn(&mut Builder<'_>, FieldId) -> Built) -> Built<Option<Ast>> {
        let mut any = Vec::new();
        for &field in self.fields {
            match build(self.builder, field) {
                Ok(leaf) => any.push(leaf),
                Err(problem @ LeafError { is_limit: true, .. }) => return Err(problem),
                Err(_) => {}
            }
        }
        Ok((!any.is_empty()).then_some(Ast::Or(any)))
    }
}

/// A word without the boost behind it, which changes nothing.
fn without_boost(mut word: String) -> String {
    if let Some((before, boost)) = word.rsplit_once('^')
        && boost.parse::<f64>().is_ok()
    {
        word.truncate(before.len());
    }
    word
}
