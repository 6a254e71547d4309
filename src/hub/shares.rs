//! What each client holds of the registered queries: so much at most, that others can register too.
//!
//! A query counts for each client that holds it, once; a subscription for the client that made it. What a query takes is
//! weighed once, when it is registered, so what is given back is what was taken.

use std::collections::HashMap;

use super::ClientKey;
use crate::percolator;
use crate::query::{Ast, Query};

/// What a query counts for a client that holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) bytes: usize,
    /// Patterns that many words have to be tried on.
    pub(super) weak_patterns: usize,
}

impl Weight {
    /// That of a query, with all of each expression, which others may hold too.
    pub(super) fn of(query: &Query) -> Weight {
        let mut weight = Weight { bytes: query.size_bytes() + super::QUERY_BYTES, weak_patterns: 0 };
        weight.add(query.ast());
        weight
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
pub(crate) struct ShareLimits {
    /// Bytes of queries and subscriptions.
    pub(crate) bytes: usize,
    /// Weak patterns of its queries.
    pub(crate) weak_patterns: usize,
}

/// The number of a client.
pub(super) type ClientNumber = u32;

/// Whose subscriptions are not counted: perch itself.
const NOBODY: ClientNumber = ClientNumber::MAX;

#[derive(Debug)]
struct Share {
    client: ClientKey,
    subscriptions: usize,
    held: Weight,
}

/// What all clients hold.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) limits: ShareLimits,
    numbers: HashMap<ClientKey, ClientNumber>,
    /// By number; `None` is free.
    entries: Vec<Option<Share>>,
    free: Vec<ClientNumber>,
}

impl Default for Shares {
    fn default() -> Shares {
        Shares {
            limits: ShareLimits { bytes: usize::MAX, weak_patterns: usize::MAX },
            numbers: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl Shares {
    /// The client's number, if it holds anything.
    pub(super) fn number(&self, client: &ClientKey) -> Option<ClientNumber> {
        self.numbers.get(client).copied()
    }

    /// What a client holds.
    pub(super) fn held(&self, client: &ClientKey) -> Weight {
        let share = self.number(client).and_then(|number| self.entries[number as usize].as_ref());
        share.map_or_else(Weight::default, |share| share.held)
    }

    /// Counts a subscription of a client and what it adds.
    pub(super) fn add(&mut self, client: &ClientKey, added: Weight) -> ClientNumber {
        if *client == ClientKey::Server {
            return NOBODY;
        }
        let number = self.number(client).unwrap_or_else(|| {
            let share = Some(Share { client: client.clone(), subscriptions: 0, held: Weight::default() });
            let number = if let Some(number) = self.free.pop() {
                self.entries[number as usize] = share;
                number
            } else {
                self.entries.push(share);
                u32::try_from(self.entries.len() - 1).expect("fewer clients than sessions")
            };
            self.numbers.insert(client.clone(), number);
            number
        });
        if let Some(share) = &mut self.entries[number as usize] {
            share.subscriptions += 1;
            share.held.bytes += added.bytes;
            share.held.weak_patterns += added.weak_patterns;
        }
        number
    }

    /// A subscription of a client is over, and what it added goes.
    pub(super) fn remove(&mut self, number: ClientNumber, removed: Weight) {
        let Some(slot) = self.entries.get_mut(number as usize) else { return };
        let Some(share) = slot else { return };
        share.subscriptions -= 1;
        share.held.bytes -= removed.bytes;
        share.held.weak_patterns -= removed.weak_patterns;
        if share.subscriptions == 0 {
            debug_assert_eq!(share.held, Weight::default(), "what was given is given back");
            self.numbers.remove(&share.client);
            *slot = None;
            self.free.push(number);
        }
    }

    /// Whether nobody holds anything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.entries.iter().all(Option::is_none)
    }

    /// The memory that it takes, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        super::map_bytes(&self.numbers)
            + self.entries.capacity() * size_of::<Option<Share>>()
            + self.free.capacity() * size_of::<ClientNumber>()
    }
}
