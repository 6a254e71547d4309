use std::path::{Path, PathBuf};
use std::time::Duration;

use expect_test::{Expect, expect};
use serde::Deserialize;

use super::*;

const SHIPPED: &str = include_str!("../../config.toml");

fn layers(file: &str) -> ConfigLayers {
    ConfigLayers {
        file: Some(ConfigFile { name: "config.toml".to_owned(), text: file.to_owned() }),
        ..ConfigLayers::default()
    }
}

fn errors(layers: &ConfigLayers) -> String {
    Config::parse(layers).1.iter().map(|error| format!("{error}\n")).collect()
}

fn check(file: &str, expected: &Expect) {
    expected.assert_eq(&errors(&layers(file)));
}

#[test]
fn the_shipped_file_is_the_defaults() {
    let shipped = Config::from_toml(SHIPPED).expect("config.toml is right");
    let default = Config::default();
    assert_eq!(shipped.transports, default.transports);
    assert_eq!(shipped.sources.len(), 1);
    assert_eq!(shipped.sources[0].kind, default.sources[0].kind);
    // The shipped file shows the keys of the demo source, whose defaults are the plugin's own.
    assert_eq!(Config { sources: Vec::new(), ..shipped }, Config { sources: Vec::new(), ..default });
}

#[test]
fn every_key_is_in_the_shipped_file_under_a_reason() {
    let table: Table = SHIPPED.parse().expect("config.toml is TOML");
    for path in Config::keys() {
        let (section, key) = path.split_once('.').expect("keys are in sections");
        assert!(table.get(section).and_then(|section| section.get(key)).is_some(), "{path} is missing");
        let lines: Vec<_> = SHIPPED.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(&format!("{key} = "))).expect("the key has a line");
        assert!(lines[at - 1].starts_with("# "), "{path} has no reason above it");
    }
}

