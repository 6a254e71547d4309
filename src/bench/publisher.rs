//! Publishes the tweets of the plan through `POST /api/tweets`, on time or as fast as the sessions
//! take them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use bytes::Bytes;
use serde::Deserialize;
use tokio::task::JoinSet;
use url::Url;

use super::shared::Shared;
use crate::client::Http;

/// How many requests may wait for their commit: beyond, the server is not keeping up with taking
/// tweets in.
const MAX_REQUESTS: usize = 512;

/// How long the sessions may take nothing of what they are owed, with a full backlog, before it is
/// given up.
const STUCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Where tweets are sent.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) http: Http,
    pub(super) url: Url,
}

#[derive(Deserialize)]
struct BulkCounts {
    accepted: u64,
}

/// Sends tweets and sees to it that all are acknowledged.
pub(super) struct Publisher {
    target: Target,
    shared: Arc<Shared>,
    requests: JoinSet<anyhow::Result<()>>,
    next: u32,
}

impl Publisher {
    pub(super) fn new(target: Target, shared: Arc<Shared>) -> Publisher {
        Publisher { target, shared, requests: JoinSet::new(), next: 0 }
    }

    /// Sends every tweet up to number `until` when it is due.
    pub(super) async fn on_time(&mut self, until: u32) -> anyhow::Result<()> {
        let shared = Arc::clone(&self.shared);
        let schedule = &shared.schedule;
        while self.next < until {
            let due = schedule.at(self.next);
            tokio::time::sleep_until(due.into()).await;
            let end = (self.next..until).find(|&tweet| schedule.at(tweet) > due).unwrap_or(until);
            self.send(end).await?;
        }
        Ok(())
    }

    /// Keeps a backlog of `tweets` before each session, in batches of `batch`, until the time or
    /// the plan ends.
    pub(super) async fn backlog(&mut self, tweets: u32, batch: u32, duration: Duration) -> anyhow::Result<()> {
        let shared = Arc::clone(&self.shared);
        let fan_out = shared.plan.fan_out();
        let window = u64::from(tweets) * u64::from(shared.plan.options().sessions);
        let end = shared.schedule.start() + duration;
        let (mut owed, mut seen, mut moved) = (0_u64, 0_u64, Instant::now());
        while self.next < shared.schedule.len() && Instant::now() < end {
            let came = shared.deliveries.load(Ordering::Relaxed);
            if came > seen {
                (seen, moved) = (came, Instant::now());
            }
            if owed.saturating_sub(came) >= window {
                if moved.elapsed() > STUCK_TIMEOUT {
                    bail!(
                        "the sessions got nothing for {} s, though they are owed {}",
                        STUCK_TIMEOUT.as_secs(),
                        owed - came
                    );
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            let until = (self.next + batch).min(shared.schedule.len());
            shared.schedule.set_now(self.next..until);
            owed += fan_out[self.next as usize..until as usize].iter().map(|&n| u64::from(n)).sum::<u64>();
            self.send(until).await?;
        }
        Ok(())
    }

    async fn send(&mut self, until: u32) -> anyhow::Result<()> {
        while let Some(sent) = self.requests.try_join_next() {
            sent??;
        }
        if self.requests.len() >= MAX_REQUESTS
            && let Some(sent) = self.requests.join_next().await
        {
            sent??;
        }
        let mut body = String::new();
        for tweet in self.next..until {
            self.shared.plan.write_tweet(tweet, &mut body);
        }
        let n = u64::from(until - self.next);
        self.next = until;
        let target = self.target.clone();
        self.requests.spawn(async move {
            let sent = target.http.post(&target.url, "application/x-ndjson", None, Bytes::from(body)).await;
            let answer = sent.map_err(|error| anyhow!(error))?;
            match serde_json::from_str::<BulkCounts>(&answer.body) {
                Ok(taken) if answer.status.is_success() && taken.accepted == n => Ok(()),
                _ => Err(anyhow!("the server did not take {n} tweets: {}: {}", answer.status, answer.body.trim())),
            }
        });
        Ok(())
    }

    /// Waits for what is not acknowledged yet. Answers with the number of tweets that were sent.
    pub(super) async fn finish(mut self) -> anyhow::Result<u32> {
        while let Some(sent) = self.requests.join_next().await {
            sent??;
        }
        Ok(self.next)
    }
}
