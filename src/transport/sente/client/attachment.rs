//! A client's socket or poll: how it is attached, written to, and dropped.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use perch_sente::frame::Format;

use super::outbox::Outbox;
use super::{ClientTask, Input, Presence, RequestAnswer};
use crate::live::AddressSlot;
use crate::transport::Progress;
use crate::transport::response_budget::ResponseSlot;
use crate::transport::sente::options::Options;

/// The shortest time between two pings that ask a socket to acknowledge what was sent.
const ACK_INTERVAL: Duration = Duration::from_secs(1);

/// An open socket.
pub(super) struct Socket {
    pub(super) stream: Box<WebSocket>,
    _address_slot: Option<Arc<AddressSlot>>,
    /// How many bytes the client has taken.
    pub(super) progress: Progress,
    /// Messages that are ready to be written.
    pub(super) out: Vec<Message>,
    /// Tells this socket from earlier ones, for answers that belong to one socket.
    pub(super) number: u64,
    /// Cancels the searches whose answers would go to a callback on this socket.
    pub(super) gone: DropGuard,
    /// Whether the client that opened it may publish without a token.
    pub(super) is_trusted: bool,
    /// Whether the stream has yet to write its own answer to a ping or a close frame.
    pub(super) owes_answer: bool,
    /// When the client last gave a sign of life.
    pub(super) last_received: Instant,
    pub(super) next_ping: Instant,
    /// The next ping that asks for an acknowledgement goes out no earlier.
    pub(super) next_ack_ping: Instant,
}

impl Socket {
    /// Sends a ping when one is due. Returns whether it was.
    pub(super) fn ping_when_due(&mut self, now: Instant, outbox: &Outbox, options: &Options) -> bool {
        let is_due = now >= self.next_ping;
        if is_due {
            self.next_ping = now + Duration::from_millis(options.ping_interval_ms);
            self.next_ack_ping = now + ACK_INTERVAL;
            self.out.push(Message::Ping(outbox.ping()));
        }
        is_due
    }
}

/// A poll that waits for a batch.
pub(super) struct Poll {
    reply: oneshot::Sender<RequestAnswer>,
    slot: ResponseSlot,
    pub(super) until: Instant,
}

/// Waits for the next message of the socket. Pending without a socket.
pub(super) async fn next_message(socket: &mut Option<Socket>) -> Option<Result<Message, axum::Error>> {
    match socket {
        Some(socket) => next_answered(&mut socket.stream, &mut socket.owes_answer).await,
        None => std::future::pending().await,
    }
}

/// Waits for the next message, once the stream's own answer to the one before is out: the answers
/// to a client that pings and does not read would fill the memory.
async fn next_answered<S>(stream: &mut S, owes_answer: &mut bool) -> Option<Result<Message, axum::Error>>
where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin,
{
    if *owes_answer {
        if let Err(error) = stream.flush().await {
            return Some(Err(error));
        }
        *owes_answer = false;
    }
    let message = stream.next().await;
    *owes_answer = matches!(message, Some(Ok(Message::Ping(_) | Message::Close(_))));
    message
}

/// Waits until the sender of the poll has gone. Pending without a poll.
pub(super) async fn poll_gone(poll: &mut Option<Poll>) {
    match poll {
        Some(poll) => poll.reply.closed().await,
        None => std::future::pending().await,
    }
}

impl ClientTask {
    pub(super) fn attach_socket(
        &mut self,
        (stream, address_slot): (Box<WebSocket>, Option<Arc<AddressSlot>>),
        progress: Progress,
        format: Format,
        is_trusted: bool,
    ) {
        if !self.has_spoken {
            self.format = format;
        }
        self.drop_socket();
        self.answer_poll(self.format.batch([].into_iter()));
        // What the last connection may not have received comes first.
        self.outbox.send_again();
        let now = Instant::now();
        self.n_sockets += 1;
        let handshake = Message::Text(self.format.handshake(&self.id).into());
        self.socket = Some(Socket {
            stream,
            _address_slot: address_slot,
            progress,
            out: if self.is_raw() { Vec::new() } else { vec![handshake] },
            number: self.n_sockets,
            gone: CancellationToken::new().drop_guard(),
            is_trusted,
            owes_answer: false,
            last_received: now,
            next_ping: now + Duration::from_millis(self.endpoint.options.ping_interval_ms),
            next_ack_ping: now,
        });
        tracing::debug!("socket opens");
        self.outbox.make_due();
    }

    pub(super) fn attach_poll(
        &mut self,
        wants_handshake: bool,
        format: Format,
        slot: ResponseSlot,
        reply: oneshot::Sender<RequestAnswer>,
    ) {
        self.drop_socket();
        self.answer_poll(self.format.batch([].into_iter()));
        if wants_handshake || !self.has_polled {
            if wants_handshake || !self.has_spoken {
                // How the client asks for a handshake shows its version.
                let packing = if self.has_spoken { self.format } else { format };
                self.format = Format { version: format.version, ..packing };
            }
            self.has_polled = true;
            self.outbox.send_again();
            self.outbox.make_due();
            let _ = reply.send(RequestAnswer::Frame(self.format.handshake(&self.id)));
            self.set_presence(Presence::Between(Instant::now()));
            return;
        }
        self.outbox.acknowledge_all();
        self.note_position();
        let until = Instant::now() + Duration::from_millis(self.endpoint.options.poll_timeout_ms);
        self.poll = Some(Poll { reply, slot, until });
    }

    pub(super) fn drop_socket(&mut self) {
        if self.socket.take().is_some() {
            self.outbox.send_again();
            tracing::debug!("socket closes");
        }
    }

    /// Answers the poll that waits, if one does. Returns false when its sender has gone or the
    /// response budget has no room. Without room the poll gets 503, and its client polls again.
    pub(super) fn answer_poll(&mut self, frame: String) -> bool {
        let Some(poll) = self.poll.take() else { return false };
        self.set_presence(Presence::Between(Instant::now()));
        poll.slot.reserve_now(frame.len()) && poll.reply.send(RequestAnswer::Frame(frame)).is_ok()
    }

    /// Writes all ready messages to the socket. Drops a socket that takes no byte for the write
    /// timeout (noticed within twice that time), and drops it at once when the client has opened
    /// another.
    pub(super) async fn write(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        if socket.out.is_empty() {
            return;
        }
        let Socket { stream, progress, out, last_received, .. } = socket;
        let write = async {
            for message in out.drain(..) {
                stream.feed(message).await?;
            }
            stream.flush().await
        };
        let timeout = Duration::from_millis(self.endpoint.options.write_timeout_ms);
        let (mut give_up, mut before) = (Instant::now() + timeout, progress.bytes());
        let is_written = {
            tokio::pin!(write);
            loop {
                tokio::select! {
                    biased;
                    written = &mut write => break written.is_ok(),
                    () = sleep_until(give_up) => {
                        let bytes = progress.bytes();
                        if bytes == before {
                            break false;
                        }
                        (give_up, before) = (Instant::now() + timeout, bytes);
                        // The client's pong waits behind what it takes.
                        *last_received = Instant::now();
                    }
                    Some(input) = self.inbox.recv(), if self.stashed.is_none() => {
                        let is_other_socket = matches!(input, Input::Socket { .. });
                        self.stashed = Some(input);
                        if is_other_socket {
                            break false;
                        }
                    }
                }
            }
        };
        if !is_written {
            self.drop_socket();
        }
    }
}

#[cfg(test)]
mod tests;
