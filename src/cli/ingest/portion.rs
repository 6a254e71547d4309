//! Some tweets of a file as NDJSON: the body of one request.

use async_compression::tokio::write::ZstdEncoder;
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;

use crate::client::Failure;
use crate::format::reader::{Chunk, Location};
use crate::tweet::Tweet;

/// The largest number of tweets in a portion.
pub(super) const PORTION_TWEETS: usize = 5_000;
/// perch sends a portion when it has this size, in bytes.
pub(super) const PORTION_BYTES: usize = 4 * 1024 * 1024;
/// A tweet as perch keeps it, and where it stands in the file.
pub(super) struct Line {
    pub(super) json: String,
    pub(super) location: Location,
}

impl Line {
    pub(super) fn new(tweet: &Tweet, location: Location) -> Line {
        Line { json: tweet.to_json(), location }
    }
}

/// Some tweets as NDJSON, and where each line stands in the file.
#[derive(Debug, Default)]
pub(super) struct Portion {
    pub(super) body: Vec<u8>,
    pub(super) locations: Vec<Location>,
    /// Where each line ends in the body.
    pub(super) ends: Vec<usize>,
    /// Whether a line deletes a tweet, which may be in a portion before or after.
    pub(super) has_deletions: bool,
}

impl Portion {
    pub(super) fn add(&mut self, chunk: &Chunk<Line>) {
        self.has_deletions |= !chunk.deletions.is_empty();
        let mut deletions = chunk.deletions.iter().peekable();
        for at in 0..=chunk.tweets.len() {
            while let Some(deletion) = deletions.next_if(|deletion| deletion.at <= at) {
                let line = serde_json::json!({"delete": {"status": {"id_str": deletion.id_str}}}).to_string();
                self.push(&line, deletion.location);
            }
            if let Some(Line { json, location }) = chunk.tweets.get(at) {
                self.push(json, *location);
            }
        }
    }

    fn push(&mut self, json: &str, location: Location) {
        self.body.extend_from_slice(json.as_bytes());
        self.body.push(b'\n');
        self.locations.push(location);
        self.ends.push(self.body.len());
    }

    pub(super) fn is_full(&self, max_bytes: usize) -> bool {
        self.locations.len() >= PORTION_TWEETS || self.body.len() >= max_bytes
    }

    /// The first half of the lines, and the others. There must be two lines.
    pub(super) fn halves(mut self) -> (Portion, Portion) {
        let middle = self.ends.len() / 2;
        let cut = self.ends[middle - 1];
        let ends = self.ends.split_off(middle).into_iter().map(|end| end - cut).collect();
        let (body, locations) = (self.body.split_off(cut), self.locations.split_off(middle));
        let rest = Portion { body, locations, ends, has_deletions: self.has_deletions };
        (self, rest)
    }

    /// The body as it is sent.
    pub(super) async fn pack(&self) -> Result<Bytes, Failure> {
        let mut encoder = ZstdEncoder::new(Vec::new());
        encoder.write_all(&self.body).await?;
        encoder.shutdown().await?;
        Ok(encoder.into_inner().into())
    }
}
