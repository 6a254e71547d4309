//! Bounds the answers that wait in memory for their clients.
//!
//! ```text
//! search: reserve ──> run ──> answer of known size ──> Reservation ──> bytes ──> socket
//!                                                          └── given back with the last byte
//! ```
//!
//! perch builds an answer at once, and the client takes it at its own pace. A client that requests
//! long pages and reads none could fill the memory by many streams and connections. So perch counts
//! the bytes of waiting answers, for each connection, for each address, and in total. The bounds
//! are permits of semaphores, in KiB.
//!
//! A search waits for its share before it runs ([`ResponseSlot::reserve`]), so many pages over one
//! connection come one after the other, and none is refused. A poll of Sente takes its share before
//! its tweets count as sent ([`ResponseSlot::reserve_now`]). perch refuses an answer of another
//! route, and the part of a page beyond its reservation, when there is no room.
//!
//! Answers without a known size are streams. They hold a few frames each, bounded below HTTP.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

use crate::config::LimitsSection;
use crate::hub::client_network;
use crate::telemetry;

use super::access::ClientAddress;
use super::address_shares::{AddressShares, AddressUse};
use super::errors::{ApiError, Code};
use super::http;

/// An answer up to this size needs no reservation. HTTP/2 holds about as much for a stream, and a
/// client must learn why it was refused.
const FREE_BYTES: u64 = 2 * 1024;

/// What a search reserves for each tweet of its page. Most tweets take a third of it.
const TWEET_KIB: usize = 4;

/// `/metrics` and the probes have a budget of their own, this part of the clients' budget, so that
/// an operator sees what perch holds when the clients' budget is full.
const OPERATION_PART: usize = 16;

/// The budgets of answers to clients, and of those about perch itself.
#[derive(Clone, Debug)]
pub(super) struct ResponseBudgets {
    clients: ResponseBudget,
    operation: ResponseBudget,
}

impl ResponseBudgets {
    pub(super) fn new(limits: &LimitsSection) -> ResponseBudgets {
        let part = |mb: usize| (mb / OPERATION_PART).max(1);
        let operation = LimitsSection {
            response_buffer_mb: part(limits.response_buffer_mb),
            response_buffer_per_address_mb: part(limits.response_buffer_per_address_mb),
            ..limits.clone()
        };
        ResponseBudgets { clients: ResponseBudget::new(limits), operation: ResponseBudget::new(&operation) }
    }

    fn of(&self, path: &str) -> &ResponseBudget {
        if http::OPERATION_PATHS.contains(&path) { &self.operation } else { &self.clients }
    }
}

/// The budget of answers. Clones share it.
#[derive(Clone, Debug)]
struct ResponseBudget(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    all: Arc<Semaphore>,
    all_kib: usize,
    per_address_kib: usize,
    per_connection_kib: usize,
    /// How long a search waits for its share.
    patience: Duration,
    /// The shares of the addresses that hold answers or wait for room.
    addresses: AddressShares,
}

/// The share of one connection. The server puts it into each of the connection's requests.
#[derive(Clone, Debug, Default)]
pub struct ConnectionShare(Arc<OnceLock<Arc<Semaphore>>>);

impl ResponseBudget {
    fn new(limits: &LimitsSection) -> ResponseBudget {
        let kib = |mb: usize| mb.saturating_mul(1024).min(Semaphore::MAX_PERMITS);
        let all_kib = kib(limits.response_buffer_mb);
        let per_address_kib = kib(limits.response_buffer_per_address_mb).min(all_kib);
        ResponseBudget(Arc::new(Budget {
            all: Arc::new(Semaphore::new(all_kib)),
            all_kib,
            per_address_kib,
            per_connection_kib: kib(limits.response_buffer_per_connection_mb).min(per_address_kib),
            patience: limits.search_timeout,
            addresses: AddressShares::new(per_address_kib),
        }))
    }

    fn slot(&self, request: &Request) -> ResponseSlot {
        let Budget { per_connection_kib, .. } = &*self.0;
        let address = request.extensions().get::<ClientAddress>();
        let connection = request.extensions().get::<ConnectionShare>().cloned().unwrap_or_default();
        let permits = connection.0.get_or_init(|| Arc::new(Semaphore::new(*per_connection_kib)));
        ResponseSlot(Arc::new(Slot {
            budget: self.clone(),
            connection: Arc::clone(permits),
            // Without an address there is no connection either, as in tests.
            address: address.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| client_network(client.address)),
            reservation: Mutex::default(),
        }))
    }
}

/// The budget as one request sees it: an extractor for handlers whose answers may be long.
#[derive(Clone, Debug)]
pub(super) struct ResponseSlot(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    budget: ResponseBudget,
    connection: Arc<Semaphore>,
    address: IpAddr,
    /// What the handler has reserved for its answer.
    reservation: Mutex<Option<Reservation>>,
}

impl<S: Sync> FromRequestParts<S> for ResponseSlot {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<ResponseSlot, Infallible> {
        Ok(parts.extensions.get::<ResponseSlot>().cloned().expect("every route is below the budget"))
    }
}

