//! The address by which a client calls perch, for links in answers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::{HasAccess, requested_host};
use crate::config::ServerSection;

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// How perch forms the URLs of its own.
#[derive(Clone, Debug)]
pub(super) struct PublicUrl {
    /// `server.public_url`, without the slash at its end.
    configured: Option<Arc<str>>,
    scheme: &'static str,
}

impl PublicUrl {
    /// The public URL of a server.
    pub(super) fn new(server: &ServerSection) -> PublicUrl {
        let url = server.public_url.trim_end_matches('/');
        PublicUrl {
            configured: (!url.is_empty()).then(|| url.into()),
            scheme: if server.is_encrypted() { "https" } else { "http" },
        }
    }

    /// The URL for a request that names this host.
    fn of_host(&self, host: Option<&str>) -> Arc<str> {
        if let Some(url) = &self.configured {
            return Arc::clone(url);
        }
        let host = host.and_then(|host| Url::parse(&format!("{}://{host}", self.scheme)).ok());
        let origin = host.map(|url| url.origin()).filter(url::Origin::is_tuple);
        origin.map_or_else(|| format!("{}://localhost", self.scheme), |origin| origin.ascii_serialization()).into()
    }
}

/// The URL of perch without a slash at its end: `server.public_url`, else what the request calls.
#[derive(Clone, Debug)]
pub(in crate::transport) struct BaseUrl(pub(in crate::transport) Arc<str>);

impl BaseUrl {
    /// The URL of a feed: `{name}.atom` or `{name}.json`.
    pub(in crate::transport) fn feed(&self, token: Option<&str>, file: &str) -> String {
        let BaseUrl(base) = self;
        let file = utf8_percent_encode(file, IN_PATH);
        match token {
            Some(token) => format!("{base}/feeds/{}/{file}", utf8_percent_encode(token, IN_PATH)),
            None => format!("{base}/feeds/{file}"),
        }
    }
}

impl<S: HasAccess + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<BaseUrl, Infallible> {
        Ok(BaseUrl(state.access().public_url.of_host(requested_host(&parts.headers, &parts.uri))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_url_wins_and_a_strange_host_counts_for_nothing() {
        let url = |configured: &str, host| {
            let server = ServerSection { public_url: configured.to_owned(), ..ServerSection::default() };
            PublicUrl::new(&server).of_host(host).to_string()
        };
        assert_eq!(url("https://a.example/perch/", Some("b.example")), "https://a.example/perch");
        assert_eq!(url("", Some("b.example:8888")), "http://b.example:8888");
        assert_eq!(url("", Some("[::1]:8888")), "http://[::1]:8888");
        assert_eq!(url("", Some("me@b.example/path?<x>\"")), "http://b.example");
        assert_eq!(url("", Some("<>")), "http://localhost");
        assert_eq!(url("", None), "http://localhost");
    }
}
