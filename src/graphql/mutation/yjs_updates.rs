//! Merging Yjs updates of programs that are no editors.

use async_graphql::{Context, ID, Object};
use bytes::Bytes;

use super::edit::{edit_request, take_edit};
use crate::{
    domain::AccessLevel,
    editing::{Acknowledgement, EditError, EditKind, MergeError},
    graphql::{
        ApiError,
        access::require_to_edit,
        caller::api,
        complexity::DATABASE_WRITE,
        types::{Base64, UpdatePayload},
    },
};

/// The most parts in which one update is merged. Each part takes `room.apply_within` at most.
const MAX_PARTS: usize = 16;

/// Mutations that merge Yjs updates.
#[derive(Default)]
pub(super) struct UpdateMutations;

#[Object]
impl UpdateMutations {
    /// Merges a Yjs v1 update, as `Y.encodeStateAsUpdate` of the Yjs package returns, with everything in the document. A
    /// successful answer means that all of it is stored. An update that was merged before changes nothing, so it can be sent
    /// again. It may contain what the document has already, but it must not depend on changes that the document does not
    /// have. One that takes long is stored in parts, each of which counts as an edit: after a failure, send the same update
    /// again. Requires `EDIT`.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn apply_update(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        update: Base64,
    ) -> Result<UpdatePayload, ApiError> {
        let admitted = require_to_edit(ctx, &document_id, AccessLevel::Edit).await?;
        let rooms = &api(ctx)?.rooms;
        let Base64(update) = update;
        let (mut left_out, mut last) = (false, None);
        for _ in 0..MAX_PARTS {
            take_edit(ctx, Some(&document_id)).await?;
            let kind = EditKind::Merge {
                updates: vec![Bytes::clone(&update)],
                acknowledgement: Acknowledgement::None,
            };
            let stored = rooms.edit(edit_request(ctx, &admitted, None, kind)?).await?;
            left_out |= stored.omitted.content;
            if !stored.omitted.rest {
                return Ok(UpdatePayload::new(stored.version, left_out));
            }
            if last.replace(stored.version) == Some(stored.version) {
                // Time would help no more.
                return Err(EditError::from(MergeError::MissingDependencies).into());
            }
        }
        // The same update goes on where this one ended.
        Err(EditError::Busy.into())
    }
}
