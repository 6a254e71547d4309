//! Transit over JSON: what ClojureScript clients with a Transit packer speak.
//!
//! ```text
//! JSON text ──read──> Value            one cache of strings for each text, counted alike by both sides
//! Value ──Writer──> JSON text
//! ```
//!
//! A string that comes again is replaced by a code, its number among the strings that may be cached. A reader must count exactly; a writer may
//! write no codes at all ([`Codes::None`]), and is then always read correctly: its values can be put together in any order.

mod cache;
mod read;
mod write;

pub use read::read;
pub(super) use write::escapes_string;
pub use write::{Codes, Writer, write};

#[cfg(test)]
pub(super) mod tests;
