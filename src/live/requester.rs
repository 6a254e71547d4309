//! For whom perch works: what is shared fairly is shared between these.

use crate::hub::ClientKey;
use crate::ids::Uid;

/// One of a client's sessions, or one of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey(u128);

impl From<Uid> for SessionKey {
    fn from(uid: Uid) -> SessionKey {
        SessionKey(uid.0.as_u128())
    }
}

impl SessionKey {
    /// A connection without a session, by the port at its other end.
    #[must_use]
    pub fn connection(port: u16) -> SessionKey {
        SessionKey(port.into())
    }
}

/// For whom a search is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// What is shared is shared between clients first,
    pub client: ClientKey,
    /// and what a client gets between its sessions.
    pub session: SessionKey,
}

impl Requester {
    /// perch itself.
    #[must_use]
    pub fn server() -> Requester {
        Requester { client: ClientKey::Server, session: SessionKey(0) }
    }
}
