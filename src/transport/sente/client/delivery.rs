//! Moves events from the session to the outbox, and batches from there to the socket or the poll.

use std::time::Duration;

use axum::extract::ws::Message;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::ClientTask;
use super::commands::PendingCommand;
use super::outbox::Pushed;
use crate::live::{ClientEvent, CloseReason, Demand};
use crate::telemetry;
use crate::transport::protocol;
use crate::transport::sente::KIND;

/// Rests end at multiples of this, so that many clients wake at one moment and share a timer.
const REST_STEP: Duration = Duration::from_millis(5);

impl ClientTask {
    /// Takes the events that came while a batch was collected. Returns the reason when the session
    /// has ended.
    pub(super) fn gather(&mut self, events: &mut Vec<ClientEvent<PendingCommand>>) -> Option<CloseReason> {
        while self.is_attached()
            && self.outbox.has_room()
            && self.session.next(Demand::All, events).now_or_never().is_some()
        {
            let closed = self.events(events);
            if closed.is_some() {
                return closed;
            }
        }
        None
    }

    /// Takes events of the session. Returns the reason when it has ended.
    pub(super) fn events(&mut self, events: &mut Vec<ClientEvent<PendingCommand>>) -> Option<CloseReason> {
        for event in events.drain(..) {
            match event {
                // BirdWatch's clients don't know the event.
                ClientEvent::Tweet(delivery)
                    if delivery.is_gone() && !self.endpoint.options.profile.sends_all_events() =>
                {
                    continue;
                }
                ClientEvent::Tweet(delivery) => self.outbox.push(Pushed::Tweet(delivery)),
                ClientEvent::Reply(reply) => {
                    self.replied(*reply);
                    continue;
                }
                ClientEvent::Closed(reason) => return Some(reason),
                notice => {
                    if let ClientEvent::Live { .. } = notice {
                        self.registrations.has_caught_up(self.outbox.pushed());
                    }
                    // Clients of other profiles don't know these events.
                    if self.endpoint.options.profile.sends_all_events()
                        && let Some((event, payload)) = protocol::notice(&notice)
                    {
                        self.outbox.push(Pushed::event(event, payload, None));
                    }
                }
            }
            self.open_window();
        }
        None
    }

    /// How long pushes are collected into one batch.
    fn window(&self) -> Duration {
        let options = &self.endpoint.options;
        Duration::from_millis(if self.socket.is_some() { options.batch_ws_ms } else { options.batch_ajax_ms })
    }

    /// Starts to collect a batch, unless one is being collected.
    pub(super) fn open_window(&mut self) {
        self.outbox.open_window(Instant::now() + self.window());
    }

    /// Takes nothing from the session for a window, so that a client that gets one batch after the
    /// other wakes the task once a batch. No tweet waits longer for it. A session that reads from
    /// the index does not rest.
    fn rest(&mut self) {
        let until = Instant::now() + self.window();
        let steps = until.duration_since(self.endpoint.started).as_millis() / REST_STEP.as_millis();
        let until = u32::try_from(steps).map_or(until, |steps| self.endpoint.started + REST_STEP * steps);
        self.rests_until = (!self.session.is_behind()).then_some(until);
    }

    /// Sends what is due to the socket or the poll.
    pub(super) fn send_batch(&mut self) {
        let profile = self.endpoint.options.profile;
        while self.is_attached() && self.outbox.is_due(Instant::now()) {
            let (frame, tweets) = self.outbox.frame(self.format, profile);
            if let Some(socket) = &mut self.socket {
                socket.out.push(Message::Text(frame.into()));
            } else if !self.answer_poll(frame) {
                self.outbox.send_again();
                return;
            }
            telemetry::frames_sent(KIND.name, tweets);
            if tweets > 0 {
                self.rest();
            }
        }
        if let Some(socket) = &mut self.socket
            && self.outbox.waits_for_acknowledgement()
        {
            socket.next_ping = socket.next_ping.min(socket.next_ack_ping);
            // The ping goes out with the batch.
            socket.ping_when_due(Instant::now(), &self.outbox, &self.endpoint.options);
        }
    }
}
