//! Folding: what makes two spellings of a word one term.
//!
//! Each character becomes none, one or several others ([`fold_char`]), and [`Folder`] puts what belongs together
//! together again (か and a voicing mark are が). Gaps (spaces, punctuation, most symbols) are never touched, and none
//! is ever made, so that folding neither joins nor splits words. Folding what is folded changes nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use unicode_normalization::char::{canonical_combining_class, compose, decompose_compatible, is_combining_mark};

/// What a folded character does to the words around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Ends a word and is no part of one.
    Gap,
    /// Goes on with a word or starts one.
    Word,
    /// Is a term of its own, together with the marks behind it: scripts that are written without spaces.
    Solo,
    /// Belongs to what stands before it.
    Mark,
    /// Is a term of its own: emoji.
    Picture,
}

/// Lower case, without accents, compatibility forms unified; not split.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            text.to_ascii_lowercase().into()
        } else {
            text.into()
        };
    }
    let mut result = String::with_capacity(text.len());
    let mut folder = Folder::default();
    for c in text.chars() {
        folder.push(c, (0, 0), &mut |c, _, _| result.push(c));
    }
    folder.flush(&mut |c, _, _| result.push(c));
    result.into()
}

/// Where something stands in the text: its first byte and the one behind its last.
pub(super) type Span = (u32, u32);

/// Takes characters and gives folded ones in composed form (NFC), each with its class and the place it comes from.
#[derive(Default)]
pub(super) struct Folder {
    /// The last character that others may be composed with.
    starter: Option<(char, Class, Span)>,
    /// The marks behind it that were not composed with it yet, with their combining class.
    marks: Vec<(u8, char, Span)>,
}

impl Folder {
    /// Folds a character.
    #[inline]
    pub(super) fn push(&mut self, c: char, span: Span, out: &mut impl FnMut(char, Class, Span)) {
        match simple(c) {
            Some((folded, class)) => {
                self.flush(out);
                self.starter = Some((folded, class, span));
            }
            None => fold_char(c, &mut |folded| self.push_folded(folded, span, out)),
        }
    }

    fn push_folded(&mut self, c: char, span: Span, out: &mut impl FnMut(char, Class, Span)) {
        match canonical_combining_class(c) {
            0 => {
                self.compose_marks();
                if let (Some((starter, class, at)), true) = (&mut self.starter, self.marks.is_empty())
                    && let Some(composed) = compose(*starter, c)
                {
                    (*starter, *class, at.1) = (composed, class_of(composed), span.1);
                    return;
                }
                self.flush(out);
                self.starter = Some((c, class_of(c), span));
            }
            combining => {
                let at = self.marks.partition_point(|mark| mark.0 <= combining);
                self.marks.insert(at, (combining, c, span));
            }
        }
    }

    /// Composes the starter with the marks that it can be composed with (Unicode, section 3.11, D117).
    fn compose_marks(&mut self) {
        let Some((starter, class, at)) = &mut self.starter else { return };
        let mut blocked = 0;
        self.marks.retain(|&(combining, mark, span)| {
            if blocked < combining
                && let Some(composed) = compose(*starter, mark)
            {
                (*starter, *class, at.1) = (composed, class_of(composed), at.1.max(span.1));
                return false;
            }
            blocked = combining;
            true
        });
    }

    /// Gives out what is held back. To be called before characters go around the folder, and at the end.
    #[inline]
    pub(super) fn flush(&mut self, out: &mut impl FnMut(char, Class, Span)) {
        if !self.marks.is_empty() {
            self.compose_marks();
        }
        if let Some((c, class, span)) = self.starter.take() {
            out(c, class, span);
        }
        for (_, c, span) in self.marks.drain(..) {
            out(c, class_of(c), span);
        }
    }
}

/// Where the table of [`simple`] ends: before the Bopomofo, behind all kana.
const TABLE_END: usize = 0x3100;

/// The character that this one becomes, and its class, when that is all that happens to it: exactly one comes out,
/// and it is not composed with what stands before it. `None`: [`fold_char`] knows.
#[inline]
fn simple(c: char) -> Option<(char, Class)> {
    static TABLE: LazyLock<Vec<Option<(char, Class)>>> =
        LazyLock::new(|| ('\0'..).take(TABLE_END).map(compute_simple).collect());
    match c {
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => Some((c, Class::Solo)),
        '\u{1f300}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}' => Some((c, Class::Picture)),
        _ => TABLE.get(c as usize).copied().flatten(),
    }
}

