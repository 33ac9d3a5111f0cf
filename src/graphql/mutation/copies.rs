//! Copying documents.

use async_graphql::{Context, ID, Object};

use super::edit::take_edit;
use crate::{
    domain::{AccessLevel, DocumentKey, Title},
    graphql::{
        ApiError,
        access::document_id,
        caller::{api, caller},
        complexity::{DATABASE_WRITE, TEXT_REBUILD},
        types::DocumentType,
    },
};

/// Mutations that copy documents.
#[derive(Default)]
pub(super) struct CopyMutations;

#[Object]
impl CopyMutations {
    /// Creates a document that the caller owns, with the present content and metadata of another one: its text with formats and
    /// embedded objects, and all other root types of Yjs editors. Without `title`, it has the title of the original. Access, history
    /// and key are not copied. Requires `VIEW`. Fails with `CONFLICT` if another document has the key.
    #[graphql(complexity = "TEXT_REBUILD + DATABASE_WRITE + child_complexity")]
    async fn copy_document(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        title: Option<String>,
        key: Option<String>,
    ) -> Result<DocumentType, ApiError> {
        let (api, owner) = (api(ctx)?, caller(ctx).user()?);
        take_edit(ctx, None).await?;
        let document = document_id(ctx, &id).await?;
        let (original, _) = api.rooms.read_document(owner.id, document, AccessLevel::View).await?;
        let title = match title {
            Some(title) => Title::new(&title)?,
            None => Title::stored(original.title.clone()),
        };
        let key = key.as_deref().map(DocumentKey::new).transpose()?;
        let copy = api.rooms.copy(owner.id, &original, title, key).await?;
        Ok(DocumentType {
            owner: Some(owner.clone()),
            ..DocumentType::new(copy, AccessLevel::Owner)
        })
    }
}
