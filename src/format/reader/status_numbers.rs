//! Which status a message of Mastodon deletes: such a message has only the number of the status on
//! the instance whose stream it is.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::Chunk;

/// The last statuses whose numbers are known.
const MAX_STATUSES: usize = 20_000;

/// The numbers of the last statuses of an input.
#[derive(Debug, Default)]
pub(super) struct StatusNumbers {
    /// The `id_str` by the number; `None` where two instances gave the same number.
    by_number: HashMap<String, Option<String>>,
    order: VecDeque<String>,
}

impl StatusNumbers {
    /// Notes the statuses of a chunk, and gives its deletions the `id_str` of the status that they
    /// delete. Deletions of unknown statuses count as skipped.
    pub(super) fn resolve<T>(&mut self, chunk: &mut Chunk<T>) {
        for (number, id_str) in chunk.statuses.drain(..) {
            self.note(number, id_str);
        }
        let mut n_unknown = 0;
        chunk.deletions.retain_mut(|deletion| {
            if !deletion.is_number {
                return true;
            }
            let id_str = self.by_number.get(&deletion.id_str).cloned().flatten();
            n_unknown += u64::from(id_str.is_none());
            deletion.is_number = false;
            id_str.map(|id_str| deletion.id_str = id_str).is_some()
        });
        if n_unknown > 0 {
            *chunk.skipped.entry("delete").or_default() += n_unknown;
        }
    }

    fn note(&mut self, number: String, id_str: String) {
        if let Some(known) = self.by_number.get_mut(&number) {
            if known.as_ref() != Some(&id_str) {
                *known = None;
            }
            return;
        }
        if self.order.len() >= MAX_STATUSES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_number.remove(&oldest);
        }
        self.order.push_back(number.clone());
        self.by_number.insert(number, Some(id_str));
    }
}
