//! Searches, counts, streams and explanations by POST, for queries that are too long for a URL.

use serde_json::{Value, json};

use crate::support::{PATIENCE, Perch, tweet};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const PATHS: [&str; 4] = ["/api/search", "/api/aggregate", "/api/stream", "/api/explain"];

async fn send(perch: &Perch, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
    let request = perch.http.post(perch.url(path)).header("content-type", media_type).body(body);
    request.send().await.expect("perch answers")
}

/// The status and the JSON body of a POST.
async fn post(perch: &Perch, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let response = send(perch, path, media_type, body).await;
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

fn ids(page: &Value) -> Vec<&str> {
    page["result"].as_array().expect("tweets").iter().map(|tweet| tweet["id_str"].as_str().expect("an id")).collect()
}

/// 65,536 terms, of which the last is a word of a tweet.
fn terms() -> Vec<String> {
    (0..65_535).map(|at| format!("nobody{at}")).chain(["rust".to_owned()]).collect()
}

/// Waits for the first tweet of a stream.
async fn first_tweet(mut stream: reqwest::Response) -> Value {
    let mut text = String::new();
    let read = async {
        loop {
            if let Some((_, rest)) = text.split_once("event: tweet/new\n")
                && let Some((event, _)) = rest.split_once("\n\n")
            {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
                return serde_json::from_str(data).expect("JSON");
            }
            let chunk = stream.chunk().await.expect("the stream is whole").expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("a tweet comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_65_536_terms_is_searched_counted_explained_and_streamed() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust before"), tweet(2, "java")]).await;
    let list = json!({"terms": {"text": terms()}});
    let text = format!("text:IN [{}]", terms().join(" "));
    for body in [json!({"q": list}), json!({"query": list, "size": 5}), json!({"q": text})] {
        let (status, page) = post(&perch, "/api/search", JSON, body.to_string()).await;
        assert_eq!((status, ids(&page)), (200, vec!["1"]), "{}", page["error"]);
    }
    let form = reqwest::Url::parse_with_params("http://a/", [("q", text.as_str()), ("n", "5")]).expect("a URL");
    let (status, page) = post(&perch, "/api/search", FORM, form.query().expect("parameters").to_owned()).await;
    assert_eq!((status, ids(&page)), (200, vec!["1"]), "{}", page["error"]);

    let body = json!({"q": list, "by": "text"}).to_string();
    let (status, counted) = post(&perch, "/api/aggregate", JSON, body).await;
    assert_eq!((status, &counted["total"]), (200, &json!(1)), "{counted}");
    assert_eq!(counted["buckets"].as_array().map(Vec::len), Some(2), "{counted}");

    let body = json!({"q": list, "id": "1"}).to_string();
    let (status, explained) = post(&perch, "/api/explain", JSON, body).await;
    assert_eq!((status, &explained["tweet"]["matches"]), (200, &json!(true)), "{}", explained["error"]);
    assert_eq!(explained["tweet"]["parts"][0]["ranges"][0]["text"], "rust");

    let stream = send(&perch, "/api/stream", JSON, json!({"q": list}).to_string()).await;
    assert_eq!(
        (stream.status().as_u16(), &stream.headers()["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    perch.ingest(&[tweet(3, "java"), tweet(4, "rust after")]).await;
    assert_eq!(first_tweet(stream).await["tweet"]["id_str"], "4");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_answers_as_its_get() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust a"), tweet(2, "rust b"), tweet(3, "java c")]).await;
    for (path, parameters) in [
        ("/api/search", json!({"q": "rust", "n": 1})),
        ("/api/search", json!({"q": "rust", "n": 1, "before_id": "2", "sort": "newest"})),
        ("/api/search", json!({"q": "*", "from": 1, "sort": "oldest", "until_seq": 2})),
        ("/api/search", json!({"q": "rust AND ("})),
        ("/api/search", json!({"q": "{\"match\": {\"text\": \"rust\"}}"})),
        ("/api/search", json!({"q": "rust", "n": 1_000_000})),
        ("/api/search", json!({"n": 1})),
        ("/api/search", json!({"q": "rust", "colour": 1})),
        ("/api/aggregate", json!({"q": "*", "by": "text", "n": 2})),
        ("/api/aggregate", json!({"q": "*", "by": "created_at"})),
        ("/api/aggregate", json!({"q": "*", "by": "text", "until_seq": 1})),
        ("/api/aggregate", json!({"q": "*", "by": "id"})),
        ("/api/aggregate", json!({"q": "*"})),
        ("/api/explain", json!({"q": "rust -java", "price": true, "id": "1"})),
        ("/api/explain", json!({"q": "foo - bar"})),
        ("/api/explain", json!({"q": "rust", "id": "99"})),
        ("/api/stream", json!({"q": "rust", "since": "x"})),
        ("/api/stream", json!({"q": ""})),
    ] {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pairs = parameters.as_object().expect("an object").iter().map(|(name, value)| (name, text(value)));
        let url = reqwest::Url::parse_with_params(&perch.url(path), pairs).expect("a URL");
        let form = url.query().expect("parameters").to_owned();
        let got = perch.http.get(url).send().await.expect("perch answers");
        let got = (got.status().as_u16(), got.json::<Value>().await.expect("JSON"));
        assert_eq!(post(&perch, path, JSON, parameters.to_string()).await, got, "{path} {parameters}");
        assert_eq!(post(&perch, path, FORM, form.clone()).await, got, "{path} {parameters}");
        assert_eq!(perch.post(&format!("{path}?{form}"), "").await, got, "all in the URL: {path} {parameters}");
    }
    let counted = perch.get("/api/aggregate?q=rust&by=text&n=1").await.1;
    assert_eq!(counted, json!({"by": "text", "total": 2, "buckets": [{"key": "rust", "count": 2}]}));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_body_of_elasticsearch_is_taken_as_it_is() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust a"), tweet(2, "rust b"), tweet(3, "java c")]).await;
    let body = json!({
        "query": {"match": {"text": "rust"}}, "size": 1, "from": 1, "sort": [{"created_at": "desc"}],
        "track_total_hits": true,
    });
    let (status, page) = post(&perch, "/api/search", "application/vnd.elasticsearch+json", body.to_string()).await;
    assert_eq!((status, ids(&page), &page["total"]), (200, vec!["1"], &json!(2)), "{page}");
    let warned: Vec<_> =
        page["warnings"].as_array().expect("warnings").iter().map(|warning| &warning["at"]["path"]).collect();
    assert_eq!(warned, ["sort", "track_total_hits"], "{page}");
    let (status, answer) =
        post(&perch, "/api/search", JSON, json!({"query": {"match_all": {}}, "sizes": 1}).to_string()).await;
    assert_eq!((status, &answer["error"]["at"]["path"]), (400, &json!("sizes")), "{answer}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_or_of_another_kind_is_refused() {
    let perch = Perch::start_with("[limits]\nmax_query_body_bytes = 2000\n").await;
    let long = json!({"q": "a".repeat(2_000)}).to_string();
    for path in PATHS {
        let by = if path == "/api/aggregate" { "?by=text" } else { "" };
        let (status, answer) = post(&perch, path, JSON, long.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")), "{path}");
        // Its length is not known before.
        let chunks =
            long.as_bytes().chunks(100).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
        let (status, answer) =
            post(&perch, path, JSON, reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))).await;
        assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")), "{path}");
        for media_type in ["text/plain", "application/x-ndjson", "multipart/form-data; boundary=a"] {
            let (status, answer) = post(&perch, path, media_type, r#"{"q": "rust"}"#).await;
            assert_eq!(
                (status, &answer["error"]["code"]),
                (415, &json!("unsupported_media_type")),
                "{path} {media_type}"
            );
        }
        let (status, answer) = post(&perch, &format!("{path}{by}"), JSON, r#"{"q": "rust", "colour": "red"}"#).await;
        assert_eq!(status, 400);
        assert!(answer["error"]["message"].as_str().is_some_and(|message| message.contains("`colour`")), "{answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_others_may_post_no_more_than_they_may_get() {
    let perch = Perch::start_with("[server]\nallowed_origins = [\"https://friend.example\"]\n").await;
    for path in PATHS {
        for origin in ["https://friend.example", "https://evil.example", "null"] {
            let by = if path == "/api/aggregate" { "&by=text" } else { "" };
            let url = format!("{}?q=rust{by}", perch.url(path));
            let got = perch.http.get(&url).header("Origin", origin).send().await.expect("perch answers");
            let posted = perch.http.post(&url).header("Origin", origin).send().await.expect("perch answers");
            let may_read =
                |response: &reqwest::Response| response.headers().get("access-control-allow-origin").cloned();
            assert_eq!((posted.status(), may_read(&posted)), (got.status(), may_read(&got)), "{path} {origin}");
            assert_eq!(may_read(&posted).is_some(), origin == "https://friend.example", "{path} {origin}");
        }
    }
    perch.stop().await;
}
