//! Queries of accounts.

use async_graphql::{Context, Object};

use crate::{
    graphql::{
        ApiError,
        caller::{api, caller},
        complexity::DATABASE_READ,
        read_turns::read,
        types::{AccountType, UserType},
    },
    store::StoreError,
};

/// Queries of accounts.
#[derive(Default)]
pub(super) struct AccountQueries;

#[Object]
impl AccountQueries {
    /// The caller's own account.
    #[graphql(complexity = "DATABASE_READ + child_complexity")]
    async fn me(&self, ctx: &Context<'_>) -> Result<AccountType, ApiError> {
        let user = caller(ctx).user()?;
        let account = read(ctx, api(ctx)?.store.find_account(user.id)).await?;
        Ok(AccountType(account.ok_or(StoreError::NoSuchUser)?))
    }

    /// The users whose documents the caller refuses (`blockUser`), at most 1,000.
    #[graphql(complexity = "DATABASE_READ + 10 * child_complexity")]
    async fn blocked_users(&self, ctx: &Context<'_>) -> Result<Vec<UserType>, ApiError> {
        let user = caller(ctx).user()?;
        let blocked = read(ctx, api(ctx)?.store.list_blocked(user.id)).await?;
        Ok(blocked.into_iter().map(UserType).collect())
    }
}
