//! perch: percolation search push.
//!
//! A client registers a query; every tweet that comes in from then on is matched against all registered queries and pushed
//! to the clients whose query it matches, and the same query searches the tweets that came before.

// From the bottom up: a module may use those above it in this list, never those below.
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
