//! The end of sign-ins: signing out, and changing the password.

use async_graphql::{Context, Object};
use chrono::Utc;

use super::{
    accounts::count_busy,
    current_password::{check_password, find_password},
};
use crate::{
    auth::Passwords,
    domain::{EndedSignIns, KeptSession, SignIn, TokenIssuer},
    graphql::{
        ApiError,
        caller::{api, caller},
        complexity::{CREDENTIALS, DATABASE_WRITE},
        read_turns::read,
        types::AuthPayload,
    },
    store::StoreError,
};

/// Mutations that end sign-ins.
#[derive(Default)]
pub(super) struct SignInMutations;

#[Object]
impl SignInMutations {
    /// Ends the caller's sign-in: all tokens that come from the same `login` are refused from now on, and the sockets that were
    /// opened with them close, on every node within a second. For a token of an identity provider these are the tokens with
    /// the same `sid` or else `jti`; the user stays signed in at the provider.
    #[graphql(complexity = "DATABASE_WRITE")]
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        let SignIn { id, issued_by, expires_at, .. } = caller(ctx).sign_in()?;
        // Other tokens of the sign-in may expire later.
        let kept_until = expires_at.max(Utc::now() + api.sign_ins_kept_for);
        api.store.end_sign_in(user, id, kept_until).await?;
        api.sign_in_ends.announce(user, EndedSignIns::One(id), None);
        if issued_by == TokenIssuer::Outside {
            // One that is being used for the first time on another node grants nothing after this.
            api.store.mark_document_token(id).await?;
            api.sign_in_ends.end_granted(user, Some(id)).await?;
        }
        Ok(true)
    }

    /// Ends all sign-ins of the caller, this one included: their tokens are refused from now on, and their sockets close, on
    /// every node within a second. Tokens of an identity provider are refused if they were issued before now.
    #[graphql(complexity = "DATABASE_WRITE")]
    async fn sign_out_everywhere(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        let ended = api.store.end_all_sign_ins(user).await?;
        api.sign_in_ends.announce(user, ended, None);
        api.sign_in_ends.end_granted(user, None).await?;
        Ok(true)
    }

    /// Replaces the caller's password, ends all their sign-ins, and signs in again. The caller's own socket stays open; over
    /// HTTP that is the one which `X-Session-Id` names. Fails with `FORBIDDEN` if the account has no password, or
    /// passwords are switched off.
    #[graphql(complexity = "CREDENTIALS + child_complexity")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        current_password: String,
        new_password: String,
    ) -> Result<AuthPayload, ApiError> {
        let (api, caller) = (api(ctx)?, caller(ctx));
        if !api.local_accounts.may_sign_in {
            return Err(ApiError::NoLocalAccounts);
        }
        let user = caller.user()?.id;
        Passwords::check(&new_password)?;
        let stored = find_password(ctx).await?.ok_or(ApiError::NoPassword)?;
        let turn = check_password(ctx, &current_password, &stored).await?;
        let hashed = api.passwords.hash(turn, &new_password).await;
        let hash = hashed.inspect_err(|error| count_busy(api, error))?;
        let changed = api.store.change_password(user, &stored.hash, hash).await?;
        // Another change came first.
        let ended = changed.ok_or(ApiError::WrongPassword)?;
        let account = read(ctx, api.store.find_account(user)).await?;
        let mut account = account.ok_or(StoreError::NoSuchUser)?;
        if let EndedSignIns::All { generation, .. } = ended {
            account.generation = generation;
        }
        let minted = api.tokens.mint(&account.user(), account.generation, Utc::now());
        let sign_in = minted.sign_in;
        let kept = caller.session().map(|session| KeptSession { session, sign_in });
        api.sign_in_ends.announce(user, ended, kept);
        Ok(AuthPayload::new(minted, account))
    }
}
