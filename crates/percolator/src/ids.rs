//! Newtypes that keep a query's id apart from its key: [`QueryId`], [`QueryKey`].

use std::fmt;

use uuid::Uuid;

/// The `UUIDv5` of a query's canonical form: equal queries have equal ids, everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub Uuid);

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The dense index of a registered query in the tables of an engine. The caller that
/// registers a query chooses its key, and reuses the keys of removed queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryKey(pub u32);

impl QueryKey {
    /// The key as an index into a table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
