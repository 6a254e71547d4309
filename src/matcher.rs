//! A query compiled for evaluation over one analysed document after the other.

use crate::doc::Doc;
use crate::query::Ast;

/// A compiled query.
#[derive(Debug)]
pub struct Matcher {}

impl Matcher {
    /// Compiles a query.
    #[must_use]
    pub fn new(query: &Ast) -> Matcher {
        let _ = query;
        todo!()
    }

    /// Whether the document matches.
    #[must_use]
    pub fn matches(&self, doc: &Doc) -> bool {
        let _ = doc;
        todo!()
    }
}
