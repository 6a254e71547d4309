//! Matching documents against the query index.
//!
//! ```text
//! Doc ─ Presearcher ─> DocState (its atoms) ─ postings ─> candidates ─ interpreter ─> Matches
//! ```

pub(crate) mod dedup;
pub(crate) mod doc_atoms;
pub(crate) mod doc_matcher;
pub(crate) mod doc_state;
pub(crate) mod doc_tokens;
pub(crate) mod interpreter;
pub(crate) mod parallel;
pub(crate) mod pattern_cache;
pub(crate) mod presearcher;
pub(crate) mod work_budget;
