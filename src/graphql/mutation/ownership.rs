//! Handing a document over to another user.

use async_graphql::{Context, ID, Object};

use super::edit::take_edit;
use crate::{
    domain::{AccessLevel, Document, UserId},
    graphql::{
        ApiError,
        access::document_id,
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        types::DocumentType,
    },
};

/// Mutations of the owners of documents.
#[derive(Default)]
pub(super) struct OwnershipMutations;

#[Object]
impl OwnershipMutations {
    /// Hands a document over: the user becomes its owner, and it counts for their quotas from then on. They must have accepted
    /// access to it, so that nobody gets documents unasked. The caller keeps `OWNER` as a grant, which they can give up with
    /// `revokeAccess`. Subscriptions and Yjs editors stay open. Counts as a grant in the hourly allowances. Requires `OWNER`, and
    /// fails with `FORBIDDEN` unless the caller is the owner of the document, or if an application decides who may open documents
    /// (`auth.ask`).
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn transfer_document(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        user_id: ID,
    ) -> Result<DocumentType, ApiError> {
        let api = api(ctx)?;
        let owner = caller(ctx).user()?.id;
        if api.rooms.has_deciding_application() {
            return Err(ApiError::ApplicationDecides);
        }
        take_edit(ctx, Some(&id)).await?;
        let document = document_id(ctx, &id).await?;
        let (before, _) = api.rooms.read_document(owner, document, AccessLevel::Owner).await?;
        let receiver = user_id.parse::<UserId>()?;
        api.hourly.take_grant(owner)?;
        api.hourly.take_grant_to(owner, receiver)?;
        let changes = api.store.transfer_document(owner, document, receiver).await?;
        // Nothing after this may fail: the document has been handed over, and an error would claim the opposite.
        api.rooms.announce_access(changes).await;
        Ok(DocumentType::new(Document { owner: receiver, ..before }, AccessLevel::Owner))
    }
}
