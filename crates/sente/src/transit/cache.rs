//! The cache of strings that both sides of Transit keep: cacheable strings, numbered in order.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A cache holds this many strings, and is cleared before the next one.
pub(super) const CAPACITY: usize = DIGITS * DIGITS;

/// The base in which codes write numbers.
const DIGITS: usize = 44;

/// The character of the digit 0.
const FIRST_DIGIT: u8 = b'0';

/// Whether a string on the wire is numbered. Its length counts in UTF-16 units, as in JavaScript.
pub(super) fn is_cacheable(wire: &str, is_key: bool) -> bool {
    let starts = wire.starts_with("~:") || wire.starts_with("~$") || wire.starts_with("~#");
    (is_key || starts) && is_longer_than_3(wire)
}

fn is_longer_than_3(wire: &str) -> bool {
    // A UTF-16 unit takes 1 to 3 bytes of UTF-8, so most lengths are decided by bytes alone.
    wire.len() > 3 && (wire.len() > 12 || wire.chars().map(char::len_utf16).sum::<usize>() > 3)
}

/// Whether a string on the wire is a code.
pub(super) fn is_code(wire: &str) -> bool {
    wire.starts_with('^') && wire != "^ "
}

/// The number that a code stands for, whether a string has it or not.
pub(super) fn index(code: &str) -> Option<usize> {
    let digit = |byte: u8| Some(usize::from(byte.checked_sub(FIRST_DIGIT)?)).filter(|digit| *digit < DIGITS);
    match *code.as_bytes() {
        [b'^', low] => digit(low),
        [b'^', high, low] => Some(digit(high)? * DIGITS + digit(low)?),
        _ => None,
    }
}

/// Appends the code of a number.
pub(super) fn push_code(index: usize, out: &mut String) {
    let digit = |digit: usize| char::from(FIRST_DIGIT + u8::try_from(digit).expect("fewer than 44"));
    out.push('^');
    if index >= DIGITS {
        out.push(digit(index / DIGITS));
    }
    out.push(digit(index % DIGITS));
}

/// The strings that a reader has numbered.
#[derive(Debug, Default)]
pub(super) struct ReadCache {
    strings: Vec<Box<str>>,
}

impl ReadCache {
    /// The string that a string on the wire stands for. Numbers it when it is cacheable. `None` for
    /// a code without a string.
    pub(super) fn resolve<'a>(&'a mut self, wire: &'a str, is_key: bool) -> Option<Cow<'a, str>> {
        if is_code(wire) {
            return self.strings.get(index(wire)?).map(|string| Cow::Borrowed(&**string));
        }
        if is_cacheable(wire, is_key) {
            if self.strings.len() == CAPACITY {
                self.strings.clear();
            }
            self.strings.push(wire.into());
        }
        Some(Cow::Borrowed(wire))
    }
}

/// The strings that a writer has numbered.
#[derive(Debug, Default)]
pub(super) struct WriteCache {
    numbers: HashMap<Box<str>, usize, RandomState>,
}

impl WriteCache {
    /// The number of a string that was written before. Numbers a cacheable string that was not.
    pub(super) fn number(&mut self, wire: &str, is_key: bool) -> Option<usize> {
        if !is_cacheable(wire, is_key) {
            return None;
        }
        if self.numbers.len() == CAPACITY {
            self.numbers.clear();
        }
        if let Some(&number) = self.numbers.get(wire) {
            return Some(number);
        }
        let number = self.numbers.len();
        self.numbers.insert(wire.into(), number);
        None
    }
}
