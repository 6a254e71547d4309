//! perch: percolation search push.
//!
//! A client registers a query; every tweet that comes in from then on is matched against all
//! registered queries and pushed to the clients whose query it matches, and the same query searches
//! the tweets that came before.
//!
//! # Layers
//!
//! From the bottom up: a module uses those above it in this table, never those below. At the very
//! bottom is [`perch_percolator`], whose modules are re-exported here: what a document and a query
//! are, and which registered queries match.
//!
//! | module | question it answers |
//! |---|---|
//! | `ids` | Which ids and positions are there? |
//! | `backoff` | How long is the pause before the next attempt? |
//! | `outbound` | Which servers does perch trust, and how does it send requests to them? |
//! | `tweet` | Which fields of a tweet are kept, how are they stored and analyzed, and where in it are matches? |
//! | `format` | How do networks, archives and tools write tweets? Table of plugins, and the reader of files |
//! | `config`, `telemetry` | What did the user configure? What is logged and measured? |
//! | `auth` | Who is a client, and which rights has it? |
//! | `index` | Which tweets came before? tantivy on disk, the tail, paging, catching up |
//! | `hub` | Which queries are registered (catalog), and which sessions get a match (fan-out)? |
//! | `pipeline` | In which order are tweets and registrations processed? |
//! | `live` | How does a client get history and future as one result? |
//! | `saved` | Which searches outlive their clients, and where do matches go? Table of receivers |
//! | `source`, `transport` | How do tweets come in, and how do clients connect? Tables of plugins |
//! | `server` | How are connections accepted, limited and closed, below HTTP? |
//! | `client` | How do commands call a server, and print what it says? |
//! | `bench` | How much does a running server carry, and does it lose anything? |
//! | `app`, `cli` | How are the stages built, started and stopped? Which commands are there? |

pub mod app;
pub mod auth;
pub mod backoff;
pub mod bench;
pub mod cli;
pub mod client;
pub mod config;
pub mod format;
pub mod hub;
pub mod ids;
pub mod index;
pub mod live;
pub mod outbound;
pub mod pipeline;
pub mod saved;
pub mod server;
pub mod source;
pub mod telemetry;
pub mod transport;
pub mod tweet;

pub use perch_percolator::{automaton, coop, doc, explain, lower, matcher, percolator, query, schema, text};
