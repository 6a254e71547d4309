//! Folding: maps different spellings of a word to one term.
//!
//! Each character maps to none, one or several others ([`fold_char`]), and [`Folder`] composes the
//! result again (か and a voicing mark are が). Separators (spaces, punctuation, most symbols) are
//! neither changed nor made, so folding neither joins nor splits words. Folding is idempotent.

use std::borrow::Cow;
use std::sync::LazyLock;

use unicode_normalization::char::{canonical_combining_class, compose, decompose_compatible, is_combining_mark};

/// The role of a folded character in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Separates words.
    Gap,
    /// Part of a word.
    Word,
    /// A term of its own, with the marks after it: a character of a script without spaces.
    Solo,
    /// Belongs to the character before it.
    Mark,
    /// A term of its own: an emoji.
    Picture,
}

/// Folds a text: lower case, without accents, with unified compatibility forms. Does not split it.
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
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        if let Some(emoji) = emoji_sequence(rest) {
            folder.flush(&mut |c, _, _| result.push(c));
            result.push_str(&emoji.term);
            len = emoji.len;
        } else {
            folder.push(c, (0, 0), &mut |c, _, _| result.push(c));
        }
        rest = &rest[len..];
    }
    folder.flush(&mut |c, _, _| result.push(c));
    result.into()
}

/// An emoji of several characters that is one term.
pub(super) struct EmojiSequence<'t> {
    /// The term: the characters without those that modify them.
    pub(super) term: Cow<'t, str>,
    /// The length in the text, in bytes.
    pub(super) len: usize,
}

/// The emoji of several characters at the start of a text: a flag (two letters, or a black flag
/// with tags), a sign with the variation selector of emoji, or the keycap of `#` or `*`. A sign
/// without the selector separates words. Folding keeps the emoji as it is.
pub(super) fn emoji_sequence(text: &str) -> Option<EmojiSequence<'_>> {
    let first = text.chars().next()?;
    let behind = &text[first.len_utf8()..];
    let whole = |len: usize| EmojiSequence { term: Cow::Borrowed(&text[..len]), len };
    match first {
        '#' | '*' => behind.starts_with(KEYCAP).then(|| whole(1 + KEYCAP.len())),
        '\u{1f1e6}'..='\u{1f1ff}' => {
            let (at, second) = behind.char_indices().find(|&(_, c)| !is_ignored(c))?;
            matches!(second, '\u{1f1e6}'..='\u{1f1ff}').then(|| EmojiSequence {
                term: [first, second].iter().collect::<String>().into(),
                len: first.len_utf8() + at + second.len_utf8(),
            })
        }
        '\u{1f3f4}' => {
            let tags = behind.trim_start_matches(|c| matches!(c, '\u{e0020}'..='\u{e007f}'));
            (tags.len() < behind.len()).then(|| whole(text.len() - tags.len()))
        }
        c if is_sign_or_emoji(c) => {
            behind.starts_with(EMOJI_SELECTOR).then(|| whole(c.len_utf8() + EMOJI_SELECTOR.len_utf8()))
        }
        _ => None,
    }
}

/// The variation selector that makes an emoji of a sign.
const EMOJI_SELECTOR: char = '\u{fe0f}';
/// What follows the character of a keycap.
pub(super) const KEYCAP: &str = "\u{fe0f}\u{20e3}";

/// Signs and letters that are emoji with [`EMOJI_SELECTOR`] only.
fn is_sign_or_emoji(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{2199}'
        | '\u{21a9}'..='\u{21aa}' | '\u{24c2}' | '\u{25aa}'..='\u{25ab}' | '\u{25b6}' | '\u{25c0}'
        | '\u{2934}'..='\u{2935}' | '\u{3030}' | '\u{303d}')
}

/// A range of bytes of the text: start and end.
pub(super) type Span = (u32, u32);

/// Folds characters to composed form (NFC), each with its class and source bytes.
#[derive(Default)]
pub(super) struct Folder {
    /// The last character that marks may be composed with.
    starter: Option<(char, Class, Span)>,
    /// The marks after it that were not composed yet, with their combining class.
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

