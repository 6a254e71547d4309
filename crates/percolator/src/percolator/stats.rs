//! What the engine learns from the documents that pass: document frequencies and values.

pub(crate) mod adaptive_stats;
pub(crate) mod doc_freq;
pub(crate) mod doc_stats;
