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