    /// Composes the starter with the marks that it can be composed with (Unicode, section 3.11,
    /// D117).
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

    /// Emits what is held back. To be called before characters bypass the folder, and at the end.
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

/// The end of the table of [`simple`]: after all kana, before Bopomofo.
const TABLE_END: usize = 0x3100;

/// The folded character and its class, if a character folds to exactly one that is not composed
/// with the one before it. Otherwise None, and [`fold_char`] folds it.
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

/// Folds a character, without composition.
fn fold_char(c: char, out: &mut impl FnMut(char)) {
    if is_ignored(c) {
        return;
    }
    if !is_folded(c) {
        return out(wide_hangul(c));
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
        // ½ would become 1⁄2, which is two words.
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
            'ى' | 'ی' | 'ے' => out('ي'),
            'ة' | 'ہ' | 'ە' => out('ه'),
            'ک' => out('ك'),
            accent if is_accent(accent) => {}
            lower => out(lower),
        }
    }
}

/// The full-width form of a half-width Hangul letter.
fn wide_hangul(c: char) -> char {
    let code = u32::from(c);
    let wide = match code {
        0xffa1..=0xffbe => code - 0xffa1 + 0x3131,
        0xffc2..=0xffc7 => code - 0xffc2 + 0x314f,
        0xffca..=0xffcf => code - 0xffca + 0x3155,
        0xffd2..=0xffd7 => code - 0xffd2 + 0x315b,
        0xffda..=0xffdc => code - 0xffda + 0x3161,
        _ => code,
    };
    char::from_u32(wide).unwrap_or(c)
}

/// Brackets that are part of one sign (㈱, ⑴), which are left out.
fn is_bracket(c: char) -> bool {
    matches!(c, '(' | ')')
}

/// Letters, digits and marks.
fn is_word_part(c: char) -> bool {
    // The modifier letter apostrophe separates words as other apostrophes do.
    (c.is_alphanumeric() && c != '\u{2bc}') || is_combining_mark(c)
}

/// Whether a character is neither a separator nor an emoji.
fn is_folded(c: char) -> bool {
    match c {
        // Hangul compatibility letters would be composed to syllables with their neighbors: ㅋㅋㅠㅠ.
        // Two of the signs are emoji.
        '\u{3131}'..='\u{318e}' | '\u{ffa0}'..='\u{ffdc}' | '\u{3297}' | '\u{3299}' => false,
        // Signs that stand for letters: ㈱, ㌔, ㎏.
        '\u{3200}'..='\u{33ff}' => true,
        c => is_word_part(c),
    }
}

/// Marks of Latin, Greek and Cyrillic letters, points of Hebrew and Arabic, hamza above and below
/// other letters, the tatweel that lengthens Arabic words, and marks of any character.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}' | '\u{6e7}'..='\u{6e8}' | '\u{6ea}'..='\u{6ed}' |
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{a66f}'..='\u{a672}' | '\u{a674}'..='\u{a67d}' | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that are invisible or only modify another one: joiners, variation selectors, skin
/// tones.
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
        // The second and third letter of a Hangul syllable belong to the first.
        Class::Mark
    } else if !is_word_part(c) {
        Class::Gap
    } else if is_unspaced(c) && c.is_alphabetic() {
        Class::Solo
    } else {
        Class::Word
    }
}

/// Scripts without spaces between words, and Hangul, whose words take many endings.
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

/// Emoji, and older symbols of the same kind.
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{231a}'..='\u{231b}' | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23fa}' | '\u{25fb}'..='\u{25fe}'
        | '\u{2600}'..='\u{2767}' | '\u{2794}'..='\u{27bf}' | '\u{2b05}'..='\u{2b07}' | '\u{2b1b}'..='\u{2b1c}'
        | '\u{2b50}' | '\u{2b55}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1f0ff}' | '\u{1f170}'..='\u{1f171}'
        | '\u{1f17e}'..='\u{1f17f}' | '\u{1f18e}' | '\u{1f191}'..='\u{1f19a}' | '\u{1f1e6}'..='\u{1f1ff}'
        | '\u{1f200}'..='\u{1f265}' | '\u{1f300}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}')
}
