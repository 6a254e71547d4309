//! Handles the frames of a client, which come by a socket or a POST, and pongs.

use axum::extract::ws::Message;
use perch_sente::Value;
use perch_sente::frame::{Format, Inbound};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::commands::ReplyTo;
use super::{ClientTask, RequestAnswer};
use crate::telemetry;
use crate::transport::errors::{ApiError, Code};
use crate::transport::sente::KIND;

/// The answer to an event without a callback.
fn no_callback() -> Value {
    Value::keyword("chsk/dummy-cb-200")
}

impl ClientTask {
    /// Handles a message of the socket.
    pub(super) fn message(&mut self, message: Option<Result<Message, axum::Error>>) {
        let Some(socket) = &mut self.socket else { return };
        socket.last_received = Instant::now();
        // Every message costs something to read and to answer, so every message counts. Above the
        // rate TCP slows the client down, and nothing is lost.
        let wait = self.budget.charge(socket.last_received);
        self.unread_until = wait.map(|wait| socket.last_received + wait);
        match message {
            Some(Ok(Message::Text(frame))) => {
                let (number, is_trusted) = (socket.number, socket.is_trusted);
                self.frame(&frame, number, is_trusted);
            }
            Some(Ok(Message::Binary(_))) => telemetry::event_dropped(KIND.name, &"a binary frame"),
            Some(Ok(Message::Pong(payload))) => {
                self.outbox.acknowledge(&payload);
                self.note_position();
            }
            // The socket answers both by itself, and ends behind a close frame.
            Some(Ok(Message::Ping(_) | Message::Close(_))) => {}
            Some(Err(_)) | None => self.drop_socket(),
        }
    }

    fn frame(&mut self, frame: &str, number: u64, is_trusted: bool) {
        let max = self.endpoint.context.limits.max_frame_bytes;
        if frame.len() > max {
            telemetry::event_dropped(KIND.name, &"a frame that is too large");
            let callback = if self.is_raw() { None } else { Format::read_callback(frame, self.format.packing) };
            if let Some((callback, format)) = callback {
                let to = ReplyTo::Socket { callback, format, number };
                return self.reply_keyword(to, "chsk/error");
            }
            let message = format!("the frame is longer than {max} bytes");
            return self.answer(ReplyTo::Push, Err(ApiError::new(Code::TooLarge, message)));
        }
        let read = if self.is_raw() { Format::read_raw } else { Format::read };
        match read(frame, self.format.packing) {
            Ok(inbound) => {
                self.record_contact(&inbound);
                let to = match inbound.callback {
                    Some(callback) => ReplyTo::Socket { callback, format: inbound.format, number },
                    None => ReplyTo::Push,
                };
                // A command that was read is carried out. Above the rate, perch then stops reading
                // until the average is back under the limit.
                if !self.session.charge(Instant::now()) {
                    telemetry::turned_away("commands");
                }
                self.event(inbound.event, is_trusted, to);
            }
            Err(error) => telemetry::event_dropped(KIND.name, &error),
        }
    }

    /// Handles the frame of a POST.
    pub(super) fn post(&mut self, ppstr: &str, is_trusted: bool, reply: oneshot::Sender<RequestAnswer>) {
        let inbound = match Format::read(ppstr, self.format.packing) {
            Ok(inbound) => inbound,
            Err(error) => {
                // The event is lost, as it would be on a socket. The answer is that to an event
                // without a callback.
                telemetry::event_dropped(KIND.name, &error);
                let _ = reply.send(RequestAnswer::Frame(self.format.value(&no_callback())));
                return;
            }
        };
        self.record_contact(&inbound);
        let error = (!self.session.charge_refusable(Instant::now())).then(|| self.session.too_many_commands());
        let to = match (inbound.callback, error) {
            (Some(_), None) => ReplyTo::Post { reply, format: inbound.format },
            (Some(_), Some(error)) => return self.answer(ReplyTo::Post { reply, format: inbound.format }, Err(error)),
            (None, None) => {
                let _ = reply.send(RequestAnswer::Frame(inbound.format.value(&no_callback())));
                ReplyTo::Push
            }
            (None, Some(_)) => {
                let _ = reply.send(RequestAnswer::TooMany);
                return;
            }
        };
        self.event(inbound.event, is_trusted, to);
    }

    /// Notes the format of the client's last frame.
    fn record_contact(&mut self, inbound: &Inbound) {
        self.format = inbound.format;
        self.has_spoken = true;
    }
}
