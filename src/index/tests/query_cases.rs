//! Queries as people type and paste them, through every way of matching: plain evaluation, each
//! engine, the tail and the committed index.

use serde_json::Value;

use super::*;
use crate::ids::QueryKey;
use crate::percolator::{ENGINES, EngineOptions, Matches};
use crate::query::{Query, QueryLimits};
use crate::tweet::{analyze, read};

struct Case {
    source: Value,
    query: Query,
    /// The index of each tweet of the case among all, and whether it matches.
    tweets: Vec<(usize, bool)>,
}

#[test]
fn queries_of_reports_mean_what_their_authors_expect() {
    check(include_str!("../../../tests/cases/queries.jsonl"));
}

#[test]
fn more_queries_mean_what_their_authors_expect() {
    check(include_str!("../../../tests/cases/more_queries.jsonl"));
}

#[test]
fn fields_mean_what_their_names_say() {
    check(include_str!("../../../tests/cases/fields.jsonl"));
}

#[test]
fn forms_of_x_lucene_and_elasticsearch_mean_what_they_mean_there() {
    check(include_str!("../../../tests/cases/forms.jsonl"));
}

// What Kibana, OpenSearch Dashboards, Grafana and clients of Elasticsearch send.
#[test]
fn queries_of_clients_are_read() {
    check(include_str!("../../../tests/cases/clients.jsonl"));
}

/// Checks cases, one a line: `query`, `refuse`, and `tweets`, pairs of a tweet and whether it
/// matches.
fn check(cases: &str) {
    let lines = cases.lines();
    let mut docs: Vec<Doc> = Vec::new();
    let mut cases = Vec::new();
    let mut wrong = Vec::new();
    for line in lines {
        let case: Value = serde_json::from_str(line).expect("a case is JSON");
        let source = case["query"].clone();
        let parsed = match &source {
            Value::String(text) => Query::parse(text, Schema::tweet(), &QueryLimits::default()),
            json => Query::from_json(json, Schema::tweet(), &QueryLimits::default()),
        };
        match parsed {
            Err(error) if case["refuse"] != true => wrong.push(format!("{source} is refused: {error}")),
            Err(_) => {}
            Ok(query) if case["refuse"] == true => wrong.push(format!("{source} is accepted as {}", query.canonical())),
            Ok(query) => {
                let mut tweets = Vec::new();
                for pair in case["tweets"].as_array().expect("a list of pairs") {
                    let mut json = pair[0].clone();
                    json["id_str"] = (docs.len() + 1_000).to_string().into();
                    let tweet = &read(json.to_string().as_bytes()).expect("a tweet");
                    tweets.push((docs.len(), pair[1].as_bool().expect("whether it matches")));
                    docs.push(analyze(tweet).doc);
                }
                cases.push(Case { source, query, tweets });
            }
        }
    }

    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, docs.iter().enumerate().map(|(at, doc)| (at as u64, doc.clone())));
    let tail = index.snapshot();
    index.commit_now().unwrap();
    let committed = index.snapshot();
    let batch: Vec<&Doc> = docs.iter().collect();
    for Case { source, query, tweets } in &cases {
        let plain: Vec<usize> = (0..docs.len()).filter(|&at| query::matches(query.ast(), &docs[at])).collect();
        for &(at, expected) in tweets {
            if plain.contains(&at) != expected {
                wrong.push(format!("{source} is {}: tweet {at} is not {expected}", query.canonical()));
            }
        }
        for kind in ENGINES {
            let mut engine = (kind.build)(&EngineOptions::default());
            engine.insert(QueryKey(1), query.ast());
            let mut matches = Matches::default();
            engine.percolate(&batch, &mut matches);
            let mut found: Vec<usize> = matches.pairs().map(|(doc, _)| doc as usize).collect();
            found.sort_unstable();
            assert_eq!(found, plain, "{source} in the engine {}", kind.name);
        }
        let search = CompiledSearch::new(query.ast());
        for (name, snapshot) in [("tail", &tail), ("index", &committed)] {
            let request = PageRequest { n: docs.len(), oldest_first: true, ..PageRequest::default() };
            let page = snapshot.page(&search, &request).unwrap();
            let found: Vec<usize> = page.hits.iter().map(|hit| usize::try_from(hit.id).unwrap()).collect();
            assert_eq!(found, plain, "{source} in the {name}");
        }
        let again = Query::from_canonical(query.canonical(), Schema::tweet()).unwrap();
        assert_eq!(again.id(), query.id(), "{source}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
