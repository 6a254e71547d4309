use super::*;

#[test]
fn a_secret_is_not_shown_and_not_short() {
    let secret = Secret::new(" correct horse battery\n").unwrap();
    assert_eq!(format!("{secret:?}"), "Secret");
    assert!(secret.is(b"correct horse battery"));
    for wrong in ["correct horse batterz", "correct horse batter", "correct horse battery ", ""] {
        assert!(!secret.is(wrong.as_bytes()), "{wrong}");
    }
    assert!(Secret::new("too short\n").is_err());
}

#[test]
fn origins_are_scheme_host_and_port() {
    let origin = |text| Origin::parse(text).unwrap();
    assert_eq!(origin("https://Example.org"), origin("HTTPS://example.org:443"));
    assert_ne!(origin("https://example.org"), origin("http://example.org"));
    assert_ne!(origin("https://example.org"), origin("https://example.org:444"));
    for text in
        ["null", "", "*", "example.org", "https://", "https://a/b", "https://u@a", "https://a:x", "://a", "https://a b"]
    {
        assert_eq!(Origin::parse(text), None, "{text}");
    }
}

#[test]
fn the_same_origin_is_told_by_the_host() {
    let same = |origin: &str, host: &str| Origin::parse(origin).unwrap().is_host(host);
    assert!(same("http://localhost:8888", "localhost:8888"));
    assert!(same("https://example.org", "EXAMPLE.org"));
    assert!(same("https://example.org", "example.org:443"));
    assert!(same("http://[::1]:8888", "[::1]:8888"));
    assert!(same("http://[::1]", "[::1]"));
    for (origin, host) in [
        ("http://localhost:8888", "localhost"),
        ("http://localhost:8888", "localhost:8889"),
        ("http://evil.example", "example"),
        ("http://example.evil", "example"),
        ("http://127.0.0.1:8888", "localhost:8888"),
        ("http://a", ""),
    ] {
        assert!(!same(origin, host), "{origin} {host}");
    }
}

#[test]
fn loopback_is_this_machine() {
    for (origin, is) in [
        ("http://localhost:1", true),
        ("http://127.0.0.2", true),
        ("http://[::1]:8", true),
        ("http://localhost.evil.example", false),
        ("http://10.0.0.1", false),
    ] {
        assert_eq!(Origin::parse(origin).unwrap().is_loopback(), is, "{origin}");
    }
}
