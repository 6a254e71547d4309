//! Tables: CSV and TSV with a row of names at the top.
//!
//! A row becomes a JSON object of texts, which is read like that of a scraper. The names of columns
//! are known by [`super::aliases`]; `--map text=content` names others.

use std::borrow::Cow;
use std::ops::Range;

use csv_core::ReadRecordResult;

use super::aliases::{ALIASES, Field, field_of, normalized};
use super::{FormatKind, scraper};

pub(super) const KIND: FormatKind = FormatKind {
    name: "csv",
    about: "tables with a row of names: CSV and TSV, separated by comma, tab, semicolon or bar",
    example: "tweets.csv",
    lists: &[],
    // The reader knows tables by their first line.
    recognize: |_| false,
    read: |value, out| {
        let tweet = scraper::tweet(value, &mut out.reading);
        out.push(tweet);
    },
};

/// What columns of a table are called: the name of a field, and the name in the table.
pub type ColumnMap = Vec<(String, String)>;

/// The longest row of names.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The head of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    delimiter: u8,
    /// The names of the columns, mapped.
    names: Vec<String>,
}

impl Table {
    /// The table that begins with this line, if its columns have an id and a text, or `is_forced`.
    pub(super) fn detect(line: &[u8], map: &ColumnMap, is_forced: bool) -> Option<Table> {
        if line.len() > MAX_HEADER_BYTES {
            return None;
        }
        let tables = [b',', b'\t', b';', b'|'].into_iter().map(|delimiter| {
            let mut header = RowReader::new(delimiter);
            header.read(line);
            Table { delimiter, names: header.cells().map(|name| mapped(&name, map)).collect() }
        });
        let table = tables.max_by_key(|table| table.known().count())?;
        let has = |field| table.known().any(|it| it == field);
        let is_table = has(Field::Text) && (has(Field::Id) || has(Field::Url));
        (is_forced || table.names.len() > 1 && is_table).then_some(table)
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    fn known(&self) -> impl Iterator<Item = Field> + '_ {
        self.names.iter().filter_map(|name| Some(field_of(&normalized(name))?.0))
    }

    /// A reader of its rows.
    pub(super) fn reader(&self) -> RowReader {
        RowReader::new(self.delimiter)
    }

    /// A row as a JSON object. Empty cells are left out.
    pub(super) fn object(&self, row: &str, reader: &mut RowReader) -> String {
        if self.delimiter == b'\t' && !is_quoted_well(row) {
            reader.read_plain(row);
        } else {
            reader.read(row.as_bytes());
        }
        let cells = self.names.iter().zip(reader.cells());
        // Of several columns with one name, a reader of JSON takes the last.
        let mut object = String::with_capacity(row.len() + 16 * self.names.len());
        for (name, cell) in cells.filter(|(name, cell)| !name.is_empty() && !cell.is_empty()) {
            object.push(if object.is_empty() { '{' } else { ',' });
            object.push_str(&json(name));
            object.push(':');
            object.push_str(&json(&cell));
        }
        object.push_str(if object.is_empty() { "{}" } else { "}" });
        object
    }
}

/// Whether each cell of a row of tab-separated cells that begins with a quote also ends with one:
/// most programs that write such tables quote nothing.
fn is_quoted_well(row: &str) -> bool {
    let mut rest = row.trim_end_matches(['\r', '\n']);
    loop {
        let end = match rest.strip_prefix('"') {
            None => memchr::memchr(b'\t', rest.as_bytes()).unwrap_or(rest.len()),
            Some(quoted) => {
                let Some(len) = quoted_len(quoted) else { return false };
                len + 1
            }
        };
        match rest[end..].strip_prefix('\t') {
            Some(more) => rest = more,
            None => return rest.len() == end,
        }
    }
}

