//! Live search: history and future are one result.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Client, Perch, tweet};

fn id(tweet: &Value) -> u64 {
    tweet["id_str"].as_str().expect("an id").parse().expect("a number")
}

/// History at the watermark, page by page.
async fn history(client: &mut Client, query: &str, until_seq: u64, n: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    let mut before_id = Value::Null;
    loop {
        let mut payload = json!({"query": query, "n": n, "until_seq": until_seq});
        if !before_id.is_null() {
            payload["before_id"] = before_id;
        }
        client.send("cmd/query", payload).await;
        let page = loop {
            match client.event().await {
                (event, page) if event == "tweet/prev-chunk" => break page,
                (event, _) if event.starts_with("stream/") => {}
                (event, payload) => panic!("{event} {payload}"),
            }
        };
        ids.extend(page["result"].as_array().expect("tweets").iter().map(id));
        before_id = page["next"].clone();
        if before_id.is_null() {
            return ids;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_query_gets_what_matches_from_then_on() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust before"), tweet(2, "java before")]).await;
    let mut client = perch.connect().await;
    let registered = client.percolate(json!({"query": "rust"})).await;
    let last = perch.ingest(&[tweet(3, "rust after"), tweet(4, "java after"), tweet(5, "more #rust")]).await;
    let first = client.tweet().await;
    assert_eq!((id(&first["tweet"]), first["tweet"]["text"].as_str()), (3, Some("rust after")));
    assert!(first["seq"].as_u64() > registered["seq"].as_u64());
    let second = client.tweet().await;
    assert_eq!((id(&second["tweet"]), second["seq"].as_u64()), (5, Some(last)));
    let watermark = registered["seq"].as_u64().expect("a seq");
    assert_eq!(history(&mut client, "rust", watermark, 10).await, [1]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_and_pushes_hold_every_tweet_once_while_tweets_pour_in() {
    const TWEETS: u64 = 3_000;
    let perch = Perch::start_with("[index]\ncommit_interval_ms = 5\n").await;
    let bodies = (0..TWEETS / 20).map(|batch| {
        (0..20)
            .map(|at| format!("{}\n", tweet(1 + batch * 20 + at, if at % 2 == 0 { "rust" } else { "java" })))
            .collect()
    });
    let bodies: Vec<String> = bodies.collect();
    let (http, url) = (perch.http.clone(), perch.url("/api/tweets"));
    let pouring = tokio::spawn(async move {
        for body in bodies {
            let response = http.post(&url).body(body).send().await.expect("perch answers");
            assert_eq!(response.status().as_u16(), 200);
        }
    });
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = perch.connect().await;
        let registered = client.percolate(json!({"query": "rust"})).await;
        clients.push((client, registered["seq"].as_u64().expect("a seq")));
    }
    pouring.await.expect("all is sent");
    for (mut client, watermark) in clients {
        let mut asker = perch.connect().await;
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        for id in history(&mut asker, "rust", watermark, 100).await {
            *seen.entry(id).or_default() += 1;
        }
        // One that has fallen behind gets the rest from the index, also after the answer to a ping.
        let mut pushed = Vec::new();
        while (seen.len() + pushed.len()) as u64 != TWEETS / 2 {
            pushed.push(client.tweet().await);
        }
        pushed.extend(client.settle().await);
        assert!(pushed.windows(2).all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64()), "out of order");
        for delivery in &pushed {
            assert!(delivery["seq"].as_u64() > Some(watermark));
            *seen.entry(id(&delivery["tweet"])).or_default() += 1;
        }
        assert_eq!(seen.len() as u64, TWEETS / 2);
        assert!(seen.values().all(|&times| times == 1), "{seen:?}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tweet_that_matches_several_subscriptions_comes_once_with_all_names() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust", "name": "language"})).await;
    client.percolate(json!({"query": "fast", "name": "adjective"})).await;
    perch.ingest(&[tweet(1, "rust is fast"), tweet(2, "rust is safe")]).await;
    let both = client.tweet().await;
    assert_eq!((id(&both["tweet"]), &both["matches"]), (1, &json!(["adjective", "language"])));
    let one = client.tweet().await;
    assert_eq!((id(&one["tweet"]), &one["matches"]), (2, &json!(["language"])));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_queries_are_one_registration_until_the_last_goes() {
    let perch = Perch::start().await;
    let queries = async || perch.get("/api/stats").await.1["queries"].as_u64();
    let mut first = perch.connect().await;
    let mut second = perch.connect().await;
    let one = first.percolate(json!({"query": "rust AND fast"})).await;
    let two = second.percolate(json!({"query": "+Fast +(rust)"})).await;
    assert_eq!(one["query_id"], two["query_id"]);
    assert_eq!(queries().await, Some(1));
    perch.ingest(&[tweet(1, "fast rust")]).await;
    assert_eq!(first.tweet().await, second.tweet().await);
    first.send("cmd/unpercolate", json!({})).await;
    first.settle().await;
    assert_eq!(queries().await, Some(1));
    second.send("cmd/unpercolate", json!({})).await;
    second.settle().await;
    assert_eq!(queries().await, Some(0));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_unnamed_search_replaces_the_old_one() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    client.percolate(json!({"query": "java"})).await;
    perch.ingest(&[tweet(1, "rust"), tweet(2, "java")]).await;
    assert_eq!(id(&client.tweet().await["tweet"]), 2);
    assert!(client.settle().await.is_empty());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_gets_what_was_missed_in_order_before_anything_new() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    perch.ingest(&[tweet(1, "rust one")]).await;
    let last = client.tweet().await["seq"].clone();
    let epoch = client.hello["epoch"].clone();
    drop(client);
    // More than one page of the index, in several commits, with other tweets in between.
    for batch in 0..4 {
        let tweets: Vec<_> =
            (0..300).map(|at| tweet(10 + batch * 300 + at, if at % 3 == 0 { "java" } else { "rust" })).collect();
        perch.ingest(&tweets).await;
    }
    let perch = perch.restart().await;
    let mut client = perch.connect().await;
    assert_eq!(client.hello["epoch"], epoch);
    client.percolate(json!({"query": "rust", "since": last, "epoch": epoch})).await;
    client.expect("stream/catching-up").await;
    perch.ingest(&[tweet(5_000, "rust new")]).await;
    let mut expected: Vec<u64> = (0..1_200).filter(|at| at % 300 % 3 != 0).map(|at| 10 + at).collect();
    expected.push(5_000);
    let mut seen = Vec::new();
    let mut seqs = Vec::new();
    while seen.len() < expected.len() {
        let delivery = client.tweet().await;
        seen.push(id(&delivery["tweet"]));
        seqs.push(delivery["seq"].as_u64());
    }
    assert_eq!(seen, expected);
    assert!(seqs.is_sorted());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_of_another_epoch_is_refused() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    let other = "00000000-0000-4000-8000-000000000000";
    client.send("cmd/percolate", json!({"query": "rust", "since": 0, "epoch": other})).await;
    assert_eq!(client.expect("cmd/error").await["code"], "unrecoverable");
    client.send("cmd/percolate", json!({"query": "rust", "since": 9_000_000_000_000_u64})).await;
    assert_eq!(client.expect("cmd/error").await["code"], "unrecoverable");
    client.percolate(json!({"query": "rust", "since": 0, "epoch": client.hello["epoch"]})).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_before_the_index_begins_is_refused_with_the_first_one() {
    let perch = Perch::start_with("[index]\nretention_bytes = 1048576\ncommit_interval_ms = 10\n").await;
    let epoch = perch.get("/api/stats").await.1["epoch"].clone();
    let mut client = perch.connect().await;
    let mut id = 0_u64;
    let refused = loop {
        // Words that don't pack well, until the oldest have to go.
        let tweets: Vec<_> = (1..=300)
            .map(|at| {
                let words: String = (0..40_u64)
                    .map(|n| format!(" {:x}", (id + at).wrapping_mul(0x9E37_79B9_7F4A_7C15) % (n + 7_919)))
                    .collect();
                tweet(id + at, &format!("rust{words}"))
            })
            .collect();
        id += 300;
        perch.ingest(&tweets).await;
        client
            .send("cmd/percolate", json!({"query": "rust", "since": 0, "epoch": epoch, "name": id.to_string()}))
            .await;
        let refused = loop {
            match client.event().await {
                (event, _) if event == "percolate/ok" => break None,
                (event, payload) if event == "cmd/error" => break Some(payload),
                _ => {}
            }
        };
        if let Some(refused) = refused {
            break refused;
        }
        client = perch.connect().await;
        assert!(id < 100_000, "nothing is ever deleted");
    };
    assert_eq!(refused["code"], "unrecoverable", "{refused}");
    let since = refused["at"]["since"].as_u64().expect("the first position");
    assert!(since > 0 && since < id, "{refused}");
    // From there on everything can be had.
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust", "since": since, "epoch": epoch})).await;
    assert_eq!(client.tweet().await["seq"], since + 1);
    client.send("cmd/percolate", json!({"query": "rust", "since": since - 1, "epoch": epoch, "name": "older"})).await;
    while client.event().await.0 != "cmd/error" {}
    let (status, answer) = perch.get("/api/stream?q=rust&since=0").await;
    assert_eq!((status, &answer["error"]["at"]["since"]), (410, &json!(since)), "{answer}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_reads_too_slowly_gets_everything_from_the_index() {
    const TWEETS: u64 = 4_000;
    let perch = Perch::start_with("[limits]\nsession_queue_frames = 10\n").await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    // Nothing is read while more pours in than socket buffers and queue hold.
    let long = "rust ".repeat(200);
    for batch in 0..TWEETS / 500 {
        let tweets: Vec<_> = (0..500).map(|at| tweet(1 + batch * 500 + at, &long)).collect();
        perch.ingest(&tweets).await;
    }
    let mut caught_up = false;
    let mut seen = Vec::new();
    while (seen.len() as u64) < TWEETS {
        match client.event().await {
            (event, payload) if event == "tweet/new" => seen.push(id(&payload["tweet"])),
            (event, _) => caught_up |= event == "stream/catching-up",
        }
    }
    assert!(caught_up, "the queue never overflowed");
    assert_eq!(seen, (1..=TWEETS).collect::<Vec<_>>());
    perch.ingest(&[tweet(TWEETS + 1, "rust live again")]).await;
    assert_eq!(id(&client.tweet().await["tweet"]), TWEETS + 1);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_tweet_again_is_one_tweet_and_is_pushed_again() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    let watermark = client.percolate(json!({"query": "rust"})).await["seq"].as_u64().expect("a seq");
    perch.ingest(&[tweet(1, "rust one")]).await;
    let second = perch.ingest(&[tweet(1, "rust two"), tweet(2, "rust")]).await;
    let seqs: Vec<_> = [client.tweet().await, client.tweet().await, client.tweet().await]
        .iter()
        .map(|delivery| (id(&delivery["tweet"]), delivery["seq"].as_u64()))
        .collect();
    assert_eq!(seqs.iter().map(|&(id, _)| id).collect::<Vec<_>>(), [1, 1, 2]);
    assert!(seqs.is_sorted_by_key(|&(_, seq)| seq));
    assert_eq!(history(&mut client, "rust", second, 10).await, [2, 1]);
    assert_eq!(history(&mut client, "one", second, 10).await, [0_u64; 0]);
    assert_eq!(perch.get("/api/stats").await.1["tweets"], 2);
    // Before the watermark there was no version; the newer one was pushed.
    assert_eq!(history(&mut client, "rust", watermark, 10).await, [0_u64; 0]);
    perch.stop().await;
}
