//! The deadlines of a connection.

use std::time::Duration;

use tokio::time::Instant;

use super::WsState;

/// How often a client is sent the number of users.
pub(super) const USERS_EVERY: Duration = Duration::from_secs(2);

/// Every this many times the number of tweets comes with it.
pub(super) const TWEETS_EVERY: u32 = 5;

/// What is due when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The next count of users.
    pub(super) users: Instant,
    /// Counts of users until the next count of tweets.
    pub(super) until_tweets: u32,
    pub(super) ping: Instant,
    /// The deadline of the client's first command.
    pub(super) first_frame: Option<Instant>,
    /// After a shutdown: when the client's time to take the rest is over.
    pub(super) overdue: Option<Instant>,
}

impl Times {
    pub(super) fn new(now: Instant, ws: &WsState, is_authenticated: bool) -> Times {
        let first_frame = ws.context.limits.first_frame;
        // Spread over time, so that not all clients are sent counts at one moment.
        let users = now + USERS_EVERY.mul_f64(rand::random_range(0.5..1.0));
        Times {
            users,
            until_tweets: rand::random_range(1..=TWEETS_EVERY),
            ping: now + Duration::from_millis(ws.options.ping_interval_ms),
            // The session has a deadline for the token of a client that has not shown one.
            first_frame: (is_authenticated && !first_frame.is_zero()).then(|| now + first_frame),
            overdue: None,
        }
    }

    pub(super) fn next(&self) -> Instant {
        [self.first_frame, self.overdue].into_iter().flatten().fold(self.users.min(self.ping), Instant::min)
    }
}

/// Whether a client has given no sign of life for too long: it neither sent anything nor made room
/// in a full socket.
pub(super) fn is_silent(now: Instant, last_received: Instant, drained: Option<Instant>, timeout: Duration) -> bool {
    now.saturating_duration_since(last_received.max(drained.unwrap_or(last_received))) > timeout
}
