use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A scheduler without time slices.
const FOREVER: Duration = Duration::from_secs(3_600);

fn scheduler(slots: usize, slice: Duration) -> Scheduler {
    Scheduler::with_slice(slots, 1_000, |_, _, _| {}, slice)
}

fn of(client: u8, session: u16) -> Requester {
    let client = ClientKey::at(IpAddr::V4(Ipv4Addr::new(127, 0, 0, client)));
    Requester { client, session: SessionKey::connection(session) }
}

/// Work that waits for a slot, or holds one.
struct Work {
    requester: Requester,
    turn: PendingSlot,
    slot: Option<SearchSlot>,
    // Dropped last.
    _ticket: SearchTicket,
}

impl Work {
    fn new(scheduler: &Scheduler, requester: Requester) -> Work {
        let (ticket, turn) = scheduler.enqueue(&requester, true).expect("there is room");
        Work { requester, turn, slot: None, _ticket: ticket }
    }

    /// Whether it has got its slot.
    fn runs(&mut self) -> bool {
        if self.slot.is_none() {
            self.slot = self.turn.try_recv().ok();
        }
        self.slot.is_some()
    }
}

/// Ends running work, oldest first, and returns the order in which work got slots.
fn order(mut works: Vec<Work>) -> Vec<Requester> {
    let (mut order, mut running) = (Vec::new(), VecDeque::new());
    while !works.is_empty() || !running.is_empty() {
        while let Some(at) = works.iter_mut().position(Work::runs) {
            order.push(works[at].requester.clone());
            running.push_back(works.remove(at));
        }
        drop(running.pop_front().expect("a slot is never lost"));
    }
    order
}

#[test]
fn clients_take_turns_and_so_do_their_sessions() {
    let scheduler = scheduler(1, FOREVER);
    let first = Work::new(&scheduler, of(1, 1));
    let mut works = vec![first];
    // Ten of one session, two of another one of the same client, one of another client.
    works.extend((0..10).map(|_| Work::new(&scheduler, of(1, 1))));
    works.extend((0..2).map(|_| Work::new(&scheduler, of(1, 2))));
    works.push(Work::new(&scheduler, of(2, 1)));
    let order = order(works);
    let places = |requester: Requester| {
        order.iter().enumerate().filter(|(_, it)| **it == requester).map(|(at, _)| at).collect::<Vec<_>>()
    };
    assert_eq!(places(of(2, 1)), [2], "a client waits for one turn of another one");
    assert_eq!(places(of(1, 2)), [3, 5], "{order:?}");
    assert_eq!(scheduler.load(), (0, 0, 0));
}

#[test]
fn a_client_alone_has_all_slots_and_gives_way() {
    let scheduler = scheduler(4, FOREVER);
    let mut greedy: Vec<Work> = (0..8).map(|_| Work::new(&scheduler, of(1, 1))).collect();
    assert_eq!(greedy.iter_mut().filter_map(|work| work.runs().then_some(())).count(), 4);
    let mut other: Vec<Work> = (0..8).map(|_| Work::new(&scheduler, of(2, 1))).collect();
    let told = |works: &[Work]| {
        works
            .iter()
            .filter(|work| work.slot.as_ref().is_some_and(|slot| slot.signals.give_way.load(Ordering::Relaxed)))
            .count()
    };
    assert_eq!(told(&greedy), 2, "until both have as many");
    for work in &mut greedy {
        if work.slot.as_ref().is_some_and(|slot| slot.signals.give_way.load(Ordering::Relaxed)) {
            work.slot = None;
        }
    }
    assert_eq!(other.iter_mut().filter_map(|work| work.runs().then_some(())).count(), 2);
    assert_eq!(told(&greedy) + told(&other), 0);
}

