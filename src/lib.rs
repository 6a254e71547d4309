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
//! | `ids` | What is counted and named? |
//! | `coop` | Where can work that blocks a thread be stopped or paused? |
//! | `schema` | Which fields does a document have? |
//! | `text`, `doc` | What are the terms of a text? What does a query see of a tweet? |
//! | `tweet` | What comes in, in which forms, and what is kept of it? |
//! | `automaton`, `query` | What does a query mean? `Ast`, canonical form, id, diagnostics, and the plain evaluation that defines the language |
//! | `config`, `telemetry` | What did the user set? What does perch say about itself? |
//! | `auth` | Who is a client, and what may it do? |
//! | `matcher` | Does this one query match this one document, fast? |
//! | `explain` | Why does it, or why not? Part by part, with places in the tweet |
//! | `index` | Which tweets came before? tantivy on disk, the tail, lowering from `Ast`, paging, catching up |
//! | `percolator` | Which of all registered queries does a tweet match? The engines |
//! | `hub` | Which sessions want it, and what waits for each? |
//! | `pipeline` | In which order does everything happen? |
//! | `live` | How does a client get history and future as one result? |
//! | `source`, `transport` | How do tweets come in, how do clients see it? Tables of plugins |
//! | `server` | How are connections taken, guarded and ended, below HTTP? |
//! | `app`, `cli` | How is it wired, started and stopped? What does the user type? |

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
