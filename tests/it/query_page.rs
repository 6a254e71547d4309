//! Every example in `docs/QUERY.md` is a test.

use perch::doc::{Doc, DocBuilder, Point};
use perch::query::{Diagnostics, Query, QueryLimits, matches};
use perch::schema::{Kind, Schema};

const PAGE: &str = include_str!("../../docs/QUERY.md");

fn parse(text: &str) -> Result<Query, Diagnostics> {
    Query::parse(text, Schema::tweet(), &QueryLimits::default())
}

#[track_caller]
fn canonical(text: &str) -> String {
    match parse(text) {
        Ok(query) => query.canonical().to_owned(),
        Err(diagnostics) => panic!("{text}\n{diagnostics}"),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(canonical(text), expected, "{text}");
}

/// The fenced code blocks with a tag.
fn blocks(tag: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == tag {
                blocks.push(block.join("\n"));
            }
        }
    }
    assert!(!blocks.is_empty(), "no example is tagged {tag}");
    blocks
}

/// The rows of all tables with these headings, each cell as the texts in its backticks.
fn rows(heading: &str) -> Vec<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line != heading {
            continue;
        }
        for row in lines.by_ref().skip(1).take_while(|line| line.starts_with('|')) {
            let row = row.trim_matches('|').replace("\\|", "\0");
            let cells = row
                .split('|')
                .map(|cell| cell.split('`').skip(1).step_by(2).map(|text| text.replace('\0', "|")).collect());
            rows.push(cells.collect());
        }
    }
    assert!(!rows.is_empty(), "no table is headed {heading}");
    rows
}

/// A date, or a time of UTC, in milliseconds since 1970.
fn millis(text: &str) -> i64 {
    let time = text.parse::<jiff::Timestamp>();
    let time = time.or_else(|_| {
        text.parse::<jiff::civil::DateTime>()?.to_zoned(jiff::tz::TimeZone::UTC).map(|time| time.timestamp())
    });
    time.expect("a date").as_millisecond()
}

/// A tweet from a text and `field=value` pairs. Tags, mentions and addresses come from the
/// text.
fn tweet(cell: &[String]) -> Doc {
    let schema = Schema::tweet();
    let mut builder = DocBuilder::new(schema);
    let field = |name: &str| schema.find(name).unwrap_or_else(|| panic!("no field {name}"));
    builder.text(field("text"), &cell[0]);
    for word in cell[0].split_whitespace() {
        for (sign, name) in [("#", "hashtag"), ("@", "mention"), ("$", "cashtag")] {
            if let Some(value) = word.strip_prefix(sign) {
                builder.text(field(name), value);
            }
        }
        if word.starts_with("http") {
            builder.text(field("url"), word);
        }
    }
    for pair in &cell[1..] {
        let (name, value) = pair.split_once('=').expect("field=value");
        let field = field(name);
        match schema.field(field).kind {
            Kind::Integer => builder.integer(field, value.parse().expect("a number")),
            Kind::Date => builder.integer(field, millis(value)),
            Kind::Point => {
                let (lon, lat) = value.split_once(',').expect("lon,lat");
                builder
                    .point(field, Point { lon: lon.parse().expect("a number"), lat: lat.parse().expect("a number") });
            }
            _ => builder.text(field, value),
        }
    }
    builder.finish()
}

#[test]
fn queries_are_queries() {
    for block in blocks("query") {
        block.lines().for_each(|line| drop(canonical(line)));
    }
    for row in rows("| form | meaning |") {
        row[0].iter().for_each(|text| drop(canonical(text)));
    }
}

#[test]
fn mistakes_are_mistakes() {
    for block in blocks("query-error") {
        for line in block.lines() {
            assert!(parse(line).is_err(), "{line} is a query");
        }
    }
    let shown = parse("rust langg:en").unwrap_err().to_string();
    assert!(blocks("text").contains(&shown), "the page shows another message than\n{shown}");
}

#[test]
fn json_queries_are_queries() {
    for block in blocks("json") {
        let value = serde_json::from_str(&block).unwrap();
        Query::from_json(&value, Schema::tweet(), &QueryLimits::default()).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn queries_match_what_the_page_says() {
    for row in rows("| query | matches | does not match |") {
        let [query, yes, no] = row.as_slice() else { panic!("{row:?} has not three cells") };
        let query = parse(&query[0]).unwrap_or_else(|error| panic!("{error}"));
        for (cell, expected) in [(yes, true), (no, false)] {
            if !cell.is_empty() {
                assert_eq!(matches(query.ast(), &tweet(cell)), expected, "{} on {cell:?}", query.canonical());
            }
        }
    }
}

#[test]
fn canonical_forms_are_as_the_page_says() {
    for row in rows("| query | canonical |") {
        check(&row[0][0], &row[1][0]);
        check(&row[1][0], &row[1][0]);
    }
}

#[test]
fn the_table_of_fields_is_complete() {
    let rows = rows("| field | also called | holds |");
    assert_eq!(rows.len(), Schema::tweet().iter().count());
    for (row, (_, field)) in rows.iter().zip(Schema::tweet().iter()) {
        assert_eq!(row[0][0], field.name);
        let aliases: Vec<&String> = row[1].iter().filter(|alias| alias.len() > 1).collect();
        assert!(aliases.into_iter().eq(&field.aliases), "{} is called {:?}", field.name, field.aliases);
    }
}

#[test]
fn the_limits_are_as_the_page_says() {
    let limits = QueryLimits::default();
    assert_eq!((limits.max_bytes, limits.max_depth, limits.max_clauses), (16_384, 32, 1_024));
    assert_eq!(limits.max_automaton_bytes, 1 << 20);
    assert_eq!(limits.max_cost, 8_192);
    for row in [
        "| `max_bytes` | 16,384 |",
        "| `max_depth` | 32 |",
        "| `max_clauses` | 1,024 |",
        "| `max_automaton_bytes` | 1,048,576 |",
        "| `max_cost` | 8,192 |",
    ] {
        assert!(PAGE.contains(row), "{row}");
    }
}
