//! The router of the HTTP server: the routes of all transports, and the layers around them.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::telemetry;

use super::access::{AccessControl, HeldBody, Peer, Via};
use super::compression::compress;
use super::errors::{ApiError, Code, shorten};
use super::feeds::bluesky::unknown_method;
use super::response_budget::{self, ResponseBudgets};
use super::{Transport, TransportContext, http};

/// The server's router: the routes of all transports, and JSON errors for all other paths.
pub fn router<'a>(transports: impl Iterator<Item = &'a dyn Transport>, context: &TransportContext) -> Router {
    let header =
        |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let routes = transports
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
    let is_probe = http::OPERATION_PATHS.contains(&request.uri().path());
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

/// Counts and times every answer. Of a stream it measures the time to its start.
async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    telemetry::request_answered(route, response.status().as_u16(), started.elapsed());
    response
}

/// The answer to an unknown path, in the form that its part of the API has.
async fn not_found(uri: OriginalUri) -> Response {
    let is_xrpc = uri.path().starts_with("/xrpc/");
    let error = http::not_found(uri).await;
    if is_xrpc { unknown_method(error) } else { error.into_response() }
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(Code::MethodNotAllowed, format!("{} does not take {method}", shorten(uri.path())))
}

/// The answer after a panic, which ends one request. The panic hook logs it.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::new(Code::Internal, "perch made a mistake; this request failed").into_response()
}
