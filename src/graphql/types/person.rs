//! Users and accounts.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{Timestamp, UsageType, id::id};
use crate::{
    auth::MintedToken,
    domain::{Account, User},
    graphql::{ApiError, caller::api, complexity::DATABASE_READ, read_turns::read},
};

/// The public part of an account.
#[derive(Clone)]
pub(in crate::graphql) struct UserType(pub(in crate::graphql) User);

/// A user, as other users see them.
#[Object(name = "User")]
impl UserType {
    pub(super) async fn id(&self) -> ID {
        id(self.0.id.uuid())
    }

    async fn name(&self) -> &str {
        &self.0.name
    }
}

/// An account, as its own user sees it.
pub(in crate::graphql) struct AccountType(pub(in crate::graphql) Account);

/// The caller's own account. Other users never see its e-mail address.
#[Object(name = "Account")]
impl AccountType {
    async fn id(&self) -> ID {
        id(self.0.id.uuid())
    }

    /// The name that other users see.
    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn email(&self) -> &str {
        &self.0.email
    }

    async fn created_at(&self) -> Timestamp {
        Timestamp(self.0.created_at)
    }

    /// What the user has used of their quotas.
    #[graphql(complexity = "DATABASE_READ + child_complexity")]
    async fn usage(&self, ctx: &Context<'_>) -> Result<UsageType, ApiError> {
        let (api, user) = (api(ctx)?, self.0.id);
        let storage = read(ctx, api.store.load_usage(user)).await?;
        let open_documents = api.rooms.open_documents(user);
        Ok(UsageType::new(&storage, api.hourly.grants_used(user), open_documents))
    }
}

impl AuthPayload {
    pub(in crate::graphql) fn new(minted: MintedToken, account: Account) -> Self {
        let account = AccountType(account);
        Self { token: minted.token, expires_at: Timestamp(minted.expires_at), account }
    }
}

/// A token and the account that it belongs to.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AuthPayload {
    /// The token. Send it as `Authorization: Bearer <token>`, or as `authToken` in the payload of `connection_init`.
    pub(in crate::graphql) token: String,
    /// The time at which the token expires. Call `refreshToken` before.
    pub(in crate::graphql) expires_at: Timestamp,
    /// The account that the token belongs to.
    pub(in crate::graphql) account: AccountType,
}
