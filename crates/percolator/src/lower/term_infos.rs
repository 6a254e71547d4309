//! Lists the posting lists of the terms with a prefix, without a walk through the dictionary.
//!
//! The terms with a prefix have consecutive ordinals. tantivy has the posting list of an ordinal in
//! a packed array behind the automaton of the dictionary, but gives it out only through a stream
//! over the automaton, which costs several times as much as the array. [`TermInfos`] reads the
//! array as tantivy 0.27 writes it: blocks of 256 terms, each with a header and bit-packed entries.

use std::io;
use std::ops::Range;

use tantivy::directory::{CompositeFile, OwnedBytes};
use tantivy::index::{InvertedIndexReader, SegmentComponent, SegmentReader};
use tantivy::postings::TermInfo;
use tantivy::schema::Field;

use crate::coop;

/// Terms of a block.
const BLOCK_TERMS: usize = 256;
/// Bytes of the header of a block.
const HEADER_BYTES: usize = 39;
/// The version and the type that tantivy ends a dictionary with.
const DICTIONARY_FORMAT: [u8; 8] = [1, 0, 0, 0, 1, 0, 0, 0];

/// The posting lists of a field's terms, by ordinal.
pub(super) struct TermInfos {
    headers: OwnedBytes,
    entries: OwnedBytes,
    n_terms: u64,
}

impl TermInfos {
    /// Opens the dictionary of a field.
    pub(super) fn open(reader: &SegmentReader, field: Field) -> tantivy::Result<TermInfos> {
        let file = CompositeFile::open(&reader.open_read(SegmentComponent::Terms)?)?;
        let Some(file) = file.open_read(field) else {
            let (headers, entries) = (OwnedBytes::empty(), OwnedBytes::empty());
            return Ok(TermInfos { headers, entries, n_terms: 0 });
        };
        Ok(TermInfos::parse(&file.read_bytes()?).ok_or_else(damaged)?)
    }

    fn parse(file: &OwnedBytes) -> Option<TermInfos> {
        let end = file.len().checked_sub(DICTIONARY_FORMAT.len())?;
        if file[end..] != DICTIONARY_FORMAT {
            return None;
        }
        let values_end = end.checked_sub(8)?;
        let values_start = values_end.checked_sub(read_u64(file, values_end)?)?;
        let headers_start = values_start + 16;
        let headers_end = headers_start.checked_add(read_u64(file, values_start)?)?;
        (headers_end <= values_end).then(|| TermInfos {
            n_terms: read_u64(file, values_start + 8).unwrap_or(0) as u64,
            headers: file.slice(headers_start..headers_end),
            entries: file.slice(headers_end..values_end),
        })
    }

    /// Calls `with` for each term that starts with the prefix, in order, until the search is
    /// stopped.
    pub(super) fn for_each_with_prefix(
        &self,
        index: &InvertedIndexReader,
        prefix: &str,
        mut with: impl FnMut(&TermInfo) -> tantivy::Result<()>,
    ) -> tantivy::Result<()> {
        let first_from = |key: &[u8]| -> io::Result<u64> {
            let mut terms = index.terms().range().ge(key).without_keys().into_stream()?;
            Ok(if terms.advance() { terms.term_ord() } else { self.n_terms })
        };
        let end = match end_of_prefix(prefix.as_bytes()) {
            Some(end) => first_from(&end)?,
            None => self.n_terms,
        };
        let as_index = |ord: u64| usize::try_from(ord).map_err(|_| damaged());
        let (mut ord, end) = (as_index(first_from(prefix.as_bytes())?)?, as_index(end)?);
        while ord < end {
            let (number, first) = (ord / BLOCK_TERMS, ord % BLOCK_TERMS);
            let n_terms = (end - ord).min(BLOCK_TERMS - first);
            let block = self.block(number).ok_or_else(damaged)?;
            for term in block.terms(first..first + n_terms) {
                if coop::stopped() {
                    return Ok(());
                }
                with(&term.ok_or_else(damaged)?)?;
            }
            ord += n_terms;
        }
        Ok(())
    }

    fn block(&self, number: usize) -> Option<Block<'_>> {
        let header = self.headers.get(number * HEADER_BYTES..)?.get(..HEADER_BYTES)?;
        let (postings_start, positions_start) = (read_u64(header, 12)?, read_u64(header, 24)?);
        let first = TermInfo {
            doc_freq: read_u32(header, 8)?,
            postings_range: postings_start..postings_start + read_u32(header, 20)? as usize,
            positions_range: positions_start..positions_start + read_u32(header, 32)? as usize,
        };
        let &[freq_bits, postings_bits, positions_bits] = header.get(36..)? else { return None };
        let entries = self.entries.get(read_u64(header, 0)?..)?;
        Some(Block {
            first,
            entries,
            freq_bits: freq_bits.into(),
            postings_bits: postings_bits.into(),
            positions_bits: positions_bits.into(),
        })
    }
}

