//! Identity and order of tweets.
//!
//! A tweet is identified by its `id_str`: a decimal number on X, a URI on other networks. Tweets of
//! all networks are ordered by `id`, a number in the space of Twitter's snowflakes: milliseconds
//! since [`SNOWFLAKE_EPOCH_MS`], and 22 bits that tell tweets of one millisecond apart.

use std::fmt;

use uuid::Uuid;

/// The start of Twitter's snowflakes, in milliseconds since 1970.
pub(crate) const SNOWFLAKE_EPOCH_MS: i64 = 1_288_834_974_657;

/// The first id that is a snowflake. Twitter counted its tweets one by one before.
const FIRST_SNOWFLAKE: u64 = 29_700_000_000;

/// Bits of an id below its milliseconds.
const LOW_BITS: u32 = 22;

/// A creation time this far in the future is wrong.
pub(crate) const MAX_AHEAD_MS: i64 = 3_600_000;

/// The identity of a tweet in tables and in the index: its `id_str`, in 16 bytes.
///
/// A number in its canonical form is its own key. Any other text has the SHA-1 of a `UUIDv5`, which
/// is never below 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TweetKey(u128);

impl TweetKey {
    /// The key of an `id_str`.
    #[must_use]
    pub fn new(id_str: &str) -> TweetKey {
        match canonical_number(id_str) {
            Some(number) => TweetKey::of_number(number),
            None => TweetKey(Uuid::new_v5(&Uuid::NAMESPACE_URL, id_str.as_bytes()).as_u128()),
        }
    }

    /// The key of a tweet whose `id_str` is this number.
    #[must_use]
    pub fn of_number(id: u64) -> TweetKey {
        TweetKey(u128::from(id))
    }

    /// The key with these halves.
    #[must_use]
    pub fn from_halves(high: u64, low: u64) -> TweetKey {
        TweetKey(u128::from(high) << 64 | u128::from(low))
    }

    /// The upper half, which is 0 for numbers, and the lower half.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub fn halves(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }

    /// The bytes of its term in the index: 8 of a number, 16 of any other.
    pub(crate) fn term(&self) -> KeyTerm {
        KeyTerm { bytes: self.0.to_be_bytes(), start: if self.number().is_some() { 8 } else { 0 } }
    }

    /// The number, if the `id_str` is one.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }

    /// What tells apart tweets that share an `id`, in the order of pages: 0 for numbers.
    #[must_use]
    pub fn tie(self) -> u64 {
        match self.halves() {
            (0, _) => 0,
            (_, low) => low.max(1),
        }
    }
}

/// The term of a [`TweetKey`] in the index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyTerm {
    bytes: [u8; 16],
    start: usize,
}

impl KeyTerm {
    /// The bytes of the term.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// The position of a tweet in the order of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// The tweet's `id`.
    pub id: u64,
    /// Its [`TweetKey::tie`].
    pub tie: u64,
}

impl PageKey {
    /// The position of a tweet.
    #[must_use]
    pub fn new(id: u64, key: TweetKey) -> PageKey {
        PageKey { id, tie: key.tie() }
    }

    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<PageKey> {
        let (id, tie) = text.split_once('-').unwrap_or((text, "0"));
        Some(PageKey { id: number(id)?, tie: number(tie)? })
    }
}

impl From<u64> for PageKey {
    fn from(id: u64) -> PageKey {
        PageKey { id, tie: 0 }
    }
}

/// Writes `id`, or `id-tie` where other tweets may share the `id`.
impl fmt::Display for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tie {
            0 => write!(f, "{}", self.id),
            tie => write!(f, "{}-{tie}", self.id),
        }
    }
}

/// The number of a text of digits.
pub(crate) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { text.parse().ok() }
}

fn canonical_number(text: &str) -> Option<u64> {
    number(text).filter(|_| text == "0" || !text.starts_with('0'))
}

/// The `id` of a tweet: the number that its `id_str` is; else one from its time of creation, in
/// milliseconds since 1970.
#[must_use]
pub fn order_id(id_str: &str, created_ms: i64) -> u64 {
    if let Some(number) = number(id_str) {
        return number;
    }
    let passed = u64::try_from(created_ms.saturating_sub(SNOWFLAKE_EPOCH_MS)).unwrap_or(0).min(u64::MAX >> LOW_BITS);
    let (_, low) = TweetKey::new(id_str).halves();
    passed << LOW_BITS | low & ((1 << LOW_BITS) - 1)
}

/// The time of a snowflake, in milliseconds since 1970. `None` for the numbers before.
#[must_use]
pub fn snowflake_ms(id_str: &str) -> Option<i64> {
    let id = number(id_str).filter(|&id| id >= FIRST_SNOWFLAKE)?;
    i64::try_from(id >> LOW_BITS).ok().map(|passed| passed + SNOWFLAKE_EPOCH_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_their_own_keys_and_other_texts_never_are() {
        assert_eq!(TweetKey::new("7"), TweetKey::of_number(7));
        assert_eq!(TweetKey::new("18446744073709551615").number(), Some(u64::MAX));
        for id in ["07", "18446744073709551616", "at://x/y/z", "+7", " 7"] {
            let key = TweetKey::new(id);
            assert_eq!(key.number(), None, "{id}");
            let (high, low) = key.halves();
            assert_eq!(TweetKey::from_halves(high, low), key);
            assert!(key.tie() > 0);
        }
    }

    #[test]
    fn ids_of_all_networks_are_in_the_order_of_time() {
        // The first is an id of X, of this time.
        assert_eq!(snowflake_ms("1050118621198921728"), Some(1_539_202_764_211));
        let before = order_id("at://a", 1_539_202_764_210);
        let behind = order_id("https://b", 1_539_202_764_212);
        assert!(before < 1_050_118_621_198_921_728 && 1_050_118_621_198_921_728 < behind);
        assert_eq!(order_id("007", 0), 7);
        assert_eq!(order_id("at://a", 0) >> 22, 0);
        assert_eq!(snowflake_ms("20"), None);
    }

    #[test]
    fn page_keys_are_read_as_they_are_written() {
        for (key, text) in [(PageKey { id: 10, tie: 0 }, "10"), (PageKey { id: 10, tie: 7 }, "10-7")] {
            assert_eq!((key.to_string().as_str(), PageKey::parse(text)), (text, Some(key)));
        }
        assert_eq!(PageKey::parse("-1"), None);
        assert_eq!(PageKey::parse("1-"), None);
    }
}
