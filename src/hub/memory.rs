//! The memory of queries and subscriptions, and the bound on it.

use std::collections::HashMap;

use super::SubscriptionName;

/// Estimate of what a registered query takes that [`MemoryBudget::set_measured`] has not counted
/// yet, besides the query itself.
pub(super) const QUERY_BYTES: usize = 320;

/// The same for a subscription, besides its name.
const SUBSCRIPTION_BYTES: usize = 96;

/// The memory that is used, and how much may be.
///
/// Measuring takes time that grows with the number of queries. So the sum is measured after 1/16 of
/// the queries have changed, and estimated in between.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    pub(super) max_bytes: usize,
    measured_bytes: usize,
    /// Estimate of what was added since.
    added_bytes: usize,
    /// Subscriptions that came or went since.
    changes: usize,
}

impl MemoryBudget {
    pub(super) fn new(max_bytes: usize) -> MemoryBudget {
        MemoryBudget { max_bytes, measured_bytes: 0, added_bytes: 0, changes: 0 }
    }

    /// Measured and estimated bytes.
    pub(super) fn used_bytes(&self) -> usize {
        self.measured_bytes + self.added_bytes
    }

    /// Whether no more may be added.
    pub(super) fn is_exhausted(&self) -> bool {
        self.used_bytes() >= self.max_bytes
    }

    /// Counts a subscription that came or went. True if the memory should be measured.
    pub(super) fn change(&mut self, added_bytes: usize, n_queries: usize) -> bool {
        self.changes += 1;
        self.added_bytes += added_bytes;
        self.changes > n_queries / 16
    }

    /// Sets the measured memory.
    pub(super) fn set_measured(&mut self, bytes: usize) {
        (self.measured_bytes, self.added_bytes, self.changes) = (bytes, 0, 0);
    }
}

/// The heap memory of a map, without what its entries point to. The standard library allocates a
/// power of two of slots, of which it uses seven eighths, one byte for each, and 16 bytes.
pub(super) fn map_bytes<K, V>(map: &HashMap<K, V>) -> usize {
    match map.capacity() {
        0 => 0,
        n => (n * 8).div_ceil(7).next_power_of_two() * (size_of::<(K, V)>() + 1) + 16,
    }
}

/// The heap memory of a name, which all its users share.
pub(super) fn name_bytes(name: &SubscriptionName) -> usize {
    name.as_ref().map_or(0, |name| (name.len() + 2 * size_of::<usize>()).next_multiple_of(size_of::<usize>()))
}

/// Estimate of the memory of a subscription.
pub(super) fn subscription_bytes(name: &SubscriptionName) -> usize {
    name_bytes(name) + SUBSCRIPTION_BYTES
}
