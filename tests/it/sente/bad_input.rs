//! Whatever clients send: the right status, nothing echoed, the connection kept.

use perch_sente::value::Value;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::*;
use crate::sente_client::{SentePoller, SenteSocket, percent};
use crate::support::Perch;

const RESTRICTED: &str = r#"
[[transport]]
type = "rest"
[[transport]]
type = "sente"
packer = "edn"
format = "v2"
profile = "plain"
csrf = "required"
allowed_origins = ["https://example.com"]
"#;

/// Something that no answer may hold.
const MARK: &str = "zzmarkzz";

/// Sends a request: status and body.
async fn request(
    perch: &Perch,
    method: &str,
    query: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> (u16, String) {
    let method = method.parse().expect("a method");
    let mut request = perch.http.request(method, format!("{}{query}", perch.url("/chsk"))).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("perch answers");
    let status = response.status().as_u16();
    let body = response.text().await.expect("a body");
    assert!(!body.contains(MARK), "{body}");
    (status, body)
}

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// The same request as poll, as upgrade and as POST.
async fn everywhere(perch: &Perch, fields: &str, headers: &[(&'static str, &str)], expected: (u16, &str)) {
    let query = format!("?{fields}&x={MARK}");
    let upgrade: Vec<_> = headers.iter().chain(&UPGRADE).copied().collect();
    let form = format!("{fields}&x={MARK}&ppstr={}", percent("[[:cmd/ping] :ajax]"));
    for (kind, answer) in [
        ("poll", request(perch, "GET", &query, headers, "").await),
        ("upgrade", request(perch, "GET", &query, &upgrade, "").await),
        ("post", request(perch, "POST", "", headers, &form).await),
    ] {
        assert_eq!((answer.0, answer.1.as_str()), expected, "{kind} with {fields} and {headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_turned_away() {
    let perch = Perch::start_with(RESTRICTED).await;
    let cookie = ("cookie", "perch-csrf=tok123; a=b");
    let token = ("x-csrf-token", "tok123");
    let origin = ("origin", "https://example.com");
    let no_id = (400, "The request has no client-id");
    let bad_token = (403, "Bad CSRF token");
    // The client-id is looked at before the token.
    everywhere(&perch, "udt=1", &[], no_id).await;
    everywhere(&perch, "client-id=", &[cookie, token, origin], no_id).await;
    everywhere(&perch, "client-id=%20%20", &[cookie, token, origin], no_id).await;
    everywhere(&perch, &format!("client-id={}", "x".repeat(257)), &[], (400, "The client-id is longer than 256 bytes"))
        .await;
    // Without a token, with that of another, without a cookie, with an empty one.
    everywhere(&perch, "client-id=1", &[], bad_token).await;
    everywhere(&perch, "client-id=1", &[cookie, origin], bad_token).await;
    everywhere(&perch, "client-id=1&csrf-token=null", &[cookie, ("x-csrf-token", "null"), origin], bad_token).await;
    everywhere(&perch, "client-id=1&csrf-token=tok124", &[cookie, token, origin], bad_token).await;
    everywhere(&perch, "client-id=1&csrf-token=tok1234", &[cookie, origin], bad_token).await;
    everywhere(&perch, "client-id=1&csrf-token=tok123", &[origin], bad_token).await;
    everywhere(&perch, "client-id=1&csrf-token=", &[("cookie", "perch-csrf="), origin], bad_token).await;
    // The token is looked at before the origin.
    everywhere(&perch, "client-id=1", &[cookie, ("origin", "https://evil.example")], bad_token).await;
    for origin in [
        ("origin", "https://evil.example"),
        ("origin", "http://example.com"),
        ("origin", "null"),
        ("referer", "https://example.com.evil.example/"),
        ("x-nothing", "1"),
    ] {
        everywhere(&perch, "client-id=1", &[cookie, token, origin], (403, "Unauthorized origin")).await;
    }
    // All right, in each place where a token may be.
    let ok = (200, "[[:chsk/handshake [\"1\" nil nil]]]".to_owned());
    for (fields, headers) in [
        ("?client-id=1&handshake%3F=1&csrf-token=tok123", vec![cookie, origin]),
        ("?client-id=1&handshake%3F=1", vec![cookie, token, origin]),
        (
            "?client-id=1&handshake%3F=1",
            vec![cookie, ("x-xsrf-token", "tok123"), ("referer", "https://example.com/page")],
        ),
    ] {
        assert_eq!(request(&perch, "GET", fields, &headers, "").await, ok);
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_gets_its_token_and_other_origins_only_what_they_may() {
    let perch = Perch::start_with(RESTRICTED).await;
    let response = perch.http.get(perch.url("/chsk/csrf-token")).send().await.expect("perch answers");
    let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("perch-csrf=") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(response.headers().get("access-control-allow-origin").is_none());
    let token = response.text().await.expect("a token");
    let headers = [
        ("cookie", cookie.split(';').next().expect("a pair")),
        ("x-csrf-token", token.as_str()),
        ("origin", "https://example.com"),
    ];
    assert_eq!(request(&perch, "GET", "?client-id=1&handshake%3F=1", &headers, "").await.0, 200);
    let preflight = |origin: &'static str| {
        let request = perch.http.request(reqwest::Method::OPTIONS, perch.url("/chsk"));
        request.header("origin", origin).header("access-control-request-method", "POST").send()
    };
    let allowed = preflight("https://example.com").await.expect("perch answers");
    assert_eq!(allowed.status().as_u16(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://example.com");
    assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
    assert_eq!(
        allowed.headers()["access-control-allow-headers"],
        "X-CSRF-Token, X-Requested-With, Content-Type, Authorization"
    );
    let refused = preflight("https://evil.example").await.expect("perch answers");
    assert!(refused.headers().get("access-control-allow-origin").is_none());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_are_none() {
    let perch = Perch::start_with("[limits]\nmax_frame_bytes = 2048\n[[transport]]\ntype = \"sente\"\n").await;
    let unreadable = (400, "The parameters can't be read".to_owned());
    let many = format!("f={MARK}&").repeat(200);
    assert_eq!(request(&perch, "POST", "", &[], &many).await, unreadable);
    assert_eq!(request(&perch, "GET", &format!("?{many}"), &[], "").await, unreadable);
    // Malformed text is read as browsers read it.
    let no_event = request(&perch, "POST", "", &[], &format!("client-id=1&ppstr={MARK}")).await;
    assert_eq!(request(&perch, "POST", "", &[], &format!("client-id=1&ppstr=%{MARK}")).await, no_event);
    assert_eq!(request(&perch, "POST", "", &[], &format!("client-id=%ff%2&ppstr={MARK}")).await, no_event);
    let no_frame = (400, "The ppstr is missing or longer than allowed".to_owned());
    assert_eq!(request(&perch, "POST", "", &[], "client-id=1").await, no_frame);
    assert_eq!(request(&perch, "POST", "", &[], &format!("client-id=1&ppstr={}", "x".repeat(2_049))).await, no_frame);
    let large = (413, "The body is longer than allowed".to_owned());
    assert_eq!(request(&perch, "POST", "", &[], &format!("client-id=1&ppstr={}", "x".repeat(20_000))).await, large);
    // A client-id of a megabyte, in a body and in a URL: there the server reads no further than its
    // own limit.
    let id = "x".repeat(1 << 20);
    assert_eq!(request(&perch, "POST", "", &[], &format!("client-id={id}&ppstr=1")).await, large);
    let sent = perch.http.get(format!("{}?client-id={id}", perch.url("/chsk"))).send().await;
    assert!(sent.is_err() || sent.is_ok_and(|response| response.status().is_client_error()));
    let binary = (415, "Binary packers are not supported".to_owned());
    assert_eq!(request(&perch, "POST", "?udt=1&client-id=1&binary%3F=true", &[], "\u{1}").await, binary);
    assert_eq!(request(&perch, "PUT", "", &[], "").await.0, 405);
    // It still serves.
    let mut poller = SentePoller::connect(&perch, birdwatch()).await;
    poller.send(&percolate(&birdwatch(), "rust")).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_says_so() {
    let perch = Perch::start_with("[limits]\nmax_sessions = 1\n[[transport]]\ntype = \"sente\"\n").await;
    let _first = SenteSocket::connect(&perch, birdwatch()).await;
    let other = birdwatch().with_id("other");
    assert_eq!(SentePoller::new(&perch, other.clone()).get(true).await, (503, "Unavailable: come back".to_owned()));
    match SenteSocket::open(perch.address, other).await {
        Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), 503),
        other => panic!("{:?}", other.map(|socket| socket.setup)),
    }
    perch.stop().await;
}

/// Frames that are of no use, by what is wrong with them.
fn bad_frames(setup: &Setup) -> Vec<String> {
    let deep = |open: &str| open.repeat(10_000);
    let mut frames: Vec<String> =
        ["", "+", "-", "+j", "j", "e", "nil", "null", "+[", "+[]", "[[] nil]", "+[[]]", "[[[]]]", "{", "\u{0}", "é"]
            .map(str::to_owned)
            .into();
    frames.extend([deep("["), deep("+["), deep("{"), deep("#_"), deep("(")]);
    let bodies: &[&str] = match setup.packing {
        Packing::Edn => &[
            "[:chsk/ws-pong]",
            "[:no-namespace 1]",
            "[\"cmd/percolate\" {}]",
            "[:cmd/percolate 1 2]",
            "[:cmd/query {:query \"\\ud83d\"}]",
            "[:cmd/query {:query \"\\u12\"}]",
            "[:cmd/query {:n 1/2}]",
            "{:cmd/query 1}",
        ],
        Packing::Transit => &[
            r#"["~:chsk/ws-pong"]"#,
            r#"["~:no-namespace",1]"#,
            r#"["cmd/percolate",["^ "]]"#,
            r#"["~:cmd/percolate",1,2]"#,
            r#"["~:cmd/query",["^ ","~:query","\ud83d"]]"#,
            r#"["~:cmd/query",["^ ","^5",1]]"#,
            r#"["~:cmd/query",["^ ","^zz",1]]"#,
            r#"["~:cmd/query",["^ ","~:a"]]"#,
            r#"["^ ","~:a",1]"#,
        ],
    };
    frames.extend(bodies.iter().map(|body| setup.frame(body, None)));
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_no_use_get_no_answer_and_the_connection_stays() {
    let perch = Perch::start_with(&format!("[limits]\nmax_frame_bytes = 65536\n{ENDPOINTS}")).await;
    for setup in all() {
        let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
        let ping = match setup.packing {
            Packing::Edn => "[:chsk/ws-ping]",
            Packing::Transit => r#"["~:chsk/ws-ping"]"#,
        };
        for frame in bad_frames(&setup) {
            socket.stream.send_text(&frame).await;
        }
        if setup.letter {
            // Clients that know errors get one.
            socket.stream.send_text(&"x".repeat(100_000)).await;
        }
        socket.stream.send_binary().await;
        // Nothing stands between the frames above and this answer: it is the next.
        assert_eq!(socket.ask(ping, "aaaaaa").await, Value::str("pong"), "{setup:?}");
        let noted: Vec<_> = socket.transcript.lines.lines().filter(|line| line.starts_with('<')).collect();
        assert_eq!(noted.len(), 2, "{setup:?}: {noted:#?}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_of_no_use_are_answered_as_if_they_wanted_nothing() {
    let perch = Perch::start_with(ENDPOINTS).await;
    for setup in [birdwatch(), edn(Group::B), transit(Group::F)] {
        let mut poller = SentePoller::connect(&perch, setup.clone()).await;
        for frame in bad_frames(&setup).iter().filter(|frame| !frame.is_empty()) {
            let (status, body) = poller.post(frame).await;
            assert_eq!(status, 200, "{frame}");
            let body = body.trim_start_matches(['+', 'j', 'e']);
            assert!(body == "[:chsk/dummy-cb-200]" || body == r#"["~:chsk/dummy-cb-200"]"#, "{body}");
        }
    }
    perch.stop().await;
}

/// What a client sends without noting it.
trait Raw {
    async fn send_text(&mut self, text: &str);
    async fn send_binary(&mut self);
}

impl<S: futures_util::Sink<Message, Error = Error> + Unpin> Raw for S {
    async fn send_text(&mut self, text: &str) {
        futures_util::SinkExt::send(self, Message::text(text)).await.expect("the frame goes out");
    }

    async fn send_binary(&mut self) {
        futures_util::SinkExt::send(self, Message::binary(vec![0, 159, 146, 150])).await.expect("the frame goes out");
    }
}
