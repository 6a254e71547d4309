//! Clients with tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http::HeaderValue};

use perch_sente::frame::Packing;

use crate::sente_client::{Group, SenteSocket, Setup};
use crate::support::{Client, PATIENCE, Perch, tweet};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// A token with these claims.
pub(crate) fn sign(claims: &Value) -> String {
    let header = base64url(br#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{message}.{}", base64url(ring::hmac::sign(&key, message.as_bytes()).as_ref()))
}

pub(crate) fn seconds_from_now(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + seconds
}

/// A token of Ann's, with these claims beside.
fn token(more: &Value) -> String {
    let mut claims = json!({"sub": "ann", "exp": seconds_from_now(600)});
    for (name, value) in more.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    sign(&claims)
}

async fn start(settings: &str) -> (Perch, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("secret");
    std::fs::write(&file, SECRET).expect("written");
    let settings = format!("[auth]\nsecret_file = {:?}\n{settings}", file.display().to_string());
    (Perch::start_with(&settings).await, dir)
}

/// The next event that is no count, answered with `code` or not.
async fn ask(client: &mut Client, event: &str, payload: Value) -> (String, Value) {
    client.send(event, payload).await;
    client.event().await
}

async fn closed(client: Client) -> u16 {
    client.closed().await.code.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_searched_without_a_token() {
    let (perch, _dir) = start("").await;
    perch.ingest(&[tweet(1, "rust")]).await;
    let reads = ["/api/search?q=rust", "/api/stream?q=rust", "/api/explain?q=rust", "/api/aggregate?q=rust&by=text"];
    let posts = reads.map(|path| (Method::POST, path));
    let gets =
        reads.into_iter().chain(["/api/tweets/1", "/api/stats", "/api/suggest?q=ru"]).map(|path| (Method::GET, path));
    for (method, path) in gets.chain(posts) {
        let request = |token: Option<String>| {
            let request = perch.http.request(method.clone(), perch.url(path));
            token.into_iter().fold(request, RequestBuilder::bearer_auth).send()
        };
        let answer = request(None).await.expect("perch answers");
        assert_eq!(answer.status().as_u16(), 401, "{method} {path}");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["error"]["code"], "unauthorized", "{method} {path}");
        for (token, status) in [
            (token(&json!({})), 200),
            (token(&json!({"search": false})), 403),
            (token(&json!({"exp": 1000})), 401),
            ("nonsense".to_owned(), 401),
        ] {
            let answer = request(Some(token)).await.expect("perch answers");
            assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        }
    }
    for path in ["/healthz", "/readyz", "/api/openapi.json"] {
        assert_eq!(perch.get(path).await.0, 200, "{path}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_says_who_it_is_in_a_frame_or_a_header() {
    let (perch, _dir) = start("").await;
    let mut client = perch.connect().await;
    for (event, payload) in [("cmd/percolate", json!({"query": "rust"})), ("cmd/query", json!({"query": "rust"}))] {
        assert_eq!(ask(&mut client, event, payload).await.1["code"], "unauthorized");
    }
    let (event, payload) = ask(&mut client, "cmd/auth", json!({"token": "nonsense"})).await;
    assert_eq!((event.as_str(), &payload["code"]), ("cmd/error", &json!("unauthorized")));
    assert!(!payload.to_string().contains("nonsense"));
    let (event, payload) = ask(&mut client, "cmd/auth", json!({"token": token(&json!({}))})).await;
    assert_eq!((event.as_str(), &payload["sub"]), ("auth/ok", &json!("ann")));
    client.percolate(json!({"query": "rust"})).await;
    perch.ingest(&[tweet(1, "rust")]).await;
    assert_eq!(client.tweet().await["tweet"]["id"], 1);

    let handshake = |token: String| {
        let mut request = format!("ws://{}/ws", perch.address).into_client_request().expect("a request");
        let header = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
        request.headers_mut().insert("Authorization", header);
        tokio_tungstenite::connect_async(request)
    };
    let (socket, _) = handshake(token(&json!({}))).await.expect("the WebSocket opens");
    let mut client = Client { socket, hello: Value::Null };
    client.expect("hello").await;
    client.percolate(json!({"query": "rust"})).await;
    let Err(tungstenite::Error::Http(refused)) = handshake("nonsense".to_owned()).await else { panic!("refused") };
    assert_eq!(refused.status().as_u16(), 401);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_sente_say_who_they_are_in_a_header_or_an_event() {
    let (perch, _dir) = start(
        "[[transport]]\ntype = \"sente\"\nprofile = \"plain\"\npacker = \"edn\"\n[[transport]]\ntype = \"rest\"\n",
    )
    .await;
    perch.ingest(&[tweet(1, "rust")]).await;
    let mut socket = SenteSocket::connect(&perch, Setup::new(Group::E, Packing::Edn, "/chsk")).await;
    let query = "[:cmd/query {:query \"rust\"}]";
    let code = async |socket: &mut SenteSocket, event: &str| format!("{:?}", socket.ask(event, "abc123").await);
    assert!(code(&mut socket, query).await.contains("unauthorized"));
    assert!(code(&mut socket, "[:cmd/auth {:token \"nonsense\"}]").await.contains("unauthorized"));
    let auth = |claims: Value| format!("[:cmd/auth {{:token {:?}}}]", token(&claims));
    let said = code(&mut socket, &auth(json!({"max_subscriptions": 1}))).await;
    assert!(said.contains("auth/ok") && said.contains("ann"), "{said}");
    assert!(code(&mut socket, query).await.contains("prev-chunk"));
    assert!(code(&mut socket, "[:cmd/percolate {:query \"rust\"}]").await.contains("percolate/ok"));
    assert!(code(&mut socket, "[:cmd/percolate {:query \"rust\" :name \"b\"}]").await.contains("limit"));
    assert!(code(&mut socket, &auth(json!({"sub": "bob"}))).await.contains("forbidden"));

    // Polls, with the token in their heads.
    let poll = async |id: &str, token: &str| {
        let url = perch.url(&format!("/chsk?udt=1&client-id={id}&handshake%3F=1"));
        let answer = perch.http.get(url).bearer_auth(token).send().await.expect("perch answers");
        answer.status().as_u16()
    };
    assert_eq!(poll("one", "nonsense").await, 401);
    assert_eq!(poll("one", &token(&json!({}))).await, 200);
    assert_eq!(poll("one", &token(&json!({"sub": "bob"}))).await, 403, "it is Ann's");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_a_token() {
    let (perch, dir) = start("").await;
    perch.ingest(&[tweet(1, "rust")]).await;
    let file = dir.path().join("token");
    std::fs::write(&file, token(&json!({}))).expect("written");
    let url = perch.url("");
    let search = |more: &[&str], variable: Option<&str>| {
        let mut command = crate::support::process::perch();
        command.args(["search", "rust", "--json", "--url", &url]).args(more);
        if let Some(token) = variable {
            command.env("PERCH_TOKEN", token);
        }
        tokio::task::spawn_blocking(move || command.output().expect("perch runs"))
    };
    let refused = search(&[], None).await.expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("token"));
    let file = file.display().to_string();
    for found in [search(&["--token-file", &file], None), search(&[], Some(&token(&json!({}))))] {
        let found = found.await.expect("it runs");
        assert!(found.status.success() && String::from_utf8_lossy(&found.stdout).contains("rust"));
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_has_rights() {
    let (perch, _dir) = start("").await;
    let mut client = perch.connect().await;
    ask(&mut client, "cmd/auth", json!({"token": token(&json!({"max_subscriptions": 1}))})).await;
    client.percolate(json!({"query": "rust"})).await;
    client.percolate(json!({"query": "java"})).await;
    let (_, payload) = ask(&mut client, "cmd/percolate", json!({"query": "rust", "name": "second"})).await;
    assert_eq!(payload["code"], "limit");
    for claims in [json!({"sub": "bob"}), json!({"search": false}), json!({"max_subscriptions": 0})] {
        let (_, payload) = ask(&mut client, "cmd/auth", json!({"token": token(&claims)})).await;
        assert_eq!(payload["code"], "forbidden", "{claims}");
    }
    assert_eq!(ask(&mut client, "cmd/auth", json!({"token": token(&json!({}))})).await.0, "auth/ok");
    client.percolate(json!({"query": "rust", "name": "second"})).await;

    for (claims, status) in [(json!({"publish": true}), 200), (json!({}), 403)] {
        let request = perch.http.post(perch.url("/api/tweets")).bearer_auth(token(&claims));
        let answer = request.body(tweet(1, "rust").to_string()).send().await.expect("perch answers");
        assert_eq!(answer.status().as_u16(), status, "{claims}");
    }
    // What a saved search finds is delivered, so it takes both rights.
    let rights = [
        (json!({"searches": "own"}), 201),
        (json!({"searches": "own", "search": false}), 403),
        (json!({"searches": "all", "search": false}), 403),
        (json!({}), 403),
    ];
    for (claims, status) in rights {
        let request = perch.http.put(perch.url("/api/searches/a")).bearer_auth(token(&claims));
        let answer = request.json(&json!({"query": "rust", "since": 0})).send().await.expect("perch answers");
        assert_eq!(answer.status().as_u16(), status, "{claims}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token_unless_it_has_a_new_one() {
    let (perch, _dir) = start("").await;
    let short = sign(&json!({"sub": "ann", "exp": seconds_from_now(3)}));
    let (mut ending, mut renewed) = (perch.connect().await, perch.connect().await);
    for client in [&mut ending, &mut renewed] {
        assert_eq!(ask(client, "cmd/auth", json!({"token": short})).await.0, "auth/ok");
    }
    assert_eq!(ask(&mut renewed, "cmd/auth", json!({"token": token(&json!({}))})).await.0, "auth/ok");
    let stream = perch.http.get(perch.url("/api/stream?q=rust")).bearer_auth(&short).send().await.expect("an answer");
    assert_eq!(closed(ending).await, 4001);
    tokio::time::timeout(PATIENCE, stream.bytes()).await.expect("the stream ends").expect("in order");
    renewed.percolate(json!({"query": "rust"})).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_says_who_it_is_is_closed() {
    let (perch, _dir) = start("[limits]\nfirst_frame_ms = 300\n").await;
    let mut client = perch.connect().await;
    client.settle().await;
    assert_eq!(closed(client).await, 4001);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_that_are_saved_together_have_the_rights_of_the_token() {
    let (perch, _dir) = start("[limits]\nmax_saved_searches_per_owner = 2\n").await;
    let lines: String = (0..3).map(|at| format!("{{\"name\": \"s{at}\", \"query\": \"a\"}}\n")).collect();
    let post = async |claims: Value| {
        let request = perch.http.post(perch.url("/api/searches")).bearer_auth(token(&claims)).body(lines.clone());
        let answer = request.send().await.expect("perch answers");
        let status = answer.status().as_u16();
        let answer: Value = answer.json().await.expect("JSON");
        (status, answer["created"].clone(), answer["accepted"].clone(), answer["errors"].clone())
    };
    assert_eq!(post(json!({})).await.0, 403);
    let (status, created, accepted, errors) = post(json!({"searches": "own"})).await;
    assert_eq!((status, created, accepted, &errors[0]["line"]), (200, json!(2), json!(2), &json!(3)), "{errors}");
    assert!(errors.to_string().contains("max_saved_searches_per_owner"), "{errors}");
    let (_, created, accepted, errors) = post(json!({"sub": "bob", "searches": "own"})).await;
    assert_eq!((created, accepted, errors.as_array().map(Vec::len)), (json!(1), json!(1), Some(2)), "{errors}");
    assert!(errors.to_string().contains("another owner"), "{errors}");
    let (_, created, accepted, _) = post(json!({"sub": "eve", "searches": "all"})).await;
    assert_eq!((created, accepted), (json!(0), json!(3)));
    perch.stop().await;
}
