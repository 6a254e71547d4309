//! The answer to a request that is refused before its body was read reaches its client.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Perch, tweet};

/// More than the buffers of a connection hold on any system.
const BODY_BYTES: usize = 32 * 1024 * 1024;

/// Sends all of a request with a body of `x` before it reads anything: the answer.
async fn send_then_read(address: SocketAddr, head: String, body_bytes: usize) -> String {
    send_body_then_read(address, head, vec![b'x'; body_bytes]).await
}

/// Sends all of a request before it reads anything: the answer.
pub(crate) async fn send_body_then_read(address: SocketAddr, head: String, body: Vec<u8>) -> String {
    let exchange = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time");
        stream.write_all(head.as_bytes()).expect("the head goes out");
        stream.write_all(&body).unwrap_or_else(|error| panic!("{head}: {error}"));
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{head}: {error}"));
        String::from_utf8(answer).expect("text")
    });
    exchange.await.expect("no panic")
}

/// What was answered: the status, the JSON body, and whether the connection was said to close.
fn parts(answer: &str) -> (u16, Value, bool) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let closes = head.to_ascii_lowercase().contains("\r\nconnection: close");
    (status, serde_json::from_str(body).unwrap_or_default(), closes)
}

pub(crate) fn post(target: &str, headers: &str, body_bytes: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {body_bytes}\r\n{headers}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_is_discarded_and_the_answer_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, "a token that nobody guesses").expect("written");
    let settings = format!(
        "[ingest]\ntoken_file = {:?}\n[limits]\nmax_body_bytes = 100000\n[[transport]]\ntype = \"rest\"\n\
         [[transport]]\ntype = \"sente\"\n",
        token.display().to_string()
    );
    let perch = Perch::start_with(&settings).await;
    let right = "Authorization: Bearer a token that nobody guesses\r\n";
    let coded = format!("{right}Content-Encoding: compress\r\n");
    let many_fields = format!("/chsk?{}", "a=1&".repeat(65));
    for (target, headers, status) in [
        ("/api/tweets", "", 401),
        ("/api/percolate", "Authorization: Bearer wrong\r\n", 401),
        ("/api/tweets", "Origin: https://evil.example\r\n", 403),
        ("/api/tweets", "Expect: 100-continue\r\n", 401),
        ("/api/tweets", right, 413),
        ("/api/percolate", right, 413),
        ("/api/tweets", &coded, 400),
        ("/api/stats", "", 405),
        ("/nothing", "", 404),
        ("/api/tweets", "Host: evil.example\r\n", 400),
        ("/chsk?client-id=1&binary%3F=true", "", 415),
        (&many_fields, "", 400),
        ("/chsk?client-id=1", "", 413),
    ] {
        let answer = send_then_read(perch.address, post(target, headers, BODY_BYTES), BODY_BYTES).await;
        let (found, _, closes) = parts(&answer);
        assert_eq!((found, closes), (status, true), "{target} {headers}: {answer}");
    }
    // Without a length, and a head that can't be read at all.
    let chunked = "POST /api/tweets HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2000000\r\n";
    let answer = send_then_read(perch.address, chunked.to_owned(), BODY_BYTES).await;
    assert_eq!((parts(&answer).0, parts(&answer).2), (401, true), "{answer}");
    let unreadable = "POST /api/tweets HTTP/1.1\r\nHost: localhost\r\nContent-Length: nonsense\r\n\r\n";
    let answer = send_then_read(perch.address, unreadable.to_owned(), BODY_BYTES).await;
    assert_eq!(parts(&answer).0, 400, "{answer}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_refused_by_its_rate_or_its_lines_is_discarded_as_well() {
    let perch = Perch::start_with("[limits]\nrequests_per_second = 1\nmax_unpacked_bytes = 100000\n").await;
    let mut refused = None;
    while refused.is_none() {
        let answer = send_then_read(perch.address, post("/api/percolate", "", BODY_BYTES), BODY_BYTES).await;
        refused = Some(parts(&answer)).filter(|&(status, ..)| status == 429);
    }
    let (_, body, closes) = refused.expect("it was refused");
    assert_eq!((&body["error"]["code"], closes), (&json!("limit"), true), "{body}");
    let answer = send_then_read(perch.address, post("/api/tweets", "", BODY_BYTES), BODY_BYTES).await;
    assert_eq!((parts(&answer).0, parts(&answer).2), (413, true), "{answer}");
    perch.stop().await;
}

/// Sente's form is read before the origin and the rate are checked, so the answer is no early one.
#[tokio::test(flavor = "multi_thread")]
async fn sentes_refusals_reach_a_client_that_sends_before_it_reads() {
    let settings = "[[transport]]\ntype = \"sente\"\nevents_per_second = 1\n[[transport]]\ntype = \"rest\"\n";
    let perch = Perch::start_with(settings).await;
    let send = async |headers: &str| {
        let form = format!("client-id=1&ppstr=%2B%5B%5B%3Aa%2Fb%20%22{}%22%5D%5D", "x".repeat(50_000));
        let headers = format!("Connection: close\r\n{headers}");
        let answer = send_body_then_read(perch.address, post("/chsk", &headers, form.len()), form.into_bytes()).await;
        parts(&answer).0
    };
    assert_eq!(send("Origin: https://evil.example\r\n").await, 403);
    let handshake = perch.http.get(perch.url("/chsk?client-id=1&handshake%3F=1")).send().await.expect("an answer");
    assert_eq!(handshake.status(), 200);
    let mut status = 200;
    while status == 200 {
        status = send("").await;
    }
    assert_eq!(status, 429);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_stays_open_when_its_body_was_read() {
    let perch = Perch::start().await;
    let address = perch.address;
    let exchange = move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        // Each body is read to its end, whatever perch thinks of it.
        for body in ["nonsense\n".to_owned(), format!("{}\n", tweet(1, "rust"))] {
            let head = post("/api/tweets", "", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).expect("it goes out");
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                let mut bytes = [0; 4096];
                let n = stream.read(&mut bytes).expect("an answer");
                assert!(n > 0, "closed: {}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&bytes[..n]);
            }
            let text = String::from_utf8(answer).expect("text");
            assert!(!text.to_ascii_lowercase().contains("connection: close"), "{text}");
        }
    };
    tokio::task::spawn_blocking(exchange).await.expect("no panic");
    perch.stop().await;
}

/// Runs a script with the address as its argument: its output.
async fn script(program: &'static str, code: &'static str, url: String) -> String {
    let run = move || {
        let mut command = Command::new(program);
        command.args([if program == "node" { "-e" } else { "-c" }, code, &url]);
        command.env("NO_PROXY", "*").stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("{program} runs: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

/// Sends ten bodies of 8 MB and prints the status and the code of each answer.
const PYTHON: &str = r#"
import json, sys, urllib.error, urllib.request
for _ in range(10):
    request = urllib.request.Request(sys.argv[1], data=b"x" * 8_000_000, method="POST")
    try:
        urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        print(error.code, json.load(error)["error"]["code"])
"#;

const NODE: &str = r#"
const url = process.argv[1];
(async () => {
  for (let at = 0; at < 10; at += 1) {
    const answer = await fetch(url, { method: "POST", body: "x".repeat(8_000_000) });
    console.log(answer.status, (await answer.json()).error.code);
  }
})();
"#;

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_before_they_read_see_the_status() {
    let perch = Perch::start().await;
    for (program, code) in [("python3", PYTHON), ("node", NODE)] {
        let said = script(program, code, perch.url("/nothing")).await;
        assert_eq!(said, "404 not_found\n".repeat(10), "{program}");
    }
    perch.stop().await;
}
