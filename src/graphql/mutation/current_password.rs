//! The check of a caller's own password, before something that a stolen token must not be enough for.

use async_graphql::Context;
use tokio::time::Instant;

use super::accounts::{count_busy, limited};
use crate::{
    auth::HashTurn,
    domain::Email,
    graphql::{
        ApiError,
        caller::{api, caller},
        read_turns::read,
    },
    store::StoreError,
};

/// The password with which a user signs in.
pub(super) struct StoredPassword {
    email: Email,
    /// Its hash as a PHC string.
    pub(super) hash: String,
}

/// Returns the password of the caller, if they have one.
///
/// # Errors
/// The caller is not signed in or has no account any more, or the store failed.
pub(super) async fn find_password(ctx: &Context<'_>) -> Result<Option<StoredPassword>, ApiError> {
    let user = caller(ctx).user()?.id;
    let found = read(ctx, api(ctx)?.store.find_password(user)).await?;
    let (email, hash) = found.ok_or(StoreError::NoSuchUser)?;
    let Some(hash) = hash else { return Ok(None) };
    Ok(Some(StoredPassword { email: Email::new(&email)?, hash }))
}

/// Checks that the caller knows their password. Returns the turn of the attempt in the queue of hashes.
///
/// # Errors
/// [`ApiError::WrongPassword`], or too many attempts have failed or wait.
pub(super) async fn check_password(
    ctx: &Context<'_>,
    given: &str,
    stored: &StoredPassword,
) -> Result<HashTurn, ApiError> {
    let (api, network) = (api(ctx)?, caller(ctx).network());
    let attempt = limited(api, api.sign_ins.begin(&stored.email, network, Instant::now()))?;
    attempt.delay().await;
    let turn = attempt.turn();
    let verified = api.passwords.verify(turn, given, Some(&stored.hash)).await;
    let is_right = verified.inspect_err(|error| count_busy(api, error))?;
    if !limited(api, attempt.settle(is_right, Instant::now()))? {
        api.metrics.auth_failed("wrong_credentials");
        return Err(ApiError::WrongPassword);
    }
    Ok(turn)
}
