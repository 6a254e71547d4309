//! Requests whose bodies are in memory, over connections that are kept.

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::{AccessArgs, Failure};
use crate::outbound;

/// Proxies and servers commonly take URLs of this length.
const MAX_URL_BYTES: usize = 8_000;

/// Sends requests. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Http(Client);

/// A server's answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Http {
    /// A client for these addresses, which sends the token to all of them.
    pub(crate) fn new<'a>(access: &AccessArgs, urls: impl IntoIterator<Item = &'a Url>) -> Result<Http, Failure> {
        let headers = access.authorization()?.into_iter().map(|value| (AUTHORIZATION, value)).collect();
        let client = outbound::http(access.tls(urls)?).default_headers(headers);
        Ok(Http(client.build()?))
    }

    /// # Errors
    ///
    /// No answer came.
    pub(crate) async fn get(&self, url: &Url) -> Result<HttpAnswer, reqwest::Error> {
        self.request(Method::GET, url, None).await
    }

    /// Asks with the parameters of a URL, in the body of a POST where the URL would be too long.
    ///
    /// # Errors
    ///
    /// No answer came.
    pub(crate) async fn ask(&self, url: &Url) -> Result<HttpAnswer, reqwest::Error> {
        if url.as_str().len() <= MAX_URL_BYTES {
            return self.get(url).await;
        }
        let form = url.query().unwrap_or_default().to_owned();
        let mut bare = url.clone();
        bare.set_query(None);
        self.post(&bare, "application/x-www-form-urlencoded", None, form.into()).await
    }

    /// Posts JSON, and gives the answer before its body has come.
    ///
    /// # Errors
    ///
    /// No answer came.
    pub(crate) async fn post_json(&self, url: &Url, json: String) -> Result<reqwest::Response, reqwest::Error> {
        self.0.request(Method::POST, url.clone()).header(CONTENT_TYPE, "application/json").body(json).send().await
    }

    /// # Errors
    ///
    /// No answer came.
    pub(crate) async fn post(
        &self,
        url: &Url,
        media_type: &'static str,
        encoding: Option<&'static str>,
        body: Bytes,
    ) -> Result<HttpAnswer, reqwest::Error> {
        let mut request = self.0.request(Method::POST, url.clone()).header(CONTENT_TYPE, media_type).body(body);
        if let Some(encoding) = encoding {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        Http::send(request).await
    }

    /// Sends a request of any method, with the media type and bytes of its body.
    ///
    /// # Errors
    ///
    /// No answer came.
    pub(crate) async fn request(
        &self,
        method: Method,
        url: &Url,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<HttpAnswer, reqwest::Error> {
        let mut request = self.0.request(method, url.clone());
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes);
        }
        Http::send(request).await
    }

    async fn send(request: RequestBuilder) -> Result<HttpAnswer, reqwest::Error> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(HttpAnswer { status, headers, body: answer.text().await? })
    }
}
