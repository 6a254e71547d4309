//! Bodies of requests that search.
//!
//! perch holds such a body whole until its query is parsed. So all of them together are bounded,
//! and so are those of one address: [`BODIES`] and [`BODIES_PER_ADDRESS`] times the longest one.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::hub::client_network;
use crate::telemetry;
use crate::transport::address_shares::{AddressShares, AddressUse};
use crate::transport::errors::{ApiError, Code};

/// The longest bodies that perch holds at one time.
const BODIES: usize = 16;

/// The same of one address: four addresses are needed to take all.
const BODIES_PER_ADDRESS: usize = 4;

/// A body up to this size needs no room: a frame of a WebSocket takes as much.
const FREE_BYTES: usize = 64 * 1024;

/// How perch reads bodies with queries.
#[derive(Debug)]
pub(super) struct QueryBodies {
    max_bytes: usize,
    /// How long a body may take, and how long it waits for room.
    patience: Duration,
    all: Arc<Semaphore>,
    addresses: AddressShares,
}

/// A body, and its room.
#[derive(Debug)]
pub(in crate::transport) struct QueryBody {
    pub(in crate::transport) bytes: Bytes,
    pub(in crate::transport) room: Option<BodyRoom>,
}

/// Room for one body.
#[derive(Debug)]
pub(in crate::transport) struct BodyRoom {
    _permits: [OwnedSemaphorePermit; 2],
    /// Dropped last, because the permits belong to this share.
    _address: AddressUse,
}

impl QueryBodies {
    pub(super) fn new(max_bytes: usize, patience: Duration) -> QueryBodies {
        let max_kib = kib(max_bytes);
        QueryBodies {
            max_bytes,
            patience,
            all: Arc::new(Semaphore::new(max_kib * BODIES)),
            addresses: AddressShares::new(max_kib * BODIES_PER_ADDRESS),
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    ///
    /// [`Code::TooLarge`], [`Code::TooSlow`], [`Code::Unavailable`] when there is no room in time,
    /// and [`Code::BadPayload`] for a body that is cut.
    pub(super) async fn read(&self, address: Option<IpAddr>, body: Body) -> Result<QueryBody, ApiError> {
        let size = body.size_hint();
        if size.lower() > self.max_bytes as u64 {
            return Err(self.too_large());
        }
        // A body that does not say how long it is may become as long as any.
        let bytes = size.upper().and_then(|upper| usize::try_from(upper).ok()).unwrap_or(self.max_bytes);
        let room = self.room(address, bytes.min(self.max_bytes)).await?;
        match timeout(self.patience, Limited::new(body, self.max_bytes).collect()).await {
            Err(_) => {
                telemetry::turned_away("body_timeout");
                Err(ApiError::new(Code::TooSlow, "the body came too slowly"))
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Ok(Err(_)) => Err(ApiError::new(Code::BadPayload, "the body ended too early")),
            Ok(Ok(body)) => Ok(QueryBody { bytes: body.to_bytes(), room }),
        }
    }

    async fn room(&self, address: Option<IpAddr>, bytes: usize) -> Result<Option<BodyRoom>, ApiError> {
        if bytes <= FREE_BYTES {
            return Ok(None);
        }
        let n = u32::try_from(kib(bytes)).unwrap_or(u32::MAX);
        // Without an address there is no connection either, as in tests.
        let address = self.addresses.enter(address.map_or(Ipv4Addr::UNSPECIFIED.into(), client_network));
        let acquire = async {
            // The narrower share first, so that an address that waits for its own holds nothing of
            // others.
            let of_address = Arc::clone(address.permits()).acquire_many_owned(n).await.ok()?;
            Some([of_address, Arc::clone(&self.all).acquire_many_owned(n).await.ok()?])
        };
        let Ok(Some(permits)) = timeout(self.patience, acquire).await else {
            telemetry::turned_away("query_bodies");
            return Err(ApiError::new(Code::Unavailable, "too many long queries are being read; try again"));
        };
        Ok(Some(BodyRoom { _permits: permits, _address: address }))
    }

    fn too_large(&self) -> ApiError {
        let message = format!("the body is longer than {} bytes (limits.max_query_body_bytes)", self.max_bytes);
        ApiError::new(Code::TooLarge, message)
    }
}

fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn address(host: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, host])
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_of_one_address_leave_room_for_others() {
        let bodies = QueryBodies::new(1 << 20, Duration::from_secs(1));
        let body = || Body::from(vec![b'a'; 1 << 20]);
        let mut held = Vec::new();
        for _ in 0..BODIES_PER_ADDRESS {
            held.push(bodies.read(Some(address(1)), body()).await.unwrap());
        }
        assert_eq!(bodies.read(Some(address(1)), body()).await.unwrap_err().code, Code::Unavailable);
        assert!(bodies.read(Some(address(1)), Body::from("short")).now_or_never().unwrap().is_ok());
        for host in 2..=4 {
            for _ in 0..BODIES_PER_ADDRESS {
                held.push(bodies.read(Some(address(host)), body()).await.unwrap());
            }
        }
        assert_eq!(bodies.read(Some(address(5)), body()).await.unwrap_err().code, Code::Unavailable);
        held.clear();
        assert!(bodies.read(Some(address(5)), body()).await.is_ok());
        assert_eq!((bodies.all.available_permits(), bodies.addresses.len()), (BODIES * 1024, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_length_and_its_time() {
        let bodies = QueryBodies::new(10, Duration::from_secs(1));
        let chunks = |chunks: &'static [&'static str]| {
            Body::from_stream(futures_util::stream::iter(chunks.iter().map(|&chunk| Ok::<_, std::io::Error>(chunk))))
        };
        let read = async |body| bodies.read(None, body).await.map(|body| body.bytes);
        assert_eq!(read(Body::from("0123456789")).await.unwrap(), "0123456789");
        assert_eq!(read(Body::from("0123456789a")).await.unwrap_err().code, Code::TooLarge);
        assert_eq!(read(chunks(&["01234", "56789"])).await.unwrap(), "0123456789");
        assert_eq!(read(chunks(&["01234", "56789", "a"])).await.unwrap_err().code, Code::TooLarge);
        let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(endless).await.unwrap_err().code, Code::TooSlow);
        let cut = futures_util::stream::iter([Ok("a"), Err(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(cut)).await.unwrap_err().code, Code::BadPayload);
    }
}
