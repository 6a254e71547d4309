//! The counts that every connection gets regularly. The ticker takes and encodes them once for all.

use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{TransportContext, protocol};

/// How often connections get the number of users.
const USERS_EVERY: Duration = Duration::from_secs(2);

/// How often connections get the number of tweets.
const TWEETS_EVERY: Duration = Duration::from_secs(10);

/// A count and its frame for `/ws`.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) n: u64,
    pub(super) frame: Utf8Bytes,
}

/// The latest counts. Each tick is a change, also when the count is the same.
#[derive(Clone, Debug)]
pub(super) struct StatsTicker {
    pub(super) users: watch::Receiver<Count>,
    pub(super) tweets: watch::Receiver<Count>,
}

/// Starts the ticker, which ends with the shutdown.
pub(super) fn spawn(context: &TransportContext) -> StatsTicker {
    let (users_sender, users) = watch::channel(Count::default());
    let (tweets_sender, tweets) = watch::channel(Count::default());
    let live = context.live.clone();
    let shutdown = context.shutdown.clone();
    context.tasks.spawn(async move {
        let mut users_tick = interval_at(Instant::now() + USERS_EVERY, USERS_EVERY);
        let mut tweets_tick = interval_at(Instant::now() + TWEETS_EVERY, TWEETS_EVERY);
        users_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tweets_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = users_tick.tick() => {
                    let n = live.sessions();
                    users_sender.send_replace(Count { n, frame: protocol::users_count(n).into() });
                }
                _ = tweets_tick.tick() => {
                    // Errors are ignored here: a client that asks for stats gets the same error.
                    if let Ok(stats) = live.stats().await {
                        let n = stats.tweets;
                        tweets_sender.send_replace(Count { n, frame: protocol::total_tweet_count(n).into() });
                    }
                }
            }
        }
    });
    StatsTicker { users, tweets }
}
