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
        let Err(Failure::Usage(message)) = read_query(query) else { panic!("{query} was taken") };
        assert!(query.starts_with('{') || message.contains('^'), "{message}");
    }
    assert!(read_query("{\"term\": {\"lang\": \"en\"}}").is_ok());
}

#[test]
fn a_configuration_file_that_was_named_must_be_there() {
    let args = ConfigArgs { config: Some("/nowhere/config.toml".to_owned()), ..ConfigArgs::default() };
    let Err(Failure::Config(problems)) = layers(&args) else { panic!("it was taken") };
    assert_eq!(problems[0].path, "/nowhere/config.toml");
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
    assert_eq!(client::address(&server, "/api/search").unwrap().as_str(), "http://host:1/perch/api/search");
    assert!(client::address(&"ftp://host".parse().unwrap(), "/").is_err());
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
