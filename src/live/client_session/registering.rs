//! A registration or its end on its way: the query is parsed, then the pipeline's loop answers.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::ids::{Epoch, Seq};
use crate::live::client_context::ClientContext;
use crate::live::command::{PercolateCommand, Percolated, Reply};
use crate::live::error::ApiError;
use crate::live::{LiveError, Percolate, PreparedQuery, QueryWarning, Session, SubscriptionName, UseOf};
use crate::pipeline::Subscribed;

/// A registration that has not ended.
pub(super) struct Registering {
    step: BoxFuture<'static, Step>,
    /// Whether the loop has been asked: nothing may be taken from the session until it answers.
    is_exclusive: bool,
}

/// The end of what a registration waits for.
pub(super) enum Step {
    /// The query is parsed.
    Parsed {
        query: Result<(PreparedQuery, Vec<QueryWarning>), ApiError>,
        name: SubscriptionName,
        since: Option<Seq>,
        epoch: Option<Epoch>,
    },
    /// The loop has registered the query.
    Percolated {
        subscribed: Result<Subscribed, LiveError>,
        name: SubscriptionName,
        since: Option<Seq>,
        warnings: Vec<QueryWarning>,
    },
    /// The loop has ended the subscription.
    Unpercolated { existed: Result<bool, LiveError>, name: SubscriptionName },
}

/// What follows a step.
pub(super) enum Progress<Done> {
    Continues(Registering),
    Ended(Done),
}

impl Registering {
    /// Begins to register a query for the session.
    pub(super) fn percolate(
        context: &Arc<ClientContext>,
        session: &Session,
        PercolateCommand { query, name, since, epoch }: PercolateCommand,
    ) -> Registering {
        let (context, requester) = (Arc::clone(context), session.live().requester().clone());
        let parse = async move {
            let query = context.query(query, UseOf::Registration, &requester).await;
            Step::Parsed { query, name, since, epoch }
        };
        Registering { step: parse.boxed(), is_exclusive: false }
    }

    /// Begins to end a subscription of the session.
    pub(super) fn unpercolate(session: &Session, name: SubscriptionName) -> Registering {
        let existed = session.begin_unpercolate(name.clone());
        let step = async move { Step::Unpercolated { existed: existed.await, name } };
        Registering { step: step.boxed(), is_exclusive: true }
    }

    pub(super) fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    /// Waits for the end of the current step. Cancel safe; must not be called again once it has
    /// returned.
    pub(super) async fn step(&mut self) -> Step {
        (&mut self.step).await
    }
}

impl Step {
    /// Begins what follows this step.
    pub(super) fn advance(self, session: &mut Session) -> Result<Progress<Reply>, ApiError> {
        match self {
            Step::Parsed { query, name, since, epoch } => {
                let (query, warnings) = query?;
                let request = Percolate { query: query.query().clone(), name: name.clone(), since, epoch };
                let subscribed = session.begin_percolate(request)?;
                let step = async move { Step::Percolated { subscribed: subscribed.await, name, since, warnings } };
                Ok(Progress::Continues(Registering { step: step.boxed(), is_exclusive: true }))
            }
            Step::Percolated { subscribed, name, since, warnings } => {
                let subscribed = subscribed?;
                let query = subscribed.query.clone();
                let registration = session.end_percolate(name.clone(), since, subscribed);
                Ok(Progress::Ended(Reply::Percolated(Percolated { name, query, since, registration, warnings })))
            }
            Step::Unpercolated { existed, name } => {
                session.end_unpercolate(&name, existed?)?;
                Ok(Progress::Ended(Reply::Unpercolated(name)))
            }
        }
    }
}
