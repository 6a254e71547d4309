//! Parses quoted text, in the quotes of any language.

use super::{Ast, FieldId, LeafError, Parser, Tilde};
use crate::text::{ends_in_separator, is_word_char};

/// Whether a character opens a quote, where it does not stand behind a word.
pub(super) fn is_quote(char: char) -> bool {
    matches!(char, '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '‚' | '❝' | '❞')
}

/// Whether a character may close what another one has opened.
fn closes(open: char, char: char) -> bool {
    match open {
        '‚' => matches!(char, '‘' | '’'),
        _ => is_quote(char) && char != '‚',
    }
}

fn is_hebrew(char: char) -> bool {
    matches!(char, '\u{5d0}'..='\u{5ea}')
}

impl Parser<'_, '_, '_> {
    /// Parses quoted text with `*`, `~2` or `^2` after it.
    pub(super) fn quoted(&mut self, field: FieldId) -> Option<Ast> {
        let start = self.pos;
        let Some(mut text) = self.quote() else {
            let open = self.bump().map_or(0, char::len_utf8);
            let span = start..start + open;
            if self.rest().trim().is_empty() {
                return self.leave_out(span);
            }
            self.warn(span, "the quote is not closed, and is left out", "expected another one behind the phrase");
            return None;
        };
        if self.is_too_long() {
            return Some(Ast::None);
        }
        let quoted = start..self.pos;
        let suffix = self.suffix();
        let slop = match suffix.tilde {
            None => self.phrase_slop,
            Some(Tilde::Number(slop)) => slop,
            Some(Tilde::Bare) => {
                let problem =
                    LeafError::new("a number is missing behind `~`").expected("expected as in \"near words\"~2");
                self.report(suffix.span, problem);
                0
            }
        };
        // `"foo ba*"` is how Lucene's complex phrases write a prefix.
        let inner_star = self.has_words(field)
            && text
                .strip_suffix('*')
                .is_some_and(|text| text.ends_with(is_word_char) && !self.text[..quoted.end].ends_with("\\*\""));
        if inner_star {
            text.pop();
            self.warn(
                quoted.clone(),
                "the `*` at the end of the phrase makes its last word a prefix",
                "expected as in \"foo ba\"*",
            );
        }
        let is_prefix = (suffix.star || inner_star) && !(self.has_words(field) && ends_in_separator(&text));
        let built = self.builder.text(field, &text, slop, is_prefix);
        self.leaf(quoted, built)
    }

    /// The text between quotes. None, and an error, if they are not closed.
    pub(super) fn quoted_text(&mut self) -> Option<String> {
        let start = self.pos;
        if let Some(text) = self.quote() {
            return Some(text);
        }
        let open = self.bump()?;
        self.report(
            start..start + open.len_utf8(),
            LeafError::new("the quote is not closed").expected("expected a `\"`"),
        );
        self.pos = self.text.len();
        None
    }

    /// The text between quotes. None if they are not closed, and then nothing is read.
    fn quote(&mut self) -> Option<String> {
        let start = self.pos;
        let open = self.peek().filter(|open| !self.unclosed.contains(open))?;
        self.bump();
        let mut text = String::new();
        // Quotes inside the quote that are still open.
        let mut inner = 0_usize;
        while let Some(char) = self.peek() {
            let before = self.previous();
            self.bump();
            let behind = self.peek();
            match char {
                '\\' => {
                    text.push(self.bump().unwrap_or('\\'));
                    continue;
                }
                '"' if before.is_some_and(is_hebrew) && behind.is_some_and(is_hebrew) => {}
                '"' if open == '"' && inner == 0 => return Some(text),
                char if is_quote(char)
                    && before.is_some_and(char::is_whitespace)
                    && behind.is_some_and(is_word_char) =>
                {
                    inner += 1;
                }
                char if closes(open, char) => match inner.checked_sub(1) {
                    Some(left) => inner = left,
                    None => return Some(text),
                },
                _ => {}
            }
            text.push(char);
        }
        // No later one is closed either, so looking for it stays linear.
        self.unclosed.push(open);
        self.pos = start;
        None
    }
}
