//! What a client's socket brings: pongs, and frames with events.

use axum::extract::ws::Message;
use tokio::time::Instant;

use super::Client;
use super::commands::ReplyTo;
use crate::telemetry;
use crate::transport::errors::{Code, Fault};
use crate::transport::publish::Right;
use crate::transport::sente::KIND;
use perch_sente::frame::Format;

impl Client {
    pub(super) async fn message(&mut self, message: Option<Result<Message, axum::Error>>) {
        let Some(socket) = &mut self.socket else { return };
        socket.heard = Instant::now();
        // Whatever it is: to read it, and to answer it, costs something. TCP slows down who sends more than that, and
        // keeps what was sent until then.
        let wait = self.budget.charge(socket.heard);
        self.deaf_until = wait.map(|wait| socket.heard + wait);
        match message {
            Some(Ok(Message::Text(frame))) => {
                let (number, right) = (socket.number, socket.right);
                self.frame(&frame, number, right).await;
            }
            Some(Ok(Message::Binary(_))) => telemetry::event_dropped(KIND.name, &"a binary frame"),
            Some(Ok(Message::Pong(payload))) => {
                self.outbox.acknowledge(&payload);
                self.note_position();
            }
            // The socket answers both by itself; behind a close it ends.
            Some(Ok(Message::Ping(_) | Message::Close(_))) => {}
            Some(Err(_)) | None => self.drop_socket(),
        }
    }

    async fn frame(&mut self, frame: &str, number: u64, right: Right) {
        let max = self.endpoint.context.limits.max_frame_bytes;
        if frame.len() > max {
            telemetry::event_dropped(KIND.name, &"a frame that is too large");
            let callback = if self.is_raw() { None } else { Format::read_callback(frame, self.format.packing) };
            if let Some((callback, format)) = callback {
                let to = ReplyTo::Socket { callback, format, number };
                return self.reply_keyword(to, "chsk/error");
            }
            let message = format!("the frame is longer than {max} bytes");
            return self.answer(ReplyTo::Push, Err(Fault::new(Code::TooLarge, message)));
        }
        let read = if self.is_raw() { Format::read_raw } else { Format::read };
        match read(frame, self.format.packing) {
            Ok(inbound) => {
                self.heard(&inbound);
                let to = match inbound.callback {
                    Some(callback) => ReplyTo::Socket { callback, format: inbound.format, number },
                    None => ReplyTo::Push,
                };
                // What was taken from the socket is obeyed, and then the socket is not read until it is made up for.
                let now = Instant::now();
                if let Some(wait) = self.commands.charge(now) {
                    telemetry::turned_away("commands");
                    self.deaf_until = self.deaf_until.max(Some(now + wait));
                }
                self.event(inbound.event, right, to).await;
            }
            Err(error) => telemetry::event_dropped(KIND.name, &error),
        }
    }
}
