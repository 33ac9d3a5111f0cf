//! Restoring the text of an earlier version.

use async_graphql::{Context, ID, Object};

use super::edit::{edit_request, take_edit};
use crate::{
    domain::{AccessLevel, Text},
    editing::{EditError, EditKind},
    graphql::{
        ApiError,
        access::require,
        caller::api,
        complexity::{DATABASE_WRITE, TEXT_REBUILD},
        query::text_at,
        types::EditPayload,
    },
};

/// Mutations that use the history.
#[derive(Default)]
pub(super) struct HistoryMutations;

#[Object]
impl HistoryMutations {
    /// Restores the text at `version` as a new change. The history after that version is kept. Restores only the plain
    /// text: formatting and other content of Yjs editors is not restored. Requires `EDIT`.
    #[graphql(complexity = "TEXT_REBUILD + DATABASE_WRITE + child_complexity")]
    async fn restore_document(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
    ) -> Result<EditPayload, ApiError> {
        take_edit(ctx, Some(&document_id))?;
        let admitted = require(ctx, &document_id, AccessLevel::Edit).await?;
        let api = api(ctx)?;
        let content = text_at(ctx, &admitted, version).await?;
        let (size, limit) = (content.bytes(), api.limits.document);
        if size > limit {
            return Err(EditError::TooLarge { size, limit }.into());
        }
        let text = Some(Text::stored(content.to_string()));
        let kind = EditKind::Replace { title: None, content: text, base: None };
        let stored = api.rooms.edit(edit_request(ctx, &admitted, None, kind)?).await?;
        Ok(EditPayload::at(stored.version))
    }
}
