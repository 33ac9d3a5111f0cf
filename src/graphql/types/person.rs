//! Users and accounts.

use async_graphql::{ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::id;
use crate::domain::{Account, User};

/// What others see of an account.
#[derive(Clone)]
pub(in crate::graphql) struct UserType(pub(in crate::graphql) User);

/// What others see of an account.
#[Object(name = "User")]
impl UserType {
    async fn id(&self) -> ID {
        id(self.0.id.uuid())
    }

    async fn name(&self) -> &str {
        &self.0.name
    }
}

/// An account as its own user sees it.
pub(in crate::graphql) struct AccountType(pub(in crate::graphql) Account);

/// The caller's own account: what others never see of it stays here.
#[Object(name = "Account")]
impl AccountType {
    async fn id(&self) -> ID {
        id(self.0.id.uuid())
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn email(&self) -> &str {
        &self.0.email
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// A token, and whose it is.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AuthPayload {
    /// Send it as `Authorization: Bearer <token>`, or as `authToken` in `connection_init`.
    pub(in crate::graphql) token: String,
    /// Until when the token is good.
    pub(in crate::graphql) expires_at: DateTime<Utc>,
    /// Whose token it is.
    pub(in crate::graphql) account: AccountType,
}