/// The length of a quoted text behind its first quote, up to behind its last one.
fn quoted_len(quoted: &str) -> Option<usize> {
    let bytes = quoted.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', &bytes[at..])? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// The name of a column; a mapped one has the first alias of its field.
fn mapped(name: &str, map: &ColumnMap) -> String {
    let field = map.iter().find(|(_, column)| column == name).map(|(field, _)| field);
    let alias = field.and_then(|field| ALIASES.iter().find(|(_, of, _)| of == field)?.2.first());
    alias.map_or_else(|| name.trim().to_owned(), |alias| (*alias).to_owned())
}

/// Whether `--map` knows this field.
#[must_use]
pub fn is_field(name: &str) -> bool {
    ALIASES.iter().any(|(_, of, _)| *of == name)
}

/// The names of the fields that `--map` knows.
#[must_use]
pub fn field_names() -> Vec<&'static str> {
    ALIASES.iter().map(|(_, name, _)| *name).collect()
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Reads rows one after the other: to build a parser costs more than a row does.
pub(super) struct RowReader {
    parser: csv_core::Reader,
    /// The row that was read last, without its quotes.
    bytes: Vec<u8>,
    /// The ends of its cells in `bytes`.
    ends: Vec<usize>,
}

impl RowReader {
    fn new(delimiter: u8) -> RowReader {
        let parser = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        RowReader { parser, bytes: Vec::new(), ends: Vec::new() }
    }

    fn read(&mut self, row: &[u8]) {
        let RowReader { parser, bytes, ends } = self;
        parser.reset();
        // Without its quotes a row is not longer, and each cell but the last ends at a byte of it.
        bytes.resize(row.len() + 1, 0);
        ends.resize(row.len() + 1, 0);
        let (mut n_read, mut n_bytes, mut n_ends) = (0, 0, 0);
        loop {
            // An empty input says that the row has ended.
            let (result, read, written, ended) =
                parser.read_record(&row[n_read..], &mut bytes[n_bytes..], &mut ends[n_ends..]);
            n_read += read;
            n_bytes += written;
            n_ends += ended;
            if !matches!(result, ReadRecordResult::InputEmpty) {
                break;
            }
        }
        bytes.truncate(n_bytes);
        ends.truncate(n_ends);
    }

    /// Reads a row whose quotes are a part of its cells.
    fn read_plain(&mut self, row: &str) {
        let RowReader { bytes, ends, .. } = self;
        bytes.clear();
        ends.clear();
        for cell in row.trim_end_matches(['\r', '\n']).split('\t') {
            bytes.extend_from_slice(cell.as_bytes());
            ends.push(bytes.len());
        }
    }

    fn cells(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends).map(|(start, &end)| Range { start, end });
        ranges.map(|range| String::from_utf8_lossy(&self.bytes[range]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_names() {
        let none = ColumnMap::new();
        let delimiter = |line: &str| Table::detect(line.as_bytes(), &none, false).map(|table| table.delimiter);
        assert_eq!(delimiter("id,created_at,screen_name,text,lang\r"), Some(b','));
        assert_eq!(delimiter("Tweet ID\tTweet Text"), Some(b'\t'));
        assert_eq!(delimiter("\"tweet_url\";\"content\""), Some(b';'));
        assert_eq!(delimiter("hello, world"), None);
        assert_eq!(delimiter("text"), None);
        let map = vec![("id".to_owned(), "number".to_owned()), ("text".to_owned(), "words".to_owned())];
        let table = Table::detect(b"number,words", &map, false).expect("a table");
        assert_eq!(table.object("1,\"a \"\"b\"\"\"", &mut table.reader()), r#"{"idstr":"1","fulltext":"a \"b\""}"#);
    }

    #[test]
    fn quotes_between_tabs_are_text_unless_they_enclose_a_cell() {
        let table = Table::detect(b"id\ttext", &ColumnMap::new(), false).expect("a table");
        let mut reader = table.reader();
        for (row, object) in [
            ("1\t\"a\"\r", r#"{"id":"1","text":"a"}"#),
            ("1\t\"a\tb\"", r#"{"id":"1","text":"a\tb"}"#),
            ("1\t\"a \"\"b\"\"\"", r#"{"id":"1","text":"a \"b\""}"#),
            ("1\t\"a", r#"{"id":"1","text":"\"a"}"#),
            ("1\t\"a\" b\r", r#"{"id":"1","text":"\"a\" b"}"#),
        ] {
            assert_eq!(table.object(row, &mut reader), object, "{row:?}");
        }
    }

    #[test]
    fn rows_are_read_however_they_are_cut() {
        let table = Table::detect(b"id,text", &ColumnMap::new(), false).expect("a table");
        let mut reader = table.reader();
        for (row, object) in [
            ("", "{}"),
            (",", "{}"),
            (",,,,", "{}"),
            ("1", r#"{"id":"1"}"#),
            ("1,a\r\n", r#"{"id":"1","text":"a"}"#),
            ("1,a,b,c", r#"{"id":"1","text":"a"}"#),
            (",a", r#"{"text":"a"}"#),
            ("1,\"a\nb, c\"", r#"{"id":"1","text":"a\nb, c"}"#),
            ("1,\"\"", r#"{"id":"1"}"#),
            ("1,\"not closed", r#"{"id":"1","text":"not closed"}"#),
            ("1,a \"b\" c", r#"{"id":"1","text":"a \"b\" c"}"#),
            ("1,\"a\" b", r#"{"id":"1","text":"a b"}"#),
            ("1,\u{1f426}", "{\"id\":\"1\",\"text\":\"\u{1f426}\"}"),
        ] {
            assert_eq!(table.object(row, &mut reader), object, "{row:?}");
        }
    }
}
