//! Reads the documents of one raw chunk, on a thread for blocking work.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use super::raw_chunk::{RawChunk, RawDoc};
use super::{Chunk, Deletion, Location, RefusalKind, too_long};
use crate::format::{FormatKind, Item, Output, table};
use crate::tweet::{ReadContext, Tweet, User};

/// Reads one document and returns its format, if it has one.
pub(super) type Parse = fn(&str, Option<&'static FormatKind>, &mut Output<'_>) -> Option<&'static str>;

/// What reading a chunk needs.
pub(super) struct Job<T> {
    pub(super) max_line_bytes: usize,
    pub(super) format: Option<&'static FormatKind>,
    pub(super) parse: Parse,
    pub(super) convert: fn(Tweet, Location) -> T,
    pub(super) author: Option<User>,
}

impl<T> Clone for Job<T> {
    fn clone(&self) -> Job<T> {
        Job { author: self.author.clone(), ..*self }
    }
}

impl<T> Job<T> {
    /// Reads the documents of a chunk.
    pub(super) fn read(self, raw: RawChunk) -> Chunk<T> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let context = ReadContext { arrival_ms: i64::try_from(now).ok(), author: self.author.or(raw.author) };
        let mut chunk = Chunk {
            tweets: Vec::with_capacity(raw.docs.len()),
            refused: raw.refused,
            member: raw.member,
            ..Chunk::new(raw.end)
        };
        for RawDoc { location, range } in &raw.docs {
            let bytes = &raw.bytes[range.clone()];
            let Ok(text) = str::from_utf8(bytes) else {
                chunk.refused.push(location.refuse(RefusalKind::NotUtf8, "not UTF-8"));
                continue;
            };
            let mut out = Output::new(&context, self.max_line_bytes);
            let (text, format) = match &raw.table {
                Some(table) => (Cow::Owned(table.object(text)), Some(&table::KIND)),
                None => (Cow::Borrowed(text), self.format),
            };
            let Some(text) = event_data(&text) else { continue };
            if let Some(format) = (self.parse)(text, format, &mut out) {
                *chunk.formats.entry(format).or_default() += 1;
            }
            chunk.dropped.merge(&out.reading.dropped);
            if bytes.len() > self.max_line_bytes && !out.is_page {
                chunk.refused.push(location.refuse(RefusalKind::TooLong, &too_long(self.max_line_bytes)));
                continue;
            }
            for item in out.items {
                match item {
                    Ok(Item::Tweet(tweet)) => chunk.tweets.push((self.convert)(*tweet, *location)),
                    Ok(Item::Delete { id_str }) => {
                        chunk.deletions.push(Deletion { id_str, at: chunk.tweets.len(), location: *location });
                    }
                    Ok(Item::Skipped { kind }) => *chunk.skipped.entry(kind).or_default() += 1,
                    Err(error) => {
                        chunk.refused.push(location.refuse(RefusalKind::NotATweet, &error.to_string()));
                    }
                }
            }
        }
        if let (Some(before), Some(last)) = (raw.unfinished, raw.docs.last())
            && chunk.refused.iter().any(|refused| last.location == Location::Line(refused.line))
        {
            // The writer may complete the line later.
            chunk.end = before;
        }
        chunk.refused.sort_by_key(|refused| refused.line);
        if let Some(member) = &chunk.member {
            for refused in &mut chunk.refused {
                refused.reason = format!("{member}: {}", refused.reason);
            }
        }
        chunk
    }
}

/// The data of a line of server-sent events; other lines as they are. `None` for the lines of an
/// event that carry none.
fn event_data(text: &str) -> Option<&str> {
    if let Some(data) = text.strip_prefix("data:") {
        return Some(data.trim_start()).filter(|data| data.starts_with('{'));
    }
    let is_other = ["event:", "id:", "retry:", ":"].into_iter().any(|field| text.starts_with(field));
    (!is_other).then_some(text)
}
