//! The deletion of the caller's own account.

use async_graphql::{Context, ID, Object};

use super::current_password::{check_password, find_password};
use crate::{
    domain::{InvalidInput, UserId},
    graphql::{
        ApiError,
        caller::{api, caller},
        complexity::CREDENTIALS,
    },
};

/// Mutations that end accounts.
#[derive(Default)]
pub(super) struct AccountEndMutations;

#[Object]
impl AccountEndMutations {
    /// Deletes the caller's account. An account with a password must give it; the users of identity providers and applications give
    /// none. With `handOverTo`, the documents of the caller are handed over to that user, who must have accepted access to each
    /// and have room for all; otherwise they are deleted, as by `deleteDocument`. Changes of documents of others stay, without their
    /// author. Returns true when the account cannot be used any more: all its sign-ins have ended, and its sockets close. The
    /// documents follow within seconds, or minutes if there are thousands. A user of an identity provider who signs in again gets a
    /// new account.
    #[graphql(complexity = "CREDENTIALS")]
    async fn delete_account(
        &self,
        ctx: &Context<'_>,
        password: Option<String>,
        hand_over_to: Option<ID>,
    ) -> Result<bool, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        let receiver = hand_over_to.map(|id| id.parse::<UserId>()).transpose()?;
        if receiver == Some(user) {
            return Err(InvalidInput::new(
                "Your documents cannot stay yours. Name another user, or none.",
            )
            .into());
        }
        match (find_password(ctx).await?, password) {
            (Some(stored), Some(given)) => {
                check_password(ctx, &given, &stored).await?;
            }
            (Some(_), None) => {
                let why = "Your account has a password. Give it as `password`.";
                return Err(InvalidInput::new(why).into());
            }
            (None, Some(_)) => {
                let why = "Your account has no password. Leave `password` out.";
                return Err(InvalidInput::new(why).into());
            }
            (None, None) => {}
        }
        api.account_ends.delete_account(user, receiver).await?;
        Ok(true)
    }
}
