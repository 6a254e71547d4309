//! A fair share of some slots for every client: round robin between clients, then between the
//! sessions of each, in time slices.
//!
//! ```text
//! enqueue ──> queue by client and session ── next in turn ──> Slot ── drop ──> the next one
//!    │                   ^                                      │
//!    └─ Ticket: drop     └────────── slice is over ─────────────┘
//!       cancels
//! ```
//!
//! A free slot goes to the client that holds the fewest, and of several to the one whose turn was
//! longest ago; the same rule chooses the session. Work that holds a slot asks
//! [`Slot::should_stop`] now and then, and may be paused there: its thread blocks until the slot
//! comes round again. That happens when its time slice is over and somebody waits, or at once when
//! its client holds at least two slots more than one that waits. So a client alone has all slots,
//! and gives way within a few steps when another one comes.
//!
//! Work that is paused keeps its thread and its memory. So there is a bound on how much is paused,
//! of each session, of each client and in all; where it is reached, what is paused goes on before
//! anything new begins.
//!
//! Invariants: a slot is held by one [`Slot`] or free; nothing waits while a slot is free; whoever
//! drops a [`Ticket`] has nothing in the queue, and what it runs is told to stop.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::requester::{Requester, SessionKey};
use crate::hub::ClientKey;

/// How long work keeps its slot while others wait. Most searches take less; a switch of threads
/// takes some ten microseconds.
const SLICE: Duration = Duration::from_millis(5);

/// How much of one session may be paused.
const MAX_PAUSED_PER_SESSION: usize = 2;

/// How much of one client may be paused.
const MAX_PAUSED_PER_CLIENT: usize = 16;

/// How much may be paused in all. Each takes a thread; tokio has 512 for blocking work.
const MAX_PAUSED: usize = 256;

/// As much waits for this client already as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

/// Shares slots. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: usize,
    /// How much may wait for one client.
    max_waiting: usize,
    slice: Duration,
    /// Told after every change: how much runs and waits, and how much was cancelled since the
    /// start.
    report: fn(usize, usize, u64),
    /// Whether anything waits, so that those who run need no lock to know.
    is_awaited: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whoever holds a slot.
    running: Vec<Running>,
    /// The clients for whom something waits, the one whose turn was longest ago first.
    order: VecDeque<ClientKey>,
    clients: HashMap<ClientKey, Client>,
    waiting: usize,
    paused: usize,
    cancelled: u64,
    next_id: u64,
}

#[derive(Debug, Default)]
struct Client {
    /// Its sessions for which something waits, the one whose turn was longest ago first.
    order: VecDeque<SessionKey>,
    sessions: HashMap<SessionKey, Session>,
    /// What counts towards the limit.
    counted: usize,
    paused: usize,
}

#[derive(Debug, Default)]
struct Session {
    waiting: VecDeque<Waiter>,
    paused: usize,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    signals: Arc<Signals>,
    is_counted: bool,
    is_paused: bool,
    grant: oneshot::Sender<Slot>,
}

#[derive(Debug)]
struct Running {
    id: u64,
    requester: Requester,
    signals: Arc<Signals>,
    /// For whom it was told to give way.
    promised_to: Option<Requester>,
}

/// What those who run are told.
#[derive(Debug, Default)]
struct Signals {
    cancelled: AtomicBool,
    /// The slot is wanted by a client that holds fewer.
    give_way: AtomicBool,
}

/// Work in the queue or under way. Dropping it takes the work out of the queue, or tells it to
/// stop.
#[derive(Debug)]
pub(crate) struct Ticket {
    scheduler: Scheduler,
    id: u64,
    requester: Requester,
    signals: Arc<Signals>,
}

/// Comes when the slot does; an error when the ticket was dropped.
pub(crate) type Turn = oneshot::Receiver<Slot>;

/// The right to run. Dropping it lets the next one run.
#[derive(Debug)]
pub(crate) struct Slot {
    scheduler: Scheduler,
    id: u64,
    requester: Requester,
    signals: Arc<Signals>,
    /// The beginning of the time slice.
    since: Instant,
    /// False while paused, and when it was stopped then.
    is_held: bool,
}

/// Slots that were given out, and whom to send them to once the lock is free.
type Grants = Vec<(oneshot::Sender<Slot>, Slot)>;

impl Scheduler {
    /// So many slots; so much may wait for one client.
    pub(crate) fn new(slots: usize, max_waiting: usize, report: fn(usize, usize, u64)) -> Scheduler {
        Scheduler::with_slice(slots, max_waiting, report, SLICE)
    }

    fn with_slice(slots: usize, max_waiting: usize, report: fn(usize, usize, u64), slice: Duration) -> Scheduler {
        report(0, 0, 0);
        let (is_awaited, state) = (AtomicBool::new(false), Mutex::default());
        Scheduler { shared: Arc::new(Shared { slots, max_waiting, slice, report, is_awaited, state }) }
    }

    /// Asks for a slot. What is not counted waits whatever else does: its number must be bounded
    /// elsewhere.
    pub(crate) fn enqueue(&self, requester: &Requester, is_counted: bool) -> Result<(Ticket, Turn), QueueFull> {
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
        Ok((Ticket { scheduler: self.clone(), id, requester: requester.clone(), signals }, turn))
    }

    /// How much runs and waits, and how much was cancelled since the start.
    #[cfg(test)]
    pub(crate) fn load(&self) -> (usize, usize, u64) {
        let state = self.lock();
        (state.running.len(), state.waiting, state.cancelled)
    }

