//! The analyzer: splits a text into terms, for index, percolator and queries alike.
//!
//! A word is a run of letters, digits and marks; everything else separates words. Words are folded
//! ([`fold()`]): lower case, without accents. Each character of a script without spaces, and each
//! emoji, is a term of its own, so that a phrase of them finds any word inside a text. Addresses
//! with a scheme are left out: they have a field of their own ([`url_words`]).
//!
//! Folding a text first does not change its terms: `words(fold(x))` equals `words(x)`. The analyzer
//! is independent of languages: no stemming, no stop words, no dictionaries.

mod fold;
mod url;

use std::ops::Range;

pub use fold::fold;
pub use url::{url_query_words, url_words};

use fold::{Class, Folder, KEYCAP, Span, emoji_sequence, is_ignored};

/// The length of a term in bytes, at most, which fits into one byte. Longer terms are left out of
/// documents and queries, and keep their position.
pub const MAX_TERM_BYTES: usize = 255;

/// Whether a character changes the direction of the text behind it, until the change is taken back:
/// embeddings, overrides and isolates.
#[must_use]
pub fn is_bidi_embedding(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character changes the direction of the text around it (Unicode's `Bidi_Control`).
#[must_use]
pub fn is_bidi_control(c: char) -> bool {
    is_bidi_embedding(c) || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
}

/// Calls `sink` with each word: folded term, position from 0, byte span in `text`.
pub fn words(text: &str, sink: &mut (impl FnMut(&str, u32, (u32, u32)) + ?Sized)) {
    split::<true>(text, sink);
}

/// The terms of a query for a text, in order, each with the bytes of `text` that it comes from.
#[must_use]
pub fn query_words(text: &str) -> Vec<(String, Range<usize>)> {
    let mut terms = Vec::new();
    words(text, &mut |term, _, (start, end)| terms.push((term.to_owned(), start as usize..end as usize)));
    terms
}

/// Whether a character is part of a word, or a term of its own. Otherwise it separates words, or
/// is invisible.
#[must_use]
pub fn is_word_char(c: char) -> bool {
    let mut found = false;
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    let mut folder = Folder::default();
    folder.push(c, (0, 0), &mut |_, class, _| found |= class != Class::Gap);
    folder.flush(&mut |_, class, _| found |= class != Class::Gap);
    found
}

/// Whether a text ends in a separator, so that what is appended is a word of its own.
#[must_use]
pub fn ends_in_separator(text: &str) -> bool {
    let last = text.chars().rev().find(|&c| !is_ignored(c));
    last.is_some_and(|c| !is_word_char(c)) && words_end_before(text)
}

/// Whether the last term of a text ends before the last character: an emoji may end in a sign.
fn words_end_before(text: &str) -> bool {
    let mut last = 0;
    split::<false>(text, &mut |_: &str, _, span: Span| last = span.1);
    (last as usize) < text.len()
}

/// A byte offset as tokens have it. No text that perch reads is near 4 GiB.
fn at(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

const LOWER: u8 = 1;
const UPPER: u8 = 2;
/// Continues an address.
const ADDRESS: u8 = 4;

/// The class of each byte: 0 for separators and for bytes that are not ASCII.
const BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let mut class = 0;
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            class |= LOWER;
        }
        if byte.is_ascii_uppercase() {
            class |= UPPER;
        }
        if byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"') {
            class |= ADDRESS;
        }
        table[byte as usize] = class;
        byte += 1;
    }
    table
};

fn class_of_byte(byte: u8) -> u8 {
    BYTES[usize::from(byte)]
}