/// [`simple`], without a table.
fn compute_simple(c: char) -> Option<(char, Class)> {
    let mut folded = None;
    let mut count = 0;
    fold_char(c, &mut |c| {
        folded = Some(c);
        count += 1;
    });
    let folded = folded.filter(|_| count == 1)?;
    let class = class_of(folded);
    let apart = canonical_combining_class(folded) == 0 && class != Class::Mark;
    apart.then_some((folded, class))
}

/// What a character becomes, before composition.
fn fold_char(c: char, out: &mut impl FnMut(char)) {
    if is_ignored(c) {
        return;
    }
    if !is_folded(c) {
        return out(c);
    }
    let mut words_only = true;
    decompose_compatible(c, |part| words_only &= is_word_part(part) || is_bracket(part));
    if words_only {
        decompose_compatible(c, |part| {
            if !is_bracket(part) {
                lower(part, out);
            }
        });
    } else {
        // ½ would become 1⁄2, and so two words.
        lower(c, out);
    }
}

fn lower(c: char, out: &mut impl FnMut(char)) {
    for lower in c.to_lowercase() {
        match lower {
            'ß' => {
                out('s');
                out('s');
            }
            'æ' => {
                out('a');
                out('e');
            }
            'œ' => {
                out('o');
                out('e');
            }
            'þ' => {
                out('t');
                out('h');
            }
            'ø' => out('o'),
            'ł' => out('l'),
            'đ' | 'ð' => out('d'),
            'ħ' => out('h'),
            'ŧ' => out('t'),
            'ı' => out('i'),
            'ς' => out('σ'),
            accent if is_accent(accent) => {}
            lower => out(lower),
        }
    }
}

/// Brackets around a character that is one sign (㈱, ⑴) are left out.
fn is_bracket(c: char) -> bool {
    matches!(c, '(' | ')')
}

/// Letters, digits and marks: what words are made of.
fn is_word_part(c: char) -> bool {
    // The modifier letter apostrophe divides words as other apostrophes do.
    (c.is_alphanumeric() && c != '\u{2bc}') || is_combining_mark(c)
}

/// Whether the character is more than a gap or a picture.
fn is_folded(c: char) -> bool {
    match c {
        // Letters for single sounds of Hangul would be composed to syllables with their neighbors: ㅋㅋㅠㅠ. Two of the signs are emoji.
        '\u{3131}'..='\u{318e}' | '\u{ffa0}'..='\u{ffdc}' | '\u{3297}' | '\u{3299}' => false,
        // Signs that are one or more letters: ㈱, ㌔, ㎏.
        '\u{3200}'..='\u{33ff}' => true,
        c => is_word_part(c),
    }
}

/// Marks of Latin, Greek and Cyrillic letters (and those that any sign can have).
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{a66f}'..='\u{a672}' | '\u{a674}'..='\u{a67d}' | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that nobody sees, or that only say how another one looks: joiners, variation selectors, skin tones.
pub(super) fn is_ignored(c: char) -> bool {
    is_accent(c)
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The class of a folded character.
pub(super) fn class_of(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() { Class::Word } else { Class::Gap };
    }
    if is_picture(c) {
        Class::Picture
    } else if is_combining_mark(c) || matches!(c, '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7fb}') {
        // The second and third sound of a syllable of Hangul belong to the first.
        Class::Mark
    } else if !is_word_part(c) {
        Class::Gap
    } else if is_unspaced(c) && c.is_alphabetic() {
        Class::Solo
    } else {
        Class::Word
    }
}

/// Scripts without spaces between words, or with words that take many endings (Hangul).
fn is_unspaced(c: char) -> bool {
    matches!(c,
        // Thai, Lao
        '\u{e00}'..='\u{eff}'
        // Myanmar
        | '\u{1000}'..='\u{109f}' | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}'
        // Khmer
        | '\u{1780}'..='\u{17ff}'
        // Hangul
        | '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}'
        | '\u{ffa1}'..='\u{ffdc}'
        // Han, kana, Bopomofo and their iteration and length marks
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{1aff0}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Emoji, and the symbols of their kind that came before them.
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{231a}'..='\u{231b}' | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23fa}' | '\u{25fb}'..='\u{25fe}'
        | '\u{2600}'..='\u{2767}' | '\u{2794}'..='\u{27bf}' | '\u{2b05}'..='\u{2b07}' | '\u{2b1b}'..='\u{2b1c}'
        | '\u{2b50}' | '\u{2b55}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1f0ff}' | '\u{1f170}'..='\u{1f171}'
        | '\u{1f17e}'..='\u{1f17f}' | '\u{1f18e}' | '\u{1f191}'..='\u{1f19a}' | '\u{1f1e6}'..='\u{1f1ff}'
        | '\u{1f200}'..='\u{1f265}' | '\u{1f300}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}')
}
