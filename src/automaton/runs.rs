//! The runs of fixed characters of a pattern, found by one scan: for prefixes, wildcards, and the regular expressions that people write.
//!
//! An expression of another kind, or one in which too little is fixed for a scan, is left to [`super::literal`], which reads
//! it properly and knows alternatives. What a scan finds is true of every term that matches; a property test holds it against the automata.

use std::iter::Peekable;
use std::ops::Range;
use std::str::Chars;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::literal::simple;

/// So many characters in a row say enough.
const ENOUGH: usize = 3;
/// And so many at both ends together.
const ENOUGH_AT_ENDS: usize = 4;

/// What every term that matches a pattern starts with, ends with, and has inside; in simple form ([`simple`]).
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// All fixed characters, in their order.
    chars: Vec<char>,
    /// Where the first run ends, when the pattern starts with one.
    prefix: usize,
    /// The longest run, or the last of those.
    inner: Range<usize>,
    /// Where the present run starts.
    start: usize,
    /// Whether anything is not fixed.
    is_open: bool,
}

impl Runs {
    /// At the start.
    pub(crate) fn prefix(&self) -> &[char] {
        &self.chars[..self.prefix]
    }

    /// At the end, behind the prefix.
    pub(crate) fn suffix(&self) -> &[char] {
        &self.chars[self.start..]
    }

    /// Anywhere.
    pub(crate) fn inner(&self) -> &[char] {
        &self.chars[self.inner.clone()]
    }

    /// All fixed characters.
    pub(crate) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// Whether there is something between the runs, or beside them. Otherwise all are the whole term.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the term has the runs at its ends, without which it can't match.
    pub(crate) fn may_be_in(&self, term: &str) -> bool {
        let mut front = term.chars().map(simple);
        let mut back = term.chars().rev().map(simple);
        self.prefix().iter().all(|&fixed| front.next() == Some(fixed))
            && self.suffix().iter().rev().all(|&fixed| back.next() == Some(fixed))
    }

    /// Takes a prefix.
    pub(crate) fn of_prefix(&mut self, prefix: &str) {
        self.clear();
        prefix.chars().for_each(|char| self.fixed(char));
        self.open();
        self.end();
    }

    /// Takes a wildcard: `?` is any one character, `*` any number of them, `\` takes the next as it is.
    pub(crate) fn of_wildcard(&mut self, pattern: &str) {
        self.clear();
        let mut chars = pattern.chars();
        while let Some(char) = chars.next() {
            match char {
                '?' | '*' => self.open(),
                '\\' => self.fixed(chars.next().unwrap_or('\\')),
                char => self.fixed(char),
            }
        }
        self.end();
    }

    /// Takes a regular expression. False when that is left to others; then the runs mean nothing.
    pub(crate) fn of_regex(&mut self, pattern: &str) -> bool {
        self.clear();
        let mut chars = pattern.chars().peekable();
        while let Some(char) = chars.next() {
            let fixed = match char {
                '.' => None,
                '[' if skip(&mut chars, ']', char::is_alphanumeric) => None,
                '(' if skip(&mut chars, ')', |char| char == '|' || char.is_alphanumeric()) => None,
                '\\' => match chars.next() {
                    Some('d' | 'D' | 's' | 'S' | 'w' | 'W') => None,
                    Some(sign) if regex_syntax::is_escapeable_character(sign) => Some(sign),
                    _ => return false,
                },
                sign if regex_syntax::is_meta_character(sign) => return false,
                char if is_one(char) => Some(char),
                _ => return false,
            };
            let times = chars.next_if(|char| matches!(char, '?' | '*' | '+'));
            if matches!(chars.peek(), Some('?' | '*' | '+' | '{')) {
                return false;
            }
            match (fixed, times) {
                (Some(char), None) => self.fixed(char),
                (Some(char), Some('+')) => {
                    self.fixed(char);
                    self.open();
                }
                _ => self.open(),
            }
        }
        self.end();
        let (prefix, suffix) = (self.prefix().len(), self.suffix().len());
        !self.is_open || self.inner.len() >= ENOUGH || prefix > 0 && suffix > 0 && prefix + suffix >= ENOUGH_AT_ENDS
    }

    fn clear(&mut self) {
        self.chars.clear();
        (self.prefix, self.inner, self.start, self.is_open) = (0, 0..0, 0, false);
    }

    fn fixed(&mut self, char: char) {
        self.chars.push(simple(char));
    }

    /// Something that is not fixed comes next.
    fn open(&mut self) {
        self.end_run();
        if !self.is_open {
            self.prefix = self.chars.len();
        }
        self.start = self.chars.len();
        self.is_open = true;
    }

    fn end(&mut self) {
        self.end_run();
        if !self.is_open {
            self.prefix = self.chars.len();
        }
    }

    fn end_run(&mut self) {
        let run = self.start..self.chars.len();
        if run.len() >= self.inner.len().min(ENOUGH) {
            self.inner = run;
        }
    }
}

/// Goes behind the end of a class or group of nothing but such characters.
fn skip(chars: &mut Peekable<Chars<'_>>, end: char, is_plain: impl Fn(char) -> bool) -> bool {
    let mut n = 0;
    while chars.next_if(|&char| is_plain(char)).is_some() {
        n += 1;
    }
    n > 0 && chars.next() == Some(end)
}