#[test]
fn sessions_of_one_client_give_way_to_each_other() {
    let scheduler = scheduler(2, FOREVER);
    let mut greedy: Vec<Work> = (0..4).map(|_| Work::new(&scheduler, of(1, 1))).collect();
    assert!(greedy[0].runs() && greedy[1].runs());
    let mut other = Work::new(&scheduler, of(1, 2));
    let told = greedy
        .iter_mut()
        .find(|work| work.slot.as_ref().is_some_and(|slot| slot.signals.give_way.load(Ordering::Relaxed)));
    told.expect("one is told to give way").slot = None;
    assert!(other.runs());
}

#[test]
fn so_much_may_wait_for_one_client() {
    let scheduler = Scheduler::with_slice(1, 3, |_, _, _| {}, FOREVER);
    let running = Work::new(&scheduler, of(1, 1));
    let waiting: Vec<Work> = (0..3).map(|session| Work::new(&scheduler, of(1, session))).collect();
    assert_eq!(scheduler.enqueue(&of(1, 9), true).map(drop), Err(QueueFull));
    assert!(scheduler.enqueue(&of(1, 9), false).is_ok(), "what is bounded elsewhere is not counted");
    let _other = Work::new(&scheduler, of(2, 1));
    drop(waiting);
    assert!(scheduler.enqueue(&of(1, 9), true).is_ok());
    drop(running);
}

#[test]
fn addresses_of_one_ipv6_network_are_one_client() {
    let at = |address: &str| ClientKey::at(address.parse().expect("an address"));
    assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
    assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
}

/// Work on a thread that calls `should_stop` until it has had this many time slices.
fn spawn(scheduler: &Scheduler, requester: Requester, steps: usize, done: mpsc::Sender<Requester>) -> SearchTicket {
    let (ticket, turn) = scheduler.enqueue(&requester, true).expect("there is room");
    std::thread::spawn(move || {
        let Ok(mut slot) = turn.blocking_recv() else { return };
        if (0..steps).all(|_| !slot.should_stop()) {
            // The receiver may be gone.
            let _ = done.send(requester);
        }
    });
    ticket
}

#[test]
fn short_work_overtakes_long_work_of_the_same_session() {
    let scheduler = scheduler(1, Duration::ZERO);
    let (done, order) = mpsc::channel();
    let never = spawn(&scheduler, of(1, 1), usize::MAX, done.clone());
    let short = spawn(&scheduler, of(1, 1), 1, done.clone());
    let other = spawn(&scheduler, of(2, 1), 10, done);
    let finished = [(); 2].map(|()| order.recv().expect("the long work makes room"));
    assert!(finished.contains(&of(1, 1)) && finished.contains(&of(2, 1)));
    drop((short, other, never));
    assert!(order.recv().is_err(), "what was cancelled ends");
    assert_eq!(scheduler.load().0, 0);
}

#[test]
fn what_is_paused_can_be_cancelled() {
    let scheduler = scheduler(1, FOREVER);
    let (done, order) = mpsc::channel();
    let (ticket, mut turn) = scheduler.enqueue(&of(1, 1), true).expect("there is room");
    let mut slot = turn.try_recv().expect("a free slot");
    slot.signals.give_way.store(true, Ordering::Relaxed);
    let mut next = Work::new(&scheduler, of(2, 1));
    let paused = std::thread::spawn(move || {
        let stopped = slot.should_stop();
        let _ = done.send(stopped);
    });
    // Pausing frees the slot.
    while !next.runs() {
        std::thread::yield_now();
    }
    assert_eq!(scheduler.load(), (1, 1, 0));
    drop(ticket);
    assert_eq!(order.recv(), Ok(true));
    paused.join().expect("no panic");
    assert_eq!(scheduler.load(), (1, 0, 1));
    let Work { slot, _ticket: ticket, .. } = next;
    drop(ticket);
    assert!(slot.expect("it runs").should_stop(), "one that holds its slot is told too");
    assert_eq!(scheduler.load(), (0, 0, 2));
}

