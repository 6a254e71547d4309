//! Shares search slots fairly: round robin between clients, then between the sessions of a client,
//! in time slices.
//!
//! ```text
//! enqueue ──> queue by client and session ── next in turn ──> SearchSlot ── drop ──> the next one
//!    │                   ^                                      │
//!    └─ SearchTicket: drop     └────────── slice is over ─────────────┘
//!       cancels
//! ```
//!
//! A free slot goes to the client that holds the fewest slots, and of several to the one that was
//! served longest ago. The same rule selects the session. Work that holds a slot calls
//! [`SearchSlot::should_stop`] frequently, and may be paused there: its thread blocks until it gets
//! a slot again. Work is paused when its time slice is over and other work waits, or at once when
//! its client holds at least two slots more than a client that waits. So a single client uses all
//! slots, and yields some within a few steps when another one comes.
//!
//! Paused work keeps its thread and its memory. So the paused work of a session, of a client and in
//! all is limited; at the limit, paused work resumes before new work begins.
//!
//! Invariants: a slot is free or held by one [`SearchSlot`]; no work waits while a slot is free;
//! dropping a [`SearchTicket`] removes its work from the queue, or cancels it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::requester::{Requester, SessionKey};
use crate::hub::ClientKey;

/// The time slice of work while other work waits. Most searches take less. Switching threads takes
/// some ten microseconds.
const SEARCH_SLICE: Duration = Duration::from_millis(5);

/// The most paused work of a session.
const MAX_PAUSED_PER_SESSION: usize = 2;

/// The most paused work of a client.
const MAX_PAUSED_PER_CLIENT: usize = 16;

/// The most paused work in all. Each takes one of tokio's 512 blocking threads.
const MAX_PAUSED: usize = 256;

/// The client has the most waiting work that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

/// Shares the slots. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: usize,
    /// The most counted work of one client that may wait.
    max_waiting: usize,
    slice: Duration,
    /// Called after every change with the work that runs and waits, and the work cancelled since
    /// the start.
    report: fn(usize, usize, u64),
    /// Whether work waits. Running work reads it without the lock.
    is_awaited: AtomicBool,
    state: Mutex<SchedulerState>,
}

#[derive(Debug, Default)]
struct SchedulerState {
    /// The work that holds slots.
    running: Vec<RunningWork>,
    /// The clients with waiting work, the one served longest ago first.
    order: VecDeque<ClientKey>,
    clients: HashMap<ClientKey, ClientWaiters>,
    waiting: usize,
    paused: usize,
    cancelled: u64,
    next_id: u64,
}

#[derive(Debug, Default)]
struct ClientWaiters {
    /// The sessions with waiting work, the one served longest ago first.
    order: VecDeque<SessionKey>,
    sessions: HashMap<SessionKey, SessionWaiters>,
    /// Waiting work that counts towards [`Shared::max_waiting`].
    counted: usize,
    paused: usize,
}

#[derive(Debug, Default)]
struct SessionWaiters {
    waiting: VecDeque<Waiter>,
    paused: usize,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    signals: Arc<Signals>,
    is_counted: bool,
    is_paused: bool,
    grant: oneshot::Sender<SearchSlot>,
}

#[derive(Debug)]
struct RunningWork {
    id: u64,
    requester: Requester,
    signals: Arc<Signals>,
    /// The requester for which it was told to yield its slot.
    promised_to: Option<Requester>,
}

/// Signals to running work.
#[derive(Debug, Default)]
struct Signals {
    cancelled: AtomicBool,
    /// The work has to yield its slot.
    give_way: AtomicBool,
}

/// Waiting or running work. Dropping the ticket removes the work from the queue, or cancels it.
#[derive(Debug)]
pub(crate) struct SearchTicket {
    scheduler: Scheduler,
    id: u64,
    requester: Requester,
    signals: Arc<Signals>,
}

/// The slot of waiting work; an error if the ticket was dropped.
pub(crate) type PendingSlot = oneshot::Receiver<SearchSlot>;

