//! What all routes of the HTTP server share: the router, its layers and fallbacks, and headers.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use url::form_urlencoded;

use crate::telemetry;

use super::access::{AccessControl, HeldBody, Peer, Via};
use super::compression::compress;
use super::errors::{ApiError, Code, shorten};
use super::params::Params;
use super::response_budget::{self, ResponseBudgets};
use super::{Transport, TransportContext, health};

/// The server's router: the routes of all transports, and JSON errors for all other paths.
pub fn router(transports: &[Arc<dyn Transport>], context: &TransportContext) -> Router {
    let header =
        |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let routes = transports
        .iter()
        .fold(Router::new(), |router, transport| router.merge(transport.routes(context.clone())))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    compress(routes)
        .layer(middleware::from_fn_with_state(ResponseBudgets::new(&context.limits), response_budget::hold))
        .layer(middleware::from_fn_with_state(Arc::clone(&context.access), admit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&context.access), share))
        .layer(middleware::from_fn(measure))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
}

/// Finds the client of a request, and refuses a request that no route takes.
///
/// A connection of a proxy carries requests of many clients, so there each request counts as a
/// connection of its client's until its answer has ended, or the `WebSocket` that it became.
async fn admit(State(access): State<Arc<AccessControl>>, mut request: Request, next: Next) -> Response {
    let is_probe = health::PATHS.contains(&request.uri().path());
    let checked = access.check_head(request.headers(), request.uri(), is_probe);
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return match checked {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        };
    };
    let client = access.client(peer, request.headers());
    request.extensions_mut().insert(client);
    let slot = if client.via == Via::Header { access.connections().take(client.address).map(Arc::new) } else { None };
    let slot = match slot {
        None if client.via == Via::Header => return connection_refused(&access).into_response(),
        slot => slot,
    };
    if let Some(slot) = &slot {
        request.extensions_mut().insert(Arc::clone(slot));
    }
    let response = match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let Some(slot) = slot else { return response };
    response.map(|body| Body::new(HeldBody::new(body, slot)))
}

/// The refusal of a client whose address has reached its limit of connections.
fn connection_refused(access: &AccessControl) -> ApiError {
    telemetry::turned_away("connections_per_address");
    let max = access.connections().max();
    let message =
        format!("this address has all {max} connections that one may have (limits.max_connections_per_address)");
    ApiError::new(Code::Limit, message)
}

/// Lets pages of allowed origins read the answer. The outermost layer, so that pages can read
/// errors too.
async fn share(State(access): State<Arc<AccessControl>>, request: Request, next: Next) -> Response {
    let cross_origin = access.cross_origin(request.method(), request.headers());
    let is_options = request.method() == Method::OPTIONS;
    let mut response = cross_origin.apply(next.run(request).await);
    // The answer has `Allow` already. Some load balancers check health with `OPTIONS`.
    if is_options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// Checks the head of a request: at most `max_headers` header fields (hyper checks HTTP/1.1
/// before), and exactly one `Host` in HTTP/1.1 (RFC 9112, 3.2).
///
/// # Errors
///
/// The answer that refuses the request.
#[expect(clippy::result_large_err, reason = "it is an answer that most requests don't get")]
pub fn check_head(version: Version, headers: &HeaderMap, max_headers: usize) -> Result<(), Response> {
    if headers.len() > max_headers {
        telemetry::turned_away("headers");
        let message = format!("a request has at most {max_headers} header fields");
        let mut response = ApiError::new(Code::TooLarge, message).into_response();
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(response);
    }
    match headers.get_all(header::HOST).iter().count() {
        1 => Ok(()),
        0 if version != Version::HTTP_11 => Ok(()),
        0 => Err(ApiError::new(Code::BadPayload, "a request of HTTP/1.1 has a `Host`").into_response()),
        _ => Err(ApiError::new(Code::BadPayload, "`Host` is given twice").into_response()),
    }
}

/// Counts and times every answer. Of a stream it measures the time to its start.
async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    telemetry::request_answered(route, response.status().as_u16(), started.elapsed());
    response
}

pub(super) async fn not_found(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(Code::NotFound, format!("there is nothing at {}", shorten(uri.path())))
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(Code::MethodNotAllowed, format!("{} does not take {method}", shorten(uri.path())))
}

/// The answer after a panic, which ends one request. The panic hook logs it.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::new(Code::Internal, "perch made a mistake; this request failed").into_response()
}

/// Parses the parameters of a URL.
pub(super) fn parameters(path: &'static str, query: Option<&str>) -> Result<Params, ApiError> {
    Params::of_url(path, pairs(query.unwrap_or_default().as_bytes())?)
}

/// The names and values of a form, or of the query of a URL.
pub(super) fn pairs(form: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    // The parser would silently replace other bytes.
    if percent_decode(form).decode_utf8().is_err() {
        return Err(ApiError::new(Code::BadPayload, "the parameters are not UTF-8"));
    }
    Ok(form_urlencoded::parse(form).into_owned().collect())
}

/// Adds to the refusal of a WebSocket handshake the version that perch speaks (RFC 6455, 4.4), and
/// to a 426 the protocol to upgrade to (RFC 9110, 15.5.22).
pub(super) fn with_handshake_headers(mut refusal: Response) -> Response {
    const VERSION: HeaderValue = HeaderValue::from_static("13");
    let is_upgrade_required = refusal.status() == StatusCode::UPGRADE_REQUIRED;
    let headers = refusal.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
    if is_upgrade_required {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    refusal
}

/// An answer of JSON text.
pub(super) fn json(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
