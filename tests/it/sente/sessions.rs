//! What holds over the connections of a client: subscriptions, order, nothing lost and nothing
//! twice.

use std::time::Duration;

use perch_sente::value::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::*;
use crate::sente_client::{SentePoller, SenteSocket, data, id};
use crate::support::{PATIENCE, Perch, tweet, until};

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_in_time_goes_on_and_who_does_not_is_forgotten() {
    let perch = start("grace_seconds = 4\naway_after_ms = 300\n").await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    subscribe(&perch, &mut socket, "rust").await;
    let other = SenteSocket::connect(&perch, birdwatch().with_id("other")).await;
    assert_eq!(sessions(&perch).await, 2);
    socket.settle().await;
    let mut socket = socket.reconnect(&perch).await;
    perch.ingest(&[tweet(1, "rust one")]).await;
    assert_eq!(ids([socket.expect("tweet/new").await]), [1]);
    // Away it doesn't count, and its subscription is still there.
    socket.settle().await;
    let setup = socket.setup.clone();
    drop(socket);
    until(async || sessions(&perch).await == 1).await;
    assert_eq!(queries(&perch).await, 1);
    perch.ingest(&[tweet(2, "rust two")]).await;
    let mut socket = SenteSocket::connect(&perch, setup).await;
    assert_eq!(ids([socket.expect("tweet/new").await]), [2]);
    assert_eq!(sessions(&perch).await, 2);
    // Gone for longer than the grace time.
    drop(socket);
    until(async || queries(&perch).await == 0).await;
    assert_eq!(sessions(&perch).await, 1);
    drop(other);
    until(async || sessions(&perch).await == 0).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_connection_swallowed_is_sent_again() {
    let perch = start("").await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    subscribe(&perch, &mut socket, "rust").await;
    // Nothing of this is read, and the connection breaks.
    let tweets: Vec<_> = (1..=700).map(|id| tweet(id, "rust")).collect();
    perch.ingest(&tweets).await;
    let mut socket = socket.reconnect(&perch).await;
    let mut seen = Vec::new();
    while seen.len() < 700 {
        let frame = socket.frame().await;
        let (events, _) = socket.setup.read(&frame);
        let events = events.elements().expect("a batch").to_vec();
        assert!(events.len() <= 512, "{} events in a batch", events.len());
        seen.extend(ids(events.iter().filter(|event| id(event) == "tweet/new").map(|event| data(event).clone())));
    }
    assert_eq!(seen, (1..=700).collect::<Vec<_>>());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_batch_slowly_is_not_stuck() {
    const TWEETS: usize = 400;
    let perch = start("write_timeout_ms = 1000\n").await;
    // What is not read waits at the server.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a smaller buffer");
    let stream = socket.connect(perch.address).await.expect("it connects");
    let mut slow = SenteSocket::open_over(stream, birdwatch()).await.expect("the WebSocket opens");
    subscribe(&perch, &mut slow, "rust").await;
    let text = format!("rust {}", "x".repeat(4_000));
    let tweets: Vec<_> = (1..=TWEETS as u64).map(|id| tweet(id, &text)).collect();
    perch.ingest(&tweets).await;
    // All of it takes three times as long as nothing may be taken.
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let (mut bytes, mut buffer) = (0, vec![0; 10 * 1024]);
    while bytes < TWEETS * text.len() {
        clock.tick().await;
        let n = slow.stream.get_mut().read(&mut buffer).await.expect("it is open");
        assert!(n > 0, "it was closed after {bytes} bytes");
        bytes += n;
    }
    drop(slow);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_socket_takes_the_place_of_the_old_one() {
    let perch = start("").await;
    let mut old = SenteSocket::connect(&perch, birdwatch()).await;
    subscribe(&perch, &mut old, "rust").await;
    let mut new = SenteSocket::connect(&perch, birdwatch()).await;
    assert!(!old.ends_with_close_frame().await);
    perch.ingest(&[tweet(1, "rust")]).await;
    assert_eq!(ids([new.expect("tweet/new").await]), [1]);
    assert_eq!(sessions(&perch).await, 1);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn perch_goes_without_a_close_frame_and_every_client_comes_back() {
    let perch = Perch::start_with(ENDPOINTS).await;
    let mut sockets = Vec::new();
    for (n, setup) in all().into_iter().enumerate() {
        let setup = setup.with_id(&format!("page-{n}"));
        sockets.push(SenteSocket::connect(&perch, setup).await);
    }
    let stopping = tokio::spawn(perch.restart());
    for socket in &mut sockets {
        assert!(!socket.ends_with_close_frame().await, "{:?}", socket.setup);
    }
    let perch = stopping.await.expect("perch restarts");
    for socket in sockets {
        socket.reconnect(&perch).await;
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_sends_too_much_is_read_no_faster() {
    let perch = start("events_per_second = 5\n").await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    for at in 0..20 {
        let frame = socket.setup.frame(r#"["~:chsk/ws-ping"]"#, Some(&format!("\"call{at:02}\"")));
        socket.send_text(&frame).await;
    }
    // Some at once, and of the others every second one as time goes by: they are not all read and
    // dropped at once.
    let answers = async {
        let mut answers = 0;
        while answers < 9 {
            let frame = socket.frame().await;
            answers += usize::from(socket.setup.read(&frame).1.is_some());
        }
    };
    tokio::time::timeout(PATIENCE, answers).await.expect("they are read when it is their time");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn birdwatch_gets_what_it_knows_and_nothing_else() {
    let perch = start("").await;
    perch.ingest(&(1..=1_234).map(|id| tweet(id, "rust")).collect::<Vec<_>>()).await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    subscribe(&perch, &mut socket, "rust").await;
    // What it asks of a search that is no search, and events that only its server knew.
    let query = |n: u64, from: u64| {
        format!(
            r#"["~:cmd/query",["^ ","~:query",["^ ","~:query_string",["^ ","^1","rust"]],"~:n",{n},"~:uid","u","~:from",{from}]]"#
        )
    };
    socket.send(&percolate(&birdwatch(), "rust AND (")).await;
    socket.send(r#"["~:some/state",["^ ","~:by-followers",["^ "]]]"#).await;
    socket.send(r#"["~:cmd/nothing",1]"#).await;
    socket.send(r#"["~:cmd/query",5]"#).await;
    // A tweet that comes in between two pages doesn't shift them.
    socket.send(&query(1_000, 0)).await;
    let first = socket.expect("tweet/prev-chunk").await;
    perch.ingest(&[tweet(5_000, "rust")]).await;
    assert_eq!(ids([socket.expect("tweet/new").await]), [5_000]);
    socket.send(&query(1_000, 1_000)).await;
    let second = socket.expect("tweet/prev-chunk").await;
    let all: Vec<_> = [first, second].iter().flat_map(|page| page.elements().expect("a vector").to_vec()).collect();
    assert!(ids(all).into_iter().eq((1..=1_234).rev()), "the pages overlap");
    let (mut users, mut tweets) = (None, None);
    while users.is_none() || tweets.is_none() {
        let frame = socket.frame().await;
        for event in socket.setup.read(&frame).0.elements().expect("a batch") {
            match id(event) {
                "stats/users-count" => users = Some(data(event).clone()),
                "stats/total-tweet-count" => tweets = Some(data(event).clone()),
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(users, Some(Value::Int(1)));
    assert_eq!(tweets, Some(Value::str("          1,235")));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_clients_post_without_saying_who_they_are() {
    let perch = start("").await;
    let query = format!("{}?_=1&client-id=client-a&handshake%3F=true", perch.url("/chsk"));
    let response = perch.http.get(query).send().await.expect("perch answers");
    let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let mut poller = SentePoller::new(&perch, birdwatch());
    let post = async |cookie: Option<&str>, event: &str| {
        let form =
            format!("_=1&csrf-token=null&ppstr={}", crate::sente_client::percent(&birdwatch().frame(event, None)));
        let mut request = perch.http.post(perch.url("/chsk")).body(form);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        request.send().await.expect("perch answers").status().as_u16()
    };
    let registered = async || perch.get("/api/queries").await.1["queries"][0]["query"].to_string().replace('"', "");
    // By the uid in the payload, as BirdWatch does it.
    let event = r#"["~:cmd/percolate",["^ ","~:query","rust","~:uid","client-a"]]"#;
    // An event without a callback is answered before it is carried out.
    assert_eq!(post(None, event).await, 200);
    until(async || registered().await == "rust").await;
    perch.ingest(&[tweet(1, "rust")]).await;
    assert_eq!(ids([poller.expect("tweet/new").await]), [1]);
    // By the cookie that came with a poll.
    let event = percolate(&birdwatch(), "java");
    assert_eq!(post(None, &event).await, 400);
    assert_eq!(post(cookie.split(';').next(), &event).await, 200);
    until(async || registered().await == "java").await;
    perch.ingest(&[tweet(2, "java")]).await;
    assert_eq!(ids([poller.expect("tweet/new").await]), [2]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_says_how_to_write_before_the_client_has_written() {
    let perch = start("profile = \"plain\"\n").await;
    let get = async |query: &str| {
        let response = perch.http.get(format!("{}?{query}", perch.url("/chsk"))).send().await.expect("perch answers");
        response.text().await.expect("a body")
    };
    assert_eq!(get("client-id=1&udt=1&handshake%3F=1").await, r#"j[["~:chsk/handshake",["1",null,null]]]"#);
    assert_eq!(get("packer=edn&client-id=2&udt=1&handshake%3F=true").await, r#"+[[:chsk/handshake ["2" nil]]]"#);
    assert_eq!(get("packer=transit&fmt=2&client-id=3&udt=1").await, r#"[["~:chsk/handshake",["3",null,null]]]"#);
    // It is remembered: later requests of newer clients don't repeat it.
    let form = "udt=1&client-id=3&ppstr=%5B%5B%22~%3Acmd%2Fping%22%5D%2C%22~%3Aajax%22%5D";
    let response = perch.http.post(perch.url("/chsk")).body(form).send().await.expect("perch answers");
    assert_eq!(response.text().await.expect("a body"), r#"[["~:pong",["^ "]]]"#);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_client_see_the_same() {
    let perch = Perch::start_with(ENDPOINTS).await;
    let mut ws = perch.connect().await;
    ws.percolate(json!({"query": "rust", "name": "a"})).await;
    let mut socket = SenteSocket::connect(&perch, edn_csrf(Group::F)).await;
    let registered = socket.ask(r#"[:cmd/percolate {:query "rust" :name "a"}]"#, "abc123").await;
    assert_eq!(id(&registered), "percolate/ok");
    perch.ingest(&[tweet(1, "rust")]).await;
    let expected = ws.tweet().await;
    assert_eq!(socket.expect("tweet/new").await.to_json(), expected);
    let error = socket.ask(r#"[:cmd/percolate {:query "rust AND ("}]"#, "abc124").await;
    assert_eq!(id(&error), "cmd/error");
    ws.send("cmd/percolate", json!({"query": "rust AND ("})).await;
    assert_eq!(data(&error).to_json(), ws.expect("cmd/error").await);
    let gone = socket.ask(r#"[:cmd/unpercolate {:name "a"}]"#, "abc125").await;
    assert_eq!((id(&gone), data(&gone).to_json()), ("unpercolate/ok", json!({"name": "a"})));
    let count = socket.ask("[:stats/total-tweet-count]", "abc126").await;
    assert_eq!(data(&count), &Value::Int(1));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_client_gets_one_batch_for_each_window() {
    const TWEETS: u64 = 30;
    let perch = start("batch_ws_ms = 200\n").await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    subscribe(&perch, &mut socket, "rust").await;
    let started = std::time::Instant::now();
    let feed = async {
        for id in 1..=TWEETS {
            perch.ingest(&[tweet(id, "rust")]).await;
        }
    };
    let read = async {
        let (mut batches, mut seen) = (0, Vec::new());
        while (seen.len() as u64) < TWEETS {
            let frame = socket.frame().await;
            let (events, _) = socket.setup.read(&frame);
            let events = events.elements().expect("a batch").to_vec();
            let tweets = ids(events.iter().filter(|event| id(event) == "tweet/new").map(|event| data(event).clone()));
            batches += u128::from(!tweets.is_empty());
            seen.extend(tweets);
        }
        (batches, seen)
    };
    let ((), (batches, seen)) = tokio::join!(feed, read);
    assert_eq!(seen, (1..=TWEETS).collect::<Vec<_>>());
    // Clients are woken together, which may be some milliseconds early; the first window and the
    // last may be cut.
    let windows = started.elapsed().as_millis() / 190 + 2;
    assert!(batches <= windows, "{batches} batches in {windows} windows");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_that_wants_no_answer_costs_nobody_a_batch() {
    let perch = Perch::start_with(ENDPOINTS).await;
    let mut socket = SenteSocket::connect(&perch, edn_csrf(Group::F)).await;
    let pong = socket.ask("[:cmd/ping]", "abc123").await;
    assert_eq!((id(&pong), data(&pong)), ("pong", &Value::Map(Vec::new())));
    socket.send("[:cmd/ping]").await;
    socket.send(&percolate(&socket.setup, "rust")).await;
    assert_eq!(id(&socket.event().await), "percolate/ok");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_publish_where_they_may_and_never_for_another() {
    let text = r#"[:cmd/publish {:text "hello #rust" :coordinates [13.4 52.5]}]"#;
    let perch = Perch::start_with(ENDPOINTS).await;
    let mut off = SenteSocket::connect(&perch, edn(Group::B)).await;
    let refused = off.ask(text, "aaaaaa").await;
    assert_eq!(data(&refused).get("code"), Some(&Value::str("forbidden")));
    perch.stop().await;
    let perch = Perch::start_with(&format!("[limits]\npublish_per_second = 1\n{ENDPOINTS}")).await;
    let mut socket = SenteSocket::connect(&perch, edn(Group::B)).await;
    socket.ask(r#"[:cmd/percolate {:query "near:[13.4 52.5 1km] #rust"}]"#, "aaaaab").await;
    let published = socket.ask(text, "aaaaac").await;
    let author = data(&published).get("screen_name").expect("an author").clone();
    let pushed = socket.expect("tweet/new").await;
    let user = pushed.get("tweet").and_then(|tweet| tweet.get("user")).expect("an author");
    assert_eq!(user.get("screen_name"), Some(&author));
    assert_eq!(data(&published).get("seq"), pushed.get("seq"));
    // By POST as well, with the same name; over `/ws` with another.
    let mut poller = SentePoller::connect(&perch, edn(Group::F)).await;
    let posted = poller.ask(text).await;
    assert_eq!(id(&posted), "publish/ok");
    assert_ne!(data(&posted).get("screen_name"), Some(&author));
    let mut ws = perch.connect().await;
    ws.send("cmd/publish", json!({"text": "hello"})).await;
    assert_ne!(
        Some(&Value::str(ws.expect("publish/ok").await["screen_name"].as_str().expect("a name"))),
        Some(&author)
    );
    for (event, code) in [
        (r#"[:cmd/publish {:text "a" :user {:screen_name "ann"}}]"#, "bad_payload"),
        (r#"[:cmd/publish {:text "  "}]"#, "bad_payload"),
        (r#"[:cmd/publish {:text "a" :coordinates [200 0]}]"#, "bad_payload"),
        ("[:cmd/publish {}]", "bad_payload"),
    ] {
        let refused = socket.ask(event, "aaaaad").await;
        assert_eq!(data(&refused).get("code"), Some(&Value::str(code)), "{event}");
    }
    // Five seconds' worth may be saved up, and no more. They go out without waiting, so that no
    // time comes between them.
    for _ in 0..7 {
        socket.send(r#"[:cmd/publish {:text "again"}]"#).await;
    }
    let mut answer = socket.event().await;
    while id(&answer) != "cmd/error" {
        answer = socket.event().await;
    }
    assert_eq!(data(&answer).get("code"), Some(&Value::str("limit")));
    // A request that a proxy has passed on is not from this machine.
    let form = format!("udt=1&client-id=client-f&ppstr={}", crate::sente_client::percent(&format!("[{text} :ajax]")));
    let request = perch.http.post(perch.url("/chsk-edn")).header("x-forwarded-for", "192.0.2.1").body(form);
    let answer = request.send().await.expect("perch answers").text().await.expect("a body");
    assert!(answer.contains(":code \"unauthorized\""), "{answer}");
    // BirdWatch's clients never knew it.
    let mut birdwatch = SenteSocket::connect(&perch, birdwatch()).await;
    birdwatch.send(r#"["~:cmd/publish",["^ ","~:text","from a bird"]]"#).await;
    birdwatch.settle().await;
    assert!(perch.get("/api/search?q=bird").await.1["result"].as_array().expect("tweets").is_empty());
    perch.stop().await;
}
