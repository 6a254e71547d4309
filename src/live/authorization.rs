//! Which clients may do what: verifies their tokens, and checks the rights in them.

use std::sync::Arc;

use super::error::{ApiError, Code};
use crate::auth::{AccessToken, TokenVerifier};
use crate::telemetry;

/// The authorization of all clients. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorization {
    /// `None` when clients need no token.
    verifier: Option<Arc<TokenVerifier>>,
}

impl Authorization {
    pub(crate) fn new(verifier: Option<Arc<TokenVerifier>>) -> Authorization {
        Authorization { verifier }
    }

    /// Whether clients need a token.
    pub(crate) fn needs_token(&self) -> bool {
        self.verifier.is_some()
    }

    /// Verifies a client's token.
    ///
    /// # Errors
    ///
    /// [`Code::Unauthorized`]; [`Code::Forbidden`] where clients need no token.
    pub(crate) fn verify(&self, token: &str) -> Result<AccessToken, ApiError> {
        match &self.verifier {
            Some(verifier) => verifier.check(token).map_err(unauthorized),
            None => Err(ApiError::forbidden("clients need no token here, and none is taken")),
        }
    }

    /// Checks that a client with this token may search.
    ///
    /// # Errors
    ///
    /// [`Code::Unauthorized`], [`Code::Forbidden`].
    pub(crate) fn check_search(&self, access_token: Option<&AccessToken>) -> Result<(), ApiError> {
        match access_token {
            _ if !self.needs_token() => Ok(()),
            Some(access_token) if access_token.rights.search => Ok(()),
            Some(_) => {
                telemetry::turned_away("rights");
                Err(ApiError::forbidden("this token is not good for searching"))
            }
            None => Err(unauthorized("a token is needed: Authorization: Bearer …, or cmd/auth")),
        }
    }
}

/// An error with [`Code::Unauthorized`].
pub(crate) fn unauthorized(message: &str) -> ApiError {
    telemetry::turned_away("token");
    ApiError::new(Code::Unauthorized, message)
}
