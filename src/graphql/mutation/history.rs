//! Restoring an earlier version, and deleting earlier versions.

use async_graphql::{Context, ID, Object};
use tokio::time::{Instant, sleep};

use super::edit::{edit_request, take_edit};
use crate::{
    domain::{AccessLevel, Party},
    graphql::{
        ApiError,
        access::require,
        caller::api,
        complexity::{DATABASE_WRITE, TEXT_REBUILD},
        query::restoration,
        read_turns::read,
        types::{EditPayload, HistoryDeletion, Timestamp},
    },
};

/// How many slices of a log one mutation deletes. Each takes at most about 16 MiB.
const MAX_SLICES: usize = 64;

/// Mutations that use the history.
#[derive(Default)]
pub(super) struct HistoryMutations;

#[Object]
impl HistoryMutations {
    /// Restores the content of `version` as a new change: the text with its formats and embedded objects, and all other root
    /// types of Yjs editors. What others write meanwhile is merged, and the history after that version is kept. Restoring the
    /// version before it takes it back. Requires `EDIT`.
    #[graphql(complexity = "TEXT_REBUILD + DATABASE_WRITE + child_complexity")]
    async fn restore_document(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
    ) -> Result<EditPayload, ApiError> {
        take_edit(ctx, Some(&document_id)).await?;
        let admitted = require(ctx, &document_id, AccessLevel::Edit).await?;
        let kind = restoration(ctx, &admitted, version).await?;
        let api = api(ctx)?;
        let stored = api.rooms.edit(edit_request(ctx, &admitted, None, kind)?).await?;
        Ok(EditPayload::at(stored.version))
    }

    /// Deletes the history of a document before a time, to make room for more. Without `before`, and at the latest, that is
    /// `store.history_kept` (1 hour by default) ago. The text, and the changes since its last snapshot before that time,
    /// stay. Edits cannot be based on deleted versions. Requires `OWNER`.
    #[graphql(complexity = "DATABASE_WRITE + child_complexity")]
    async fn delete_history(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        before: Option<Timestamp>,
    ) -> Result<HistoryDeletion, ApiError> {
        take_edit(ctx, Some(&document_id)).await?;
        let admitted = require(ctx, &document_id, AccessLevel::Owner).await?;
        let before = before.map(|Timestamp(before)| before);
        let party = Party::User(admitted.user.id);
        let (store, mut freed, mut has_more) = (&api(ctx)?.store, 0, true);
        for _ in 0..MAX_SLICES {
            let began = Instant::now();
            let Some(bytes) = store.shorten_log(admitted.document, before, party).await? else {
                has_more = false;
                break;
            };
            freed += bytes;
            // Others write meanwhile.
            sleep(began.elapsed()).await;
        }
        let storage = read(ctx, store.load_usage(admitted.user.id)).await?;
        Ok(HistoryDeletion::new(freed, has_more, &storage))
    }
}
