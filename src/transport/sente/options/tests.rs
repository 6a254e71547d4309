use super::*;

fn check(text: &str) -> Result<Options, Vec<String>> {
    let table = text.parse().expect("TOML");
    read(table).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn the_defaults_are_those_of_birdwatch() {
    let options = check("").expect("all is optional");
    assert_eq!(options, Options::default());
    assert_eq!((options.path.as_str(), options.packer, options.profile), ("/chsk", Packer::Flexi, Profile::Birdwatch));
    let Options { format, csrf, batch_ws_ms, batch_ajax_ms, poll_timeout_ms, .. } = options;
    assert_eq!((format, csrf), (FrameFormat::V1, Csrf::Off));
    // As long as the genuine server takes.
    assert_eq!((batch_ws_ms, batch_ajax_ms, poll_timeout_ms), (30, 100, 20_000));
}

#[test]
fn every_mistake_is_named() {
    let errors = check(
        r#"
        path = "chsk/{id}"
        csrf_cookie = "a;b"
        allowed_origins = ["https://a.example", "a.example", "https://a.example/"]
        ping_interval_ms = 60000
        searches = 0
        "#,
    );
    let errors = errors.expect_err("much is wrong");
    let paths: Vec<_> = errors.iter().filter_map(|error| error.split(':').next()).collect();
    assert_eq!(
        paths,
        ["path", "csrf_cookie", "allowed_origins[1]", "allowed_origins[2]", "searches", "idle_timeout_ms"]
    );
    assert!(check("packer = \"msgpack\"").is_err());
    assert!(check("frmat = \"v1\"").is_err());
}
