use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::index::retention::{Retention, RetentionState};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
const AGE: u64 = 30 * DAY;

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap()
}

/// Clocks that a test sets.
#[derive(Debug)]
pub(in crate::index) struct FakeTime {
    /// Below zero the wall clock shows zero, so that it is right again after a jump back.
    wall_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl FakeTime {
    pub(in crate::index) fn new() -> Arc<FakeTime> {
        Arc::new(FakeTime { wall_ms: AtomicI64::new(signed(20_000 * DAY)), monotonic_ms: AtomicU64::new(0) })
    }

    pub(in crate::index) fn pass(&self, ms: u64) {
        self.jump(signed(ms));
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Moves the wall clock only.
    pub(in crate::index) fn jump(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl TimeSource for FakeTime {
    fn wall_ms(&self) -> u64 {
        u64::try_from(self.wall_ms.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
    }
}

/// What retention keeps of tweets that arrive one by one.
struct Machine {
    time: Arc<FakeTime>,
    /// The time by a clock that is right.
    now_ms: u64,
    clock: RetentionClock,
    retained: RetentionState,
    /// What the last commit holds.
    stored: (RetentionState, Option<StoredClock>),
    /// When the tweet of each seq arrived; the first has seq 1.
    arrived_ms: Vec<u64>,
    jumps: usize,
}

const RETENTION: Retention = Retention { age: Some(Duration::from_millis(AGE)), size_bytes: None };

impl Machine {
    fn new() -> Machine {
        let time = FakeTime::new();
        let (clock, _) = RetentionClock::start(Arc::<FakeTime>::clone(&time), None, None, Seq::ZERO);
        let (retained, stored) = <(RetentionState, (RetentionState, Option<StoredClock>))>::default();
        Machine { time, now_ms: 0, clock, retained, stored, arrived_ms: Vec::new(), jumps: 0 }
    }

    fn last(&self) -> Seq {
        Seq(self.arrived_ms.len() as u64)
    }

    /// Lets time pass, with a look at the clock every ten minutes.
    fn run(&mut self, ms: u64) {
        for step in std::iter::repeat_n(600 * SECOND, usize::try_from(ms / (600 * SECOND)).unwrap())
            .chain([ms % (600 * SECOND)])
        {
            self.time.pass(step);
            self.now_ms += step;
            self.look();
        }
    }

    fn look(&mut self) {
        let Reading { now_ms, aged, jump } = self.clock.read();
        self.jumps += usize::from(jump.is_some());
        self.retained.age(aged.0, aged.1);
        if self.retained.cut(&RETENTION, now_ms, &[]).is_some() {
            self.commit();
        }
    }

    fn commit(&mut self) {
        self.stored = (self.retained.clone(), Some(self.clock.stored()));
    }

    /// A tweet arrives and is committed.
    fn arrive(&mut self) {
        self.look();
        self.arrived_ms.push(self.now_ms);
        let now_ms = self.clock.read().now_ms;
        self.retained.mark(&RETENTION, self.last(), now_ms);
        self.commit();
    }

    fn restart(&mut self, downtime_ms: u64) {
        self.time.jump(signed(downtime_ms));
        self.now_ms += downtime_ms;
        self.retained = self.stored.0.clone();
        let newest = self.retained.newest_arrival_ms();
        let time = Arc::<FakeTime>::clone(&self.time);
        self.clock = RetentionClock::start(time, self.stored.1.as_ref(), newest, self.last()).0;
    }

    fn kept(&self) -> u64 {
        self.last().0 + 1 - self.retained.first_seq().0.max(1)
    }

    /// The age of the youngest tweet that was deleted.
    fn youngest_deleted(&self) -> Option<u64> {
        let deleted = usize::try_from(self.retained.first_seq().0.saturating_sub(1)).unwrap();
        self.arrived_ms[..deleted].last().map(|at| self.now_ms - at)
    }
}

#[test]
fn a_clock_that_jumps_while_perch_runs_deletes_nothing() {
    for jump in [40 * DAY, 10_000 * DAY] {
        let jump = i64::try_from(jump).unwrap();
        for (away, back) in [(jump, -jump), (-jump, jump), (jump, 0), (-jump, 0)] {
            let mut machine = Machine::new();
            (0..100).for_each(|_| {
                machine.run(SECOND);
                machine.arrive();
            });
            machine.time.jump(away);
            machine.run(2_500);
            machine.arrive();
            machine.run(10 * DAY);
            machine.time.jump(back);
            machine.run(19 * DAY);
            assert_eq!((machine.kept(), machine.jumps), (101, 1 + usize::from(back != 0)));
            machine.run(DAY + AGE / 100);
            assert_eq!(machine.kept(), 0, "they go when they are as old as that");
        }
    }
}

#[test]
fn a_clock_that_is_wrong_at_the_start_deletes_nothing() {
    for wrong in [40 * DAY, 10_000 * DAY] {
        let wrong = i64::try_from(wrong).unwrap();
        for wrong in [wrong, -wrong] {
            let mut machine = Machine::new();
            machine.arrive();
            machine.run(20 * DAY);
            machine.arrive();
            machine.time.jump(wrong);
            machine.restart(60 * SECOND);
            machine.run(2_500);
            machine.arrive();
            // Another start while the clock is still wrong, and one when it is right again.
            machine.restart(60 * SECOND);
            machine.run(2_500);
            machine.arrive();
            machine.time.jump(-wrong);
            machine.run(2_500);
            machine.arrive();
            machine.restart(60 * SECOND);
            machine.run(9 * DAY);
            assert_eq!(machine.kept(), 5);
            machine.run(DAY + AGE / 100);
            assert_eq!(machine.kept(), 4);
            machine.run(21 * DAY);
            assert_eq!(machine.kept(), 0);
        }
    }
}

#[test]
fn a_downtime_counts_once_perch_has_run_for_as_long() {
    let mut machine = Machine::new();
    machine.arrive();
    machine.run(5 * DAY);
    machine.arrive();
    machine.restart(10 * DAY);
    machine.arrive();
    machine.run(7 * DAY + 12 * HOUR - AGE / 100);
    // By now 7.5 days of the downtime count: the first is taken for 20 days old.
    assert_eq!(machine.kept(), 3);
    machine.run(2 * DAY + 12 * HOUR + AGE / 100);
    machine.run(4 * DAY);
    assert_eq!(machine.kept(), 3, "29 days old");
    machine.run(DAY + AGE / 100);
    assert_eq!(machine.kept(), 2, "30 days old");
    machine.run(5 * DAY);
    assert_eq!(machine.kept(), 1, "what arrived afterwards is not older for that");
    machine.run(9 * DAY);
    assert_eq!(machine.kept(), 1);
    machine.run(DAY);
    assert_eq!(machine.kept(), 0);
}

#[test]
fn a_downtime_is_not_forgotten_by_another_start() {
    let mut machine = Machine::new();
    machine.arrive();
    machine.restart(20 * DAY);
    machine.arrive();
    machine.run(HOUR);
    machine.arrive();
    machine.restart(60 * SECOND);
    machine.arrive();
    machine.run(15 * DAY + AGE / 100);
    assert_eq!(
        (machine.kept(), machine.youngest_deleted().is_some()),
        (3, true),
        "35 days old, all but the first are 15"
    );
}

#[test]
fn an_index_without_a_clock_has_its_newest_arrival() {
    let mut machine = Machine::new();
    machine.arrive();
    // As an older perch left it: marks by the wall clock.
    let marks = serde_json::json!({"first_seq": 0, "marks": [[1, machine.time.wall_ms()]]});
    machine.stored = (serde_json::from_value(marks).unwrap(), None);
    machine.restart(31 * DAY);
    machine.run(14 * DAY);
    assert_eq!(machine.kept(), 1);
    machine.run(2 * DAY);
    assert_eq!(machine.kept(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Run(u64),
    Arrive,
    /// The wall clock is wrong by so much for some time, or stays so.
    Wrong(i64, u64, bool),
    Restart(u64),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_deleted_early_when_the_clock_is_right_at_each_start(steps in vec(prop_oneof![
        (0..10 * DAY).prop_map(Step::Run),
        Just(Step::Arrive),
        Just(Step::Arrive),
        (-800_000_000..800_000_000_i64, 0..DAY, any::<bool>()).prop_map(|(by, ms, stays)| Step::Wrong(by * 1_000, ms, stays)),
        (0..20 * DAY).prop_map(Step::Restart),
    ], 1..30)) {
        let mut machine = Machine::new();
        let mut wrong_by = 0;
        for step in steps {
            match step {
                Step::Run(ms) => machine.run(ms),
                Step::Arrive => machine.arrive(),
                Step::Wrong(by, ms, stays) => {
                    machine.time.jump(by);
                    machine.arrive();
                    machine.run(ms);
                    if stays { wrong_by += by } else { machine.time.jump(-by) }
                }
                Step::Restart(ms) => {
                    machine.time.jump(-wrong_by);
                    wrong_by = 0;
                    machine.restart(ms);
                }
            }
            let youngest = machine.youngest_deleted();
            prop_assert!(youngest.is_none_or(|age| age >= AGE), "{youngest:?}");
        }
        machine.run(AGE + AGE / 100 + 600 * SECOND);
        prop_assert_eq!(machine.kept(), 0, "old tweets stay");
    }
}