#[test]
fn only_so_much_is_paused() {
    let scheduler = scheduler(1, Duration::ZERO);
    let (done, _order) = mpsc::channel();
    // Endless work of more sessions than the limit of paused work.
    let tickets: Vec<SearchTicket> =
        (0..40).map(|session| spawn(&scheduler, of(1, session), usize::MAX, done.clone())).collect();
    let most = AtomicUsize::new(0);
    for _ in 0..2_000 {
        let state = scheduler.lock();
        let paused = state.paused;
        drop(state);
        most.fetch_max(paused, Ordering::Relaxed);
        std::thread::yield_now();
    }
    let most = most.into_inner();
    assert!(most <= MAX_PAUSED_PER_CLIENT, "{most}");
    drop(tickets);
}

/// A step of a scenario.
#[derive(Clone, Debug)]
enum Step {
    Enqueue(u8, u16),
    /// Running work ends.
    End(prop::sample::Index),
    /// Work is cancelled, running or not.
    Cancel(prop::sample::Index),
    /// The receiver of waiting work is dropped, its ticket is not.
    Abandon(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_u8..4, 0_u16..3).prop_map(|(client, session)| Step::Enqueue(client, session)),
        3 => any::<prop::sample::Index>().prop_map(Step::End),
        2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => any::<prop::sample::Index>().prop_map(Step::Abandon),
    ]
}

proptest! {
    #[test]
    fn no_slot_is_lost_and_none_is_given_twice(slots in 1_usize..5, steps in vec(step(), 1..80)) {
        let scheduler = scheduler(slots, FOREVER);
        let mut works: Vec<Work> = Vec::new();
        let mut abandoned: Vec<SearchTicket> = Vec::new();
        for step in steps {
            match step {
                Step::Enqueue(client, session) => works.push(Work::new(&scheduler, of(client, session))),
                Step::End(at) if works.iter_mut().any(Work::runs) => {
                    let running: Vec<usize> = (0..works.len()).filter(|&at| works[at].runs()).collect();
                    drop(works.remove(running[at.index(running.len())]));
                }
                Step::Cancel(at) if !works.is_empty() => drop(works.remove(at.index(works.len()))),
                Step::Abandon(at) if !works.is_empty() => {
                    let Work { _ticket: ticket, .. } = works.remove(at.index(works.len()));
                    abandoned.push(ticket);
                }
                Step::End(_) | Step::Cancel(_) | Step::Abandon(_) => {}
            }
            let running = works.iter_mut().filter_map(|work| work.runs().then_some(())).count();
            let waiting = works.len() - running;
            prop_assert!(running <= slots);
            prop_assert!(waiting == 0 || running == slots, "{running} of {slots} run and {waiting} wait");
            let (held, queued, _) = scheduler.load();
            prop_assert_eq!(held, running);
            prop_assert!(queued >= waiting && queued <= waiting + abandoned.len());
        }
        let n = works.len();
        prop_assert_eq!(order(works).len(), n);
        drop(abandoned);
        let (running, waiting, _) = scheduler.load();
        prop_assert_eq!((running, waiting), (0, 0));
        let state = scheduler.lock();
        prop_assert!(state.clients.is_empty() && state.order.is_empty());
    }

    #[test]
    fn shares_are_equal(slots in 1_usize..4, clients in vec(1_usize..20, 2..6)) {
        let scheduler = scheduler(slots, FOREVER);
        let blocked = scheduler.take_all();
        let mut works = Vec::new();
        for (client, n) in (1..).zip(&clients) {
            works.extend((0..*n).map(|_| Work::new(&scheduler, of(client, 1))));
        }
        drop(blocked);
        let order = order(works);
        // Of the first grants, each client has had its share, or all that it asked for.
        for n in 1..=order.len() {
            for (client, wanted) in (1..).zip(&clients) {
                let had = order[..n].iter().filter(|it| **it == of(client, 1)).count();
                let share = n / clients.len();
                prop_assert!(had + slots >= share.min(*wanted), "client {client}: {had} of {n}");
            }
        }
    }
}
