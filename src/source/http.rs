//! HTTP requests of live sources: tokens, time-outs, and errors that say what to do.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response};
use tokio::time::timeout;
use url::Url;

use super::retry::RetryLater;
use crate::config::Secret;
use crate::outbound::{self, Trust};
use crate::tweet::json::{Json, Value};

/// The time for the head of an answer, and for the body of one that is no stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after status 429 without a time.
const TOO_MANY_PAUSE: Duration = Duration::from_secs(60);
/// The longest body of a refusal that is read for its reason.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// The longest reason of a server in an error, in characters.
const MAX_DETAIL_CHARS: usize = 300;

/// A bearer token. It is in no log line, error or `Debug` output.
#[derive(Clone, Debug)]
pub(super) struct Token {
    secret: Secret,
    file: PathBuf,
}

impl Token {
    /// The token in a file. Each run of a source reads it again.
    ///
    /// # Errors
    ///
    /// The file can't be read, or holds no token.
    pub(super) fn of_file(file: &Path) -> anyhow::Result<Token> {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("token_file: {} can't be read", file.display()))?;
        let secret = Secret::new(&text).map_err(|reason| anyhow!("token_file: {}: {reason}", file.display()))?;
        if !secret.bytes().iter().all(u8::is_ascii_graphic) {
            bail!("token_file: {} holds no token: a token is one line without spaces", file.display());
        }
        Ok(Token { secret, file: file.to_owned() })
    }

    /// The value of `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        let bytes = [b"Bearer ".as_slice(), self.secret.bytes()].concat();
        // `of_file` has checked the characters.
        let mut value = HeaderValue::from_bytes(&bytes).unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }

    /// Whether a text repeats the token.
    fn is_in(&self, text: &str) -> bool {
        std::str::from_utf8(self.secret.bytes()).is_ok_and(|token| text.contains(token))
    }
}

/// A server has answered with another status than the one of success.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    message: String,
    pub(super) status: StatusCode,
}

/// The status with which a server has refused, if this is why there is an error.
pub(super) fn refused_with(error: &anyhow::Error) -> Option<StatusCode> {
    error.downcast_ref::<Refusal>().map(|refusal| refusal.status)
}

/// An answer that is no success.
pub(super) struct RefusedAnswer<'a> {
    pub(super) host: &'a str,
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl RefusedAnswer<'_> {
    /// The error, with the pause that the server asks for. `expected` is what was asked for.
    pub(super) fn into_error(self, token: Option<&Token>, expected: &str) -> anyhow::Error {
        let RefusedAnswer { host, status, headers, body } = self;
        let detail = reason_in(body).filter(|detail| !token.is_some_and(|token| token.is_in(detail)));
        let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        let file = token.map(|token| token.file.display());
        let message = match (status, file) {
            (StatusCode::UNAUTHORIZED, Some(file)) => {
                format!("{host} refuses the token in {file} (HTTP {status}{detail})")
            }
            (StatusCode::UNAUTHORIZED, None) => {
                format!("{host} asks for a token (HTTP {status}{detail}): token_file names a file with one")
            }
            (StatusCode::FORBIDDEN, Some(file)) => {
                format!("{host} does not allow this with the token in {file} (HTTP {status}{detail})")
            }
            _ if status.is_redirection() => {
                let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                format!("{host} redirects to {}: configure that address", shortened(to))
            }
            _ => {
                let page = if is_web_page(headers) { " and a web page" } else { "" };
                format!("{host} answers with HTTP {status}{page}{detail}, not with {expected}")
            }
        };
        let error = anyhow::Error::new(Refusal { message, status });
        match pause_in(status, headers, Timestamp::now()) {
            Some(pause) => error.context(RetryLater::after(pause)),
            None => error,
        }
    }
}

/// Whether an answer is a page for people, such as that of a proxy.
pub(super) fn is_web_page(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// The pause that a server asks for: in `Retry-After`, or after status 429 until a limit is reset,
/// in Mastodon's form or in X's.
fn pause_in(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let asked = outbound::retry_after(headers, now);
    if asked.is_some() || status != StatusCode::TOO_MANY_REQUESTS {
        return asked;
    }
    let reset = text("x-ratelimit-reset").or_else(|| text("x-rate-limit-reset"));
    let at = reset.and_then(|reset| match reset.parse() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => reset.parse().ok(),
    });
    // The clocks may differ by a little.
    Some(at.map_or(TOO_MANY_PAUSE, |at| until(at) + Duration::from_secs(1)))
}

/// What a refusal says, as Mastodon and X write it.
pub(super) fn reason_in(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let json = Json::parse(text).ok()?;
    let root = json.root();
    let errors = root.get("errors").and_then(|errors| errors.items().next());
    [Some(root), errors].into_iter().flatten().find_map(reason_of)
}

fn reason_of(value: Value<'_>) -> Option<String> {
    let text = |key| value.get(key).and_then(Value::str).filter(|text| !text.trim().is_empty());
    let details = value.get("details").and_then(|details| details.items().next()?.str());
    let reason = details.or_else(|| text("detail")).or_else(|| text("error")).or_else(|| text("message"));
    let reason = shortened(&reason.or_else(|| text("title"))?);
    // X names the rule that is wrong.
    Some(text("value").map_or_else(|| reason.clone(), |value| format!("{:?}: {reason}", shortened(&value))))
}

