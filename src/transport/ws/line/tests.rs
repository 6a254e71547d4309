use futures_util::task::noop_waker_ref;

use super::*;

/// Takes so many bytes and then no more, and remembers each write.
#[derive(Default)]
struct Pipe {
    room: usize,
    writes: Vec<Vec<u8>>,
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(self.room).collect();
        if bytes.is_empty() {
            return Poll::Pending;
        }
        let n = bytes.len();
        self.room -= n;
        self.writes.push(bytes);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn context() -> Context<'static> {
    Context::from_waker(noop_waker_ref())
}

fn line(room: usize) -> Line<Pipe> {
    Line::new(Pipe { room, ..Pipe::default() })
}

fn send(line: &mut Line<Pipe>, room: usize) -> bool {
    line.io.room = room;
    line.poll_send(&mut context()).is_ready()
}

fn written(line: &Line<Pipe>) -> Vec<u8> {
    line.io.writes.concat()
}

/// What a client reads out of the bytes.
fn frames(bytes: &[u8]) -> Vec<String> {
    let mut socket = tokio_tungstenite::tungstenite::protocol::frame::FrameSocket::new(io::Cursor::new(bytes.to_vec()));
    std::iter::from_fn(|| socket.read(None).expect("whole frames"))
        .map(|frame| frame.into_text().expect("text").to_string())
        .collect()
}

#[test]
fn what_waits_goes_out_in_one_write() {
    let mut line = line(0);
    for text in ["one", "two", "three"] {
        line.push_text(text, Mark::None);
    }
    line.push_ping();
    assert!(send(&mut line, 1_000));
    assert_eq!(line.io.writes, [b"\x81\x03one\x81\x03two\x81\x05three\x89\x00".to_vec()]);
    assert_eq!(line.waiting_bytes(), 0);
}

#[test]
fn frames_of_any_length_are_read_as_they_were_sent_wherever_writes_are_cut() {
    for room in [1, 7, 1_000, usize::MAX] {
        let texts: Vec<String> = [0, 1, 125, 126, 127, 65_535, 65_536].map(|len| "x".repeat(len)).into();
        let mut line = line(0);
        for text in &texts {
            line.push_text(text.clone(), Mark::None);
        }
        let mut bytes = line.waiting_bytes();
        while !send(&mut line, room) {
            assert_eq!(line.waiting_bytes(), bytes - room, "what waits is counted");
            bytes = line.waiting_bytes();
        }
        assert_eq!(frames(&written(&line)), texts, "{room} bytes at a time");
    }
}

#[test]
fn more_frames_than_fit_in_a_write_go_out_in_some() {
    let mut line = line(0);
    let texts: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    for text in &texts {
        line.push_text(text.clone(), Mark::None);
    }
    assert!(send(&mut line, usize::MAX));
    assert_eq!(frames(&written(&line)), texts);
    assert!(line.io.writes.len() <= 1_000 / (MAX_SLICES / 2) + 1, "{} writes", line.io.writes.len());
    assert!(line.waiting.capacity() <= KEPT_PIECES, "an idle line is small");
}

#[test]
fn what_tungstenite_writes_never_comes_between_the_bytes_of_a_frame() {
    let mut line = line(0);
    line.push_text("a frame that is cut", Mark::None);
    assert!(!send(&mut line, 4));
    let pong = Pin::new(&mut line).poll_write(&mut context(), b"\x8a\x00");
    assert!(matches!(pong, Poll::Ready(Ok(2))));
    line.push_text("next", Mark::None);
    assert!(send(&mut line, usize::MAX));
    assert_eq!(written(&line), b"\x81\x13a frame that is cut\x8a\x00\x81\x04next");
}

#[test]
fn a_client_that_pings_and_does_not_read_is_held_up() {
    let mut line = line(0);
    let mut taken = 0;
    while let Poll::Ready(written) = Pin::new(&mut line).poll_write(&mut context(), &[0x8a, 0]) {
        taken += written.expect("it waits");
        assert!(taken <= MAX_REPLY_BYTES + 2, "bounded");
    }
}

