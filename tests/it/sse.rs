//! Live searches as server-sent events.

use serde_json::{Value, json};

use crate::support::{Perch, in_time, tweet};

/// One event as it came.
#[derive(Debug, Default, PartialEq)]
struct Event {
    #[expect(clippy::struct_field_names, reason = "that is what the stream calls it")]
    event: String,
    id: Option<String>,
    data: Value,
}

/// An open stream.
struct Stream {
    response: reqwest::Response,
    buffer: String,
}

impl Stream {
    async fn open(perch: &Perch, parameters: &[(&str, &str)], last_event_id: Option<&str>) -> Stream {
        let url = reqwest::Url::parse_with_params(&perch.url("/api/stream"), parameters).expect("a URL");
        let mut request = perch.http.get(url);
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.expect("perch answers");
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { response, buffer: String::new() }
    }

    /// The next event; `None` at the end of the stream. Comments are left out.
    async fn next(&mut self) -> Option<Event> {
        in_time(self.read()).await
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("event", name)) => name.clone_into(&mut event.event),
                        Some(("id", id)) => event.id = Some(id.to_owned()),
                        Some(("data", data)) => event.data = serde_json::from_str(data).expect("JSON"),
                        Some(("retry", _)) => {}
                        _ => assert!(line.starts_with(':'), "{line}"),
                    }
                }
                let rest = rest.to_owned();
                self.buffer = rest;
                if !event.event.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.response.chunk().await;
            self.buffer.push_str(std::str::from_utf8(&chunk.expect("the stream is whole")?).expect("UTF-8"));
        }
    }

    async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.event, name, "{event:?}");
        event
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_search_is_streamed() {
    let perch = Perch::start().await;
    let before = perch.ingest(&[tweet(1, "rust before")]).await;
    let mut stream = Stream::open(&perch, &[("q", "rust")], None).await;
    let hello = stream.expect("hello").await;
    assert_eq!((&hello.id, &hello.data["seq"]), (&None, &json!(before)));
    let epoch = hello.data["epoch"].as_str().expect("an epoch");
    let ok = stream.expect("percolate/ok").await;
    assert_eq!(ok.id, Some(format!("{epoch}:{before}")));
    assert_eq!((&ok.data["seq"], &ok.data["name"]), (&json!(before), &Value::Null));

    let seq = perch.ingest(&[tweet(2, "java"), tweet(3, "rust\nin two lines")]).await;
    let event = stream.expect("tweet/new").await;
    assert_eq!(event.id, Some(format!("{epoch}:{seq}")));
    assert_eq!((&event.data["seq"], &event.data["matches"]), (&json!(seq), &json!([null])));
    assert_eq!(event.data["tweet"]["text"], "rust\nin two lines");

    let stopping = tokio::spawn(perch.stop());
    assert_eq!(stream.next().await, None, "a shutdown ends the stream");
    stopping.await.expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_first_where_perch_had_to_guess() {
    let perch = Perch::start().await;
    let (_, explained) = perch.get("/api/explain?q=foo%20-%20bar").await;
    for (query, warnings) in [("foo - bar", explained.get("warnings")), ("foo bar", None)] {
        let mut stream = Stream::open(&perch, &[("q", query)], None).await;
        stream.expect("hello").await;
        assert_eq!(stream.expect("percolate/ok").await.data.get("warnings"), warnings, "{query}");
    }
    assert!(explained["warnings"].is_array(), "{explained}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_event_id_resumes_and_wins() {
    let perch = Perch::start().await;
    let mut seqs = Vec::new();
    for id in 1..=4 {
        seqs.push(perch.ingest(&[tweet(id, "rust")]).await);
    }
    let epoch = perch.get("/api/stats").await.1["epoch"].as_str().expect("an epoch").to_owned();
    let perch = perch.restart().await;
    let parameters = [("q", "rust"), ("since", "0"), ("epoch", epoch.as_str())];
    let id = |seq: u64| Some(format!("{epoch}:{seq}"));
    for (last_event_id, expected) in [(id(seqs[1]), &seqs[2..]), (None, &seqs[..])] {
        let mut stream = Stream::open(&perch, &parameters, last_event_id.as_deref()).await;
        stream.expect("hello").await;
        let start = stream.expect("percolate/ok").await;
        assert_eq!(start.id, last_event_id.or_else(|| id(0)), "who is cut off now resumes from the same place");
        assert_eq!(stream.expect("stream/catching-up").await.id, None);
        for &seq in expected {
            assert_eq!(stream.expect("tweet/new").await.id, id(seq));
        }
        assert_eq!(stream.expect("stream/live").await.id, None);
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_index_is_refused() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust")]).await;
    let mut stream = Stream::open(&perch, &[("q", "rust")], None).await;
    stream.expect("hello").await;
    let id = stream.expect("percolate/ok").await.id.expect("an id");
    drop(stream);
    perch.stop().await;
    // The same positions are there, and other tweets.
    let perch = Perch::start().await;
    perch.ingest(&[tweet(2, "rust"), tweet(3, "rust")]).await;
    let answer = perch.http.get(perch.url("/api/stream?q=rust")).header("Last-Event-ID", id).send().await;
    let answer = answer.expect("perch answers");
    assert_eq!(answer.status().as_u16(), 410);
    assert_eq!(answer.json::<Value>().await.expect("JSON")["error"]["code"], "unrecoverable");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_before_the_stream_begins() {
    let perch = Perch::start().await;
    for (path, status, code) in [
        ("/api/stream", 400, "bad_payload"),
        ("/api/stream?q=(rust", 400, "bad_query"),
        ("/api/stream?q=rust&since=x", 400, "bad_payload"),
        ("/api/stream?q=rust&sicne=1", 400, "bad_payload"),
        ("/api/stream?q=rust&since=1&epoch=00000000-0000-4000-8000-000000000000", 410, "unrecoverable"),
        ("/api/stream?q=rust&since=9000000000", 410, "unrecoverable"),
    ] {
        let (answered, body) = perch.get(path).await;
        assert_eq!((answered, &body["error"]["code"]), (status, &json!(code)), "{path}");
    }
    let column = perch.get("/api/stream?q=rust%20nonsense:1").await.1["error"]["at"]["column"].clone();
    assert_eq!(column, 6);
    let response = perch.http.get(perch.url("/api/stream?q=rust")).header("Last-Event-ID", "x").send().await;
    assert_eq!(response.expect("perch answers").status().as_u16(), 400);
    assert_eq!(perch.get("/api/stats").await.1["sessions"], 0, "no session is left behind");
    perch.stop().await;
}
