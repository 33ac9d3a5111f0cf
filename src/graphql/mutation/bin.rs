//! What owners do with the documents in their bin.

use async_graphql::{Context, ID, Object};

use super::edit::take_edit;
use crate::{
    domain::{AccessLevel, DocumentId, UserId},
    graphql::{
        Api, ApiError,
        access::document_id,
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        types::DocumentType,
    },
    store::StoreError,
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
        let undeleted = api.store.undelete(owner, document).await;
        let undeleted = in_bin(api, owner, document, undeleted).await?;
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
        let purged = api.store.purge(owner, document).await;
        in_bin(api, owner, document, purged).await?;
        Ok(true)
    }
}

/// Tells an owner whose document is not in their bin that it is not.
async fn in_bin<T>(
    api: &Api,
    owner: UserId,
    document: DocumentId,
    found: Result<T, StoreError>,
) -> Result<T, ApiError> {
    match found {
        Err(StoreError::Denied) => {
            api.rooms.read_level(owner, document, AccessLevel::Owner).await?;
            Err(ApiError::NotInBin)
        }
        found => Ok(found?),
    }
}
