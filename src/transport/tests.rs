use std::collections::BTreeSet;

use expect_test::expect;

use super::*;

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

#[test]
fn names_are_kebab_case_and_unique() {
    let names = TRANSPORTS.iter().map(|kind| kind.name).collect::<BTreeSet<_>>();
    assert_eq!(names.len(), TRANSPORTS.len());
    for kind in TRANSPORTS {
        let legal = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
        assert!(kind.name.chars().all(legal) && kind.name.starts_with(|char: char| char.is_ascii_lowercase()));
        assert!(!kind.about.is_empty() && !kind.about.ends_with('.'), "{}: one line", kind.name);
    }
}

#[test]
fn every_example_builds_and_so_does_an_empty_table() {
    for kind in TRANSPORTS {
        assert!((kind.build)(table(kind.example)).is_ok(), "{}", kind.name);
        assert!((kind.build)(toml::Table::new()).is_ok(), "{}", kind.name);
    }
}

#[test]
fn mistakes_in_the_table_are_named() {
    for kind in TRANSPORTS {
        let errors = (kind.build)(table("nonsense = 1")).err().unwrap();
        assert_eq!(errors[0].path, "nonsense", "{}", kind.name);
    }
    let errors = (ws::KIND.build)(table("searches = 0\nidle_timeout_ms = 10")).err().unwrap();
    let paths = errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>();
    assert_eq!(paths, ["searches", "idle_timeout_ms"]);
    assert_eq!((sse::KIND.build)(table("keep_alive_ms = 0")).err().unwrap()[0].path, "keep_alive_ms");
}

/// A row of a table of routes: method, path, and who may call it.
fn rows<S>(routes: &[Route<S>]) -> impl Iterator<Item = String> {
    routes.iter().map(|route| format!("{} {}: {}\n", route.method, route.path, (route.handler)().1))
}

#[test]
fn every_route_names_who_may_call_it() {
    // The files of the page have names of their content.
    assert!(web_app::handlers().all(|(_, (_, access))| access == "anyone"));
    let rows: String = rows(rest::ROUTES)
        .chain(rows(health::ROUTES))
        .chain(rows(searches::ROUTES))
        .chain(rows(feeds::ROUTES))
        .chain(rows(sse::ROUTES))
        .chain(rows(ws::ROUTES))
        .chain(rows(sente::ROUTES).map(|row| row.replacen(' ', " {sente}", 1)))
        .collect();
    expect![[r"
        GET /api/search: searcher
        POST /api/search: searcher
        GET /api/aggregate: searcher
        POST /api/aggregate: searcher
        GET /api/export: searcher
        POST /api/export: searcher
        GET /api/tweets/{id}: searcher
        DELETE /api/tweets/{id}: ingestor
        DELETE /api/tweets: operator
        POST /api/tweets: ingestor
        POST /api/percolate: inspector
        GET /api/explain: searcher
        POST /api/explain: searcher
        GET /api/suggest: searcher
        GET /api/stats: searcher
        GET /api/queries: inspector
        GET /api/openapi.json: anyone
        GET /healthz: anyone
        GET /readyz: anyone
        GET /metrics: anyone
        GET /api/searches: saver
        POST /api/searches: saver
        GET /api/searches/{name}: saver
        PUT /api/searches/{name}: saver
        DELETE /api/searches/{name}: saver
        POST /api/searches/{name}/test: saver
        GET /api/searches/{name}/deliveries: saver
        POST /api/searches/{name}/feed-token: saver
        DELETE /api/searches/{name}/feed-token: saver
        GET /unsubscribe/{token}: anyone
        POST /unsubscribe/{token}: anyone
        GET /.well-known/did.json: anyone
        GET /xrpc/app.bsky.feed.describeFeedGenerator: feed reader
        GET /xrpc/app.bsky.feed.getFeedSkeleton: feed reader
        GET /feeds/{file}: feed reader
        GET /feeds/{token}/{file}: feed reader
        GET /api/stream: subscriber
        POST /api/stream: subscriber
        GET /ws: visitor
        GET {sente}: unverified
        POST {sente}: unverified
        OPTIONS {sente}: anyone
        GET {sente}/csrf-token: anyone
    "]]
    .assert_eq(&rows);
}
