//! The parties between which perch shares its search slots.

use crate::hub::ClientKey;
use crate::ids::Uid;

/// A session of a client, or a connection without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey(u128);

impl From<Uid> for SessionKey {
    fn from(uid: Uid) -> SessionKey {
        SessionKey(uid.0.as_u128())
    }
}

impl SessionKey {
    /// The key of a connection without a session: the client's port.
    #[must_use]
    pub fn connection(port: u16) -> SessionKey {
        SessionKey(port.into())
    }
}

/// The client and session that a search is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// Slots are shared between clients first,
    pub client: ClientKey,
    /// and those of a client between its sessions.
    pub session: SessionKey,
}

impl Requester {
    /// perch itself.
    #[must_use]
    pub fn server() -> Requester {
        Requester { client: ClientKey::Server, session: SessionKey(0) }
    }
}
