use std::collections::VecDeque;
use std::io::Cursor;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, duplex, join};
use tokio::task::unconstrained;
use tokio_tungstenite::tungstenite::protocol::Role;

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
    let (read_ready, mut source) = (ReadReadiness::new(), Source::default());
    let poll = |source: &mut Source| read_ready.poll(&context, |context| source.poll(context));

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

    read_ready.ask();
    assert_eq!(read_ready.poll(&context, |context| source.poll(context)), Poll::Pending);
    assert_eq!(source.asked, 6, "once more, because it was to be asked");
}

#[tokio::test]
async fn a_client_that_pings_and_does_not_read_is_read_no_further_and_loses_nothing() {
    const PINGS: usize = 5_000;
    // Masked by zeros, so as they stand; the last can be told from the others.
    let ping = |byte: u8| [&[0x89, 0x80 | 0x7d, 0, 0, 0, 0][..], &[byte; 125]].concat();
    let sent = [ping(b'a').repeat(PINGS - 1), ping(b'z')].concat();
    let (mut client, out) = duplex(1024);
    let writer = FrameWriter::new(join(Cursor::new(sent), out));
    let mut socket = WebSocketStream::from_raw_socket(writer, Role::Server, None).await;
    let read_ready = ReadReadiness::new();
    let (mut pings, mut answers, mut is_stuck) = (0, Vec::new(), 0);
    while pings < PINGS {
        let has_work = socket.get_ref().has_work();
        match unconstrained(io_event(&mut socket, &read_ready, has_work, true)).now_or_never() {
            Some(IoEvent::Read(Some(Ok(Message::Ping(_))))) => pings += 1,
            Some(IoEvent::Wrote(Ok(()))) => {}
            Some(other) => panic!("{other:?}"),
            None => {
                if is_stuck == 0 {
                    assert!(pings < 1_000, "{pings} were read, and nothing was taken");
                }
                is_stuck += 1;
                let mut some = [0; 1024];
                let n = client.read(&mut some).await.expect("there is something");
                answers.extend_from_slice(&some[..n]);
            }
        }
    }
    assert!(is_stuck > 100);
    while !answers.ends_with(b"z") {
        let has_work = socket.get_ref().has_work();
        let _ = unconstrained(io_event(&mut socket, &read_ready, has_work, true)).now_or_never();
        let mut some = [0; 1024];
        let n = client.read(&mut some).await.expect("the last answer comes");
        answers.extend_from_slice(&some[..n]);
    }
}
