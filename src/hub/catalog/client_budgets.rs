//! Budgets of clients: how much one client may hold of the registered queries, so that others can
//! register too.
//!
//! A query counts once for each client that holds it; a subscription counts for the client that
//! made it. The usage of a query is computed once, at its registration, so that exactly what was
//! charged is refunded.

use std::collections::HashMap;

use super::RegistrationError;
use crate::hub::ClientKey;
use crate::hub::memory::{QUERY_BYTES, map_bytes};
use crate::percolator;
use crate::query::{Ast, Query};

/// What queries and subscriptions use of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct BudgetUsage {
    pub(in crate::hub) bytes: usize,
    /// Patterns that perch has to try on nearly every word.
    pub(in crate::hub) weak_patterns: usize,
}

impl BudgetUsage {
    /// The usage of a query. An expression counts in full, although queries of other clients may
    /// share it.
    pub(in crate::hub) fn of(query: &Query) -> BudgetUsage {
        let mut usage = BudgetUsage { bytes: query.size_bytes() + QUERY_BYTES, weak_patterns: 0 };
        usage.add(query.ast());
        usage
    }

    pub(super) fn plus(self, other: BudgetUsage) -> BudgetUsage {
        BudgetUsage { bytes: self.bytes + other.bytes, weak_patterns: self.weak_patterns + other.weak_patterns }
    }

    fn minus(self, other: BudgetUsage) -> BudgetUsage {
        BudgetUsage { bytes: self.bytes - other.bytes, weak_patterns: self.weak_patterns - other.weak_patterns }
    }

    fn add(&mut self, ast: &Ast) {
        match ast {
            Ast::And(parts) | Ast::Or(parts) | Ast::AtLeast { of: parts, .. } => {
                parts.iter().for_each(|part| self.add(part));
            }
            Ast::Not(part) => self.add(part),
            Ast::Regex { pattern, .. } => {
                self.bytes += pattern.size_bytes() - pattern.own_bytes();
                self.weak_patterns += usize::from(percolator::is_weak(ast));
            }
            _ => self.weak_patterns += usize::from(percolator::is_weak(ast)),
        }
    }
}

/// How much one client may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits {
    /// Bytes of queries and subscriptions.
    pub(crate) bytes: usize,
    /// Weak patterns of its queries.
    pub(crate) weak_patterns: usize,
}

impl Default for ClientLimits {
    fn default() -> ClientLimits {
        ClientLimits { bytes: usize::MAX, weak_patterns: usize::MAX }
    }
}

/// The index of a client among those that hold something. Indices of others are reused.
pub(in crate::hub) type ClientIndex = u32;

/// The index of perch itself, which has no budget.
const SERVER: ClientIndex = ClientIndex::MAX;

#[derive(Debug)]
struct Budget {
    client: ClientKey,
    subscriptions: usize,
    used: BudgetUsage,
}

/// The budgets of all clients that hold something.
#[derive(Debug, Default)]
pub(in crate::hub) struct ClientBudgets {
    pub(super) limits: ClientLimits,
    indices: HashMap<ClientKey, ClientIndex>,
    /// By index; `None` is free.
    budgets: Vec<Option<Budget>>,
    free: Vec<ClientIndex>,
}

impl ClientBudgets {
    /// The client's index, if it holds anything.
    pub(super) fn index(&self, client: &ClientKey) -> Option<ClientIndex> {
        self.indices.get(client).copied()
    }

    /// What a client uses.
    pub(in crate::hub) fn used(&self, client: &ClientKey) -> BudgetUsage {
        let budget = self.index(client).and_then(|index| self.budgets[index as usize].as_ref());
        budget.map_or_else(BudgetUsage::default, |budget| budget.used)
    }

    /// Whether a client may use this much more.
    ///
    /// # Errors
    ///
    /// The limit that the client would exceed.
    pub(super) fn check(&self, client: &ClientKey, charge: BudgetUsage) -> Result<(), RegistrationError> {
        if *client == ClientKey::Server {
            return Ok(());
        }
        let (used, limits) = (self.used(client).plus(charge), self.limits);
        if charge.weak_patterns > 0 && used.weak_patterns > limits.weak_patterns {
            return Err(RegistrationError::TooManyWeakPatterns(limits.weak_patterns));
        }
        if used.bytes > limits.bytes {
            return Err(RegistrationError::ClientOutOfMemory(limits.bytes));
        }
        Ok(())
    }

    /// Charges a client for a subscription.
    pub(super) fn charge(&mut self, client: &ClientKey, charge: BudgetUsage) -> ClientIndex {
        if *client == ClientKey::Server {
            return SERVER;
        }
        let index = self.index(client).unwrap_or_else(|| {
            let budget = Some(Budget { client: client.clone(), subscriptions: 0, used: BudgetUsage::default() });
            let index = if let Some(index) = self.free.pop() {
                self.budgets[index as usize] = budget;
                index
            } else {
                self.budgets.push(budget);
                ClientIndex::try_from(self.budgets.len() - 1).expect("fewer clients than sessions")
            };
            self.indices.insert(client.clone(), index);
            index
        });
        if let Some(budget) = &mut self.budgets[index as usize] {
            budget.subscriptions += 1;
            budget.used = budget.used.plus(charge);
        }
        index
    }

    /// Refunds a client for a subscription that ended.
    pub(super) fn refund(&mut self, client: ClientIndex, refund: BudgetUsage) {
        let Some(slot) = self.budgets.get_mut(client as usize) else { return };
        let Some(budget) = slot else { return };
        budget.subscriptions -= 1;
        budget.used = budget.used.minus(refund);
        if budget.subscriptions == 0 {
            debug_assert_eq!(budget.used, BudgetUsage::default(), "refunds are what was charged");
            self.indices.remove(&budget.client);
            *slot = None;
            self.free.push(client);
        }
    }

    /// Whether no client holds anything.
    #[cfg(test)]
    pub(in crate::hub) fn is_empty(&self) -> bool {
        self.indices.is_empty() && self.budgets.iter().all(Option::is_none)
    }

    /// Its memory in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        map_bytes(&self.indices)
            + self.budgets.capacity() * size_of::<Option<Budget>>()
            + self.free.capacity() * size_of::<ClientIndex>()
    }
}
