//! Reads of the index, scheduled fairly between clients, and questions to the pipeline's loop.

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::{Live, LiveError};
use crate::coop;
use crate::index::{SearchError, Snapshot};
use crate::pipeline::Control;
use crate::telemetry;

impl Live {
    /// Asks the pipeline's loop, and waits for its answer.
    pub(super) async fn ask<T>(&self, control: impl FnOnce(oneshot::Sender<T>) -> Control) -> Result<T, LiveError> {
        let gone = || LiveError::Unavailable("perch is shutting down".to_owned());
        let (reply, answer) = oneshot::channel();
        self.inner.pipeline.control.send(control(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// Reads the index for a request. The read is cancelled when `limits.search_timeout_ms` is over
    /// or the future is dropped.
    pub(super) async fn read_in_time<T: Send + 'static>(
        &self,
        read: impl FnOnce(Snapshot) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, LiveError> {
        let limit = self.inner.limits.search_timeout;
        let read = self.schedule(true, read);
        tokio::time::timeout(limit, read).await.unwrap_or_else(|_| {
            telemetry::turned_away("search_timeout");
            Err(LiveError::Unavailable(format!("the search took longer than {} ms", limit.as_millis())))
        })
    }

    /// Reads the index for a session that is behind, which has at most one such read.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Snapshot) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, LiveError> {
        self.schedule(false, read).await
    }

    /// Reads the index when the requester gets a slot, as it is then. The read is cancelled when
    /// the future is dropped.
    async fn schedule<T: Send + 'static>(
        &self,
        is_counted: bool,
        read: impl FnOnce(Snapshot) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, LiveError> {
        let (ticket, turn) = self.inner.searches.enqueue(&self.requester, is_counted).map_err(|_full| {
            telemetry::turned_away("searches");
            let max = self.inner.limits.max_waiting_searches;
            LiveError::Limit(format!("{max} searches of this client are waiting; wait for an answer"))
        })?;
        let index = self.inner.index.clone();
        // Spawned so that it is always polled: a session is not polled while its client reads
        // nothing, and would keep a slot that it got then.
        let read = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut slot = turn.await.ok()?;
            let work = move || coop::supervise(move || slot.should_stop(), || read(index.snapshot()));
            Some(tokio::task::spawn_blocking(work).await)
        }));
        let read = match read.await {
            Ok(Some(read)) => read,
            Ok(None) => Ok(Err(coop::Stopped)),
            Err(panic) => Err(panic),
        };
        drop(ticket);
        match read {
            Ok(Ok(Ok(found))) => Ok(found),
            Ok(Err(coop::Stopped) | Ok(Err(SearchError::Stopped(_)))) => {
                Err(LiveError::Unavailable("the search was cancelled".to_owned()))
            }
            Ok(Ok(Err(error @ SearchError::Tweet(_)))) => Err(LiveError::Unavailable(error.to_string())),
            Ok(Ok(Err(error))) => {
                self.inner.index.search_failed(&error);
                Err(LiveError::Unavailable("the index can't be read".to_owned()))
            }
            Err(panic) => {
                tracing::error!(error = %panic, "a search failed");
                Err(LiveError::Unavailable("the search failed".to_owned()))
            }
        }
    }
}
