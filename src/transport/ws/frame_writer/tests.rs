use futures_util::task::noop_waker_ref;

use super::*;

/// Takes up to `room` bytes, and records each write.
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

fn writer_with_room(room: usize) -> FrameWriter<Pipe> {
    FrameWriter::new(Pipe { room, ..Pipe::default() })
}

fn send(writer: &mut FrameWriter<Pipe>, room: usize) -> bool {
    writer.io.room = room;
    writer.poll_send(&mut context()).is_ready()
}

fn written(writer: &FrameWriter<Pipe>) -> Vec<u8> {
    writer.io.writes.concat()
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
    let mut writer = writer_with_room(0);
    for text in ["one", "two", "three"] {
        writer.push_text(text, ResumePoint::None);
    }
    writer.push_ping();
    assert!(send(&mut writer, 1_000));
    assert_eq!(writer.io.writes, [b"\x81\x03one\x81\x03two\x81\x05three\x89\x00".to_vec()]);
    assert_eq!(writer.waiting_bytes(), 0);
}

#[test]
fn frames_of_any_length_are_read_as_they_were_sent_wherever_writes_are_cut() {
    for room in [1, 7, 1_000, usize::MAX] {
        let texts: Vec<String> = [0, 1, 125, 126, 127, 65_535, 65_536].map(|len| "x".repeat(len)).into();
        let mut writer = writer_with_room(0);
        for text in &texts {
            writer.push_text(text.clone(), ResumePoint::None);
        }
        let mut bytes = writer.waiting_bytes();
        while !send(&mut writer, room) {
            assert_eq!(writer.waiting_bytes(), bytes - room, "what waits is counted");
            bytes = writer.waiting_bytes();
        }
        assert_eq!(frames(&written(&writer)), texts, "{room} bytes at a time");
    }
}

#[test]
fn more_frames_than_fit_in_a_write_go_out_in_some() {
    let mut writer = writer_with_room(0);
    let texts: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    for text in &texts {
        writer.push_text(text.clone(), ResumePoint::None);
    }
    assert!(send(&mut writer, usize::MAX));
    assert_eq!(frames(&written(&writer)), texts);
    assert!(writer.io.writes.len() <= 1_000 / (MAX_SLICES / 2) + 1, "{} writes", writer.io.writes.len());
    assert!(writer.waiting.capacity() <= KEPT_FRAMES, "an idle writer is small");
}

#[test]
fn what_tungstenite_writes_never_comes_between_the_bytes_of_a_frame() {
    let mut writer = writer_with_room(0);
    writer.push_text("a frame that is cut", ResumePoint::None);
    assert!(!send(&mut writer, 4));
    let pong = Pin::new(&mut writer).poll_write(&mut context(), b"\x8a\x00");
    assert!(matches!(pong, Poll::Ready(Ok(2))));
    writer.push_text("next", ResumePoint::None);
    assert!(send(&mut writer, usize::MAX));
    assert_eq!(written(&writer), b"\x81\x13a frame that is cut\x8a\x00\x81\x04next");
}

#[test]
fn a_client_that_pings_and_does_not_read_is_held_up() {
    let mut writer = writer_with_room(0);
    let mut taken = 0;
    while let Poll::Ready(written) = Pin::new(&mut writer).poll_write(&mut context(), &[0x8a, 0]) {
        taken += written.expect("it waits");
        assert!(taken <= MAX_REPLY_BYTES + 2, "bounded");
    }
}

#[test]
fn the_last_tweet_that_a_slow_client_gets_is_known() {
    let mut writer = writer_with_room(0);
    for seq in 1..=3 {
        writer.push_text("tweet", ResumePoint::Tweet(Seq(seq)));
    }
    assert_eq!(writer.seq(), None);
    // The first is through, the second has begun.
    assert!(!send(&mut writer, 10));
    writer.drop_waiting();
    assert_eq!(writer.seq(), Some(Seq(2)));
    assert_eq!(writer.waiting_bytes(), 4, "the rest of the second");
    writer.push_text("bye", ResumePoint::None);
    assert!(send(&mut writer, usize::MAX));
    assert_eq!(frames(&written(&writer)), ["tweet", "tweet", "bye"]);

    writer.push_text("tweet", ResumePoint::Tweet(Seq(9)));
    writer.drop_waiting();
    assert_eq!((writer.seq(), writer.waiting_bytes()), (Some(Seq(2)), 0), "9 has not begun");
}

#[test]
fn the_position_is_good_for_a_subscription_that_is_owed_more() {
    let told = |pieces: &[(ResumePoint, bool)]| {
        let mut writer = writer_with_room(0);
        for &(resume_point, goes_out) in pieces {
            writer.push_text("frame", resume_point);
            if goes_out {
                assert!(send(&mut writer, usize::MAX));
            }
        }
        writer.drop_waiting();
        writer.seq()
    };
    let (tweet, owed) = (|seq| ResumePoint::Tweet(Seq(seq)), |since| ResumePoint::Owed(Seq(since)));
    // Whether its answer went out or not.
    assert_eq!(told(&[(tweet(9), true), (owed(2), true)]), Some(Seq(2)));
    assert_eq!(told(&[(tweet(9), true), (owed(2), false)]), Some(Seq(2)));
    assert_eq!(told(&[(tweet(9), true), (owed(2), true), (ResumePoint::None, true)]), Some(Seq(2)));
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
    let mut writer = writer_with_room(0);
    assert_eq!(writer.stuck_for(Instant::now()), None, "nothing waits");
    let begin = Instant::now();
    writer.push_text("0123456789", ResumePoint::None);
    assert_eq!(writer.stuck_for(begin), Some(Duration::ZERO));
    assert!(writer.stuck_for(Instant::now() + SECOND) >= Some(SECOND));

    let some = Instant::now();
    assert!(!send(&mut writer, 5));
    assert_eq!(writer.stuck_for(some), Some(Duration::ZERO));
    assert_eq!(writer.drained(), None, "the socket of a client that is gone takes some too");

    let none = Instant::now();
    assert!(!send(&mut writer, 0));
    assert!(writer.stuck_for(none + SECOND) >= Some(SECOND), "nothing was taken");

    let more = Instant::now();
    assert!(!send(&mut writer, 1));
    assert_eq!(writer.stuck_for(more), Some(Duration::ZERO));
    assert!(writer.drained() >= Some(more));
    assert!(send(&mut writer, usize::MAX));
    assert_eq!(writer.stuck_for(Instant::now()), None);
}

#[test]
fn an_answer_that_found_no_room_is_tried_again() {
    let mut writer = writer_with_room(0);
    writer.push_text(vec![b'a'; MAX_REPLY_BYTES + 1], ResumePoint::None);
    assert!(Pin::new(&mut writer).poll_write(&mut context(), b"pong").is_pending());
    assert!(writer.refuses(), "nothing more is to be read");
    assert!(!send(&mut writer, 1_000));
    assert!(!writer.refuses(), "there is room again, though not all is written");
    assert!(send(&mut writer, MAX_REPLY_BYTES));
    assert!(writer.take_refused(), "a read has to try again");
    assert!(!writer.take_refused(), "once");
    assert!(Pin::new(&mut writer).poll_write(&mut context(), b"pong").is_ready());
    assert!(!writer.take_refused());
}