/// The right to run. Dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct SearchSlot {
    scheduler: Scheduler,
    id: u64,
    requester: Requester,
    signals: Arc<Signals>,
    /// The start of the time slice.
    since: Instant,
    /// False while paused, and if the work was cancelled then.
    is_held: bool,
}

/// Granted slots and their receivers. They are sent after the lock is released.
type Grants = Vec<(oneshot::Sender<SearchSlot>, SearchSlot)>;

impl Scheduler {
    /// A scheduler of `slots` slots. At most `max_waiting` counted work of one client may wait.
    pub(crate) fn new(slots: usize, max_waiting: usize, report: fn(usize, usize, u64)) -> Scheduler {
        Scheduler::with_slice(slots, max_waiting, report, SEARCH_SLICE)
    }

    fn with_slice(slots: usize, max_waiting: usize, report: fn(usize, usize, u64), slice: Duration) -> Scheduler {
        report(0, 0, 0);
        let (is_awaited, state) = (AtomicBool::new(false), Mutex::default());
        Scheduler { shared: Arc::new(Shared { slots, max_waiting, slice, report, is_awaited, state }) }
    }

    /// Enqueues work. Work that is not counted is always accepted: the caller must limit it.
    pub(crate) fn enqueue(
        &self,
        requester: &Requester,
        is_counted: bool,
    ) -> Result<(SearchTicket, PendingSlot), QueueFull> {
        let signals = Arc::new(Signals::default());
        let (grant, turn) = oneshot::channel();
        let mut state = self.lock();
        let counted = state.clients.get(&requester.client).map_or(0, |client| client.counted);
        if is_counted && counted >= self.shared.max_waiting {
            return Err(QueueFull);
        }
        let id = state.next_id;
        state.next_id += 1;
        let waiter = Waiter { id, signals: Arc::clone(&signals), is_counted, is_paused: false, grant };
        state.push(requester, waiter);
        let grants = self.dispatch(&mut state);
        if grants.is_empty() {
            state.preempt_for(requester);
        }
        self.send(state, grants);
        Ok((SearchTicket { scheduler: self.clone(), id, requester: requester.clone(), signals }, turn))
    }

    /// The work that runs and waits, and the work cancelled since the start.
    #[cfg(test)]
    pub(crate) fn load(&self) -> (usize, usize, u64) {
        let state = self.lock();
        (state.running.len(), state.waiting, state.cancelled)
    }

    /// Takes all slots. They must be free.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> Vec<(SearchTicket, SearchSlot)> {
        let take = |_| {
            let (ticket, mut turn) = self.enqueue(&Requester::server(), false).expect("it is not counted");
            (ticket, turn.try_recv().expect("a free slot"))
        };
        (0..self.shared.slots).map(take).collect()
    }

    fn lock(&self) -> MutexGuard<'_, SchedulerState> {
        // No code panics while it holds the lock.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants free slots to waiting work.
    fn dispatch(&self, state: &mut SchedulerState) -> Grants {
        let mut grants = Vec::new();
        while state.running.len() < self.shared.slots
            && let Some((requester, waiter)) = state.pop()
        {
            let Waiter { id, signals, grant, .. } = waiter;
            state.running.push(RunningWork {
                id,
                requester: requester.clone(),
                signals: Arc::clone(&signals),
                promised_to: None,
            });
            let slot =
                SearchSlot { scheduler: self.clone(), id, requester, signals, since: Instant::now(), is_held: true };
            grants.push((grant, slot));
        }
        grants
    }

    /// Reports a change of the state, releases the lock, and sends the grants.
    fn send(&self, state: MutexGuard<'_, SchedulerState>, grants: Grants) {
        self.shared.is_awaited.store(state.waiting > 0, Ordering::Relaxed);
        (self.shared.report)(state.running.len(), state.waiting, state.cancelled);
        drop(state);
        for (grant, slot) in grants {
            // A slot whose receiver is gone is dropped, which frees it.
            drop(grant.send(slot));
        }
    }
}

