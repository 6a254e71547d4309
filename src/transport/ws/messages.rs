//! The codec of the event protocol: messages become commands, and events become frames.

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message};

use super::close::WsClose;
use super::connection::Connection;
use super::frame_writer::ResumePoint;
use crate::live::{ClientEvent, CloseReason, CommandReply, Reply};
use crate::telemetry;
use crate::transport::protocol::{self, Ref, event};

/// A larger buffer of events is freed after use: a session that gets much now may get nothing
/// later.
const KEPT_EVENTS: usize = 16;

impl Connection {
    /// Handles a message of the client.
    pub(super) fn message(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<(), WsClose> {
        self.last_received = Instant::now();
        // Every message counts: reading and answering cost time.
        let is_in_time = self.session.charge(self.last_received);
        match message {
            Some(Ok(Message::Text(frame))) if frame.len() > self.ws.context.limits.max_frame_bytes => {
                telemetry::turned_away("frame_size");
                Err(WsClose::TooLarge)
            }
            Some(Ok(Message::Text(frame))) => {
                let (reference, command) = protocol::parse(&frame, (&self.ws.context.limits).into());
                match command {
                    _ if !is_in_time => self.session.refuse(reference, self.session.too_many_commands()),
                    Ok(command) => self.session.handle(command, reference),
                    Err(error) => self.session.refuse(reference, error),
                }
                self.times.first_frame = None;
                Ok(())
            }
            Some(Ok(Message::Binary(_))) => Err(WsClose::NotText),
            // tungstenite queues the pong in the frame writer.
            Some(Ok(Message::Ping(_))) => {
                self.urgent = true;
                Ok(())
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(WsClose::Gone),
            Some(Err(error)) => {
                let end = WsClose::of_read(&error);
                if end == WsClose::TooLarge {
                    telemetry::turned_away("frame_size");
                }
                Err(end)
            }
        }
    }

    /// Appends the frames of events.
    pub(super) fn events(&mut self, events: &mut Vec<ClientEvent<Option<Ref>>>) -> Result<(), WsClose> {
        for event in events.drain(..) {
            match event {
                ClientEvent::Tweet(delivery) => {
                    self.out_tweets += 1;
                    let resume_point = ResumePoint::Tweet(delivery.position());
                    self.socket.get_mut().push_text(protocol::pushed(&delivery), resume_point);
                }
                ClientEvent::Reply(reply) => self.reply(*reply),
                ClientEvent::Closed(CloseReason::ShuttingDown) => self.ending = Some(WsClose::ShuttingDown),
                ClientEvent::Closed(CloseReason::Failed) => self.ending = Some(WsClose::Failed),
                ClientEvent::Closed(CloseReason::Unauthorized) => return Err(WsClose::Unauthorized),
                notice => {
                    if let Some((event, payload)) = protocol::notice(&notice) {
                        self.text(protocol::frame(event, &payload, None));
                    }
                }
            }
        }
        if events.capacity() > KEPT_EVENTS {
            *events = Vec::new();
        }
        Ok(())
    }

    fn reply(&mut self, CommandReply { reference, reply }: CommandReply<Option<Ref>>) {
        let (event, payload) = match &reply {
            Ok(reply) => protocol::reply(reply),
            Err(error) => {
                telemetry::error_answered(error.code.name());
                (event::ERROR, protocol::error_payload(error))
            }
        };
        let resume_point = match &reply {
            Ok(Reply::Percolated(percolated)) => percolated.since.map_or(ResumePoint::None, ResumePoint::Owed),
            _ => ResumePoint::None,
        };
        let frame = protocol::frame(event, &payload, reference.as_ref());
        self.socket.get_mut().push_text(frame, resume_point);
        self.urgent = true;
    }
}
