#![doc = include_str!("../README.md")]

pub mod edn;
pub mod frame;
mod json;
mod quoted;
pub mod reencode;
pub mod transit;
pub mod value;

pub use frame::{Event, Format, FrameError, Inbound, Packing, Version};
pub use value::{ReadError, Value};