impl ResponseSlot {
    /// Waits until there is room for a page of this many tweets, and keeps it for the answer.
    pub(super) async fn reserve(&self, tweets: usize) -> Result<(), ApiError> {
        let Slot { budget, connection, address, reservation } = &*self.0;
        let kib = tweets.saturating_mul(TWEET_KIB).min(budget.0.per_connection_kib);
        let address = budget.0.addresses.enter(*address);
        let acquire = async {
            // From the narrowest to the widest share, so that a wait for a client's own connection
            // holds no permits of others.
            let mut permits = Vec::with_capacity(3);
            for (share, limit_kib) in shares(budget, connection, &address) {
                permits.push(Arc::clone(share).acquire_many_owned(permits_of(kib.min(limit_kib))).await.ok()?);
            }
            permits.try_into().ok()
        };
        match timeout(budget.0.patience, acquire).await {
            Ok(Some(permits)) => {
                let reserved = Reservation { _address: address, permits, _size: Size(0) };
                *reservation.lock().unwrap_or_else(PoisonError::into_inner) = Some(reserved);
                Ok(())
            }
            _ => Err(no_room()),
        }
    }

    /// Reserves room for an answer of this size, for a handler that must know before it answers.
    /// Returns false when there is no room now.
    pub(super) fn reserve_now(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes <= FREE_BYTES {
            return true;
        }
        match self.fit(None, bytes) {
            Ok(reserved) => {
                *self.0.reservation.lock().unwrap_or_else(PoisonError::into_inner) = Some(reserved);
                true
            }
            // An answer longer than the whole budget would wait for ever: it is refused instead.
            Err(error) => error.code != Code::Unavailable,
        }
    }

    /// Counts an answer of known size until its bytes are taken, or refuses it.
    fn hold(&self, response: Response) -> Response {
        let reserved = self.0.reservation.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(bytes) = response.body().size_hint().exact().filter(|&bytes| bytes > FREE_BYTES) else {
            return response;
        };
        match self.fit(reserved, bytes) {
            Ok(reservation) => {
                let reservation = Arc::new(reservation);
                response.map(|body| Body::new(ReservedBody { body, reservation }))
            }
            Err(error) => {
                // The answer is dropped before the refusal is built.
                drop(response);
                error.into_response()
            }
        }
    }

    /// Makes a reservation fit the answer. The only answer of a connection or an address may have
    /// any size; the total never exceeds its bound.
    fn fit(&self, reserved: Option<Reservation>, bytes: u64) -> Result<Reservation, ApiError> {
        let Slot { budget, connection, address, .. } = &*self.0;
        let kib = usize::try_from(bytes.div_ceil(1024)).unwrap_or(usize::MAX);
        if kib > budget.0.all_kib {
            telemetry::turned_away("response_buffer");
            let message = "the answer is longer than limits.response_buffer_mb: ask for fewer tweets";
            return Err(ApiError::new(Code::Limit, message));
        }
        let address = budget.0.addresses.enter(*address);
        let mut held = reserved.map(|reservation| reservation.permits.into_iter());
        let mut permits = Vec::with_capacity(3);
        for (share, limit_kib) in shares(budget, connection, &address) {
            let wanted = kib.min(limit_kib);
            let mut permit = match held.as_mut().and_then(Iterator::next) {
                Some(permit) => permit,
                None => take(share, 0)?,
            };
            match permit.num_permits().checked_sub(wanted) {
                Some(surplus) => drop(permit.split(surplus)),
                None => permit.merge(take(share, wanted - permit.num_permits())?),
            }
            permits.push(permit);
        }
        let permits = permits.try_into().expect("one permit for each share");
        Ok(Reservation { _address: address, permits, _size: Size::new(bytes) })
    }
}

/// The shares of a connection, its address, and all, with their sizes.
fn shares<'a>(
    budget: &'a ResponseBudget,
    connection: &'a Arc<Semaphore>,
    address: &'a AddressUse,
) -> [(&'a Arc<Semaphore>, usize); 3] {
    let Budget { all, all_kib, per_address_kib, per_connection_kib, .. } = &*budget.0;
    [(connection, *per_connection_kib), (address.permits(), *per_address_kib), (all, *all_kib)]
}

fn permits_of(kib: usize) -> u32 {
    u32::try_from(kib).unwrap_or(u32::MAX)
}

fn take(share: &Arc<Semaphore>, kib: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(share).try_acquire_many_owned(permits_of(kib)).map_err(|_: TryAcquireError| no_room())
}

fn no_room() -> ApiError {
    telemetry::turned_away("response_buffer");
    ApiError::new(Code::Unavailable, "too many answers wait to be read: read them, or ask for fewer tweets")
}

/// Room for one answer.
#[derive(Debug)]
struct Reservation {
    permits: [OwnedSemaphorePermit; 3],
    /// The size of the answer, for the metrics.
    _size: Size,
    /// Dropped last, because the permits belong to this share.
    _address: AddressUse,
}

/// Counts the bytes of an answer in the metrics.
#[derive(Debug)]
struct Size(u64);

impl Size {
    fn new(bytes: u64) -> Size {
        telemetry::response_held(bytes);
        Size(bytes)
    }
}

impl Drop for Size {
    fn drop(&mut self) {
        if self.0 > 0 {
            telemetry::response_released(self.0);
        }
    }
}

/// The body of an answer whose bytes hold its reservation, wherever they are.
struct ReservedBody {
    body: Body,
    reservation: Arc<Reservation>,
}

struct ReservedBytes {
    bytes: Bytes,
    _reservation: Arc<Reservation>,
}

impl AsRef<[u8]> for ReservedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for ReservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let hold = |bytes| Bytes::from_owner(ReservedBytes { bytes, _reservation: Arc::clone(&self.reservation) });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(hold))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The layer that counts answers.
pub(super) async fn hold(State(budgets): State<ResponseBudgets>, mut request: Request, next: Next) -> Response {
    let slot = budgets.of(request.uri().path()).slot(&request);
    request.extensions_mut().insert(slot.clone());
    let response = next.run(request).await;
    slot.hold(response)
}

#[cfg(test)]
mod tests;
