use super::*;

const TOKEN: &str = "0123456789abcdef";

fn gate(origins: &[&str], token: Option<&str>, max_per_address: usize) -> Arc<Gate> {
    let allowed_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    let server = Server { allowed_origins, ..Server::default() };
    let limits = Limits { max_sessions_per_address: max_per_address, ..Limits::default() };
    Arc::new(Gate::new(&server, token.map(|token| Secret::new(token).unwrap()), None, &limits))
}

fn caller(address: &str, headers: &[(&str, &str)]) -> Caller {
    let header = |name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    Caller {
        address: Some(address.parse().unwrap()),
        origin: header("origin").map(|origin| HeaderValue::from_str(origin).unwrap()),
        host: header("host").map(str::to_owned),
        authorization: header("authorization").map(|value| HeaderValue::from_str(value).unwrap()),
        passed_on: header("via").is_some(),
        progress: Progress::default(),
    }
}

#[test]
fn pages_from_elsewhere_are_turned_away() {
    let (strict, open) = (gate(&["https://friend.example"], None, 0), gate(&["*"], None, 0));
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
        let caller = caller("10.0.0.1", &headers);
        assert_eq!(strict.check_origin(&caller).is_ok(), allowed, "{origin:?}");
        assert!(open.check_origin(&caller).is_ok(), "{origin:?}");
    }
}

#[test]
fn without_a_token_only_this_machine_brings_tweets() {
    let gate = gate(&["https://friend.example"], None, 0);
    let host = ("host", "localhost:8888");
    for (address, headers, allowed) in [
        ("127.0.0.1", vec![], true),
        ("::1", vec![host], true),
        ("127.0.0.1", vec![host, ("origin", "http://localhost:8888")], true),
        ("10.0.0.1", vec![], false),
        ("127.0.0.1", vec![("via", "1.1 proxy")], false),
        ("127.0.0.1", vec![host, ("origin", "https://friend.example")], false),
        // A name that leads to this machine since a moment ago.
        ("127.0.0.1", vec![("host", "evil.example:8888"), ("origin", "http://evil.example:8888")], false),
    ] {
        assert_eq!(gate.check_ingestion(&caller(address, &headers)).is_ok(), allowed, "{address} {headers:?}");
    }
}

#[test]
fn with_a_token_whoever_has_it_brings_tweets() {
    let gate = gate(&[], Some(TOKEN), 0);
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
            let outcome = gate.check_ingestion(&caller(address, headers.as_slice()));
            assert_eq!(outcome.is_ok(), allowed, "{authorization:?}");
            assert!(outcome.is_ok() || outcome.unwrap_err().code == Code::Unauthorized);
        }
    }
    assert!(!format!("{gate:?}").contains(TOKEN));
}

#[test]
fn an_address_has_so_many_sessions_and_gets_them_back() {
    let gate = gate(&[], None, 2);
    let (first, second) = (caller("2001:db8::1", &[]), caller("2001:db8::2", &[]));
    let places = [gate.admit(&first).unwrap(), gate.admit(&second).unwrap()];
    assert_eq!(gate.admit(&first).unwrap_err().code, Code::Limit);
    assert!(gate.admit(&caller("2001:db8:0:1::1", &[])).is_ok(), "another network");
    assert!(gate.admit(&caller("10.0.0.1", &[])).is_ok());
    drop(places);
    assert!(gate.admit(&first).is_ok());
    assert!(gate.addresses().is_empty(), "nothing is kept of those who are gone");
}
