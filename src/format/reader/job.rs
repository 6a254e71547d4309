//! Reads the documents of one raw chunk, on a thread for blocking work. A chunk of long pages
//! becomes several chunks of tweets.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use super::raw_chunk::{RawChunk, RawDoc};
use super::{Chunk, Deletion, Location, Offset, RefusalKind, too_long};
use crate::format::output::Rest;
use crate::format::table::RowReader;
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

/// Documents of a raw chunk that are still to be read.
pub(super) struct Work<T> {
    job: Job<T>,
    raw: RawChunk,
    /// Reads the rows, if the documents are rows of a table.
    rows: Option<RowReader>,
    /// The document that is read next, and what is left of it if its beginning was read.
    next_doc: usize,
    rest: Option<Rest>,
}

/// Tweets and deletions, or refusals, after which a chunk ends.
const CHUNK_ITEMS: usize = 5_000;

impl<T> Work<T> {
    /// The reading of a raw chunk.
    pub(super) fn new(mut job: Job<T>, mut raw: RawChunk) -> Work<T> {
        job.author = job.author.take().or(raw.author.take());
        let rows = raw.table.as_ref().map(|table| table.reader());
        Work { job, raw, rows, next_doc: 0, rest: None }
    }

    /// Reads the next documents, and returns what is left.
    pub(super) fn read(mut self) -> (Chunk<T>, Option<Work<T>>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let context = ReadContext { arrival_ms: i64::try_from(now).ok(), author: self.job.author.clone() };
        let mut chunk = Chunk {
            tweets: Vec::with_capacity(self.raw.docs.len()),
            refused: std::mem::take(&mut self.raw.refused),
            member: self.raw.member.clone(),
            ..Chunk::new(None)
        };
        while self.next_doc < self.raw.docs.len() {
            if chunk.tweets.len() + chunk.deletions.len() >= CHUNK_ITEMS || chunk.refused.len() >= CHUNK_ITEMS {
                break;
            }
            self.read_doc(&context, &mut chunk);
            if self.rest.is_some() {
                break;
            }
            self.next_doc += 1;
        }
        let is_done = self.next_doc >= self.raw.docs.len();
        if is_done {
            chunk.end = Some(self.end(&chunk));
        }
        chunk.refused.sort_by_key(|refused| refused.line);
        if let Some(member) = &chunk.member {
            for refused in &mut chunk.refused {
                refused.reason = format!("{member}: {}", refused.reason);
            }
        }
        (chunk, (!is_done).then_some(self))
    }

    /// Where the raw chunk ends.
    fn end(&self, chunk: &Chunk<T>) -> Offset {
        match (self.raw.unfinished, self.raw.docs.last()) {
            // The writer may complete the line later.
            (Some(before), Some(last))
                if chunk.refused.iter().any(|refused| last.location == Location::Line(refused.line)) =>
            {
                before
            }
            _ => self.raw.end,
        }
    }

    /// Whether the next document is the length of the one behind it, as in delimited streams.
    fn is_length(&self, text: &str) -> bool {
        let is_short = text.len() <= 10 && text.starts_with(|c: char| c.is_ascii_digit()) && is_number(text.trim_end());
        is_short && {
            let before = self.next_doc.checked_sub(1).and_then(|at| self.raw.docs.get(at));
            let behind = self.raw.docs.get(self.next_doc + 1);
            let is_object = |doc: &RawDoc| self.raw.bytes[doc.range.clone()].starts_with(b"{");
            behind.or(before).is_some_and(is_object)
        }
    }

    /// Reads the next document, or a portion of it.
    fn read_doc(&mut self, context: &ReadContext, chunk: &mut Chunk<T>) {
        let RawDoc { location, range } = self.raw.docs[self.next_doc].clone();
        let bytes = &self.raw.bytes[range];
        let Ok(text) = str::from_utf8(bytes) else {
            let is_row = self.raw.table.is_some();
            let reason = if is_row { "not UTF-8: save the table as CSV in UTF-8" } else { "not UTF-8" };
            chunk.refused.push(location.refuse(RefusalKind::NotUtf8, reason));
            return;
        };
        let (text, format) = match (&self.raw.table, &mut self.rows) {
            (Some(table), Some(rows)) => (Cow::Owned(table.object(text, rows)), Some(&table::KIND)),
            _ => (Cow::Borrowed(text), self.job.format),
        };
        if self.is_length(&text) {
            return;
        }
        let text = match event_data(&text) {
            EventLine::Data(text) => text,
            EventLine::Deletion(number) => {
                let (id_str, at) = (number.to_owned(), chunk.tweets.len());
                chunk.deletions.push(Deletion { id_str, at, location, is_number: true });
                return;
            }
            EventLine::Other => return,
        };
        let max_bytes = self.job.max_line_bytes;
        let rest = self.rest.take();
        let is_first = rest.is_none();
        let mut out =
            rest.map_or_else(|| Output::new(context, max_bytes), |rest| Output::resume(context, max_bytes, rest));
        if let Some(format) = (self.job.parse)(text, format, &mut out).filter(|_| is_first) {
            *chunk.formats.entry(format).or_default() += 1;
        }
        self.rest = out.rest();
        chunk.statuses.append(&mut out.statuses);
        chunk.dropped.merge(&out.reading.dropped);
        if bytes.len() > max_bytes && !out.is_page {
            chunk.refused.push(location.refuse(RefusalKind::TooLong, &too_long(max_bytes)));
            return;
        }
        for item in out.items {
            match item {
                Ok(Item::Tweet(tweet)) => chunk.tweets.push((self.job.convert)(*tweet, location)),
                Ok(Item::Delete { id_str }) => {
                    chunk.deletions.push(Deletion { id_str, at: chunk.tweets.len(), location, is_number: false });
                }
                Ok(Item::DeleteStatus { number: id_str }) => {
                    chunk.deletions.push(Deletion { id_str, at: chunk.tweets.len(), location, is_number: true });
                }
                Ok(Item::Skipped { kind }) => *chunk.skipped.entry(kind).or_default() += 1,
                Err(error) => chunk.refused.push(location.refuse(RefusalKind::NotATweet, &error.to_string())),
            }
        }
    }
}

/// A line of server-sent events, or any other line.
#[derive(Debug, PartialEq, Eq)]
enum EventLine<'t> {
    /// A document.
    Data(&'t str),
    /// The number of a status of Mastodon, which only its event `delete` has as data.
    Deletion(&'t str),
    /// A line without a document.
    Other,
}

fn event_data(text: &str) -> EventLine<'_> {
    if let Some(data) = text.strip_prefix("data:") {
        let data = data.trim();
        return match data.as_bytes() {
            [b'{', ..] => EventLine::Data(data),
            [b'0'..=b'9', ..] if is_number(data) => EventLine::Deletion(data),
            _ => EventLine::Other,
        };
    }
    let is_other = ["event:", "id:", "retry:", ":"].into_iter().any(|field| text.starts_with(field));
    if is_other { EventLine::Other } else { EventLine::Data(text) }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
