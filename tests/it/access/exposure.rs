//! What `perch check` and the log say of what is open to whom.

use super::*;

#[test]
fn the_check_says_what_is_open_to_whom() {
    let dir = tempfile::tempdir().expect("a directory");
    let check = |set: &[&str]| {
        let mut command = crate::support::process::perch();
        command.current_dir(dir.path()).arg("check");
        let output = command.args(set.iter().flat_map(|set| ["--set", set])).output().expect("perch runs");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("text")
    };
    let checked = check(&[]);
    assert!(checked.starts_with("ok: listens on 127.0.0.1:8888"), "{checked}");
    let row = |what: &str| checked.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
    assert!(row("search, streams").contains("clients on this machine"), "{checked}");
    assert!(row("/api/tweets").contains("direct local connections, without a token"), "{checked}");
    assert!(row("cmd/publish").contains("no client"), "{checked}");
    assert!(row("saved searches").contains("direct local connections, without a token"), "{checked}");
    assert!(row("feeds ").contains("clients on this machine: public ones"), "{checked}");
    assert!(row("one address").contains("500 of 10000 sessions, 1000 of 20000 connections"), "{checked}");
    assert!(!checked.contains("warning"), "{checked}");
    let public = check(&["server.listen=0.0.0.0:80", "server.allowed_hosts=[\"perch.example\"]"]);
    assert!(public.contains("clients that reach port 80"), "{public}");
    assert!(public.contains("warning: ingestion needs no token from direct local connections"), "{public}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_what_is_open_to_whom_and_no_token() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("secret"), SECRET).expect("written");
    let log = dir.path().join("log");
    let mut command = crate::support::process::perch();
    command.env("NO_COLOR", "1").stderr(std::fs::File::create(&log).expect("a file"));
    let secret = format!("auth.secret_file={:?}", dir.path().join("secret").display().to_string());
    let settings = ["--set", "telemetry.log=debug", "--set", &secret];
    let server = Server::spawn(command, &dir.path().join("index"), &settings);
    let address: SocketAddr = server.url.strip_prefix("http://").expect("http").parse().expect("an address");
    for token in [token(), "nonsense.nonsense.nonsense".to_owned()] {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let protocols = format!("perch, perch.bearer.{token}");
        let _ = upgrade(stream, address, "/ws", Some(("Sec-WebSocket-Protocol", &protocols))).await;
        let stream = TcpStream::connect(address).await.expect("a connection");
        let request =
            format!("GET /api/stats?access_token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&exchange(stream, &request).await), 400);
    }
    server.kill();
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(log.contains("search, streams, sessions open_to=\"clients with a token\""), "{log}");
    assert!(!log.contains(&token()[..20]) && !log.contains("nonsense.nonsense"), "{log}");
}
