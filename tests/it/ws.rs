//! The event protocol over WebSocket, frame by frame.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Client, Perch, in_time, tweet};

/// Sends a frame as it stands and takes the next one, ref included.
async fn ask(client: &mut Client, frame: &str) -> Value {
    client.send_text(frame).await;
    next(client).await
}

/// The next frame that is no count.
async fn next(client: &mut Client) -> Value {
    loop {
        let message = client.message().await;
        let frame: Value = serde_json::from_str(message.to_text().expect("a text frame")).expect("JSON");
        if frame.as_array().is_some_and(|frame| frame.len() == 3)
            || !frame[0].as_str().is_some_and(|event| event.starts_with("stats/"))
        {
            return frame;
        }
    }
}

/// The code with which the server closes.
async fn closed(client: Client) -> u16 {
    let frame = client.closed().await;
    assert!(!frame.reason.is_empty(), "a close frame says why");
    frame.code.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_says_who_and_where_and_how_much() {
    let perch = Perch::start_with("[limits]\nmax_frame_bytes = 2000\nmax_subscriptions_per_session = 3\n").await;
    let seq = perch.ingest(&[tweet(1, "one"), tweet(2, "two")]).await;
    let (first, second) = (perch.connect().await.hello, perch.connect().await.hello);
    assert_ne!(first["uid"], second["uid"]);
    assert_eq!(first["epoch"], second["epoch"]);
    assert_eq!(first["seq"], seq);
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&first["limits"]["frame_bytes"], &first["limits"]["subscriptions"]), (&json!(2000), &json!(3)));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_answered_with_its_ref() {
    let perch = Perch::start().await;
    let seq = perch.ingest(&[tweet(5, "rust"), tweet(6, "rust too"), tweet(7, "java")]).await;
    let mut client = perch.connect().await;
    let client = &mut client;

    let answer = ask(client, r#"["cmd/percolate", {"query": "rust", "name": "left"}, "a"]"#).await;
    assert_eq!((&answer[0], &answer[2]), (&json!("percolate/ok"), &json!("a")));
    assert_eq!((&answer[1]["name"], &answer[1]["seq"]), (&json!("left"), &json!(seq)));

    let answer = ask(client, r#"["cmd/query", {"query": "rust", "n": 1}, 2]"#).await;
    assert_eq!((&answer[0], &answer[2]), (&json!("tweet/prev-chunk"), &json!(2)));
    let page = &answer[1];
    assert_eq!((&page["result"][0]["id_str"], &page["total"], &page["next"]), (&json!("6"), &json!(2), &json!("6")));

    let answer = ask(client, r#"["cmd/query", {"query": "rust", "before_id": "6"}, -2.5]"#).await;
    assert_eq!(
        (&answer[1]["result"][0]["id_str"], &answer[1]["next"], &answer[2]),
        (&json!("5"), &Value::Null, &json!(-2.5))
    );

    let answer = ask(client, r#"["cmd/missing", {"id_str": "7"}, "\u00e9"]"#).await;
    assert_eq!(
        (&answer[0], &answer[1]["text"], &answer[2]),
        (&json!("tweet/missing-tweet"), &json!("java"), &json!("é"))
    );
    let answer = ask(client, r#"["cmd/missing", {"id_str": "8"}, "m"]"#).await;
    assert_eq!((&answer[0], &answer[1]["code"], &answer[2]), (&json!("cmd/error"), &json!("not_found"), &json!("m")));

    assert_eq!(ask(client, r#"["cmd/ping", {}, "p"]"#).await, json!(["pong", {}, "p"]));
    assert_eq!(ask(client, r#"["stats/users-count", {}, "u"]"#).await, json!(["stats/users-count", 1, "u"]));
    assert_eq!(
        ask(client, r#"["stats/total-tweet-count", null, "t"]"#).await,
        json!(["stats/total-tweet-count", 3, "t"])
    );

    let answer = ask(client, r#"["cmd/unpercolate", {"name": "left"}, "x"]"#).await;
    assert_eq!(answer, json!(["unpercolate/ok", {"name": "left"}, "x"]));
    let answer = ask(client, r#"["cmd/unpercolate", {"name": "left"}, "x"]"#).await;
    assert_eq!((&answer[1]["code"], &answer[2]), (&json!("not_found"), &json!("x")));

    assert_eq!(ask(client, r#"["cmd/ping"]"#).await, json!(["pong", {}]), "without a ref");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_say_where_perch_had_to_guess() {
    let perch = Perch::start().await;
    let (_, explained) = perch.get("/api/explain?q=foo%20-%20bar").await;
    assert_eq!(explained["warnings"].as_array().map(Vec::len), Some(1), "{explained}");
    let mut client = perch.connect().await;
    for command in [
        r#"["cmd/percolate",{"query":"foo - bar"},1]"#,
        r#"["cmd/query",{"query":"foo - bar"},2]"#,
        r#"["cmd/aggregate",{"query":"foo - bar","by":"lang"},3]"#,
    ] {
        let answer = ask(&mut client, command).await;
        assert_eq!(answer[1]["warnings"], explained["warnings"], "{answer}");
        let answer = ask(&mut client, &command.replace(" - ", " ")).await;
        assert_eq!(answer[1].get("warnings"), None, "{answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_answered_and_the_connection_goes_on() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    for (frame, code, reference) in [
        ("nonsense", "bad_frame", Value::Null),
        ("{}", "bad_frame", Value::Null),
        ("", "bad_frame", Value::Null),
        (r#"["cmd/nonsense", {}, 1]"#, "bad_event", json!(1)),
        (r#"["cmd/percolate", {}, 2]"#, "bad_payload", json!(2)),
        (r#"["cmd/percolate", {"query": "(rust"}, 3]"#, "bad_query", json!(3)),
        (r#"["cmd/query", {"query": "rust", "n": 1001}, 4]"#, "bad_payload", json!(4)),
    ] {
        let answer = ask(&mut client, frame).await;
        assert_eq!((&answer[0], &answer[1]["code"]), (&json!("cmd/error"), &json!(code)), "{frame}");
        assert_eq!(answer.get(2).cloned().unwrap_or_default(), reference, "{frame}");
    }
    assert_eq!(ask(&mut client, r#"["cmd/ping", {}, 5]"#).await, json!(["pong", {}, 5]));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_query_says_the_column() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    for command in ["cmd/percolate", "cmd/query"] {
        let answer = ask(&mut client, &json!([command, {"query": "rust nonsense:1"}, "q"]).to_string()).await;
        assert_eq!((&answer[1]["code"], &answer[1]["at"]["column"]), (&json!("bad_query"), &json!(6)), "{answer}");
    }
    let answer = ask(&mut client, r#"["cmd/percolate", {"query": {"bool": {"must": [{"nonsense": 1}]}}}, "q"]"#).await;
    let path = answer[1]["at"]["path"].as_str().expect("a path");
    assert!(path.starts_with("bool.must"), "{path}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_frame_of_the_right_size_ends_the_connection_with_a_reason() {
    let perch = Perch::start_with("[limits]\nmax_frame_bytes = 4000\n").await;
    let mut bystander = perch.connect().await;

    let mut client = perch.connect().await;
    futures_util::SinkExt::send(&mut client.socket, Message::binary(vec![1, 2, 3])).await.expect("it goes out");
    assert_eq!(closed(client).await, 4003);

    for len in [4_001, 100_000] {
        let mut client = perch.connect().await;
        client.send_text("x".repeat(len)).await;
        assert_eq!(closed(client).await, 4004, "{len} bytes");
    }

    let mut client = perch.connect().await;
    let fits = format!("[\"cmd/ping\", {{}}, {}1]", " ".repeat(3_000));
    assert_eq!(ask(&mut client, &fits).await, json!(["pong", {}, 1]));
    assert_eq!(ask(&mut bystander, "[\"cmd/ping\"]").await, json!(["pong", {}]), "others do not notice");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_there_may_be_are_told_so() {
    let perch = Perch::start_with("[limits]\nmax_sessions = 1\n").await;
    let first = perch.connect().await;
    let address = format!("ws://{}/ws", perch.address);
    let (socket, _) = tokio_tungstenite::connect_async(&address).await.expect("the WebSocket opens");
    assert_eq!(closed(Client { socket, hello: Value::Null }).await, 4006);
    let (status, answer) = perch.get("/api/stream?q=rust").await;
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("limit")));
    drop(first);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_searches_than_there_may_be_are_refused_and_the_others_answered() {
    const SEARCHES: usize = 200;
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    for at in 0..SEARCHES {
        client.send_text(json!(["cmd/query", {"query": "rust"}, at]).to_string()).await;
    }
    let mut answered = Vec::new();
    while answered.len() < SEARCHES {
        let frame = next(&mut client).await;
        assert!(frame[0] == "tweet/prev-chunk" || frame[1]["code"] == "limit", "{frame}");
        answered.push(frame[2].as_u64().expect("the ref"));
    }
    answered.sort_unstable();
    assert!(answered.iter().copied().eq(0..SEARCHES as u64), "each is answered once");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_subscription_brings_nothing_more() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust", "name": "a"})).await;
    client.percolate(json!({"query": "java"})).await;
    perch.ingest(&[tweet(1, "rust java")]).await;
    assert_eq!(client.tweet().await["matches"], json!([null, "a"]));
    client.send("cmd/unpercolate", json!({"name": "a"})).await;
    client.expect("unpercolate/ok").await;
    perch.ingest(&[tweet(2, "rust"), tweet(3, "java")]).await;
    let pushed = client.tweet().await;
    assert_eq!((&pushed["tweet"]["id_str"], &pushed["matches"]), (&json!("3"), &json!([null])));
    assert!(client.settle().await.is_empty());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_come_by_themselves() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    let message = client.message().await;
    assert_eq!(message.to_text().expect("text"), r#"["stats/users-count",1]"#);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_says_goodbye_after_the_last_tweet() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    perch.ingest(&[tweet(1, "rust")]).await;
    let stopping = tokio::spawn(perch.stop());
    assert_eq!(client.tweet().await["tweet"]["id_str"], "1");
    assert_eq!(closed(client).await, 4000);
    stopping.await.expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_does_not_hold_up_the_shutdown() {
    let perch = Perch::start_with("[server]\ngrace_seconds = 8\n").await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    // More than the socket's buffers hold, and quick to analyze.
    let long = format!("rust {}", "x".repeat(5_000));
    for batch in 0..4 {
        let tweets: Vec<_> = (0..500).map(|at| tweet(1 + batch * 500 + at, &long)).collect();
        perch.ingest(&tweets).await;
    }
    // The client is still there and reads nothing.
    perch.stop().await;
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_at_the_websocket_gets_a_plain_answer() {
    let perch = Perch::start().await;
    let (status, answer) = perch.get("/ws").await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_payload")));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_and_the_pushes_behind_its_watermark_add_up() {
    const DAY_MS: u64 = 86_400_000;
    let perch = Perch::start().await;
    let made = |id: u64, day: u64| {
        json!({"id_str": id.to_string(), "text": "rust #one #two", "lang": if id.is_multiple_of(2) { "en" } else { "de" },
            "created_at": format!("2026-01-{day:02}T12:00:00Z")})
    };
    let tweets: Vec<Value> = (1..=9).map(|id| made(id, id.div_ceil(4))).collect();
    perch.ingest(&tweets).await;
    perch.ingest(&[tweet(100, "java")]).await;
    let mut client = perch.connect().await;
    let watermark = client.percolate(json!({"query": "rust", "name": "a"})).await["seq"].clone();
    perch.ingest(&[made(20, 1)]).await;
    assert_eq!(client.tweet().await["tweet"]["id_str"], "20");

    let mut count = async |by: &str, until: &Value| {
        client.send("cmd/aggregate", json!({"query": "rust", "by": by, "n": 3, "until_seq": until})).await;
        client.expect("aggregate/ok").await
    };
    let first = 1_767_225_600_000 + DAY_MS / 2;
    assert_eq!(
        count("created", &watermark).await,
        json!({"by": "created_at", "total": 9, "interval_ms": 1_000, "buckets": [
            {"key": first, "count": 4}, {"key": first + DAY_MS, "count": 4}, {"key": first + 2 * DAY_MS, "count": 1}]})
    );
    assert_eq!(count("created", &Value::Null).await["buckets"][0]["count"], 5);
    assert_eq!(
        count("lang", &watermark).await,
        json!({"by": "lang", "total": 9, "buckets": [{"key": "de", "count": 5}, {"key": "en", "count": 4}]})
    );
    let tags = count("hashtags", &watermark).await;
    assert_eq!(
        tags,
        json!({"by": "hashtag", "total": 9, "buckets": [{"key": "one", "count": 9}, {"key": "two", "count": 9}]})
    );
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_aggregations_take_the_id_of_a_subscribed_query() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust"), tweet(2, "java"), tweet(3, "rust")]).await;
    let mut client = perch.connect().await;
    let registered = client.percolate(json!({"query": "rust", "name": "a"})).await;
    let (query_id, seq) = (&registered["query_id"], &registered["seq"]);
    perch.ingest(&[tweet(4, "rust")]).await;
    client.tweet().await;
    client.send("cmd/query", json!({"query_id": query_id, "until_seq": seq, "n": 1})).await;
    let page = client.expect("tweet/prev-chunk").await;
    assert_eq!((&page["total"], &page["next"], &page["result"][0]["id_str"]), (&json!(2), &json!("3"), &json!("3")));
    client.send("cmd/query", json!({"query_id": query_id, "until_seq": seq, "before_id": page["next"]})).await;
    assert_eq!(client.expect("tweet/prev-chunk").await["result"][0]["id_str"], "1");
    client.send("cmd/aggregate", json!({"query_id": query_id, "by": "lang"})).await;
    assert_eq!(client.expect("aggregate/ok").await["total"], 3);
    // Another session has no such subscription.
    let mut other = perch.connect().await;
    other.send("cmd/query", json!({"query_id": query_id})).await;
    assert_eq!(other.expect("cmd/error").await["code"], "not_found");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_analyzed_as_tweets_are() {
    let perch = Perch::start().await;
    let text = "Größe: don’t 東京 see https://t.co/x 👍🏽";
    perch.ingest(&[tweet(1, text)]).await;
    let mut client = perch.connect().await;
    client.send("cmd/analyze", json!({"texts": [text, ""]})).await;
    let answer = client.expect("analyze/ok").await;
    assert_eq!(answer["terms"][1], json!([]));
    let terms = answer["terms"][0].as_array().expect("a list");
    let place = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("small");
    let found: Vec<(&str, &str)> =
        terms.iter().map(|term| (term[0].as_str().expect("a term"), &text[place(&term[1])..place(&term[2])])).collect();
    let expected =
        [("grosse", "Größe"), ("don", "don"), ("t", "t"), ("東", "東"), ("京", "京"), ("see", "see"), ("👍", "👍")];
    assert_eq!(found, expected);
    client.send("cmd/aggregate", json!({"query": "*", "by": "text"})).await;
    let indexed = client.expect("aggregate/ok").await;
    let mut keys: Vec<&str> =
        indexed["buckets"].as_array().expect("a list").iter().filter_map(|it| it["key"].as_str()).collect();
    let mut terms: Vec<&str> = found.iter().map(|&(term, _)| term).collect();
    keys.sort_unstable();
    terms.sort_unstable();
    assert_eq!(keys, terms);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_answered() {
    let perch = Perch::start().await;
    for path in ["/ws", "/chsk?client-id=a"] {
        let (mut socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{}{path}", perch.address)).await.expect("it opens");
        socket.next().await.expect("a greeting").expect("whole");
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
        socket.send(Message::Close(Some(goodbye.clone()))).await.expect("it goes out");
        let answer = async {
            loop {
                let message = socket.next().await.expect("an answer").expect("a close frame before the end");
                if let Message::Close(answer) = message {
                    break answer;
                }
            }
        };
        let answer = in_time(answer).await;
        assert_eq!(answer, Some(goodbye), "{path}");
    }
    perch.stop().await;
}
