//! Authentication: from a token to an account.
//!
//! [`Identity`] verifies the token without I/O, then looks up its account, or creates one if `auth.enrol` is set.
//! Sockets and HTTP requests are authenticated by the same rules.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{
    auth::{Claims, TokenError, Tokens},
    domain::{Account, DisplayName, Email, Party, User},
    metrics::Metrics,
    store::{Store, StoreError},
};

/// The user of a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The user.
    pub user: User,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
}

/// Why a token did not lead to an account.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is valid, but its user has no account, and `auth.enrol` is not set.
    #[error("the token is valid, but its user has no account here")]
    Unknown,
    /// The account could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Authenticates users by their tokens.
#[derive(Clone)]
pub struct Identity {
    tokens: Tokens,
    store: Store,
    metrics: Metrics,
    enrol: bool,
}

impl Identity {
    /// Creates an authenticator. With `enrol`, it creates an account for a valid token of an unknown user.
    #[must_use]
    pub fn new(tokens: Tokens, store: Store, metrics: Metrics, enrol: bool) -> Self {
        Self { tokens, store, metrics, enrol }
    }

    /// Returns the user of a token. Counts tokens that are refused.
    ///
    /// # Errors
    /// [`IdentityError`].
    ///
    /// # Cancel safety
    /// An account may have been created when the future is dropped. The next call finds it.
    pub async fn of(&self, token: &str) -> Result<Identified, IdentityError> {
        self.account_of(&self.verify(token)?).await
    }

    /// Verifies a token without I/O. Counts tokens that are refused.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let verified = self.tokens.verify(token, Utc::now());
        verified.inspect_err(|error| self.metrics.auth_failed(error.label()))
    }

    /// Returns the user of a verified token. Counts unknown users.
    ///
    /// # Errors
    /// [`IdentityError::Unknown`] or [`IdentityError::Store`].
    ///
    /// # Cancel safety
    /// An account may have been created when the future is dropped. The next call finds it.
    pub async fn account_of(&self, claims: &Claims) -> Result<Identified, IdentityError> {
        let (party, find) = (Party::User(claims.user), self.store.find_account(claims.user));
        let account = match self.store.read_for(party, find).await?? {
            Some(account) => account,
            None if self.enrol => self.enrol(claims).await?,
            None => {
                self.metrics.auth_failed("unknown_user");
                return Err(IdentityError::Unknown);
            }
        };
        Ok(Identified { user: account.user(), expires_at: claims.expires_at })
    }

    async fn enrol(&self, claims: &Claims) -> Result<Account, StoreError> {
        // The identity provider may use names that are not valid here. The user's id always is.
        let given = claims.name.as_deref().and_then(|name| DisplayName::new(name).ok());
        let name = match given {
            Some(name) => name,
            None => DisplayName::from(claims.user),
        };
        let email = claims.email.as_deref().and_then(|email| Email::for_account(email).ok());
        self.store.enrol(claims.user, name, email).await
    }
}