#[test]
fn the_last_tweet_that_a_slow_client_gets_is_known() {
    let mut line = line(0);
    for seq in 1..=3 {
        line.push_text("tweet", Mark::Tweet(Seq(seq)));
    }
    assert_eq!(line.seq(), None);
    // The first is through, the second has begun.
    assert!(!send(&mut line, 10));
    line.drop_waiting();
    assert_eq!(line.seq(), Some(Seq(2)));
    assert_eq!(line.waiting_bytes(), 4, "the rest of the second");
    line.push_text("bye", Mark::None);
    assert!(send(&mut line, usize::MAX));
    assert_eq!(frames(&written(&line)), ["tweet", "tweet", "bye"]);

    line.push_text("tweet", Mark::Tweet(Seq(9)));
    line.drop_waiting();
    assert_eq!((line.seq(), line.waiting_bytes()), (Some(Seq(2)), 0), "9 has not begun");
}

#[test]
fn the_position_is_good_for_a_subscription_that_is_owed_more() {
    let told = |pieces: &[(Mark, bool)]| {
        let mut line = line(0);
        for &(mark, goes_out) in pieces {
            line.push_text("frame", mark);
            if goes_out {
                assert!(send(&mut line, usize::MAX));
            }
        }
        line.drop_waiting();
        line.seq()
    };
    let (tweet, owed) = (|seq| Mark::Tweet(Seq(seq)), |since| Mark::Owed(Seq(since)));
    // Whether its answer went out or not.
    assert_eq!(told(&[(tweet(9), true), (owed(2), true)]), Some(Seq(2)));
    assert_eq!(told(&[(tweet(9), true), (owed(2), false)]), Some(Seq(2)));
    assert_eq!(told(&[(tweet(9), true), (owed(2), true), (Mark::None, true)]), Some(Seq(2)));
    // It catches up from there, in order.
    assert_eq!(told(&[(tweet(9), true), (owed(2), true), (tweet(4), true)]), Some(Seq(4)));
    assert_eq!(told(&[(tweet(9), true), (owed(2), true), (tweet(4), false)]), Some(Seq(2)));
    assert_eq!(told(&[(tweet(9), true), (owed(2), false), (tweet(4), false), (owed(1), false)]), Some(Seq(1)));
    // A later position takes nothing back, and without a tweet nothing is known.
    assert_eq!(told(&[(tweet(9), true), (owed(20), true)]), Some(Seq(9)));
    assert_eq!(told(&[(owed(2), true), (tweet(4), false)]), None);
}

#[test]
fn bytes_that_are_taken_are_a_sign_of_life_when_there_was_no_room_before() {
    const SECOND: Duration = Duration::from_secs(1);
    let mut line = line(0);
    assert_eq!(line.stuck_for(Instant::now()), None, "nothing waits");
    let begin = Instant::now();
    line.push_text("0123456789", Mark::None);
    assert_eq!(line.stuck_for(begin), Some(Duration::ZERO));
    assert!(line.stuck_for(Instant::now() + SECOND) >= Some(SECOND));

    let some = Instant::now();
    assert!(!send(&mut line, 5));
    assert_eq!(line.stuck_for(some), Some(Duration::ZERO));
    assert_eq!(line.drained(), None, "the socket of a client that is gone takes some too");

    let none = Instant::now();
    assert!(!send(&mut line, 0));
    assert!(line.stuck_for(none + SECOND) >= Some(SECOND), "nothing was taken");

    let more = Instant::now();
    assert!(!send(&mut line, 1));
    assert_eq!(line.stuck_for(more), Some(Duration::ZERO));
    assert!(line.drained() >= Some(more));
    assert!(send(&mut line, usize::MAX));
    assert_eq!(line.stuck_for(Instant::now()), None);
}

#[test]
fn an_answer_that_found_no_room_is_tried_again() {
    let mut line = line(0);
    line.push_text(vec![b'a'; MAX_REPLY_BYTES + 1], Mark::None);
    assert!(Pin::new(&mut line).poll_write(&mut context(), b"pong").is_pending());
    assert!(line.refuses(), "nothing more is to be read");
    assert!(!send(&mut line, 1_000));
    assert!(!line.refuses(), "there is room again, though not all is written");
    assert!(send(&mut line, MAX_REPLY_BYTES));
    assert!(line.take_refused(), "a read has to try again");
    assert!(!line.take_refused(), "once");
    assert!(Pin::new(&mut line).poll_write(&mut context(), b"pong").is_ready());
    assert!(!line.take_refused());
}
