//! Which of my queries does each document match? A command line around the percolator.
//!
//! ```text
//! cargo run -p perch-percolator --example percolate -- QUERIES DOCUMENTS [--field NAME=KIND]…
//! ```
//!
//! QUERIES is a file with one query a line, in the text form. DOCUMENTS is a file with one JSON
//! object a line, `-` is standard input. Without `--field` the documents are simple articles
//! (`title` and `body` text, `tag` keyword, `price` float, `words` integer, `published` date in
//! milliseconds, `place` as `[longitude, latitude]`). A match is one line: the number of the
//! document, the number of the query and the query itself, with tabs between them.

use std::error::Error;
use std::io::{BufRead, BufReader, Write as _};
use std::process::ExitCode;

use perch_percolator::doc::{Doc, DocBuilder, Point};
use perch_percolator::ids::QueryKey;
use perch_percolator::percolator::{Compiled, Engine as _, EngineOptions, Matches};
use perch_percolator::query::{Query, QueryLimits};
use perch_percolator::schema::{FieldId, Kind, Schema};
use serde_json::Value;

/// Larger batches save little more.
const BATCH: usize = 64;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    let mut schema = Schema::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--field" {
            let field = args.next().ok_or("--field needs NAME=KIND")?;
            let (name, kind) = field.split_once('=').ok_or("--field needs NAME=KIND")?;
            schema.add(name, kind_of(kind)?, &[]);
        } else {
            files.push(arg);
        }
    }
    let [queries, documents] = files.as_slice() else {
        return Err("usage: percolate QUERIES DOCUMENTS [--field NAME=KIND]…".into());
    };
    if schema.iter().next().is_none() {
        schema = articles();
    }

    let mut engine = Compiled::new(&EngineOptions { schema: schema.clone(), ..EngineOptions::default() });
    let mut texts = Vec::new();
    for (at, line) in std::fs::read_to_string(queries)?.lines().enumerate() {
        let query = Query::parse(line, &schema, &QueryLimits::default())
            .map_err(|wrong| format!("{queries}, line {}:\n{wrong}", at + 1))?;
        engine.insert(QueryKey(u32::try_from(at)?), query.ast());
        texts.push(line.to_owned());
    }

    let input: Box<dyn BufRead> = match documents.as_str() {
        "-" => Box::new(std::io::stdin().lock()),
        path => Box::new(BufReader::new(std::fs::File::open(path)?)),
    };
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let mut matches = Matches::default();
    let mut batch: Vec<Doc> = Vec::new();
    let mut builder = DocBuilder::new(&schema);
    let mut first = 1;
    let mut lines = input.lines();
    loop {
        let line = lines.next().transpose()?;
        if let Some(line) = &line {
            let value = serde_json::from_str(line)
                .map_err(|error| format!("{documents}, line {}: {error}", first + batch.len()))?;
            batch.push(read(&value, &schema, &mut builder));
        }
        if batch.len() == BATCH || line.is_none() {
            matches.clear();
            engine.percolate(&batch.iter().collect::<Vec<_>>(), &mut matches);
            for (doc, query) in matches.pairs() {
                let (doc, text) = (first + doc as usize, &texts[query.index()]);
                writeln!(output, "{doc}\t{}\t{text}", query.index() + 1)?;
            }
            first += batch.len();
            batch.clear();
        }
        if line.is_none() {
            return Ok(output.flush()?);
        }
    }
}

/// A schema to start with.
fn articles() -> Schema {
    let mut schema = Schema::new();
    schema.add("body", Kind::Text, &["text"]);
    schema.add("title", Kind::Text, &[]);
    schema.add("tag", Kind::Keyword, &["tags"]);
    schema.add("price", Kind::Float, &[]);
    schema.add("words", Kind::Integer, &[]);
    schema.add("published", Kind::Date, &[]);
    schema.add("place", Kind::Point, &[]);
    schema
}

fn kind_of(name: &str) -> Result<Kind, String> {
    Ok(match name {
        "text" => Kind::Text,
        "url" => Kind::Url,
        "keyword" => Kind::Keyword,
        "integer" => Kind::Integer,
        "float" => Kind::Float,
        "date" => Kind::Date,
        "point" => Kind::Point,
        _ => return Err(format!("there is no kind {name}; there are text, url, keyword, integer, float, date, point")),
    })
}

/// A document has what the schema knows, by name or alias; a field may have several values as an
/// array.
fn read(value: &Value, schema: &Schema, builder: &mut DocBuilder<'_>) -> Doc {
    builder.clear();
    for (id, field) in schema.iter() {
        for name in std::iter::once(&field.name).chain(&field.aliases) {
            let Some(value) = value.get(name) else { continue };
            match (value, field.kind) {
                (Value::Array(values), kind) if kind != Kind::Point => {
                    for value in values {
                        add(id, kind, value, builder);
                    }
                }
                (value, kind) => add(id, kind, value, builder),
            }
        }
    }
    builder.finish()
}

fn add(id: FieldId, kind: Kind, value: &Value, builder: &mut DocBuilder<'_>) {
    match kind {
        Kind::Text | Kind::Url | Kind::Keyword => {
            if let Some(text) = value.as_str() {
                builder.text(id, text);
            }
        }
        Kind::Integer | Kind::Date => {
            if let Some(number) = value.as_i64() {
                builder.integer(id, number);
            }
        }
        Kind::Float => {
            if let Some(number) = value.as_f64() {
                builder.float(id, number);
            }
        }
        Kind::Point => {
            if let Some([lon, lat]) = value.as_array().map(Vec::as_slice)
                && let (Some(lon), Some(lat)) = (lon.as_f64(), lat.as_f64())
            {
                builder.point(id, Point { lon, lat });
            }
        }
    }
}
