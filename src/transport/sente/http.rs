//! The HTTP requests of Sente's clients: access, the client-id, and the status of the answer. The
//! client's task does the rest.
//!
//! The checks come in Sente's order: client-id, token, origin. No answer repeats text of the
//! request.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::Route;
use super::super::access::{AccessControl, Anyone, Client, HasAccess, SUBPROTOCOL, Unverified, Visitor, guarded};
use super::super::http;
use super::super::response_budget::ResponseSlot;
use super::Endpoint;
use super::client::{Input, RequestAnswer};
use super::form::{self, Form};
use super::options::{Csrf, FrameFormat, Options, Packer};
use super::table::{self, Newcomer, Refused};
use crate::telemetry;
use perch_sente::frame::{Format, Version};
use perch_sente::value::Value;

/// The longest client-id. Clients make UUIDs.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// A form may be this many times as long as its frame, since percent-encoding triples it, and
/// longer by [`FORM_EXTRA_BYTES`] for other fields.
const FORM_FACTOR: usize = 3;
const FORM_EXTRA_BYTES: usize = 4 * 1024;

/// A frame of up to this many times the allowed size is read and answered. A longer one ends the
/// connection.
const READABLE_FACTOR: usize = 4;

/// The read and write buffers of a socket.
const BUFFER_BYTES: usize = 8 * 1024;

/// The cookie with the client-id, for the POSTs of clients up to 1.7, which send none.
const CLIENT_COOKIE: &str = "perch-sente";

/// Each `path` follows the endpoint's own.
pub(in crate::transport) const ROUTES: &[Route<Arc<Endpoint>>] = &[
    Route { method: "GET", path: "", handler: || guarded(MethodFilter::GET, connect) },
    Route { method: "POST", path: "", handler: || guarded(MethodFilter::POST, event) },
    Route { method: "OPTIONS", path: "", handler: || guarded(MethodFilter::OPTIONS, preflight) },
    Route { method: "GET", path: CSRF_TOKEN, handler: || guarded(MethodFilter::GET, csrf_token) },
];

/// Where a page gets a CSRF token.
const CSRF_TOKEN: &str = "/csrf-token";

pub(super) fn router(endpoint: &Arc<Endpoint>) -> Router {
    let Options { path, csrf, .. } = &endpoint.options;
    let routes = ROUTES.iter().filter(|route| *csrf == Csrf::Required || route.path != CSRF_TOKEN);
    let add = |router: Router<_>, route: &Route<_>| router.route(&format!("{path}{}", route.path), (route.handler)().0);
    routes.fold(Router::new(), add).with_state(Arc::clone(endpoint))
}

impl HasAccess for Arc<Endpoint> {
    fn access(&self) -> &Arc<AccessControl> {
        &self.context.access
    }
}

/// The answer to a refused request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal(StatusCode, &'static str);

const NO_CLIENT_ID: Refusal = Refusal(StatusCode::BAD_REQUEST, "The request has no client-id");
const BAD_CLIENT_ID: Refusal = Refusal(StatusCode::BAD_REQUEST, "The client-id is longer than 256 bytes");
const BAD_PARAMETERS: Refusal = Refusal(StatusCode::BAD_REQUEST, "The parameters can't be read");
const BAD_FRAME: Refusal = Refusal(StatusCode::BAD_REQUEST, "The ppstr is missing or longer than allowed");
const BINARY: Refusal = Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Binary packers are not supported");
const ONLY_SOCKETS: Refusal = Refusal(StatusCode::UPGRADE_REQUIRED, "Only WebSockets are served here");
const BAD_CSRF_TOKEN: Refusal = Refusal(StatusCode::FORBIDDEN, "Bad CSRF token");
const BAD_ORIGIN: Refusal = Refusal(StatusCode::FORBIDDEN, "Unauthorized origin");
const BAD_TOKEN: Refusal = Refusal(StatusCode::UNAUTHORIZED, "The token is not good");
const TOO_LARGE: Refusal = Refusal(StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than allowed");
const TOO_SLOW: Refusal = Refusal(StatusCode::REQUEST_TIMEOUT, "The body came too slowly");
const TOO_MANY: Refusal = Refusal(StatusCode::TOO_MANY_REQUESTS, "Too many requests of this client");
const NO_TOKEN: Refusal = Refusal(StatusCode::UNAUTHORIZED, "A token is needed: Authorization: Bearer");
const TOO_MANY_OF_ADDRESS: Refusal = Refusal(StatusCode::TOO_MANY_REQUESTS, "Too many sessions of this address");
const UNAVAILABLE: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "Unavailable: come back");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, message) = self;
        tracing::debug!(status = status.as_u16(), message, "request refused");
        (status, text(message)).into_response()
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        match refused {
            Refused::Unknown | Refused::Full => UNAVAILABLE,
            Refused::AddressFull => TOO_MANY_OF_ADDRESS,
            Refused::NoToken => NO_TOKEN,
        }
    }
}

