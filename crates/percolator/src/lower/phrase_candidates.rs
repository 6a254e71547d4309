//! The documents and positions where a phrase can still start while its terms are read one by one.

use std::ops::Range;

use tantivy::DocId;

/// Where a phrase can start: documents, and positions in each.
#[derive(Debug, Default)]
pub(super) struct Starts {
    docs: Vec<DocId>,
    /// The end of each document's positions in `positions`.
    ends: Vec<u32>,
    positions: Vec<u32>,
    /// One word per document: a bit for each position below [`FIRST_SHARED`], and one that all
    /// others share.
    masks: Vec<u32>,
}

/// Positions from here on share a bit of a mask.
pub(super) const FIRST_SHARED: u32 = 31;

impl Starts {
    /// Room for so many documents.
    pub(super) fn with_capacity(docs: usize) -> Starts {
        let list = || Vec::with_capacity(docs);
        Starts { docs: list(), ends: list(), positions: list(), masks: list() }
    }

    /// Adds a document behind those before, unless it has no position. Positions are ascending.
    pub(super) fn push(&mut self, doc: DocId, positions: impl Iterator<Item = u32>) {
        let before = self.positions.len();
        self.positions.extend(positions);
        if self.positions.len() > before {
            let mask =
                self.positions[before..].iter().fold(0, |mask, &position| mask | 1 << position.min(FIRST_SHARED));
            self.docs.push(doc);
            self.ends.push(small(self.positions.len()));
            self.masks.push(mask);
        }
    }

    /// The documents where the phrase can start, ascending.
    pub(super) fn docs(&self) -> &[DocId] {
        &self.docs
    }

    /// Whether the phrase can start at a position of a document. `at` gives the index of the
    /// document, of which `mask` is the mask.
    #[inline]
    pub(super) fn contains(&self, mask: u32, position: u32, at: impl FnOnce() -> usize) -> bool {
        mask >> position.min(FIRST_SHARED) & 1 != 0 && (position < FIRST_SHARED || self.of(at()).contains(&position))
    }

    /// The mask of the document of this index.
    #[inline]
    pub(super) fn mask(&self, at: usize) -> u32 {
        self.masks[at]
    }

    /// Adds documents behind those before, each with one position.
    pub(super) fn push_single(&mut self, docs: &[DocId], positions: impl ExactSizeIterator<Item = u32>) {
        let before = self.positions.len();
        self.positions.extend(positions);
        let added = &self.positions[before..];
        self.masks.extend(added.iter().map(|&position| 1 << position.min(FIRST_SHARED)));
        let (first, last) = (small(before + 1), small(before + added.len()));
        self.ends.extend(first..=last);
        self.docs.extend_from_slice(docs);
    }

    /// The positions in the document of this index.
    fn of(&self, at: usize) -> &[u32] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.positions[start as usize..self.ends[at] as usize]
    }
}

/// Where the last term of a phrase completes it, by document.
#[derive(Debug)]
pub(super) struct Ends {
    /// By document: a bit for each position below [`FIRST_SHARED`], and one for all others.
    masks: Vec<u32>,
    /// The positions from [`FIRST_SHARED`] on, with their documents, ascending.
    far: Vec<(DocId, u32)>,
}

impl Ends {
    /// No position in any document below `max_doc`.
    pub(super) fn new(max_doc: DocId) -> Ends {
        Ends { masks: vec![0; max_doc as usize], far: Vec::new() }
    }

    /// The positions that are `offset` behind a start.
    pub(super) fn of(starts: &Starts, max_doc: DocId, offset: u32) -> Ends {
        let mut ends = Ends::new(max_doc);
        for (at, &doc) in starts.docs.iter().enumerate() {
            starts.of(at).iter().for_each(|start| ends.add(doc, start + offset));
        }
        ends
    }

    /// Adds a position behind those before.
    #[inline]
    pub(super) fn add(&mut self, doc: DocId, position: u32) {
        if let Some(mask) = self.masks.get_mut(doc as usize) {
            *mask |= 1 << position.min(FIRST_SHARED);
            if position >= FIRST_SHARED {
                self.far.push((doc, position));
            }
        }
    }

    /// 1 if the bit of a position is set, else 0. Positions from [`FIRST_SHARED`] on share a bit.
    #[inline]
    pub(super) fn bit(&self, doc: DocId, position: u32) -> u32 {
        self.masks.get(doc as usize).map_or(0, |mask| mask >> position.min(FIRST_SHARED) & 1)
    }