#[test]
fn nothing_at_all_is_the_defaults() {
    assert_eq!(Config::load(&ConfigLayers::default()), Ok(Config::default()));
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_path() {
    check(
        r#"
        colour = "red"
        source = [{ rate = 5 }, 3]
        [server]
        listen = "nowhere"
        port = 8888
        grace_secconds = 3
        [index]
        commit_interval_ms = "often"
        writer_memory_mb = 1
        commit_tweets = -4
        [telemetry]
        format = "jsom"
        log = 4
        [servr]
        "#,
        &expect![[r#"
            server.grace_secconds: there is no such key; did you mean "grace_seconds"?
            server.port: there is no such key (there is: listen, allowed_origins, allowed_hosts, public_url, trusted_proxies, proxy_header, tls_certificate_file, tls_key_file, admin_listen, header_timeout_ms, body_timeout_ms, write_timeout_ms, idle_timeout_ms, grace_seconds)
            server.listen: expected an address and a port, such as "127.0.0.1:8888"
            index.commit_interval_ms: expected a whole number, 0 or more, found the string "often"
            index.commit_tweets: expected a whole number, 0 or more, found the number -4
            telemetry.format: expected "text" or "json", found "jsom"; did you mean "json"?
            telemetry.log: expected a string, found the number 4
            source[0].type: is missing: it says which kind of plugin this is
            source[1]: expected a table, found the number 3
            colour: there is no such key (there is: server, index, ingest, auth, percolator, query, limits, deliveries, mail, telemetry, source, transport)
            servr: there is no such key; did you mean "server"?
            index.writer_memory_mb: expected a number from 16 to 4000, found 1
        "#]],
    );
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    check(
        "[server]\nlisten = \n",
        &expect![[r"
            config.toml:2:10: string values must be quoted, expected literal string
        "]],
    );
}

#[test]
fn flags_are_over_variables_over_the_file_over_the_defaults() {
    let mut layers =
        layers("[index]\ndir = \"file\"\ncommit_tweets = 1\nqueue_batches = 1\n[server]\ngrace_seconds = 1");
    layers.environment = vec![
        ("PERCH_INDEX__DIR".to_owned(), "variable".to_owned()),
        ("PERCH_INDEX_COMMIT_TWEETS".to_owned(), "2".to_owned()),
        ("PERCH_SERVER_LISTEN".to_owned(), "[::1]:80".to_owned()),
        ("PERCH_LOG".to_owned(), "debug".to_owned()),
        ("PERCH_CORPUS".to_owned(), "/data".to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
    ];
    layers.set = vec!["index.dir=set".to_owned(), "server.listen=127.0.0.1:9".to_owned()];
    layers.listen = Some("127.0.0.1:0".to_owned());
    let config = Config::load(&layers).expect("all is right");
    assert_eq!(config.index.dir, PathBuf::from("set"));
    assert_eq!(config.index.commit_tweets, 2);
    assert_eq!(config.index.queue_batches, 1);
    assert_eq!(config.server.grace, Duration::from_secs(1));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:0");
    assert_eq!(config.telemetry.log, "debug");
    assert_eq!(config.index.commit_interval, Duration::from_millis(250));
    layers.index_dir = Some("7".to_owned());
    assert_eq!(Config::load(&layers).expect("all is right").index.dir, Path::new("7"));
}

#[test]
fn chosen_sources_are_those_of_the_file_or_have_no_keys() {
    let file = ConfigFile {
        name: "config.toml".to_owned(),
        text: "[[source]]\ntype = \"demo\"\n[[source]]\ntype = \"file\"\npath = \"a\"".to_owned(),
    };
    let sources = ["bluesky", "file"].map(str::to_owned).to_vec();
    let config = Config::load(&ConfigLayers { file: Some(file), sources, ..ConfigLayers::default() });
    let config = config.expect("all is right");
    let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["file#1", "bluesky#2"]);
    assert_eq!(config.sources[0].table["path"], Value::from("a"));
    assert!(config.sources[1].table.is_empty());
}

#[test]
fn set_takes_any_path() {
    let set = |assignments: &[&str]| {
        let set = assignments.iter().map(|&assignment| assignment.to_owned()).collect();
        Config::load(&ConfigLayers { set, ..ConfigLayers::default() }).expect("all is right")
    };
    assert_eq!(set(&["source=[]"]).sources, []);
    let config = set(&["source[0].rate=5", "source[1].type=file", "source[1].path = a b.json", "index.dir=12"]);
    assert_eq!(config.sources[0].table["rate"], Value::Integer(5));
    assert_eq!(config.sources[1].name, "file#2");
    assert_eq!(config.sources[1].table["path"], Value::from("a b.json"));
    assert_eq!(config.index.dir, Path::new("12"));
}

#[test]
fn mistakes_in_variables_and_flags_name_them() {
    let layers = ConfigLayers {
        environment: vec![
            ("PERCH_SERVER_LISTN".to_owned(), "1".to_owned()),
            ("PERCH_INDEX__COMMIT_TWEETS".to_owned(), "many".to_owned()),
        ],
        set: vec![
            "nonsense".to_owned(),
            "source[7].rate=1".to_owned(),
            "server..x=1".to_owned(),
            "limits.max_pag=1".to_owned(),
        ],
        listen: Some("nowhere".to_owned()),
        ..ConfigLayers::default()
    };
    expect![[r#"
        --set: expected KEY=VALUE, found "nonsense"
        source[7].rate: there is no [7], only 1 before it (set by --set)
        server..x: expected a TOML path such as server.listen or source[0].rate (set by --set)
        server.listen: expected an address and a port, such as "127.0.0.1:8888" (set by --listen)
        index.commit_tweets: expected a whole number, 0 or more, found the string "many" (set by PERCH_INDEX__COMMIT_TWEETS)
        limits.max_pag: there is no such key; did you mean "max_page"? (set by --set)
    "#]]
    .assert_eq(&errors(&layers));
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    path: String,
    #[serde(default)]
    rate: Option<f64>,
}

#[test]
fn plugin_tables_are_read_with_every_mistake() {
    let read = |text: &str| read::<Options>(text.parse().expect("TOML"));
    assert_eq!(read("path = 'a'\nrate = 5"), Ok(Options { path: "a".to_owned(), rate: Some(5.0) }));
    let mistakes =
        |text| read(text).expect_err("there are mistakes").iter().map(|p| format!("{p}\n")).collect::<String>();
    expect![[r#"
        ratee: there is no such key; did you mean "rate"?
        path: expected a string, found the number 3
    "#]]
    .assert_eq(&mistakes("path = 3\nratee = 5"));
    expect![[r#"
        rate: expected a number, found the string "x"
        path: is missing
    "#]]
    .assert_eq(&mistakes("rate = 'x'"));
}

#[test]
fn problems_move_into_the_table_around_them() {
    assert_eq!(ConfigError::new("rate", "x").within("source[1]").path, "source[1].rate");
    assert_eq!(ConfigError::new("", "x").within("source[1]").path, "source[1]");
}

#[test]
fn unknown_variables_are_warnings_and_those_of_kubernetes_not_even_that() {
    let layers = |variables: &[(&str, &str)]| ConfigLayers {
        environment: variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..ConfigLayers::default()
    };
    let unknown = |variables: &[(&str, &str)]| -> String {
        let layers = layers(variables);
        assert_eq!(Config::load(&layers), Ok(Config::default()), "they set nothing");
        layers.unknown_variables().iter().map(|error| format!("{error}\n")).collect()
    };
    expect![[r"
        PERCH_LIMIT__MAX_PAGE: no key has this variable, it sets nothing; did you mean PERCH_LIMITS__MAX_PAGE?
        PERCH_TOKENS: no key has this variable, it sets nothing; did you mean PERCH_TOKEN?
        PERCH_XYZZY: no key has this variable, it sets nothing
    "]]
    .assert_eq(&unknown(&[("PERCH_XYZZY", "1"), ("PERCH_LIMIT__MAX_PAGE", "7"), ("PERCH_TOKENS", ""), ("HOME", "/")]));
    // As in a pod beside the services `perch` (with a named port) and `perch-main`.
    let of_kubernetes = [
        ("PERCH_SERVICE_HOST", "10.0.0.1"),
        ("PERCH_SERVICE_PORT", "8888"),
        ("PERCH_SERVICE_PORT_HTTP", "8888"),
        ("PERCH_PORT", "tcp://10.0.0.1:8888"),
        ("PERCH_PORT_8888_TCP", "tcp://10.0.0.1:8888"),
        ("PERCH_PORT_8888_TCP_PROTO", "tcp"),
        ("PERCH_PORT_8888_TCP_PORT", "8888"),
        ("PERCH_PORT_8888_TCP_ADDR", "10.0.0.1"),
        ("PERCH_PORT_8888_UDP_ADDR", "10.0.0.1"),
        ("PERCH_MAIN_SERVICE_HOST", "10.0.0.1"),
        ("PERCH_MAIN_PORT", "udp://10.0.0.1:8888"),
    ];
    assert_eq!(unknown(&of_kubernetes), "");
    assert!(unknown(&[("PERCH_PORT", "8888")]).starts_with("PERCH_PORT: "));
    // A known key with an invalid value is an error.
    assert_eq!(Config::parse(&layers(&[("PERCH_LIMITS__MAX_PAGE", "many")])).1.len(), 1);
    let known = [("PERCH_LOG", "info"), ("PERCH_TOKEN", "x"), ("PERCH_SOURCE", "[]"), ("PERCH_INDEX_DIR", "x")];
    assert_eq!(layers(&known).unknown_variables(), []);
}

#[test]
fn all_answers_may_have_less_room_than_a_share_is() {
    assert_eq!(errors(&layers("[limits]\nresponse_buffer_mb = 8")), "");
    assert_eq!(errors(&layers("[limits]\nresponse_buffer_per_address_mb = 4")), "");
}
