//! Tables: CSV and TSV with a row of names at the top.
//!
//! A row becomes a JSON object of texts, which is read like that of a scraper. The names of columns
//! are known by [`super::aliases`]; `--map text=content` names others.

use std::borrow::Cow;

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
        let tables = [b',', b'\t', b';', b'|'].into_iter().map(|delimiter| Table {
            delimiter,
            names: cells(&record(line, delimiter)).map(|name| mapped(&name, map)).collect(),
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

    /// A row as a JSON object. Empty cells are left out.
    pub(super) fn object(&self, row: &str) -> String {
        let record = record(row.as_bytes(), self.delimiter);
        let cells = self.names.iter().zip(cells(&record)).filter(|(name, cell)| !name.is_empty() && !cell.is_empty());
        let object: serde_json::Map<String, serde_json::Value> =
            cells.map(|(name, cell)| (name.clone(), cell.into_owned().into())).collect();
        serde_json::Value::Object(object).to_string()
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

/// A row.
fn record(row: &[u8], delimiter: u8) -> csv::ByteRecord {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(row);
    reader.byte_records().next().and_then(Result::ok).unwrap_or_default()
}

/// The cells of a row.
fn cells(record: &csv::ByteRecord) -> impl Iterator<Item = Cow<'_, str>> {
    record.iter().map(String::from_utf8_lossy)
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
        assert_eq!(table.object("1,\"a \"\"b\"\"\""), r#"{"fulltext":"a \"b\"","idstr":"1"}"#);
    }
}
