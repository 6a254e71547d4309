//! Returns what a client is to be sent, in order.

use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::{ClientSession, KEPT_EVENTS, Progress, Registering, Step, Task, WITHHELD_DELAY};
use crate::ids::Seq;
use crate::live::client_event::{ClientEvent, CommandRef, Demand};
use crate::live::command::Reply;
use crate::live::{CloseReason, Event, Session};
use crate::telemetry;

impl<T: CommandRef> ClientSession<T> {
    /// Waits for the next events and appends them.
    ///
    /// Cancel safe: events that were not appended come with the next call. Transports call it in a
    /// `select!` with their connection. After [`ClientEvent::Closed`] it never returns.
    pub(crate) async fn next(&mut self, demand: Demand, events: &mut Vec<ClientEvent<T>>) {
        let before = events.len();
        loop {
            if events.len() > before {
                return;
            }
            if self.is_closed {
                return std::future::pending().await;
            }
            let now = Instant::now();
            self.pass_deadlines(now, events);
            if !self.is_closed {
                self.take_replies(demand, now, events);
            }
            if events.len() > before {
                return;
            }
            let pause = self.push_limiter.pause(now).map(|pause| now + pause);
            let takes = demand == Demand::All && pause.is_none() && self.may_take();
            let awaits_backlog = demand == Demand::UntilBacklog && self.may_take();
            self.deadlines.arm(pause.filter(|_| demand == Demand::All));
            tokio::select! {
                biased;
                () = self.deadlines.passed() => {}
                step = step(&mut self.registering) => self.advance(step),
                Some((task, reply)) = self.tasks.next(), if !self.tasks.is_empty() => {
                    match task {
                        Task::Search => self.n_searches -= 1,
                        Task::Publish => self.n_publishes -= 1,
                    }
                    events.extend(reply.map(ClientEvent::Reply));
                }
                () = take(&mut self.session, awaits_backlog, &mut self.taken), if takes || awaits_backlog => {
                    if awaits_backlog {
                        return;
                    }
                    self.take_events(events);
                }
            }
        }
    }

    /// Whether tweets may be taken from the session: not while the pipeline's loop registers.
    fn may_take(&self) -> bool {
        self.registering.as_ref().is_none_or(|registering| !registering.1.is_exclusive())
    }

    /// Handles the deadlines that have passed.
    fn pass_deadlines(&mut self, now: Instant, events: &mut Vec<ClientEvent<T>>) {
        if self.deadlines.token.is_some_and(|until| until <= now) {
            telemetry::turned_away("first_frame");
            return self.close(CloseReason::Unauthorized, events);
        }
        if self.deadlines.expiry.is_some_and(|expiry| expiry <= now) {
            return self.close(CloseReason::Unauthorized, events);
        }
        if self.deadlines.withheld.is_some_and(|at| at <= now) {
            self.report_withheld(events);
        }
    }

    fn close(&mut self, reason: CloseReason, events: &mut Vec<ClientEvent<T>>) {
        self.is_closed = true;
        events.push(ClientEvent::Closed(reason));
    }

    /// Returns the replies that are ready, each behind the tweets that come before it.
    fn take_replies(&mut self, demand: Demand, now: Instant, events: &mut Vec<ClientEvent<T>>) {
        let before = events.len();
        while !self.replies.is_empty() && events.len() == before {
            let is_ordered = demand != Demand::Replies
                && !self.session.is_behind()
                && self.push_limiter.pause(now).is_none()
                && self.may_take();
            if is_ordered && self.session.next(&mut self.taken).now_or_never().is_some() {
                self.take_events(events);
            } else {
                self.release_replies(None, events);
            }
        }
    }

    /// Returns the replies that come before the tweet at this position, or all.
    fn release_replies(&mut self, seq: Option<Seq>, events: &mut Vec<ClientEvent<T>>) {
        while self.replies.front().is_some_and(|first| seq.is_none_or(|seq| first.after < seq))
            && let Some(first) = self.replies.pop_front()
        {
            events.push(ClientEvent::Reply(first.reply));
        }
    }

    /// Returns the events that were taken from the session.
    fn take_events(&mut self, events: &mut Vec<ClientEvent<T>>) {
        let now = Instant::now();
        let mut taken = std::mem::take(&mut self.taken);
        for event in taken.drain(..) {
            match event {
                Event::Tweet(delivery) => {
                    self.release_replies(Some(delivery.hit.seq), events);
                    // Without it the client would keep a tweet that is gone.
                    if delivery.is_gone() || self.push_limiter.admit(delivery.hit.seq, now) {
                        self.report_withheld(events);
                        events.push(ClientEvent::Tweet(delivery));
                    } else {
                        self.deadlines.withheld.get_or_insert(now + WITHHELD_DELAY);
                    }
                }
                Event::CatchingUp { from } => {
                    self.report_withheld(events);
                    self.push_limiter.catching_up(true);
                    events.push(ClientEvent::CatchingUp { from });
                }
                Event::Live { seq } => {
                    self.push_limiter.catching_up(false);
                    events.push(ClientEvent::Live { seq });
                }
                Event::Closed(reason) => {
                    self.release_replies(None, events);
                    self.close(reason, events);
                }
            }
        }
        if taken.capacity() <= KEPT_EVENTS {
            self.taken = taken;
        }
    }

    /// Returns [`ClientEvent::Withheld`] when tweets were withheld.
    fn report_withheld(&mut self, events: &mut Vec<ClientEvent<T>>) {
        self.deadlines.withheld = None;
        if let Some(withheld) = self.push_limiter.take_withheld() {
            telemetry::tweets_withheld(withheld.count);
            events.push(ClientEvent::Withheld(withheld));
        }
    }

    /// Goes on with the registration.
    fn advance(&mut self, step: Step) {
        let Some(registering) = self.registering.take() else { return };
        let (reference, _) = *registering;
        let reply = match step.advance(&mut self.session) {
            Ok(Progress::Continues(next)) => return self.registering = Some(Box::new((reference, next))),
            Ok(Progress::Ended(reply)) => Ok(reply),
            Err(error) => Err(error),
        };
        let after = match &reply {
            Ok(Reply::Percolated(percolated)) => percolated.registration.seq,
            _ => self.session.offered(),
        };
        self.reply_after(after, reference, reply);
    }
}

/// Waits for the next step of the registration. Pending without one.
async fn step<T>(registering: &mut Option<Box<(T, Registering)>>) -> Step {
    match registering {
        Some(registering) => registering.1.step().await,
        None => std::future::pending().await,
    }
}

/// Takes events of the session, or waits until its queue has a backlog.
async fn take(session: &mut Session, awaits_backlog: bool, events: &mut Vec<Event>) {
    if awaits_backlog { session.backlogged().await } else { session.next(events).await }
}
