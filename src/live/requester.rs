//! For whom perch works: what is shared fairly is shared between these.

use std::net::IpAddr;
use std::sync::Arc;

use crate::ids::Uid;

/// A client, as far as it can be told from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// perch itself.
    Server,
    /// Whom a token names.
    Subject(Arc<str>),
    /// An IPv4 address, or a /64 network of IPv6.
    Network(IpAddr),
}

impl ClientKey {
    /// The client at an address. A host of IPv6 has a whole /64 to choose its addresses from.
    #[must_use]
    pub fn at(address: IpAddr) -> ClientKey {
        ClientKey::Network(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
            address @ IpAddr::V4(_) => address,
        })
    }
}

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
