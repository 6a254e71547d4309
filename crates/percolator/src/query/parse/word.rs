//! A run of characters that may be a word.

use super::{Range, build};

/// A run of characters, of which those after a backslash are literal.
pub(super) struct Word {
    pub(super) span: Range<usize>,
    pub(super) chars: Vec<(char, bool)>,
}

impl Word {
    pub(super) fn new(start: usize) -> Word {
        Word { span: start..start, chars: Vec::new() }
    }

    /// The text, without backslashes.
    pub(super) fn text(&self) -> String {
        self.chars.iter().map(|&(char, _)| char).collect()
    }

    pub(super) fn has_wildcard(&self) -> bool {
        self.chars.iter().any(|&(char, escaped)| !escaped && matches!(char, '*' | '?'))
    }

    /// The text as a wildcard.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::new();
        for &(char, escaped) in &self.chars {
            if !escaped && matches!(char, '*' | '?') {
                pattern.push(char);
            } else {
                build::push_literal(&mut pattern, char.encode_utf8(&mut [0; 4]));
            }
        }
        pattern
    }

    /// Splits at characters without a backslash. Leaves out empty parts.
    pub(super) fn split(self, is_separator: impl Fn(char) -> bool) -> Vec<Word> {
        let span = self.span;
        let parts = self.chars.split(|&(char, escaped)| !escaped && is_separator(char));
        parts
            .filter(|chars| !chars.is_empty())
            .map(|chars| Word { span: span.clone(), chars: chars.to_vec() })
            .collect()
    }

    /// Cuts off an apostrophe with an s, and the punctuation that ends a sentence.
    pub(super) fn cut_punctuation(&mut self) {
        let ends = |chars: &[(char, bool)]| matches!(chars, [.., ('\'' | '’', false), ('s' | 'S', false)]);
        while let Some(&(char, false)) = self.chars.last()
            && ".,:;!?…'’".contains(char)
        {
            self.chars.pop();
        }
        if ends(&self.chars) {
            self.chars.truncate(self.chars.len() - 2);
        }
    }
}
