//! From a token to an account.
//!
//! The token is checked without I/O; then the account is looked up, or made when `auth.enrol` allows it. Sockets
//! and HTTP requests are let in by the same rules.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{
    auth::{Claims, TokenError, Tokens},
    domain::{DisplayName, Email, User},
    metrics::Metrics,
    store::{Store, StoreError},
};

/// Somebody who showed a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Who it is.
    pub user: User,
    /// Until when the token is good.
    pub expires_at: DateTime<Utc>,
}

/// Why nobody could be made out.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is good, but there is no such account, and none is made.
    #[error("the token is valid, but its user has no account here")]
    Unknown,
    /// The account could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at tokens.
#[derive(Clone)]
pub struct Identity {
    tokens: Tokens,
    store: Store,
    metrics: Metrics,
    enrol: bool,
}

impl Identity {
    /// One that makes accounts for valid tokens of unknown users if `enrol` is set.
    #[must_use]
    pub fn new(tokens: Tokens, store: Store, metrics: Metrics, enrol: bool) -> Self {
        Self { tokens, store, metrics, enrol }
    }

    /// Whose token this is. Failures are counted.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn of(&self, token: &str) -> Result<Identified, IdentityError> {
        let identified = self.look_up(token).await;
        match &identified {
            Err(IdentityError::Token(error)) => self.metrics.auth_failed(error.label()),
            Err(IdentityError::Unknown) => self.metrics.auth_failed("unknown_user"),
            Err(IdentityError::Store(_)) | Ok(_) => {}
        }
        identified
    }

    async fn look_up(&self, token: &str) -> Result<Identified, IdentityError> {
        let claims = self.tokens.verify(token, Utc::now())?;
        let account = match self.store.find_account(claims.user).await? {
            Some(account) => account,
            None if self.enrol => self.enrol(&claims).await?,
            None => return Err(IdentityError::Unknown),
        };
        Ok(Identified { user: account.user(), expires_at: claims.expires_at })
    }

    async fn enrol(&self, claims: &Claims) -> Result<crate::domain::Account, StoreError> {
        // What the identity provider calls the user may not be fit to show; the id always is.
        let given = claims.name.as_deref().and_then(|name| DisplayName::new(name).ok());
        let name = match given {
            Some(name) => name,
            None => DisplayName::from(claims.user),
        };
        let email = claims.email.as_deref().and_then(|email| Email::new(email).ok());
        self.store.enrol(claims.user, name, email).await
    }
}
