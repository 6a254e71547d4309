//! The posts of an interruption, from the timelines.
//!
//! perch subscribes to the streams first. Then it reads each timeline from the durable position to
//! the newest post, while new posts come live. An instance does not say when a subscription
//! begins; so after a moment perch reads what has been posted since.

use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::stream_name::StreamName;
use super::timeline::{Page, PostId, Timelines};
use crate::source::http::{host_of, refused_with};
use crate::telemetry;

/// The time in which a subscription begins.
const SETTLE: Duration = Duration::from_secs(2);

/// What catching up has come to. `at` is the number of the stream.
pub(super) enum Progress {
    /// The posts of a page.
    Posts { at: usize, page: Page },
    /// From now on the stream is live. The position is behind what was read; without, the timeline
    /// can't be read.
    Live { at: usize, position: Option<PostId> },
    /// These posts are missing.
    Gap(String),
}

/// How to catch up.
pub(super) struct CatchUp {
    pub(super) timelines: Timelines,
    /// The streams with the positions from which to go on. Without one, what is new is enough.
    pub(super) streams: Vec<(StreamName, Option<PostId>)>,
    /// Posts of other instances come late, with ids of their own time.
    pub(super) rewind: Duration,
    /// The most posts to read of a stream.
    pub(super) max_posts: usize,
}

type Out = mpsc::Sender<anyhow::Result<Progress>>;

impl CatchUp {
    /// Begins. It ends when the handle is dropped.
    pub(super) fn start(self) -> (mpsc::Receiver<anyhow::Result<Progress>>, AbortOnDropHandle<()>) {
        let (out, progress) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            if let Err(error) = self.run(&out).await {
                let _ = out.send(Err(error)).await;
            }
        });
        (progress, AbortOnDropHandle::new(task))
    }

    async fn run(&self, out: &Out) -> anyhow::Result<()> {
        let mut reached = Vec::new();
        for (at, (stream, position)) in self.streams.iter().enumerate() {
            let newest = match self.timelines.newest(stream).await {
                Ok(newest) => newest,
                Err(error) if is_for_good(&error) => {
                    let reason = telemetry::message_of(&error);
                    match position {
                        Some(_) => send(out, Progress::Gap(self.gap(stream, position.as_ref(), &reason))).await,
                        None => {
                            tracing::warn!(source = self.timelines.source, %stream, reason, "its timeline can't be read");
                        }
                    }
                    send(out, Progress::Live { at, position: None }).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let from = match position {
                Some(position) => position.earlier(self.rewind),
                None => newest.clone().unwrap_or_else(|| PostId("0".to_owned())),
            };
            reached.push((at, self.read(at, from, newest, out).await?));
        }
        tokio::time::sleep(SETTLE).await;
        for (at, from) in reached {
            let newest = self.timelines.newest(&self.streams[at].0).await?;
            let position = self.read(at, from, newest, out).await?;
            send(out, Progress::Live { at, position: Some(position) }).await;
        }
        Ok(())
    }

    /// Reads a timeline up to its newest post, and returns the id that was reached.
    async fn read(&self, at: usize, from: PostId, newest: Option<PostId>, out: &Out) -> anyhow::Result<PostId> {
        let stream = &self.streams[at].0;
        let mut reached = from;
        let mut n_posts = 0;
        while newest.as_ref().is_some_and(|newest| *newest > reached) {
            if n_posts >= self.max_posts {
                let reason = format!("more than {} posts (catch_up_posts)", self.max_posts);
                send(out, Progress::Gap(self.gap(stream, Some(&reached), &reason))).await;
                return Ok(newest.unwrap_or(reached));
            }
            let page = match self.timelines.after(stream, &reached).await {
                Ok(page) => page,
                Err(error) if is_for_good(&error) => {
                    let reason = telemetry::message_of(&error);
                    send(out, Progress::Gap(self.gap(stream, Some(&reached), &reason))).await;
                    return Ok(newest.unwrap_or(reached));
                }
                Err(error) => return Err(error),
            };
            let Some(last) = page.newest.clone().filter(|last| *last > reached) else { break };
            n_posts += page.posts.len();
            send(out, Progress::Posts { at, page }).await;
            reached = last;
        }
        Ok(reached)
    }

    /// The report of missing posts.
    fn gap(&self, stream: &StreamName, from: Option<&PostId>, reason: &str) -> String {
        let time = |id: &PostId| jiff::Timestamp::from_millisecond(i64::try_from(id.time_ms()?).ok()?).ok();
        let from = from.map_or_else(String::new, |id| match time(id) {
            Some(time) => format!(" after {}", time.strftime("%FT%TZ")),
            None => format!(" after {}", id.0),
        });
        format!("posts of {stream}{from} are missing from {}: {reason}", host_of(&self.timelines.instance))
    }
}

/// The receiver is gone when the connection has ended; the task then ends soon.
async fn send(out: &Out, progress: Progress) {
    let _ = out.send(Ok(progress)).await;
}

/// Whether the instance would answer the same again: a timeline that it does not show, or a
/// position that it does not know.
fn is_for_good(error: &anyhow::Error) -> bool {
    refused_with(error).is_some_and(|status| {
        status.is_client_error()
            && ![StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
    })
}
