//! The identity by which perch shares resources between clients.

use std::net::IpAddr;
use std::sync::Arc;

/// A client, as far as perch can tell it from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// perch itself.
    Server,
    /// The subject of an access token.
    Subject(Arc<str>),
    /// An IPv4 address, or a /64 network of IPv6.
    Network(IpAddr),
}

impl ClientKey {
    /// The client at this address.
    #[must_use]
    pub fn at(address: IpAddr) -> ClientKey {
        ClientKey::Network(client_network(address))
    }
}

/// The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address, because a
/// host of IPv6 can use every address of a /64.
#[must_use]
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}
