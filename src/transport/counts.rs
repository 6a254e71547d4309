//! The counts that every connection is told regularly: taken and encoded once for all of them.

use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{TransportContext, wire};

/// How often connections are told how many there are.
const USERS_EVERY: Duration = Duration::from_secs(2);

/// How often connections are told how many tweets there are.
const TWEETS_EVERY: Duration = Duration::from_secs(10);

/// A number and its frame of `/ws`.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) n: u64,
    pub(super) frame: Utf8Bytes,
}

/// The latest numbers. A change is a tick: it is sent even when the number is the same.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) users: watch::Receiver<Count>,
    pub(super) tweets: watch::Receiver<Count>,
}

/// Starts the ticker. It ends with the shutdown.
pub(super) fn spawn(context: &TransportContext) -> Counts {
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
                    users_sender.send_replace(Count { n, frame: wire::users_count(n, None).into() });
                }
                _ = tweets_tick.tick() => {
                    // Whoever is in the way of counting also fails those who ask, and they are told.
                    if let Ok(stats) = live.stats().await {
                        let n = stats.tweets;
                        tweets_sender.send_replace(Count { n, frame: wire::total_tweet_count(n, None).into() });
                    }
                }
            }
        }
    });
    Counts { users, tweets }
}
