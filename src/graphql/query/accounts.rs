//! Queries of accounts.

use async_graphql::{Context, Object};

use crate::{
    graphql::{
        ApiError,
        caller::{api, caller},
        complexity::DATABASE_READ,
        read_turns::read,
        types::AccountType,
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
}
