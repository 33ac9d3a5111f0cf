//! Authentication: from a token to an account.
//!
//! [`Identity`] verifies the token, finds its user, then looks up their account. It creates the account of a user whom it
//! does not know, if the settings of the token's issuer allow it. Sockets and HTTP requests are authenticated by the same
//! rules.

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use super::{document_tokens::UsedDocumentTokens, outside_users::OutsideUsers};
use crate::{
    auth::{Claims, DocumentGrants, Subject, TicketClaims, TicketError, TokenError, Verifier},
    domain::{
        Account, DisplayName, DocumentId, DocumentName, Email, OutsideSubject, Party, SignIn, User,
        UserId,
    },
    metrics::Metrics,
    room::Rooms,
    store::{Standing, Store, StoreError},
};

/// How long a redeemed ticket is remembered after its expiry, which the clocks of nodes reach at different times.
const TICKETS_KEPT: TimeDelta = TimeDelta::minutes(10);

/// The user of a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The user.
    pub user: User,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
    /// The sign-in that the token belongs to.
    pub sign_in: SignIn,
}

/// Why a token or a ticket did not lead to an account.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The ticket is not valid, or was used before.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The token is valid, but its user has no account, and its issuer's users get none by themselves, or the account was deleted.
    #[error("the token is valid, but its user has no account here")]
    Unknown,
    /// The sign-in has ended: its user has signed out or changed the password, or an application has ended the document token.
    #[error("the sign-in has ended")]
    SignedOut,
    /// An operator has blocked the account.
    #[error("the account is blocked")]
    Blocked,
    /// The account could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Authenticates users by their tokens and tickets.
#[derive(Clone)]
pub struct Identity {
    verifier: Verifier,
    store: Store,
    metrics: Metrics,
    enrol: bool,
    outside: OutsideUsers,
    document_tokens: UsedDocumentTokens,
}

impl Identity {
    /// Creates an authenticator. With `enrol`, it creates an account for a valid token of an unknown user that is signed with
    /// our own secret.
    #[must_use]
    pub fn new(
        verifier: Verifier,
        store: Store,
        rooms: Rooms,
        metrics: Metrics,
        enrol: bool,
    ) -> Self {
        let outside = OutsideUsers::new(store.clone());
        let document_tokens = UsedDocumentTokens::new(store.clone(), rooms);
        Self { verifier, store, metrics, enrol, outside, document_tokens }
    }

    /// Returns the user of a token. Counts tokens that are refused.
    ///
    /// # Errors
    /// [`IdentityError`].
    ///
    /// # Cancel safety
    /// An account may have been created when the future is dropped. The next call finds it.
    pub async fn of(&self, token: &str) -> Result<Identified, IdentityError> {
        let claims = self.verify(token).await?;
        let user = self.user_of(&claims).await?;
        self.account_of(user, &claims).await
    }

    /// Verifies a token if that takes little work. `None` if it takes as much as a small request. Counts tokens that are
    /// refused.
    pub fn verify_quickly(&self, token: &str) -> Option<Result<Claims, TokenError>> {
        let verified = self.verifier.verify_quickly(token, Utc::now())?;
        Some(verified.inspect_err(|error| self.metrics.auth_failed(error.label())))
    }

