//! Pages of feeds.

use std::sync::Arc;
use std::time::Instant;

use super::compiled_queries::PreparedQuery;
use super::{Live, LiveError};
use crate::index::CompiledSearch;
use crate::index::feed_page::{FeedPage, FeedPageRequest};
use crate::query::Ast;
use crate::schema::tweet::SOURCE;
use crate::telemetry;
use crate::tweet::Network;

impl Live {
    /// A page of a feed: of all tweets that match, or only of those from a network. Counts as a
    /// search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub(crate) async fn feed_page(
        &self,
        query: PreparedQuery,
        network: Option<Network>,
        request: FeedPageRequest,
    ) -> Result<FeedPage, LiveError> {
        let inner = Arc::clone(&self.inner);
        self.read_in_time(move |snapshot| {
            let started = Instant::now();
            let search = match network {
                None => query.compile(&inner.compiled_queries),
                Some(network) => {
                    let of_network = Ast::Term { field: SOURCE, term: network.name().to_owned() };
                    Arc::new(CompiledSearch::new(&Ast::And(vec![query.query().ast().clone(), of_network])))
                }
            };
            let page = snapshot.feed_page(&search, &request)?;
            telemetry::searched(started.elapsed());
            Ok(page)
        })
        .await
    }
}