impl Drop for SearchTicket {
    fn drop(&mut self) {
        self.signals.cancelled.store(true, Ordering::Relaxed);
        let mut state = self.scheduler.lock();
        let was_waiting = state.remove_waiter(&self.requester, self.id);
        let is_running = state.running.iter().any(|running| running.id == self.id);
        state.cancelled += u64::from(was_waiting || is_running);
        self.scheduler.send(state, Vec::new());
    }
}

impl SearchSlot {
    /// Whether the work was cancelled. Blocks the thread while the work is paused. To be called
    /// frequently, without holding a lock.
    pub(crate) fn should_stop(&mut self) -> bool {
        let shared = &self.scheduler.shared;
        let is_over = || shared.is_awaited.load(Ordering::Relaxed) && self.since.elapsed() >= shared.slice;
        if !self.signals.cancelled.load(Ordering::Relaxed)
            && (self.signals.give_way.load(Ordering::Relaxed) || is_over())
        {
            self.pause();
        }
        !self.is_held || self.signals.cancelled.load(Ordering::Relaxed)
    }

    /// Frees the slot, and waits for another one.
    fn pause(&mut self) {
        let (grant, turn) = oneshot::channel();
        let mut state = self.scheduler.lock();
        // Work that was cancelled in between must not wait: its ticket is gone, and nothing would
        // remove it from the queue.
        if self.signals.cancelled.load(Ordering::Relaxed) {
            return;
        }
        state.running.retain(|running| running.id != self.id);
        self.signals.give_way.store(false, Ordering::Relaxed);
        self.is_held = false;
        let signals = Arc::clone(&self.signals);
        state.push(&self.requester, Waiter { id: self.id, signals, is_counted: false, is_paused: true, grant });
        let grants = self.scheduler.dispatch(&mut state);
        self.scheduler.send(state, grants);
        if let Ok(slot) = turn.blocking_recv() {
            *self = slot;
        }
    }
}

impl Drop for SearchSlot {
    fn drop(&mut self) {
        if self.is_held {
            let mut state = self.scheduler.lock();
            state.running.retain(|running| running.id != self.id);
            let grants = self.scheduler.dispatch(&mut state);
            self.scheduler.send(state, grants);
        }
    }
}

impl SchedulerState {
    /// Appends work to the queue of its session.
    fn push(&mut self, requester: &Requester, waiter: Waiter) {
        let client = match self.clients.entry(requester.client.clone()) {
            Entry::Occupied(client) => client.into_mut(),
            Entry::Vacant(entry) => {
                self.order.push_back(requester.client.clone());
                entry.insert(ClientWaiters::default())
            }
        };
        let session = match client.sessions.entry(requester.session) {
            Entry::Occupied(session) => session.into_mut(),
            Entry::Vacant(entry) => {
                client.order.push_back(requester.session);
                entry.insert(SessionWaiters::default())
            }
        };
        let paused = usize::from(waiter.is_paused);
        client.counted += usize::from(waiter.is_counted);
        session.paused += paused;
        client.paused += paused;
        self.paused += paused;
        self.waiting += 1;
        session.waiting.push_back(waiter);
    }

    /// Removes the work that runs next.
    fn pop(&mut self) -> Option<(Requester, Waiter)> {
        let mut only_paused = self.paused >= MAX_PAUSED;
        let at = lowest(&self.order, |key| {
            let may = !only_paused || self.clients.get(key)?.paused > 0;
            may.then(|| self.running.iter().filter(|running| running.requester.client == *key).count())
        })?;
        let key = self.order.get(at)?.clone();
        let client = self.clients.get(&key)?;
        only_paused |= client.paused >= MAX_PAUSED_PER_CLIENT;
        let at = lowest(&client.order, |session| {
            let may = !only_paused || client.sessions.get(session)?.paused > 0;
            let requester = Requester { client: key.clone(), session: *session };
            may.then(|| self.running.iter().filter(|running| running.requester == requester).count())
        })?;
        let requester = Requester { client: key, session: *client.order.get(at)? };
        let session = client.sessions.get(&requester.session)?;
        only_paused |= session.paused >= MAX_PAUSED_PER_SESSION;
        let at = session.waiting.iter().position(|waiter| !only_paused || waiter.is_paused)?;
        let waiter = self.remove(&requester, at)?;
        // Client and session are served last from now on.
        move_to_back(&mut self.order, &requester.client);
        if let Some(client) = self.clients.get_mut(&requester.client) {
            move_to_back(&mut client.order, &requester.session);
        }
        Some((requester, waiter))
    }

