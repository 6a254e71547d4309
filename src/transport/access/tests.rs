use super::*;
use crate::config::Secret;

const TOKEN: &str = "0123456789abcdef";

fn access(origins: &[&str], token: Option<&str>, max_per_address: usize) -> Arc<AccessControl> {
    let allowed_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    let server = ServerSection { allowed_origins, ..ServerSection::default() };
    let limits = LimitsSection { max_sessions_per_address: max_per_address, ..LimitsSection::default() };
    Arc::new(AccessControl::new(
        &server,
        token.map(|token| Arc::new(Secret::new(token).unwrap().into())),
        Authorization::default(),
        &limits,
    ))
}

/// A slot for a session of the client, taken.
fn admit(access: &AccessControl, client: &Client) -> Result<SessionSlot, ApiError> {
    let mut slot = access.session_slot(client);
    slot.take()?;
    Ok(slot)
}

fn client(address: &str, headers: &[(&str, &str)]) -> Client {
    let mut parts = axum::http::Request::new(()).into_parts().0;
    for (name, value) in headers {
        let name = axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        parts.headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    parts.extensions.insert(ClientAddress { address: address.parse().unwrap(), via: Via::Direct });
    Client::of(&parts)
}

#[test]
fn pages_from_elsewhere_are_turned_away() {
    let (strict, open) = (access(&["https://friend.example"], None, 0), access(&["*"], None, 0));
    for (origin, allowed) in [
        (None, true),
        (Some("http://perch.example:8888"), true),
        (Some("https://friend.example"), true),
        (Some("http://friend.example"), false),
        (Some("https://friend.example.evil.example"), false),
        (Some("https://evil.example"), false),
        (Some("null"), false),
        (Some(""), false),
    ] {
        let mut headers = vec![("host", "perch.example:8888")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let client = client("10.0.0.1", &headers);
        assert_eq!(strict.check_origin(&client).is_ok(), allowed, "{origin:?}");
        assert!(open.check_origin(&client).is_ok(), "{origin:?}");
    }
    let (host, friend) = (("host", "perch.example:8888"), ("origin", "https://friend.example"));
    let evil = ("origin", "https://evil.example");
    for (headers, allowed) in
        [([host, friend, friend], true), ([host, friend, evil], false), ([host, evil, friend], false)]
    {
        assert_eq!(strict.check_origin(&client("10.0.0.1", &headers)).is_ok(), allowed, "{headers:?}");
    }
}

#[test]
fn without_a_token_only_this_machine_brings_tweets() {
    let access = access(&["https://friend.example"], None, 0);
    let host = ("host", "localhost:8888");
    for (address, headers, allowed) in [
        ("127.0.0.1", vec![], false),
        ("127.0.0.1", vec![host], true),
        ("::1", vec![host], true),
        ("127.0.0.1", vec![host, ("origin", "http://localhost:8888")], true),
        ("10.0.0.1", vec![host], false),
        ("127.0.0.1", vec![host, ("via", "1.1 proxy")], false),
        ("127.0.0.1", vec![host, ("x-forwarded-for", "127.0.0.1")], false),
        ("127.0.0.1", vec![("host", "perch.example")], false),
        ("127.0.0.1", vec![host, ("origin", "https://friend.example")], false),
        ("127.0.0.1", vec![host, ("origin", "http://localhost"), ("origin", "https://friend.example")], false),
        // A name that leads to this machine since a moment ago.
        ("127.0.0.1", vec![("host", "evil.example:8888"), ("origin", "http://evil.example:8888")], false),
    ] {
        assert_eq!(access.check_ingestion(&client(address, &headers)).is_ok(), allowed, "{address} {headers:?}");
    }
}

#[test]
fn with_a_token_whoever_has_it_brings_tweets() {
    let access = access(&[], Some(TOKEN), 0);
    for (authorization, allowed) in [
        (Some("Bearer 0123456789abcdef"), true),
        (Some("bearer  0123456789abcdef"), true),
        (Some("Bearer 0123456789abcdeg"), false),
        (Some("Bearer 0123456789abcde"), false),
        (Some("Bearer "), false),
        (Some("Basic 0123456789abcdef"), false),
        (Some("0123456789abcdef"), false),
        (None, false),
    ] {
        let headers = authorization.map(|value| ("authorization", value));
        for address in ["10.0.0.1", "127.0.0.1"] {
            let outcome = access.check_ingestion(&client(address, headers.as_slice()));
            assert_eq!(outcome.is_ok(), allowed, "{authorization:?}");
            assert!(outcome.is_ok() || outcome.unwrap_err().code == Code::Unauthorized);
        }
    }
    assert!(!format!("{access:?}").contains(TOKEN));
}

#[test]
fn a_session_takes_its_slot_once_it_is_known_whose_it_is() {
    let access = access(&[], None, 1);
    let first = client("2001:db8::1", &[]);
    let mut waiting = access.session_slot(&first);
    let taken = admit(&access, &client("2001:db8::2", &[])).unwrap();
    let refused = waiting.take().unwrap_err();
    assert_eq!(refused.code, Code::Limit);
    assert!(refused.message.contains("limits.max_sessions_per_address"), "{}", refused.message);
    drop(taken);
    waiting.take().unwrap();
    waiting.take().unwrap();
    assert!(admit(&access, &first).is_err(), "it was taken once, and is kept");
    drop(waiting);
    assert!(admit(&access, &first).is_ok());
}