    /// Whether one of these positions is in the set.
    pub(super) fn contain_any(&self, doc: DocId, positions: &[u32]) -> bool {
        let contains = |&position: &u32| {
            self.bit(doc, position) != 0
                && (position < FIRST_SHARED || self.far.binary_search(&(doc, position)).is_ok())
        };
        positions.iter().any(contains)
    }
}

fn small(n_positions: usize) -> u32 {
    u32::try_from(n_positions).expect("a segment has fewer positions")
}

/// The positions of one term of a phrase in each candidate.
#[derive(Debug)]
pub(super) struct PositionLists {
    /// The end of each candidate's positions in `positions`.
    ends: Vec<u32>,
    positions: Vec<u32>,
}

impl PositionLists {
    /// Sorts pairs of a candidate's index and a position by counting.
    pub(super) fn new(n_candidates: usize, pairs: &[(u32, u32)]) -> PositionLists {
        // First the start of each list; the start moves to the end while the list is filled.
        let mut ends = vec![0_u32; n_candidates + 1];
        for &(at, _) in pairs {
            ends[at as usize + 1] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let mut positions = vec![0; pairs.len()];
        for &(at, position) in pairs {
            let end = &mut ends[at as usize];
            positions[*end as usize] = position;
            *end += 1;
        }
        ends.truncate(n_candidates);
        let mut lists = PositionLists { ends, positions };
        for at in 0..n_candidates {
            let range = lists.range(at);
            lists.positions[range].sort_unstable();
        }
        lists
    }

    /// The positions in the candidate of this index, ascending.
    pub(super) fn of(&self, at: usize) -> &[u32] {
        &self.positions[self.range(at)]
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        start as usize..self.ends[at] as usize
    }
}

/// A set of documents.
#[derive(Debug)]
pub(super) struct DocBits(Vec<u64>);

impl DocBits {
    pub(super) fn new(docs: &[DocId], max_doc: DocId) -> DocBits {
        let mut bits = DocBits::empty(max_doc);
        for doc in docs {
            bits.0[(doc / 64) as usize] |= 1 << (doc % 64);
        }
        bits
    }

    /// The empty set of documents below `max_doc`.
    pub(super) fn empty(max_doc: DocId) -> DocBits {
        DocBits(vec![0; max_doc.div_ceil(64) as usize])
    }

    /// Adds a document below `max_doc` if `is_in` is 1. Without a branch: it is 0 and 1 at random.
    #[inline]
    pub(super) fn insert_if(&mut self, doc: DocId, is_in: u32) {
        if let Some(word) = self.0.get_mut((doc / 64) as usize) {
            *word |= u64::from(is_in) << (doc % 64);
        }
    }

    /// The documents, ascending.
    pub(super) fn docs(&self) -> Vec<DocId> {
        let mut docs = Vec::with_capacity(self.0.iter().map(|word| word.count_ones() as usize).sum());
        for (&word, first) in self.0.iter().zip((0..).step_by(64)) {
            let mut rest = word;
            while rest != 0 {
                docs.push(first + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
        docs
    }

    #[inline]
    pub(super) fn contains(&self, doc: DocId) -> bool {
        self.0.get((doc / 64) as usize).is_some_and(|word| word >> (doc % 64) & 1 != 0)
    }
}

/// A set of documents that gives each its index in the sorted list of them.
#[derive(Debug)]
pub(super) struct RankedDocs {
    bits: DocBits,
    /// The number of documents before each word of `bits`.
    ranks: Vec<u32>,
}

impl RankedDocs {
    /// `docs` are ascending.
    pub(super) fn new(docs: &[DocId], max_doc: DocId) -> RankedDocs {
        let bits = DocBits::new(docs, max_doc);
        let mut sum = 0;
        let ranks = bits.0.iter().map(|word| {
            let before = sum;
            sum += word.count_ones();
            before
        });
        let ranks = ranks.collect();
        RankedDocs { bits, ranks }
    }

    /// Whether a document is in the set.
    #[inline]
    pub(super) fn contains(&self, doc: DocId) -> bool {
        self.bits.contains(doc)
    }

    /// The index of a document of the set.
    #[inline]
    pub(super) fn index(&self, doc: DocId) -> usize {
        let (word, bit) = ((doc / 64) as usize, 1_u64 << (doc % 64));
        (self.ranks[word] + (self.bits.0[word] & (bit - 1)).count_ones()) as usize
    }
}
