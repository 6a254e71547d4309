//! History, single tweets, percolation without a session, explanation, probes and their errors over
//! HTTP.

use serde_json::{Value, json};

use crate::support::{Perch, tweet};

fn ids(page: &Value) -> Vec<&str> {
    page["result"].as_array().expect("tweets").iter().map(|tweet| tweet["id_str"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_paged_by_id() {
    let perch = Perch::start().await;
    // Ids that a float can't hold, in an order of arrival that isn't theirs.
    let id = |at: u64| 1_500_000_000_000_000_001 + at;
    let tweets: Vec<_> = [4, 1, 3, 0, 2].map(|at| tweet(id(at), "rust")).into();
    perch.ingest(&tweets).await;
    perch.ingest(&[tweet(9, "java")]).await;

    let mut seen = Vec::new();
    let mut path = "/api/search?q=rust&n=2".to_owned();
    loop {
        let (status, page) = perch.get(&path).await;
        assert_eq!((status, &page["total"]), (200, &json!(5)));
        seen.extend(ids(&page).into_iter().map(|id| id.parse::<u64>().expect("a number")));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/search?q=rust&n=2&before_id={next}");
    }
    assert_eq!(seen, [4, 3, 2, 1, 0].map(id));

    let (_, page) = perch.get("/api/search?q=rust&n=2&sort=oldest&from=1").await;
    assert_eq!(ids(&page), [id(1).to_string(), id(2).to_string()]);
    let (_, page) = perch.get("/api/search?q=rust&until_seq=2").await;
    assert_eq!((ids(&page), &page["total"]), (vec![id(4).to_string().as_str(), &id(1).to_string()], &json!(2)));
    let (_, page) = perch.get("/api/search?q=*&n=0").await;
    assert_eq!((ids(&page).len(), &page["total"]), (0, &json!(6)));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_and_json_queries_search_the_same() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust"), tweet(2, "java")]).await;
    for query in ["rust", r#"{"match": {"text": "rust"}}"#, r#"{"query_string": {"query": "RUST"}}"#] {
        let url = reqwest::Url::parse_with_params(&perch.url("/api/search"), [("q", query)]).expect("a URL");
        let page: Value = perch.http.get(url).send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(ids(&page), ["1"], "{query}");
    }
    let (_, one) = perch.get("/api/explain?q=%2Brust%20-java").await;
    let (_, two) = perch.get("/api/explain?q=(NOT%20java)%20AND%20Rust").await;
    assert_eq!(one, two);
    assert!(one["canonical"].is_string() && one["query_id"].is_string());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_where_perch_had_to_guess() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "foo and bar")]).await;
    let (_, explained) = perch.get("/api/explain?q=foo%20-%20bar").await;
    assert_eq!(explained["warnings"].as_array().map(Vec::len), Some(1), "{explained}");
    let (_, page) = perch.get("/api/search?q=foo%20-%20bar").await;
    assert_eq!((ids(&page), &page["warnings"]), (vec!["1"], &explained["warnings"]));
    let (_, page) = perch.get("/api/search?q=foo%20bar").await;
    assert_eq!((ids(&page), page.get("warnings")), (vec!["1"], None));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tweet_or_none() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(u64::MAX, "the last id")]).await;
    let (status, found) = perch.get(&format!("/api/tweets/{}", u64::MAX)).await;
    assert_eq!((status, &found["text"], &found["id"]), (200, &json!("the last id"), &json!(u64::MAX)));
    for (path, status, code) in [
        ("/api/tweets/1", 404, "not_found"),
        ("/api/tweets/x", 404, "not_found"),
        ("/api/tweets/a%20b", 400, "bad_payload"),
        ("/api/tweets/18446744073709551616", 404, "not_found"),
    ] {
        let (answered, body) = perch.get(path).await;
        assert_eq!((answered, &body["error"]["code"]), (status, &json!(code)), "{path}");
    }
    perch.ingest(&[json!({"id_str": "at://did:plc:a/app.bsky.feed.post/3l", "text": "a name for an id"})]).await;
    let (status, found) = perch.get("/api/tweets/at%3A%2F%2Fdid%3Aplc%3Aa%2Fapp.bsky.feed.post%2F3l").await;
    assert_eq!((status, &found["text"]), (200, &json!("a name for an id")));
    assert_eq!(found["id_str"], "at://did:plc:a/app.bsky.feed.post/3l");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_tweet_is_gone_for_good() {
    let perch = Perch::start().await;
    let uri = "at://did:plc:a/app.bsky.feed.post/3k?x#y%z";
    perch.ingest(&[tweet(1, "rust"), tweet(2, "rust"), json!({"id_str": uri, "text": "rust"})]).await;
    let delete = async |id: &str| {
        let answer = perch.http.delete(perch.url(&format!("/api/tweets/{id}"))).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    assert_eq!(delete("1").await, (200, json!({"deleted": true, "seq": 4})));
    assert_eq!(delete("1").await, (200, json!({"deleted": false, "seq": null})));
    assert_eq!(delete("7").await, (200, json!({"deleted": false, "seq": null})));
    let encoded = "at%3A%2F%2Fdid%3Aplc%3Aa%2Fapp.bsky.feed.post%2F3k%3Fx%23y%25z";
    assert_eq!(perch.get(&format!("/api/tweets/{encoded}")).await.0, 200);
    assert_eq!(delete(encoded).await, (200, json!({"deleted": true, "seq": 5})));
    assert_eq!(perch.get(&format!("/api/tweets/{encoded}")).await.0, 404);
    let (status, answer) = delete("a%20b").await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_payload")));
    let (_, page) = perch.get("/api/search?q=*").await;
    assert_eq!((ids(&page), &page["total"]), (vec!["2"], &json!(1)));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tweets_are_deleted_by_a_query() {
    let perch = Perch::start().await;
    let tweets: Vec<_> = (1..=1_000).map(|id| tweet(id, if id % 2 == 0 { "rust" } else { "java" })).collect();
    perch.ingest(&tweets).await;
    perch.ingest(&[json!({"id_str": "at://a", "text": "rust"})]).await;
    let delete = async |parameters: &str| {
        let answer = perch.http.delete(perch.url(&format!("/api/tweets?{parameters}"))).send().await;
        let answer = answer.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    assert_eq!(delete("q=rust&dry_run=true").await, (200, json!({"matched": 501, "deleted": 0})));
    assert_eq!(delete("q=rust").await, (200, json!({"matched": 501, "deleted": 501})));
    assert_eq!(delete("q=rust").await, (200, json!({"matched": 0, "deleted": 0})));
    assert_eq!(perch.get("/api/search?q=*&n=0").await.1["total"], 500);
    for (parameters, field) in [("", "q"), ("q=rust&dry_run=maybe", "dry_run"), ("q=rust&dryrun=true", "dryrun")] {
        let (status, answer) = delete(parameters).await;
        assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!(field)), "{parameters} {answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn percolating_without_a_session_indexes_nothing() {
    let perch = Perch::start_with("[limits]\nmax_line_bytes = 2000\n").await;
    let mut client = perch.connect().await;
    let registered = client.percolate(json!({"query": "rust"})).await;
    client.percolate(json!({"query": "java", "name": "other"})).await;
    let (status, answer) = perch.post("/api/percolate", tweet(1, "Rust!").to_string()).await;
    assert_eq!((status, answer["matches"].as_array().map(Vec::len)), (200, Some(1)), "{answer}");
    assert_eq!(answer["matches"][0]["query_id"], registered["query_id"]);
    assert!(answer["matches"][0]["query"].is_string());
    assert!(client.settle().await.is_empty());
    assert_eq!(perch.get("/api/search?q=*").await.1["total"], 0);

    for (body, status, code) in [
        (String::new(), 400, "bad_payload"),
        ("nonsense".to_owned(), 400, "bad_payload"),
        ("{\"id_str\": \"1\"}".to_owned(), 400, "bad_payload"),
        (format!("{}\n{}\n", tweet(1, "a"), tweet(2, "b")), 400, "bad_payload"),
        (tweet(1, &"x".repeat(3_000)).to_string(), 413, "too_large"),
    ] {
        let (answered, answer) = perch.post("/api/percolate", body).await;
        assert_eq!((answered, &answer["error"]["code"]), (status, &json!(code)), "{answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn matches_are_explained_on_request() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust -java", "name": "words"})).await;
    client.percolate(json!({"query": "#rust OR lang:de", "name": "tag"})).await;
    let rust = json!({"id_str": "7", "text": "R&amp;D in #Rust", "lang": "en"});
    let (status, answer) = perch.post("/api/percolate?explain=true", rust.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let mut parts: Vec<&Value> = answer["matches"].as_array().expect("matches").iter().map(|it| &it["parts"]).collect();
    parts.sort_by_key(|parts| parts.as_array().map(Vec::len));
    let of_tag = json!([{"query": "#rust", "field": "hashtag", "values": [], "ranges": [
        {"at": "entities.hashtags[0].text", "start": 0, "end": 4, "text": "Rust"},
        {"at": "text", "start": 11, "end": 16, "text": "#Rust"},
    ]}]);
    let of_words = json!([
        {"query": "-java", "field": "text", "ranges": [], "values": []},
        {"query": "rust", "field": "text", "ranges": [{"at": "text", "start": 12, "end": 16, "text": "Rust"}], "values": []},
    ]);
    assert_eq!(parts, [&of_tag, &of_words]);
    let (_, answer) = perch.post("/api/percolate", rust.to_string()).await;
    assert!(answer["matches"][0].get("parts").is_none(), "{answer}");
    let (status, answer) = perch.post("/api/percolate?explain=maybe", rust.to_string()).await;
    assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!("explain")));

    perch.ingest(&[rust]).await;
    let (status, answer) = perch.get("/api/explain?q=rust%20-java&id=7").await;
    assert_eq!((status, &answer["canonical"], &answer["tweet"]["matches"]), (200, &json!("-java rust"), &json!(true)));
    assert_eq!((&answer["tweet"]["parts"], &answer["tweet"]["failed"]), (&of_words, &Value::Null));
    let (_, answer) = perch.get("/api/explain?q=rust%20lang:de&id=7").await;
    let failed = json!({"query": "lang:de", "start": 0, "end": 7, "field": "lang", "excluded": [], "instead": ["en"]});
    assert_eq!(answer["tweet"], json!({"id_str": "7", "matches": false, "parts": [], "failed": failed}));
    let (status, answer) = perch.get("/api/explain?q=rust&id=8").await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_has_its_price_before_it_is_registered() {
    let perch = Perch::start().await;
    let price = async |query: &str| {
        let (status, answer) = perch.get(&format!("/api/explain?price=true&q={query}")).await;
        assert_eq!(status, 200, "{answer}");
        answer["price"].clone()
    };
    let nothing = json!({"waits_for": ["rust"], "tweets": 0, "candidates": 0, "matches": 0, "tweets_per_hour": null,
        "matches_per_hour": null});
    assert_eq!(price("rust").await, nothing);
    perch.stop().await;

    let perch = Perch::start().await;
    // The oldest are too many for the sample, and are all rust.
    let tweets: Vec<Value> = (0..1_200)
        .map(|at: u64| {
            let text = if at < 200 { "rust" } else { ["rust jobs", "rust", "jobs", "nothing"][(at % 4) as usize] };
            let written = format!("2024-01-01T00:{:02}:{:02}Z", at / 60, at % 60);
            json!({"id_str": (9_999 - at).to_string(), "text": text, "created_at": written})
        })
        .collect();
    perch.ingest(&tweets).await;
    let price = async |query: &str| perch.get(&format!("/api/explain?price=true&q={query}")).await.1["price"].clone();
    let rust_jobs = price("rust%20jobs%20-java").await;
    assert_eq!((&rust_jobs["tweets"], &rust_jobs["matches"]), (&json!(1_000), &json!(250)), "{rust_jobs}");
    // It waits for one of the words, or for both.
    assert!(rust_jobs["candidates"].as_u64().is_some_and(|n| n == 250 || n == 500), "{rust_jobs}");
    assert_eq!((&rust_jobs["tweets_per_hour"], &rust_jobs["matches_per_hour"]), (&json!(3_600.0), &json!(900.0)));
    let not_rust = price("-rust").await;
    assert_eq!((&not_rust["waits_for"], &not_rust["candidates"]), (&json!(["*"]), &json!(1_000)), "{not_rust}");
    assert_eq!(price("rust%20OR%20%23tag").await["waits_for"], json!(["#tag", "rust"]));
    // Asking registers nothing.
    assert_eq!(perch.get("/api/stats").await.1["queries"], 0);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registered_queries_are_listed_by_what_they_cost() {
    for engine in ["compiled", "tantivy"] {
        let perch = Perch::start_with(&format!("[percolator]\nengine = \"{engine}\"\n")).await;
        let mut client = perch.connect().await;
        for (name, query) in [("a", "rust jobs -java"), ("b", "rust"), ("c", "zebra"), ("d", "Rust")] {
            client.percolate(json!({"query": query, "name": name})).await;
        }
        // The first batch is always sampled.
        perch.ingest(&[tweet(1, "rust jobs")]).await;
        let (status, answer) = perch.get("/api/queries").await;
        assert_eq!((status, &answer["total"]), (200, &json!(3)), "{answer}");
        let queries = answer["queries"].as_array().expect("queries");
        let of = |query: &str| queries.iter().find(|it| it["query"] == query).unwrap_or_else(|| panic!("{answer}"));
        for (query, matches) in [("-java jobs rust", 1), ("rust", 1), ("zebra", 0)] {
            let listed = of(query);
            assert_eq!((&listed["matches"], &listed["tweets"]), (&json!(matches), &json!(1)), "{engine}: {answer}");
            let candidates = if engine == "tantivy" { 1 } else { matches };
            assert_eq!(listed["candidates"], candidates, "{engine}: {answer}");
        }
        assert_eq!((&of("rust")["subscriptions"], &of("zebra")["subscriptions"]), (&json!(2), &json!(1)));
        assert!(of("-java jobs rust")["time_us"].as_f64() > Some(0.0), "{engine}: {answer}");

        perch.ingest(&[tweet(2, "rust"), tweet(3, "rust")]).await;
        let (_, answer) = perch.get("/api/queries?sort=matches&n=1").await;
        assert_eq!((&answer["queries"][0]["query"], &answer["queries"][0]["matches"]), (&json!("rust"), &json!(3)));
        assert_eq!((answer["queries"].as_array().map(Vec::len), &answer["total"]), (Some(1), &json!(3)));
        for (path, field) in [("sort=size", "sort"), ("n=0", "n"), ("n=1001", "n"), ("q=rust", "q")] {
            let (status, answer) = perch.get(&format!("/api/queries?{path}")).await;
            assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!(field)), "{path}");
        }
        perch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_in_one_shape() {
    let perch = Perch::start().await;
    for (path, status, code, at) in [
        ("/api/search", 400, "bad_payload", json!({"field": "q"})),
        ("/api/search?q=rust&n=1001", 400, "bad_payload", json!({"field": "n"})),
        ("/api/search?q=rust&m=1", 400, "bad_payload", json!({"field": "m"})),
        ("/api/search?q=rust&q=java", 400, "bad_payload", json!({"field": "q"})),
        ("/api/search?q=rust&before_id=1e3", 400, "bad_payload", json!({"field": "before_id"})),
        ("/api/nonsense", 404, "not_found", Value::Null),
        ("/nonsense", 404, "not_found", Value::Null),
        ("/api/percolate", 405, "method_not_allowed", Value::Null),
    ] {
        let (answered, body) = perch.get(path).await;
        assert_eq!((answered, &body["error"]["code"], &body["error"]["at"]), (status, &json!(code), &at), "{path}");
        assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{path}");
    }
    for path in ["/api/search?q=rust%20nonsense:1", "/api/explain?q=rust%20nonsense:1"] {
        let (answered, body) = perch.get(path).await;
        let error = &body["error"];
        assert_eq!((answered, &error["code"], &error["at"]["column"]), (400, &json!("bad_query"), &json!(6)), "{path}");
    }
    let (status, _) = perch.post("/api/stats", "").await;
    assert_eq!(status, 405);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer() {
    let perch = Perch::start_with("[[source]]\ntype = \"demo\"\nrate = 50\n").await;
    assert_eq!(perch.get("/healthz").await, (200, json!({"alive": true})));
    let (status, ready) = perch.get("/readyz").await;
    assert_eq!((status, &ready["ready"]), (200, &json!(true)));
    assert_eq!(ready["sources"]["demo#1"], json!({"state": "running"}));

    let mut client = perch.connect().await;
    client.percolate(json!({"query": "*"})).await;
    client.tweet().await;
    let (_, counts) = perch.get("/api/stats").await;
    assert_eq!((&counts["sessions"], &counts["queries"]), (&json!(1), &json!(1)));
    assert!(counts["seq"].as_u64() >= Some(1) && counts["tweets"].as_u64() >= Some(1), "{counts}");

    let response = perch.http.get(perch.url("/metrics")).send().await.expect("an answer");
    assert!(response.headers()["content-type"].to_str().is_ok_and(|media| media.starts_with("text/plain")));
    let metrics = response.text().await.expect("text");
    let samples = metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for sample in samples.clone() {
        let (_, value) = sample.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
    assert!(samples.clone().count() > 10, "{metrics}");
    assert!(metrics.contains("transport=\"ws\"") && metrics.contains("route=\"/api/stats\""), "{metrics}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_is_described_and_answers_are_not_sniffed() {
    let perch = Perch::start().await;
    let response = perch.http.get(perch.url("/api/openapi.json")).send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let document: Value = response.json().await.expect("JSON");
    assert!(document["paths"]["/api/search"]["get"].is_object());
    perch.stop().await;
}
