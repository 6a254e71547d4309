//! Reads whole posting lists of one field of a segment, with positions.
//!
//! tantivy's `SegmentPostings` reads the positions of one document at a time, which costs more than
//! decoding them, and it is expensive to open. A phrase of common words, or one that ends with a
//! prefix of thousands of terms, reads most of the postings of a segment: [`PositionScanner`]
//! decodes them in sequence.
//!
//! The formats are those of tantivy 0.27. A list of 128 documents or more is read through tantivy's
//! block cursor. A shorter one is decoded here: the documents as differences, then their
//! frequencies, all as variable-length integers. Most terms of a prefix have such a list, and to
//! reset the cursor for each costs more than decoding it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use tantivy::DocId;
use tantivy::directory::{CompositeFile, OwnedBytes};
use tantivy::index::{InvertedIndexReader, SegmentComponent, SegmentReader};
use tantivy::positions::PositionReader;
use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption};

use crate::coop;
use crate::doc::MAX_FIELD_TERMS;

/// Documents of a block of postings.
const BLOCK_DOCS: usize = 128;

/// The postings of a field begin with the number of its tokens, in bytes.
const POSTINGS_HEADER_BYTES: usize = 8;

/// Marks the last byte of a variable-length integer.
const LAST_BYTE: u8 = 0x80;

/// The positions of a term begin with the number of their packed blocks: here 0.
const NO_BLOCKS: u8 = LAST_BYTE;

/// Receives the postings of a scan.
pub(super) trait PostingVisitor {
    /// Whether the positions in a document are wanted. Positions of others are not decoded.
    fn wants(&self, doc: DocId) -> bool;

    /// Called for each wanted document of the term, in order. `positions` are those of the term,
    /// ascending.
    fn visit(&mut self, doc: DocId, positions: &[u32]);

    /// Called instead of the others for documents that have the term once, as most have: each with
    /// its position, in order, wanted or not.
    fn visit_single(&mut self, docs: &[DocId], positions: &[u32]) {
        for (&doc, position) in docs.iter().zip(positions) {
            if self.wants(doc) {
                self.visit(doc, std::slice::from_ref(position));
            }
        }
    }
}

/// Scans the posting lists of one field of a segment.
pub(super) struct PositionScanner {
    index: Arc<InvertedIndexReader>,
    /// Posting lists of all terms of the field; a [`TermInfo`] has the range of each.
    postings: OwnedBytes,
    /// Positions of all terms of the field.
    positions: OwnedBytes,
    /// Reused from term to term: it is more than a kilobyte.
    block: Option<BlockSegmentPostings>,
    docs: [DocId; BLOCK_DOCS],
    buffer: Vec<u32>,
}

impl PositionScanner {
    /// Opens a field that is indexed with positions.
    pub(super) fn open(reader: &SegmentReader, field: Field) -> tantivy::Result<PositionScanner> {
        // The segment's reader keeps the files mapped, so this also succeeds after a merge has
        // deleted them.
        let open = |component| -> tantivy::Result<OwnedBytes> {
            let file = CompositeFile::open(&reader.open_read(component)?)?;
            let bytes = file.open_read(field).map(|bytes| bytes.read_bytes()).transpose()?;
            Ok(bytes.unwrap_or_else(OwnedBytes::empty))
        };
        let mut postings = open(SegmentComponent::Postings)?;
        postings.advance(POSTINGS_HEADER_BYTES.min(postings.len()));
        Ok(PositionScanner {
            index: reader.inverted_index(field)?,
            postings,
            positions: open(SegmentComponent::Positions)?,
            block: None,
            docs: [0; BLOCK_DOCS],
            buffer: Vec::new(),
        })
    }

    /// The inverted index of the field.
    pub(super) fn index(&self) -> &Arc<InvertedIndexReader> {
        &self.index
    }

    /// Reads the posting list of a term, deleted documents included. Leaves documents out when the
    /// search is stopped.
    ///
    /// # Errors
    ///
    /// When the files can't be read.
    pub(super) fn scan(&mut self, term: &TermInfo, visitor: &mut impl PostingVisitor) -> io::Result<()> {
        if (term.doc_freq as usize) < BLOCK_DOCS {
            self.scan_short(term, visitor)
        } else {
            self.scan_blocks(term, visitor)
        }
    }

