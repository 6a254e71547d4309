//! Finds the runs of fixed characters of a pattern by one scan: of prefixes, wildcards, and the
//! regular expressions that people write.
//!
//! Expressions with alternatives, and those with too few fixed characters, are left to
//! [`super::literal`], which parses them. Every matching term contains the runs; a property test
//! compares them with the automata.

use std::iter::Peekable;
use std::ops::Range;
use std::str::Chars;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::literal::simple;

/// Characters of a run that make a selective key.
const SELECTIVE_RUN: usize = 3;
/// Characters at both ends together that make a selective key.
const SELECTIVE_ENDS: usize = 4;

/// What every term that matches a pattern starts with, ends with and contains, in simple case
/// ([`simple`]).
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// All fixed characters, in order.
    chars: Vec<char>,
    /// The end of the first run, if the pattern starts with one.
    prefix: usize,
    /// The longest run, the last one of equal length.
    inner: Range<usize>,
    /// The start of the current run.
    start: usize,
    /// Whether the pattern has characters that are not fixed.
    is_open: bool,
}

impl Runs {
    /// The run at the start.
    pub(crate) fn prefix(&self) -> &[char] {
        &self.chars[..self.prefix]
    }

    /// The run at the end, without the prefix.
    pub(crate) fn suffix(&self) -> &[char] {
        &self.chars[self.start..]
    }

    /// The longest run, anywhere.
    pub(crate) fn inner(&self) -> &[char] {
        &self.chars[self.inner.clone()]
    }

    /// All fixed characters.
    pub(crate) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// Whether a matching term may have characters besides the runs. Otherwise each run is the
    /// whole term.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether a term has the runs of both ends, as every matching term does.
    pub(crate) fn may_match(&self, term: &str) -> bool {
        let mut front = term.chars().map(simple);
        let mut back = term.chars().rev().map(simple);
        self.prefix().iter().all(|&fixed| front.next() == Some(fixed))
            && self.suffix().iter().rev().all(|&fixed| back.next() == Some(fixed))
    }

    /// Scans a prefix.
    pub(crate) fn of_prefix(&mut self, prefix: &str) {
        self.clear();
        prefix.chars().for_each(|char| self.fixed(char));
        self.open();
        self.end();
    }

    /// Scans a wildcard: `?` is any character, `*` any number of them, and `\` escapes the next
    /// character.
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

    /// Scans a regular expression. Returns false, with void runs, if it needs a parser.
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
        !self.is_open
            || self.inner.len() >= SELECTIVE_RUN
            || prefix > 0 && suffix > 0 && prefix + suffix >= SELECTIVE_ENDS
    }

    fn clear(&mut self) {
        self.chars.clear();
        (self.prefix, self.inner, self.start, self.is_open) = (0, 0..0, 0, false);
    }

    fn fixed(&mut self, char: char) {
        self.chars.push(simple(char));
    }

    /// Ends the run before characters that are not fixed.
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
        if run.len() >= self.inner.len().min(SELECTIVE_RUN) {
            self.inner = run;
        }
    }
}

/// Skips a class or group that consists of plain characters. Returns whether it does.
fn skip(chars: &mut Peekable<Chars<'_>>, end: char, is_plain: impl Fn(char) -> bool) -> bool {
    let mut n = 0;
    while chars.next_if(|&char| is_plain(char)).is_some() {
        n += 1;
    }
    n > 0 && chars.next() == Some(end)
}

/// Whether all characters that differ from this one only in case have the same simple case.
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
    fn wildcards_have_the_runs_between_their_operators() {
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

    /// The literals that the parser finds in a wildcard.
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
            prop_assert_eq!(literals.inner[0].len().min(SELECTIVE_RUN), runs.inner().len().min(SELECTIVE_RUN));
        }
    }

    proptest! {
        // Each case builds an automaton.
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
                prop_assert!(runs.may_match(term));
                let term: Vec<char> = term.chars().map(simple).collect();
                prop_assert!(term.starts_with(runs.prefix()) && term.ends_with(runs.suffix()), "{} {:?}", pattern, runs);
                prop_assert!(runs.inner().is_empty() || term.windows(runs.inner().len()).any(|it| it == runs.inner()));
                prop_assert!(!runs.is_open() || term.len() >= runs.prefix().len() + runs.suffix().len());
            }
        }
    }
}
