//! Cross-origin resource sharing: what pages of other origins may read.
//!
//! A browser lets a page read an answer from another origin only when the answer names the page's
//! origin, and asks with `OPTIONS` (a preflight) before it sends a header of the page's own. perch
//! allows both to `server.allowed_origins`. Errors carry the same headers, or a page could not
//! read why it failed. Credentials of the browser, such as cookies, are never allowed: perch knows
//! clients by their tokens, and a page sends those itself.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::origin::OriginPolicy;

/// The headers of the answer to a preflight. Browsers cache the answer for at most two hours.
const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE")),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, content-encoding, last-event-id, cache-control"),
    ),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
];

/// The headers that a page may read, beside those that need no permission.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");

/// What determines the CORS headers of an answer.
#[derive(Debug)]
pub(in crate::transport) struct CrossOrigin {
    /// The value of `Access-Control-Allow-Origin`; `None` when the page may not read the answer.
    allowed: Option<HeaderValue>,
    /// Whether the answer depends on the request's origin.
    varies: bool,
    is_preflight: bool,
}

impl CrossOrigin {
    pub(super) fn new(policy: &OriginPolicy, method: &Method, headers: &HeaderMap) -> CrossOrigin {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let only = origins.next().filter(|origin| policy.lists(origin) && origins.next().is_none());
        let every = HeaderValue::from_static("*");
        let is_preflight = *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        CrossOrigin {
            allowed: only.map(|origin| if policy.allows_every() { every } else { origin.clone() }),
            varies: policy.has_any() && !policy.allows_every(),
            is_preflight,
        }
    }

    /// Adds the CORS headers. An answer that names an origin, or that answers a preflight itself,
    /// has its own rules and stays unchanged.
    pub(in crate::transport) fn apply(self, mut response: Response) -> Response {
        let is_unanswered = matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND);
        if self.is_preflight && self.allowed.is_some() && is_unanswered {
            response = StatusCode::NO_CONTENT.into_response();
        }
        let headers = response.headers_mut();
        if self.varies {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.allowed
            && !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if self.is_preflight {
                headers.extend(PREFLIGHT.map(|(name, value)| (Some(name), value)));
            } else {
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerSection;

    fn answer(allowed: &[&str], method: &Method, lines: &[(HeaderName, &'static str)], status: StatusCode) -> Response {
        let allowed_origins = allowed.iter().map(|&origin| origin.to_owned()).collect();
        let policy = OriginPolicy::new(&ServerSection { allowed_origins, ..ServerSection::default() });
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        CrossOrigin::new(&policy, method, &headers).apply(status.into_response())
    }

    fn header(response: &Response, name: HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    const FRIEND: &str = "https://friend.example";

    #[test]
    fn allowed_origins_may_read_answers_and_errors() {
        for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND] {
            let response = answer(&[FRIEND], &Method::GET, &[(header::ORIGIN, FRIEND)], status);
            assert_eq!(response.status(), status);
            assert_eq!(header(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN), Some(FRIEND));
            assert_eq!(header(&response, header::VARY), Some("origin"));
            let response = answer(&["*"], &Method::GET, &[(header::ORIGIN, FRIEND)], status);
            assert_eq!(header(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
        }
    }

    #[test]
    fn others_may_not() {
        for lines in [
            &[][..],
            &[(header::ORIGIN, "https://evil.example")],
            &[(header::ORIGIN, "null")],
            &[(header::ORIGIN, FRIEND), (header::ORIGIN, "https://evil.example")],
            &[(header::ORIGIN, "https://evil.example"), (header::ORIGIN, FRIEND)],
        ] {
            let response = answer(&[FRIEND], &Method::GET, lines, StatusCode::OK);
            assert_eq!(header(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN), None, "{lines:?}");
            assert_eq!(header(&response, header::VARY), Some("origin"), "caches must not mix them up");
        }
        let response = answer(&[], &Method::GET, &[(header::ORIGIN, FRIEND)], StatusCode::OK);
        assert!(response.headers().is_empty());
    }

    #[test]
    fn a_preflight_is_answered_for_allowed_origins_only() {
        let lines = |origin| [(header::ORIGIN, origin), (header::ACCESS_CONTROL_REQUEST_METHOD, "GET")];
        let response = answer(&[FRIEND], &Method::OPTIONS, &lines(FRIEND), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let headers = header(&response, header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap();
        for name in ["authorization", "content-type", "last-event-id"] {
            assert!(headers.contains(name), "{name}");
        }
        assert!(header(&response, header::ACCESS_CONTROL_MAX_AGE).is_some());
        let lines = lines("https://evil.example");
        let response = answer(&[FRIEND], &Method::OPTIONS, &lines, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN), None);
    }
}
