//! The newtypes for everything that is counted or named: [`Seq`], [`QueryId`], [`QueryKey`], [`Uid`], [`Epoch`].
//!
//! They exist so that a position in the stream can't be taken for a tweet id, nor a query's name for its key.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The position of a tweet in the order of arrival: strictly rising, never used twice, from 1 to 2^53 - 1.
///
/// `Seq(0)` is the position before the first tweet. The upper bound lets every JSON reader hold it exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The position before the first tweet.
    pub const ZERO: Seq = Seq(0);
    /// The last position that JavaScript can hold exactly.
    pub const MAX: Seq = Seq((1 << 53) - 1);

    /// The position before this one; of the position before the first tweet, itself.
    #[must_use]
    pub fn before(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }

    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The `UUIDv5` of a query's canonical form: equal searches have equal ids, whoever asks and whenever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub Uuid);

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The small dense number under which a registered query is known to the percolator and the hub.
///
/// Keys of removed queries are given out again; only the owner of the registrations makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryKey(pub u32);

impl QueryKey {
    /// The key as an index into a table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One client connection, named by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub Uuid);

impl Uid {
    /// A uid that no other connection has.
    #[must_use]
    pub fn random() -> Uid {
        Uid(Uuid::new_v4())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The life of one index: made with it, gone with it. A [`Seq`] means nothing in another epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub Uuid);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Epoch {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Epoch, uuid::Error> {
        Uuid::parse_str(text).map(Epoch)
    }
}
