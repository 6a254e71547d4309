//! What all doors of the HTTP server share: the router that puts transports together, its fallbacks, and its headers.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::telemetry;

use super::access::{Gate, HeldBody, Peer, Via};
use super::compression::compress;
use super::errors::{Code, Fault};
use super::fields::{Fields, shorten};
use super::response_budget::{self, ResponseBudgets};
use super::{Transport, TransportContext, probes};

/// The server's routes: those of all transports, JSON errors for everything else.
pub fn router(transports: &[Box<dyn Transport>], context: &TransportContext) -> Router {
    let header =
        |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let routes = transports
        .iter()
        .fold(Router::new(), |router, transport| router.merge(transport.routes(context.clone())))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    compress(routes)
        .layer(middleware::from_fn_with_state(ResponseBudgets::new(&context.limits), response_budget::hold))
        .layer(middleware::from_fn_with_state(Arc::clone(&context.gate), admit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&context.gate), share))
        .layer(middleware::from_fn(measure))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
}

/// Finds out whose request it is, and refuses one that no door takes.
///
/// A connection of a proxy carries requests of many clients, so there each request counts as a
/// connection of its client's until its answer has ended, or the `WebSocket` that it became.
async fn admit(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let is_probe = probes::PATHS.contains(&request.uri().path());
    let checked = gate.check_head(request.headers(), request.uri(), is_probe);
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return match checked {
            Ok(()) => next.run(request).await,
            Err(fault) => fault.into_response(),
        };
    };
    let client = gate.client(peer, request.headers());
    request.extensions_mut().insert(client);
    let slot = if client.via == Via::Header { gate.connections().take(client.address).map(Arc::new) } else { None };
    let slot = match slot {
        None if client.via == Via::Header => return connection_refused(&gate).into_response(),
        slot => slot,
    };
    if let Some(slot) = &slot {
        request.extensions_mut().insert(Arc::clone(slot));
    }
    let response = match checked {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    };
    let Some(slot) = slot else { return response };
    response.map(|body| Body::new(HeldBody::new(body, slot)))
}

/// One address has as many connections as it may have.
fn connection_refused(gate: &Gate) -> Fault {
    telemetry::turned_away("connections_per_address");
    let max = gate.connections().max();
    let message =
        format!("this address has all {max} connections that one may have (limits.max_connections_per_address)");
    Fault::new(Code::Limit, message)
}

/// Lets pages of allowed origins read the answer. Outside of everything else, so that errors can
/// be read as well.
async fn share(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let cross_origin = gate.cross_origin(request.method(), request.headers());
    let is_options = request.method() == Method::OPTIONS;
    let mut response = cross_origin.apply(next.run(request).await);
    // What a path takes stands in `Allow` already. Some load balancers ask with `OPTIONS` whether a server is well.
    if is_options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// Whether a request's head is one that perch takes: with so many header fields at most (which HTTP/1.1 is held to before), and of HTTP/1.1 with one
/// `Host`, without which nobody can say which host was meant (RFC 9112, 3.2).
///
/// # Errors
///
/// The answer.
#[expect(clippy::result_large_err, reason = "it is an answer that most requests don't get")]
pub fn check_head(version: Version, headers: &HeaderMap, max_headers: usize) -> Result<(), Response> {
    if headers.len() > max_headers {
        telemetry::turned_away("headers");
        let message = format!("a request has at most {max_headers} header fields");
        let mut response = Fault::new(Code::TooLarge, message).into_response();
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(response);
    }
    match headers.get_all(header::HOST).iter().count() {
        1 => Ok(()),
        0 if version != Version::HTTP_11 => Ok(()),
        0 => Err(Fault::new(Code::BadPayload, "a request of HTTP/1.1 has a `Host`").into_response()),
        _ => Err(Fault::new(Code::BadPayload, "`Host` is given twice").into_response()),
    }
}

/// Counts and times every answer. For streams that is the time to their beginning.
async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    telemetry::request_answered(route, response.status().as_u16(), started.elapsed());
    response
}

pub(super) async fn not_found(OriginalUri(uri): OriginalUri) -> Fault {
    Fault::new(Code::NotFound, format!("there is nothing at {}", shorten(uri.path())))
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Fault {
    Fault::new(Code::MethodNotAllowed, format!("{} does not take {method}", shorten(uri.path())))
}

/// A panic is a mistake of perch: it ends one request and is logged by the panic hook.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Fault::new(Code::Internal, "perch made a mistake; this request failed").into_response()
}

/// The parameters of a URL, read one by one.
pub(super) fn parameters(path: &'static str, query: Option<&str>) -> Result<Fields, Fault> {
    let query = query.unwrap_or_default();
    if !is_utf8(query) {
        return Err(Fault::new(Code::BadPayload, "the parameters are not UTF-8"));
    }
    let uri = format!("/?{query}");
    let uri = uri.parse().map_err(|_| Fault::new(Code::BadPayload, "the parameters can't be read"))?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map_err(|_| Fault::new(Code::BadPayload, "the parameters can't be read"))?;
    Fields::of_url(path, pairs)
}

/// Whether a query string is UTF-8 once it is decoded: what is not would be replaced without a word.
fn is_utf8(query: &str) -> bool {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut rest = query.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = digit(after.first()).zip(digit(after.get(1))).filter(|_| byte == b'%');
        decoded.push(match escaped {
            Some((high, low)) => {
                rest = &after[2..];
                u8::try_from(high * 16 + low).unwrap_or(byte)
            }
            None => byte,
        });
    }
    std::str::from_utf8(&decoded).is_ok()
}

/// The refusal of a WebSocket handshake with the version that perch speaks (RFC 6455, 4.4), and for 426 the protocol
/// to upgrade to (RFC 9110, 15.5.22).
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

/// An answer that is JSON already.
pub(super) fn json(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
