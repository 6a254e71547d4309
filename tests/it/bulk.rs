//! Bulk ingestion, well and badly formed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{Perch, tweet};

fn lines(ids: std::ops::RangeInclusive<u64>) -> String {
    ids.map(|id| format!("{}\n", tweet(id, &format!("rust number {id}")))).collect()
}

/// Packs with one of async-compression's encoders.
macro_rules! pack {
    ($encoder:ident, $bytes:expr) => {{
        let mut encoder = async_compression::tokio::write::$encoder::new(Vec::new());
        encoder.write_all($bytes).await.expect("memory takes everything");
        encoder.shutdown().await.expect("memory takes everything");
        encoder.into_inner()
    }};
}

async fn total(perch: &Perch) -> Value {
    perch.get("/api/search?q=*&n=0").await.1["total"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_is_taken() {
    let perch = Perch::start().await;
    let statuses: Vec<_> = (11..=13).map(|id| tweet(id, "rust")).collect();
    let array: Vec<_> = (21..=23).map(|id| tweet(id, "rust")).collect();
    let v2 = json!({"data": [{"id": "31", "text": "rust", "author_id": "7"}], "includes": {"users": [{"id": "7", "name": "Ann", "username": "ann"}]}});
    let bodies: [(Vec<u8>, u64); 6] = [
        (lines(1..=3).into_bytes(), 3),
        (json!({"statuses": statuses, "search_metadata": {}}).to_string().into_bytes(), 3),
        (serde_json::to_vec_pretty(&array).expect("JSON"), 3),
        (v2.to_string().into_bytes(), 1),
        (pack!(GzipEncoder, lines(41..=43).as_bytes()), 3),
        (pack!(ZstdEncoder, lines(51..=53).as_bytes()), 3),
    ];
    let mut last_seq = 0;
    for (body, accepted) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (status, answer) = perch.post("/api/tweets", body).await;
        assert_eq!(
            (status, &answer["accepted"], &answer["refused"]),
            (200, &json!(accepted), &json!(0)),
            "{shown} {answer}"
        );
        assert_eq!(answer["errors"], json!([]));
        let seq = answer["seq"].as_u64().expect("a seq");
        assert!(seq > last_seq, "{shown}");
        last_seq = seq;
    }
    assert_eq!(total(&perch).await, 16);
    let (_, answer) = perch.post("/api/tweets", lines(1..=3)).await;
    assert_eq!(answer["accepted"], 3, "the same again is accepted again");
    assert_eq!(total(&perch).await, 16, "and is one tweet");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_refused_alone_with_its_number() {
    let perch = Perch::start_with("[limits]\nmax_line_bytes = 2000\n").await;
    let mut body = lines(1..=1).into_bytes();
    body.extend(b"no JSON\n");
    body.extend(b"{\"text\": \"no id\"}\n");
    body.extend(format!("{}\n", tweet(2, &"x".repeat(3_000))).into_bytes());
    body.extend(b"{\"id_str\": \"3\", \"text\": \"\xFF\"}\n");
    body.extend(b"\n{\"id_str\": \"a b\", \"text\": \"a space\"}\n");
    body.extend(lines(4..=4).into_bytes());
    let (status, answer) = perch.post("/api/tweets", body).await;
    assert_eq!((status, &answer["accepted"], &answer["refused"]), (200, &json!(2), &json!(5)), "{answer}");
    let errors = answer["errors"].as_array().expect("errors");
    assert_eq!(errors.iter().map(|error| error["line"].as_u64().expect("a line")).collect::<Vec<_>>(), [2, 3, 4, 5, 7]);
    assert!(errors.iter().all(|error| error["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
    assert_eq!(total(&perch).await, 2);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_no_mistake_and_nothing_but_mistakes_is() {
    let perch = Perch::start().await;
    for body in ["", "\n\n", "[]", "{\"statuses\": []}"] {
        let expected = json!({"accepted": 0, "refused": 0, "errors": [], "seq": null});
        assert_eq!(perch.post("/api/tweets", body).await, (200, expected), "{body:?}");
    }
    // A body in no known format is one mistake, not one for each of its lines.
    let (status, answer) = perch.post("/api/tweets", "x\n".repeat(150)).await;
    assert_eq!((status, &answer["refused"], &answer["seq"]), (400, &json!(1), &Value::Null));
    let message = answer["error"]["message"].as_str().expect("a message");
    assert!(message.contains("it looks like plain text"), "{message}");
    let (status, answer) = perch.post("/api/tweets", "{\"id\":1}\n".repeat(150)).await;
    assert_eq!((status, &answer["refused"]), (400, &json!(150)));
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(100));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_keeps_what_was_complete() {
    let perch = Perch::start().await;
    // Letters that don't pack well, so that most lines are whole before the cut.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:x}")
    };
    let body: String =
        (1..=2_000).map(|id| format!("{}\n", tweet(id, &format!("rust {} {}", noise(), noise())))).collect();
    let packed = pack!(GzipEncoder, body.as_bytes());
    let (status, answer) = perch.post("/api/tweets", packed[..packed.len() - 1_000].to_vec()).await;
    // 200, because something was accepted; the answer lists the rest as refused.
    assert_eq!((status, &answer["error"]["code"]), (200, &json!("bad_payload")), "{answer}");
    assert_eq!((&answer["refused"], &answer["errors"][0]["reason"]), (&json!(1), &answer["error"]["message"]));
    let accepted = answer["accepted"].as_u64().expect("a count");
    assert!(accepted > 1_000 && accepted < 2_000, "{answer}");
    assert_eq!(total(&perch).await, accepted);

    let (status, answer) = perch.post("/api/tweets", format!("[{}, ", tweet(5_000, "rust"))).await;
    assert_eq!((status, &answer["accepted"], &answer["error"]["code"]), (200, &json!(1), &json!("bad_payload")));
    assert_eq!(answer["errors"][0]["line"], 2, "{answer}");
    let (status, answer) = perch.post("/api/tweets", packed[..20].to_vec()).await;
    assert_eq!((status, &answer["accepted"], &answer["refused"]), (400, &json!(0), &json!(1)), "{answer}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_stops_at_its_limit() {
    let perch = Perch::start_with("[limits]\nmax_body_bytes = 100000\nmax_unpacked_bytes = 200000\n").await;
    let long = lines(1..=10_000);
    let (status, answer) = perch.post("/api/tweets", long.clone()).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")), "{answer}");
    assert_eq!(total(&perch).await, answer["accepted"], "what came before the limit stays");
    let (status, answer) = perch.post("/api/tweets", pack!(GzipEncoder, long.as_bytes())).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")), "{answer}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_tweet_in_a_list_hurts_no_other() {
    let perch = Perch::start().await;
    let good = |id: &str| json!({"id": id, "text": "rust", "author_id": "7"});
    let includes = json!({"users": [{"id": "7", "name": "Ann", "username": "ann"}]});
    let v2 = json!({"data": [good("1"), {"id": "2"}, {"id": "3", "text": {}}, 4, good("5")], "includes": includes});
    let statuses = json!({"statuses": [tweet(6, "rust"), {"id_str": "7"}, {"id_str": true}, tweet(8, "rust")]});
    for (body, reasons) in [
        (
            v2,
            [
                "data[1].text: missing, and there are no media: a tweet needs one of them",
                "data[2].text: missing, and there are no media: a tweet needs one of them",
                "data[3]: expected an object with the fields of a tweet",
            ]
            .as_slice(),
        ),
        (
            statuses,
            [
                "element 2: text: missing, and there are no media: a tweet needs one of them",
                "element 3: id_str: \"true\" is no id: give 1 to 512 bytes of text without spaces",
            ]
            .as_slice(),
        ),
    ] {
        let (status, answer) = perch.post("/api/tweets", body.to_string()).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(2)), "{answer}");
        let errors = answer["errors"].as_array().expect("errors").iter();
        assert_eq!(errors.map(|error| error["reason"].as_str().expect("a reason")).collect::<Vec<_>>(), reasons);
    }
    assert_eq!(perch.get("/api/tweets/5").await.1["user"]["screen_name"], "ann");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_packed_as_they_say_and_an_unknown_coding_is_refused() {
    let perch = Perch::start().await;
    let send = async |coding: &str, body: Vec<u8>| {
        let request = perch.http.post(perch.url("/api/tweets")).header("Content-Encoding", coding).body(body);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.expect("JSON"))
    };
    let text = lines(1..=3);
    let bytes = text.as_bytes();
    for (coding, body) in [
        ("gzip", pack!(GzipEncoder, bytes)),
        ("zstd", pack!(ZstdEncoder, bytes)),
        ("br", pack!(BrotliEncoder, bytes)),
        ("deflate", pack!(ZlibEncoder, bytes)),
        ("deflate", pack!(DeflateEncoder, bytes)),
        ("identity", bytes.to_vec()),
        // Unpacked by somebody on the way.
        ("gzip", bytes.to_vec()),
    ] {
        let (status, answer) = send(coding, body).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(3)), "{coding}: {answer}");
    }
    let twice = pack!(GzipEncoder, &pack!(ZstdEncoder, bytes));
    for (coding, body) in [("zstd, gzip", twice), ("compress", bytes.to_vec())] {
        let (status, answer) = send(coding, body).await;
        assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!("Content-Encoding")), "{answer}");
    }
    let (status, answer) = send("br", bytes.to_vec()).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_payload")), "{answer}");
    let request = perch.http.post(perch.url("/api/percolate")).header("Content-Encoding", "br");
    let packed = pack!(BrotliEncoder, tweet(1, "rust").to_string().as_bytes());
    assert_eq!(request.body(packed).send().await.expect("an answer").status().as_u16(), 200);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tweets_are_pushed_while_the_body_is_still_coming() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    let (body, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let request = perch.http.post(perch.url("/api/tweets")).body(reqwest::Body::wrap_stream(stream));
    let answer = tokio::spawn(request.send());
    for id in 1..=3 {
        // A line and the beginning of the next.
        let next = lines(id + 1..=id + 1);
        let mut piece = if id == 1 { lines(1..=1) } else { lines(id..=id)[10..].to_owned() };
        piece.push_str(&next[..10]);
        body.send(Ok(piece.into_bytes())).await.expect("perch reads");
        assert_eq!(client.tweet().await["tweet"]["id_str"], id.to_string());
    }
    body.send(Ok(lines(4..=4).as_bytes()[10..].to_vec())).await.expect("perch reads");
    drop(body);
    let answer = answer.await.expect("no panic").expect("an answer");
    assert_eq!(answer.json::<Value>().await.expect("JSON")["accepted"], 4);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_does_not_hold_up_the_shutdown() {
    let perch = Perch::start().await;
    let (body, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let request = perch.http.post(perch.url("/api/tweets")).body(reqwest::Body::wrap_stream(stream));
    let answer = tokio::spawn(request.send());
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    body.send(Ok(lines(1..=2).into_bytes())).await.expect("perch reads");
    client.tweet().await;
    let stopping = tokio::time::timeout(Duration::from_secs(30), perch.stop());
    stopping.await.expect("it ends");
    let answer = answer.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!((&answer["accepted"], &answer["error"]["code"]), (&json!(2), &json!("unavailable")), "{answer}");
    drop(body);
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_lines_delete_in_the_order_of_the_body() {
    let perch = Perch::start().await;
    let gone = |id: u64| json!({"delete": {"status": {"id_str": id.to_string(), "user_id_str": "7"}}});
    let body = [gone(1), tweet(1, "rust"), tweet(2, "rust"), gone(2), tweet(3, "rust"), gone(3), tweet(3, "again")];
    let body: String = body.iter().map(|line| format!("{line}\n")).collect();
    let (status, answer) = perch.post("/api/tweets", body).await;
    let expected = json!({
        "accepted": 4, "refused": 0, "errors": [], "deletions": 3, "deleted": 2, "seq": answer["seq"],
    });
    assert_eq!((status, &answer), (200, &expected));
    let (_, page) = perch.get("/api/search?q=*&sort=oldest").await;
    let texts: Vec<_> = page["result"].as_array().expect("tweets").iter().map(|tweet| &tweet["text"]).collect();
    assert_eq!(texts, ["rust", "again"]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_name_the_format() {
    let perch = Perch::start().await;
    let table = "[id],[text]\n1,hello\n";
    let (status, answer) = perch.post("/api/tweets?format=csv", table).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
    let (status, answer) = perch.post("/api/tweets?format=bluesky", format!("{}\n", tweet(2, "x"))).await;
    assert_eq!((status, &answer["accepted"]), (400, &json!(0)), "{answer}");
    for (parameter, expected) in [("format=excel", "must be one of bluesky, "), ("fromat=csv", "fromat")] {
        let (status, answer) = perch.post(&format!("/api/tweets?{parameter}"), table).await;
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(status == 400 && message.contains(expected), "{answer}");
    }
    perch.stop().await;
}
