//! Replacing the content of root types by JSON trees.

use async_graphql::{Context, ID, Object};

use super::edit::{edit_request, take_edit};
use crate::{
    domain::{AccessLevel, EditId, InvalidInput, Version},
    editing::{BodyChange, BodyMismatch, DocumentBody, EditKind},
    graphql::{
        ApiError,
        access::require_to_edit,
        caller::api,
        complexity::{DATABASE_WRITE, TEXT_REBUILD},
        query::earlier_content,
        types::{BodyKindType, EditPayload, JsonValue},
    },
};

/// Mutations of the content of root types.
#[derive(Default)]
pub(super) struct BodyMutations;

#[Object]
impl BodyMutations {
    /// Replaces the content of a root type of Yjs by a JSON tree, as `documentAt { body }` shows it. The server merges the
    /// difference from the content at `baseVersion`: nodes that stayed stay, so the carets and the edits of others inside them
    /// survive. `root` defaults to the body of the document at `baseVersion`, and `kind` to that of the
    /// root type, or if it is empty, to what the tree looks like. A
    /// successful answer means that the edit is stored. Choose a unique `mutationId` to make retries safe: an edit with the same
    /// `mutationId` is stored once and answered as the first time. Requires `EDIT`.
    #[allow(clippy::too_many_arguments, reason = "the schema names each of them")]
    #[graphql(complexity = "TEXT_REBUILD + DATABASE_WRITE + child_complexity")]
    async fn replace_body(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        body: JsonValue,
        base_version: i64,
        root: Option<String>,
        kind: Option<BodyKindType>,
        mutation_id: Option<ID>,
    ) -> Result<EditPayload, ApiError> {
        take_edit(ctx, Some(&document_id)).await?;
        let admitted = require_to_edit(ctx, &document_id, AccessLevel::Edit).await?;
        let read = |root: &str| DocumentBody::new(root, kind.map(Into::into), body.0);
        let (base, earlier, body) = match root {
            Some(root) => {
                let body = read(&root).map_err(mismatch)?;
                // A repeated edit is answered without its base, which may be large or no longer kept.
                if let Some(name) = &mutation_id {
                    let edit = (admitted.user.id, EditId::new(name)?);
                    let (rooms, base) = (&api(ctx)?.rooms, Version::new(base_version));
                    let finding = rooms.find_replacement(admitted.document, edit, base, &body);
                    if let Some(version) = finding.await? {
                        return Ok(EditPayload::at(version));
                    }
                }
                let (base, earlier) = earlier_content(ctx, &admitted, base_version).await?;
                (base, earlier, body)
            }
            None => {
                let (base, earlier) = earlier_content(ctx, &admitted, base_version).await?;
                let body = read(&earlier.body_root()).map_err(mismatch)?;
                (base, earlier, body)
            }
        };
        let kind = EditKind::ReplaceBody { base, change: BodyChange::new(body, earlier).into() };
        let request = edit_request(ctx, &admitted, mutation_id, kind)?;
        let stored = api(ctx)?.rooms.edit(request).await?;
        Ok(EditPayload::at(stored.version))
    }
}

/// Returns the error for a tree that is no content.
#[allow(clippy::needless_pass_by_value, reason = "it is used as a function of the error")]
pub(super) fn mismatch(mismatch: BodyMismatch) -> InvalidInput {
    InvalidInput::new(format!("{mismatch}."))
}
