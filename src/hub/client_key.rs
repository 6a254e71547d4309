//! Who a client is: what one client may hold and use is counted by its key.

use std::net::IpAddr;
use std::sync::Arc;

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
