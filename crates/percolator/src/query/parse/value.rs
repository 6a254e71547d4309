//! Parses what may follow `field:`.

use super::{Ast, FieldId, Kind, LeafError, Parser, Phrase, Range, RangeBound, Word, build, is_boundary, is_quote};

impl Parser<'_, '_, '_> {
    /// Parses the value behind a field and its colon.
    pub(super) fn value(&mut self, field: FieldId) -> Option<Ast> {
        let mut is_excluded = false;
        while self.value_sign(field) {
            is_excluded = !is_excluded;
        }
        let value = self.value_without_sign(field)?;
        Some(if is_excluded { Ast::Not(Box::new(value)) } else { value })
    }

    /// Parses a sign or `NOT` behind a colon, which excludes the value behind it.
    fn value_sign(&mut self, field: FieldId) -> bool {
        let start = self.pos;
        self.skip_space();
        let sign = self.pos;
        let has_terms = self.builder.schema.field(field).kind.has_terms();
        let is_sign = has_terms && matches!(self.peek(), Some('-' | '!'));
        if is_sign && self.peek_second().is_some_and(|char| !is_boundary(char)) {
            self.bump();
            let name = &self.builder.schema.field(field).name;
            let message = format!("the sign behind `{name}:` was read as standing before it");
            self.warn(sign..self.pos, message, format!("expected -{name}:word"));
            return true;
        }
        if self.operator("NOT", "").is_some() {
            self.skip_space();
            if !self.at_end() && self.peek() != Some(')') {
                return true;
            }
        }
        self.pos = start;
        false
    }

    fn value_without_sign(&mut self, field: FieldId) -> Option<Ast> {
        let colon = self.pos;
        self.skip_space();
        let start = self.pos;
        let kind = self.builder.schema.field(field).kind;
        match self.peek() {
            None | Some(')') => {
                let name = &self.builder.schema.field(field).name;
                let problem = LeafError::new(format!("a value is missing behind `{name}:`"));
                self.report(colon..colon, problem.expected(format!("expected a value, or {name}:* for any")));
                Some(Ast::None)
            }
            Some('(') => self.group(field),
            Some('[' | '{') => self.range(field),
            Some('<' | '>') => self.comparison(field),
            Some('=') => self.exact(field),
            Some('/') if kind.has_terms() => self.regex(field),
            Some(char) if is_quote(char) => self.quoted(field),
            Some(_) if kind == Kind::Url && self.at_address() => self.address_leaf(field),
            Some(_) if kind == Kind::Url && self.has_path() => self.address_leaf(field),
            Some(_) => self.word_value(field, start),
        }
    }

    /// Whether an address with path or parameters is next, in which `?`, `~` and brackets are no
    /// operators.
    fn has_path(&self) -> bool {
        let token = self.rest().split(|char: char| char.is_whitespace() || is_quote(char)).next().unwrap_or_default();
        let has_host = |text: &str| text.trim_start_matches(['/', '.']).contains(crate::text::is_word_char);
        match token.find(['/', '?']) {
            Some(at) if token[at..].starts_with('/') => {
                has_host(token) && !token[at..].trim_end_matches('*').contains('*')
            }
            Some(at) => token[at..].contains('='),
            None => false,
        }
    }

    fn word_value(&mut self, field: FieldId, start: usize) -> Option<Ast> {
        let kind = self.builder.schema.field(field).kind;
        let word = self.word();
        let behind = self.pos;
        self.skip_space();
        if self.peek() == Some('[') {
            match word.text().to_ascii_uppercase().as_str() {
                "IN" => return Some(self.one_of(field)),
                "WITHIN" if kind == Kind::Point => return self.within(&word, Some(field)),
                "NEAR" if kind == Kind::Point => return self.near(&word, Some(field)),
                _ => {}
            }
        }
        self.pos = behind;
        if word.chars.is_empty() {
            self.bump();
            return Some(self.no_value(start..self.pos));
        }
        self.values(field, word)
    }

    /// The leaves of values with commas between them, of which any may match.
    fn values(&mut self, field: FieldId, mut word: Word) -> Option<Ast> {
        let kind = self.builder.schema.field(field).kind;
        if kind == Kind::Text || (kind == Kind::Integer && build::is_grouped_number(&word.text())) {
            return self.word_leaf(field, word);
        }
        let span = word.span.clone();
        word.cut_punctuation();
        if word.chars.is_empty() {
            return self.leave_out(span);
        }
        let mut parts: Vec<Word> = Word { span: span.clone(), chars: word.chars }.split(|char| char == ',');
        if parts.len() < 2 {
            let Some(word) = parts.pop() else { return Some(self.no_value(span)) };
            return self.word_leaf(field, word);
        }
        let mut any = Vec::with_capacity(parts.len());
        for mut part in parts {
            part.cut_punctuation();
            if !part.chars.is_empty() {
                any.extend(self.wildcard_or_text(field, part));
            }
        }
        self.suffix();
        (!any.is_empty()).then_some(Ast::Or(any))
    }

    /// Parses a number or date, without spaces or quoted.
    pub(super) fn literal(&mut self) -> (Range<usize>, String) {
        self.skip_space();
        let start = self.pos;
        if self.peek().is_some_and(is_quote) {
            let text = self.quoted_text().unwrap_or_default();
            return (start..self.pos, text);
        }
        let mut word = self.word();
        word.cut_punctuation();
        (start..self.pos, word.text())
    }

    /// Parses `>=5`, `>5`, `<=5`, `<5`.
    pub(super) fn comparison(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        let above = self.bump() == Some('>');
        let included = self.eat("=");
        let (literal, text) = self.literal();
        let end = Some(RangeBound { text: &text, included });
        let built = if above { self.builder.range(field, end, None) } else { self.builder.range(field, None, end) };
        self.suffix();
        self.leaf(start..literal.end, built)
    }

    /// Parses `[10 TO 100}`, with `*` for an open bound.
    pub(super) fn range(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        let lower_included = self.bump() == Some('[');
        let (_, lower) = self.literal();
        let to = self.operator("TO", "").is_some();
        let (_, upper) = if to { self.literal() } else { Default::default() };
        self.skip_space();
        let upper_included = match self.peek() {
            Some(']') if to && !lower.is_empty() && !upper.is_empty() => true,
            Some('}') if to && !lower.is_empty() && !upper.is_empty() => false,
            _ => {
                self.pos = start;
                let span = self.skip_brackets();
                self.report(
                    span,
                    LeafError::new("this is no range").expected("expected as in [10 TO 100], {10 TO 100} or [10 TO *]"),
                );
                return Some(Ast::None);
            }
        };
        self.pos += 1;
        let span = start..self.pos;
        self.suffix();
        let end = |text, included| if text == "*" { None } else { Some(RangeBound { text, included }) };
        let built = self.builder.range(field, end(&lower, lower_included), end(&upper, upper_included));
        self.leaf(span, built)
    }

    /// Parses `[en de]` after `IN`.
    fn one_of(&mut self, field: FieldId) -> Ast {
        let open = self.pos;
        self.pos += 1;
        let mut any = Vec::new();
        let ends = |char: char| char.is_whitespace() || is_quote(char) || "()[]{},".contains(char);
        self.builder.begin_list();
        loop {
            self.skip_space();
            while self.eat(",") {
                self.skip_space();
            }
            let start = self.pos;
            let text = match self.peek() {
                Some(']') => break,
                Some(char) if is_quote(char) => match self.quoted_text() {
                    Some(text) => text,
                    None => return Ast::None,
                },
                Some(char) if !ends(char) => {
                    let mut text = String::new();
                    while let Some(char) = self.peek().filter(|&char| !ends(char)) {
                        self.bump();
                        text.push(if char == '\\' { self.bump().unwrap_or('\\') } else { char });
                    }
                    text
                }
                _ => {
                    if self.mistakes.is_empty() || !self.at_end() {
                        let problem =
                            LeafError::new("the list is not closed").expected("expected as in lang:IN [en de]");
                        self.report(open..open + 1, problem);
                    }
                    self.builder.end_list();
                    return Ast::None;
                }
            };
            let built = self.builder.text(field, &text, 0, false);
            any.extend(self.leaf(start..self.pos, built));
            if self.at_end() && !self.mistakes.is_empty() {
                break;
            }
        }
        self.builder.end_list();
        self.eat("]");
        self.list_bytes += self.pos - open;
        if any.is_empty() {
            self.report(open..self.pos, LeafError::new("the list is empty").expected("expected as in lang:IN [en de]"));
        }
        Ast::Or(any)
    }

    /// Parses `=word`, `="a term"`, `=("a" "phrase")`: terms as documents have them, without
    /// analysis. A number or date is parsed as after `field:`.
    fn exact(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        self.pos += 1;
        if !self.builder.schema.field(field).kind.has_terms() {
            let (span, text) = self.literal();
            self.suffix();
            let built = self.builder.text(field, &text, 0, false);
            return self.leaf(span, built);
        }
        let leaf = match self.peek() {
            Some('(') => self.exact_phrase(field),
            Some(char) if is_quote(char) => self.quoted_text().map(|term| {
                let suffix = self.suffix();
                match suffix.tilde {
                    Some(tilde) => Ast::Fuzzy { field, term, distance: tilde.distance() },
                    None if suffix.star => Ast::Prefix { field, prefix: term },
                    None => Ast::Term { field, term },
                }
            }),
            _ => {
                let word = self.word();
                Some(if word.has_wildcard() {
                    Ast::Wildcard { field, pattern: word.pattern() }
                } else {
                    Ast::Term { field, term: word.text() }
                })
            }
        };
        let Some(leaf) = leaf else {
            if self.mistakes.is_empty() {
                self.take(|char| char != ')');
                self.eat(")");
                let problem = LeafError::new("this is no list of terms").expected(r#"expected as in text:=("a" "b")"#);
                self.report(start..self.pos, problem);
            }
            return Some(Ast::None);
        };
        let built = self.builder.check_leaf(&leaf).map(|()| leaf);
        self.leaf(start..self.pos, built)
    }

    fn exact_phrase(&mut self, field: FieldId) -> Option<Ast> {
        self.pos += 1;
        let (mut terms, mut last_is_prefix) = (Vec::new(), false);
        loop {
            self.skip_space();
            if self.eat(")") {
                break;
            }
            if last_is_prefix || !self.peek().is_some_and(is_quote) {
                return None;
            }
            terms.push(self.quoted_text()?);
            last_is_prefix = self.eat("*");
        }
        let slop = self.suffix().tilde.map_or(0, |tilde| tilde.or(1));
        Some(Ast::Phrase(Phrase { field, terms, slop, last_is_prefix }))
    }
}