fn too_slow() -> Refusal {
    telemetry::turned_away("body_timeout");
    TOO_SLOW
}

/// An answer of text that must not be cached.
fn text(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

/// The client-id of a URL or form. Polls of clients up to 1.2 use another name for it.
fn client_id(form: &Form) -> Result<Option<&str>, Refusal> {
    match form.get("client-id").or_else(|| form.get("ajax-client-uuid")) {
        Some(id) if id.len() > MAX_CLIENT_ID_BYTES => Err(BAD_CLIENT_ID),
        Some(id) if id.trim().is_empty() => Ok(None),
        id => Ok(id),
    }
}

impl Endpoint {
    /// The client-id of a POST without one. `BirdWatch`'s clients write their uid into the payload;
    /// others have a cookie of their poll.
    fn old_client_id(&self, headers: &HeaderMap, ppstr: Option<&str>) -> Option<String> {
        let inbound = ppstr.and_then(|ppstr| Format::read(ppstr, self.options.packer.packing()).ok());
        if let Some(inbound) = &inbound
            && let Some(Value::Str(uid)) = inbound.event.data.get("uid")
        {
            return Some(uid.to_string()).filter(|uid| uid.len() <= MAX_CLIENT_ID_BYTES);
        }
        form::cookie(header_text(headers, "cookie")?, CLIENT_COOKIE)
    }

    /// Checks the access token, the CSRF token and the origin of a request.
    fn check(&self, form: &Form, headers: &HeaderMap, client: Unverified) -> Result<Visitor, Refusal> {
        client.verify(&self.context.access, BAD_TOKEN, |client| self.check_page(form, headers, client))
    }

    /// Checks the CSRF token and the origin of a request.
    fn check_page(&self, form: &Form, headers: &HeaderMap, client: &Client) -> Result<(), Refusal> {
        if self.options.csrf == Csrf::Required {
            let cookies = header_text(headers, "cookie").unwrap_or_default();
            let expected = form::cookie(cookies, &self.options.csrf_cookie);
            // A client without a token sends the text "null".
            let given =
                [form.get("csrf-token"), header_text(headers, "x-csrf-token"), header_text(headers, "x-xsrf-token")];
            let given = given.into_iter().flatten().find(|token| *token != "null");
            if !expected
                .zip(given)
                .is_some_and(|(expected, given)| bool::from(expected.as_bytes().ct_eq(given.as_bytes())))
            {
                return Err(BAD_CSRF_TOKEN);
            }
        }
        // An endpoint without a list of its own takes the server's, which allows clients that are
        // no web pages.
        let is_allowed = if self.options.allowed_origins.is_empty() {
            self.context.access.check_origin(client).is_ok()
        } else {
            self.allowed_origin(headers).is_some()
        };
        if is_allowed { Ok(()) } else { Err(BAD_ORIGIN) }
    }

    /// The origin of the page that sends this, if it is in the list.
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<&str> {
        // A request that names two origins can be right about one at most.
        if headers.get_all(header::ORIGIN).iter().count() > 1 {
            return None;
        }
        let origin = header_text(headers, "origin");
        let referer = header_text(headers, "referer");
        let is_it = |allowed: &str| match (origin, referer) {
            (Some(origin), _) => origin == allowed,
            (None, Some(referer)) => {
                referer.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            (None, None) => false,
        };
        self.options.allowed_origins.iter().find(|allowed| is_it(allowed)).map(String::as_str)
    }

    /// Lets the page of an allowed origin read the answer.
    fn share(&self, headers: &HeaderMap, mut response: Response) -> Response {
        if header_text(headers, "origin").is_some()
            && let Some(origin) = self.allowed_origin(headers).and_then(|origin| HeaderValue::from_str(origin).ok())
        {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        response
    }

    /// The format for a client that has sent no frame yet. An app may name it in parameters; how a
    /// client polls shows its version.
    fn first_format(&self, form: &Form) -> Format {
        if self.options.format == FrameFormat::Raw {
            return self.options.packer.format(Version::Raw);
        }
        let packer = form.get("packer").and_then(Packer::named).unwrap_or(self.options.packer);
        let asked = match form.get("fmt") {
            Some("1") => Some(Version::V1),
            Some("2") => Some(Version::V2),
            _ => None,
        };
        let shown = match form.get("handshake?") {
            Some("1") => Some(Version::V2),
            Some(_) => Some(Version::V1),
            None => form.get("_").map(|_| Version::V1),
        };
        let configured = || match self.options.format {
            FrameFormat::V2 => Version::V2,
            FrameFormat::Raw => Version::Raw,
            // Only clients from 1.14 on send a CSRF token, and with EDN all of them read v2.
            FrameFormat::Auto if packer == Packer::Edn && form.get("csrf-token").is_some() => Version::V2,
            FrameFormat::V1 | FrameFormat::Auto => Version::V1,
        };
        packer.format(asked.or(shown).unwrap_or_else(configured))
    }
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    header_text(headers, "upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// A GET: an upgrade or a poll.
async fn connect(
    client: Unverified,
    State(endpoint): State<Arc<Endpoint>>,
    RawQuery(query): RawQuery,
    slot: ResponseSlot,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let answer = async {
        let form = Form::parse(query.as_deref().unwrap_or_default().as_bytes()).ok_or(BAD_PARAMETERS)?;
        // Clients of 1.0 to 1.2, and clients without Sente's library, open sockets without an id.
        // Such a session ends with its connection.
        let is_raw = endpoint.options.format == FrameFormat::Raw;
        let needs_no_id = is_raw || (is_upgrade(&headers) && endpoint.options.format != FrameFormat::V2);
        let fresh = uuid::Uuid::new_v4().to_string();
        let given = client_id(&form)?;
        let id = given.or(needs_no_id.then_some(&*fresh)).ok_or(NO_CLIENT_ID)?;
        let visitor = endpoint.check(&form, &headers, client)?;
        if is_raw && !is_upgrade(&headers) {
            return Err(ONLY_SOCKETS);
        }
        if is_upgrade(&headers) {
            return match upgrade {
                Ok(upgrade) => open(&endpoint, upgrade, (id, given.is_some()), &form, visitor),
                Err(rejection) => Ok(http::with_handshake_headers(rejection.into_response())),
            };
        }
        poll(&endpoint, id, &form, visitor, slot).await
    };
    let response = answer.await.unwrap_or_else(IntoResponse::into_response);
    endpoint.share(&headers, response)
}

fn open(
    endpoint: &Arc<Endpoint>,
    upgrade: WebSocketUpgrade,
    (id, can_return): (&str, bool),
    form: &Form,
    Visitor { client, access_token, .. }: Visitor,
) -> Result<Response, Refusal> {
    let format = endpoint.first_format(form);
    let new = Newcomer::new(endpoint, &client, access_token.as_ref(), true, can_return);
    let inbox = table::open(endpoint, id, Some(new))?;
    let max_bytes = endpoint.context.limits.max_frame_bytes.saturating_mul(READABLE_FACTOR);
    let tasks = endpoint.context.tasks.clone();
    let (is_trusted, progress) = (endpoint.context.may_publish(&client), client.progress());
    let address_slot = client.connection();
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(max_bytes)
        .max_frame_size(max_bytes)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            // When the task has ended meanwhile, the socket is dropped and the client comes back.
            let socket = Box::new(socket);
            let _ =
                inbox.send(Input::Socket { socket, address_slot, progress, format, is_trusted, access_token }).await;
        })
    }))
}

