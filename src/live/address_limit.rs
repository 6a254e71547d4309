//! How many connections or sessions one address may hold.
//!
//! A host with IPv6 owns at least a /64 and can take any address in it, so IPv6 addresses count by
//! their /64.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hub::client_network;

/// Counts what each address holds, up to a limit.
#[derive(Debug)]
pub struct AddressLimit {
    /// Slots of one address; 0 is any number.
    max: usize,
    /// Slots that are held, by network. A network without any has no entry, so that the table
    /// holds no more entries than there are slots.
    held: Mutex<HashMap<IpAddr, usize>>,
}

impl AddressLimit {
    /// A limit of `max` slots for each address; 0 is any number.
    #[must_use]
    pub fn new(max: usize) -> Arc<AddressLimit> {
        Arc::new(AddressLimit { max, held: Mutex::default() })
    }

    /// How many slots one address may hold; 0 is any number.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Takes a slot; `None` when the address holds all that it may.
    #[must_use]
    pub fn take(self: &Arc<AddressLimit>, address: IpAddr) -> Option<AddressSlot> {
        let network = client_network(address);
        if self.max == 0 {
            return Some(AddressSlot { limit: None, network });
        }
        let mut held = self.held();
        let slots = held.entry(network).or_insert(0);
        if *slots >= self.max {
            return None;
        }
        *slots += 1;
        Some(AddressSlot { limit: Some(Arc::clone(self)), network })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // No code panics while it holds the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of an address's slots. Dropping it gives the slot back.
#[derive(Debug)]
pub struct AddressSlot {
    /// `None` where there is no limit.
    limit: Option<Arc<AddressLimit>>,
    network: IpAddr,
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let Some(limit) = &self.limit else { return };
        if let Entry::Occupied(mut slots) = limit.held().entry(self.network) {
            *slots.get_mut() -= 1;
            if *slots.get() == 0 {
                slots.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_slots_and_gives_them_back() {
        let limit = AddressLimit::new(2);
        let slots = [limit.take(ip("2001:db8::1")).unwrap(), limit.take(ip("2001:db8::2")).unwrap()];
        assert!(limit.take(ip("2001:db8::3")).is_none());
        assert!(limit.take(ip("2001:db8:0:1::1")).is_some(), "another /64");
        assert!(limit.take(ip("10.0.0.1")).is_some());
        drop(slots);
        assert!(limit.take(ip("2001:db8::3")).is_some());
        assert!(limit.held().is_empty(), "nothing is kept of addresses that hold nothing");
    }

    #[test]
    fn an_address_written_as_ipv6_is_the_same_address() {
        let limit = AddressLimit::new(1);
        let _slot = limit.take(ip("10.0.0.1")).unwrap();
        assert!(limit.take(ip("::ffff:10.0.0.1")).is_none());
        assert!(limit.take(ip("::ffff:10.0.0.2")).is_some());
    }

    #[test]
    fn zero_is_any_number() {
        let limit = AddressLimit::new(0);
        let _slots: Vec<_> = (0..1_000).map(|_| limit.take(ip("10.0.0.1")).unwrap()).collect();
    }
}
