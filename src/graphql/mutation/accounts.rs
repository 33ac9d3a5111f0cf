//! Registration, sign-in and token renewal.

use async_graphql::{Context, Object};
use chrono::Utc;
use tokio::time::Instant;

use crate::{
    auth::{HashRank, HashTurn, PasswordError, Passwords},
    domain::{Account, DisplayName, Email, TokenIssuer},
    graphql::{
        Api, ApiError,
        caller::{api, caller},
        complexity::CREDENTIALS,
        read_turns::read,
        types::AuthPayload,
    },
    store::{NewAccount, StoreError},
};

/// Mutations of accounts.
#[derive(Default)]
pub(super) struct AccountMutations;

#[Object]
impl AccountMutations {
    /// Creates an account and signs in to it. Fails with `CONFLICT` if the e-mail address already has an account, and with
    /// `FORBIDDEN` if only the operator of the server creates accounts.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn register(
        &self,
        ctx: &Context<'_>,
        email: String,
        name: String,
        password: String,
    ) -> Result<AuthPayload, ApiError> {
        let (api, network) = (api(ctx)?, caller(ctx).network());
        if !api.local_accounts.may_register {
            return Err(ApiError::NoRegistration);
        }
        let (email, name) = (Email::for_account(&email)?, DisplayName::new(&name)?);
        Passwords::check(&password)?;
        limited(api, api.sign_ins.check_source(network, Instant::now()))?;
        limited(api, api.registrations.take(&network))?;
        let turn = HashTurn { rank: HashRank::Suspect, network };
        let hashed = api.passwords.hash(turn, &password).await;
        let password_hash = hashed.inspect_err(|error| count_busy(api, error))?;
        let new = NewAccount { name, email: email.clone(), password_hash };
        let created = api.store.create_account(new, caller(ctx).party()).await;
        let account = created.inspect_err(|error| {
            // It tells that the address has an account.
            if matches!(error, StoreError::EmailTaken) {
                api.sign_ins.count_failure(network, Instant::now());
            }
        })?;
        api.sign_ins.note_known(&email, network);
        Ok(signed_in(api, account))
    }

    /// Signs in with an e-mail address and a password. Fails with `FORBIDDEN` if users of this server sign in with an identity
    /// provider only.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn login(
        &self,
        ctx: &Context<'_>,
        email: String,
        password: String,
    ) -> Result<AuthPayload, ApiError> {
        let (api, network) = (api(ctx)?, caller(ctx).network());
        if !api.local_accounts.may_sign_in {
            return Err(ApiError::NoLocalAccounts);
        }
        let email = Email::new(&email)?;
        let attempt = api.sign_ins.begin(&email, network, Instant::now());
        let attempt = limited(api, attempt)?;
        attempt.delay().await;
        let credentials = read(ctx, api.store.find_credentials(&email)).await?;
        let stored = credentials.as_ref().and_then(|known| known.password_hash.as_deref());
        let verified = api.passwords.verify(attempt.turn(), &password, stored).await;
        let is_right = verified.inspect_err(|error| count_busy(api, error))?;
        let settled = attempt.settle(is_right && credentials.is_some(), Instant::now());
        let is_signed_in = limited(api, settled)?;
        match credentials.filter(|_known| is_signed_in) {
            Some(known) if known.is_blocked => {
                api.metrics.auth_failed("blocked");
                Err(ApiError::Blocked)
            }
            Some(known) => Ok(signed_in(api, known.account)),
            None => {
                api.metrics.auth_failed("wrong_credentials");
                Err(ApiError::WrongCredentials)
            }
        }
    }

    /// Issues a new token for the caller. Call it before the current token expires. Fails with `UNAUTHENTICATED` if the sign-in
    /// has ended or is older than `auth.sign_in_life` (30 days by default): the user has to enter the password again. Fails with `FORBIDDEN` if an identity
    /// provider issued the current token, because that provider decides how long its users stay signed in.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn refresh_token(&self, ctx: &Context<'_>) -> Result<AuthPayload, ApiError> {
        let api = api(ctx)?;
        let user = caller(ctx).user()?;
        let sign_in = caller(ctx).sign_in()?;
        if sign_in.issued_by == TokenIssuer::Outside {
            return Err(ApiError::OutsideToken);
        }
        let standing = read(ctx, api.store.find_standing(user.id, &sign_in)).await?;
        let standing = standing.ok_or(StoreError::NoSuchUser)?;
        // A socket may have been opened before.
        if standing.is_blocked || standing.is_signed_out || standing.is_deleted {
            return Err(ApiError::SignInOver);
        }
        let account = standing.account;
        if let Ok(email) = Email::new(&account.email) {
            api.sign_ins.note_known(&email, caller(ctx).network());
        }
        let renewed = api.tokens.renew(&account.user(), &sign_in, account.generation, Utc::now());
        let minted = renewed.map_err(|_over| ApiError::SignInOver)?;
        Ok(AuthPayload::new(minted, account))
    }
}

/// Counts in the metrics that a limit refuses the caller, if it does.
pub(super) fn limited<T, E>(api: &Api, outcome: Result<T, E>) -> Result<T, E> {
    outcome.inspect_err(|_refused| api.metrics.auth_failed("rate_limited"))
}

pub(super) fn count_busy(api: &Api, error: &PasswordError) {
    if matches!(error, PasswordError::Busy) {
        api.metrics.auth_failed("busy");
    }
}

/// Begins a sign-in.
pub(super) fn signed_in(api: &Api, account: Account) -> AuthPayload {
    let minted = api.tokens.mint(&account.user(), account.generation, Utc::now());
    AuthPayload::new(minted, account)
}