async fn poll(
    endpoint: &Arc<Endpoint>,
    id: &str,
    form: &Form,
    Visitor { client, access_token, .. }: Visitor,
    slot: ResponseSlot,
) -> Result<Response, Refusal> {
    let wants_handshake = form.get("handshake?").is_some();
    let is_oldest = form.get("_").is_some();
    let format = endpoint.first_format(form);
    // After a restart a client polls on without a handshake. perch refuses it, and the client comes
    // back with a handshake, which shows its format. The oldest clients never ask for one.
    let is_new = wants_handshake || is_oldest || endpoint.options.format != FrameFormat::Auto;
    let (reply, answer) = oneshot::channel();
    let new = is_new.then(|| Newcomer::new(endpoint, &client, access_token.as_ref(), false, true));
    table::deliver(endpoint, id, Input::Poll { wants_handshake, format, access_token, slot, reply }, new).await?;
    match answer.await {
        Ok(RequestAnswer::Frame(frame)) => {
            let mut response = text(frame);
            if is_oldest {
                let cookie = format!(
                    "{CLIENT_COOKIE}={}; Path={}; HttpOnly; SameSite=Strict",
                    form::encode(id),
                    endpoint.options.path
                );
                response
                    .headers_mut()
                    .insert(header::SET_COOKIE, HeaderValue::from_str(&cookie).map_err(|_| BAD_CLIENT_ID)?);
            }
            Ok(response)
        }
        Ok(RequestAnswer::TooMany) => Err(TOO_MANY),
        Ok(RequestAnswer::Forbidden(message)) => Ok((StatusCode::FORBIDDEN, text(message)).into_response()),
        Err(_) => Err(UNAVAILABLE),
    }
}