/// A text of a server in one line.
pub(super) fn shortened(text: &str) -> String {
    let plain = text.trim().chars().map(|char| if char.is_control() { ' ' } else { char });
    plain.take(MAX_DETAIL_CHARS).collect()
}

/// The message for a host without a connection.
pub(super) fn unreachable_host(host: &str) -> String {
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(_) => format!("no connection to {host}"),
        Err(_) => format!("no connection to {host}: is this machine on the network?"),
    }
}

/// The host of an address, for messages.
pub(super) fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Sends requests with the token of a source. It follows no redirect.
#[derive(Clone, Debug)]
pub(super) struct HttpClient {
    client: Client,
    token: Option<Token>,
}

impl HttpClient {
    /// A client for addresses with this scheme.
    ///
    /// # Errors
    ///
    /// The system has no certificates to trust.
    pub(super) fn new(base: &Url, token: Option<Token>) -> anyhow::Result<HttpClient> {
        let trust = if base.scheme() == "https" { Trust::System } else { Trust::None };
        Ok(HttpClient { client: outbound::http(outbound::tls(trust)?).build()?, token })
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The answer to a GET, whose body is still to be read.
    ///
    /// # Errors
    ///
    /// No answer, or one without success ([`Refusal`]).
    pub(super) async fn get(&self, url: &Url, expected: &str) -> anyhow::Result<Response> {
        self.send(self.client.get(url.clone()), url, expected).await
    }

    /// The answer to a POST of JSON.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::get`].
    pub(super) async fn post(&self, url: &Url, json: &serde_json::Value, expected: &str) -> anyhow::Result<Response> {
        self.send(self.client.post(url.clone()).json(json), url, expected).await
    }

    async fn send(&self, request: RequestBuilder, url: &Url, expected: &str) -> anyhow::Result<Response> {
        let request = match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.header()),
            None => request,
        };
        let host = host_of(url);
        let Ok(answer) = timeout(ANSWER_TIMEOUT, request.send()).await else {
            bail!("{host} did not answer in {} s", ANSWER_TIMEOUT.as_secs());
        };
        let response = answer.map_err(reqwest::Error::without_url).with_context(|| unreachable_host(host))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_body(response, host, MAX_REFUSAL_BYTES).await.unwrap_or_default();
        let refused = RefusedAnswer { host, status, headers: &headers, body: &body };
        Err(refused.into_error(self.token(), expected))
    }
}

/// The body of an answer.
///
/// # Errors
///
/// It is longer than `max_bytes`, or does not come.
pub(super) async fn read_body(mut response: Response, host: &str, max_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let read = async {
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await.map_err(reqwest::Error::without_url);
            match chunk.with_context(|| format!("the answer of {host} broke off"))? {
                Some(chunk) if body.len() + chunk.len() <= max_bytes => body.extend_from_slice(&chunk),
                Some(_) => bail!("{host} answers with more than {max_bytes} bytes"),
                None => return Ok(body),
            }
        }
    };
    timeout(ANSWER_TIMEOUT, read).await.unwrap_or_else(|_| bail!("the answer of {host} did not come to its end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        rows.iter().map(|(name, value)| ((*name).parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn the_pause_is_read_in_the_forms_of_the_networks() {
        let now: Timestamp = "2026-11-29T10:00:00Z".parse().expect("a time");
        let pause = |status, rows| pause_in(status, &headers(rows), now).map(|pause| pause.as_secs());
        let many = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(pause(many, &[("retry-after", "7")]), Some(7));
        assert_eq!(pause(many, &[("x-ratelimit-reset", "2026-11-29T10:05:00.000000Z")]), Some(301));
        assert_eq!(pause(many, &[("x-rate-limit-reset", "1795946460")]), Some(61));
        assert_eq!(pause(many, &[("x-rate-limit-reset", "1")]), Some(1), "in the past");
        assert_eq!(pause(many, &[("x-rate-limit-reset", "soon")]), Some(60));
        assert_eq!(pause(StatusCode::BAD_GATEWAY, &[("x-rate-limit-reset", "1795946460")]), None);
        assert_eq!(pause(StatusCode::SERVICE_UNAVAILABLE, &[("retry-after", "5")]), Some(5));
    }

    #[test]
    fn the_token_is_in_no_message() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").expect("written");
        let token = Token::of_file(&file).expect("a token");
        assert_eq!(token.header().to_str().expect("text"), "Bearer 0123456789abcdef");
        assert!(token.header().is_sensitive());
        let headers = HeaderMap::new();
        for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST] {
            for body in [r#"{"error": "The access token 0123456789abcdef is invalid"}"#, r#"{"title": "no"}"#] {
                let answer = RefusedAnswer { host: "a.example", status, headers: &headers, body: body.as_bytes() };
                let error = answer.into_error(Some(&token), "posts");
                assert_eq!(refused_with(&error), Some(status));
                let text = format!("{error:?} {token:?}");
                assert!(!text.contains("0123456789abcdef"), "{text}");
                assert_eq!(text.contains(": no"), body.contains("no\""), "{text}");
            }
        }
        std::fs::write(&file, "two words of a file").expect("written");
        let error = Token::of_file(&file).expect_err("no token").to_string();
        assert!(error.ends_with("holds no token: a token is one line without spaces"), "{error}");
    }
}
