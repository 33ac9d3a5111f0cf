//! What owners do with the documents in their bin.

use async_graphql::{Context, ID, Object};

use super::edit::take_edit;
use crate::{
    domain::AccessLevel,
    graphql::{
        ApiError,
        access::document_id,
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        types::DocumentType,
    },
};

/// Mutations of documents in bins.
#[derive(Default)]
pub(super) struct BinMutations;

#[Object]
impl BinMutations {
    /// Brings a document back from the caller's bin: with its text, history, metadata and key, and with the access that others had and
    /// that has not ended meanwhile. Requires `OWNER`, and fails with `FORBIDDEN` unless the document is in the bin of the caller.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn undelete(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<DocumentType, ApiError> {
        let (api, owner) = (api(ctx)?, caller(ctx).user()?.id);
        take_edit(ctx, Some(&id)).await?;
        let document = document_id(ctx, &id).await?;
        let undeleted = api.store.undelete(owner, document).await?;
        Ok(DocumentType::new(undeleted, AccessLevel::Owner))
    }

    /// Deletes a document in the caller's bin for good, with its text, history, metadata and key. Nobody can bring it back.
    /// Requires `OWNER`, and fails with `FORBIDDEN` unless the document is in the bin of the caller.
    #[graphql(complexity = "DATABASE_WRITE")]
    async fn purge(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<bool, ApiError> {
        let (api, owner) = (api(ctx)?, caller(ctx).user()?.id);
        take_edit(ctx, Some(&id)).await?;
        let document = document_id(ctx, &id).await?;
        api.store.purge(owner, document).await?;
        Ok(true)
    }
}