    fn scan_short(&mut self, term: &TermInfo, visitor: &mut impl PostingVisitor) -> io::Result<()> {
        let mut at = term.postings_range.start;
        let docs = &mut self.docs[..term.doc_freq as usize];
        let mut doc = 0_u32;
        let mut n_needed = 0;
        for (n_before, slot) in docs.iter_mut().enumerate() {
            doc = doc.wrapping_add(read_vint(&self.postings, &mut at));
            *slot = doc;
            if visitor.wants(doc) {
                n_needed = n_before + 1;
            }
        }
        if n_needed == 0 {
            return Ok(());
        }
        let freqs = slice(&self.postings, &(at..term.postings_range.end.max(at)))?;
        let positions = slice(&self.positions, &term.positions_range)?;
        if let [NO_BLOCKS, positions @ ..] = positions
            && positions.len() == docs.len()
            && freqs.len() == docs.len()
            && freqs.iter().all(|&freq| freq == 1 | LAST_BYTE)
        {
            // The usual case: one position in each document, and each is one byte.
            self.buffer.clear();
            self.buffer.extend(positions.iter().map(|&position| u32::from(position & !LAST_BYTE)));
            visitor.visit_single(&docs[..n_needed], &self.buffer[..n_needed]);
            return Ok(());
        }
        let mut deltas = Deltas::open(&self.positions, &term.positions_range)?;
        for &doc in &docs[..n_needed] {
            let freq = read_vint(&self.postings, &mut at) as usize;
            if freq > MAX_FIELD_TERMS {
                return Err(damaged());
            }
            if visitor.wants(doc) {
                self.buffer.resize(freq, 0);
                deltas.read(&mut self.buffer);
                sum_up(&mut self.buffer);
                visitor.visit(doc, &self.buffer);
            } else {
                deltas.skip(freq);
            }
        }
        Ok(())
    }

    fn scan_blocks(&mut self, term: &TermInfo, visitor: &mut impl PostingVisitor) -> io::Result<()> {
        let block = match &mut self.block {
            Some(block) => {
                self.index.reset_block_postings_from_terminfo(term, block)?;
                block
            }
            block => {
                let option = IndexRecordOption::WithFreqsAndPositions;
                block.insert(self.index.read_block_postings_from_terminfo(term, option)?)
            }
        };
        let mut deltas = Deltas::open(&self.positions, &term.positions_range)?;
        while !block.docs().is_empty() && !coop::stopped() {
            let freqs = block.freqs();
            let n_positions = freqs.iter().map(|&freq| freq as usize).sum();
            if block.docs().iter().any(|&doc| visitor.wants(doc)) {
                self.buffer.resize(n_positions, 0);
                deltas.read(&mut self.buffer);
                if n_positions == freqs.len() {
                    visitor.visit_single(block.docs(), &self.buffer);
                    block.advance();
                    continue;
                }
                let mut rest = self.buffer.as_mut_slice();
                for (&doc, &freq) in block.docs().iter().zip(freqs) {
                    let (positions, others) = std::mem::take(&mut rest).split_at_mut(freq as usize);
                    rest = others;
                    if visitor.wants(doc) {
                        sum_up(positions);
                        visitor.visit(doc, positions);
                    }
                }
            } else {
                deltas.skip(n_positions);
            }
            block.advance();
        }
        Ok(())
    }
}

/// Turns differences into positions.
fn sum_up(deltas: &mut [u32]) {
    let mut position = 0_u32;
    for delta in deltas {
        position = position.wrapping_add(*delta);
        *delta = position;
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<usize>) -> io::Result<&'a [u8]> {
    bytes.get(range.clone()).ok_or_else(damaged)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a posting list is damaged")
}

/// Reads a variable-length integer and moves behind it: 7 bits a byte, lowest first, the last byte
/// marked by its highest bit.
///
/// Without branches on the length: lengths of one and two bytes alternate at random in most lists.
#[inline]
fn read_vint(bytes: &[u8], at: &mut usize) -> u32 {
    const MARKS: u64 = 0x8080_8080_8080_8080;
    let rest = bytes.get(*at..).unwrap_or_default();
    let word = match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let marks = word & MARKS;
    // All bits up to the first mark.
    let word = word & (marks ^ marks.wrapping_sub(1));
    *at += (marks.trailing_zeros() / 8 + 1) as usize;
    let value =
        word & 0x7F | word >> 1 & 0x3F80 | word >> 2 & 0x1F_C000 | word >> 3 & 0x0FE0_0000 | word >> 4 & 0xF000_0000;
    u32::try_from(value).expect("it has 32 bits")
}

/// The differences between the positions of a term, in sequence.
enum Deltas<'a> {
    /// Fewer than 128: variable-length integers behind the number of packed blocks, which is 0.
    /// To open a [`PositionReader`] costs more than to decode them.
    ///
    /// The file, and where to go on in it.
    Few(&'a [u8], usize),
    /// The reader, and how many it has read.
    Many(Box<PositionReader>, u64),
}

impl<'a> Deltas<'a> {
    fn open(positions: &'a OwnedBytes, range: &Range<usize>) -> io::Result<Deltas<'a>> {
        match slice(positions, range)? {
            [NO_BLOCKS, ..] => Ok(Deltas::Few(positions, range.start + 1)),
            _ => Ok(Deltas::Many(Box::new(PositionReader::open(positions.slice(range.clone()))?), 0)),
        }
    }

    /// Fills the buffer with the next ones.
    fn read(&mut self, buffer: &mut [u32]) {
        match self {
            Deltas::Few(bytes, at) => buffer.iter_mut().for_each(|delta| *delta = read_vint(bytes, at)),
            Deltas::Many(reader, n_read) => {
                reader.read(*n_read, buffer);
                *n_read += buffer.len() as u64;
            }
        }
    }

    fn skip(&mut self, n: usize) {
        match self {
            Deltas::Few(bytes, at) => {
                for _ in 0..n {
                    read_vint(bytes, at);
                }
            }
            Deltas::Many(_, n_read) => *n_read += n as u64,
        }
    }
}
