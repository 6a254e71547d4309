//! Parses addresses, with or without a scheme.

use super::{Ast, FieldId, Parser, build, is_quote};

impl Parser<'_, '_, '_> {
    pub(super) fn at_address(&self) -> bool {
        ["http://", "https://"]
            .iter()
            .any(|scheme| self.rest().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    }

    /// Whether an address with a path and without a scheme is next: `example.com/a?b=c`.
    pub(super) fn at_bare_address(&self) -> bool {
        let rest = self.rest();
        let host = rest.find(|char: char| !(char.is_alphanumeric() || matches!(char, '.' | '-'))).unwrap_or(rest.len());
        rest[host..].starts_with('/') && rest[..host].contains('.') && build::starts_with_host(&rest[..host])
    }

    /// Parses an address with a scheme.
    pub(super) fn address(&mut self, field: FieldId) -> Option<Ast> {
        self.address_leaf(self.url.unwrap_or(field))
    }

    /// Parses an address without a scheme: text, or a link.
    pub(super) fn bare_address(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        let text = self.address_text();
        let span = start..self.pos;
        let literal = text.strip_suffix('*').unwrap_or(&text);
        match self.bare_host(field, literal) {
            Some(_) if literal.len() < text.len() && !literal.ends_with('/') => {
                let url = self.url?;
                let as_text = self.builder.text(field, literal, 0, true);
                let as_link = self.builder.text(url, literal, 0, true);
                Some(Ast::Or(vec![self.leaf(span.clone(), as_text)?, self.leaf(span, as_link)?]))
            }
            Some(host) => self.text_or_link(field, span, &host),
            None => {
                let built = self.builder.text(field, literal, 0, false);
                self.leaf(span, built)
            }
        }
    }

    /// Parses an address as a leaf of a field. A `*` at its end makes the last word a prefix.
    pub(super) fn address_leaf(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        let text = self.address_text();
        let span = start..self.pos;
        let literal = text.trim_end_matches('*');
        let is_prefix = literal.len() < text.len() && !crate::text::ends_in_separator(literal);
        let has_host = build::has_host(literal);
        if !has_host {
            return self.leave_out(span);
        }
        let built = self.builder.text(field, literal, 0, is_prefix);
        self.leaf(span, built)
    }

    /// The text of an address, up to a space. It has no operators, and its brackets are balanced.
    fn address_text(&mut self) -> String {
        let start = self.pos;
        let mut open = 0_usize;
        while let Some(char) = self.peek() {
            match char {
                '(' => open += 1,
                ')' if open == 0 => break,
                ')' => open -= 1,
                char if char.is_whitespace() || is_quote(char) => break,
                _ => {}
            }
            self.bump();
        }
        // A bracket that is not closed here belongs to what follows.
        if open > 0 {
            let end = self.text[start..self.pos].rfind('(').unwrap_or(self.pos - start);
            self.pos = start + end;
        }
        self.text[start..self.pos].to_owned()
    }
}
