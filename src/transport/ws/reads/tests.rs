use std::collections::VecDeque;

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Task(std::sync::atomic::AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A socket: what it has, how often it was asked, and whom it wakes.
#[derive(Default)]
struct Source {
    has: VecDeque<u32>,
    asked: usize,
    waker: Option<Waker>,
}

impl Source {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<u32> {
        self.asked += 1;
        self.waker = Some(context.waker().clone());
        self.has.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn give(&mut self, what: u32) {
        self.has.push_back(what);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[test]
fn a_socket_is_asked_when_it_has_something_and_otherwise_left_alone() {
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let context = Context::from_waker(&waker);
    let (reads, mut source) = (Reads::new(), Source::default());
    let poll = |source: &mut Source| reads.poll(&context, |context| source.poll(context));

    source.give(1);
    source.give(2);
    assert_eq!([poll(&mut source), poll(&mut source)], [Poll::Ready(1), Poll::Ready(2)], "what was there before");
    for _ in 0..10 {
        assert_eq!(poll(&mut source), Poll::Pending);
    }
    assert_eq!((source.asked, task.0.load(Ordering::Relaxed)), (3, 0), "once to learn that there is nothing");

    source.give(3);
    assert_eq!(task.0.load(Ordering::Relaxed), 1, "the task is woken");
    assert_eq!([poll(&mut source), poll(&mut source)], [Poll::Ready(3), Poll::Pending]);
    assert_eq!(source.asked, 5);

    reads.ask();
    assert_eq!(reads.poll(&context, |context| source.poll(context)), Poll::Pending);
    assert_eq!(source.asked, 6, "once more, because it was to be asked");
}