    /// Verifies a token. Waits for the keys of its issuer, if they have to be fetched. Counts tokens that are refused.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let verified = self.verifier.verify(token, Utc::now()).await;
        verified.inspect_err(|error| self.metrics.auth_failed(error.label()))
    }

    /// Returns the document with a name, or [`DocumentId::NONE`] if no document has this key. An id is not looked up.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn find_document(
        &self,
        name: &DocumentName,
        party: Party,
    ) -> Result<DocumentId, IdentityError> {
        Ok(self.store.resolve(name, party).await?)
    }

    /// Returns the user to whom a node has issued this ticket, for any document, whether or not it is still valid.
    #[must_use]
    pub fn issued_to(&self, ticket: &str) -> Option<UserId> {
        self.verifier.issued_to(ticket)
    }

    /// Verifies a ticket for a document, which takes little work. Counts tickets that are refused.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn open_ticket(
        &self,
        ticket: &str,
        document: DocumentId,
    ) -> Result<TicketClaims, TicketError> {
        let opened = self.verifier.open_ticket(ticket, document, Utc::now());
        opened.inspect_err(|error| self.metrics.auth_failed(error.label()))
    }

    /// Redeems a verified ticket: returns the account of its user, if the sign-in has not ended and nobody has redeemed the
    /// ticket before. Counts users who are refused.
    ///
    /// # Errors
    /// Those of [`IdentityError`] except [`IdentityError::Token`].
    ///
    /// # Cancel safety
    /// The ticket may have been redeemed when the future is dropped.
    pub async fn redeem(&self, ticket: &TicketClaims) -> Result<Identified, IdentityError> {
        let TicketClaims { id, user, sign_in, expires_at } = *ticket;
        let find = self.store.find_standing(user, &sign_in);
        let standing = self.store.read_for(Party::User(user), find).await??;
        let account = self.admit(standing.ok_or_else(|| self.unknown())?)?;
        if !self.store.redeem_ticket(user, id, expires_at + TICKETS_KEPT).await? {
            self.metrics.auth_failed(TicketError::Used.label());
            return Err(TicketError::Used.into());
        }
        Ok(Identified { user: account.user(), expires_at: sign_in.expires_at, sign_in })
    }

    /// Returns the id of the user of a verified token. Creates the account of an outside user whom it does not know, if their
    /// issuer allows it.
    ///
    /// # Errors
    /// [`IdentityError::Unknown`] or [`IdentityError::Store`].
    ///
    /// # Cancel safety
    /// An account may have been created when the future is dropped. The next call finds it.
    pub async fn user_of(&self, claims: &Claims) -> Result<UserId, IdentityError> {
        match &claims.subject {
            Subject::User(user) => Ok(*user),
            Subject::Outside(subject) => {
                let found = self.outside.find_or_enrol(subject, claims).await?;
                found.ok_or_else(|| self.unknown())
            }
        }
    }

    /// Returns the account of the user of a verified token, with the name and address that the token has, if its sign-in has
    /// not ended. Gives the user the access that a document token grants. Counts users who are refused.
    ///
    /// # Errors
    /// Those of [`IdentityError`] except [`IdentityError::Token`].
    ///
    /// # Cancel safety
    /// An account may have been created when the future is dropped. The next call finds it.
    pub async fn account_of(
        &self,
        user: UserId,
        claims: &Claims,
    ) -> Result<Identified, IdentityError> {
        if let Subject::Outside(subject) = &claims.subject {
            self.outside.update(subject, claims).await?;
        }
        let (party, find) = (Party::User(user), self.store.find_standing(user, &claims.sign_in));
        let account = match (self.store.read_for(party, find).await??, &claims.subject) {
            (
                Some(Standing { is_deleted: true, is_signed_out: false, .. }),
                Subject::Outside(subject),
            ) => self.enrol_again(user, subject, claims).await?,
            (Some(standing), _) => self.admit(standing)?,
            (None, Subject::User(_)) if self.enrol => self.enrol(user, claims).await?,
            (None, Subject::User(_)) => return Err(self.unknown()),
            (None, Subject::Outside(subject)) => {
                // The account was deleted after it was found. The next token creates one.
                self.outside.forget(subject);
                return Err(self.unknown());
            }
        };
        if let Subject::Outside(subject) = &claims.subject {
            self.outside.update_groups(subject, account.id, claims).await?;
        }
        if let Some(grants) = &claims.grants {
            self.note_grants(account.id, claims, grants).await?;
        }
        let (expires_at, sign_in) = (claims.expires_at, claims.sign_in);
        Ok(Identified { user: account.user(), expires_at, sign_in })
    }

    /// Creates a new account for a user of an outside issuer who has signed in again after the account `deleted` was deleted. The
    /// tokens from before do not lead here, so that a page that is still open brings no account back.
    async fn enrol_again(
        &self,
        deleted: UserId,
        subject: &OutsideSubject,
        claims: &Claims,
    ) -> Result<Account, IdentityError> {
        let user = self.outside.enrol_again(subject, claims, deleted).await?;
        let user = user.ok_or_else(|| self.unknown())?;
        let find = self.store.find_standing(user, &claims.sign_in);
        match self.store.read_for(Party::User(user), find).await?? {
            Some(standing) => self.admit(standing),
            None => Err(self.unknown()),
        }
    }

    async fn note_grants(
        &self,
        user: UserId,
        claims: &Claims,
        grants: &DocumentGrants,
    ) -> Result<(), IdentityError> {
        if self.document_tokens.note(user, claims, grants).await? {
            return Ok(());
        }
        self.metrics.auth_failed("signed_out");
        Err(IdentityError::SignedOut)
    }

    fn admit(&self, standing: Standing) -> Result<Account, IdentityError> {
        let refused = match standing {
            Standing { is_blocked: true, is_deleted: false, .. } => {
                ("blocked", IdentityError::Blocked)
            }
            Standing { is_signed_out: true, .. } => ("signed_out", IdentityError::SignedOut),
            Standing { is_deleted: true, .. } => ("unknown_user", IdentityError::Unknown),
            Standing { account, .. } => return Ok(account),
        };
        self.metrics.auth_failed(refused.0);
        Err(refused.1)
    }

    fn unknown(&self) -> IdentityError {
        self.metrics.auth_failed("unknown_user");
        IdentityError::Unknown
    }

    async fn enrol(&self, user: UserId, claims: &Claims) -> Result<Account, StoreError> {
        // The application may use names that are not valid here. The user's id always is.
        let given = claims.name.as_deref().and_then(|name| DisplayName::new(name).ok());
        let name = match given {
            Some(name) => name,
            None => DisplayName::from(user),
        };
        let email = claims.email.as_deref().and_then(|email| Email::for_account(email).ok());
        self.store.enrol(user, name, email).await
    }
}
