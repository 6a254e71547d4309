use axum::http::HeaderValue;
use serde_json::json;

use super::*;
use crate::live::{QueryInput, Sort};

fn media_type(value: &str) -> Result<MediaType, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
    MediaType::of(&headers)
}

/// The parameters of a body of this type beside those of a URL.
fn params(url: &str, media_type: MediaType, body: &str) -> Result<Params, ApiError> {
    let mut params = Params::of_url("/x", http::pairs(url.as_bytes())?)?;
    params.add_body(media_type.read(body.as_bytes())?)?;
    Ok(params)
}

fn json_params(body: &str) -> Result<Params, ApiError> {
    params("", MediaType::Json, body)
}

#[test]
fn a_body_is_json_or_a_form() {
    for json in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.elasticsearch+json;a=8"] {
        assert_eq!(media_type(json), Ok(MediaType::Json), "{json}");
    }
    assert_eq!(media_type("application/x-www-form-urlencoded"), Ok(MediaType::Form));
    for other in ["text/plain", "multipart/form-data; boundary=a", "application/x-ndjson", "text/json", ""] {
        assert_eq!(media_type(other).unwrap_err().code, Code::UnsupportedMediaType, "{other}");
    }
    assert_eq!(MediaType::of(&HeaderMap::new()).unwrap_err().code, Code::UnsupportedMediaType);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(MediaType::of(&headers).unwrap_err().code, Code::UnsupportedMediaType);
    let curl = params("", MediaType::Form, r#" {"q": "rust"}"#).unwrap_err();
    assert_eq!(curl.code, Code::UnsupportedMediaType);
    assert!(curl.message.contains("application/json"), "{}", curl.message);
}

#[test]
fn all_forms_give_the_same_parameters() {
    for (url, media_type, body) in [
        ("q=a%20b&n=3", MediaType::Form, ""),
        ("", MediaType::Form, "q=a+b&n=3&from="),
        ("n=3", MediaType::Form, "q=a%20b"),
        ("", MediaType::Json, r#"{"q": "a b", "n": 3}"#),
        ("", MediaType::Json, r#"{"q": "a b", "n": "3", "from": null}"#),
        ("n=3", MediaType::Json, r#"{"query": "a b"}"#),
    ] {
        let mut params = params(url, media_type, body).unwrap();
        assert_eq!(params.count("n", 5, 0..=10), Ok(3), "{body}");
        assert_eq!(params.count("from", 5, 0..=10), Ok(5), "{body}");
        assert_eq!(params.query(), Ok(QueryInput::Text("a b".to_owned())), "{body}");
        assert_eq!(params.finish(), Ok(()), "{body}");
    }
}

#[test]
fn a_search_body_keeps_what_no_handler_reads() {
    let body = r#"{"query": {"match_all": {}}, "size": 3, "sort": [{"id": "desc"}], "aggs": {}, "from": 2}"#;
    let mut params = json_params(body).unwrap();
    params.rename_in_body("size", "n");
    assert_eq!(params.count("n", 5, 0..=10), Ok(3));
    assert_eq!(params.count("from", 5, 0..=10), Ok(2));
    assert_eq!(params.sort("sort"), Ok(Sort::default()));
    let QueryInput::JsonText(text) = params.query().unwrap() else { panic!("it is JSON") };
    let expected = json!({"query": {"match_all": {}}, "sort": [{"id": "desc"}], "aggs": {}});
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    assert_eq!(params.finish(), Ok(()));

    // A parameter of the URL is no part of it.
    let mut params = super::tests::params("aggs=1", MediaType::Json, r#"{"query": {"match_all": {}}}"#).unwrap();
    params.query().unwrap();
    assert!(params.finish().unwrap_err().message.contains("`aggs`"));
}

#[test]
fn what_is_wrong_is_named() {
    fn error(url: &str, body: &str) -> String {
        let params = params(url, MediaType::Json, body);
        params.and_then(|mut params| params.query().and_then(|_| params.finish())).unwrap_err().message
    }
    assert_eq!(error("", r#"{"q": "a", "nn": 1}"#), "/x has no field `nn` (there is: q)");
    assert_eq!(error("", r#"{"q": "a", "query": "b"}"#), "`query` can't stand beside `q`");
    assert_eq!(error("", r#"{"q": "a", "q": "b"}"#), "`q` is given twice");
    assert_eq!(error("q=a", r#"{"q": "b"}"#), "`q` is given twice: in the URL and in the body");
    assert_eq!(error("", r#"{"q": 1}"#), "`q` must be query text or an object, its JSON form");
    assert_eq!(error("", "{}"), "`q` is missing");
    for body in ["[]", "rust", r#"{"q": "#, "\"rust\"", "{\"q\": \"\u{1}\"}"] {
        assert!(error("", body).starts_with("the body can't be read: "), "{body}");
    }
    let many: Vec<_> = (0..=MAX_FIELDS).map(|at| format!("\"f{at}\": 1")).collect();
    assert!(error("", &format!("{{{}}}", many.join(","))).contains("more than 64 fields"));
    assert!(error("", &format!("{{\"aggs\": [{}1]}}", "1,".repeat(MAX_FIELD_BYTES))).contains("`aggs` is longer"));
    assert!(error("", &format!("{{\"aggs\": {}{}}}", "[".repeat(200), "]".repeat(200))).contains("recursion"));
    assert_eq!(params("", MediaType::Form, "q=%FF").unwrap_err().message, "the parameters are not UTF-8");
}
