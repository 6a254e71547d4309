//! Who may call a handler: extractors, of which each handler has one as its first argument.
//!
//! [`guarded`] takes no handler without one, and nothing else gives a handler its client, so that a
//! check can't be forgotten. An extractor checks before the others read the request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::{AccessControl, Client};
use crate::auth::AccessToken;
use crate::saved::Owner;
use crate::transport::errors::ApiError;

/// The state of a router, which has the rules of access.
pub(in crate::transport) trait HasAccess {
    fn access(&self) -> &Arc<AccessControl>;
}

/// An extractor that says who may call a handler.
pub(in crate::transport) trait Access {
    const NAME: &'static str;
}

/// The arguments of a handler, as axum names their types. The first is an [`Access`].
pub(in crate::transport) trait Guarded {
    const ACCESS: &'static str;
}

macro_rules! guarded_arguments {
    ($(($($other:ident),*),)*) => {
        $(
            impl<M, A: Access, $($other),*> Guarded for (M, A, $($other,)*) {
                const ACCESS: &'static str = A::NAME;
            }
        )*
    };
}

guarded_arguments! { (), (B), (B, C), (B, C, D), (B, C, D, E), (B, C, D, E, F), }

/// A handler for requests of these methods, and who may call it.
pub(in crate::transport) fn guarded<H, T, S>(methods: MethodFilter, handler: H) -> (MethodRouter<S>, &'static str)
where
    H: Handler<T, S>,
    T: Guarded + 'static,
    S: Clone + Send + Sync + 'static,
{
    (on(methods, handler), T::ACCESS)
}

/// Any client, without a check.
pub(in crate::transport) struct Anyone;

/// A client that may search, within its rate of requests.
pub(in crate::transport) struct Searcher {
    pub(in crate::transport) client: Client,
    pub(in crate::transport) access_token: Option<AccessToken>,
    _checked: (),
}

/// A client of feeds, which need no right of their own. Within its rate of requests.
pub(in crate::transport) struct FeedReader {
    pub(in crate::transport) client: Client,
    _checked: (),
}

/// A client that may search and open a session: no web page, or one of an allowed origin.
pub(in crate::transport) struct Subscriber {
    pub(in crate::transport) client: Client,
    pub(in crate::transport) access_token: Option<AccessToken>,
    _checked: (),
}

/// A client that may connect: no web page, or one of an allowed origin. Its token, if it has shown
/// one, is good. What it may do is checked with each command.
pub(in crate::transport) struct Visitor {
    pub(in crate::transport) client: Client,
    pub(in crate::transport) access_token: Option<AccessToken>,
    _checked: (),
}

/// A client that may ingest tweets.
pub(in crate::transport) struct Ingestor;

/// A client that may ingest tweets, and so may know the queries of others. Within its rate of
/// requests.
pub(in crate::transport) struct Inspector {
    pub(in crate::transport) client: Client,
    _checked: (),
}

/// A client that runs perch: it has the token of ingestion, or is local where there is none. Within
/// its rate of requests.
pub(in crate::transport) struct Operator {
    pub(in crate::transport) client: Client,
    _checked: (),
}

/// A client that may save searches: its token has the right, or it is an [`Operator`]. Within its
/// rate of requests.
pub(in crate::transport) struct Saver {
    pub(in crate::transport) owner: Owner,
    _checked: (),
}

/// A client whose request says in its form whether it may connect: [`Unverified::verify`] makes a
/// [`Visitor`] of it.
pub(in crate::transport) struct Unverified(Client);

impl Unverified {
    /// Verifies the token of the request's head, and then checks the rest.
    pub(in crate::transport) fn verify<E>(
        self,
        access: &AccessControl,
        bad_token: E,
        check: impl FnOnce(&Client) -> Result<(), E>,
    ) -> Result<Visitor, E> {
        let access_token = access.access_token(&self.0).map_err(|_| bad_token)?;
        check(&self.0)?;
        Ok(Visitor { client: self.0, access_token, _checked: () })
    }
}

/// A handler with an error shape of its own gets the refusal.
impl<A: Access> Access for Result<A, ApiError> {
    const NAME: &'static str = A::NAME;
}

macro_rules! access {
    ($($extractor:ident: $name:literal, |$access:ident, $client:ident| $checked:expr;)*) => {
        $(
            impl Access for $extractor {
                const NAME: &'static str = $name;
            }

            impl<S: HasAccess + Sync> FromRequestParts<S> for $extractor {
                type Rejection = ApiError;

                async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<$extractor, ApiError> {
                    let ($access, $client) = (state.access(), Client::of(parts));
                    $checked
                }
            }
        )*
    };
}

access! {
    Searcher: "searcher", |access, client| {
        let access_token = access.check_searcher(&client)?;
        access.check_rate(&client, access_token.as_ref())?;
        Ok(Searcher { client, access_token, _checked: () })
    };
    FeedReader: "feed reader", |access, client| {
        access.check_rate(&client, None)?;
        Ok(FeedReader { client, _checked: () })
    };
    Subscriber: "subscriber", |access, client| {
        access.check_origin(&client)?;
        let access_token = access.check_searcher(&client)?;
        Ok(Subscriber { client, access_token, _checked: () })
    };
    Visitor: "visitor", |access, client| {
        access.check_origin(&client)?;
        let access_token = access.access_token(&client)?;
        Ok(Visitor { client, access_token, _checked: () })
    };
    Ingestor: "ingestor", |access, client| {
        access.check_ingestion(&client)?;
        Ok(Ingestor)
    };
    Inspector: "inspector", |access, client| {
        access.check_ingestion(&client)?;
        access.check_rate(&client, None)?;
        Ok(Inspector { client, _checked: () })
    };
    Operator: "operator", |access, client| {
        access.check_operator(&client)?;
        access.check_rate(&client, None)?;
        Ok(Operator { client, _checked: () })
    };
    Saver: "saver", |access, client| {
        let (owner, access_token) = access.check_saver(&client)?;
        access.check_rate(&client, access_token.as_ref())?;
        Ok(Saver { owner, _checked: () })
    };
    Unverified: "unverified", |_access, client| Ok(Unverified(client));
}

impl Access for Anyone {
    const NAME: &'static str = "anyone";
}

impl<S: Sync> FromRequestParts<S> for Anyone {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Anyone, Self::Rejection> {
        Ok(Anyone)
    }
}
