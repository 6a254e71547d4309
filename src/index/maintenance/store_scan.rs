//! Finds stored tweets in a damaged file, or in a part of one.
//!
//! tantivy finds a document by a skip list at the end of its `.store` file, and packs neighbors
//! into one LZ4 block. Without the end of the file it finds none. The blocks follow each other, so
//! the scan finds them without the list: bytes that decompress to a block whose tweets match their
//! checksums are a block, and the next one begins behind it. Otherwise the scan tries the next
//! byte. A changed byte loses the tweets of its block at most, a cut the tweets behind it.
//!
//! ```text
//! block     unpacked size: u32 | LZ4
//! unpacked  document … | offset of each document: u32 … | number of documents: u32
//! ```

use std::io;
use std::ops::Range;
use std::path::Path;

use tantivy::HasLen as _;
use tantivy::directory::{FileSlice, OwnedBytes};

use crate::index::checksum::{self, StoredTweet};

/// The largest block, packed or not, in bytes. A block is full with 4 KiB, or with its first tweet.
const MAX_BLOCK_BYTES: usize = 16 * 1024 * 1024;

/// The part of the file in memory, in bytes.
const WINDOW_BYTES: usize = 64 * 1024 * 1024;

/// The longest header of a document, in bytes: the number of fields, and their ids, types and
/// lengths.
const MAX_PREFIX_BYTES: usize = 16;

/// Where a tweet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockAddress {
    /// Where its block begins in the file.
    pub(super) start: usize,
    /// Which document of the block it is.
    pub(super) doc: usize,
}

/// Scans a damaged `.store` file.
pub(super) struct StoreScan {
    file: FileSlice,
    window: OwnedBytes,
    window_start: usize,
    unpacked: Vec<u8>,
    /// The block that is decompressed.
    block: Option<usize>,
}

impl StoreScan {
    pub(super) fn open(path: &Path) -> io::Result<StoreScan> {
        let file = FileSlice::open(path)?;
        Ok(StoreScan { file, window: OwnedBytes::empty(), window_start: 0, unpacked: Vec::new(), block: None })
    }

    /// Calls `found` for every stored tweet, in the order of the file.
    pub(super) fn for_each(&mut self, mut found: impl FnMut(BlockAddress, StoredTweet<'_>)) -> io::Result<()> {
        let mut start = 0;
        while start < self.file.len() {
            let packed = self.unpack(start)?;
            let docs = if packed.is_some() { docs_of(&self.unpacked) } else { None };
            let mut is_whole = docs.is_some();
            for (doc, range) in docs.into_iter().flatten().enumerate() {
                match text_of(&self.unpacked[range]) {
                    Some(tweet) => found(BlockAddress { start, doc }, tweet),
                    None => is_whole = false,
                }
            }
            start += packed.filter(|_| is_whole).unwrap_or(1);
        }
        Ok(())
    }

    /// Reads a tweet that was found.
    pub(super) fn read(&mut self, address: BlockAddress) -> io::Result<Option<String>> {
        if self.block != Some(address.start) {
            self.unpack(address.start)?;
        }
        let range = docs_of(&self.unpacked).and_then(|mut docs| docs.nth(address.doc));
        Ok(range.and_then(|range| text_of(&self.unpacked[range])).map(|tweet| tweet.json.to_owned()))
    }

    /// Decompresses the block at this offset. Returns its size in the file, or `None` when there is
    /// none.
    fn unpack(&mut self, start: usize) -> io::Result<Option<usize>> {
        self.block = Some(start);
        self.unpacked.clear();
        let end = self.file.len().min(start + 2 * MAX_BLOCK_BYTES);
        if start < self.window_start || end > self.window_start + self.window.len() {
            self.window = self.file.read_bytes_slice(start..self.file.len().min(start + WINDOW_BYTES))?;
            self.window_start = start;
        }
        let bytes = &self.window[start - self.window_start..end - self.window_start];
        let Some((len, block)) = bytes.split_first_chunk() else { return Ok(None) };
        let len = u32::from_le_bytes(*len) as usize;
        if !(size_of::<u32>()..=MAX_BLOCK_BYTES).contains(&len) {
            return Ok(None);
        }
        let packed = unpack_lz4(block, len, &mut self.unpacked);
        if packed.is_none() {
            self.unpacked.clear();
        }
        Ok(packed.map(|packed| size_of::<u32>() + packed))
    }
}

/// The ranges of the documents of a decompressed block. `None` when it is no block.
fn docs_of(block: &[u8]) -> Option<impl Iterator<Item = Range<usize>>> {
    let (offsets, n) = block.split_last_chunk()?;
    let n = u32::from_le_bytes(*n) as usize;
    let end = offsets.len().checked_sub(n.checked_mul(size_of::<u32>())?)?;
    let (offsets, _) = offsets[end..].as_chunks();
    let offsets: Vec<usize> = offsets.iter().map(|&offset| u32::from_le_bytes(offset) as usize).collect();
    let is_sound = offsets.first() == Some(&0) && offsets.is_sorted() && offsets.last() <= Some(&end);
    let ends: Vec<usize> = offsets.iter().skip(1).copied().chain([end]).collect();
    is_sound.then(|| offsets.into_iter().zip(ends).map(|(start, end)| start..end))
}

/// The tweet in a stored document. Its text ends with the document.
fn text_of(doc: &[u8]) -> Option<StoredTweet<'_>> {
    let starts = (0..doc.len().min(MAX_PREFIX_BYTES)).filter(|&at| doc[at] == b'{');
    let mut texts = starts.filter_map(|start| std::str::from_utf8(&doc[start..]).ok());
    texts.find_map(checksum::open_tweet)
}

/// Decompresses an LZ4 block of `len` bytes and returns its packed size. tantivy's reader knows the
/// packed size from the skip list; the scan knows only the unpacked one.
fn unpack_lz4(packed: &[u8], len: usize, unpacked: &mut Vec<u8>) -> Option<usize> {
    let mut rest = packed;
    loop {
        let token = next(&mut rest)?;
        let literals = length(token >> 4, &mut rest)?;
        let (literals, behind) = rest.split_at_checked(literals)?;
        unpacked.extend_from_slice(literals);
        rest = behind;
        if unpacked.len() >= len {
            return (unpacked.len() == len).then_some(packed.len() - rest.len());
        }
        let distance = usize::from(u16::from_le_bytes([next(&mut rest)?, next(&mut rest)?]));
        let from = unpacked.len().checked_sub(distance).filter(|_| distance > 0)?;
        let copied = length(token & 15, &mut rest)? + 4;
        if unpacked.len() + copied > len {
            return None;
        }
        // What is copied can begin before the end and go on behind it.
        for at in from..from + copied {
            unpacked.push(unpacked[at]);
        }
    }
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(byte)
}

/// A length of 15 continues in the next bytes, up to one that is not 255.
fn length(start: u8, rest: &mut &[u8]) -> Option<usize> {
    let mut length = usize::from(start);
    if start == 15 {
        loop {
            let more = next(rest)?;
            length += usize::from(more);
            if more != u8::MAX {
                break;
            }
        }
    }
    Some(length)
}
