//! What the commands that are clients of a server share: arguments, requests, errors, and text for
//! a terminal.
//!
//! The clients know nothing of the server but its HTTP and WebSocket interface.

mod address;
mod args;
mod errors;
mod failure;
mod http;
pub(crate) mod terminal;

pub(crate) use address::{address, bare, is_encrypted, server_url};
pub(crate) use args::{AccessArgs, ServerArgs};
pub(crate) use errors::{NOT_PERCH, ServerError, refusal, unreachable};
pub(crate) use failure::Failure;
pub(crate) use http::{Http, HttpAnswer};

#[cfg(test)]
mod tests;