    /// Removes waiting work. False if it does not wait.
    fn remove_waiter(&mut self, requester: &Requester, id: u64) -> bool {
        let session = self.clients.get(&requester.client).and_then(|client| client.sessions.get(&requester.session));
        let at = session.and_then(|session| session.waiting.iter().position(|waiter| waiter.id == id));
        at.and_then(|at| self.remove(requester, at)).is_some()
    }

    fn remove(&mut self, requester: &Requester, at: usize) -> Option<Waiter> {
        let client = self.clients.get_mut(&requester.client)?;
        let session = client.sessions.get_mut(&requester.session)?;
        let waiter = session.waiting.remove(at)?;
        let paused = usize::from(waiter.is_paused);
        client.counted -= usize::from(waiter.is_counted);
        session.paused -= paused;
        client.paused -= paused;
        self.paused -= paused;
        self.waiting -= 1;
        if session.waiting.is_empty() {
            client.sessions.remove(&requester.session);
            client.order.retain(|session| *session != requester.session);
        }
        if client.sessions.is_empty() {
            self.clients.remove(&requester.client);
            self.order.retain(|client| *client != requester.client);
        }
        Some(waiter)
    }

    /// Tells running work to yield its slot to new work, if that makes the shares more equal.
    fn preempt_for(&mut self, requester: &Requester) {
        // A promised slot counts for the requester that it is promised to.
        let owners = || self.running.iter().map(|running| running.promised_to.as_ref().unwrap_or(&running.requester));
        let of_client = |of: &Requester| owners().filter(|owner| owner.client == of.client).count();
        let of_session = |of: &Requester| owners().filter(|owner| *owner == of).count();
        let (clients, sessions) = (of_client(requester) + 2, of_session(requester) + 2);
        let held = self.running.iter().enumerate().filter(|(_, running)| running.promised_to.is_none());
        let has_too_much = |of: &Requester| {
            if of.client == requester.client { of_session(of) >= sessions } else { of_client(of) >= clients }
        };
        let gives_way = held.filter(|(_, running)| has_too_much(&running.requester)).max_by_key(|(_, running)| {
            let is_other = running.requester.client != requester.client;
            (is_other, of_client(&running.requester), of_session(&running.requester))
        });
        if let Some((at, _)) = gives_way {
            self.running[at].promised_to = Some(requester.clone());
            self.running[at].signals.give_way.store(true, Ordering::Relaxed);
        }
    }
}

/// The index of the first key with the lowest number. `number` returns `None` for keys that are
/// excluded.
fn lowest<K>(order: &VecDeque<K>, number: impl Fn(&K) -> Option<usize>) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for (at, key) in order.iter().enumerate() {
        if let Some(number) = number(key)
            && best.is_none_or(|(fewest, _)| number < fewest)
        {
            best = Some((number, at));
            // At most as many keys as there are slots have a number above 0, so the scan is short.
            if number == 0 {
                break;
            }
        }
    }
    best.map(|(_, at)| at)
}

/// Moves a key that is near the front to the back.
fn move_to_back<K: PartialEq>(order: &mut VecDeque<K>, key: &K) {
    if let Some(at) = order.iter().position(|it| it == key)
        && let Some(key) = order.remove(at)
    {
        order.push_back(key);
    }
}

#[cfg(test)]
mod tests;
