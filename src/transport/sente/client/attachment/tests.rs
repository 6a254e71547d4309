use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;

use super::*;

/// Sends pings, and takes answers only while there is room.
#[derive(Default)]
struct Pinger {
    room: usize,
    flushed: usize,
}

impl Stream for Pinger {
    type Item = Result<Message, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Message::Ping(bytes::Bytes::new()))))
    }
}

impl Sink<Message> for Pinger {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), axum::Error> {
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.flushed == self.room {
            return Poll::Pending;
        }
        self.flushed += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_client_that_pings_and_does_not_read_is_not_read_either() {
    let (mut pinger, mut owes_answer) = (Pinger { room: 3, ..Pinger::default() }, false);
    let mut read = |pinger: &mut Pinger| {
        (0..100).filter(|_| next_answered(pinger, &mut owes_answer).now_or_never().is_some()).count()
    };
    assert_eq!(read(&mut pinger), 4, "the answer to the last one waits");
    pinger.room = 5;
    assert_eq!(read(&mut pinger), 2, "and goes out when there is room");
}
