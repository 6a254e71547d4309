//! Allocates seqs, each at most once, across crashes.
//!
//! Seqs are reserved in blocks: `perch.json` records the end of a block, durably, before the first
//! seq of the block is used. After a crash allocation continues behind the block, so that no seq is
//! used twice, whether its tweet was committed or not.

use std::io;

use super::directory::IndexDir;
use crate::ids::Seq;

/// Seqs of a block.
const BLOCK_SEQS: u64 = 1 << 20;

/// Allocates the seqs of the index in a directory.
#[derive(Debug)]
pub(super) struct SeqAllocator {
    dir: IndexDir,
    last: Seq,
}

impl SeqAllocator {
    /// All seqs that an earlier perch reserved count as allocated.
    pub(super) fn new(dir: IndexDir) -> SeqAllocator {
        SeqAllocator { last: dir.reserved_seq(), dir }
    }

    /// The directory of the index.
    pub(super) fn dir(&self) -> &IndexDir {
        &self.dir
    }

    /// The directory of the index.
    pub(super) fn dir_mut(&mut self) -> &mut IndexDir {
        &mut self.dir
    }

    /// The last allocated seq.
    pub(super) fn last_seq(&self) -> Seq {
        self.last
    }

    /// Allocates the next `n` seqs and returns the first of them.
    pub(super) fn allocate(&mut self, n: usize) -> io::Result<Seq> {
        let last = u64::try_from(n).ok().and_then(|n| self.last.0.checked_add(n)).map(Seq);
        let last = last.filter(|&last| last <= Seq::MAX).ok_or_else(|| io::Error::other("there are no seqs left"))?;
        if last > self.dir.reserved_seq() {
            self.dir.reserve(Seq(last.0.saturating_add(BLOCK_SEQS)).min(Seq::MAX))?;
        }
        let first = Seq(self.last.0 + 1);
        self.last = last;
        Ok(first)
    }

    /// Counts all seqs up to this one as allocated.
    pub(super) fn skip_to(&mut self, seq: Seq) -> io::Result<()> {
        if seq > self.last {
            self.dir.reserve(seq)?;
            self.last = seq;
        }
        Ok(())
    }

    /// Returns the unused rest of the block and unlocks the directory.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let returned = self.dir.reserve(self.last);
        self.dir.unlock().and(returned)
    }
}
