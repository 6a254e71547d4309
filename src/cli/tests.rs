use clap::CommandFactory as _;

use super::*;

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once(&"perch").chain(args))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn perch_alone_serves_and_takes_its_flags() {
    let cli = parse(&["--listen", "127.0.0.1:0", "--set", "source=[]", "--set", "index.dir=x"]).unwrap();
    assert!(cli.command.is_none());
    assert_eq!(cli.serve.listen.as_deref(), Some("127.0.0.1:0"));
    assert_eq!(cli.serve.set, ["source=[]", "index.dir=x"]);
    assert!(matches!(parse(&["serve", "--index-dir", "d"]).unwrap().command, Some(Command::Serve(_))));
}

#[test]
fn queries_may_begin_with_a_minus() {
    for args in [["search", "-unpaid"], ["tail", "-unpaid"], ["explain", "-unpaid"]] {
        assert!(parse(&args).is_ok(), "{args:?}");
    }
    assert!(parse(&["search", "-unpaid", "-n", "3", "--json"]).is_ok());
}

#[test]
fn wrong_usage_is_refused() {
    for args in [
        &["bogus"][..],
        &["ingest"],
        &["search"],
        &["ingest", "f", "--parallel", "0"],
        &["tail", "x", "--epoch", "e"],
        &["explain", "x", "--json"],
    ] {
        assert!(parse(args).is_err(), "{args:?}");
    }
}

#[test]
fn wrong_queries_are_wrong_usage_with_a_caret() {
    for query in ["foo AND (", "{\"matchh\": 1}", "{"] {
        let Err(Failure::Usage(message)) = read_query(query, ParseOptions::default()) else {
            panic!("{query} was taken")
        };
        assert!(query.starts_with('{') || message.contains('^'), "{message}");
    }
    assert!(read_query("{\"term\": {\"lang\": \"en\"}}", ParseOptions::default()).is_ok());
}

#[test]
fn a_configuration_file_that_was_named_must_be_there() {
    let args = ConfigArgs { config: Some("/nowhere/config.toml".to_owned()), ..ConfigArgs::default() };
    let Err(errors) = layers(&args) else { panic!("it was taken") };
    assert_eq!(errors[0].path, "/nowhere/config.toml");
}

#[test]
fn tweets_do_not_steer_the_terminal() {
    let tweet = r#"{"id_str": "1", "text": "a \u001b[31m b\r\n\u0007 &lt;c&gt; \u202Ed", "user": {"screen_name": "x\u001b"},
        "created_at": "Sun Aug 31 00:29:15 +0000 2014"}"#;
    let tweet: show::Shown = serde_json::from_str(tweet).unwrap();
    assert_eq!(tweet.text(), "a [31m b <c> d");
    assert_eq!(tweet.author(), "@x");
    assert_eq!(tweet.time(), "2014-08-31 00:29:15");
}

#[test]
fn pauses_grow_to_a_bound() {
    let second = std::time::Duration::from_secs(1);
    let mut backoff = client::Backoff::new(second, second * 5);
    for longest in [1, 2, 4, 5, 5] {
        let pause = backoff.pause();
        assert!(pause >= second * longest / 2 && pause <= second * longest, "{pause:?}");
    }
}

#[test]
fn addresses_keep_the_path_of_the_server() {
    let server = "http://host:1/perch/".parse().unwrap();
    assert_eq!(client::address(&server, "/api/search").as_str(), "http://host:1/perch/api/search");
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
        assert_eq!(client::server_url(text).unwrap().as_str(), url);
    }
    for (text, told) in [
        ("8888", "write http://localhost:8888"),
        (":8888", "write http://localhost:8888"),
        ("ftp://host", "http://localhost:8888"),
        ("ws://host/", "write http://host/"),
        ("wss://host/", "write https://host/"),
        ("", "http://localhost:8888"),
    ] {
        let message = client::server_url(text).unwrap_err();
        assert!(message.contains(told), "{text}: {message}");
    }
}

#[test]
fn what_a_server_says_does_not_steer_the_terminal() {
    let said = "a\u{1b}]0;b\u{7}\u{9b}31m\u{7f}\r\u{202e}\u{200f}\n\t^ é";
    assert_eq!(show::escaped(said), "a\\u{1b}]0;b\\u{7}\\u{9b}31m\\u{7f}\\u{d}\\u{202e}\\u{200f}\n\t^ é");
    let body = r#"{"error": {"code": "limit", "message": "x\u001b[2Jy"}}"#;
    let Failure::Other(error) = client::refusal(hyper::StatusCode::TOO_MANY_REQUESTS, body) else { panic!() };
    assert!(!show::escaped(&error.to_string()).contains('\u{1b}'));
}

#[test]
fn json_for_a_terminal_means_the_same() {
    let json = "{\"a\u{9b}\":\r\n\"\u{7f}\u{85}\u{202e}\u{61c} \\u001b é\"}";
    assert_eq!(show::json_line(json, false), json);
    let shown = show::json_line(json, true);
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
