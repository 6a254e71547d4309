//! The slot of a session in the share of its client's address.
//!
//! A connection may exist before its client has shown a token. Its slot is not taken yet: it counts
//! as a connection, not as a session.

use std::net::IpAddr;
use std::sync::Arc;

use super::address_limit::{AddressLimit, AddressSlot};
use super::error::{ApiError, Code};
use crate::telemetry;

/// The slot of one session.
#[derive(Debug)]
pub(crate) struct SessionSlot {
    limit: Arc<AddressLimit>,
    /// `None` where there is no connection, as in tests.
    address: Option<IpAddr>,
    slot: Option<AddressSlot>,
}

impl SessionSlot {
    /// A slot that is not taken yet.
    pub(crate) fn new(limit: Arc<AddressLimit>, address: Option<IpAddr>) -> SessionSlot {
        SessionSlot { limit, address, slot: None }
    }

    /// Takes the slot, unless it is taken already.
    ///
    /// # Errors
    ///
    /// [`Code::Limit`], when the address has reached its limit of sessions.
    pub(crate) fn take(&mut self) -> Result<(), ApiError> {
        let (None, Some(address)) = (&self.slot, self.address) else { return Ok(()) };
        self.slot = self.limit.take(address);
        if self.slot.is_some() {
            return Ok(());
        }
        telemetry::turned_away("sessions_per_address");
        let message = format!(
            "this address has all {} sessions that one may have (limits.max_sessions_per_address)",
            self.limit.max()
        );
        Err(ApiError::new(Code::Limit, message))
    }
}
