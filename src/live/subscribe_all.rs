//! Sessions that are opened together, each with one subscription.

use std::sync::Arc;

use super::requester::SessionKey;
use super::session::refused;
use super::{ClientKey, Live, LiveError, Registration, Requester, Session};
use crate::pipeline::Control;
use crate::query::Query;

/// The most subscriptions of one command to the pipeline's loop: about a millisecond, for which a
/// tweet may have to wait.
const MAX_SUBSCRIPTIONS: usize = 256;

impl Live {
    /// Opens a session for each of these queries, with an unnamed subscription to it on behalf of
    /// its client. The answers have the order of the queries.
    ///
    /// The sessions don't count among the open sessions.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`] for all. Each session may have [`LiveError::Limit`].
    pub(crate) async fn subscribe_all(
        &self,
        queries: Vec<(ClientKey, Query)>,
    ) -> Result<Vec<Result<(Session, Registration), LiveError>>, LiveError> {
        let mut all = Vec::with_capacity(queries.len());
        for queries in queries.chunks(MAX_SUBSCRIPTIONS) {
            let open = |(client, _): &(ClientKey, Query)| {
                let requester = Requester { client: client.clone(), session: SessionKey::connection(0) };
                self.on_behalf_of(requester).connect_unadmitted()
            };
            let opened: Vec<Session> = queries.iter().map(open).collect();
            let of_loop = std::iter::zip(&opened, queries)
                .map(|(session, (client, query))| (client.clone(), Arc::clone(session.queue()), query.clone()))
                .collect();
            let subscribed = self.ask(|reply| Control::SubscribeAll { sessions: of_loop, reply }).await?;
            all.extend(std::iter::zip(opened, subscribed).map(|(mut session, subscribed)| {
                let registration = session.end_percolate(None, None, subscribed.map_err(refused)?);
                Ok((session, registration))
            }));
        }
        Ok(all)
    }
}
