//! The sizes at which the compiled engine changes its method.

/// The sizes at which the compiled engine changes its method. They change what it costs, never what
/// it finds.
///
/// The defaults are measured. Tests set small ones, so that small inputs reach every method.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Guarded postings under one atom from which queries are posted under conjunctions instead.
    pub split_postings: usize,
    /// Queries under one atom from which the documents of a batch share one copy of the list.
    pub shared_list_keys: usize,
    /// Terms to look up in the pattern index from which a document is long: each distinct term is
    /// then looked up once, and not cached.
    pub long_doc_terms: usize,
    /// Changes of the set of patterns that cached results are updated with. After more of them a
    /// cached result is discarded.
    pub pattern_changes: usize,
    /// The cost of a batch, in candidates, from which it is divided between threads: about a tenth
    /// of a millisecond, since waking a thread takes some 40 µs.
    pub parallel_cost: f32,
    /// Range endpoints that an insertion moves at most.
    pub interval_chunk: usize,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            split_postings: 4096,
            shared_list_keys: 64,
            long_doc_terms: 512,
            pattern_changes: 256,
            parallel_cost: 30_000.0,
            interval_chunk: 512,
        }
    }
}

#[cfg(test)]
impl Thresholds {
    /// Thresholds that a few short documents and queries reach.
    pub(crate) fn small() -> Thresholds {
        Thresholds {
            split_postings: 2,
            shared_list_keys: 2,
            long_doc_terms: 6,
            pattern_changes: 6,
            parallel_cost: 1_000.0,
            interval_chunk: 8,
        }
    }
}
