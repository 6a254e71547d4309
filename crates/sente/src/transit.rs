//! Transit over JSON, as ClojureScript clients with a Transit packer speak it.
//!
//! ```text
//! JSON text ──read──> Value
//! Value, JSON ──Writer──> JSON text
//! ```
//!
//! Reader and writer number the cacheable strings of a text in the same order, and a writer may
//! replace a repeated string by its number. A reader must count exactly. A writer may write no
//! codes at all ([`Codes::None`]): its output is then valid anywhere, so values can be packed
//! separately and put together in any order.

mod cache;
mod read;
mod write;

pub use read::read;
pub use write::{Codes, Writer, write};

#[cfg(test)]
pub(crate) mod tests;