/// A block of terms. The entry of a term has the start of its postings and of its positions, both
/// behind those of the block's first term, and its document frequency. The first term has none.
struct Block<'a> {
    first: TermInfo,
    entries: &'a [u8],
    freq_bits: usize,
    postings_bits: usize,
    positions_bits: usize,
}

impl Block<'_> {
    /// Some terms of the block, in order.
    fn terms(&self, range: Range<usize>) -> impl Iterator<Item = Option<TermInfo>> {
        // The end of a term is the start of the next.
        let mut starts = self.starts(range.start);
        range.map(move |at| {
            let (postings_start, positions_start) = starts?;
            starts = self.starts(at + 1);
            let (postings_end, positions_end) = starts?;
            Some(TermInfo {
                doc_freq: self.doc_freq(at)?,
                postings_range: postings_start..postings_end,
                positions_range: positions_start..positions_end,
            })
        })
    }

    /// Where the postings and the positions of a term start, or those behind the last term.
    fn starts(&self, at: usize) -> Option<(usize, usize)> {
        let (postings, positions) = (self.first.postings_range.start, self.first.positions_range.start);
        let Some(entry) = at.checked_sub(1) else { return Some((postings, positions)) };
        let bit = entry * self.entry_bits();
        Some((
            postings + read_bits(self.entries, bit, self.postings_bits)?,
            positions + read_bits(self.entries, bit + self.postings_bits, self.positions_bits)?,
        ))
    }

    fn doc_freq(&self, at: usize) -> Option<u32> {
        let Some(entry) = at.checked_sub(1) else { return Some(self.first.doc_freq) };
        let bit = entry * self.entry_bits() + self.postings_bits + self.positions_bits;
        u32::try_from(read_bits(self.entries, bit, self.freq_bits)?).ok()
    }

    fn entry_bits(&self) -> usize {
        self.postings_bits + self.positions_bits + self.freq_bits
    }
}

/// The lowest byte string above all that start with the prefix. `None` when there is none.
fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// The most bits of a field of an entry.
const MAX_BITS: usize = 56;

/// Reads an integer of up to [`MAX_BITS`] bits, lowest first.
fn read_bits(bytes: &[u8], bit: usize, n: usize) -> Option<usize> {
    if n > MAX_BITS {
        return None;
    }
    let rest = bytes.get(bit / 8..)?;
    let word = rest.first_chunk().map_or_else(
        || rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        |word| u64::from_le_bytes(*word),
    );
    usize::try_from(word >> (bit % 8) & ((1 << n) - 1)).ok()
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a term dictionary is damaged")
}

#[cfg(test)]
mod tests {
    use tantivy::IndexWriter;
    use tantivy::schema::{STRING, Schema};

    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_above_all_that_start_with_it() {
        assert_eq!(end_of_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of_prefix(&[b'a', 0xFF]), Some(b"b".to_vec()));
        assert_eq!(end_of_prefix(b""), None);
    }

    /// More terms than fit into one block, and frequencies and lists of different lengths.
    #[test]
    fn term_infos_are_those_of_the_dictionary() {
        let mut schema = Schema::builder();
        let field = schema.add_text_field("field", STRING);
        let index = tantivy::Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
        for number in 0..3_000_u32 {
            writer.add_document(tantivy::doc!(field => format!("a{}", number % 777))).unwrap();
            writer.add_document(tantivy::doc!(field => format!("b{}", number % 7))).unwrap();
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        let reader = searcher.segment_reader(0);
        let inverted = reader.inverted_index(field).unwrap();
        let infos = TermInfos::open(reader, field).unwrap();
        for (prefix, n_terms) in [("", 784), ("a", 777), ("a1", 111), ("a776", 1), ("b", 7), ("b7", 0), ("c", 0)] {
            let mut found = Vec::new();
            let add = |info: &TermInfo| {
                found.push(info.clone());
                Ok(())
            };
            infos.for_each_with_prefix(&inverted, prefix, add).unwrap();
            let mut expected = Vec::new();
            let mut terms = inverted.terms().stream().unwrap();
            while let Some((key, info)) = terms.next() {
                if key.starts_with(prefix.as_bytes()) {
                    expected.push(info.clone());
                }
            }
            assert_eq!((found.len(), &found), (n_terms, &expected), "{prefix}");
        }
    }
}
