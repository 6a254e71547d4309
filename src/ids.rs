//! Newtypes of ids and positions: [`Seq`], [`QueryId`], [`QueryKey`], [`Uid`], [`Epoch`].
//!
//! They keep a position in the stream apart from a tweet id, and a query's id apart from its key.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

pub use perch_percolator::ids::{QueryId, QueryKey};

/// The position of a tweet in the order of arrival: strictly rising, never used twice, from 1 to
/// 2^53 - 1.
///
/// `Seq(0)` is the position before the first tweet. JSON readers that use floats can represent
/// every seq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The position before the first tweet.
    pub const ZERO: Seq = Seq(0);
    /// The last position that JavaScript can represent exactly.
    pub const MAX: Seq = Seq((1 << 53) - 1);

    /// The position before this one. That of [`Seq::ZERO`] is itself.
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

/// The id of a session, made by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub Uuid);

impl Uid {
    /// A new uid.
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

/// The id of one index. A [`Seq`] is meaningless in another epoch.
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
