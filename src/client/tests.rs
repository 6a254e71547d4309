use std::io;
use std::process::ExitCode;

use super::terminal::{Shown, escaped, json_line};
use super::*;

#[test]
fn tweets_do_not_steer_the_terminal() {
    let tweet = r#"{"id_str": "1", "text": "a \u001b[31m b\r\n\u0007 &lt;c&gt; \u202Ed", "user": {"screen_name": "x\u001b"},
        "created_at": "Sun Aug 31 00:29:15 +0000 2014"}"#;
    let tweet: Shown = serde_json::from_str(tweet).unwrap();
    assert_eq!(tweet.text(), "a [31m b <c> d");
    assert_eq!(tweet.author(), "@x");
    assert_eq!(tweet.time(), "2014-08-31 00:29:15");
}

#[test]
fn addresses_keep_the_path_of_the_server() {
    let server = "http://host:1/perch/".parse().unwrap();
    assert_eq!(address(&server, "/api/search").as_str(), "http://host:1/perch/api/search");
}

#[test]
fn addresses_are_taken_as_people_write_them() {
    for (text, url) in [
        ("127.0.0.1:8888", "http://127.0.0.1:8888/"),
        ("localhost:8888", "http://localhost:8888/"),
        ("perch.example.org/perch", "http://perch.example.org/perch"),
        ("[::1]:8888", "http://[::1]:8888/"),
        (" https://host ", "https://host/"),
    ] {
        assert_eq!(server_url(text).unwrap().as_str(), url);
    }
    for (text, told) in [
        ("8888", "write http://localhost:8888"),
        (":8888", "write http://localhost:8888"),
        ("ftp://host", "http://localhost:8888"),
        ("ws://host/", "write http://host/"),
        ("wss://host/", "write https://host/"),
        ("", "http://localhost:8888"),
    ] {
        let message = server_url(text).unwrap_err();
        assert!(message.contains(told), "{text}: {message}");
    }
}

#[test]
fn what_a_server_says_does_not_steer_the_terminal() {
    let said = "a\u{1b}]0;b\u{7}\u{9b}31m\u{7f}\r\u{202e}\u{200f}\n\t^ é";
    assert_eq!(escaped(said), "a\\u{1b}]0;b\\u{7}\\u{9b}31m\\u{7f}\\u{d}\\u{202e}\\u{200f}\n\t^ é");
    let body = r#"{"error": {"code": "limit", "message": "x\u001b[2Jy"}}"#;
    let Failure::Other(error) = refusal(hyper::StatusCode::TOO_MANY_REQUESTS, body) else { panic!() };
    assert!(!escaped(&error.to_string()).contains('\u{1b}'));
}

#[test]
fn json_for_a_terminal_means_the_same() {
    let json = "{\"a\u{9b}\":\r\n\"\u{7f}\u{85}\u{202e}\u{61c} \\u001b é\"}";
    assert_eq!(json_line(json, false), json);
    let shown = json_line(json, true);
    assert_eq!(shown, r#"{"a\u009b":  "\u007f\u0085\u202e\u061c \u001b é"}"#);
    let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    assert_eq!(read(&shown), read(json));
}

#[test]
fn a_stage_that_fails_is_exit_code_1_and_a_pipe_that_is_closed_is_none() {
    let code = |failure: Failure| format!("{:?}", failure.report());
    let stage = anyhow::anyhow!("the writer of the index has panicked").context("the pipeline failed");
    assert_eq!(code(Failure::Other(stage)), format!("{:?}", ExitCode::FAILURE));
    assert_eq!(code(Failure::Config(Vec::new())), format!("{:?}", ExitCode::from(64)));
    let closed = io::Error::from(io::ErrorKind::BrokenPipe);
    assert_eq!(code(Failure::Other(closed.into())), format!("{:?}", ExitCode::SUCCESS));
}
