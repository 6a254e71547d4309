//! Equal shares of a memory budget for client addresses, in permits of one KiB.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// The shares of all addresses that use theirs. Clones share the state.
#[derive(Clone, Debug)]
pub(super) struct AddressShares(Arc<Shares>);

#[derive(Debug)]
struct Shares {
    per_address_kib: usize,
    /// An entry exists while an [`AddressUse`] of its address exists.
    addresses: Mutex<HashMap<IpAddr, AddressShare>>,
}

#[derive(Debug)]
struct AddressShare {
    permits: Arc<Semaphore>,
    users: usize,
}

impl AddressShares {
    /// Shares of `per_address_kib` KiB each.
    pub(super) fn new(per_address_kib: usize) -> AddressShares {
        AddressShares(Arc::new(Shares { per_address_kib, addresses: Mutex::default() }))
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, AddressShare>> {
        self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The share of this address.
    pub(super) fn enter(&self, address: IpAddr) -> AddressUse {
        let mut addresses = self.addresses();
        let share = addresses
            .entry(address)
            .or_insert_with(|| AddressShare { permits: Arc::new(Semaphore::new(self.0.per_address_kib)), users: 0 });
        share.users += 1;
        AddressUse { shares: self.clone(), address, permits: Arc::clone(&share.permits) }
    }

    /// How many addresses use their share.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.addresses().len()
    }
}

/// Keeps the share of an address while it is in use.
#[derive(Debug)]
pub(super) struct AddressUse {
    shares: AddressShares,
    address: IpAddr,
    permits: Arc<Semaphore>,
}

impl AddressUse {
    /// The KiB that the address has left.
    pub(super) fn permits(&self) -> &Arc<Semaphore> {
        &self.permits
    }
}

impl Drop for AddressUse {
    fn drop(&mut self) {
        if let Entry::Occupied(mut share) = self.shares.addresses().entry(self.address) {
            share.get_mut().users -= 1;
            if share.get().users == 0 {
                share.remove();
            }
        }
    }
}
