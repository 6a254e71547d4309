//! Sessions where clients need a token, and the ways to show one.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_there_is_no_session() {
    let (perch, _dir) = with_tokens("[limits]\nmax_sessions = 2\nmax_sessions_per_address = 0\n").await;
    assert_eq!(pipelined_handshakes(&perch, 50, "a", "").await, [(401, 50)]);
    // These are connections and no sessions.
    let mut waiting = Vec::new();
    for at in 0..5 {
        waiting.push(session_from("127.0.0.1", &perch).await.expect("a connection"));
        let stream = TcpStream::connect(perch.address).await.expect("a connection");
        let path = format!("/chsk?client-id=socket-{at}");
        let (mut socket, _) = upgrade(stream, perch.address, &path, None).await.expect("it opens");
        socket.next().await.expect("a handshake").expect("a frame");
    }
    let authorization = format!("Bearer {}", token());
    let get_stats = async || {
        let request = perch.http.get(perch.url("/api/stats")).header("Authorization", &authorization);
        request.send().await.expect("perch answers").json::<Value>().await.expect("JSON")
    };
    assert_eq!(get_stats().await["sessions"], 0);
    let stream = TcpStream::connect(perch.address).await.expect("a connection");
    let (socket, _) =
        upgrade(stream, perch.address, "/ws", Some(("Authorization", &authorization))).await.expect("it opens");
    let mut first = Client { socket, hello: Value::Null };
    first.expect("hello").await;
    // The second becomes one by its token, and the third finds no place.
    let auth = json!({"token": token()});
    let mut second = waiting.pop().expect("a client");
    second.send("cmd/auth", auth.clone()).await;
    assert_eq!(second.event().await.0, "auth/ok");
    assert_eq!(get_stats().await["sessions"], 2);
    let mut third = waiting.pop().expect("a client");
    third.send("cmd/auth", auth.clone()).await;
    let (event, payload) = third.event().await;
    assert_eq!((event.as_str(), &payload["code"]), ("cmd/error", &json!("limit")));
    third.send("cmd/percolate", json!({"query": "rust"})).await;
    assert_eq!(third.expect("cmd/error").await["code"], "unauthorized");
    drop(first);
    until(async || {
        third.send("cmd/auth", auth.clone()).await;
        third.event().await.0 == "auth/ok"
    })
    .await;
    third.percolate(json!({"query": "rust"})).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_url_is_refused() {
    let (perch, _dir) = with_tokens("").await;
    for path in ["/api/stream?q=rust&", "/api/search?q=rust&", "/api/stats?", "/ws?"] {
        let (status, answer) = perch.get(&format!("{path}access_token={}", token())).await;
        assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!("access_token")), "{path}: {answer}");
        let message = answer["error"]["message"].as_str().expect("words");
        assert!(message.contains("logged") && message.contains("Authorization"), "{message}");
        assert!(!answer.to_string().contains(&token()), "{answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_its_token_as_a_subprotocol() {
    let (perch, _dir) = with_tokens("").await;
    let open = async |path: &str, protocols: String| {
        let stream = TcpStream::connect(perch.address).await.expect("a connection");
        upgrade(stream, perch.address, path, Some(("Sec-WebSocket-Protocol", &protocols))).await
    };
    let (socket, answer) = open("/ws", format!("perch, perch.bearer.{}", token())).await.expect("it opens");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "perch", "the token does not come back");
    let mut client = Client { socket, hello: Value::Null };
    client.expect("hello").await;
    client.percolate(json!({"query": "rust"})).await;
    let refused = async |protocols: String| match open("/ws", protocols).await {
        Err(tungstenite::Error::Http(refused)) => {
            let body = String::from_utf8(refused.body().clone().unwrap_or_default()).expect("text");
            assert!(!body.contains(&token()), "{body}");
            refused.status().as_u16()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refused("perch, perch.bearer.nonsense".to_owned()).await, 401);
    assert_eq!(refused(format!("perch.bearer.{}", token())).await, 400, "nothing to choose");
    let (_socket, answer) =
        open("/chsk?client-id=a", format!("perch, perch.bearer.{}", token())).await.expect("it opens");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "perch");
    perch.stop().await;
}
