//! Restoring an earlier version, taking changes back, naming versions, and deleting earlier ones.

use async_graphql::{Context, ID, Object};
use tokio::time::{Instant, sleep};

use super::edit::{edit_request, take_edit};
use crate::{
    domain::{AccessLevel, Party, Version},
    graphql::{
        ApiError,
        access::require,
        caller::api,
        complexity::{DATABASE_WRITE, TEXT_REBUILD},
        loaders::loaders,
        query::{GivenVersions, named, restoration, reversal},
        read_turns::read,
        types::{EditPayload, HistoryDeletion, NamedVersionType, Timestamp},
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

    /// Takes back what a history entry has changed, as a new change: what it inserted is deleted if it is still there, and what it
    /// deleted is inserted again at its place: text with its formats and embedded objects, and all other root types of Yjs editors.
    /// What others have written since stays. `version` is the last version that is taken back: pass the `toVersion` of an entry for
    /// all of it. `fromVersion` is the first one, and the first of the entry unless it is given: a program that writes as one user has many
    /// changes in an entry, which may include the creation. With `author`, it fails unless that user made the changes. To undo it, take back the version that it made.
    /// Requires `EDIT`.
    #[graphql(complexity = "2 * TEXT_REBUILD + DATABASE_WRITE + child_complexity")]
    async fn take_back_changes(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
        from_version: Option<i64>,
        author: Option<ID>,
        mutation_id: Option<ID>,
    ) -> Result<EditPayload, ApiError> {
        take_edit(ctx, Some(&document_id)).await?;
        let admitted = require(ctx, &document_id, AccessLevel::Edit).await?;
        let taken = GivenVersions { from: from_version.map(Version::new), to: version };
        let (author, edit) = (author.as_ref(), mutation_id.as_ref());
        let kind = reversal(ctx, &admitted, taken, author, edit).await?;
        let request = edit_request(ctx, &admitted, mutation_id, kind)?;
        let stored = api(ctx)?.rooms.edit(request).await?;
        Ok(EditPayload::at(stored.version))
    }

    /// Gives a version a name of 1 to 100 characters, or another one. As long as it has one, it can be read with `documentAt` and
    /// restored with `restoreDocument`, whatever becomes of the history. Its content counts in the quota of the owner. Fails with
    /// `CONFLICT` if 100 versions of the document have names. Requires `EDIT`. A name that is there is changed only by the user who
    /// gave it and by owners; for others it is `FORBIDDEN`.
    #[graphql(complexity = "TEXT_REBUILD + DATABASE_WRITE + child_complexity")]
    async fn name_version(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
        name: String,
    ) -> Result<NamedVersionType, ApiError> {
        take_edit(ctx, Some(&document_id)).await?;
        let admitted = require(ctx, &document_id, AccessLevel::Edit).await?;
        let named = named(ctx, &admitted, version, &name).await?;
        loaders(ctx)?.forget_named_versions();
        Ok(NamedVersionType(named))
    }

    /// Removes the name of a version, which is then kept as long as any other. Returns whether it had one. Requires `EDIT`, and
    /// fails with `FORBIDDEN` unless the caller gave the name or has `OWNER`.
    #[graphql(complexity = "DATABASE_WRITE")]
    async fn unname_version(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
    ) -> Result<bool, ApiError> {
        take_edit(ctx, Some(&document_id)).await?;
        let admitted = require(ctx, &document_id, AccessLevel::Edit).await?;
        let (actor, document) = (admitted.user.id, admitted.document);
        let store = &api(ctx)?.store;
        let had_name = store.unname_version(actor, document, Version::new(version)).await?;
        loaders(ctx)?.forget_named_versions();
        Ok(had_name)
    }

    /// Deletes the history of a document before a time, to make room for more. Without `before`, and at the latest, that is
    /// `store.history_kept` (1 hour by default) ago. The text, and the changes since its last snapshot before that time,
    /// stay, and so do named versions. Edits cannot be based on deleted versions. Requires `OWNER`.
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