    /// Takes all slots, which must be free.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> Vec<(Ticket, Slot)> {
        let take = |_| {
            let (ticket, mut turn) = self.enqueue(&Requester::server(), false).expect("it is not counted");
            (ticket, turn.try_recv().expect("a free slot"))
        };
        (0..self.shared.slots).map(take).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives out free slots.
    fn dispatch(&self, state: &mut State) -> Grants {
        let mut grants = Vec::new();
        while state.running.len() < self.shared.slots
            && let Some((requester, waiter)) = state.pop()
        {
            let Waiter { id, signals, grant, .. } = waiter;
            state.running.push(Running {
                id,
                requester: requester.clone(),
                signals: Arc::clone(&signals),
                promised_to: None,
            });
            let slot = Slot { scheduler: self.clone(), id, requester, signals, since: Instant::now(), is_held: true };
            grants.push((grant, slot));
        }
        grants
    }

    /// Ends a change of the state.
    fn send(&self, state: MutexGuard<'_, State>, grants: Grants) {
        self.shared.is_awaited.store(state.waiting > 0, Ordering::Relaxed);
        (self.shared.report)(state.running.len(), state.waiting, state.cancelled);
        drop(state);
        for (grant, slot) in grants {
            // A slot that nobody takes is dropped, which lets the next one run.
            drop(grant.send(slot));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.signals.cancelled.store(true, Ordering::Relaxed);
        let mut state = self.scheduler.lock();
        let was_waiting = state.forget(&self.requester, self.id);
        let is_running = state.running.iter().any(|running| running.id == self.id);
        state.cancelled += u64::from(was_waiting || is_running);
        self.scheduler.send(state, Vec::new());
    }
}

impl Slot {
    /// Whether the work was cancelled. May block the thread while others have their turn. To be
    /// asked often, without a lock being held.
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

    /// Hands the slot on, and waits until it comes back.
    fn pause(&mut self) {
        let (grant, turn) = oneshot::channel();
        let mut state = self.scheduler.lock();
        // Whoever was cancelled in this moment does not wait: its ticket is gone, and nobody would
        // take it out again.
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

impl Drop for Slot {
    fn drop(&mut self) {
        if self.is_held {
            let mut state = self.scheduler.lock();
            state.running.retain(|running| running.id != self.id);
            let grants = self.scheduler.dispatch(&mut state);
            self.scheduler.send(state, grants);
        }
    }
}

impl State {
    /// Puts something at the end of its session's queue.
    fn push(&mut self, requester: &Requester, waiter: Waiter) {
        let client = match self.clients.entry(requester.client.clone()) {
            Entry::Occupied(client) => client.into_mut(),
            Entry::Vacant(place) => {
                self.order.push_back(requester.client.clone());
                place.insert(Client::default())
            }
        };
        let session = match client.sessions.entry(requester.session) {
            Entry::Occupied(session) => session.into_mut(),
            Entry::Vacant(place) => {
                client.order.push_back(requester.session);
                place.insert(Session::default())
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

    /// Takes out what is to run next.
    fn pop(&mut self) -> Option<(Requester, Waiter)> {
        let mut only_paused = self.paused >= MAX_PAUSED;
        let at = fewest(&self.order, |key| {
            let may = !only_paused || self.clients.get(key)?.paused > 0;
            may.then(|| self.running.iter().filter(|running| running.requester.client == *key).count())
        })?;
        let key = self.order.get(at)?.clone();
        let client = self.clients.get(&key)?;
        only_paused |= client.paused >= MAX_PAUSED_PER_CLIENT;
        let at = fewest(&client.order, |session| {
            let may = !only_paused || client.sessions.get(session)?.paused > 0;
            let requester = Requester { client: key.clone(), session: *session };
            may.then(|| self.running.iter().filter(|running| running.requester == requester).count())
        })?;
        let requester = Requester { client: key, session: *client.order.get(at)? };
        let session = client.sessions.get(&requester.session)?;
        only_paused |= session.paused >= MAX_PAUSED_PER_SESSION;
        let at = session.waiting.iter().position(|waiter| !only_paused || waiter.is_paused)?;
        let waiter = self.remove(&requester, at)?;
        // Their next turn comes after everybody else's.
        to_the_back(&mut self.order, &requester.client);
        if let Some(client) = self.clients.get_mut(&requester.client) {
            to_the_back(&mut client.order, &requester.session);
        }
        Some((requester, waiter))
    }

    /// Takes something out that is not wanted any more. False when it does not wait.
    fn forget(&mut self, requester: &Requester, id: u64) -> bool {
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

    /// Tells somebody to give way to one that has just come, when that makes the shares more equal.
    fn preempt_for(&mut self, requester: &Requester) {
        // Slots that were promised count as those of whom they were promised to.
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

/// The place of the first one with the lowest number, of those that have one.
fn fewest<K>(order: &VecDeque<K>, number: impl Fn(&K) -> Option<usize>) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for (at, key) in order.iter().enumerate() {
        if let Some(number) = number(key)
            && best.is_none_or(|(fewest, _)| number < fewest)
        {
            best = Some((number, at));
            // As many as hold a slot have another number than 0, so the search is short.
            if number == 0 {
                break;
            }
        }
    }
    best.map(|(_, at)| at)
}

/// Moves one that is near the front to the back.
fn to_the_back<K: PartialEq>(order: &mut VecDeque<K>, key: &K) {
    if let Some(at) = order.iter().position(|it| it == key)
        && let Some(key) = order.remove(at)
    {
        order.push_back(key);
    }
}

#[cfg(test)]
mod tests;