/// A POST: one event.
async fn event(
    client: Unverified,
    State(endpoint): State<Arc<Endpoint>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        if endpoint.options.format == FrameFormat::Raw {
            return Err(ONLY_SOCKETS);
        }
        let url = Form::parse(query.as_deref().unwrap_or_default().as_bytes()).ok_or(BAD_PARAMETERS)?;
        if url.get("binary?").is_some() {
            return Err(BINARY);
        }
        let max_frame_bytes = endpoint.context.limits.max_frame_bytes;
        let max_bytes = max_frame_bytes.saturating_mul(FORM_FACTOR).saturating_add(FORM_EXTRA_BYTES);
        let body = timeout(endpoint.context.body_timeout, axum::body::to_bytes(body, max_bytes)).await;
        let body = body.map_err(|_| too_slow())?.map_err(|_| TOO_LARGE)?;
        let form = Form::parse(&body).ok_or(BAD_PARAMETERS)?;
        let ppstr = form.get("ppstr").filter(|ppstr| ppstr.len() <= max_frame_bytes);
        let id = match client_id(&form)? {
            Some(id) => id.to_owned(),
            None => endpoint.old_client_id(&headers, ppstr).ok_or(NO_CLIENT_ID)?,
        };
        let Visitor { client, access_token, .. } = endpoint.check(&form, &headers, client)?;
        let ppstr = ppstr.ok_or(BAD_FRAME)?.to_owned();
        let (reply, answer) = oneshot::channel();
        let is_trusted = endpoint.context.may_publish(&client);
        table::deliver(&endpoint, &id, Input::Post { ppstr, is_trusted, access_token, reply }, None).await?;
        match answer.await {
            Ok(RequestAnswer::Frame(frame)) => Ok(text(frame)),
            Ok(RequestAnswer::TooMany) => Err(TOO_MANY),
            Ok(RequestAnswer::Forbidden(message)) => Ok((StatusCode::FORBIDDEN, text(message)).into_response()),
            Err(_) => Err(UNAVAILABLE),
        }
    };
    let response = answer.await.unwrap_or_else(IntoResponse::into_response);
    endpoint.share(&headers, response)
}

/// Answers the preflight of a request from another origin.
async fn preflight(_: Anyone, State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    const ALLOWED: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "X-CSRF-Token, X-Requested-With, Content-Type, Authorization"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    let mut response = StatusCode::NO_CONTENT.into_response();
    if endpoint.allowed_origin(&headers).is_some() {
        for (name, value) in ALLOWED {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    endpoint.share(&headers, response)
}

/// Answers with a CSRF token, and sets the cookie that it is compared with. Pages of other origins
/// can't read the answer.
async fn csrf_token(_: Anyone, State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    let name = &endpoint.options.csrf_cookie;
    let token = form::cookie(header_text(&headers, "cookie").unwrap_or_default(), name)
        .unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let cookie = format!("{name}={}; Path=/; HttpOnly; SameSite=Strict", form::encode(&token));
    let mut response = text(token);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
