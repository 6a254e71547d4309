//! How a request shows its token: `Authorization: Bearer …`, or as a WebSocket subprotocol.
//!
//! Pages can't set headers of a WebSocket. They may name subprotocols, though:
//! `new WebSocket(url, ["perch", "perch.bearer." + token])`. perch takes the token from there, and
//! answers with `perch` alone, so that the token comes back in no header. A token in the URL is
//! refused: URLs are logged by proxies, kept in histories, and sent on as `Referer`.

use axum::http::{HeaderMap, header};

use crate::transport::errors::ApiError;

/// The subprotocol that perch speaks.
pub(in crate::transport) const SUBPROTOCOL: &str = "perch";

/// What stands before a token among the subprotocols.
const TOKEN_PREFIX: &str = "perch.bearer.";

/// The parameter by which other servers take a token in the URL (RFC 6750, 2.3).
const URL_PARAMETER: &str = "access_token";

/// The token of a request. One in `Authorization` comes first.
pub(super) fn token(headers: &HeaderMap) -> Option<Box<str>> {
    let in_header = || {
        let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    let in_subprotocol = || subprotocols(headers).find_map(|protocol| protocol.strip_prefix(TOKEN_PREFIX));
    in_header().or_else(in_subprotocol).map(Box::from)
}

/// The subprotocol to answer a WebSocket handshake with.
///
/// # Errors
///
/// When the client offers a token and no protocol that perch could choose: browsers end a
/// connection whose server chooses none.
pub(in crate::transport) fn subprotocol(headers: &HeaderMap) -> Result<Option<&'static str>, ApiError> {
    if subprotocols(headers).any(|protocol| protocol == SUBPROTOCOL) {
        return Ok(Some(SUBPROTOCOL));
    }
    if subprotocols(headers).any(|protocol| protocol.starts_with(TOKEN_PREFIX)) {
        let message = "must offer \"perch\" beside \"perch.bearer.<token>\", since perch answers with that one";
        return Err(ApiError::field("Sec-WebSocket-Protocol", message));
    }
    Ok(None)
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    offered.into_iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

/// Refuses a token in the URL, with what to do instead.
pub(super) fn check_url(query: Option<&str>) -> Result<(), ApiError> {
    let names = query.unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    if names.into_iter().any(|name| name.eq_ignore_ascii_case(URL_PARAMETER)) {
        let message = "is refused: a URL is logged by proxies and kept in histories, and a token in it is known to \
                       all who read those. Send `Authorization: Bearer …`; on a WebSocket the subprotocols \"perch\" and \
                       \"perch.bearer.<token>\", or cmd/auth. EventSource can send neither: use fetch";
        return Err(ApiError::field(URL_PARAMETER, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(lines: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_token_comes_by_header_or_subprotocol() {
        let (auth, protocol) = (header::AUTHORIZATION, header::SEC_WEBSOCKET_PROTOCOL);
        for (lines, expected) in [
            (vec![], None),
            (vec![(auth.clone(), "Bearer a.b.c")], Some("a.b.c")),
            (vec![(auth.clone(), "bearer  a")], Some("a")),
            (vec![(auth.clone(), "Basic a")], None),
            (vec![(protocol.clone(), "perch, perch.bearer.a.b-c_")], Some("a.b-c_")),
            (vec![(protocol.clone(), "perch"), (protocol.clone(), "perch.bearer.a")], Some("a")),
            (vec![(protocol.clone(), "perch")], None),
            (vec![(auth.clone(), "Bearer a"), (protocol.clone(), "perch, perch.bearer.b")], Some("a")),
            (vec![(auth, "Basic a"), (protocol, "perch, perch.bearer.b")], Some("b")),
        ] {
            assert_eq!(token(&headers(&lines)).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_answer_never_holds_the_token() {
        let chosen = |line| subprotocol(&headers(&[(header::SEC_WEBSOCKET_PROTOCOL, line)]));
        assert_eq!(chosen("perch, perch.bearer.a"), Ok(Some("perch")));
        assert_eq!(chosen("perch.bearer.a,perch"), Ok(Some("perch")));
        assert_eq!(chosen("other"), Ok(None));
        let refused = chosen("perch.bearer.secret").unwrap_err();
        assert!(!refused.message.contains("secret"));
    }

    #[test]
    fn a_token_in_the_url_is_refused() {
        for query in ["access_token=a", "q=rust&access_token=a", "ACCESS_TOKEN", "access_token"] {
            let refused = check_url(Some(query)).unwrap_err();
            assert!(refused.message.contains("Authorization"), "{query}");
        }
        for query in [None, Some(""), Some("q=access_token"), Some("q=a&b=access_token=")] {
            assert!(check_url(query).is_ok(), "{query:?}");
        }
    }
}