/// Splits a text into folded terms, without addresses if `SKIP_ADDRESSES`.
///
/// Runs of ASCII bypass the [`Folder`], which all other characters need.
fn split<const SKIP_ADDRESSES: bool>(text: &str, sink: &mut (impl FnMut(&str, u32, Span) + ?Sized)) {
    let bytes = text.as_bytes();
    let mut terms = Terms { sink, term: String::new(), span: (0, 0), position: 0, state: State::Gap };
    let mut folder = Folder::default();
    let mut here = 0;
    while let Some(&byte) = bytes.get(here) {
        if !byte.is_ascii() {
            if let Some(emoji) = emoji_sequence(&text[here..]) {
                folder.flush(&mut |c, class, span| terms.push(c, class, span));
                terms.emoji(&emoji.term, (at(here), at(here + emoji.len)));
                here += emoji.len;
                continue;
            }
            let c = text[here..].chars().next().expect("a byte that is not ASCII starts a character");
            let end = here + c.len_utf8();
            folder.push(c, (at(here), at(end)), &mut |c, class, span| terms.push(c, class, span));
            here = end;
            continue;
        }
        folder.flush(&mut |c, class, span| terms.push(c, class, span));
        let start = here;
        if terms.state == State::Address {
            here += bytes[here..].iter().take_while(|&&byte| class_of_byte(byte) & ADDRESS != 0).count();
            if bytes.get(here).is_some_and(u8::is_ascii) {
                terms.state = State::Gap;
            }
            continue;
        }
        let mut seen = 0;
        while let Some(&byte) = bytes.get(here)
            && class_of_byte(byte) & (LOWER | UPPER) != 0
        {
            seen |= class_of_byte(byte);
            here += 1;
        }
        if here == start {
            if matches!(byte, b'#' | b'*') && text[here + 1..].starts_with(KEYCAP) {
                let end = here + 1 + KEYCAP.len();
                terms.emoji(&text[here..end], (at(here), at(end)));
                here = end;
                continue;
            }
            here += 1;
            if SKIP_ADDRESSES
                && byte == b':'
                && terms.state == State::Word
                && is_scheme(&terms.term)
                && let Some(behind) = after_slashes(text, here)
            {
                terms.term.clear();
                terms.state = State::Address;
                here = behind;
                continue;
            }
            terms.end();
            continue;
        }
        let word = &text[start..here];
        if terms.state == State::Gap && bytes.get(here).is_none_or(u8::is_ascii) {
            if SKIP_ADDRESSES
                && bytes.get(here) == Some(&b':')
                && is_scheme(word)
                && let Some(behind) = after_slashes(text, here + 1)
            {
                terms.state = State::Address;
                here = behind;
                continue;
            }
            terms.ascii(word, seen & UPPER != 0, (at(start), at(here)));
        } else {
            terms.append_ascii(word, (at(start), at(here)));
        }
    }
    folder.flush(&mut |c, class, span| terms.push(c, class, span));
    terms.end();
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("http") || word.eq_ignore_ascii_case("https")
}

/// The offset after two slashes at `here`, between which there may be characters that fold to
/// nothing.
fn after_slashes(text: &str, here: usize) -> Option<usize> {
    let mut seen = text[here..].char_indices().filter(|&(_, c)| !is_ignored(c));
    match (seen.next(), seen.next()) {
        (Some((_, '/')), Some((second, '/'))) => Some(here + second + 1),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between words. `term` is empty.
    Gap,
    /// In a word.
    Word,
    /// After a character that is a term of its own and may get marks.
    Solo,
    /// In an address.
    Address,
}

/// Assembles folded characters to terms.
struct Terms<'a, S: ?Sized> {
    sink: &'a mut S,
    /// The term so far.
    term: String,
    /// The source bytes of the term.
    span: Span,
    /// The position of the term.
    position: u32,
    state: State,
}

impl<S: FnMut(&str, u32, Span) + ?Sized> Terms<'_, S> {
    /// Adds a folded character.
    fn push(&mut self, c: char, class: Class, span: Span) {
        if self.state == State::Address {
            if c.is_ascii() && class_of_byte(c as u8) & ADDRESS != 0 {
                return;
            }
            self.state = State::Gap;
        }
        match class {
            Class::Gap => self.end(),
            Class::Word => {
                if self.state == State::Solo {
                    self.end();
                }
                self.append(c, span);
                self.state = State::Word;
            }
            Class::Mark => {
                self.append(c, span);
                if self.state == State::Gap {
                    self.state = State::Word;
                }
            }
            Class::Solo => {
                self.end();
                self.append(c, span);
                self.state = State::Solo;
            }
            Class::Picture => {
                self.end();
                self.append(c, span);
                self.end();
            }
        }
    }

    /// Adds an emoji of several characters.
    fn emoji(&mut self, emoji: &str, span: Span) {
        self.end();
        (self.sink)(emoji, self.position, span);
        self.position += 1;
    }

    fn append(&mut self, c: char, span: Span) {
        self.widen(span);
        self.term.push(c);
    }

    fn widen(&mut self, span: Span) {
        if self.term.is_empty() {
            self.span = span;
        } else {
            self.span.1 = self.span.1.max(span.1);
        }
    }

    /// Adds a run of ASCII letters and digits that is part of a word.
    fn append_ascii(&mut self, run: &str, span: Span) {
        if self.state == State::Solo {
            self.end();
        }
        self.widen(span);
        let start = self.term.len();
        self.term.push_str(run);
        self.term[start..].make_ascii_lowercase();
        self.state = State::Word;
    }

    /// Adds a whole word of ASCII letters and digits.
    fn ascii(&mut self, word: &str, has_upper: bool, span: Span) {
        if has_upper {
            self.append_ascii(word, span);
            self.end();
        } else {
            (self.sink)(word, self.position, span);
            self.position += 1;
        }
    }

    /// Ends the term, if there is one.
    fn end(&mut self) {
        if !self.term.is_empty() {
            (self.sink)(&self.term, self.position, self.span);
            self.position += 1;
            self.term.clear();
        }
        self.state = State::Gap;
    }
}

#[cfg(test)]
mod tests;
