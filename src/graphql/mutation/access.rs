//! Who else may open a document.

use async_graphql::{Context, ID, Object};

use super::WRITING;
use crate::{
    domain::{AccessLevel, Email, InvalidInput, UserId},
    graphql::{
        ApiError,
        access::{document_id, require},
        caller::{api, caller},
        types::{AccessLevelType, CollaboratorType},
    },
    store::StoreError,
};

/// Mutations of access.
#[derive(Default)]
pub(in crate::graphql) struct AccessMutations;

#[Object]
impl AccessMutations {
    /// Gives a user access, or another level. Owner only. Name the user by `userId` or by `email`.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn grant_access(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        level: AccessLevelType,
        user_id: Option<ID>,
        email: Option<String>,
    ) -> Result<CollaboratorType, ApiError> {
        let api = api(ctx)?;
        let admitted = require(ctx, &document_id, AccessLevel::Owner).await?;
        let target = named(ctx, user_id, email).await?;
        let level = level.into();
        let granted =
            api.store.grant_access(admitted.user.id, admitted.document, target, level).await?;
        api.rooms.access_changed(admitted.document, target, Some(level)).await;
        Ok(CollaboratorType(granted.collaborator))
    }

    /// Takes a user's access away. When this answers, the user's open streams of the document have ended. False
    /// when there was no access to take. Owner only; everybody may give up an access of their own.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn revoke_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        user_id: ID,
    ) -> Result<bool, ApiError> {
        let api = api(ctx)?;
        let actor = caller(ctx).user()?;
        let (document, target) = (document_id(&id)?, user_id.parse::<UserId>()?);
        let revoked = api.store.revoke_access(actor.id, document, target).await;
        // Whatever the store said but no: somebody else's revocation may be on its way to the room, and one whose
        // outcome is not known may have been stored. Who still has access may subscribe again.
        if !matches!(revoked, Err(StoreError::Denied | StoreError::OwnerKeepsAccess)) {
            api.rooms.access_changed(document, target, None).await;
        }
        Ok(revoked?)
    }
}

/// The user that exactly one of the two names.
async fn named(
    ctx: &Context<'_>,
    user_id: Option<ID>,
    email: Option<String>,
) -> Result<UserId, ApiError> {
    match (user_id, email) {
        (Some(id), None) => Ok(id.parse()?),
        (None, Some(email)) => {
            let account = api(ctx)?.store.find_account_by_email(&Email::new(&email)?).await?;
            Ok(account.ok_or(StoreError::NoSuchUser)?.id)
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(InvalidInput::new("Name the user by `userId` or by `email`, one of the two.")
                .into())
        }
    }
}