/// Whether all characters that differ from this one by case only have its simple form.
fn is_one(char: char) -> bool {
    if char.is_ascii() {
        return true;
    }
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(char, char)]);
    class.try_case_fold_simple().is_ok()
        && class.iter().flat_map(|range| range.start()..=range.end()).all(|other| simple(other) == simple(char))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::TermAutomaton;
    use super::super::literal;
    use super::*;

    fn show(chars: &[char]) -> String {
        chars.iter().collect()
    }

    fn regex(pattern: &str) -> Option<[String; 3]> {
        let mut runs = Runs::default();
        runs.of_regex(pattern).then(|| [show(runs.prefix()), show(runs.inner()), show(runs.suffix())])
    }

    #[test]
    fn wildcards_have_the_characters_around_their_signs() {
        let mut runs = Runs::default();
        runs.of_wildcard("colo?r*");
        assert_eq!((show(runs.prefix()), show(runs.suffix())), ("colo".into(), String::new()));
        runs.of_wildcard("*ing");
        assert_eq!((show(runs.prefix()), show(runs.suffix())), (String::new(), "ing".into()));
        runs.of_wildcard("*\\*a*");
        assert_eq!(show(runs.inner()), "*a");
        runs.of_wildcard("a\\");
        assert!(!runs.is_open() && show(runs.prefix()) == "a\\");
    }

    #[test]
    fn plain_expressions_need_no_parser() {
        let runs = |parts: [&str; 3]| Some(parts.map(str::to_owned));
        assert_eq!(regex("gre[ae]ting"), runs(["gre", "ting", "ting"]));
        assert_eq!(regex("colou?r"), runs(["colo", "colo", "r"]));
        assert_eq!(regex("GO+al\\.net"), runs(["go", "al.net", "al.net"]));
        assert_eq!(regex("größe.*"), None, "another character has the same lower case as ß");
        assert_eq!(regex("grün\\w+"), runs(["grün", "grün", ""]));
        assert_eq!(regex("word"), runs(["word", "word", "word"]));
        for other in
            ["a|b", "(?x)a b c", "abc{0}", "abc+*", "[^a]bcd", "a[b&&c]def", "\\x61bcd", "^abc", "(ab", "[ab", "a.b"]
        {
            assert_eq!(regex(other), None, "{other}");
        }
    }

    #[test]
    fn every_ascii_character_is_one() {
        for char in (0..128_u8).map(char::from) {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(char, char)]);
            class.try_case_fold_simple().unwrap();
            assert!(class.iter().flat_map(|range| range.start()..=range.end()).all(|it| simple(it) == simple(char)));
        }
    }

    /// What the parser of expressions finds in a wildcard.
    fn plainly(pattern: &str) -> literal::Literals {
        let mut expression = String::from("(?s)");
        let mut chars = pattern.chars();
        while let Some(char) = chars.next() {
            match char {
                '?' => expression.push('.'),
                '*' => expression.push_str(".*"),
                '\\' => expression.push_str(&regex_syntax::escape(&chars.next().unwrap_or('\\').to_string())),
                char => expression.push_str(&regex_syntax::escape(&char.to_string())),
            }
        }
        literal::of_regex(&expression)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_wildcard_has_the_runs_that_a_parser_finds(pattern in r"[abcé*?\\]{0,9}") {
            let mut runs = Runs::default();
            runs.of_wildcard(&pattern);
            let literals = plainly(&pattern);
            prop_assert_eq!(&literals.prefix, &[runs.prefix().to_vec()]);
            prop_assert_eq!(&literals.suffix, &[runs.suffix().to_vec()]);
            prop_assert_eq!(literals.inner[0].len().min(ENOUGH), runs.inner().len().min(ENOUGH));
        }
    }

    proptest! {
        // Each builds an automaton.
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn terms_that_match_have_the_runs(
            pattern in r"([abkséßKſς.]|\[[abß]{1,2}\]|\((a|b)\|(b|s)\)|\\[d.]){1,6}([?*+]([abß]{1,3}))?[as]{0,3}",
            terms in prop::collection::vec("[abksKSéÉß\u{1e9e}\u{212a}ſςσ.1]{0,8}", 40),
        ) {
            let mut runs = Runs::default();
            let Ok(automaton) = TermAutomaton::regex(&pattern, 1 << 22) else { return Ok(()) };
            if !runs.of_regex(&pattern) {
                return Ok(());
            }
            for term in terms.iter().filter(|term| automaton.matches(term)) {
                prop_assert!(runs.may_be_in(term));
                let term: Vec<char> = term.chars().map(simple).collect();
                prop_assert!(term.starts_with(runs.prefix()) && term.ends_with(runs.suffix()), "{} {:?}", pattern, runs);
                prop_assert!(runs.inner().is_empty() || term.windows(runs.inner().len()).any(|it| it == runs.inner()));
                prop_assert!(!runs.is_open() || term.len() >= runs.prefix().len() + runs.suffix().len());
            }
        }
    }
}
