//! perch: percolation search push.
//!
//! A client registers a query; every tweet that comes in from then on is matched against all
//! registered queries and pushed to the clients whose query it matches, and the same query searches
//! the tweets that came before.
//!
//! # Layers
//!
//! From the bottom up: a module uses those above it in this table, never those below.
//!
//! | module | question it answers |
//! |---|---|
//! | `ids` | Which ids and positions are there? |
//! | `coop` | Where can blocking work be cancelled or paused? |
//! | `schema` | Which fields does a document have? |
//! | `text`, `doc` | What are the terms of a text? What does a query see of a tweet? |
//! | `tweet` | How is a tweet read, which fields are kept, and how is it analyzed? |
//! | `automaton`, `query` | What does a query mean? `Ast`, canonical form, id, diagnostics, and the plain evaluation that defines the language |
//! | `config`, `telemetry` | What did the user configure? What is logged and measured? |
//! | `auth` | Who is a client, and which rights has it? |
//! | `matcher` | Does this one query match this one document, fast? |
//! | `explain` | Why does it, or why not? Part by part, with places in the tweet |
//! | `index` | Which tweets came before? tantivy on disk, the tail, lowering from `Ast`, paging, catching up |
//! | `percolator` | Which of all registered queries does a tweet match? The engines |
//! | `hub` | Which queries are registered (catalog), and which sessions get a match (fan-out)? |
//! | `pipeline` | In which order are tweets and registrations processed? |
//! | `live` | How does a client get history and future as one result? |
//! | `source`, `transport` | How do tweets come in, and how do clients connect? Tables of plugins |
//! | `server` | How are connections accepted, limited and closed, below HTTP? |
//! | `app`, `cli` | How are the stages built, started and stopped? Which commands are there? |

pub mod app;
pub mod auth;
pub mod automaton;
pub mod cli;
pub mod config;
pub mod coop;
pub mod doc;
pub mod explain;
pub mod hub;
pub mod ids;
pub mod index;
pub mod live;
pub mod matcher;
pub mod percolator;
pub mod pipeline;
pub mod query;
pub mod schema;
pub mod server;
pub mod source;
pub mod telemetry;
pub mod text;
pub mod transport;
pub mod tweet;
