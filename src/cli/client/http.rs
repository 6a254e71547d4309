//! Requests whose bodies are in memory, over connections that are kept.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_service::Service;
use url::Url;

use super::stream::{Stream, Tls};
use crate::cli::{AccessArgs, Failure};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asks servers. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client<Connector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
}

/// What a server answered.
#[derive(Debug)]
pub(in crate::cli) struct Answer {
    pub(in crate::cli) status: StatusCode,
    pub(in crate::cli) headers: HeaderMap,
    pub(in crate::cli) body: String,
}

impl Http {
    /// A client for these addresses, that shows the token to all of them.
    pub(in crate::cli) fn new<'a>(
        access: &AccessArgs,
        urls: impl IntoIterator<Item = &'a Url>,
    ) -> Result<Http, Failure> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = Connector { tcp, tls: access.tls(urls)? };
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Http(Arc::new(Inner { client, authorization: access.authorization()? })))
    }

    /// # Errors
    ///
    /// When no answer comes.
    pub(in crate::cli) async fn get(&self, url: &Url) -> Result<Answer, BoxError> {
        self.ask(Method::GET, url, None, None, Bytes::new()).await
    }

    /// # Errors
    ///
    /// When no answer comes.
    pub(in crate::cli) async fn post(
        &self,
        url: &Url,
        kind: &'static str,
        encoding: Option<&'static str>,
        body: Bytes,
    ) -> Result<Answer, BoxError> {
        self.ask(Method::POST, url, Some(kind), encoding, body).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &Url,
        kind: Option<&'static str>,
        encoding: Option<&'static str>,
        body: Bytes,
    ) -> Result<Answer, BoxError> {
        let mut request = Request::builder().method(method).uri(url.as_str()).body(Full::new(body))?;
        if let Some(authorization) = &self.0.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(kind) = kind {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if let Some(encoding) = encoding {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let (head, body) = self.0.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

/// Makes connections for the pool.
#[derive(Clone, Debug)]
struct Connector {
    tcp: HttpConnector,
    tls: Tls,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(BoxError::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = self.tls.clone();
        let is_encrypted = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().to_owned();
        let connecting = self.tcp.call(uri);
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            if !is_encrypted {
                return Ok(TokioIo::new(Stream::plain(stream)));
            }
            let encrypting = tokio::time::timeout(CONNECT_TIMEOUT, tls.encrypt(&host, stream));
            let stream = encrypting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(TokioIo::new(stream))
        })
    }
}
