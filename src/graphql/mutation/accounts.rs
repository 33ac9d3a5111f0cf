//! Registration, sign-in and token renewal.

use async_graphql::{Context, Object};
use chrono::Utc;

use crate::{
    auth::PasswordError,
    domain::{Account, DisplayName, Email},
    graphql::{
        Api, ApiError,
        caller::{api, caller},
        complexity::CREDENTIALS,
        types::{AccountType, AuthPayload},
    },
    store::{NewAccount, StoreError},
};

/// Mutations of accounts.
#[derive(Default)]
pub(super) struct AccountMutations;

#[Object]
impl AccountMutations {
    /// Creates an account and signs in to it. Fails with `CONFLICT` if the e-mail address already has an account.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn register(
        &self,
        ctx: &Context<'_>,
        email: String,
        name: String,
        password: String,
    ) -> Result<AuthPayload, ApiError> {
        let api = api(ctx)?;
        let (email, name) = (Email::new(&email)?, DisplayName::new(&name)?);
        take_sign_in(api, &email)?;
        let hashed = api.passwords.hash(caller(ctx).party(), &password).await;
        let password_hash = hashed.inspect_err(|error| count_busy(api, error))?;
        let account = api.store.create_account(NewAccount { name, email, password_hash }).await?;
        Ok(signed_in(api, account))
    }

    /// Signs in with an e-mail address and a password.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn login(
        &self,
        ctx: &Context<'_>,
        email: String,
        password: String,
    ) -> Result<AuthPayload, ApiError> {
        let api = api(ctx)?;
        let email = Email::new(&email)?;
        take_sign_in(api, &email)?;
        let credentials = api.store.find_credentials(&email).await?;
        let stored = credentials.as_ref().and_then(|known| known.password_hash.as_deref());
        let good = api
            .passwords
            .verify(caller(ctx).party(), &password, stored)
            .await
            .inspect_err(|error| count_busy(api, error))?;
        match credentials.filter(|_known| good) {
            Some(known) => Ok(signed_in(api, known.account)),
            None => {
                api.metrics.auth_failed("wrong_credentials");
                Err(ApiError::WrongCredentials)
            }
        }
    }

    /// Issues a new token for the caller. Call it before the current token expires.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn refresh_token(&self, ctx: &Context<'_>) -> Result<AuthPayload, ApiError> {
        let api = api(ctx)?;
        let user = caller(ctx).user()?;
        let account = api.store.find_account(user.id).await?;
        Ok(signed_in(api, account.ok_or(StoreError::NoSuchUser)?))
    }
}

/// Counts an attempt against `limits.sign_ins_per_minute` of the address.
///
/// # Errors
/// The address has used up its allowance.
fn take_sign_in(api: &Api, email: &Email) -> Result<(), ApiError> {
    api.sign_ins.take(email).inspect_err(|_| api.metrics.auth_failed("rate_limited"))?;
    Ok(())
}

fn count_busy(api: &Api, error: &PasswordError) {
    if matches!(error, PasswordError::Busy) {
        api.metrics.auth_failed("busy");
    }
}

fn signed_in(api: &Api, account: Account) -> AuthPayload {
    let minted = api.tokens.mint(&account.user(), Utc::now());
    let account = AccountType(account);
    AuthPayload { token: minted.token, expires_at: minted.expires_at, account }
}
