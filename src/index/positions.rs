//! The documents and positions of whole terms, decoded block by block.
//!
//! tantivy's `SegmentPostings` reads the positions of one document at a time, which costs more than
//! decoding them, and it is expensive to open. A phrase of common words, or one that ends with a
//! prefix of thousands of terms, needs nearly all positions: [`PositionScanner`] reads them in
//! sequence, through one cursor for all terms.

use std::io;
use std::sync::Arc;

use tantivy::DocId;
use tantivy::directory::{CompositeFile, OwnedBytes};
use tantivy::index::{InvertedIndexReader, SegmentComponent, SegmentReader};
use tantivy::positions::PositionReader;
use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption};

use crate::coop;

/// Scans the terms of one field of a segment.
pub(super) struct PositionScanner {
    index: Arc<InvertedIndexReader>,
    /// Of all terms of the field; a [`TermInfo`] says which part is whose.
    positions: OwnedBytes,
    /// Reused from term to term: tantivy's cursor is more than a kilobyte.
    block: Option<BlockSegmentPostings>,
    buffer: Vec<u32>,
}

impl PositionScanner {
    /// Opens a field with positions.
    pub(super) fn open(reader: &SegmentReader, field: Field) -> tantivy::Result<PositionScanner> {
        // The segment's reader keeps the file mapped, so this succeeds also after a merge deleted
        // it.
        let file = CompositeFile::open(&reader.open_read(SegmentComponent::Positions)?)?;
        let positions = file.open_read(field).map(|positions| positions.read_bytes()).transpose()?;
        Ok(PositionScanner {
            index: reader.inverted_index(field)?,
            positions: positions.unwrap_or_else(OwnedBytes::empty),
            block: None,
            buffer: Vec::new(),
        })
    }

    /// The index that the terms come from.
    pub(super) fn index(&self) -> &InvertedIndexReader {
        &self.index
    }

    /// Calls `with` for each document of a term, deleted ones too, with the term's positions there.
    /// Some are left out when the search is stopped.
    pub(super) fn scan(&mut self, term: &TermInfo, mut with: impl FnMut(DocId, &[u32])) -> io::Result<()> {
        let block = match &mut self.block {
            Some(block) => {
                self.index.reset_block_postings_from_terminfo(term, block)?;
                block
            }
            block => block
                .insert(self.index.read_block_postings_from_terminfo(term, IndexRecordOption::WithFreqsAndPositions)?),
        };
        let mut deltas = Deltas::open(self.positions.slice(term.positions_range.clone()))?;
        while !block.docs().is_empty() && !coop::stopped() {
            let freqs = block.freqs();
            self.buffer.resize(freqs.iter().map(|&freq| freq as usize).sum(), 0);
            deltas.read(&mut self.buffer);
            let mut rest = self.buffer.as_mut_slice();
            for (&doc, &freq) in block.docs().iter().zip(freqs) {
                let (positions, others) = std::mem::take(&mut rest).split_at_mut(freq as usize);
                rest = others;
                let mut position = 0;
                for delta in &mut *positions {
                    position += *delta;
                    *delta = position;
                }
                with(doc, positions);
            }
            block.advance();
        }
        Ok(())
    }
}

/// The distances between positions, in sequence.
enum Deltas {
    /// Of a term with fewer than 128 positions: tantivy wrote them as variable-length integers
    /// behind the number of packed blocks, which is 0. Most terms are such ones, and opening a
    /// [`PositionReader`] for each costs more than reading them.
    Few(OwnedBytes),
    Many(Box<PositionReader>, u64),
}

impl Deltas {
    fn open(mut bytes: OwnedBytes) -> io::Result<Deltas> {
        const NO_BLOCKS: u8 = 0x80;
        if bytes.first() == Some(&NO_BLOCKS) {
            bytes.advance(1);
            return Ok(Deltas::Few(bytes));
        }
        Ok(Deltas::Many(Box::new(PositionReader::open(bytes)?), 0))
    }

    /// Fills the buffer with the next ones.
    fn read(&mut self, buffer: &mut [u32]) {
        match self {
            Deltas::Few(bytes) => {
                let mut read = 0;
                for delta in buffer {
                    *delta = 0;
                    for shift in (0..32).step_by(7) {
                        let byte = bytes.get(read).copied().unwrap_or(0x80);
                        read += 1;
                        *delta |= u32::from(byte & 0x7F) << shift;
                        if byte & 0x80 != 0 {
                            break;
                        }
                    }
                }
                bytes.advance(read.min(bytes.len()));
            }
            Deltas::Many(reader, offset) => {
                reader.read(*offset, buffer);
                *offset += buffer.len() as u64;
            }
        }
    }
}
