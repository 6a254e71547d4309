//! A job board: saved searches over job advertisements, with a schema of its own.
//!
//! ```text
//! cargo run -p perch-percolator --example jobs
//! ```
//!
//! Prints for each advertisement which saved searches it matches and why, and why not one that it
//! misses.

use perch_percolator::doc::{Doc, DocBuilder, Point};
use perch_percolator::explain::explain;
use perch_percolator::ids::QueryKey;
use perch_percolator::percolator::{Compiled, Engine as _, EngineOptions, Matches};
use perch_percolator::query::{Diagnostics, Query, QueryLimits};
use perch_percolator::schema::{FieldId, Kind, Schema};

/// The fields of an advertisement.
struct Fields {
    title: FieldId,
    body: FieldId,
    company: FieldId,
    skill: FieldId,
    contract: FieldId,
    salary: FieldId,
    place: FieldId,
}

/// The schema, and the numbers of its fields.
fn schema() -> (Schema, Fields) {
    let mut schema = Schema::new();
    let fields = Fields {
        // The first text field is searched by words without a field.
        body: schema.add("body", Kind::Text, &["text"]),
        title: schema.add("title", Kind::Text, &[]),
        company: schema.add("company", Kind::Keyword, &["from"]),
        skill: schema.add("skill", Kind::Keyword, &["skills"]),
        contract: schema.add("contract", Kind::Keyword, &[]),
        salary: schema.add("salary", Kind::Integer, &["pay"]),
        place: schema.add("place", Kind::Point, &[]),
    };
    // Another value is an error when the query is parsed, with a suggestion.
    schema.restrict_values(fields.contract, &[("permanent", &[]), ("temporary", &["temp"]), ("internship", &[])]);
    (schema, fields)
}

/// An advertisement as another system has it.
struct Advertisement {
    title: &'static str,
    body: &'static str,
    company: &'static str,
    skills: &'static [&'static str],
    contract: &'static str,
    salary: i64,
    place: Option<Point>,
}

const BERLIN: Point = Point { lon: 13.405, lat: 52.52 };

const ADVERTISEMENTS: &[Advertisement] = &[
    Advertisement {
        title: "Search engineer (Rust)",
        body: "You build indexes that answer within milliseconds. Remote work is welcome.",
        company: "Finch",
        skills: &["Rust", "Lucene"],
        contract: "permanent",
        salary: 78_000,
        place: Some(BERLIN),
    },
    Advertisement {
        title: "Barista",
        body: "Our café looks for someone who likes early mornings.",
        company: "Bean & Co",
        skills: &["latte art"],
        contract: "temporary",
        salary: 28_000,
        place: None,
    },
];

const SEARCHES: &[&str] = &[
    "title:engineer (skill:rust OR skill:go) salary:>=70000",
    "cafe \"early mornings\"",
    "remote near:[13.4 52.5 30km] -contract:temp",
    "title:(develop* OR engineer) salary:>90000",
];

fn main() -> Result<(), Diagnostics> {
    let (schema, fields) = schema();
    let options = EngineOptions { schema: schema.clone(), ..EngineOptions::default() };
    let mut engine = Compiled::new(&options);
    let mut searches = Vec::new();
    for (key, text) in (0..).map(QueryKey).zip(SEARCHES) {
        let query = Query::parse(text, &schema, &QueryLimits::default())?;
        engine.insert(key, query.ast());
        searches.push(query);
    }

    let mut matches = Matches::default();
    for advertisement in ADVERTISEMENTS {
        let doc = analyze(advertisement, &schema, &fields);
        matches.clear();
        engine.percolate(&[&doc], &mut matches);
        println!("{}", advertisement.title);
        for (_, key) in matches.pairs() {
            let explanation = explain(&searches[key.index()], &doc, &schema);
            let parts: Vec<&str> = explanation.parts.iter().map(|part| part.text.as_str()).collect();
            println!("  matches {}, because of {}", SEARCHES[key.index()], parts.join(", "));
        }
    }

    let first = analyze(&ADVERTISEMENTS[0], &schema, &fields);
    if let Some(failed) = explain(&searches[3], &first, &schema).failed {
        println!("{} misses {}, because of {}", ADVERTISEMENTS[0].title, SEARCHES[3], failed.text);
    }
    Ok(())
}

/// What queries see of an advertisement.
fn analyze(advertisement: &Advertisement, schema: &Schema, fields: &Fields) -> Doc {
    let mut builder = DocBuilder::new(schema);
    builder.text(fields.title, advertisement.title);
    builder.text(fields.body, advertisement.body);
    builder.text(fields.company, advertisement.company);
    for skill in advertisement.skills {
        builder.text(fields.skill, skill);
    }
    builder.text(fields.contract, advertisement.contract);
    builder.integer(fields.salary, advertisement.salary);
    if let Some(place) = advertisement.place {
        builder.point(fields.place, place);
    }
    builder.finish()
}
