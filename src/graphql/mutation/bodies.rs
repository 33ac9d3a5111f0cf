//! Replacing the content of root types by JSON trees.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::edit::{edit_request, take_edit};
use crate::{
    domain::{AccessLevel, EditId, InvalidInput, Version},
    editing::{BodyChange, BodyMismatch, EditKind, GivenBody, loader::off_thread},
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
        let given = GivenBody { root, kind: kind.map(Into::into), json: Arc::new(body.0) };
        // A repeated edit is answered without its base, which may be large or no longer kept.
        if let Some(name) = &mutation_id {
            let edit = (admitted.user.id, EditId::new(name)?);
            let (rooms, base) = (&api(ctx)?.rooms, Version::new(base_version));
            let finding = rooms.find_replacement(admitted.document, edit, base, &given);
            if let Some(version) = finding.await? {
                return Ok(EditPayload::at(version));
            }
        }
        let (base, earlier) = earlier_content(ctx, &admitted, base_version).await?;
        let read = move || BodyChange::new(given, earlier);
        let change = off_thread(usize::MAX, read).await?.map_err(mismatch)?;
        let kind = EditKind::ReplaceBody { base, change: change.into() };
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
