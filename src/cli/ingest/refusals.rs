//! The refused lines of a file, which are held back until one of its documents is a tweet: a file
//! without tweets is one mistake.

use crate::format::reader::{Chunk, ReadError, RefusedDoc};

use super::MAX_LISTED_LINES;

/// The refused lines of a file.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Those that are held back, and how many there are. `None` once something was no mistake.
    held: Option<(Vec<RefusedDoc>, u64)>,
}

impl Default for Refusals {
    fn default() -> Refusals {
        Refusals { held: Some((Vec::new(), 0)) }
    }
}

impl Refusals {
    /// Takes the refused lines of a chunk, and returns those that are to be listed now.
    pub(super) fn take<T>(&mut self, chunk: &mut Chunk<T>) -> Vec<RefusedDoc> {
        let refused = std::mem::take(&mut chunk.refused);
        let Some((held, n)) = &mut self.held else { return refused };
        *n += refused.len() as u64;
        let room = usize::try_from(MAX_LISTED_LINES).unwrap_or(usize::MAX).saturating_sub(held.len());
        held.extend(refused.into_iter().take(room));
        let has_taken = !chunk.tweets.is_empty() || !chunk.deletions.is_empty() || !chunk.skipped.is_empty();
        if has_taken { self.held.take().map(|(held, _)| held).unwrap_or_default() } else { Vec::new() }
    }

    /// The lines that are left when the file has ended.
    ///
    /// # Errors
    ///
    /// The file has no tweet and several other documents.
    pub(super) fn end(self) -> Result<Vec<RefusedDoc>, ReadError> {
        match self.held {
            Some((held, n)) if n > 1 => {
                let reason = held.into_iter().next().map(|first| first.reason).unwrap_or_default();
                Err(ReadError::NothingAccepted(n, reason))
            }
            held => Ok(held.map(|(held, _)| held).unwrap_or_default()),
        }
    }
}
