//! Writes queries and tweets as files of JSON, one a line, for peers in other languages.
//!
//! A query is an object with one member, its kind:
//!
//! | kind | member |
//! |---|---|
//! | term | `{"term": [field, term]}` |
//! | phrase | `{"phrase": [field, [term, …]]}` |
//! | patterns | `{"prefix": [field, prefix]}`, `{"wildcard": …}`, `{"regex": …}`, `{"fuzzy": [field, term, distance]}` |
//! | range, both bounds included | `{"range": [field, min, max]}` |
//! | operators | `{"and": [query, …]}`, `{"or": …}`, `{"not": query}` |
//!
//! A tweet has its `text`, perch's `words` of the text joined by spaces, and `terms` and `values`
//! of other fields.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::Bound;
use std::path::Path;

use anyhow::Result;
use perch::doc::{Doc, DocBuilder};
use perch::query::Ast;
use perch::schema::{FieldId, Schema, tweet};
use serde_json::{Value, json};

use crate::tweets::Tweets;

/// Fills a position where perch has no word, because it leaves out words over 255 bytes, so that
/// phrases mean the same.
const NO_WORD: &str = "\u{1}";

/// Writes `queries.jsonl`, `before.jsonl` and `tweets.jsonl`.
pub(crate) fn write(dir: &Path, queries: &[Ast], before: &Tweets, tweets: &Tweets) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut file = BufWriter::new(File::create(dir.join("queries.jsonl"))?);
    for query in queries {
        writeln!(file, "{}", query_json(query))?;
    }
    file.flush()?;
    for (name, tweets) in [("before.jsonl", before), ("tweets.jsonl", tweets)] {
        let mut file = BufWriter::new(File::create(dir.join(name))?);
        let mut builder = DocBuilder::new(Schema::tweet());
        for at in 0..tweets.texts.len() {
            tweets.build(at, &mut builder);
            writeln!(file, "{}", tweet_json(&tweets.texts[at], builder.doc()))?;
        }
        file.flush()?;
    }
    Ok(())
}

fn name(field: FieldId) -> &'static str {
    &Schema::tweet().field(field).name
}

fn tweet_json(text: &str, doc: &Doc) -> Value {
    let mut words: Vec<&str> = Vec::new();
    for token in doc.field_tokens(tweet::TEXT) {
        assert!(token.position as usize >= words.len(), "words of a text stand one behind the other");
        words.resize(token.position as usize, NO_WORD);
        words.push(doc.term(token));
    }
    let terms = doc.tokens().iter().filter(|token| token.field != tweet::TEXT);
    let terms: Vec<Value> = terms.map(|token| json!([name(token.field), doc.term(token)])).collect();
    let values: Vec<Value> = doc.values().iter().map(|&(field, value)| json!([name(field), value])).collect();
    json!({"text": text, "words": words.join(" "), "terms": terms, "values": values})
}

/// The query as JSON.
pub(crate) fn query_json(query: &Ast) -> Value {
    let all = |of: &[Ast]| of.iter().map(query_json).collect::<Vec<_>>();
    match query {
        Ast::Term { field, term } => json!({"term": [name(*field), term]}),
        Ast::Phrase(phrase) => {
            assert!(phrase.slop == 0 && !phrase.last_is_prefix, "no mix has other phrases");
            json!({"phrase": [name(phrase.field), phrase.terms]})
        }
        Ast::Prefix { field, prefix } => json!({"prefix": [name(*field), prefix]}),
        Ast::Wildcard { field, pattern } => json!({"wildcard": [name(*field), pattern]}),
        Ast::Regex { field, pattern } => json!({"regex": [name(*field), pattern.as_str()]}),
        Ast::Fuzzy { field, term, distance } => json!({"fuzzy": [name(*field), term, distance]}),
        Ast::Range { field, lower, upper } => {
            let (min, max) = closed(*lower, *upper);
            json!({"range": [name(*field), min, max]})
        }
        Ast::And(of) => json!({"and": all(of)}),
        Ast::Or(of) => json!({"or": all(of)}),
        Ast::Not(part) => json!({"not": query_json(part)}),
        other => panic!("no mix has {other:?}"),
    }
}

/// The smallest and the largest number between the bounds.
pub(crate) fn closed(lower: Bound<i64>, upper: Bound<i64>) -> (i64, i64) {
    let min = match lower {
        Bound::Unbounded => i64::MIN,
        Bound::Included(min) => min,
        Bound::Excluded(below) => below + 1,
    };
    let max = match upper {
        Bound::Unbounded => i64::MAX,
        Bound::Included(max) => max,
        Bound::Excluded(above) => above - 1,
    };
    (min, max)
}
