#![doc = include_str!("../README.md")]
//!
//! # Layers
//!
//! From the bottom up: a module uses those above it in this table, never those below.
//!
//! | module | question it answers |
//! |---|---|
//! | `ids` | Which ids has a query? |
//! | `coop` | Where can blocking work be cancelled or paused? |
//! | `schema` | Which fields does a document have? |
//! | `text`, `doc` | What are the terms of a text? What does a query see of a document? |
//! | `automaton`, `query` | What does a query mean? `Ast`, canonical form, id, diagnostics, and the plain evaluation that defines the language |
//! | `matcher` | Does this one query match this one document, fast? |
//! | `explain` | Why does it, or why not? Part by part |
//! | `lower` | Which query of tantivy finds the same documents? |
//! | `percolator` | Which of all registered queries does a document match? The engines |

pub mod automaton;
pub mod coop;
pub mod doc;
pub mod explain;
pub mod ids;
#[cfg(feature = "tantivy")]
pub mod lower;
pub mod matcher;
pub mod percolator;
pub mod query;
pub mod schema;
pub mod text;
